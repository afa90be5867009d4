"""What is known about layers is what they do."""

import keras
import numpy as np
import pytest

from skae._inference import Predictor
from skae._layer_traits import (
    describe_operation,
    is_row_wise,
    passes_values,
    trace,
)
from skae._operations import ACTIVATIONS, OPERATIONS, WEIGHTS
from skae.architectures import custom_objects
from skae.architectures._layers import (
    CategoryProbabilities,
    Clip,
    ContractivePenalty,
    FillCells,
    Gate,
    GaussianNoise,
    GaussianSampling,
    HiddenCells,
    MaskingNoise,
    MissingIndicator,
    NestedDropout,
    SparsityPenalty,
    TransposedDense,
)

layers = keras.layers
X = np.random.RandomState(0).normal(size=(7, 4)).astype("float32")


def transposed_dense():
    tied_to = layers.Dense(3)
    tied_to.build((None, 4))
    return TransposedDense(tied_to, "tanh")


def open_gate():
    gate = Gate()
    gate.build((None, 4))
    gate.open()
    return gate


OWN = {
    "TransposedDense": (transposed_dense, 1, 3),
    "Clip": (Clip, 1, 4),
    "Gate": (Gate, 1, 4),
    "open Gate": (open_gate, 1, 4),
    "GaussianNoise": (lambda: GaussianNoise(2.0), 1, 4),
    "MaskingNoise": (lambda: MaskingNoise(0.5), 1, 4),
    "NestedDropout": (NestedDropout, 1, 4),
    "SparsityPenalty": (lambda: SparsityPenalty(0.1), 1, 4),
    "ContractivePenalty": (lambda: ContractivePenalty(0.1, 0.1), 2, 4),
    "FillCells": (FillCells, 1, 4),
    "MissingIndicator": (MissingIndicator, 1, 4),
    "CategoryProbabilities": (lambda: CategoryProbabilities([0, 0, -1, 2]), 1, 4),
    "HiddenCells": (lambda: HiddenCells(0.5), 1, 4),
    "GaussianSampling": (lambda: GaussianSampling(4, 0.1, 0), 2, 4),
}
KERAS = {
    "Activation": lambda: layers.Activation("tanh"),
    "Add": layers.Add,
    "Concatenate": layers.Concatenate,
    "Dense": lambda: layers.Dense(3, "relu"),
    "Dropout": lambda: layers.Dropout(0.5),
    "Flatten": layers.Flatten,
    "GaussianDropout": lambda: layers.GaussianDropout(0.5),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5),
    "Reshape": lambda: layers.Reshape((2, 2)),
    "ActivityRegularization": lambda: layers.ActivityRegularization(0.1),
}


def in_numpy(layer, *inputs):
    """Compute what a layer says that it does."""
    node = describe_operation(layer)
    if node["op"] == "pass":
        return inputs[0]
    weights = {}
    for name in WEIGHTS:
        if node.get(name) is not None:
            weights[name], node[name] = np.asarray(node[name]), name
    return OPERATIONS[node["op"]](node, weights, *inputs)


def test_every_own_layer_describes_itself():
    kinds = {kind.__name__: kind for kind in custom_objects().values()}
    own = {
        name: kind for name, kind in kinds.items() if not issubclass(kind, keras.Model)
    }
    assert own.keys() == {name.split()[-1] for name in OWN}
    for kind in own.values():
        assert isinstance(vars(kind)["row_wise"], bool)


def network_of(layer, n_inputs, size):
    inputs = [keras.Input((size,)) for _ in range(n_inputs)]
    if isinstance(layer, (layers.Add, layers.Concatenate, GaussianSampling)):
        return keras.Model(inputs, layer(inputs))
    return keras.Model(inputs, layer(*inputs))


@pytest.mark.parametrize("name", OWN)
def test_own_layers_in_numpy(name):
    make, n_inputs, size = OWN[name]
    layer = make()
    network = network_of(layer, n_inputs, size)
    inputs = [X[:, :size] + i for i in range(n_inputs)]
    if isinstance(layer, Clip):
        layer.low.assign([-0.5] * 4)
        layer.high.assign([0.25] * 4)
    expected = np.asarray(network(inputs if n_inputs > 1 else inputs[0]))
    found = in_numpy(layer, *inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", KERAS)
def test_keras_layers_in_numpy(name):
    layer = KERAS[name]()
    n_inputs = 2 if name in ("Add", "Concatenate") else 1
    network = network_of(layer, n_inputs, 4)
    before = X.copy()
    expected = np.asarray(network([X, X] if n_inputs > 1 else X))
    found = in_numpy(layer, *[X] * n_inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_in_numpy(activation, dtype):
    layer = layers.Activation(activation)
    inputs = np.r_[X * 4, [[-40.0, -9.0, 9.0, 40.0]]].astype(dtype)
    before = inputs.copy()
    expected = np.asarray(network_of(layer, 1, 4)(inputs))
    found = in_numpy(layer, inputs)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)
    np.testing.assert_array_equal(inputs, before)


@pytest.mark.parametrize(
    "layer",
    [
        layers.BatchNormalization(),
        layers.BatchNormalization(center=False, scale=False),
        layers.LayerNormalization(),
        layers.LayerNormalization(center=False, scale=False),
    ],
)
def test_normalization_in_numpy(layer):
    network = network_of(layer, 1, 4)
    rng = np.random.RandomState(0)
    layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    expected = np.asarray(network(X))
    np.testing.assert_allclose(in_numpy(layer, X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*OWN, *KERAS])
def test_row_wise_layers_treat_samples_alone(name):
    """And what is not row-wise adds a loss, which is a mean over the batch."""
    make, n_inputs, size = OWN.get(name) or (KERAS[name], 1 + (name == "Add"), 4)
    layer = make()
    network = network_of(layer, n_inputs, size)
    network([X[:, :size]] * n_inputs if n_inputs > 1 else X[:, :size], training=True)
    assert is_row_wise(layer) == (not network.losses)


def test_what_may_compute_anything_is_not_row_wise():
    class Mine(layers.Dense):
        pass

    class MyClip(Clip):
        pass

    for layer in (Mine(2), MyClip(), layers.Dense(2, activity_regularizer="l2")):
        layer.build((None, 4))
        assert not is_row_wise(layer)
        assert not passes_values(layer)
    for layer in (Mine(2), MyClip(), layers.Dense(2, lambda x: x + 1)):
        layer.build((None, 4))
        assert describe_operation(layer) is None


@pytest.mark.parametrize(
    "layer", [layers.Flatten(), layers.Reshape((2, 2)), layers.Dropout(0.5)]
)
def test_outputs_share_no_memory_with_the_input(layer):
    network = keras.Sequential([keras.Input((4,)), layer])
    graph = trace(network, network.variables)
    found = Predictor(graph, lambda indices: [], lambda: network)(X)
    assert not np.may_share_memory(found, X)
    np.testing.assert_array_equal(found.reshape(X.shape), X)


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_nested_dropout_in_half_precision(policy):
    layer = NestedDropout(dtype=policy)
    code = keras.ops.ones((1024, 5), dtype=policy)
    kept = keras.ops.convert_to_numpy(
        keras.ops.cast(layer(code, training=True), "float32")
    )
    assert (np.diff(kept, axis=1) <= 0).all()  # the first ones are kept
    assert 0.4 < kept.all(axis=1).mean() < 0.9
    assert kept[:, 0].all()
