"""What a network computes outside training, as plain data that NumPy runs.

A network is a list of nodes. Each is a dict with the name of an operation (``"op"``),
the numbers of the tensors that it takes (``"inputs"``) and returns (``"output"``), and
what the operation needs besides. Weights are given by their index in a list of arrays.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy import special

from ._columns import probabilities
from ._missing import fill


def _sigmoid(x):
    # By exp, which is NumPy's fastest: scipy.special.expit takes three times as long.
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


def _silu(x):
    denominator = np.negative(x)
    np.exp(denominator, out=denominator)
    denominator += 1
    return np.divide(x, denominator, out=denominator)


def _relu(x):
    return np.maximum(x, 0, out=x)


def _elu(x, alpha=1):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _selu(x):
    # The constants of Klambauer et al., "Self-normalizing neural networks" (2017)
    return x.dtype.type(1.0507009873554805) * _elu(x, x.dtype.type(1.6732632423543772))


def _gelu(x):
    return 0.5 * x * (1 + special.erf(x / x.dtype.type(np.sqrt(2))))


def _softmax(x):
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


# Keras's activations, by the name under which Keras serializes them. They may work in
# place.
ACTIVATIONS = {
    "elu": _elu,
    "exponential": lambda x: np.exp(x, out=x),
    "gelu": _gelu,
    "hard_sigmoid": lambda x: np.clip(x / 6 + x.dtype.type(0.5), 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + x.dtype.type(0.5), 0, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, x.dtype.type(0.2) * x),
    "linear": lambda x: x,
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "relu": _relu,
    "relu6": lambda x: np.clip(x, 0, 6, out=x),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "softmax": _softmax,
    "softplus": lambda x: np.logaddexp(x, 0, out=x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": lambda x: np.tanh(x, out=x),
}


def _activation(node, weights, x):
    return ACTIVATIONS[node["activation"]](x.copy())


def _add(node, weights, *terms):
    return sum(terms[1:], start=terms[0])


def _concatenate(node, weights, *parts):
    # Hidden layers follow, which are computed in float32.
    return np.concatenate(parts, axis=node["axis"], dtype=parts[0].dtype)


def _fill(node, weights, x):
    names = ("mean", "deviation", "precision", "low", "high")
    return fill(x, *(weights[node[n]] for n in names if node[n] is not None))


def _is_missing(node, weights, x):
    return np.isnan(x).astype(x.dtype)


def _category_probabilities(node, weights, x):
    return probabilities(x, node["groups"], weights[node["factor"]])


def _clip(node, weights, x):
    low, high = (weights[node[name]] for name in ("low", "high"))
    return np.clip(x, low.astype(x.dtype, copy=False), high.astype(x.dtype, copy=False))


def _dense(node, weights, x):
    kernel = weights[node["kernel"]]
    if node["activation"] != "linear":
        # Keras computed in no more than that. Linear layers keep the dtype of X, so
        # that small residuals of a linear map are exact.
        x = x.astype(np.float32, copy=False)
    if node["transposed"]:
        kernel = kernel.T
    x = x @ kernel.astype(x.dtype, copy=False)
    if node["bias"] is not None:
        x += weights[node["bias"]].astype(x.dtype, copy=False)
    return ACTIVATIONS[node["activation"]](x)


def _scale(node, weights, x):
    return x * weights[node["factor"]].astype(x.dtype)


def _reshape(node, weights, x):
    return x.reshape(len(x), *node["shape"])


def _normalize_features(node, weights, x):
    """Batch normalization, by the moments of training."""
    gamma, beta, mean, variance = (
        None if node[name] is None else weights[node[name]].astype(x.dtype, copy=False)
        for name in ("gamma", "beta", "mean", "variance")
    )
    factor = 1 / np.sqrt(variance + x.dtype.type(node["epsilon"]))
    if gamma is not None:
        factor *= gamma
    x = x * factor
    shift = -mean * factor
    x += shift if beta is None else beta + shift
    return x


def _normalize_samples(node, weights, x):
    """Layer normalization."""
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    x /= np.sqrt(variance + x.dtype.type(node["epsilon"]))
    if node["gamma"] is not None:
        x *= weights[node["gamma"]].astype(x.dtype, copy=False)
    if node["beta"] is not None:
        x += weights[node["beta"]].astype(x.dtype, copy=False)
    return x


# Functions of a node, the list of weights and the inputs.
OPERATIONS = {
    "activation": _activation,
    "add": _add,
    "category_probabilities": _category_probabilities,
    "clip": _clip,
    "concatenate": _concatenate,
    "dense": _dense,
    "fill": _fill,
    "is_missing": _is_missing,
    "normalize_features": _normalize_features,
    "normalize_samples": _normalize_samples,
    "reshape": _reshape,
    "scale": _scale,
}
# The fields of nodes that are indices of weights.
WEIGHTS = (
    *("kernel", "bias", "low", "high", "factor"),
    *("gamma", "beta", "mean", "variance"),
    *("deviation", "precision"),
)


@dataclass(frozen=True)
class Graph:
    """A network with one input and one output.

    Parameters
    ----------
    nodes : list of dict
        The operations, each after those that it depends on.
    source, target : int
        Numbers of the input and of the output.
    input_shape, output_shape : tuple of int
        Their shapes, without the batch axis.
    """

    nodes: list
    source: int
    target: int
    input_shape: tuple
    output_shape: tuple

    def to_dict(self):
        """Return the graph as dicts, lists, numbers and strings."""
        return asdict(self)

    @property
    def is_runnable(self):
        """Whether NumPy can compute each activation."""
        return all(
            node.get("activation", "linear") in ACTIVATIONS for node in self.nodes
        )

    @property
    def weights(self):
        """Indices of the weights that are used."""
        return sorted(
            {
                node[name]
                for node in self.nodes
                for name in WEIGHTS
                if node.get(name) is not None
            }
        )

    def run(self, weights, x):
        """Compute the output.

        Parameters
        ----------
        weights : list of ndarray, or dict of int to ndarray
            Those of index `weights` are read.
        x : ndarray of shape (n_samples, *input_shape), of float32 or float64
            Input, which stays as it is.

        Returns
        -------
        ndarray of shape (n_samples, *output_shape)
            The output, of float32 or of the dtype of `x`; it may be a view of `x`.
        """
        values = {self.source: x}
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for node in self.nodes:
                inputs = (values[i] for i in node["inputs"])
                values[node["output"]] = OPERATIONS[node["op"]](node, weights, *inputs)
        return values[self.target]

    def check(self, weights):
        """Check that nodes and weights fit each other.

        Parameters
        ----------
        weights : list of ndarray
            The weights.

        Raises
        ------
        ValueError
            If they do not.
        """
        try:
            with np.errstate(all="ignore"):
                x = np.zeros((1, *self.input_shape), np.float32)
                output = self.run(weights, x) if self.is_runnable else None
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"weights and layers do not match: {error}") from error
        if output is not None and output.shape != (1, *self.output_shape):
            raise ValueError(
                f"layers return shape {output.shape[1:]}, not {self.output_shape}"
            )


def truncate_codes(encoder, decoder, weights, size):
    """Keep the first components of codes only.

    Parameters
    ----------
    encoder, decoder : Graph
        The halves of an autoencoder, with dense layers before and after the code.
    weights : list of ndarray
        Weights of both.
    size : int
        Number of components to keep.

    Returns
    -------
    encoder, decoder : Graph
        The same operations.
    weights : list of ndarray
        Those of layers at the code are smaller.
    """
    cut = {}  # indices of weights to the axis that is cut
    tensors = {encoder.target}
    for node in reversed(encoder.nodes):
        if node["output"] in tensors:
            tensors.update(_cut(node, cut, 1))
    tensors = {decoder.source}
    for node in decoder.nodes:
        if tensors.intersection(node["inputs"]) and _cut(node, cut, 0):
            tensors.add(node["output"])
    smaller = [
        value if i not in cut else np.take(value, range(size), axis=cut[i])
        for i, value in enumerate(weights)
    ]
    encoder = replace(encoder, output_shape=(size,))
    return encoder, replace(decoder, input_shape=(size,)), smaller


def _cut(node, cut, side):
    """Note which weights of a node are cut; return the tensors to go on with.

    `side` is 1 where the code is the output of the node, 0 where it is the input.
    """
    if node["op"] != "dense":
        for name in ("low", "high"):
            if name in node:
                cut[node[name]] = 0
        return node["inputs"]
    cut[node["kernel"]] = 1 - side if node["transposed"] else side
    if side == 1 and node["bias"] is not None:
        cut[node["bias"]] = 0
    return []
