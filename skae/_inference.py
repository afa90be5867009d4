"""Run the networks of a fitted estimator: as arrays, or as Keras models."""

import threading
from functools import partial

import numpy as np

from ._backend import (
    check_process,
    import_keras,
    read_values,
    view_value,
    write_network,
)
from ._keras_layers import trace
from ._operations import Graph, truncate_codes
from ._parallel import map_chunks, map_in_order, one_thread_each
from .architectures._base import describe

# Samples that are processed at a time. The outputs of a layer of 1,000 units for so
# many take 4 MB in float32, which fit into the caches of processors.
CHUNK_ROWS = 1024
# Values of those samples: large images are processed fewer at a time.
CHUNK_VALUES = 2**20

HALVES = ("encoder", "decoder")


class FittedNetworks:
    """The networks of an estimator, as arrays while nobody needs the Keras models.

    A half whose layers are all known runs in NumPy, which needs no TensorFlow, has no
    overhead on one sample and keeps the precision of float64 along linear layers. Any
    other half runs compiled, in Keras's floatx.

    Parameters
    ----------
    build : callable
        Returns new `Networks`, whose weights may be any.
    """

    def __init__(self, build):
        self._build = build
        self._lock = threading.RLock()
        self._networks = build()
        self._values = None
        variables = self._networks.autoencoder.variables
        self._graphs = {
            half: trace(getattr(self._networks, half), variables) for half in HALVES
        }
        self._shapes = [tuple(variable.shape) for variable in variables]
        self.code_shape = self._networks.code_shape
        self.n_components = self._networks.n_components
        self.n_parameters = self._networks.autoencoder.count_params()
        self.description = describe(self._networks)
        self._begin()

    def _begin(self):
        self._are_shared = False
        self._encode, self._decode = map(self._predictor, HALVES)

    @classmethod
    def from_state(cls, build, state):
        """Make networks from what `get_state` returned, without Keras.

        Parameters
        ----------
        build : callable
            As above.
        state : dict
            The state.

        Returns
        -------
        FittedNetworks
            Their Keras models are built once they are asked for.

        Raises
        ------
        ValueError
            If weights and layers do not fit each other.
        """
        self = cls.__new__(cls)
        state = dict(state)
        self._build = build
        self._lock = threading.RLock()
        self._networks = None
        # Of a memory map, the view that has no overhead.
        self._values = [np.asarray(value) for value in state.pop("values")]
        self._shapes = [value.shape for value in self._values]
        self._graphs = {
            half: None if graph is None else Graph(**graph)
            for half, graph in state.pop("graphs").items()
        }
        vars(self).update(state)
        for graph in self._graphs.values():
            if graph is not None:
                graph.check(self._values)
        self._begin()
        return self

    def get_state(self):
        """Return everything but how to build, as arrays, dicts, numbers and strings."""
        return {
            "values": self.values(),
            "graphs": {
                half: None if graph is None else graph.to_dict()
                for half, graph in self._graphs.items()
            },
            "code_shape": self.code_shape,
            "n_components": self.n_components,
            "n_parameters": self.n_parameters,
            "description": self.description,
        }

    @property
    def networks(self):
        """The Keras models, for training: `freeze` is called after that."""
        check_process()
        with self._lock:
            if self._networks is None:
                networks = self._build()
                write_network(networks.autoencoder, self._values)
                self._networks = networks
            self._values = None
        return self._networks

    @property
    def are_built(self):
        """Whether there are Keras models."""
        return self._networks is not None

    def share(self):
        """Return the Keras models for the user, who may change them at any time."""
        self._are_shared = True
        return self.networks

    def freeze(self):
        """Copy the weights, by which NumPy computes, unless the user has the models."""
        if not self._are_shared:
            self._values = read_values(self._live_variables())

    def values(self):
        """Return the values of the variables of the autoencoder, not to be changed."""
        values = self._values  # once: another thread may ask for the Keras models
        return read_values(self._live_variables()) if values is None else values

    def set_values(self, values):
        """Give the variables the values that `values` returned."""
        if self._networks is not None:
            write_network(self._networks.autoencoder, values)
        if self._values is not None:
            self._values = values

    def truncate(self, build, size):
        """Return networks with the first components of codes only.

        Parameters
        ----------
        build : callable
            Returns Keras models with so many components.
        size : int
            The number of components.

        Returns
        -------
        FittedNetworks
            New ones, with ordered codes as these have.
        """
        *graphs, values = truncate_codes(
            *(self._graphs[half] for half in HALVES), self.values(), size
        )
        changes = {
            "values": values,
            "graphs": {
                half: graph.to_dict()
                for half, graph in zip(HALVES, graphs, strict=True)
            },
            "code_shape": (size,),
            "n_components": size,
            "n_parameters": None,  # known once Keras models are built
            "description": None,
        }
        return self.from_state(build, self.get_state() | changes)

    @property
    def run_in_numpy(self):
        """Whether NumPy computes both halves."""
        return all(g is not None and g.is_runnable for g in self._graphs.values())

    def encode(self, X):
        """Run the encoder, see `Predictor`."""
        return self._encode(X)

    def decode(self, codes):
        """Run the decoder, see `Predictor`."""
        return self._decode(codes)

    def write_onnx(self, writer, half, x):
        """Add the nodes of one half to an ONNX graph; return the output's name."""
        graph = self._graphs[half]
        if graph is None or not graph.is_runnable:
            return writer.write_network(getattr(self.networks, half), x)
        return writer.write_graph(graph, self._read(graph.weights), x)

    def describe(self):
        """Return a table of layers and a line on the code, as text."""
        if self.description is None:
            self.n_parameters = self.networks.autoencoder.count_params()
            self.description = describe(self.networks)
        return self.description

    def _predictor(self, half):
        return Predictor(
            self._graphs[half], self._read, lambda: getattr(self.networks, half)
        )

    def _read(self, indices):
        """Return weights, as they are now."""
        values = self._values
        if values is not None:
            return values
        variables = self._live_variables()
        return {i: view_value(variables[i]) for i in indices}

    def _live_variables(self):
        """Return the variables of the Keras models, if they are those of the start."""
        variables = self._networks.autoencoder.variables
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != self._shapes:
            raise ValueError(
                "The layers of autoencoder_ were changed: its variables have other "
                "shapes than those that were fitted. Change the weights only."
            )
        return variables


