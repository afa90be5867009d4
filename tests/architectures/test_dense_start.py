"""Dense autoencoders that start from a PCA; checked through the estimators."""

import pickle
import warnings

import keras
import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_s_curve,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae._training import _starts
from skae.architectures import DenseArchitecture, NetworkSpec

# Other tests cover these lines; coverage makes TensorFlow's tracing slow.
no_cover = pytest.mark.no_cover

# An optimizer that leaves all weights as they are: the epoch shows where it started.
AT_REST = {
    "optimizer": "sgd",
    "learning_rate": 1e-30,
    "epochs": 1,
    "validation_fraction": None,
    "random_state": 0,
}

rng = np.random.RandomState(0)
ROWS = rng.normal(size=(60, 12)) @ rng.normal(size=(12, 12))
OF_RANK_3 = ROWS[:, :3] @ rng.normal(size=(3, 12))
CONSTANT_COLUMNS = np.where(np.arange(12) < 3, 5.0, ROWS)


def at_rest(n_components, **parameters):
    architecture = DenseArchitecture((7,), **{"start": "pca"} | parameters)
    return AutoencoderTransformer(n_components, architecture=architecture, **AT_REST)


def reconstruct(estimator, X):
    samples = estimator.inverse_transform(estimator.transform(X))
    return samples.reshape(len(X), -1)


def assert_reconstructs_as_pca(autoencoder, X, X_new=None):
    """Compare with PCA on X, to some roundings of its largest number."""
    rows = X.reshape(len(X), -1).astype(float)
    pca = PCA(min(autoencoder.n_components, *rows.shape)).fit(rows)
    for shown in (X, X if X_new is None else X_new):
        rows = shown.reshape(len(shown), -1)
        np.testing.assert_allclose(
            reconstruct(autoencoder, shown),
            reconstruct(pca, rows),
            rtol=0,
            atol=4 * np.finfo("f4").eps * np.abs(rows).max(),
        )


@no_cover
@pytest.mark.parametrize(
    ("X", "n_components"),
    [
        pytest.param(ROWS, 5, id="more rows than columns"),
        pytest.param(ROWS.astype("f4"), 5, id="float32"),
        pytest.param(ROWS[:8], 5, id="more columns than rows"),
        pytest.param(ROWS[:8], 8, id="as many components as rows"),
        pytest.param(ROWS[:8], 10, id="more components than rows"),
        pytest.param(ROWS, 12, id="as many components as columns"),
        pytest.param(ROWS, 15, id="more components than columns"),
        pytest.param(CONSTANT_COLUMNS, 5, id="constant columns"),
        pytest.param(CONSTANT_COLUMNS, 12, id="constant columns, all components"),
        pytest.param(OF_RANK_3, 6, id="more components than the rank"),
        pytest.param(np.ones((20, 4)), 2, id="no variance"),
        pytest.param(ROWS[:1], 2, id="one row"),
        pytest.param(ROWS.reshape(60, 3, 4), 5, id="images"),
        pytest.param(ROWS + 1e3, 5, id="offset"),
        pytest.param(ROWS * 1e3, 5, id="scale"),
        pytest.param(ROWS * 1e3 + 1e3, 12, id="offset and scale"),
        pytest.param(ROWS * np.logspace(0, -4, 12), 10, id="small variances"),
    ],
)
def test_first_reconstruction_is_that_of_pca(X, n_components):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder = at_rest(n_components).fit(X)
    with np.errstate(all="ignore"):  # scikit-learn's PCA of a single row
        assert_reconstructs_as_pca(autoencoder, X)
    assert autoencoder.transform(X).std(axis=0).max() <= 1 + 1e-3


def test_codes_are_whitened():
    codes = at_rest(5).fit(ROWS).transform(ROWS)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(5), atol=1e-5)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-5)


def test_new_rows_off_the_plane_of_training_are_kept_too():
    """With all components PCA gives back anything, whatever it was fitted on."""
    for X in (OF_RANK_3, CONSTANT_COLUMNS):
        autoencoder = at_rest(12).fit(X)
        assert_reconstructs_as_pca(autoencoder, X, X_new=ROWS)
        assert np.abs(autoencoder.transform(ROWS)).max() < 1e5


