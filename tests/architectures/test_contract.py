"""What holds for every architecture. A new one adds itself to `ARCHITECTURES`."""

import pickle
from functools import cache

import keras
import numpy as np
import pytest
from _helpers import EachBatch
from sklearn.base import clone

from skae import AutoencoderTransformer
from skae.architectures import (
    BaseArchitecture,
    ConvolutionalArchitecture,
    DenseArchitecture,
    KerasArchitecture,
    Networks,
    NetworkSpec,
    RecurrentArchitecture,
    VariationalArchitecture,
)

pytestmark = pytest.mark.no_cover

layers = keras.layers
N_COMPONENTS = 3


class UsersArchitecture(BaseArchitecture):
    """As somebody would write one who has read CONTRIBUTING.md."""

    def __init__(self, activation="relu"):
        self.activation = activation

    def build_networks(self, spec):
        sample_shape, n_components, output_activation = (
            spec.sample_shape,
            spec.n_components,
            spec.output_activation,
        )
        n_values = int(np.prod(sample_shape))
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Flatten(),
                layers.Dense(n_components, self.activation),
            ]
        )
        decoder = keras.Sequential(
            [
                keras.Input((n_components,)),
                layers.Dense(n_values, output_activation),
                layers.Reshape(sample_shape),
            ]
        )
        return Networks.from_halves(encoder, decoder)


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Flatten(), layers.Dense(N_COMPONENTS)])
        self.decoder = keras.Sequential([layers.Dense(64)])

    def call(self, x):
        return self.decoder(self.encoder(x))


class OwnStep(Subclass):
    def train_step(self, data):
        import tensorflow as tf

        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


def sequential():
    return keras.Sequential(
        [keras.Input((64,)), layers.Dense(N_COMPONENTS, "tanh"), layers.Dense(64)]
    )


def functional():
    inputs = keras.Input((64,))
    hidden = layers.Dense(6, "relu")(inputs)
    code = layers.Dense(N_COMPONENTS)(layers.Concatenate()([inputs, hidden]))
    return keras.Model(inputs, layers.Dense(64)(code))


def pair():
    return (
        keras.Sequential([keras.Input((64,)), layers.Dense(N_COMPONENTS)]),
        keras.Sequential([keras.Input((N_COMPONENTS,)), layers.Dense(64)]),
    )


def build(latent_dim=N_COMPONENTS):
    return keras.Sequential(
        [keras.Input((64,)), layers.Dense(latent_dim), layers.Dense(64)]
    )


def build_own_step():
    return OwnStep()


def convolutional(sample_shape, **parameters):
    flat = {"sample_shape": (8, 8)} if len(sample_shape) == 1 else {}
    return ConvolutionalArchitecture((3, 2), **flat, **parameters)


def recurrent(sample_shape, **parameters):
    flat = {"sample_shape": (8, 8)} if len(sample_shape) == 1 else {}
    return RecurrentArchitecture(4, **flat, **parameters)


def dense(**parameters):
    return lambda sample_shape: DenseArchitecture((6,), **parameters)


def of_keras(model, **parameters):
    return lambda sample_shape: KerasArchitecture(model(), **parameters)


# Each is called with the shape of the samples. Some extras start from random weights,
# which takes half the time; `test_extras_start_there_too` has them start from PCA.
# Wrappers are tested like these in test_keras.py and test_keras_fit.py.
ARCHITECTURES = {
    "dense": dense(),
    "dense, no hidden layer": lambda sample_shape: DenseArchitecture(()),
    "dense, no anchor": dense(start="random"),
    "dense, own decoder": dense(decoder_hidden_layer_sizes=(5, 4)),
    "dense, tied": dense(tied_weights=True),
    "dense, batch normalization": dense(normalization="batch"),
    "dense, layer normalization": dense(normalization="layer", start="random"),
    "dense, dropout": dense(dropout=0.2, start="random"),
    "dense, regularized": dense(kernel_l1=1e-4, kernel_l2=1e-4, start="random"),
    "dense, sparse": dense(code_l1=1e-3, start="random"),
    "dense, noise": dense(noise=0.1),
    "dense, masking": dense(masking=0.2, start="random"),
    "dense, contractive": dense(contractive=1e-3, start="random"),
    "convolutional": convolutional,
    "convolutional, strides": lambda sample_shape: convolutional(
        sample_shape, downsampling="strides", upsampling="transposed"
    ),
    "recurrent": recurrent,
    "recurrent, gru": lambda sample_shape: recurrent(sample_shape, cell="gru"),
    "variational": lambda sample_shape: VariationalArchitecture((6,), warmup_steps=9),
    "keras, sequential": of_keras(sequential),
    "keras, functional": of_keras(functional),
    "keras, pair": of_keras(pair),
    "keras, subclass": of_keras(Subclass),
    "keras, function": of_keras(lambda: build),
    "keras, pretrained": of_keras(cache(sequential), pretrained=True),
    "user's own": lambda sample_shape: UsersArchitecture(),
}
# Its train_step cannot reshape samples, so it is for flat rows only.
FLAT_ONLY = {"keras, own step": of_keras(lambda: build_own_step)}

# What they draw differs between the engines.
STOCHASTIC = (
    "dense, dropout",
    "dense, noise",
    "dense, masking",
    "dense, contractive",
)
# Trained by Keras in either case.
OF_ONE_ENGINE = ("keras, own step",)