class Predictor:
    """Compute a network's output for any number of samples.

    Parameters
    ----------
    graph : Graph or None
        What NumPy runs, if it can.
    read : callable
        Takes the indices of weights, and returns what `Graph.run` takes.
    network : callable
        Returns the Keras model.
    """

    def __init__(self, graph, read, network):
        self._graph = graph if graph is not None and graph.is_runnable else None
        self._indices = None if self._graph is None else graph.weights
        self._read = read
        self._network = network
        self._compiled = None
        self._lock = threading.Lock()

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
        run = self._run_compiled
        if self._graph is not None:
            weights = self._read(self._indices)
            run = partial(self._graph.run, weights)
        chunk_rows = max(1, min(CHUNK_ROWS, CHUNK_VALUES * len(X) // max(X.size, 1)))
        if len(X) <= chunk_rows:
            with one_thread_each():
                output = run(X)
            # Layers that only reshape give a view.
            shared = np.may_share_memory(output, X)
            return output.astype(X.dtype, copy=shared)
        output, start = None, 0
        # Keras's own threads compute what NumPy cannot.
        map_all = map_in_order if self._graph is None else map_chunks
        for chunk in map_all(lambda rows: run(X[rows]), len(X), chunk_rows):
            if output is None:
                output = np.empty((len(X), *chunk.shape[1:]), X.dtype)
            output[start : start + len(chunk)] = chunk
            start += len(chunk)
        return output

    def _run_compiled(self, X):
        check_process()
        if self._compiled is None:
            with self._lock:
                if self._compiled is None:
                    self._compiled = _compile(self._network())
        return self._compiled(X)


def _compile(network):
    """Return a network as a function of ndarrays that Keras's backend computes."""
    keras = import_keras()
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