@no_cover
@pytest.mark.parametrize(
    "extras",
    [
        {},
        {"normalization": "batch"},
        {"normalization": "layer", "activation": "elu"},
        {"dropout": 0.5, "noise": 1.0, "masking": 0.5},
        {"kernel_l2": 0.1, "code_l1": 0.1, "contractive": 0.1},
        {"decoder_hidden_layer_sizes": (4, 3)},
        {"decoder_hidden_layer_sizes": ()},
    ],
)
def test_extras_start_there_too(extras):
    assert_reconstructs_as_pca(at_rest(5, **extras).fit(ROWS), ROWS)


def test_no_hidden_layers_are_pca_itself():
    architecture = DenseArchitecture(())
    autoencoder = AutoencoderTransformer(5, architecture=architecture, **AT_REST)
    assert_reconstructs_as_pca(autoencoder.fit(ROWS), ROWS)
    assert autoencoder.autoencoder_.count_params() == 12 * 5 + 5 + 5 * 12 + 12


def test_detector_starts_there_too():
    detector = AutoencoderOutlierDetector(
        5, outlier_score="reconstruction", **AT_REST
    ).fit(ROWS)
    pca = PCA(5).fit(ROWS)
    expected = -((ROWS - reconstruct(pca, ROWS)) ** 2).sum(axis=1)
    np.testing.assert_allclose(detector.score_samples(ROWS), expected, rtol=1e-4)


@no_cover
@pytest.mark.parametrize(
    ("architecture", "loss", "starts_from_pca"),
    [
        ({}, None, True),
        ({}, "mean_absolute_error", True),
        ({"output_activation": "linear"}, "binary_crossentropy", True),
        ({"start": "random"}, None, False),
        ({}, "binary_crossentropy", False),
        ({"output_activation": "sigmoid"}, None, False),
        ({"code_activation": "relu"}, None, False),
        ({"tied_weights": True}, None, False),
    ],
)
def test_where_it_starts(architecture, loss, starts_from_pca):
    X = load_digits().data[:200] / 16
    architecture = {"start": "auto"} | architecture
    score = at_rest(8, **architecture).set_params(loss=loss).fit(X).score(X)
    of_pca = PCA(8).fit(X).explained_variance_ratio_.sum()
    if starts_from_pca:
        assert score == pytest.approx(of_pca, abs=1e-5)
    else:
        assert score < of_pca - 0.3


@pytest.mark.parametrize(
    ("parameters", "output_activation", "named"),
    [
        ({"code_activation": "relu"}, "linear", "code_activation='relu'"),
        ({"output_activation": "tanh"}, "linear", "output activation 'tanh'"),
        ({}, "sigmoid", "output activation 'sigmoid'"),
        ({"tied_weights": True}, "linear", "tied_weights=True"),
    ],
)
def test_pca_where_it_cannot_be(parameters, output_activation, named):
    architecture = DenseArchitecture(start="pca", **parameters)
    with pytest.raises(ValueError, match=f"linear code.*{named}.*start='random'"):
        architecture.build(NetworkSpec((12,), 3, output_activation=output_activation))


@no_cover
@pytest.mark.parametrize(
    "load", [load_iris, load_wine, load_breast_cancer, load_digits]
)
@pytest.mark.parametrize("learning_rate", [1e-3, 0.3])
def test_validation_loss_is_never_worse_than_that_of_pca(load, learning_rate):
    X = StandardScaler().fit_transform(load().data[:300])
    X, X_val = train_test_split(X, test_size=0.2, random_state=0)
    autoencoder = AutoencoderTransformer(
        2,
        architecture=DenseArchitecture((32,)),
        learning_rate=learning_rate,
        epochs=8,
        random_state=0,
    ).fit(X, X_val=X_val)
    pca = PCA(2).fit(X)
    own, of_pca = (
        np.mean((X_val - reconstruct(estimator, X_val)) ** 2)
        for estimator in (autoencoder, pca)
    )
    assert own <= of_pca * (1 + 1e-5)
    if autoencoder.best_epoch_:
        assert own == pytest.approx(min(autoencoder.history_["val_loss"]), rel=1e-4)


@pytest.fixture(scope="module")
def s_curve():
    """A surface on which training from PCA finds nothing better than PCA."""
    X, _ = make_s_curve(600, random_state=0)
    return StandardScaler().fit_transform(X)


