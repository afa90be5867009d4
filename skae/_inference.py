"""Running a fitted network on any number of rows, in bounded memory."""

from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import special
from sklearn.utils import gen_batches

from ._backend import import_keras, view_value

# Rows that are in work at a time. What a layer of 1,000 units gives for so many takes
# 4 MB in float32, which processors keep in their caches.
CHUNK_ROWS = 1024


class Predictor:
    """Gives a network's output for any number of rows.

    A chain of dense layers runs in NumPy, which saves TensorFlow's overhead on one row
    and keeps float64 all the way; any other network runs compiled, in Keras's floatx.

    Parameters
    ----------
    network : keras.Model
        With one input and one output. Its weights are read at each call.
    """

    def __init__(self, network):
        self._network = network
        self._steps = _numpy_steps(network)

    def __call__(self, X):
        """Run the network.

        Parameters
        ----------
        X : ndarray of shape (n_samples, *input_shape), of float32 or float64
            The rows.

        Returns
        -------
        ndarray of shape (n_samples, *output_shape), of the dtype of X
            The outputs.
        """
        if len(X) <= CHUNK_ROWS:
            return self._forward(X).astype(X.dtype, copy=False)
        output = None
        for rows in gen_batches(len(X), CHUNK_ROWS):
            chunk = self._forward(X[rows])
            if output is None:
                output = np.empty((len(X), *chunk.shape[1:]), X.dtype)
            output[rows] = chunk
        return output

    def _forward(self, X):
        if self._steps is None:
            return self._compiled(X)
        for step in self._steps:
            X = step(X)
        return X

    @cached_property
    def _compiled(self):
        keras, network = import_keras(), self._network
        floatx = keras.config.floatx()
        if keras.backend.backend() != "tensorflow":
            return lambda x: keras.ops.convert_to_numpy(network(x, training=False))
        import tensorflow as tf

        signature = tf.TensorSpec([None, *network.input_shape[1:]], floatx)

        @tf.function(input_signature=[signature], autograph=False)
        def forward(x):
            return network(x, training=False)

        forward = forward.get_concrete_function()
        return lambda x: forward(tf.constant(x, floatx)).numpy()


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


def _numpy_steps(network):
    """Translate a chain of plain layers to NumPy; None if it has any other layer."""
    steps = [_numpy_step(layer) for layer in _chain(network) or [None]]
    return None if None in steps else steps


def _chain(network):
    """Layers of a model in which each takes what the one before gives, else None."""
    layers = getattr(network, "layers", [])
    try:
        chained = all(left.output is right.input for left, right in pairwise(layers))
        ends = network.output is layers[-1].output
    except (AttributeError, IndexError, ValueError):  # subclassed, or a shared layer
        return None
    return layers if chained and ends else None


def _numpy_step(layer):
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
    kernel = layer.kernel
    bias = layer.bias if layer.use_bias else None

    def dense(x):
        x = x @ view_value(kernel).astype(x.dtype, copy=False)
        if bias is not None:
            x += view_value(bias).astype(x.dtype, copy=False)
        return activation(x)

    return dense
