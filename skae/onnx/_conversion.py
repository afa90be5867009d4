"""Keras models of any layers as ONNX models, by tf2onnx."""

import logging

import numpy as np

from .._backend import import_keras, leaf_layers
from ._packages import import_package
from ._runtime import run_model

_HALF = {"float16", "bfloat16"}
# Samples on which a network and what it was converted to are compared.
_N_COMPARED = 3


def convert_network(network, opset):
    """Convert a Keras model as TensorFlow computes it, and check the result.

    Parameters
    ----------
    network : keras.Model
        With one input and one output.
    opset : int
        The version of ONNX's operators.

    Returns
    -------
    onnx.ModelProto
        Its input and its output are of float32 and of Keras's floatx.

    Raises
    ------
    ValueError
        If it cannot be converted, or computes something else after that.
    """
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{network.name!r} has layers that only TensorFlow can export, but the "
            f"backend of Keras is {keras.backend.backend()}."
        )
    half = {layer.compute_dtype for layer in leaf_layers(network)} & _HALF
    if half:
        raise ValueError(
            f"{network.name!r} computes in {half.pop()}, which cannot be exported."
        )
    tf2onnx = import_package("tf2onnx", f"to export the layers of {network.name!r}")
    import tensorflow as tf

    signature = [tf.TensorSpec([None, *network.input_shape[1:]], tf.float32, name="x")]

    @tf.function(input_signature=signature, autograph=False)
    def forward(x):
        return network(tf.cast(x, keras.config.floatx()), training=False)

    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # its errors become one of ours
    try:
        model, _ = tf2onnx.convert.from_function(
            forward, input_signature=signature, opset=opset
        )
    except Exception as error:  # of many kinds
        raise ValueError(
            f"{network.name!r} cannot be exported: tf2onnx raises "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        logger.setLevel(level)
    _check_operators(network, model)
    for node in model.graph.node:
        if node.op_type == "ConvTranspose":
            _correct_padding(node)
    _check_values(network, forward, model)
    return model


def _check_operators(network, model):
    """Refuse operators that TensorFlow has and ONNX has not, and name their layers."""
    from onnx import defs

    known = {schema.name for schema in defs.get_all_schemas()}
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and node.op_type not in known:
            raise ValueError(
                f"{network.name!r} cannot be exported: ONNX has no operator "
                f"{node.op_type}, which {_layer_of(node, network)} computes. Choose "
                "another activation or layer."
            )


def _layer_of(node, network):
    """Describe the layer that a node comes from."""
    scopes = node.name.split("/")
    layers = [
        layer
        for layer in leaf_layers(network)
        if any(scope.startswith(layer.name) for scope in scopes)
    ]
    if not layers:
        return f"{node.name!r}"
    layer = max(layers, key=lambda layer: len(layer.name))
    name = getattr(getattr(layer, "activation", None), "__name__", None)
    activation = "" if name is None else f" with activation={name!r}"
    return f"the {type(layer).__name__} layer {layer.name!r}{activation}"


def _correct_padding(node):
    """Add values at the end where tf2onnx removes a negative number of them.

    That is where strides are larger than the kernel.
    """
    from onnx import helper

    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    pads = np.reshape(attributes.get("pads", [0, 0]), (2, -1))
    total = pads.sum(axis=0)
    if (total >= 0).all():
        return
    attributes["pads"] = np.where(total < 0, 0, pads).ravel().tolist()
    attributes["output_padding"] = np.maximum(-total, 0).tolist()
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(*item) for item in attributes.items())


def _check_values(network, forward, model):
    shape = (_N_COMPARED, *network.input_shape[1:])
    x = np.random.RandomState(0).normal(size=shape).astype(np.float32)
    expected = forward(x).numpy()
    try:
        (found,) = run_model(model, {model.graph.input[0].name: x})
    except ValueError as error:
        raise ValueError(f"{network.name!r} cannot be exported: {error}") from error
    scale = np.nanmax(np.abs(expected), initial=1e-30)
    if found.shape != expected.shape or not np.allclose(
        found, expected, 1e-3, 1e-3 * scale, equal_nan=True
    ):
        raise ValueError(
            f"{network.name!r} cannot be exported: what tf2onnx makes of it does not "
            "compute what Keras does."
        )
