"""What goes wrong says why, and loses nothing."""

import copy
import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from _helpers import outputs
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils._param_validation import InvalidParameterError

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import BaseArchitecture, DenseArchitecture, Networks
from skae.preprocessing import TableScaler


@pytest.fixture
def estimator(Estimator, transformer, detector):
    """A fitted one of either kind."""
    return copy.deepcopy(
        transformer if Estimator is AutoencoderTransformer else detector
    )


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.full((5, 64), np.inf), ValueError, "contains infinity"),
        (np.full((5, 64), "a"), ValueError, "could not convert string"),
        (np.ones((5, 63)), ValueError, "X has 63 features.* expecting 64"),
        (np.ones((0, 64)), ValueError, r"0 sample\(s\)"),
        (np.ones(64), ValueError, "Expected 2D array"),
        (scipy.sparse.eye(64).tocsr(), TypeError, "[Ss]parse"),
    ],
    ids=["inf", "strings", "columns", "empty", "1d", "sparse"],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "use"])
def test_bad_X(X, estimator, bad, error, message, method):
    before = outputs(estimator, X)
    attributes = vars(estimator).copy()
    if method == "fit" and "63" in message:
        return  # a new fit may have any number of columns
    with pytest.raises(error, match=message):
        outputs(estimator, bad) if method == "use" else getattr(estimator, method)(bad)
    np.testing.assert_array_equal(outputs(estimator, X), before)
    assert vars(estimator) == attributes


@pytest.mark.parametrize("bad", [np.full((5, 64), np.inf), np.ones((5, 63))])
def test_bad_X_val(X, estimator, bad):
    before = outputs(estimator, X)
    with pytest.raises(ValueError, match=r"contains infinity|63 features"):
        estimator.fit(X + 1, X_val=bad)
    np.testing.assert_array_equal(outputs(estimator, X), before)


@pytest.mark.parametrize(
    ("parameter", "values"),
    {
        "n_components": [0, -1, 1.5, "two"],
        "architecture": ["dense", DenseArchitecture, 3],
        "loss": [3, "no such loss"],
        "optimizer": [3, "no such optimizer", keras.layers.Dense(2)],
        "learning_rate": [0, -1e-3, "fast"],
        "epochs": [0, 1.5, None],
        "batch_size": [0, "all", None],
        "validation_fraction": [0, 1, -0.1, "half"],
        "patience": [0, 1.5],
        "callbacks": ["stop", [3], keras.callbacks.TerminateOnNaN()],
        "warm_start": ["yes", None],
        "random_state": ["seed", -1],
        "verbose": [-1, "loud"],
    }.items(),
)
def test_bad_parameters(X, Estimator, parameter, values):
    named = f"{parameter!r} parameter|Unknown {parameter}"
    for value in values:
        estimator = Estimator(**{parameter: value})
        with pytest.raises(InvalidParameterError, match=named):
            estimator.fit(X)
        assert not hasattr(estimator, "n_features_in_")


@pytest.mark.parametrize("contamination", [0, 0.6, "none", None])
def test_bad_contamination(X, contamination):
    with pytest.raises(InvalidParameterError, match="'contamination' parameter"):
        AutoencoderOutlierDetector(contamination=contamination).fit(X)


class Narrow(BaseArchitecture):
    """A kernel that is larger than the sample."""

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = keras.layers
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Reshape((*sample_shape, 1)),
                layers.Conv1D(1, 100),
                layers.Flatten(),
                layers.Dense(n_components),
            ]
        )
        return Networks.from_halves(encoder, encoder)


class WrongOutput(BaseArchitecture):
    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        return Networks.from_halves(
            keras.Sequential(
                [keras.Input(sample_shape), keras.layers.Dense(n_components)]
            ),
            keras.Sequential([keras.Input((n_components,)), keras.layers.Dense(7)]),
        )


