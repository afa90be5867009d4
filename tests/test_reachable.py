"""Only what the last layer can give, and what the loss takes, bounds the data."""

from functools import partial

import keras
import numpy as np
import pytest

from skae import AutoencoderTransformer
from skae._training._losses import TrainingLoss
from skae._validation import check_floatx, check_reachable
from skae.architectures import KerasArchitecture

layers = keras.layers
MSE = TrainingLoss("mean_squared_error")


def decoder(*last):
    return keras.Sequential([keras.Input((2,)), *last])


class Half(keras.Model):
    """What runs last is not what was made last."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(6)
        self.first = layers.Dense(6, "sigmoid")

    def call(self, x):
        return self.last(self.first(x))


def subclassed():
    inputs = keras.Input((2,))
    return keras.Model(inputs, Half()(inputs))


SIGMOID = {
    "alone": lambda: decoder(layers.Dense(6, "sigmoid")),
    "activation": lambda: decoder(layers.Dense(6), layers.Activation("sigmoid")),
    "reshape": lambda: decoder(layers.Dense(6, "sigmoid"), layers.Reshape((2, 3))),
    "flatten, dropout": lambda: decoder(
        layers.Reshape((1, 2)),
        layers.Dense(3, "sigmoid"),
        layers.Dropout(0.1),
        layers.Flatten(),
    ),
    "nested": lambda: decoder(layers.Dense(3), decoder_of_3()),
    "nested, reshape": lambda: decoder(
        layers.Dense(3), decoder_of_3(), layers.Reshape((2, 3))
    ),
    "each step": lambda: decoder(
        layers.RepeatVector(3), layers.TimeDistributed(layers.Dense(2, "sigmoid"))
    ),
    "softmax": lambda: decoder(layers.Dense(6), layers.Softmax()),
    "softmax as activation": lambda: decoder(layers.Dense(6, layers.Softmax())),
}
UNBOUNDED = {
    "linear": lambda: decoder(layers.Dense(3, "sigmoid"), layers.Dense(6)),
    "each step": lambda: decoder(
        layers.RepeatVector(3),
        layers.LSTM(4, return_sequences=True),
        layers.TimeDistributed(layers.Dense(2)),
    ),
    "rescaled": lambda: decoder(layers.Dense(6, "sigmoid"), layers.Rescaling(255)),
    "layer as activation": lambda: decoder(layers.Dense(6, layers.LeakyReLU())),
    "partial as activation": lambda: decoder(
        layers.Dense(6, partial(keras.activations.relu, negative_slope=0.1))
    ),
    "subclassed": subclassed,
    "nothing that computes": lambda: decoder(layers.Reshape((1, 2))),
}


def decoder_of_3():
    return keras.Sequential([keras.Input((3,)), layers.Dense(6, "sigmoid")])


@pytest.mark.parametrize("kind", SIGMOID)
def test_bounded(kind):
    made = SIGMOID[kind]()
    check_reachable((0.0, 1.0), made, MSE)
    for name, value_range in [("X", (-0.1, 1)), ("X_val", (0, 255.0))]:
        with pytest.raises(ValueError, match=rf"\[0, 1\], but {name} goes.*MinMax"):
            check_reachable(value_range, made, MSE, name=name)


@pytest.mark.parametrize("kind", UNBOUNDED)
def test_unbounded(kind):
    check_reachable((-1000.0, 1000.0), UNBOUNDED[kind](), MSE)


def test_a_loss_bounds_the_data_whatever_the_activation():
    made, loss = decoder(layers.Dense(6, "tanh")), TrainingLoss("binary_crossentropy")
    check_reachable((0.0, 1.0), made, loss)
    with pytest.raises(ValueError, match=r"cross-entropy loss needs data in \[0, 1\]"):
        check_reachable((-0.5, 1.0), made, loss)
    with pytest.raises(ValueError, match=r"'tanh' needs data in \[-1, 1\]"):
        check_reachable((-0.5, 2.0), made, loss)


def test_flat_samples_of_a_sigmoid_model_of_images():
    X = np.random.RandomState(0).uniform(0, 255, size=(20, 6))
    model = keras.Sequential(
        [
            keras.Input((2, 3)),
            layers.Flatten(),
            layers.Dense(2),
            layers.Dense(6, "sigmoid"),
            layers.Reshape((2, 3)),
        ]
    )
    for samples in (X, X.reshape(20, 2, 3)):
        estimator = AutoencoderTransformer(architecture=KerasArchitecture(model))
        with pytest.raises(ValueError, match=r"'sigmoid' needs data in \[0, 1\]"):
            estimator.fit(samples)


def test_floatx():
    check_floatx((-1e39, 1e39), np.dtype("float64"), "float64")
    check_floatx((-1.0, 1.0), np.dtype("float64"), "float32")
    for value_range in [(-1e39, 1.0), (0.0, 1e39)]:
        with pytest.raises(ValueError, match=r"X_val holds 1e\+39.*dtype float32"):
            check_floatx(value_range, np.dtype("float64"), "float32", "X_val")
