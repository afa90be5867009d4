"""Running a fitted network on any number of rows, in bounded memory."""

from functools import cached_property

import numpy as np
from scipy import special
from sklearn.utils import gen_batches

from ._backend import import_keras, view_value

# Rows that are in work at a time. What a layer of 1,000 units gives for so many takes
# 4 MB in float32, which processors keep in their caches.
CHUNK_ROWS = 1024
# Numbers of those rows: of large images there are fewer.
CHUNK_VALUES = 2**20


class Predictor:
    """Gives a network's output for any number of rows.

    A network of dense layers runs in NumPy, which saves TensorFlow's overhead on one
    row and keeps float64 all the way; any other runs compiled, in Keras's floatx.

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
        chunk_rows = max(1, min(CHUNK_ROWS, CHUNK_VALUES * len(X) // max(X.size, 1)))
        if len(X) <= chunk_rows:
            return self._forward(X).astype(X.dtype, copy=False)
        output = None
        for rows in gen_batches(len(X), chunk_rows):
            chunk = self._forward(X[rows])
            if output is None:
                output = np.empty((len(X), *chunk.shape[1:]), X.dtype)
            output[rows] = chunk
        return output

    def _forward(self, X):
        if self._steps is None:
            return self._compiled(X)
        values = {id(self._network.inputs[0]): X}
        for step, inputs, output in self._steps:
            values[output] = step(*(values[i] for i in inputs))
        return values[id(self._network.outputs[0])]

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


# Layers of skae's own, whose module imports Keras.
_TRANSPOSED_DENSE = ("skae.architectures._layers", "TransposedDense")
_CLIP = ("skae.architectures._layers", "Clip")


def _numpy_steps(network):
    """Translate a network of plain layers to NumPy; None if it has any other layer.

    Each step is a function, the keys of what it takes and that of what it gives.
    """
    steps = []
    try:
        for layer in network.layers:
            if isinstance(layer, import_keras().layers.InputLayer):
                continue
            step = _numpy_step(layer)
            if step is None:
                return None
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            steps.append((step, [id(tensor) for tensor in inputs], id(layer.output)))
        known = {id(network.inputs[0])}
        for _, inputs, output in steps:
            if not known.issuperset(inputs):
                return None
            known.add(output)
    except (AttributeError, IndexError):  # subclassed, or a shared layer
        return None
    return steps if id(network.outputs[0]) in known else None


def _numpy_step(layer):
    keras = import_keras()
    # Exact types: a subclass may compute anything.
    kind = type(layer)
    if kind in (
        keras.layers.Dropout,
        keras.layers.GaussianNoise,
        keras.layers.GaussianDropout,
        keras.layers.ActivityRegularization,
    ):
        return lambda x: x  # these do nothing outside training
    if kind in (keras.layers.Flatten, keras.layers.Reshape):
        shape = layer.output.shape[1:]
        return lambda x: x.reshape(len(x), *shape)
    if kind is keras.layers.Add:
        return lambda *terms: sum(terms[1:], start=terms[0])
    if (kind.__module__, kind.__name__) == _TRANSPOSED_DENSE:
        kernel = layer.tied_to.kernel
        return _dense_step(layer, lambda: view_value(kernel).T, layer.bias)
    if (kind.__module__, kind.__name__) == _CLIP:
        return lambda x: np.clip(
            x,
            view_value(layer.low).astype(x.dtype, copy=False),
            view_value(layer.high).astype(x.dtype, copy=False),
        )
    if kind is keras.layers.Activation:
        activation = _numpy_activation(layer)
        return activation and (lambda x: activation(x.copy()))
    if kind is keras.layers.Dense and not layer.quantization_mode:
        bias = layer.bias if layer.use_bias else None
        return _dense_step(layer, lambda: view_value(layer.kernel), bias)
    return None


def _dense_step(layer, kernel, bias):
    activation = _numpy_activation(layer)
    if activation is None or layer.compute_dtype not in ("float32", "float64"):
        return None

    def dense(x):
        x = x @ kernel().astype(x.dtype, copy=False)
        if bias is not None:
            x += view_value(bias).astype(x.dtype, copy=False)
        return activation(x)

    return dense


def _numpy_activation(layer):
    name = getattr(layer.activation, "__name__", None)
    is_keras = layer.activation is getattr(import_keras().activations, name or "", None)
    return _ACTIVATIONS.get(name) if is_keras else None