class WrongCode(BaseArchitecture):
    def build_networks(self, spec):
        sample_shape = spec.sample_shape
        return Networks.from_halves(
            keras.Sequential([keras.Input(sample_shape), keras.layers.Dense(7)]),
            keras.Sequential([keras.Input((7,)), keras.layers.Dense(*sample_shape)]),
        )


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Narrow(), r"Narrow\(\) cannot build .*shape \(64,\) and 3 components: .*100"),
        (
            WrongOutput(),
            r"\(64,\) and 3 components: its decoder returns shape \(7,\)",
        ),
        (WrongCode(), r"\(64,\) and 3 components: its encoder returns 7"),
        (DenseArchitecture((8, 0)), r"positive ints only, got \(8, 0\)"),
        (DenseArchitecture((8, 1.5)), r"positive ints only, got \(8, 1.5\)"),
        (DenseArchitecture(activation="rule"), "activation.*rule"),
    ],
)
def test_architecture_that_does_not_fit(X, transformer, architecture, message):
    estimator = copy.deepcopy(transformer)
    before = outputs(estimator, X)
    estimator.set_params(architecture=architecture)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X)
    np.testing.assert_array_equal(outputs(estimator, X), before)


def test_architecture_parameter_of_the_wrong_type(X):
    with pytest.raises(InvalidParameterError, match="'activation' parameter"):
        AutoencoderTransformer(architecture=DenseArchitecture(activation=3)).fit(X)


@pytest.mark.parametrize(
    ("parameters", "low", "high", "cure"),
    [
        ({"loss": "binary_crossentropy"}, 0, 1, r"MinMaxScaler\(\)"),
        ({"loss": keras.losses.BinaryCrossentropy()}, 0, 1, r"MinMaxScaler\(\)"),
        (
            {"architecture": DenseArchitecture((8,), output_activation="sigmoid")},
            0,
            1,
            r"'sigmoid' needs data in \[0, 1\].*MinMaxScaler\(\)",
        ),
        (
            {
                "architecture": DenseArchitecture((8,), output_activation="linear"),
                "loss": "binary_crossentropy",
            },
            0,
            1,
            r"cross-entropy loss needs data in \[0, 1\].*MinMaxScaler\(\)",
        ),
        (
            {"architecture": DenseArchitecture((8,), output_activation="tanh")},
            -1,
            1,
            r"'tanh' needs data in \[-1, 1\].*feature_range=\(-1, 1\)",
        ),
    ],
)
def test_data_that_the_output_cannot_reach(X, Estimator, parameters, low, high, cure):
    parameters = {"architecture": DenseArchitecture((8,))} | parameters
    estimator = Estimator(2, epochs=1, random_state=0, **parameters)
    reachable = low + (high - low) * X
    for unreachable in (reachable - 0.1, reachable + 0.1):
        for method in (estimator.fit, estimator.partial_fit):
            with pytest.raises(ValueError, match=cure):
                method(unreachable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(reachable * (1 + 1e-15))  # a scaler's rounding


def test_cross_entropy_from_logits(X):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="from_logits=False"):
        AutoencoderTransformer(loss=loss).fit(X)


def test_values_beyond_float32(Estimator, small):
    X = np.random.RandomState(0).normal(size=(20, 4)) * 1e39
    with pytest.raises(
        ValueError, match=r"too large for the network's dtype float32.*Stand"
    ):
        Estimator(**small).fit(X)


