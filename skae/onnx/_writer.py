"""Write the nodes of an ONNX graph."""

from copy import copy
from functools import partial

import numpy as np

from .._missing import LARGEST_DEVIATION, N_STEPS
from .._operations import WEIGHTS
from ._conversion import convert_network

# The version of ONNX's operators: from 18 on, reductions take their axes as inputs.
OPSET = 18
# Numbers of float32, int64 and bool among ONNX's types.
_FLOAT, _INT64, _BOOL = 1, 7, 9

# Activations that are one operator, with its attributes, by Keras's names.
_ACTIVATIONS = {
    "elu": ("Elu", {"alpha": 1.0}),
    "exponential": ("Exp", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "mish": ("Mish", {}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}


class GraphWriter:
    """Collects nodes and constants, all numbers in float32 unless said otherwise.

    Parameters
    ----------
    unique_name : callable, default=None
        Makes a name unique. By default names are numbered.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
        The nodes, each after those that it depends on.
    constants : list of onnx.TensorProto
        Weights and shapes.
    """

    def __init__(self, unique_name=None):
        self.nodes = []
        self.constants = []
        self._count = 0
        self._unique_name = unique_name or self._number
        self._names_by_value = {}
        self._converted = {}

    def _number(self, name):
        self._count += 1
        return f"{name}_{self._count}"

    def constant(self, value, floating=np.float32):
        """Add a constant.

        Parameters
        ----------
        value : array-like
            Floating numbers become `floating`, integers int64.
        floating : dtype, default=numpy.float32
            Dtype of floating numbers.

        Returns
        -------
        str
            Its name, the same for equal values.

        Raises
        ------
        ValueError
            If a number is too large for `floating`.
        """
        from onnx import numpy_helper

        given = np.asarray(value)
        kinds = {"f": floating, "b": np.bool_}
        with np.errstate(over="ignore"):
            value = np.asarray(given, kinds.get(given.dtype.kind, np.int64), order="C")
        if given.dtype.kind == "f" and (np.isinf(value) & ~np.isinf(given)).any():
            raise ValueError(
                f"The graph would need the number {np.abs(given).max():.3g}, which is "
                f"too large for {value.dtype}, in which ONNX computes. Use other "
                "units, or put a scaler in front, such as StandardScaler."
            )
        key = value.dtype.str, value.shape, value.tobytes()
        if key not in self._names_by_value:
            name = self._unique_name("constant")
            self.constants.append(numpy_helper.from_array(value, name))
            self._names_by_value[key] = name
        return self._names_by_value[key]

    def add(self, operator, *inputs, n_outputs=1, **attributes):
        """Add a node.

        Parameters
        ----------
        operator : str
            Type of the node.
        *inputs : str or array-like
            Names of tensors, or constants.
        n_outputs : int, default=1
            Number of outputs.
        **attributes : dict
            Attributes of the node.

        Returns
        -------
        str or list of str
            Name of the output, or their names if there are several.
        """
        from onnx import helper

        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        outputs = [self._unique_name(operator.lower()) for _ in range(n_outputs)]
        self.nodes.append(
            helper.make_node(
                operator, inputs, outputs, name=self._unique_name("node"), **attributes
            )
        )
        return outputs[0] if n_outputs == 1 else outputs

    def add_identity(self, x, name):
        """Call a tensor by another name, which has to be unique."""
        from onnx import helper

        node_name = self._unique_name("node")
        self.nodes.append(helper.make_node("Identity", [x], [name], name=node_name))

    def loop(self, n_rounds, step, *state):
        """Repeat nodes.

        Parameters
        ----------
        n_rounds : str
            Name of the number of rounds, which may be 0.
        step : callable
            Takes a writer and the names of the state, and returns those of the next
            state. Of other tensors of the graph, only constants may be used.
        *state : str
            Names of the tensors to begin with, all of float32.

        Returns
        -------
        list of str
            Names of the last state.
        """
        from onnx import helper

        body = copy(self)  # with the same constants
        body.nodes = []
        body._unique_name = self._unique_name
        counter, going, *inputs = map(self._unique_name, ("round", "going", *state))
        moved = step(body, *inputs)
        outputs = [self._unique_name("next") for _ in ("going", *state)]
        for name, output in zip((going, *moved), outputs, strict=True):
            body.add_identity(name, output)
        kinds = [_BOOL] + [_FLOAT] * len(state)
        graph = helper.make_graph(
            body.nodes,
            self._unique_name("body"),
            [
                helper.make_tensor_value_info(name, kind, shape)
                for name, kind, shape in zip(
                    (counter, going, *inputs),
                    (_INT64, *kinds),
                    ([], [], *[None] * len(state)),
                    strict=True,
                )
            ],
            [
                helper.make_tensor_value_info(name, kind, None)
                for name, kind in zip(outputs, kinds, strict=True)
            ],
        )
        name = self._unique_name("node")
        outputs = [self._unique_name("loop") for _ in state]
        inputs = [n_rounds, self.constant(True), *state]
        node = helper.make_node("Loop", inputs, outputs, name=name, body=graph)
        self.nodes.append(node)
        return outputs

    def change_rows(self, x, mask, change):
        """Change those rows of a matrix in which something is chosen.

        Parameters
        ----------
        x, mask : str
            Names of the matrix, and of what is chosen, of bool.
        change : callable
            Takes the names of the rows, of what is chosen in them, and a function that
            makes a number of rounds 0 if there are no such rows; returns the name of
            what takes the place of what is chosen.

        Returns
        -------
        str
            Name of the matrix, in which nothing else has changed.
        """
        add = self.add
        chosen = add("ReduceMax", add("Cast", mask, to=_FLOAT), [1], keepdims=0)
        rows = add("Squeeze", add("NonZero", chosen), np.array([0]))
        x_rows, mask_rows = (add("Gather", part, rows, axis=0) for part in (x, mask))

        def rounds(number):
            is_any = add("Min", add("Size", rows), np.array(1))
            return add("Mul", is_any, np.array(number))

        changed = add("Where", mask_rows, change(x_rows, mask_rows, rounds), x_rows)
        return add("ScatterND", x, add("Unsqueeze", rows, np.array([1])), changed)

    def reshape(self, x, shape):
        """Give each sample another shape."""
        return self.add("Reshape", x, np.array([0, *shape]))  # 0: as many samples

    def first_columns(self, x, n_columns):
        """Keep the first columns of a matrix."""
        return self.add("Slice", x, [0], [n_columns], [1])

    def fill(self, x, mean, scale=None, matrix=None, low=None, high=None, missing=None):
        """Put expectations in the place of NaN, see `skae._missing.fill`.

        If the indicator `missing` is given, NaN in other cells remains, and all of such
        a sample is NaN.
        """
        missing = self.add("IsNaN", x) if missing is None else missing
        if matrix is None:
            return self.add("Where", missing, mean, x)

        def expect(x, missing, rounds):
            return self._write_expected(
                *(x, missing, rounds(N_STEPS), mean, scale, matrix, low, high)
            )

        return self.change_rows(x, missing, expect)

    def _write_expected(
        self, x, missing, n_steps, mean, scale, matrix, low=None, high=None
    ):
        add = self.add
        mean, scale, matrix = map(self.constant, (mean, scale, matrix))
        active = add("Cast", missing, to=_FLOAT)
        centred = add("Sub", add("Where", missing, mean, x), mean)
        centred = add("Mul", centred, scale)
        centred = add("Clip", centred, -LARGEST_DEVIATION, LARGEST_DEVIATION)
        residual = add("Neg", add("Mul", add("MatMul", centred, matrix), active))
        step = partial(_conjugate_step, matrix)
        solution, *_ = self.loop(
            *(n_steps, step, add("Mul", residual, 0.0), residual, residual, active)
        )
        expected = add("Add", add("Div", solution, scale), mean)
        if low is not None:
            expected = add("Min", add("Max", expected, low), high)
        return expected

    def write_graph(self, graph, weights, x):
        """Add a network of known layers.

        Parameters
        ----------
        graph : skae._operations.Graph
            The network.
        weights : list of ndarray
            Its weights.
        x : str
            Name of the input.

        Returns
        -------
        str
            Name of the output.
        """
        names = {graph.source: x}
        for node in graph.nodes:
            write = getattr(self, f"_write_{node['op']}")
            inputs = (names[i] for i in node["inputs"])
            names[node["output"]] = write(_Weights(node, weights), *inputs)
        return names[graph.target]

    def write_network(self, network, x):
        """Add a Keras model of any layers, as TensorFlow computes it.

        Parameters
        ----------
        network : keras.Model
            With one input and one output.
        x : str
            Name of the input.

        Returns
        -------
        str
            Name of the output.
        """
        if id(network) not in self._converted:
            self._converted[id(network)] = convert_network(network, OPSET)
        model = self._converted[id(network)]
        return self.add("Cast", self.write_model(model, x), to=_FLOAT)

    def write_model(self, model, x, position=0):
        """Add an ONNX model with one input.

        Parameters
        ----------
        model : onnx.ModelProto
            The model.
        x : str
            Name of the input.
        position : int, default=0
            Which of its outputs counts.

        Returns
        -------
        str
            Name of the output.
        """
        from onnx import compose

        model = compose.add_prefix(model, self._unique_name("part") + "_")
        graph = model.graph
        self.add_identity(x, graph.input[0].name)
        self.nodes.extend(graph.node)
        self.constants.extend(graph.initializer)
        return graph.output[position].name

    # One method for each operation of `skae._operations`.

    def _write_activation(self, node, x):
        name = node["activation"]
        if name == "linear":
            return x
        if name == "silu":
            return self.add("Mul", x, self.add("Sigmoid", x))
        if name == "gelu":
            half = self.add("Erf", self.add("Mul", x, np.float32(np.sqrt(0.5))))
            half = self.add("Mul", self.add("Add", half, 1.0), 0.5)
            return self.add("Mul", x, half)
        if name == "relu6":
            return self.add("Clip", x, 0.0, 6.0)
        if name == "hard_silu":
            return self.add("Mul", x, self.add("HardSigmoid", x, alpha=1 / 6, beta=0.5))
        operator, attributes = _ACTIVATIONS[name]
        return self.add(operator, x, **attributes)

    def _write_add(self, node, *terms):
        total = terms[0]
        for term in terms[1:]:
            total = self.add("Add", total, term)
        return total

    def _write_concatenate(self, node, *parts):
        return self.add("Concat", *parts, axis=node["axis"])

    def _write_fill(self, node, x):
        names = ("mean", "deviation", "precision", "low", "high")
        return self.fill(x, *(node[name] for name in names))

    def _write_is_missing(self, node, x):
        return self.add("Cast", self.add("IsNaN", x), to=_FLOAT)

    def _write_clip(self, node, x):
        return self.add("Min", self.add("Max", x, node["low"]), node["high"])

    def _write_dense(self, node, x):
        kernel = node["kernel"]
        x = self.add("MatMul", x, kernel.T if node["transposed"] else kernel)
        if node["bias"] is not None:
            x = self.add("Add", x, node["bias"])
        return self._write_activation(node, x)

    def _write_scale(self, node, x):
        return self.add("Mul", x, node["factor"])

    def _write_reshape(self, node, x):
        return self.reshape(x, node["shape"])

    def _write_normalize_features(self, node, x):
        factor = 1 / np.sqrt(node["variance"] + node["epsilon"])
        if node["gamma"] is not None:
            factor = factor * node["gamma"]
        shift = -node["mean"] * factor
        if node["beta"] is not None:
            shift = shift + node["beta"]
        return self.add("Add", self.add("Mul", x, factor), shift)

    def _write_normalize_samples(self, node, x):
        last = np.array([-1])
        x = self.add("Sub", x, self.add("ReduceMean", x, last))
        variance = self.add("ReduceMean", self.add("Mul", x, x), last)
        deviation = self.add("Sqrt", self.add("Add", variance, node["epsilon"]))
        x = self.add("Div", x, deviation)
        if node["gamma"] is not None:
            x = self.add("Mul", x, node["gamma"])
        return x if node["beta"] is None else self.add("Add", x, node["beta"])


def _conjugate_step(matrix, writer, solution, residual, direction, active):
    """Add a step of conjugate gradients to the body of a loop."""
    add, last, tiny = writer.add, np.array([1]), 1e-30

    def ratio(a, b):
        return add("Div", a, add("Max", b, tiny))

    def product(a, b):
        return add("ReduceSum", add("Mul", a, b), last, keepdims=1)

    image = add("Mul", add("MatMul", direction, matrix), active)
    size = product(residual, residual)
    step = ratio(size, product(direction, image))
    solution = add("Add", solution, add("Mul", step, direction))
    residual = add("Sub", residual, add("Mul", step, image))
    turn = ratio(product(residual, residual), size)
    direction = add("Add", residual, add("Mul", turn, direction))
    return solution, residual, direction, active


class _Weights:
    """A node whose fields are weights, not their indices."""

    def __init__(self, node, weights):
        self._node = node
        self._weights = weights

    def __getitem__(self, name):
        value = self._node[name]
        is_index = name in WEIGHTS and value is not None
        return self._weights[value] if is_index else value