CASES = [
    pytest.param(name, shape, id=f"{name}-{'x'.join(map(str, shape))}")
    for name in [*ARCHITECTURES, *FLAT_ONLY]
    for shape in ([(64,)] if name in FLAT_ONLY else [(64,), (8, 8)])
]
NAMES = [*ARCHITECTURES, *FLAT_ONLY]


def architecture_of(name, sample_shape):
    return (ARCHITECTURES | FLAT_ONLY)[name](sample_shape)


def build_networks(name, sample_shape, random_state=0):
    architecture = architecture_of(name, sample_shape)
    return architecture.build(
        NetworkSpec(sample_shape, N_COMPONENTS), random_state=random_state
    )


def values(networks):
    return [v.numpy() for v in networks.autoencoder.variables]


def fit(name, X, **parameters):
    return AutoencoderTransformer(
        N_COMPONENTS,
        architecture=architecture_of(name, X.shape[1:]),
        epochs=2,
        batch_size=32,
        patience=None,
        random_state=0,
        **parameters,
    ).fit(X)


@pytest.fixture(scope="module")
def rows(X):
    return X[:100]


@pytest.fixture(scope="module", params=NAMES)
def fitted(request, rows):
    """Fitted to flat rows; a test that changes it takes a copy."""
    fitted = fit(request.param, rows)
    fitted.name = request.param
    return fitted


@pytest.mark.parametrize(("name", "sample_shape"), CASES)
def test_networks(name, sample_shape, X):
    """Shapes, size of the code, shared weights, seeds, and the summary."""
    networks = build_networks(name, sample_shape)
    encoder, decoder, autoencoder = (
        networks.encoder,
        networks.decoder,
        networks.autoencoder,
    )
    assert encoder.input_shape == (None, *sample_shape)
    assert encoder.output_shape == (None, N_COMPONENTS)
    assert decoder.input_shape == (None, N_COMPONENTS)
    assert decoder.output_shape == (None, *sample_shape)
    assert (networks.n_components, networks.code_shape) == (3, (3,))

    x = X[:5].reshape(5, *sample_shape).astype("float32")
    whole = np.asarray(autoencoder(x, training=False))
    halves = np.asarray(decoder(encoder(x, training=False), training=False))
    np.testing.assert_allclose(halves, whole, atol=1e-6)
    of_halves = {id(v) for v in (*encoder.variables, *decoder.variables)}
    assert of_halves <= {id(v) for v in autoencoder.variables}

    same, other = (build_networks(name, sample_shape, seed) for seed in (0, 1))
    for a, b in zip(values(networks), values(same), strict=True):
        np.testing.assert_array_equal(a, b)
    pairs = zip(values(networks), values(other), strict=True)
    assert any((a != b).any() for a, b in pairs) != (name == "keras, pretrained")

    texts = []
    architecture = architecture_of(name, sample_shape)
    architecture.summary(sample_shape, N_COMPONENTS, print_fn=texts.append)
    *table, last = texts[0].splitlines()
    totals, listed, half = {}, {}, None
    for line in table[1:]:
        words = line.split()
        if line.startswith(" "):
            listed[half] += int(words[-1].replace(",", ""))
        else:
            half = words[0]
            totals[half] = int(words[-1].replace(",", ""))
            listed[half] = 0
    assert list(totals.values()) == [
        network.count_params() for network in (encoder, decoder, autoencoder)
    ]
    for half in list(totals)[:2]:
        assert listed[half] == totals[half]
    assert "compression factor 21.3" in last


def test_fitted(fitted, rows):
    """What a fit leaves: codes, reconstructions, and a summary."""
    codes = fitted.transform(rows)
    assert codes.shape == (100, N_COMPONENTS)
    assert fitted.n_components_ == N_COMPONENTS
    samples = fitted.inverse_transform(codes)
    assert samples.shape == rows.shape
    assert codes.dtype == samples.dtype == rows.dtype
    whole = np.asarray(fitted.autoencoder_(rows.astype("float32"), training=False))
    np.testing.assert_allclose(samples, whole, atol=1e-4)
    assert np.isfinite(fitted.history_["loss"]).all()
    texts = []
    fitted.summary(print_fn=texts.append)
    assert f"{fitted.autoencoder_.count_params():,}" in texts[0]


def test_copies(fitted, rows):
    """Pickle and clone."""
    codes = fitted.transform(rows)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(rows), codes)
    assert type(again.architecture) is type(fitted.architecture)
    again.partial_fit(rows)
    assert again.n_iter_ == 3
    assert (again.transform(rows) != codes).any()
    np.testing.assert_array_equal(fitted.transform(rows), codes)
    cloned = clone(fitted.architecture)
    assert cloned is not fitted.architecture
    assert repr(cloned) == repr(fitted.architecture)
    assert cloned.get_params().keys() == fitted.architecture.get_params().keys()


def test_both_engines(fitted, rows):
    """Batch by batch through Keras the losses are the same."""
    by_keras = fit(fitted.name, rows, callbacks=[EachBatch()])
    assert by_keras.history_.keys() == fitted.history_.keys()
    rtol = 0.3 if fitted.name in STOCHASTIC else 1e-3
    for name, losses in fitted.history_.items():
        np.testing.assert_allclose(by_keras.history_[name], losses, rtol=rtol)
    if fitted.name in OF_ONE_ENGINE:
        assert by_keras.history_ == fitted.history_
