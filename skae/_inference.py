"""Run the networks of a fitted estimator: as arrays, or as Keras models."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np

from ._backend import (
    check_process,
    import_keras,
    read_values,
    view_value,
    write_network,
)
from ._layer_traits import trace
from ._missing import has_missing, observed_means
from ._operations import Graph, truncate_codes
from ._sampling import spread
from ._threads import map_chunks, map_in_order, one_thread_each
from .architectures._base import NetworkSpec, describe

# Samples that are processed at a time. The outputs of a layer of 1,000 units for so
# many take 4 MB in float32, which fit into the caches of processors.
CHUNK_ROWS = 1024
# Values of those samples: large images are processed fewer at a time.
CHUNK_VALUES = 2**20

HALVES = ("encoder", "decoder")
# Rounds in which reconstructions improve what missing cells are filled with, where no
# training sample had any.
N_FILLING_ROUNDS = 10
# Samples that the means of features, with which they are filled first, are those of.
MAX_CENTRE_SAMPLES = 10_000


class FittedNetworks:
    """Networks of a fitted estimator: weights as arrays.

    Keras models are built on first access.

    A half whose layers are all known runs in NumPy, which needs no TensorFlow, has no
    overhead on one sample and keeps the precision of float64 along linear layers. Any
    other half runs compiled, in Keras's floatx.

    Samples, reconstructions and codes are of shape (n_samples, n_features) or
    (n_samples, n_components), whatever the networks take. Missing cells, which are NaN,
    are filled here if the encoder has no input for them: with means first, and then ten
    times with the reconstructions of the result.

    Parameters
    ----------
    architecture : BaseArchitecture
        Builds the networks.
    spec : NetworkSpec
        What it builds.
    random_state : int
        Determines the initial weights.

    Attributes
    ----------
    centre : ndarray of shape (n_features,)
        Means of features, see `set_centre`.
    """

    def __init__(self, architecture, spec, random_state):
        self._architecture = architecture
        self.spec = spec
        self.random_state = random_state
        self.centre = None
        self._lock = threading.RLock()
        self._networks = self._build()
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
        self._run_encoder, self._run_decoder = map(self._predictor, HALVES)

    def _build(self):
        """Return new `Networks`, whose weights may be any."""
        return self._architecture.build(self.spec, random_state=self.random_state)

    @property
    def takes_missing(self):
        """Whether the encoder takes NaN for a missing cell."""
        return self.spec.hidden_share > 0

    @classmethod
    def from_state(cls, architecture, state):
        """Make networks from what `get_state` returned, without Keras.

        Parameters
        ----------
        architecture : BaseArchitecture
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
        self._architecture = architecture
        self.spec = NetworkSpec.from_dict(state.pop("spec"))
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
            "spec": self.spec.to_dict(),
            "values": self.values(),
            "graphs": {
                half: None if graph is None else graph.to_dict()
                for half, graph in self._graphs.items()
            },
            **{
                name: getattr(self, name)
                for name in (
                    *("random_state", "centre", "code_shape"),
                    *("n_components", "n_parameters", "description"),
                )
            },
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

    def truncate(self, size):
        """Return networks with the first components of codes only.

        Parameters
        ----------
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
            "spec": replace(self.spec, n_components=size).to_dict(),
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
        return self.from_state(self._architecture, self.get_state() | changes)

    @property
    def run_in_numpy(self):
        """Whether NumPy computes both halves."""
        return all(g is not None and g.is_runnable for g in self._graphs.values())

    def set_centre(self, X):
        """Set what missing cells are filled with first: the means of some samples."""
        self.centre = observed_means(spread(X, MAX_CENTRE_SAMPLES))

    def encode(self, X):
        """Encode samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), of float32 or float64
            Samples, in which NaN is a missing cell.

        Returns
        -------
        ndarray of shape (n_samples, n_components), of the dtype of X
            Their codes.
        """
        if not self.takes_missing and has_missing(X):
            X = self.fill(X)
        return self._encode_complete(X)

    def _encode_complete(self, X):
        codes = self._run_encoder(X.reshape(len(X), *self.spec.sample_shape))
        return codes.reshape(len(X), self.n_components)

    def decode(self, codes):
        """Decode codes, of shape (n_samples, n_components), in their dtype."""
        samples = self._run_decoder(codes.reshape(len(codes), *self.code_shape))
        return samples.reshape(len(codes), -1)

    def reconstruct(self, X):
        """Encode samples, and decode the result."""
        return self.decode(self.encode(X))

    def fill(self, X):
        """Fill missing cells by reconstructions, beginning with the means.

        The number of rounds is fixed, so that the result for a sample does not depend
        on others.
        """
        missing = np.isnan(X)
        if self.takes_missing:
            return np.where(missing, self.reconstruct(X), X)
        X = np.where(missing, self.centre.astype(X.dtype), X)
        rows = np.flatnonzero(missing.any(axis=1))
        for _ in range(N_FILLING_ROUNDS):
            # Where networks overflow, there may be NaN again.
            X_hat = self.decode(self._encode_complete(X[rows]))
            X[rows] = np.where(missing[rows], X_hat, X[rows])
        return X

    def write_encoder(self, writer, X, *, fills):
        """Add the nodes of `encode` to an ONNX graph; return the name of the codes.

        `fills` is whether X may have missing cells, which have to be filled.
        """
        if fills and not self.takes_missing:
            X = self._write_filled(writer, X)
        return self._write_encoder_of_complete(writer, X)

    def _write_encoder_of_complete(self, writer, X):
        Z = self._write_half(
            writer, "encoder", writer.reshape(X, self.spec.sample_shape)
        )
        return writer.reshape(Z, [self.n_components])

    def write_decoder(self, writer, Z):
        """Add the nodes of `decode` to an ONNX graph; return the output's name."""
        codes = writer.reshape(Z, self.code_shape)
        return writer.reshape(
            self._write_half(writer, "decoder", codes), [len(self.centre)]
        )

    def _write_filled(self, writer, X):
        """Add the nodes of `fill`."""

        def improve(body, X, missing):
            Z = self._write_encoder_of_complete(body, X)
            is_missing = body.add("Greater", missing, 0.0)
            return body.add(
                "Where", is_missing, self.write_decoder(body, Z), X
            ), missing

        def expect(X, missing, rounds):
            n_rounds = rounds(N_FILLING_ROUNDS)
            X = writer.add("Where", missing, self.centre, X)
            missing = writer.add("Cast", missing, to=1)
            return writer.loop(n_rounds, improve, X, missing)[0]

        return writer.change_rows(X, writer.add("IsNaN", X), expect)

    def _write_half(self, writer, half, x):
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
