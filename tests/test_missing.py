"""Missing cells: NaN in X is learned from, scored, explained and imputed."""

import pickle
import warnings
from functools import partial

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae._missing import NormalDistribution, fill
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    VariationalArchitecture,
)
from skae.metrics import (
    reconstruction_error,
    reconstruction_r2_score,
    reconstruction_scorer,
)
from skae.preprocessing import TableScaler

SMALL = {"architecture": DenseArchitecture((16,)), "epochs": 5, "random_state": 0}


@pytest.fixture(scope="module")
def complete():
    """Ten correlated features of 400 samples, standardized."""
    X = load_breast_cancer().data[:400, :10]
    return StandardScaler().fit_transform(X)


@pytest.fixture(scope="module")
def hidden(complete):
    """A fifth of the cells."""
    return np.random.RandomState(0).uniform(size=complete.shape) < 0.2


@pytest.fixture(scope="module")
def X(complete, hidden):
    X = np.where(hidden, np.nan, complete)
    X[7] = np.nan  # a sample without any observed cell
    return X


@pytest.fixture(scope="module")
def transformer(X):
    """Fitted; a test that changes it takes a copy."""
    return AutoencoderTransformer(3, **SMALL).fit(X)


@pytest.fixture(scope="module")
def detector(X):
    return AutoencoderOutlierDetector(2, **SMALL).fit(X)


@pytest.fixture(scope="module")
def of_complete(complete):
    """Fitted on samples without missing cells."""
    return AutoencoderTransformer(3, **SMALL).fit(complete)


def copy_of(estimator):
    return pickle.loads(pickle.dumps(estimator))


# The normal distribution behind it.


def test_fill_is_the_conditional_expectation(complete, hidden):
    normal = NormalDistribution.fit(np.where(hidden, np.nan, complete))
    incomplete = np.where(hidden, np.nan, complete)
    found = fill(incomplete, *normal.weights())
    for x, missing, filled in zip(complete[:50], hidden[:50], found[:50], strict=True):
        joint = normal.covariance[np.ix_(missing, ~missing)]
        observed = normal.covariance[np.ix_(~missing, ~missing)]
        deviation = (x - normal.mean)[~missing]
        expected = normal.mean[missing] + joint @ np.linalg.solve(observed, deviation)
        assert_allclose(filled[missing], expected, atol=0.02)
        assert_array_equal(filled[~missing], x[~missing])


def test_covariance_of_incomplete_samples():
    rng = np.random.RandomState(0)
    true = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    X = rng.multivariate_normal([1.0, -2.0, 0.0], true, size=3000)
    # Not at random: the second feature is missing where the first one is large.
    X[X[:, 0] > 1.0, 1] = np.nan
    normal = NormalDistribution.fit(X)
    assert abs(np.nanmean(X[:, 1]) + 2) > 0.4
    assert_allclose(normal.mean, [1.0, -2.0, 0.0], atol=0.1)
    assert_allclose(normal.covariance, true, atol=0.15)


def test_fill_does_not_depend_on_other_samples(X):
    weights = NormalDistribution.fit(X).weights()
    assert_allclose(fill(X, *weights)[3:5], fill(X[3:5], *weights), rtol=1e-10)


# Fitting.


def test_masked_cells_are_refused(transformer, detector, X):
    hidden = np.isnan(X)
    masked = np.ma.masked_array(np.where(hidden, 1e6, X), mask=hidden)
    scaler = TableScaler().fit(X)
    for method in (
        *(transformer.fit, transformer.transform, transformer.score),
        *(transformer.reconstruct, transformer.impute, transformer.partial_fit),
        *(detector.fit, detector.score_samples, detector.predict, detector.explain),
        *(scaler.fit, scaler.transform, scaler.inverse_transform),
        partial(reconstruction_error, X_pred=np.zeros(X.shape)),
    ):
        with pytest.raises(ValueError, match=rf"masked array with {hidden.sum()} mask"):
            method(masked)

    class Blocks:
        def __iter__(self):
            return iter([X[:50], masked[50:]])

    codes = np.ma.masked_less(transformer.transform(X), 0)
    with pytest.raises(ValueError, match="codes is a masked array"):
        transformer.inverse_transform(codes)
    with pytest.raises(ValueError, match="Block 1 of X is a masked array"):
        clone(transformer).fit(Blocks())
    # The cure that is named, and an array whose mask hides nothing.
    filled = masked.astype(float).filled(np.nan)
    expected = transformer.transform(X)
    assert_array_equal(transformer.transform(filled), expected)
    assert_array_equal(transformer.transform(np.ma.masked_array(X)), expected)


