"""Fully connected autoencoders."""

import math
from numbers import Integral

from sklearn.utils._param_validation import Interval

from .._backend import import_keras
from ._base import BaseArchitecture, Networks


class DenseArchitecture(BaseArchitecture):
    """Fully connected layers, the decoder mirroring the encoder.

    With ``hidden_layer_sizes=(256, 128)``, 784 columns and 2 components the layers have
    784 - 256 - 128 - 2 - 128 - 256 - 784 units. Samples of more than one axis (images)
    are flattened first, and given their shape back last.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(256, 128)
        Units of the hidden layers of the encoder, from the data to the code. ``()``
        leaves the code as the only hidden layer.
    activation : str, default="relu"
        Name of the Keras activation of the hidden layers.
    latent_activation : str, default="linear"
        Name of the Keras activation of the code.
    output_activation : str, default="auto"
        Name of the Keras activation of the last layer. "auto" is "sigmoid" with a
        cross-entropy loss, and "linear" otherwise.

    See Also
    --------
    BaseArchitecture : Base class for architectures of your own.

    References
    ----------
    .. [1] G. E. Hinton and R. R. Salakhutdinov, "Reducing the dimensionality of data
       with neural networks", Science 313 (2006), 504-507.

    Examples
    --------
    >>> from skae.architectures import DenseArchitecture
    >>> networks = DenseArchitecture(hidden_layer_sizes=()).build((784,), 32)
    >>> networks.autoencoder.count_params()
    50992
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [str],
        "latent_activation": [str],
        "output_activation": [str],
    }

    def __init__(
        self,
        hidden_layer_sizes=(256, 128),
        activation="relu",
        latent_activation="linear",
        output_activation="auto",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.latent_activation = latent_activation
        self.output_activation = output_activation

    def build_networks(self, sample_shape, n_components, output_activation):
        """Build the networks.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of one sample, without the batch axis.
        n_components : int
            Size of the code.
        output_activation : str
            Activation of the last layer where the parameter of that name is "auto".

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If a hidden layer size is not a positive int, or an activation is unknown
            to Keras.
        """
        layers = import_keras().layers
        sizes = self.hidden_layer_sizes
        sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes has to hold positive ints, got {sizes}."
            )
        if self.output_activation != "auto":
            output_activation = self.output_activation
        flat = len(sample_shape) == 1
        encoder = [
            *([] if flat else [layers.Flatten(name="flatten")]),
            *self._hidden_layers(sizes),
            layers.Dense(n_components, self.latent_activation, name="code"),
        ]
        decoder = [
            *self._hidden_layers(sizes[::-1]),
            layers.Dense(
                math.prod(sample_shape), output_activation, name="reconstruction"
            ),
            *([] if flat else [layers.Reshape(sample_shape, name="reshape")]),
        ]
        return Networks.from_halves(
            _stack(sample_shape, encoder, "encoder"),
            _stack((n_components,), decoder, "decoder"),
        )

    def _hidden_layers(self, sizes):
        layers = import_keras().layers
        return [
            layers.Dense(int(size), self.activation, name=f"hidden_{i}")
            for i, size in enumerate(sizes, start=1)
        ]


def _stack(input_shape, layers, name):
    """Chain layers into a functional model."""
    keras = import_keras()
    inputs = outputs = keras.Input(input_shape, name=f"{name}_input")
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=name)