class TestTheChoice:
    """`start="auto"` tries PCA and random weights."""

    @no_cover
    def test_curved_data_do_not_stay_at_pca(self, s_curve):
        scores = {}
        for start in ("auto", "pca", "random"):
            autoencoder = AutoencoderTransformer(
                architecture=DenseArchitecture((64, 32), start=start),
                epochs=60,
                learning_rate=0.01,
                random_state=0,
            ).fit(s_curve)
            scores[start] = autoencoder.validation_score_
            chosen = {"auto": "random", "pca": "pca", "random": None}[start]
            assert autoencoder.start_ == chosen
            has_start = autoencoder.start_validation_score_ is not None
            assert has_start == (start != "random")
        assert scores["auto"] > scores["pca"] + 0.02
        assert scores["auto"] > autoencoder.score(s_curve) - 0.05

    def test_data_without_curvature_stay_there(self):
        X = np.random.RandomState(0).normal(size=(300, 2)) @ rng.normal(size=(2, 6))
        with pytest.warns(ConvergenceWarning, match="from pca or from random"):
            autoencoder = AutoencoderTransformer(
                2, architecture=DenseArchitecture((8,)), epochs=5, random_state=0
            ).fit(X)
        assert autoencoder.start_ == "pca"
        assert autoencoder.best_epoch_ == 0
        assert_reconstructs_as_pca(autoencoder, X)

    @pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error"])
    def test_pca_stays_where_nothing_is_learned(self, s_curve, loss):
        autoencoder = at_rest(1, start="auto").set_params(
            loss=loss, validation_fraction=0.1
        )
        autoencoder.fit(s_curve)
        assert (autoencoder.start_, autoencoder.best_epoch_) == ("pca", 0)
        assert_reconstructs_as_pca(autoencoder, s_curve)

    @no_cover
    def test_a_curve_is_found_from_any_weights(self):
        """On an S-curve random weights first reach a plateau, which PCA is, too."""
        X = StandardScaler().fit_transform(make_s_curve(2000, random_state=0)[0])
        for seed in (1, 3):
            autoencoder = AutoencoderTransformer(2, epochs=70, random_state=seed)
            assert autoencoder.fit(X).start_ == "random"
            assert autoencoder.validation_score_ > 0.95

    @pytest.mark.parametrize(
        ("curvature", "epochs", "gives_up"),
        [(0, "auto", True), (0, 4, False), (0.5, "auto", False)],
    )
    def test_long_epochs_are_not_run_for_nothing(
        self, monkeypatch, curvature, epochs, gives_up
    ):
        """Where an epoch is longer than trials, which found nothing to gain."""
        monkeypatch.setattr(_starts, "TRIAL_BATCHES", 300)
        x, noise = np.random.RandomState(0).normal(size=(2, 8000, 3))
        X = np.c_[x, curvature * x**2 + 0.1 * noise]
        autoencoder = AutoencoderTransformer(
            3,
            architecture=DenseArchitecture((16,)),
            epochs=epochs,
            batch_size=16,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            autoencoder.fit(X)
        assert (autoencoder.n_iter_ == 1) == gives_up
        assert (autoencoder.best_epoch_ > 0) == (curvature > 0)

    def test_ordered_components_start_from_pca(self, s_curve):
        autoencoder = at_rest(2, start="auto").set_params(ordered=True)
        assert autoencoder.fit(s_curve).start_ == "pca"

    def test_callbacks_see_nothing_of_it(self, s_curve):
        """Neither batches nor weights: training begins at the chosen start."""
        seen = []

        class Listen(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                seen.append(batch)

        AutoencoderTransformer(
            1,
            architecture=DenseArchitecture((8,)),
            epochs=2,
            batch_size=100,
            callbacks=[Listen()],
            random_state=0,
        ).fit(s_curve)
        assert seen == 2 * list(range(6))


def test_rows_held_out_are_not_looked_at():
    X_val = ROWS[50:] * 100
    autoencoder = at_rest(5).fit(ROWS[:50], X_val=X_val)
    assert_reconstructs_as_pca(autoencoder, ROWS[:50])


def test_first_call_of_partial_fit_gives_the_pca():
    autoencoder = at_rest(5).partial_fit(ROWS[:30])
    assert_reconstructs_as_pca(autoencoder, ROWS[:30])
    autoencoder.partial_fit(ROWS[30:])
    assert_reconstructs_as_pca(autoencoder, ROWS[:30])


def test_warm_start_goes_on_and_a_new_fit_starts_anew():
    autoencoder = at_rest(5).fit(ROWS[:30])
    autoencoder.set_params(warm_start=True).fit(ROWS[30:])
    assert_reconstructs_as_pca(autoencoder, ROWS[:30])
    autoencoder.set_params(warm_start=False).fit(ROWS[30:])
    assert_reconstructs_as_pca(autoencoder, ROWS[30:])


def test_training_moves_on_from_there_and_pickles():
    X = load_digits().data[:300] / 16
    parameters = AT_REST | {"optimizer": "adam", "learning_rate": 1e-3, "epochs": 30}
    autoencoder = AutoencoderTransformer(2, **parameters).fit(X)
    start = PCA(2).fit(X).explained_variance_ratio_.sum()
    assert autoencoder.score(X) > start + 0.1
    again = pickle.loads(pickle.dumps(autoencoder))
    np.testing.assert_array_equal(reconstruct(again, X), reconstruct(autoencoder, X))


@pytest.fixture(scope="module")
def bent():
    """A fit that has left PCA, on rows within 1."""
    x = np.random.RandomState(0).uniform(-1, 1, size=(400, 1))
    X = np.hstack([x, x**2, x**3]) / np.abs(x).max()
    architecture = DenseArchitecture((16,))
    autoencoder = AutoencoderTransformer(
        1, architecture=architecture, epochs=40, random_state=0
    ).fit(X)
    assert autoencoder.best_epoch_ > 0
    return autoencoder, X


def bends(function, values):
    """How far the function is from a straight line over equally spaced rows."""
    return np.abs(np.diff(function(values), n=2, axis=0)).max()


@pytest.mark.parametrize("keras_runs", [False, True])
def test_beyond_the_training_rows_it_is_linear(bent, keras_runs):
    autoencoder, X = bent
    encode, decode = autoencoder.transform, autoencoder.inverse_transform
    if keras_runs:
        encode, decode = autoencoder.encoder_, autoencoder.decoder_
    for function, within in ((encode, X), (decode, autoencoder.transform(X))):
        low, high = within.min(axis=0), within.max(axis=0)
        steps = np.array([[0.0], [0.5], [1.0]])
        assert bends(function, low + steps * (high - low)) > 1e-2
        beyond = high + (1 + steps) * (high - low)
        assert bends(function, beyond) < 1e-5


def test_partial_fit_widens_what_it_has_seen(bent):
    autoencoder, X = pickle.loads(pickle.dumps(bent))
    autoencoder.partial_fit(4 * X[:100])
    steps = np.array([[1.0], [2.0], [3.0]])
    assert bends(autoencoder.transform, steps * X.max(axis=0)) > 1e-3
    autoencoder.partial_fit(X / 10)  # what was seen before stays
    assert bends(autoencoder.transform, steps * X.max(axis=0)) > 1e-3
    assert bends(autoencoder.transform, (4 + steps) * X.max(axis=0)) < 1e-5


@no_cover
def test_far_rows_do_not_go_astray():
    """Heavy tails: a few rows that lie far beyond all that were trained on."""
    X = np.random.RandomState(0).standard_t(1.5, size=(1000, 2)).clip(-300, 300)
    X = np.hstack([X, X[:, :1] * X[:, 1:], np.abs(X)])
    far = np.abs(X).max(axis=1) > 10
    autoencoder = AutoencoderTransformer(
        2, architecture=DenseArchitecture(start="pca"), epochs=60, random_state=0
    ).fit(X[~far])
    pca = PCA(2).fit(X[~far])
    error, by_pca = (
        ((X[far] - reconstruct(estimator, X[far])) ** 2).sum()
        for estimator in (autoencoder, pca)
    )
    assert autoencoder.best_epoch_ > 0
    assert error < 1.5 * by_pca


def test_a_code_that_is_cut_is_not_clipped():
    """It is 0 then, also where no row that was trained on has a code near 0."""
    rows = np.random.RandomState(0).normal(size=(300, 4))
    autoencoder = AutoencoderTransformer(
        3, ordered=True, epochs=3, warm_start=True, random_state=0
    ).fit(rows)
    codes = autoencoder.fit(rows + 20).transform(rows + 20)
    assert np.abs(codes).min(axis=0).max() > 1
    codes[:, 1:] = 0
    np.testing.assert_allclose(
        autoencoder.truncate(1).inverse_transform(codes[:, :1]),
        autoencoder.inverse_transform(codes),
        rtol=1e-4,
    )