def test_it_is_better_than_to_fill_with_means(complete, hidden):
    X = np.where(hidden, np.nan, complete)
    filled = SimpleImputer().fit_transform(X)
    ours = AutoencoderTransformer(3, epochs=30, random_state=0).fit(X[:300])
    theirs = AutoencoderTransformer(3, epochs=30, random_state=0).fit(filled[:300])
    ours = reconstruction_error(complete[300:], ours.reconstruct(X[300:])).mean()
    theirs = reconstruction_error(complete[300:], theirs.reconstruct(filled[300:]))
    assert ours < 0.8 * theirs.mean()


@pytest.mark.parametrize(
    "architecture",
    [
        DenseArchitecture((16,), start="random"),
        DenseArchitecture((16,), tied_weights=True),
        DenseArchitecture(()),
        DenseArchitecture((16,), noise=0.1, contractive=0.1),
        VariationalArchitecture((16,)),
    ],
    ids=["random", "tied", "linear", "noise", "variational"],
)
def test_architectures(complete, X, architecture):
    params = SMALL | {"architecture": architecture, "epochs": 40}
    transformer = AutoencoderTransformer(2, **params).fit(X)
    R = transformer.reconstruct(X)
    means = np.broadcast_to(np.nanmean(X, axis=0), X.shape)
    assert reconstruction_error(complete, R).sum() < (
        0.9 * reconstruction_error(complete, means).sum()
    )
    assert np.isfinite(transformer.history_["loss"]).all()


def test_ordered_codes(X):
    transformer = AutoencoderTransformer(4, ordered=True, **SMALL).fit(X)
    assert np.isfinite(transformer.explained_variance_ratio_).all()
    truncated = transformer.truncate(1)
    assert truncated.transform(X).shape == (400, 1)
    assert np.isfinite(truncated.impute(X)).all()


def test_the_linear_start_is_nearly_pca_of_complete_samples(complete, X):
    linear = AutoencoderTransformer(
        3, architecture=DenseArchitecture(()), epochs=1, learning_rate=1e-9
    ).fit(X)
    pca = PCA(3).fit(complete)
    R = pca.inverse_transform(pca.transform(complete))
    of_pca = reconstruction_r2_score(complete, R)
    assert (
        reconstruction_r2_score(complete, linear.reconstruct(complete)) > of_pca - 0.02
    )


def test_training_batch_by_batch_is_the_same(X):
    class EachBatch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    params = SMALL | {"architecture": DenseArchitecture((), start="pca")}
    compiled = AutoencoderTransformer(3, **params).fit(X)
    by_keras = AutoencoderTransformer(3, **params, callbacks=[EachBatch()]).fit(X)
    for name in ("loss", "val_loss"):
        assert_allclose(
            compiled.history_[name][0], by_keras.history_[name][0], rtol=0.1
        )
    assert np.isfinite(by_keras.history_["loss"]).all()


