import numpy as np
import pytest

from skae.architectures import DenseArchitecture, NetworkSpec


def layer_units(model):
    return [layer.units for layer in model.layers if hasattr(layer, "units")]


@pytest.mark.parametrize(
    ("hidden_layer_sizes", "expected"),
    [((), []), (5, [5]), ((7, 4), [7, 4]), (np.array([7, 4]), [7, 4])],
)
def test_decoder_mirrors_the_encoder(hidden_layer_sizes, expected):
    architecture = DenseArchitecture(hidden_layer_sizes, start="random")
    networks = architecture.build(NetworkSpec((10,), np.int64(3)))
    assert layer_units(networks.encoder) == [*expected, 3]
    assert layer_units(networks.decoder) == [*expected[::-1], 10]
    assert networks.n_components == 3
    assert networks.code_shape == (3,)


def test_activations():
    networks = DenseArchitecture(
        (7,), "tanh", code_activation="relu", output_activation="elu"
    ).build(NetworkSpec((10,), 3))
    names = [
        [layer.activation.__name__ for layer in half.layers if hasattr(layer, "units")]
        for half in (networks.encoder, networks.decoder)
    ]
    assert names == [["tanh", "relu"], ["tanh", "elu"]]


@pytest.mark.parametrize("proposed", ["linear", "sigmoid"])
def test_auto_output_activation_is_the_callers(proposed):
    architecture = DenseArchitecture(start="random")
    build = architecture.build(NetworkSpec((10,), 3, output_activation=proposed))
    assert build.decoder.layers[-1].activation.__name__ == proposed
    own = DenseArchitecture(output_activation="tanh")
    build = own.build(NetworkSpec((10,), 3, output_activation=proposed))
    assert build.decoder.layers[-1].activation.__name__ == "tanh"


def test_images_are_flattened_and_given_back():
    networks = DenseArchitecture((7,)).build(NetworkSpec((4, 5, 2), 3))
    assert networks.encoder.input_shape == (None, 4, 5, 2)
    assert networks.decoder.output_shape == (None, 4, 5, 2)
    flat = DenseArchitecture((7,)).build(NetworkSpec((40,), 3))
    count = networks.autoencoder.count_params()
    assert count == flat.autoencoder.count_params()


def test_layers_of_one_network_differ():
    networks = DenseArchitecture((8, 8, 8), start="random").build(NetworkSpec((8,), 8))
    kernels = [v.numpy() for v in networks.autoencoder.variables if len(v.shape) == 2]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels) == 8
