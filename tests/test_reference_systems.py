"""The autoencoders of known tutorials have exactly their number of parameters."""

import numpy as np
import pytest

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture


@pytest.mark.parametrize(
    ("n_components", "hidden_layer_sizes", "autoencoder", "encoder"),
    [
        pytest.param(15, (), 24_319, 784 * 15 + 15, id="B"),
        pytest.param(32, (), 50_992, 25_120, id="D and E"),
        pytest.param(32, (128, 64), 222_384, 110_816, id="F"),
    ],
)
def test_number_of_parameters(n_components, hidden_layer_sizes, autoencoder, encoder):
    X = np.random.RandomState(0).uniform(size=(40, 784))
    fitted = AutoencoderTransformer(
        n_components,
        architecture=DenseArchitecture(hidden_layer_sizes, code_activation="relu"),
        loss="binary_crossentropy",
        epochs=1,
    ).fit(X)
    assert fitted.autoencoder_.count_params() == autoencoder
    assert fitted.encoder_.count_params() == encoder
    assert fitted.decoder_.layers[-1].activation.__name__ == "sigmoid"
    assert (fitted.transform(X) >= 0).all()
