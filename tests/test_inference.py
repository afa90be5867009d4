from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from _helpers import output_of
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import (
    BaseArchitecture,
    DenseArchitecture,
    KerasArchitecture,
    Networks,
)


@pytest.fixture(autouse=True, scope="module")
def two_threads():
    """As many rows are computed on two cores; workers of pytest-xdist have one."""
    with threadpool_limits(2, user_api="blas"):
        yield


ACTIVATIONS = ["linear", "relu", "sigmoid", "tanh", "elu", "selu", "softplus", "silu"]


class ConvolutionalHalf(BaseArchitecture):
    """Layers that have no shortcut around Keras."""

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = keras.layers
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Reshape((*sample_shape, 1)),
                layers.Conv1D(2, 3, activation="gelu"),
                layers.Flatten(),
                layers.Dense(n_components),
            ]
        )
        decoder = keras.Sequential(
            [
                keras.Input((n_components,)),
                layers.Dense(sample_shape[0], use_bias=False),
            ]
        )
        return Networks.from_halves(encoder, decoder)


class PlainHalf(BaseArchitecture):
    """Every layer that has a shortcut, and a code without bias."""

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = keras.layers
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.GaussianNoise(0.1),
                layers.Dropout(0.1),
                layers.Reshape((2, sample_shape[0] // 2)),
                layers.Dense(4),
                layers.Activation("tanh"),
                layers.GaussianDropout(0.1),
                layers.Flatten(),
                layers.ActivityRegularization(l2=1e-6),
                layers.Dense(n_components, use_bias=False),
            ]
        )
        decoder = keras.Sequential(
            [keras.Input((n_components,)), layers.Dense(sample_shape[0])]
        )
        return Networks.from_halves(encoder, decoder)


@pytest.mark.parametrize(
    "architecture",
    [
        *[
            DenseArchitecture((8,), a, code_activation=a, start="random")
            for a in ACTIVATIONS
        ],
        DenseArchitecture((8,), "gelu"),
        PlainHalf(),
        ConvolutionalHalf(),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_as_keras(X, architecture, dtype):
    X = (X[:50] * 6 - 3).astype(dtype)
    untouched = X.copy()
    autoencoder = AutoencoderTransformer(
        2, architecture=architecture, epochs=1, random_state=0
    ).fit(X)
    codes = autoencoder.transform(X)
    assert codes.dtype == dtype
    expected = output_of(autoencoder.encoder_, X)
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(X, untouched)


@pytest.mark.parametrize("architecture", [None, ConvolutionalHalf()])
@pytest.mark.parametrize("n_samples", [1, 2, 4095, 4096, 4097])
def test_any_number_of_rows(X, architecture, n_samples):
    autoencoder = AutoencoderTransformer(
        2, architecture=architecture, epochs=1, random_state=0
    ).fit(X)
    many = np.tile(X, (14, 1))[:n_samples]
    expected = np.tile(autoencoder.transform(X), (14, 1))[:n_samples]
    np.testing.assert_allclose(autoencoder.transform(many), expected, atol=1e-5)


def test_linear_maps_keep_the_precision_of_float64(X, small):
    """A shift in the ninth digit is seen, which float32 would not show."""
    architecture = DenseArchitecture((8,), start="pca")
    autoencoder = AutoencoderTransformer(**small | {"architecture": architecture})
    autoencoder.fit(X)
    shifted = autoencoder.transform(X[:1] + 1e-9)
    difference = shifted - autoencoder.transform(X[:1])
    assert (difference != 0).any()
    np.testing.assert_allclose(difference, 0, atol=1e-7)


@pytest.mark.parametrize("start", ["pca", "random"])
def test_hidden_layers_compute_in_float32(X, small, start):
    architecture = DenseArchitecture((8,), start=start)
    autoencoder = AutoencoderTransformer(**small | {"architecture": architecture})
    autoencoder.fit(X)
    narrow, wide = (autoencoder.reconstruct(X.astype(f"float{b}")) for b in (32, 64))
    assert wide.dtype == np.float64
    np.testing.assert_allclose(wide, narrow, rtol=1e-5, atol=1e-5 * np.abs(X).max())


def test_weights_that_the_user_sets_are_used(X, small):
    autoencoder = AutoencoderTransformer(**small).fit(X)
    encoder = autoencoder.encoder_
    encoder.set_weights([np.zeros_like(w) for w in encoder.get_weights()])
    np.testing.assert_array_equal(autoencoder.transform(X), 0)


def test_threads_leave_the_threads_of_blas_as_they_were(transformer, X):
    blas = ThreadpoolController().select(user_api="blas")
    with blas.limit(limits=2):
        many = np.tile(X, (30, 1))
        expected = transformer.transform(many)
        with ThreadPoolExecutor(4) as executor:
            found = list(executor.map(transformer.transform, [many] * 12))
        assert {pool["num_threads"] for pool in blas.info()} == {2}
    for codes in found:
        np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("where", ["layer", "configuration"])
def test_channels_first(where):
    """Keras transposes what it flattens then."""
    X = np.random.RandomState(0).uniform(size=(30, 4, 6, 2)).astype(np.float32)
    before = keras.config.image_data_format()
    try:
        if where == "configuration":
            keras.config.set_image_data_format("channels_first")
            architecture = DenseArchitecture((8,))
        else:
            layers = keras.layers
            encoder = [layers.Flatten("channels_first"), layers.Dense(2)]
            decoder = [layers.Dense(48), layers.Reshape((4, 6, 2))]
            architecture = KerasArchitecture(
                keras.Sequential([keras.Input((4, 6, 2)), *encoder, *decoder]),
                code_layer=encoder[-1].name,
            )
        autoencoder = AutoencoderTransformer(2, architecture=architecture, epochs=1)
        autoencoder.fit(X)
        by_keras = np.asarray(autoencoder.encoder_(X, training=False))
    finally:
        keras.config.set_image_data_format(before)
    np.testing.assert_allclose(autoencoder.transform(X), by_keras, atol=1e-5)


def test_layers_of_users_may_have_any_attribute(X):
    @keras.saving.register_keras_serializable("test")
    class Doubled(keras.layers.Layer):
        operation = "double"
        row_wise = "yes"

        def call(self, x):
            return 2 * x

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(2, name="code"),
            Doubled(),
            keras.layers.Dense(64),
        ]
    )
    autoencoder = AutoencoderTransformer(
        architecture=KerasArchitecture(model, "code"), epochs=1
    ).fit(X)
    by_keras = autoencoder.autoencoder_.predict(X, verbose=0)
    np.testing.assert_allclose(autoencoder.reconstruct(X), by_keras, atol=1e-5)


