"""What is known about layers: skae's own describe themselves, Keras's are listed here.

A layer of skae says by attributes of its class what the table says of Keras's layers:
`row_wise`, and a method `numpy_call()`, which returns the layer as a function of
ndarrays, or None where NumPy cannot compute what the layer does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from ._backend import import_keras, view_value


def is_row_wise(layer):
    """Check whether a layer treats each sample by itself, by matrix products alone.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    bool
        False too where that is not known.
    """
    own = vars(type(layer)).get("row_wise")
    row_wise = _traits(layer).row_wise if own is None else own
    return (
        row_wise
        and getattr(layer, "activity_regularizer", None) is None
        and layer.compute_dtype in ("float32", "float64")
    )


def passes_values(layer):
    """Check whether outputs of a layer are values of its input, if not in training.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    bool
        False too where that is not known.
    """
    return _traits(layer).passes_values


def is_finishing(layer):
    """Check whether a layer has no weights, and as many outputs as inputs.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    bool
        False too where that is not known.
    """
    return _traits(layer).finishing


def numpy_call(layer):
    """Translate to NumPy what a layer does outside training.

    Parameters
    ----------
    layer : keras.layers.Layer
        A built layer, whose weights are read at each call.

    Returns
    -------
    callable or None
        Takes and returns ndarrays; None if there is no translation.
    """
    if "numpy_call" in vars(type(layer)):
        return layer.numpy_call()
    translate = _traits(layer).numpy_call
    return translate and translate(layer)


def dense_call(layer, kernel, bias):
    """Translate a dense layer to NumPy.

    Parameters
    ----------
    layer : keras.layers.Layer
        With an attribute `activation`.
    kernel : callable
        Returns the kernel, as an ndarray.
    bias : keras.Variable or None
        The bias.

    Returns
    -------
    callable or None
        None for an activation without translation, or a dtype that NumPy lacks.
    """
    activation = _numpy_activation(layer)
    if activation is None or layer.compute_dtype not in ("float32", "float64"):
        return None

    def dense(x):
        x = x @ kernel().astype(x.dtype, copy=False)
        if bias is not None:
            x += view_value(bias).astype(x.dtype, copy=False)
        return activation(x)

    return dense


def identity(x):
    """Return the input: what a layer does that acts in training only.

    Parameters
    ----------
    x : ndarray
        Any input.

    Returns
    -------
    ndarray
        The same.
    """
    return x


def _relu(x):
    return np.maximum(x, 0, out=x)


def _elu(x, alpha=1):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _selu(x):
    # The constants of Klambauer et al., "Self-normalizing neural networks" (2017)
    return x.dtype.type(1.0507009873554805) * _elu(x, x.dtype.type(1.6732632423543772))


# Keras's activations, by the name under which Keras serializes them. Some of them
# work in place.
_ACTIVATIONS = {
    "linear": identity,
    "relu": _relu,
    "sigmoid": lambda x: special.expit(x, out=x),
    "tanh": lambda x: np.tanh(x, out=x),
    "elu": _elu,
    "selu": _selu,
    "softplus": lambda x: np.logaddexp(x, 0, out=x),
    "silu": lambda x: x * special.expit(x),
}


def _numpy_activation(layer):
    name = getattr(layer.activation, "__name__", None)
    is_keras = layer.activation is getattr(import_keras().activations, name or "", None)
    return _ACTIVATIONS.get(name) if is_keras else None


def _translate_activation(layer):
    activation = _numpy_activation(layer)
    return activation and (lambda x: activation(x.copy()))


def _translate_dense(layer):
    if layer.quantization_mode:
        return None
    bias = layer.bias if layer.use_bias else None
    return dense_call(layer, lambda: view_value(layer.kernel), bias)


def _translate_reshape(layer):
    shape = layer.output.shape[1:]
    return lambda x: x.reshape(len(x), *shape)


@dataclass(frozen=True)
class _Traits:
    """What is known about layers of one class.

    Parameters
    ----------
    row_wise : bool
        Whether each sample is treated by itself, and by matrix products: there XLA is
        faster than TensorFlow's kernels. For convolutions it is slower.
    passes_values : bool
        Whether outputs are values of the input, outside training.
    finishing : bool
        Whether there are no weights, and as many outputs as inputs.
    numpy_call : callable or None
        From a layer to a function of ndarrays, or to None.
    """

    row_wise: bool = False
    passes_values: bool = False
    finishing: bool = False
    numpy_call: Callable | None = None


_TRAINING_ONLY = _Traits(
    passes_values=True, finishing=True, numpy_call=lambda layer: identity
)
_ROW_WISE_NOISE = _Traits(
    row_wise=True,
    passes_values=True,
    finishing=True,
    numpy_call=lambda layer: identity,
)
_RESHAPE = _Traits(
    row_wise=True,
    passes_values=True,
    finishing=True,
    numpy_call=_translate_reshape,
)

# By the names of Keras's layers.
_KERAS_LAYERS = {
    "Activation": _Traits(
        row_wise=True, finishing=True, numpy_call=_translate_activation
    ),
    "ActivityRegularization": _TRAINING_ONLY,
    "Add": _Traits(
        row_wise=True,
        numpy_call=lambda layer: lambda *terms: sum(terms[1:], start=terms[0]),
    ),
    "AlphaDropout": _Traits(passes_values=True, finishing=True),
    "Cropping1D": _Traits(passes_values=True),
    "Cropping2D": _Traits(passes_values=True),
    "Cropping3D": _Traits(passes_values=True),
    "Dense": _Traits(row_wise=True, numpy_call=_translate_dense),
    "Dropout": _ROW_WISE_NOISE,
    "ELU": _Traits(finishing=True),
    "Flatten": _RESHAPE,
    "GaussianDropout": _ROW_WISE_NOISE,
    "GaussianNoise": _ROW_WISE_NOISE,
    "Identity": _Traits(passes_values=True, finishing=True),
    "InputLayer": _Traits(row_wise=True),
    "LayerNormalization": _Traits(row_wise=True),
    "LeakyReLU": _Traits(row_wise=True, finishing=True),
    "Permute": _Traits(passes_values=True, finishing=True),
    "ReLU": _Traits(row_wise=True, finishing=True),
    "RepeatVector": _Traits(passes_values=True),
    "Reshape": _RESHAPE,
    "Softmax": _Traits(finishing=True),
    "SpatialDropout1D": _Traits(passes_values=True, finishing=True),
    "SpatialDropout2D": _Traits(passes_values=True, finishing=True),
    "SpatialDropout3D": _Traits(passes_values=True, finishing=True),
}


def _traits(layer):
    # Exactly Keras's class: a subclass may compute anything.
    kind = type(layer)
    is_keras = kind is getattr(import_keras().layers, kind.__name__, None)
    return _KERAS_LAYERS.get(kind.__name__, _Traits()) if is_keras else _Traits()
