"""Losses through the estimators, by value; in both engines."""

import pickle

import keras
import numpy as np
import pytest
from _helpers import output_of, outputs
from keras import ops
from sklearn.base import clone

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae._training import TrainingLoss
from skae.architectures import DenseArchitecture

WEIGHTS = np.linspace(0, 3, 64)


def weighted(y_true, y_pred):
    """Squared error with a weight for each pixel, of rows or of images."""
    weights = WEIGHTS.reshape(y_true.shape[1:])
    return ops.mean(weights * ops.square(y_true - y_pred), axis=-1)


@pytest.fixture
def parameters(engine):
    return engine | {
        "n_components": 4,
        "architecture": DenseArchitecture((16,), start="random"),
        "epochs": 2,
        "batch_size": 300,
        "random_state": 0,
    }


def fit_at_rest(X, loss, parameters):
    """Fit with an optimizer that learns nothing; outputs for X, in float64."""
    at_rest = {"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 1}
    autoencoder = AutoencoderTransformer(loss=loss, **parameters | at_rest)
    autoencoder.fit(X, X_val=X[:50])
    return autoencoder, output_of(autoencoder.autoencoder_, X)


def cross_entropy(p, q):
    return -np.mean(p * np.log(q) + (1 - p) * np.log(1 - q))


def kl_divergence(p, q):
    p, q = np.clip(p, 1e-7, 1), np.clip(q, 1e-7, 1)
    return np.mean(np.sum(p * np.log(p / q), axis=-1))


def huber(y, z, delta=1):
    error = np.abs(y - z)
    return np.mean(np.where(error <= delta, error**2 / 2, delta * error - delta**2 / 2))


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        ("mean_absolute_error", lambda y, z: np.mean(np.abs(y - z))),
        ("MeanSquaredError", lambda y, z: np.mean((y - z) ** 2)),
        ("log_cosh", lambda y, z: np.mean(np.log(np.cosh(y - z)))),
        ("huber", huber),
        (keras.losses.Huber(delta=0.1), lambda y, z: huber(y, z, 0.1)),
        ("binary_crossentropy", cross_entropy),
        ("kl_divergence", kl_divergence),
        ("poisson", lambda y, z: np.mean(z - y * np.log(z + 1e-7))),
        (weighted, lambda y, z: np.mean(WEIGHTS * (y - z) ** 2)),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_value(X, parameters, loss, by_hand):
    if loss in ("kl_divergence", "poisson"):  # these want positive outputs
        architecture = parameters["architecture"]
        architecture = clone(architecture).set_params(output_activation="sigmoid")
        parameters = parameters | {"architecture": architecture}
    autoencoder, outputs = fit_at_rest(X, loss, parameters)
    history = autoencoder.history_
    assert history["loss"] == pytest.approx([by_hand(X, outputs)], rel=1e-4)
    assert history["val_loss"] == pytest.approx([by_hand(X[:50], outputs[:50])], 1e-4)


def test_cross_entropy_and_divergence_of_one_image(X):
    """As a tutorial computes them from a reconstruction, with Keras and by hand."""
    autoencoder = AutoencoderTransformer(
        8, loss="binary_crossentropy", epochs=5, random_state=0
    ).fit(X)
    image = X[:1]
    reconstruction = autoencoder.inverse_transform(autoencoder.transform(image))
    assert ((reconstruction > 0) & (reconstruction < 1)).all()
    for name, by_hand in (
        ("binary_crossentropy", cross_entropy),
        ("kl_divergence", kl_divergence),
    ):
        of_keras = float(keras.losses.get(name)(image, reconstruction)[0])
        assert of_keras == pytest.approx(by_hand(image, reconstruction), rel=1e-4)


@pytest.mark.parametrize("shape", [(64,), (8, 8, 1)])
def test_weights_of_features(X, parameters, shape):
    """The heavier half of the pixels comes back better than without weights."""
    images = X.reshape(-1, *shape)
    kept = {}
    for loss in ("mean_squared_error", weighted):
        autoencoder = AutoencoderTransformer(
            loss=loss, **parameters | {"epochs": 15, "batch_size": 32}
        ).fit(images)
        codes = autoencoder.transform(images)
        back = autoencoder.inverse_transform(codes)
        assert back.shape == images.shape
        kept[loss] = np.mean((X - back.reshape(-1, 64)) ** 2, axis=0)
    plain, own = kept.values()
    assert own[48:].sum() < plain[48:].sum()
    assert own[:16].sum() > plain[:16].sum()


@pytest.mark.parametrize(
    "Estimator", [AutoencoderTransformer, AutoencoderOutlierDetector]
)
def test_a_loss_of_ones_own_pickles(X, Estimator, parameters):
    estimator = Estimator(loss=weighted, **parameters | {"callbacks": None}).fit(X)
    again = pickle.loads(pickle.dumps(estimator))
    assert again.loss is weighted
    np.testing.assert_array_equal(outputs(again, X), outputs(estimator, X))
    for copied in (estimator, again):
        copied.partial_fit(X)
    np.testing.assert_array_equal(outputs(again, X), outputs(estimator, X))


@pytest.mark.parametrize("reduction", ["none", None])
def test_a_loss_has_to_be_reduced(X, parameters, reduction):
    loss = keras.losses.MeanSquaredError(reduction=reduction)
    with pytest.raises(
        ValueError, match=r"MeanSquaredError has reduction='?[nN]one.*sum"
    ):
        AutoencoderTransformer(loss=loss, **parameters).fit(X)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.MeanSquaredError(reduction="sum"),
        lambda y_true, y_pred: ops.sum(ops.square(y_true - y_pred)),
    ],
    ids=["sum", "own"],
)
def test_a_sum_over_the_batch_is_reported_as_keras_does(X, parameters, loss):
    """In training and validation alike: the last of two batches has 18 samples."""
    parameters = parameters | {"batch_size": 32}
    autoencoder, _ = fit_at_rest(X[:50], loss, parameters)
    model = autoencoder.autoencoder_
    model.compile(keras.optimizers.SGD(1e-30), loss)
    history = model.fit(
        X[:50], X[:50], batch_size=32, validation_data=(X[:50], X[:50]), verbose=0
    ).history
    assert autoencoder.history_["val_loss"] == pytest.approx(history["val_loss"], 1e-4)
    # The batches of training differ, as they are shuffled.
    assert autoencoder.history_["loss"] == pytest.approx(history["loss"], rel=0.1)


@pytest.mark.parametrize("loss", [["mae"], {"output": "mae"}])
def test_the_loss_of_the_only_output(loss):
    assert TrainingLoss(loss).__name__ == "mean_absolute_error"


def test_several_losses_are_refused():
    with pytest.raises(ValueError, match="one output and one loss, got 2 losses"):
        TrainingLoss({"a": "mae", "b": "mse"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "mean_squared_eror",
            r"Unknown loss 'mean_squared_eror'. Did you mean "
            r"'mean_squared_error'\? Choose one of: BinaryCrossentropy, .*\.$",
        ),
        ("MeanSquareError", "Did you mean 'MeanSquaredError'"),
        ("nosuch", "Unknown loss 'nosuch'. Choose one of: Binary"),
    ],
)
def test_an_unknown_loss(X, given, message):
    with pytest.raises(ValueError, match=message) as raised:
        AutoencoderTransformer(loss=given).fit(X)
    assert "deserialize" not in str(raised.value)
