"""Running a fitted network on any number of rows, in bounded memory."""

import weakref
from itertools import pairwise

import numpy as np
from scipy import special
from sklearn.utils import gen_batches

from ._backend import import_keras

# Rows that are in work at one time: what a layer of 1,000 units gives for so many
# takes 16 MB in float32.
CHUNK_ROWS = 4096


def predict(network, X):
    """Give the network's output for each row.

    A chain of dense layers runs in NumPy, which saves TensorFlow's overhead on one row
    and keeps float64 all the way; any other network runs compiled, in Keras's floatx.

    Parameters
    ----------
    network : keras.Model
        With one input and one output.
    X : ndarray of shape (n_samples, *input_shape), of float32 or float64
        The rows.

    Returns
    -------
    ndarray of shape (n_samples, *output_shape), of the dtype of X
        The outputs.
    """
    forward = _numpy_forward(network, X.dtype) or _compiled_forward(network)
    chunks = [forward(X[rows]) for rows in gen_batches(len(X), CHUNK_ROWS)]
    output = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    return output.astype(X.dtype, copy=False)


def _relu(x):
    return np.maximum(x, 0, out=x)


def _elu(x, alpha=1):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _selu(x):
    # The constants of Klambauer et al., "Self-normalizing neural networks" (2017)
    return x.dtype.type(1.0507009873554805) * _elu(x, x.dtype.type(1.6732632423543772))


# What Keras's activations do, by the name under which Keras serializes them.
_ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": _relu,
    "sigmoid": lambda x: special.expit(x, out=x),
    "tanh": lambda x: np.tanh(x, out=x),
    "elu": _elu,
    "selu": _selu,
    "softplus": lambda x: np.logaddexp(x, 0, out=x),
    "silu": lambda x: x * special.expit(x),
}


def _numpy_forward(network, dtype):
    """Translate a chain of plain layers to NumPy; None if it has any other layer."""
    steps = []
    for layer in _chain(network) or [None]:
        step = _numpy_step(layer, dtype)
        if step is None:
            return None
        steps.append(step)

    def forward(x):
        for step in steps:
            x = step(x)
        return x

    return forward


def _chain(network):
    """Layers of a model in which each takes what the one before gives, else None."""
    layers = getattr(network, "layers", [])
    try:
        chained = all(left.output is right.input for left, right in pairwise(layers))
        ends = network.output is layers[-1].output
    except (AttributeError, IndexError, ValueError):  # subclassed, or a shared layer
        return None
    return layers if chained and ends else None


def _numpy_step(layer, dtype):
    keras = import_keras()
    # Exact types: a subclass may compute anything.
    kind = type(layer)
    if kind in (
        keras.layers.InputLayer,
        keras.layers.Dropout,
        keras.layers.GaussianNoise,
        keras.layers.GaussianDropout,
        keras.layers.ActivityRegularization,
    ):
        return lambda x: x  # these do nothing outside training
    if kind in (keras.layers.Flatten, keras.layers.Reshape):
        shape = layer.output.shape[1:]
        return lambda x: x.reshape(len(x), *shape)
    if kind not in (keras.layers.Dense, keras.layers.Activation):
        return None
    name = getattr(layer.activation, "__name__", None)
    activation = _ACTIVATIONS.get(name)
    if activation is None or layer.activation is not getattr(
        keras.activations, name, None
    ):
        return None
    if kind is keras.layers.Activation:
        return lambda x: activation(x.copy())
    if layer.compute_dtype not in ("float32", "float64") or layer.quantization_mode:
        return None
    kernel = layer.kernel.numpy().astype(dtype, copy=False)
    if not layer.use_bias:
        return lambda x: activation(x @ kernel)
    bias = layer.bias.numpy().astype(dtype, copy=False)

    def dense(x):
        x = x @ kernel
        x += bias
        return activation(x)

    return dense


_compiled = weakref.WeakKeyDictionary()


def _compiled_forward(network):
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        return lambda x: keras.ops.convert_to_numpy(network(x, training=False))
    if network not in _compiled:
        import tensorflow as tf

        # A closure over the network itself would keep its own key alive.
        reference = weakref.ref(network)
        signature = tf.TensorSpec(
            [None, *network.input_shape[1:]], keras.config.floatx()
        )

        @tf.function(input_signature=[signature], autograph=False)
        def forward(x):
            return reference()(x, training=False)

        _compiled[network] = forward
    forward = _compiled[network]
    return lambda x: forward(x.astype(keras.config.floatx(), copy=False)).numpy()
