import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.architectures import BaseArchitecture, Networks, NetworkSpec
from skae.metrics import reconstruction_scorer


class LinearFromPCA(BaseArchitecture):
    """A user's architecture that takes its first weights from the data."""

    def __init__(self, use_bias=True):
        self.use_bias = use_bias

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        dense = keras.layers.Dense
        return Networks.from_halves(
            keras.Sequential([keras.Input(sample_shape), dense(n_components)]),
            keras.Sequential([keras.Input((n_components,)), dense(*sample_shape)]),
        )

    def initialize(self, networks, X):
        pca = PCA(networks.n_components).fit(X)
        axes, mean = pca.components_, pca.mean_
        networks.encoder.set_weights([axes.T, -mean @ axes.T])
        networks.decoder.set_weights([axes, mean])


def test_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseArchitecture()


def test_initialize_sees_the_training_rows(X):
    X_train, X_val = X[:200], X[200:]
    autoencoder = AutoencoderTransformer(
        4,
        architecture=LinearFromPCA(),
        epochs=1,
        optimizer="sgd",
        learning_rate=1e-12,
        random_state=0,
    ).fit(X_train, X_val=X_val)
    expected = reconstruction_scorer(PCA(4).fit(X_train), X_val)
    assert autoencoder.score(X_val) == pytest.approx(expected, abs=1e-4)


def test_parameters_are_reached_and_cloned():
    autoencoder = AutoencoderTransformer(architecture=LinearFromPCA())
    autoencoder.set_params(architecture__use_bias=False)
    assert autoencoder.get_params()["architecture__use_bias"] is False


def test_networks_are_frozen():
    networks = LinearFromPCA().build(NetworkSpec((5,), 2))
    with pytest.raises(AttributeError):
        networks.encoder = None
    output = networks.autoencoder.predict(np.ones((1, 5)), verbose=0)
    assert output.shape == (1, 5)
