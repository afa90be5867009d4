"""Run a fitted network on any number of samples, in bounded memory."""

from functools import cached_property

import numpy as np
from sklearn.utils import gen_batches

from ._backend import import_keras
from ._keras_layers import numpy_call

# Samples that are processed at a time. The outputs of a layer of 1,000 units for so
# many take 4 MB in float32, which fit into the caches of processors.
CHUNK_ROWS = 1024
# Values of those samples: large images are processed fewer at a time.
CHUNK_VALUES = 2**20


class Predictor:
    """Compute a network's output for any number of samples.

    A network of layers that have a NumPy form runs in NumPy, which saves TensorFlow's
    overhead on one sample and keeps float64 throughout; any other network runs
    compiled, in Keras's floatx.

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
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, *output_shape), of the dtype of X
            The outputs, which share no memory with X.
        """
        chunk_rows = max(1, min(CHUNK_ROWS, CHUNK_VALUES * len(X) // max(X.size, 1)))
        if len(X) <= chunk_rows:
            output = self._forward(X)
            # Layers that only reshape give a view.
            shared = np.may_share_memory(output, X)
            return output.astype(X.dtype, copy=shared)
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


def _numpy_steps(network):
    """Translate a network to NumPy; None if it has any layer without translation.

    Each step is a function, the keys of what it takes and that of what it gives.
    """
    steps = []
    try:
        for layer in network.layers:
            if isinstance(layer, import_keras().layers.InputLayer):
                continue
            step = numpy_call(layer)
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
