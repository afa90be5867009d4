"""What is known about layers: skae's own describe themselves, Keras's are listed here.

Layers of skae declare two traits, which the table lists for Keras's layers: the class
attribute `row_wise`, and a method `operation()`, which describes what the layer does
outside training as a node of `skae._operations`, with variables in place of indices.
``{"op": "pass"}`` returns the first input. None stands for anything else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ._backend import import_keras
from ._operations import WEIGHTS, Graph


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
    own = _own(layer, "row_wise")
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


def trace(network, variables):
    """Describe what a network computes outside training.

    Parameters
    ----------
    network : keras.Model
        Built.
    variables : list of keras.Variable
        Those whose indices the nodes hold.

    Returns
    -------
    Graph or None
        None if there is a layer whose operation is not known, or more than one input
        or output.
    """
    indices = {id(variable): i for i, variable in enumerate(variables)}
    numbers, nodes = {}, []
    try:
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            return None
        numbers[id(network.inputs[0])] = 0
        for layer in network.layers:
            if isinstance(layer, import_keras().layers.InputLayer):
                continue
            node = describe_operation(layer)
            if node is None:
                return None
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            inputs = [numbers[id(tensor)] for tensor in inputs]
            if node["op"] == "pass":
                numbers[id(layer.output)] = inputs[0]
                continue
            for name in WEIGHTS:
                if node.get(name) is not None:
                    node[name] = indices[id(node[name])]
            numbers[id(layer.output)] = len(nodes) + 1
            nodes.append(node | {"inputs": inputs, "output": len(nodes) + 1})
        target = numbers[id(network.outputs[0])]
    except (AttributeError, IndexError, KeyError):
        return None  # subclassed, a shared layer, or weights of another model
    shapes = (
        tuple(map(int, s[1:])) for s in (network.input_shape, network.output_shape)
    )
    return Graph(nodes, 0, target, *shapes)


def _own(layer, name):
    """Return what a layer of skae says of itself; None for any other class."""
    kind = type(layer)
    return vars(kind).get(name) if kind.__module__.startswith("skae.") else None


def describe_operation(layer):
    own = _own(layer, "operation")
    describe = _traits(layer).operation if own is None else own
    return describe and describe(layer)


def dense_operation(layer, kernel, bias, *, transposed=False):
    """Describe a dense layer.

    Parameters
    ----------
    layer : keras.layers.Layer
        With an attribute `activation`.
    kernel : keras.Variable
        The kernel.
    bias : keras.Variable or None
        The bias.
    transposed : bool, default=False
        Whether the kernel is used transposed.

    Returns
    -------
    dict or None
        None for an activation that is not one of Keras's, or a dtype of half precision.
    """
    activation = _activation_name(layer)
    if activation is None or layer.compute_dtype not in ("float32", "float64"):
        return None
    return {
        "op": "dense",
        "kernel": kernel,
        "bias": bias,
        "transposed": transposed,
        "activation": activation,
    }


def _activation_name(layer):
    name = getattr(layer.activation, "__name__", None)
    is_keras = layer.activation is getattr(import_keras().activations, name or "", None)
    return name if is_keras else None


def _describe_activation(layer):
    is_half = layer.compute_dtype not in ("float32", "float64")
    name = None if is_half else _activation_name(layer)
    return name and {"op": "activation", "activation": name}


def _describe_dense(layer):
    if layer.quantization_mode:
        return None
    return dense_operation(layer, layer.kernel, layer.bias if layer.use_bias else None)


def _describe_reshape(layer):
    if getattr(layer, "data_format", None) == "channels_first":
        return None  # Flatten transposes then
    return {"op": "reshape", "shape": tuple(map(int, layer.output.shape[1:]))}


def _describe_concatenation(layer):
    axis = layer.axis % len(layer.output.shape)
    return {"op": "concatenate", "axis": axis} if axis > 0 else None


def _is_normalized_last(layer):
    axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) else layer.axis
    is_last = axis in (-1, len(layer.input.shape) - 1)
    return is_last and layer.compute_dtype in ("float32", "float64")


def _describe_batch_normalization(layer):
    if not _is_normalized_last(layer):
        return None
    return {
        "op": "normalize_features",
        "gamma": layer.gamma if layer.scale else None,
        "beta": layer.beta if layer.center else None,
        "mean": layer.moving_mean,
        "variance": layer.moving_variance,
        "epsilon": float(layer.epsilon),
    }


def _describe_layer_normalization(layer):
    one_axis = isinstance(layer.axis, int) or len(layer.axis) == 1
    if (
        not one_axis
        or not _is_normalized_last(layer)
        or getattr(layer, "rms_scaling", False)
    ):
        return None
    return {
        "op": "normalize_samples",
        "gamma": layer.gamma if layer.scale else None,
        "beta": layer.beta if layer.center else None,
        "epsilon": float(layer.epsilon),
    }


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
    operation : callable or None
        From a layer to a node, or to None.
    """

    row_wise: bool = False
    passes_values: bool = False
    finishing: bool = False
    operation: Callable | None = None


_TRAINING_ONLY = _Traits(
    passes_values=True, finishing=True, operation=lambda layer: {"op": "pass"}
)
_ROW_WISE_NOISE = _Traits(
    row_wise=True,
    passes_values=True,
    finishing=True,
    operation=lambda layer: {"op": "pass"},
)
_RESHAPE = _Traits(
    row_wise=True,
    passes_values=True,
    finishing=True,
    operation=_describe_reshape,
)

# By the names of Keras's layers.
_KERAS_LAYERS = {
    "Activation": _Traits(
        row_wise=True, finishing=True, operation=_describe_activation
    ),
    "ActivityRegularization": _TRAINING_ONLY,
    "Add": _Traits(
        row_wise=True,
        operation=lambda layer: {"op": "add"},
    ),
    "AlphaDropout": _Traits(passes_values=True, finishing=True),
    "BatchNormalization": _Traits(operation=_describe_batch_normalization),
    "Concatenate": _Traits(row_wise=True, operation=_describe_concatenation),
    "Cropping1D": _Traits(passes_values=True),
    "Cropping2D": _Traits(passes_values=True),
    "Cropping3D": _Traits(passes_values=True),
    "Dense": _Traits(row_wise=True, operation=_describe_dense),
    "Dropout": _ROW_WISE_NOISE,
    "ELU": _Traits(finishing=True),
    "Flatten": _RESHAPE,
    "GaussianDropout": _ROW_WISE_NOISE,
    "GaussianNoise": _ROW_WISE_NOISE,
    "Identity": _Traits(
        passes_values=True, finishing=True, operation=lambda layer: {"op": "pass"}
    ),
    "InputLayer": _Traits(row_wise=True),
    "LayerNormalization": _Traits(
        row_wise=True, operation=_describe_layer_normalization
    ),
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
