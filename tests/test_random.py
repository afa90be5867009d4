import os
import random
import subprocess
import sys
import threading
from contextlib import contextmanager

import keras
import numpy as np
import pytest
from _helpers import outputs

from skae import AutoencoderTransformer
from skae.architectures import (
    BaseArchitecture,
    DenseArchitecture,
    KerasArchitecture,
    Networks,
    NetworkSpec,
)


class Unseeded(BaseArchitecture):
    """What a user writes who does not think of seeds."""

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(n_components, kernel_initializer="he_normal"),
            ]
        )
        decoder = keras.Sequential(
            [keras.Input((n_components,)), keras.layers.Dense(*sample_shape)]
        )
        return Networks.from_halves(encoder, decoder)


class OwnWeights(keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), initializer="random_normal")

    def call(self, inputs):
        return inputs @ self.kernel


class Unnamed(BaseArchitecture):
    """Initializers as objects, one of them shared, and layers within layers."""

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers, initializers = keras.layers, keras.initializers
        shared = initializers.HeNormal()
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Reshape((*sample_shape, 1)),
                layers.Bidirectional(layers.GRU(3, dropout=0.1)),
                OwnWeights(),
                layers.Dense(4, kernel_initializer=shared),
                layers.Dense(n_components, kernel_initializer=shared),
            ]
        )
        decoder = keras.Sequential(
            [
                keras.Input((n_components,)),
                layers.GaussianNoise(0.1),
                layers.Dense(*sample_shape, kernel_initializer=initializers.Orthogonal),
            ]
        )
        return Networks.from_halves(encoder, decoder)


class OwnInitializer(keras.initializers.RandomNormal):
    """One of the user's own, whose seed is that of Keras."""


@pytest.mark.parametrize(
    "initializer", ["he_normal", "normal", "uniform", None, OwnInitializer]
)
def test_own_layers_in_copied_models_do_not_depend_on_threads(initializer):
    """A model is copied, for which Keras is told of the user's classes."""

    class Scale(keras.layers.Layer):
        def __init__(self, scale=None, **kwargs):
            super().__init__(**kwargs)
            self.scale = scale

        def build(self, shape):
            self.factors = self.add_weight(shape=shape[1:], initializer=self.scale)

        def call(self, inputs):
            return inputs * self.factors

    calls = []

    def make():
        # More each time, as another thread might do meanwhile.
        for _ in calls:
            random.random()
        calls.append("make")
        is_class = isinstance(initializer, type)
        scale = Scale(initializer() if is_class else initializer)
        layers = [scale, keras.layers.Dense(2), keras.layers.Dense(5)]
        return keras.Sequential([keras.Input((5,)), *layers])

    architecture = KerasArchitecture(make)
    weights = [
        architecture.build(
            NetworkSpec((5,), None), random_state=0
        ).autoencoder.get_weights()
        for _ in range(2)
    ]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@contextmanager
def drawing_thread():
    """Draw from Python's global generator all the time, in another thread."""
    stop = threading.Event()

    def draw():
        while not stop.wait(1e-4):
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("architecture", [None, Unseeded(), Unnamed()])
def test_threads_that_draw_change_nothing(X, architecture):
    transformer = AutoencoderTransformer(
        3, architecture=architecture, epochs=1, random_state=0
    )
    alone = transformer.fit(X).history_
    with drawing_thread():
        assert transformer.fit(X).history_ == alone
        assert transformer.fit(X).history_ == alone


def test_each_layer_has_its_own_weights():
    encoder = Unnamed().build(NetworkSpec((6,), 2), random_state=0).encoder
    both = encoder.layers[1]
    forward, backward = (
        layer.get_weights() for layer in (both.forward_layer, both.backward_layer)
    )
    assert not np.array_equal(forward[0], backward[0])
    assert not np.array_equal(forward[1], backward[1])
    networks = DenseArchitecture((8, 8, 8), start="random").build(NetworkSpec((8,), 8))
    kernels = [w for w in networks.encoder.get_weights() if w.shape == (8, 8)]
    assert len(kernels) == 4
    assert len({kernel.tobytes() for kernel in kernels}) == 4


def test_set_weights_and_seeds_are_kept():
    class Pretrained(BaseArchitecture):
        def build_networks(self, spec):
            sample_shape, n_components = spec.sample_shape, spec.n_components
            seeded = keras.initializers.HeNormal(3)
            dense = keras.layers.Dense(n_components, kernel_initializer=seeded)
            encoder = keras.Sequential([keras.Input(sample_shape), dense])
            decoder = keras.Sequential(
                [keras.Input((n_components,)), keras.layers.Dense(*sample_shape)]
            )
            decoder.set_weights([np.ones((2, 4)), np.zeros(4)])
            return Networks.from_halves(encoder, decoder)

    networks = Pretrained().build(NetworkSpec((4,), 2), random_state=0)
    kernel, _ = networks.encoder.get_weights()
    np.testing.assert_array_equal(kernel, keras.initializers.HeNormal(3)((4, 2)))
    np.testing.assert_array_equal(networks.decoder.get_weights()[0], 1)


@pytest.mark.parametrize("architecture", [None, Unseeded()])
def test_same_seed_same_model(X, Estimator, architecture):
    parameters = {"n_components": 3, "architecture": architecture, "epochs": 2}
    first = Estimator(random_state=7, **parameters).fit(X)
    other = Estimator(random_state=8, **parameters).fit(X)
    again = Estimator(random_state=7, **parameters).fit(X)
    assert again.history_ == first.history_
    np.testing.assert_array_equal(outputs(again, X), outputs(first, X))
    assert other.history_ != first.history_


def test_random_state_instance(X, small):
    parameters = small | {"random_state": np.random.RandomState(3)}
    first, second = (AutoencoderTransformer(**parameters).fit(X) for _ in range(2))
    again = AutoencoderTransformer(
        **small | {"random_state": np.random.RandomState(3)}
    ).fit(X)
    np.testing.assert_array_equal(outputs(first, X), outputs(again, X))
    assert not np.array_equal(outputs(first, X), outputs(second, X))


def test_none_follows_numpys_seed(X, small):
    parameters = small | {"random_state": None}
    fits = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        fits.append(outputs(AutoencoderTransformer(**parameters).fit(X), X))
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


@pytest.mark.parametrize("architecture", [None, Unseeded()])
def test_global_state_is_untouched(X, Estimator, small, architecture):
    parameters = small | {"architecture": architecture}
    environment = dict(os.environ)
    python, (_, numpy, *_) = random.getstate(), np.random.get_state()
    estimator = Estimator(**parameters).fit(X).partial_fit(X)
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)
    assert dict(os.environ) == environment
    assert estimator.n_iter_ == 4


def test_keras_global_generator_is_untouched():
    """In fresh processes: older versions of Keras cannot seed it twice."""
    code = """
import sys, keras, numpy as np
from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
keras.utils.set_random_seed(5)
if sys.argv[1] == "fit":
    architecture = DenseArchitecture((4,), start="random")
    AutoencoderTransformer(1, architecture=architecture, epochs=2).fit(np.eye(8))
print(np.array(keras.random.normal((3,))))
"""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, what], stdout=subprocess.PIPE, text=True
        )
        for what in ("fit", "nothing")
    ]
    after_fit, after_nothing = (run.communicate()[0] for run in runs)
    assert "[" in after_fit
    assert after_fit == after_nothing
