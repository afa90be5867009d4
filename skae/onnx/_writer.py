"""Write the nodes of an ONNX graph."""

import numpy as np

from .._backend import import_keras, leaf_layers
from .._missing import LARGEST_DEVIATION, N_STEPS
from .._operations import WEIGHTS
from ._packages import import_package

# The version of ONNX's operators: from 18 on, reductions take their axes as inputs.
OPSET = 18
# Number of float32 among ONNX's types.
_FLOAT = 1
_HALF = {"float16", "bfloat16"}

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

    def _number(self, name):
        self._count += 1
        return f"{name}_{self._count}"

    def constant(self, value, floating=np.float32):
        """Add a constant.

        Parameters
        ----------
        value : array-like
            Floating numbers become `floating`, others int64.
        floating : dtype, default=numpy.float32
            Dtype of floating numbers.

        Returns
        -------
        str
            Its name.
        """
        from onnx import numpy_helper

        value = np.asarray(value)
        is_floating = np.issubdtype(value.dtype, np.floating)
        value = np.ascontiguousarray(value, floating if is_floating else np.int64)
        name = self._unique_name("constant")
        self.constants.append(numpy_helper.from_array(value, name))
        return name

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

    def reshape(self, x, shape):
        """Give each sample another shape."""
        return self.add("Reshape", x, np.array([0, *shape]))  # 0: as many samples

    def first_columns(self, x, n_columns):
        """Keep the first columns of a matrix."""
        return self.add("Slice", x, [0], [n_columns], [1])

    def fill(self, x, mean, scale=None, matrix=None, low=None, high=None):
        """Put expectations in the place of NaN, see `skae._missing.fill`."""
        add, missing = self.add, self.add("IsNaN", x)
        if matrix is None:
            return add("Where", missing, mean, x)
        last, tiny = np.array([1]), 1e-30

        def product(a, b):
            return add("ReduceSum", add("Mul", a, b), last, keepdims=1)

        def ratio(a, b):
            return add("Div", a, add("Max", b, tiny))

        mean, scale, matrix = map(self.constant, (mean, scale, matrix))
        active = add("Cast", missing, to=_FLOAT)
        centred = add("Sub", add("Where", missing, mean, x), mean)
        centred = add("Mul", centred, scale)
        centred = add("Clip", centred, -LARGEST_DEVIATION, LARGEST_DEVIATION)
        direct = add("Mul", add("MatMul", centred, matrix), active)
        residual = direction = add("Neg", direct)
        solution, size = None, product(residual, residual)
        for _ in range(N_STEPS):
            image = add("Mul", add("MatMul", direction, matrix), active)
            step = ratio(size, product(direction, image))
            moved = add("Mul", step, direction)
            solution = moved if solution is None else add("Add", solution, moved)
            residual = add("Sub", residual, add("Mul", step, image))
            previous, size = size, product(residual, residual)
            turned = add("Mul", ratio(size, previous), direction)
            direction = add("Add", residual, turned)
        expected = add("Add", add("Div", solution, scale), mean)
        if low is not None:
            expected = add("Min", add("Max", expected, low), high)
        return add("Where", missing, expected, x)

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

        signature = [
            tf.TensorSpec([None, *network.input_shape[1:]], tf.float32, name="x")
        ]

        @tf.function(input_signature=signature, autograph=False)
        def forward(x):
            return network(tf.cast(x, keras.config.floatx()), training=False)

        model, _ = tf2onnx.convert.from_function(
            forward, input_signature=signature, opset=OPSET
        )
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


class _Weights:
    """A node whose fields are weights, not their indices."""

    def __init__(self, node, weights):
        self._node = node
        self._weights = weights

    def __getitem__(self, name):
        value = self._node[name]
        is_index = name in WEIGHTS and value is not None
        return self._weights[value] if is_index else value