@pytest.mark.parametrize("loss", ["mean_absolute_error", keras.losses.Huber(), "mine"])
def test_only_observed_cells_count_in_the_loss(complete, hidden, loss):
    def mine(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    loss = mine if loss == "mine" else loss
    X = np.where(hidden, np.nan, complete)
    transformer = AutoencoderTransformer(3, loss=loss, **SMALL).fit(X)
    assert np.isfinite(transformer.history_["loss"]).all()
    assert transformer.score(X) > 0.3


def test_cross_entropy(complete, hidden):
    X = (complete > 0).astype(float)
    X[hidden] = np.nan
    params = SMALL | {"epochs": 30, "loss": "binary_crossentropy"}
    transformer = AutoencoderTransformer(3, **params).fit(X)
    imputed = transformer.impute(X)[hidden]
    assert ((imputed > 0.5) == (complete > 0)[hidden]).mean() > 0.7


def test_validation_samples_with_missing_cells(complete, X):
    for X_val in (X[:50], complete[:50]):
        transformer = AutoencoderTransformer(3, **SMALL).fit(complete, X_val=X_val)
        has_missing = np.isnan(X_val).any()
        told = "is_missing" in {node["op"] for node in encoder_nodes(transformer)}
        assert told == has_missing
        assert np.isfinite(transformer.history_["val_loss"]).all()


def encoder_nodes(transformer):
    return transformer.__getstate__()["_fitted"]["graphs"]["encoder"]["nodes"]


def test_partial_fit(complete, X):
    transformer = AutoencoderTransformer(3, **SMALL)
    transformer.partial_fit(X[:200]).partial_fit(complete[200:]).partial_fit(X[200:])
    assert transformer.n_iter_ == 3
    assert transformer.score(X) > 0.3
    transformer = AutoencoderTransformer(3, **SMALL).partial_fit(complete)
    before = transformer.transform(complete)
    with pytest.raises(ValueError, match="handle_missing=True"):
        transformer.partial_fit(X)
    assert_array_equal(transformer.transform(complete), before)
    always = SMALL | {"architecture": DenseArchitecture((16,), handle_missing=True)}
    transformer = AutoencoderTransformer(3, **always).partial_fit(complete)
    assert np.isfinite(transformer.partial_fit(X).impute(X)).all()


def test_few_further_samples_do_not_spoil_imputation(X, complete, hidden):
    params = SMALL | {"epochs": 20}
    transformer = AutoencoderTransformer(3, **params).fit(X[8:])
    before = np.square(transformer.impute(X) - complete)[8:].mean()
    transformer.partial_fit(X[8:18])
    assert np.square(transformer.impute(X) - complete)[8:].mean() < 2 * before


def test_overflow_beside_a_missing_cell(of_complete):
    X = np.full((2, 10), 1e37, np.float32)
    X[:, 3] = np.nan
    assert of_complete.transform(X).shape == (2, 3)


def test_huge_values_of_float32(transformer, X):
    X = X[:5].astype(np.float32)
    X[:, 0], X[:, 1] = 1e25, np.nan
    assert np.isfinite(transformer.impute(X)).all()


def test_saved_by_a_callback(tmp_path, X):
    path = tmp_path / "model.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path)
    params = SMALL | {"epochs": 1, "callbacks": [checkpoint]}
    transformer = AutoencoderTransformer(2, **params).fit(X)
    loaded = keras.models.load_model(path)
    assert loaded.count_params() == transformer.autoencoder_.count_params()


def test_warm_start(X, complete):
    transformer = AutoencoderTransformer(3, warm_start=True, **SMALL).fit(X)
    assert np.isfinite(transformer.fit(complete).impute(X)).all()


def test_one_seed_gives_one_model(transformer, X):
    again = AutoencoderTransformer(3, **SMALL).fit(X)
    assert_array_equal(again.transform(X), transformer.transform(X))
    assert_array_equal(again.impute(X), transformer.impute(X))


def test_float32(X):
    X = X.astype(np.float32)
    transformer = AutoencoderTransformer(3, **SMALL).fit(X)
    assert transformer.transform(X).dtype == np.float32
    assert transformer.impute(X).dtype == np.float32


def test_images():
    images = np.random.RandomState(0).uniform(size=(60, 4, 4, 2))
    images[:, 0, 0, 0] = images[:, 1, 1, 1]
    images[::3, 0, 0, 0] = np.nan
    transformer = AutoencoderTransformer(3, **SMALL).fit(images)
    imputed = transformer.impute(images)
    assert imputed.shape == images.shape
    assert np.isfinite(imputed).all()


def test_many_features():
    """Beyond 256 of them, missing cells are filled by means."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 300)) + 5
    complete = X.copy()
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    transformer = AutoencoderTransformer(3, **SMALL | {"epochs": 40}).fit(X)
    imputed = transformer.impute(X)
    means = SimpleImputer().fit_transform(X)
    assert np.square(imputed - complete).sum() < 0.8 * np.square(means - complete).sum()
    detector = AutoencoderOutlierDetector(3, **SMALL).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()


# What is refused, and what is told.


def test_a_feature_without_observed_cells(complete):
    X = pd.DataFrame(complete, columns=[f"f{i}" for i in range(10)]).assign(f3=np.nan)
    with pytest.warns(UserWarning, match="1 of 10 features .* no observed cell: f3"):
        transformer = AutoencoderTransformer(2, **SMALL).fit(X)
    assert np.isfinite(transformer.transform(X)).all()
    assert_allclose(transformer.impute(X)["f3"], 0, atol=1e-9)
    assert np.isfinite(transformer.score(X))
    with pytest.warns(UserWarning, match="no observed cell"):
        detector = AutoencoderOutlierDetector(2, **SMALL).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_nothing_observed(Estimator, method):
    with pytest.raises(ValueError, match="X has no observed cell"):
        getattr(Estimator(**SMALL), method)(np.full((20, 3), np.nan))
    with pytest.raises(ValueError, match="X_val has no observed cell"):
        Estimator(**SMALL).fit(np.ones((20, 3)), X_val=np.full((20, 3), np.nan))


@pytest.mark.parametrize(
    "architecture",
    [
        DenseArchitecture((4,), handle_missing=False),
        ConvolutionalArchitecture((2,), 3, rank=1, sample_shape=(10, 1)),
    ],
    ids=["dense", "convolutional"],
)
def test_architectures_that_refuse_nan(Estimator, X, complete, architecture):
    estimator = Estimator(**SMALL | {"architecture": architecture, "epochs": 1})
    assert not estimator.__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(ValueError, match="contains NaN"):
        estimator.fit(X)
    estimator.fit(complete)
    with pytest.raises(ValueError, match="contains NaN"):
        estimator.reconstruct(X)


def test_infinity_is_no_missing_cell(transformer, X):
    X = X.copy()
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        transformer.transform(X)


def test_complete_samples_make_the_same_network_as_before(of_complete):
    operations = {node["op"] for node in encoder_nodes(of_complete)}
    assert not operations & {"fill", "is_missing"}


# Samples with missing cells, where no training sample had any.


def test_new_missing_cells(of_complete, complete, hidden):
    X = np.where(hidden, np.nan, complete)
    means = np.where(hidden, complete.mean(axis=0), complete)
    imputed = of_complete.impute(X)
    assert_array_equal(imputed[~hidden], complete[~hidden])
    assert np.square(imputed - complete).sum() < np.square(means - complete).sum()
    assert_allclose(of_complete.transform(X)[:3], of_complete.transform(X[:3]))


def test_new_missing_cells_of_a_detector(complete, hidden):
    detector = AutoencoderOutlierDetector(3, **SMALL).fit(complete)
    scores = detector.score_samples(np.where(hidden, np.nan, complete))
    assert np.corrcoef(scores, detector.score_samples(complete))[0, 1] > 0.5


# Scores.


def test_samples_are_comparable(detector, complete):
    """However many cells are missing, about as many samples are outliers."""
    rng = np.random.RandomState(1)
    medians = []
    for share in (0.0, 0.3, 0.6):
        X = complete.copy()
        X[rng.uniform(size=X.shape) < share] = np.nan
        scores = detector.score_samples(X)
        assert (scores < detector.offset_).mean() < 0.12
        medians.append(np.median(scores))
    assert max(medians) / min(medians) > 0.5


@pytest.mark.parametrize("kind", ["reconstruction", "residual", "fused"])
def test_a_missing_cell_is_no_culprit(complete, kind):
    rng = np.random.RandomState(0)
    X = complete.copy()
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    detector = AutoencoderOutlierDetector(2, outlier_score=kind, **SMALL).fit(X)
    strange = complete[:20].copy()
    strange[:, 4] = 12.0
    with_strange = detector.score_samples(strange)
    strange[:, 4] = np.nan
    assert (detector.score_samples(strange) > with_strange).all()
    assert (detector.explain(strange)[:, 4] == 0).all()


def test_outliers_are_found_among_incomplete_samples(complete, hidden):
    rng = np.random.RandomState(0)
    X = np.where(hidden, np.nan, complete)
    outliers = np.array([rng.permutation(column) for column in complete.T]).T
    outliers = np.where(hidden, np.nan, outliers)
    detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    scores = np.r_[detector.score_samples(X), detector.score_samples(outliers)]
    assert roc_auc_score(np.repeat([1, 0], len(X)), scores) > 0.8


def test_calibration(X):
    detector = AutoencoderOutlierDetector(
        2, calibration=0.3, contamination=0.1, **SMALL
    ).fit(X[:300])
    assert ((detector.predict_pvalue(X) > 0) & (detector.predict_pvalue(X) <= 1)).all()
    assert np.isfinite(
        AutoencoderOutlierDetector(2, calibration=3, **SMALL).fit(X).offset_
    )


def test_small_features_do_not_decide(complete):
    """One missing cell in training changes scores little."""
    A = complete.copy()
    A[:, 3] *= 1e-3
    B = A.copy()
    B[0, 0] = np.nan
    strange = A[1:50].copy()
    strange[:, 3] += 0.1
    scores = [
        AutoencoderOutlierDetector(2, **SMALL).fit(Z).score_samples(strange)
        for Z in (A, B)
    ]
    assert np.median(scores[1]) > 20 * np.median(scores[0])


def test_metrics(complete, X):
    R = np.zeros_like(complete)
    observed = ~np.isnan(X)
    expected = np.square(np.where(observed, complete, 0)).sum(axis=1)
    assert_allclose(reconstruction_error(X, R), expected)
    means = np.broadcast_to(np.nanmean(X, axis=0), X.shape)
    assert_allclose(reconstruction_r2_score(X, means), 0, atol=1e-12)
    with pytest.raises(ValueError, match="X_pred contains NaN"):
        reconstruction_r2_score(complete, X)
    constant, wrong = np.full((50, 3), 0.1), np.full((50, 3), 0.2)
    constant[3, 0] = np.nan
    assert reconstruction_r2_score(constant, wrong) == 0


def test_score_in_a_pipeline(X):
    pipeline = make_pipeline(StandardScaler(), AutoencoderTransformer(3, **SMALL))
    assert 0.3 < reconstruction_scorer(pipeline.fit(X), X) < 1


# Imputation.


def test_impute_is_as_good_as_regression(transformer, complete, hidden):
    X = np.where(hidden, np.nan, complete)
    linear = fill(X, *NormalDistribution.fit(X).weights())

    def error(values):
        return np.square(values - complete)[hidden].mean()

    assert error(transformer.impute(X)) < 1.05 * error(linear)
    assert error(linear) < 0.5


def test_impute_a_data_frame(transformer, X):
    names = [f"f{i}" for i in range(10)]
    X = X[:, ::1].copy()
    X[:, 2] = np.arange(len(X)) % 3
    frame = pd.DataFrame(X, columns=names, index=np.arange(len(X)) + 100)
    frame["f2"] = frame["f2"].astype("int64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fitted without names
        imputed = transformer.impute(frame)
        in_polars = transformer.impute(pl.from_pandas(frame))
    assert list(imputed.columns) == names
    assert imputed.index.equals(frame.index)
    assert imputed["f2"].dtype == "int64"
    assert not imputed.isna().any().any()
    assert frame.isna().any().any()
    assert isinstance(in_polars, pl.DataFrame)
    assert in_polars.schema["f2"] == pl.Int64
    assert_allclose(in_polars.to_numpy(), imputed.to_numpy())


def test_impute_in_the_units_of_a_table(complete, hidden):
    table = pd.DataFrame(np.where(hidden, np.nan, 5 + 100 * complete))
    table.columns = [f"f{i}" for i in range(10)]
    pipeline = make_pipeline(StandardScaler(), AutoencoderTransformer(3, **SMALL))
    scaler, transformer = pipeline.fit(table)
    imputed = scaler.inverse_transform(transformer.impute(scaler.transform(table)))
    assert_allclose(imputed[~hidden], table.to_numpy()[~hidden])
    assert np.square(imputed / 100 - 0.05 - complete)[hidden].mean() < 0.6


# Files.


def test_onnx(tmp_path, transformer, detector, X):
    onnxruntime = pytest.importorskip("onnxruntime")
    from skae.onnx import export_onnx

    for estimator in (transformer, detector):
        path = tmp_path / "model.onnx"
        export_onnx(estimator, path)
        session = onnxruntime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        found = session.run(names, {session.get_inputs()[0].name: X.astype("float32")})
        for name, values in zip(names, found, strict=True):
            expected = getattr(estimator, name)(X.astype("float32"))
            scale = np.abs(expected).max()
            assert_allclose(
                np.squeeze(values), np.squeeze(expected), atol=2e-4 * scale, rtol=1e-3
            )