DATES = np.arange(40).astype("datetime64[D]").reshape(20, 2)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (DATES, r"X has dtype datetime64\[D\], but has to hold numbers. Convert dates"),
        (DATES - DATES[0], r"X has dtype timedelta64\[D\], but has to hold numbers"),
        (pd.DataFrame(DATES), "Column 0 of X has dtype datetime64.*Convert dates"),
        (pd.DataFrame(DATES).assign(a=1.0), "Column 0 of X has dtype datetime64"),
        (list(DATES), "X has dtype datetime64.*Convert dates"),
        ([[1.0, date] for date in DATES[:, 0]], "X has dtype datetime64"),
    ],
)
@pytest.mark.parametrize("categorical_features", ["from_dtype", None, []])
def test_dates(Estimator, X, message, categorical_features):
    """NumPy makes numbers of them, of NaT an absurd one."""
    estimator = Estimator(1, categorical_features=categorical_features)
    if isinstance(X, pd.DataFrame):
        X = X.rename(columns=str)
        message = message.replace("Column 0", "Column '0'")
    with pytest.raises(ValueError, match=message):
        estimator.fit(X)
    if not isinstance(X, pd.DataFrame):
        with pytest.raises(ValueError, match=message):
            TableScaler().fit(X)


def test_dates_after_the_fit(Estimator):
    X = pd.DataFrame(DATES, columns=["start", "end"])
    days = X.astype("int64")
    estimator = Estimator(1, epochs=1, random_state=0).fit(days)
    message = "Column 'start' of X has dtype .*Convert dates"
    for dates in (X, X.assign(end=1.0), pl.from_pandas(X)):
        with pytest.raises(ValueError, match=message):
            estimator.reconstruct(dates)
    with pytest.raises(ValueError, match=message):
        estimator.fit(days, X_val=X)


def test_texts_of_a_frame_that_are_no_categories(Estimator):
    X = pd.DataFrame({"size": np.arange(20.0), "kind": list("ab") * 10})
    with pytest.raises(ValueError, match=r"X holds texts .*by categorical_features"):
        Estimator(1, categorical_features=None).fit(X)


class ArrayLike:
    """NumPy makes an array of it, but it has no shape."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return np.array(self.X, dtype)


@pytest.mark.parametrize("shape", [(30, 6), (30, 3, 2), (30, 3, 2, 1)])
def test_what_numpy_makes_an_array_of(Estimator, shape):
    X = np.random.RandomState(0).normal(size=shape)
    estimator = Estimator(1, epochs=1, random_state=0).fit(ArrayLike(X))
    assert estimator.reconstruct(ArrayLike(X)).shape == shape
    expected = Estimator(1, epochs=1, random_state=0).fit(X)
    np.testing.assert_array_equal(outputs(estimator, X), outputs(expected, X))


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1)])
def test_one_sample_without_an_axis_of_samples(Estimator, shape):
    X = np.random.RandomState(0).normal(size=(30, *shape))
    estimator = Estimator(1, epochs=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"single sample.*Pass X\[numpy.newaxis\]"):
        estimator.reconstruct(X[0])
    assert estimator.reconstruct(X[0][np.newaxis]).shape == (1, *shape)


def test_one_flat_sample_of_the_shape_of_a_sample(Estimator):
    X = np.random.RandomState(0).normal(size=(30, 1, 5))
    estimator = Estimator(1, epochs=1, random_state=0).fit(X)
    assert estimator.reconstruct(X[0]).shape == (1, 1, 5)


def test_one_window(Estimator):
    series = np.random.RandomState(0).normal(size=(60, 3))
    estimator = Estimator(1, epochs=1, random_state=0)
    with pytest.warns(UserWarning, match=r"(?s)shape \(60, 3\).*Cut a long series"):
        estimator.fit(series[np.newaxis])
    # The cure that is named.
    windows = sliding_window_view(series, 10, axis=0).swapaxes(1, 2)
    np.testing.assert_array_equal(windows[1], series[1:11])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        estimator.fit(windows).partial_fit(windows[:1])


def test_images_are_scaled_otherwise_than_by_a_scaler(Estimator):
    images = np.random.RandomState(0).randint(0, 256, (20, 4, 4)).astype(np.uint8)
    estimator = Estimator(2, loss="binary_crossentropy", epochs=1)
    with pytest.raises(ValueError, match="X / 255"):
        estimator.fit(images)
    estimator.fit(images / 255)
