import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn.pipeline
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

import skae
from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture, VariationalArchitecture
from skae.inspection import OutlierExplanationDisplay, ReconstructionDisplay
from skae.parallel import map_blocks
from skae.pipeline import Pipeline, make_pipeline
from skae.preprocessing import TableScaler

SMALL = {"architecture": DenseArchitecture((8,)), "epochs": 2, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def detector(**params):
    return AutoencoderOutlierDetector(**SMALL | params)


def transformer(**params):
    return AutoencoderTransformer(**SMALL | params)


@pytest.fixture(scope="module")
def numbers():
    """A table of numbers in other units, with an index of its own."""
    rng = np.random.RandomState(0)
    x = rng.normal(size=(120, 1))
    X = np.hstack([100 + 10 * x, -x, 2e-3 * x]) + rng.normal(size=(120, 3)) * 1e-4
    table = pd.DataFrame(X, columns=list("abc"), index=np.arange(120) + 1000)
    return table.assign(n=table["a"].round().astype("int32"))


@pytest.fixture(scope="module")
def incomplete(numbers):
    hidden = np.random.RandomState(1).uniform(size=(120, 6)) < 0.2
    return numbers.assign(
        kind=pd.Categorical(np.where(numbers["b"] > 0, "u", "v")),
        count=numbers["n"].astype("Int64"),
    ).mask(hidden)


@pytest.fixture(scope="module")
def calibrated(numbers):
    return make_pipeline(StandardScaler(), detector(calibration=0.3)).fit(numbers)


@pytest.fixture(scope="module")
def imputing(incomplete):
    return make_pipeline(TableScaler(), transformer()).fit(incomplete)


def test_methods_are_those_of_the_last_step(calibrated, imputing):
    assert hasattr(calibrated, "predict_pvalue")
    assert not hasattr(calibrated, "impute")
    assert hasattr(imputing, "impute")
    assert not hasattr(imputing, "explain")
    with pytest.raises(AttributeError) as error:
        make_pipeline(StandardScaler(), detector()).test_drift  # noqa: B018
    assert "calibration" in str(error.value.__cause__.__cause__)
    assert not hasattr(make_pipeline(StandardScaler(), PCA()), "reconstruct")


def test_decisions_are_those_of_the_last_step_by_hand(calibrated, numbers):
    scaled, last = calibrated[0].transform(numbers), calibrated[-1]
    expected = last.predict_pvalue(scaled)
    np.testing.assert_array_equal(calibrated.predict_pvalue(numbers), expected)
    assert calibrated.test_drift(numbers).pvalue == last.test_drift(scaled).pvalue
    other = pickle.loads(pickle.dumps(calibrated))
    assert other.set_threshold(0.5) is other
    assert other[-1].offset_ > last.offset_


class Selecting(OutlierMixin, BaseEstimator):
    """A last step with `select_outliers`."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def select_outliers(self, X, *, fdr=0.1):
        return X[:, 0] > fdr


def test_select_outliers(numbers):
    pipeline = make_pipeline(StandardScaler(), Selecting()).fit(numbers)
    selected = pipeline.select_outliers(numbers, fdr=1.0)
    np.testing.assert_array_equal(selected, pipeline[0].transform(numbers)[:, 0] > 1.0)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("scaler", [StandardScaler(), TableScaler()])
def test_samples_come_back_in_the_units_of_the_input(library, scaler, numbers):
    table = numbers
    if library == "polars":
        table = pytest.importorskip("polars").DataFrame(numbers)
    pipeline = make_pipeline(clone(scaler), detector()).fit(table)
    _, expected = pipeline.explain(table, return_expected=True)
    for samples in (pipeline.reconstruct(table), expected):
        assert type(samples) is type(table)
        assert list(samples.dtypes) == list(table.dtypes)
        assert list(samples.columns) == list(table.columns)
        assert abs(np.asarray(samples)[:, 0].mean() - 100) < 10
    contributions = pipeline.explain(table)
    assert list(contributions.columns) == list(table.columns)
    np.testing.assert_allclose(
        np.asarray(contributions).sum(axis=1), -pipeline.score_samples(table)
    )
    if library == "pandas":
        assert contributions.index.equals(table.index)
        assert expected.index.equals(table.index)


def test_arrays_stay_arrays(numbers):
    X = numbers.to_numpy("float32")
    pipeline = make_pipeline(StandardScaler(), detector()).fit(X)
    contributions, expected = pipeline.explain(X, return_expected=True)
    assert type(contributions) is np.ndarray
    assert expected.dtype == pipeline.reconstruct(X).dtype == "float32"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_observed_cells_are_exactly_those_that_came(library, imputing, incomplete):
    table = incomplete
    if library == "polars":
        table = pytest.importorskip("polars").from_pandas(incomplete)
    imputed = imputing.impute(table)
    assert list(imputed.dtypes) == list(table.dtypes)
    if library == "polars":
        imputed = imputed.to_pandas().set_axis(incomplete.index)
    assert not imputed.isna().any(axis=None)
    for name in incomplete:
        seen = incomplete[name].notna()
        assert (imputed[name][seen] == incomplete[name][seen]).all()
    assert imputed["a"].between(50, 150).all()


def test_impute_of_an_array(numbers):
    X = numbers.to_numpy(float)
    X[::7, 0] = np.nan
    pipeline = make_pipeline(StandardScaler(), transformer()).fit(X)
    imputed, seen = pipeline.impute(X), ~np.isnan(X)
    assert np.isfinite(imputed).all()
    np.testing.assert_array_equal(imputed[seen], X[seen])


def test_samples_are_drawn_in_units(numbers):
    network = VariationalArchitecture((8,))
    pipeline = make_pipeline(StandardScaler(), transformer(architecture=network))
    samples = pipeline.fit(numbers).sample(5, random_state=0)
    assert samples.shape == (5, 4)
    assert abs(samples[:, 0].mean() - 100) < 30


def test_step_without_inverse_is_named(numbers):
    pipeline = make_pipeline(Normalizer(), detector()).fit(numbers)
    assert pipeline.explain(numbers[:2]).shape == (2, 4)
    with pytest.raises(TypeError, match=r"normalizer.*inverse_transform"):
        pipeline.reconstruct(numbers)
    with pytest.raises(TypeError, match=r"normalizer.*inverse_transform"):
        pipeline.explain(numbers, return_expected=True)


def test_contributions_of_other_columns_have_their_names(numbers):
    pipeline = make_pipeline(StandardScaler(), PCA(2), detector()).fit(numbers)
    contributions, expected = pipeline.explain(numbers[:3], return_expected=True)
    assert list(contributions.columns) == ["pca0", "pca1"]
    assert list(expected.columns) == list(numbers.columns)


def test_validation_samples_go_through_the_steps(numbers):
    X, X_val = numbers[:80], numbers[80:]
    pipeline = make_pipeline(StandardScaler(), transformer()).fit(X, X_val=X_val)
    scaler = StandardScaler().fit(X)
    last = transformer().fit(scaler.transform(X), X_val=scaler.transform(X_val))
    assert pipeline[-1].validation_score_ == last.validation_score_
    # As in scikit-learn, arguments of a step are passed as they are.
    again = make_pipeline(StandardScaler(), transformer())
    again.fit(X, autoencodertransformer__X_val=scaler.transform(X_val))
    assert again[-1].validation_score_ == last.validation_score_
    codes = clone(pipeline).fit_transform(X, X_val=X_val)
    np.testing.assert_array_equal(codes, pipeline.transform(X))


def test_validation_samples_by_metadata_routing(numbers):
    X, X_val = numbers[:80], numbers[80:]
    with config_context(enable_metadata_routing=True):
        last = transformer().set_fit_request(X_val=True)
        ours = make_pipeline(StandardScaler(), last).fit(X, X_val=X_val)
        named = make_pipeline(
            StandardScaler(), clone(last), transform_input=["X_val"]
        ).fit(X, X_val=X_val)
    assert ours[-1].validation_score_ == named[-1].validation_score_


def test_partial_fit_keeps_the_scale_of_the_first_batch(numbers):
    pipeline = make_pipeline(StandardScaler(), detector())
    pipeline.partial_fit(numbers[:60])
    mean = pipeline[0].mean_
    pipeline.partial_fit(numbers[60:])
    np.testing.assert_array_equal(pipeline[0].mean_, mean)
    assert pipeline[-1].n_iter_ == 2


SCALERS = [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), TableScaler()]


@pytest.mark.parametrize("scaler", SCALERS, ids=lambda s: type(s).__name__)
def test_fit_on_blocks_is_that_in_memory(scaler, numbers):
    blocks = [numbers[:50], numbers[50:]]
    pipeline = make_pipeline(clone(scaler), transformer(patience=None))
    in_memory = clone(pipeline).fit(numbers)
    pipeline.fit(blocks, X_val=None)
    np.testing.assert_allclose(
        pipeline.reconstruct(numbers), in_memory.reconstruct(numbers), rtol=1e-4
    )


def test_fit_on_parquet_and_dask(numbers, tmp_path):
    dataset = pytest.importorskip("pyarrow.dataset")
    dask = pytest.importorskip("dask.dataframe")
    numbers.reset_index(drop=True).to_parquet(tmp_path / "x.parquet", row_group_size=50)
    pipeline = make_pipeline(
        MinMaxScaler(), FunctionTransformer(np.sqrt, np.square), detector()
    )
    pipeline.fit(dataset.dataset(tmp_path / "x.parquet"), X_val=numbers[:30])
    lazy = dask.from_pandas(numbers, npartitions=3)
    for name in ("score_samples", "predict", "reconstruct"):
        result = getattr(pipeline, name)(lazy)
        assert hasattr(result, "__dask_graph__")
        expected = getattr(pipeline, name)(numbers)
        np.testing.assert_allclose(np.asarray(result.compute()), np.asarray(expected))
    mapped = map_blocks(pipeline.predict, lazy).compute()
    np.testing.assert_array_equal(mapped, pipeline.predict(numbers))
    labels = clone(pipeline).fit_predict(lazy)
    assert set(labels.compute()) <= {-1, 1}


def test_steps_that_need_all_samples_are_named(numbers):
    blocks = [numbers[:50], numbers[50:]]
    pipeline = make_pipeline(RobustScaler(), detector())
    with pytest.raises(TypeError, match=r"robustscaler.*partial_fit"):
        pipeline.fit(blocks)
    fitted = FrozenEstimator(RobustScaler().fit(numbers[:50]))
    pipeline = make_pipeline(fitted, detector()).fit(blocks)
    assert pipeline[0] is fitted
    with pytest.raises(TypeError, match="partial_fit"):
        make_pipeline(TableScaler("quantile"), detector()).fit(blocks)


def test_a_failed_fit_leaves_the_pipeline_as_it_was(calibrated, numbers):
    pipeline = pickle.loads(pickle.dumps(calibrated))
    before = pipeline.score_samples(numbers)
    with pytest.raises(ValueError, match="infinity"):
        pipeline.fit([numbers * 2, numbers.assign(a=np.inf)])
    np.testing.assert_array_equal(pipeline.score_samples(numbers), before)


def test_what_works_with_scikit_learns_pipeline_works(calibrated, numbers, tmp_path):
    assert type(calibrated[:-1]) is Pipeline
    assert isinstance(calibrated, sklearn.pipeline.Pipeline)
    assert "StandardScaler" in calibrated._repr_html_()
    grid = {"autoencodertransformer__n_components": [1, 2]}
    search = GridSearchCV(make_pipeline(StandardScaler(), transformer()), grid, cv=2)
    search.fit(numbers)
    assert search.best_estimator_.reconstruct(numbers).shape == numbers.shape
    cached = make_pipeline(StandardScaler(), transformer(), memory=str(tmp_path))
    cached.set_output(transform="pandas").fit(numbers, X_val=numbers[:20])
    assert cached.transform(numbers).index.equals(numbers.index)
    assert cached.reconstruct(numbers).index.equals(numbers.index)
    classifier = make_pipeline(StandardScaler(), transformer(), LogisticRegression())
    classifier.fit(numbers, numbers["b"] > 0)
    assert classifier.score(numbers, numbers["b"] > 0) > 0.5


def test_displays_take_it(calibrated, numbers):
    import matplotlib.pyplot as plt

    OutlierExplanationDisplay.from_estimator(calibrated, numbers[:1])
    ReconstructionDisplay.from_estimator(calibrated, numbers)
    plt.close("all")


def test_skops_trusts_it(calibrated, numbers):
    io = pytest.importorskip("skops.io")
    loaded = io.loads(io.dumps(calibrated), trusted=list(skae.TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.predict(numbers), calibrated.predict(numbers))


def test_onnx(calibrated, numbers, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from skae.onnx import export_onnx

    path = tmp_path / "model.onnx"
    export_onnx(calibrated, path)
    session = runtime.InferenceSession(path.read_bytes())
    X = numbers.to_numpy("float32")
    (labels,) = session.run(["predict"], {session.get_inputs()[0].name: X})
    assert (labels.ravel() == calibrated.predict(numbers)).mean() > 0.95