def test_changed_layers_are_refused(X, small):
    autoencoder = AutoencoderTransformer(**small).fit(X)
    autoencoder.encoder_.get_layer("code").enable_lora(1)
    with pytest.raises(ValueError, match="layers of autoencoder_ were changed"):
        autoencoder.transform(X)


def test_floating_point_errors_of_the_user(transformer, X):
    with np.errstate(all="raise"):
        transformer.transform(X * 1e3)
        transformer.transform(X * 1e-200)


def blas():
    """Return the numbers of threads of BLAS."""
    pools = threadpool_info()
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


def test_results_are_the_same_in_any_thread_and_with_any_limit():
    X = np.random.RandomState(0).normal(size=(1_500, 150))
    settings = {"epochs": 1, "random_state": 0}
    detector = AutoencoderOutlierDetector(8, **settings).fit(X)
    transformer = AutoencoderTransformer(8, **settings).fit(X)

    def results(n):
        return detector.score_samples(X[:n]), transformer.transform(X[:n])

    for n in (1, 900, 1_500):
        expected = results(n)
        with ThreadPoolExecutor(3) as executor:
            found = list(executor.map(results, [n] * 3))
        with threadpool_limits(1):
            found.append(results(n))
        for pair in found:
            np.testing.assert_array_equal(pair[0], expected[0])
            np.testing.assert_array_equal(pair[1], expected[1])
    assert blas() == {2}


def test_blas_has_one_thread_while_samples_are_scored():
    seen = []

    def score(X, X_hat, Z):
        seen.append(blas())
        if len(X) == 2:
            raise RuntimeError("stop")
        return np.zeros(len(X))

    X = np.random.RandomState(0).normal(size=(40, 3))
    detector = AutoencoderOutlierDetector(1, epochs=1, outlier_score=score).fit(X)
    seen.clear()
    detector.score_samples(X[:1])
    with pytest.raises(RuntimeError, match="stop"):
        detector.score_samples(X[:2])
    assert seen == [{1}, {1}]
    assert blas() == {2}
