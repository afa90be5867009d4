"""Copies and pickles of Keras models keep what the models hold."""

import functools
import pickle

import keras
import numpy as np
import pytest

from skae import AutoencoderTransformer
from skae.architectures import KerasArchitecture, NetworkSpec, RecurrentArchitecture

layers = keras.layers
X = np.random.RandomState(0).normal(size=(40, 6)).astype("float32")
FAR = 1000 + 3 * X


def transformer(model, code_layer=None, **parameters):
    parameters = {"epochs": 1, "random_state": 0} | parameters
    pretrained = parameters.pop("pretrained", False)
    architecture = KerasArchitecture(model, code_layer, pretrained=pretrained)
    return AutoencoderTransformer(architecture=architecture, **parameters)


def sequential(*first, last=None):
    last = last or layers.Dense(6)
    return keras.Sequential([keras.Input((6,)), *first, layers.Dense(2), last])


def adapted(X):
    normalization = layers.Normalization()
    normalization.adapt(X)
    return normalization


def by_subclass(normalization):
    class Halves(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.Sequential([normalization, layers.Dense(2)])
            self.decoder = keras.Sequential([layers.Dense(6)])

        def call(self, x, training=None):
            return self.decoder(self.encoder(x))

    return Halves()


ADAPTED = {
    "sequential": sequential,
    "not built": lambda layer: keras.Sequential(
        [layer, layers.Dense(2), layers.Dense(6)]
    ),
    "pair": lambda layer: (
        keras.Sequential([keras.Input((6,)), layer, layers.Dense(2)]),
        keras.Sequential([keras.Input((2,)), layers.Dense(6)]),
    ),
    "subclass": by_subclass,
}


def normalizations(estimator):
    return [layer for layer in estimator.encoder_.layers if hasattr(layer, "adapt")]


@pytest.mark.parametrize("kind", ADAPTED)
def test_adapted_normalization_is_kept(kind):
    fitted = transformer(ADAPTED[kind](adapted(FAR))).fit(FAR)
    again = pickle.loads(pickle.dumps(fitted))
    (by_fit,), (by_pickle,) = normalizations(fitted), normalizations(again)
    for layer in (by_fit, by_pickle):
        np.testing.assert_allclose(np.ravel(layer.mean), FAR.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(np.ravel(layer.variance), FAR.var(0), rtol=1e-3)
    assert np.abs(fitted.transform(FAR)).max() < 10
    np.testing.assert_array_equal(again.transform(FAR), fitted.transform(FAR))
    again.partial_fit(FAR)
    assert np.abs(again.transform(FAR)).max() < 10


def test_pretrained_with_adapted_normalization_encodes_as_the_model_does():
    model = sequential(adapted(FAR))
    encoder = keras.Model(model.inputs, model.layers[1].output)
    still = {"learning_rate": 1e-12, "pretrained": True}
    architectures = [KerasArchitecture(model, pretrained=True)]
    architectures += [pickle.loads(pickle.dumps(architectures[0]))]
    for architecture in architectures:
        fitted = transformer(architecture.model, **still).fit(FAR)
        np.testing.assert_allclose(fitted.transform(FAR), encoder(FAR), atol=1e-4)


def test_compiled_programs_do_not_keep_another_normalization():
    """Two models that differ in nothing but what `adapt` found."""
    losses = {}
    for name, data in [("near", X), ("far", FAR), ("near again", X)]:
        fitted = transformer(sequential(adapted(data)), batch_size=40).fit(FAR)
        losses[name] = fitted.history_["loss"]
    assert losses["near"] == losses["near again"]
    assert losses["near"] != losses["far"]


def test_normalization_that_is_not_adapted_is_that_of_keras():
    for layer in (layers.Normalization(), layers.Normalization(mean=3.0, variance=4.0)):
        model = sequential(layer)
        encoder = keras.Model(model.inputs, model.layers[1].output)
        fitted = transformer(model, pretrained=True, learning_rate=1e-12).fit(X)
        np.testing.assert_allclose(fitted.transform(X), encoder(X), atol=1e-4)


# Layers that both halves share


def tied():
    inputs = keras.Input((6,))
    shared = layers.Dense(6)
    code = layers.Dense(2)(shared(inputs))
    return keras.Model(inputs, shared(layers.Dense(6)(code)))


def tied_pair():
    shared = layers.Dense(6)
    return (
        keras.Sequential([keras.Input((6,)), shared, layers.Dense(2)]),
        keras.Sequential([keras.Input((2,)), layers.Dense(6), shared]),
    )


@pytest.mark.parametrize("given", [tied(), tied_pair(), tied])
def test_layers_stay_shared(given):
    assert transformer(given).fit(X).autoencoder_.count_params() == 74


def test_pickled_layers_stay_shared():
    fitted = transformer(tied()).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.autoencoder_.count_params() == 74
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


def test_layers_that_halves_of_a_pair_share_are_not_pickled():
    fitted = transformer(tied_pair()).fit(X)
    with pytest.raises(
        pickle.PicklingError, match=r"part of several models.*functional"
    ):
        pickle.dumps(fitted)


@keras.saving.register_keras_serializable("test_keras_copies")
class Transposed(layers.Layer):
    """A layer that holds another one."""

    def __init__(self, tied_to, **kwargs):
        super().__init__(**kwargs)
        self.tied_to = tied_to

    def build(self, shape):
        if not self.tied_to.built:
            self.tied_to.build((None, 6))

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.tied_to.kernel))

    def get_config(self):
        tied_to = keras.saving.serialize_keras_object(self.tied_to)
        return super().get_config() | {"tied_to": tied_to}

    @classmethod
    def from_config(cls, config):
        tied_to = keras.saving.deserialize_keras_object(config.pop("tied_to"))
        return cls(tied_to, **config)


def tied_by_a_layer():
    encode = layers.Dense(2, use_bias=False)
    return keras.Sequential([keras.Input((6,)), encode, Transposed(encode)])


def test_layers_that_are_untied_by_a_copy_are_refused():
    message = "has 12 weights, but its copy 24.*function that builds"
    with pytest.raises(ValueError, match=message):
        transformer(tied_by_a_layer()).fit(X)
    assert transformer(tied_by_a_layer).fit(X).autoencoder_.count_params() == 12


# Functions and classes of the user's own


def activation(x):
    return keras.ops.tanh(x)


class Penalty(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return 0.1 * keras.ops.sum(keras.ops.square(weights))

    def get_config(self):
        return {}


class Ones(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.ones(shape, dtype=dtype)

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable("test_keras_copies")
def registered(x):
    return keras.ops.tanh(x)


OWN = {
    "activation": {"activation": activation},
    "Penalty": {"kernel_regularizer": Penalty()},
    "Ones": {"kernel_initializer": Ones()},
}


@pytest.mark.parametrize("name", OWN)
def test_own_objects_are_copied_and_named_by_pickle(name):
    model = sequential(layers.Dense(4, name="own", **OWN[name]))
    fitted = transformer(model).fit(X)
    layer = fitted.encoder_.get_layer("own")
    for attribute, value in OWN[name].items():
        found = getattr(layer, attribute)
        assert found is value or type(found) is type(value)
    message = rf"'own' holds the (class|function) {name}, which is not registered"
    with pytest.raises(pickle.PicklingError, match=message):
        pickle.dumps(fitted)


def test_registered_functions_are_pickled():
    fitted = transformer(sequential(layers.Dense(4, registered))).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


def same_name(scale):
    def activation(x):
        return scale * keras.ops.sum(x, axis=-1, keepdims=True) + 0 * x

    return activation


def initializer_of_the_same_name():
    def activation(shape, dtype=None):
        return keras.ops.ones(shape, dtype)

    return activation


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"activation": lambda x: x}, ["'own' holds a lambda", "named function"]),
        (
            {"activation": functools.partial(keras.activations.relu, threshold=0.1)},
            ["'own' is a Dense that Keras cannot copy", "functools.partial", "named"],
        ),
        (
            {"activation": same_name(1), "kernel_initializer": Ones()},
            None,
        ),
        (
            {
                "activation": activation,
                "kernel_initializer": initializer_of_the_same_name(),
            },
            ["several functions or classes are called 'activation'", "decorator"],
        ),
    ],
    ids=["lambda", "partial", "closure", "one name"],
)
def test_what_keras_cannot_copy_is_named(arguments, words):
    model = sequential(last=layers.Dense(6, name="own", **arguments))
    if words is None:
        transformer(model).fit(X)
        return
    with pytest.raises(ValueError, match="cannot build an autoencoder") as caught:
        transformer(model).fit(X)
    assert [word for word in words if word not in str(caught.value)] == []
    built = transformer(lambda: model).fit(X)  # which need not be copied
    assert built.n_components_ == 2


def test_recurrent_layers_in_bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    try:
        with pytest.raises(ValueError, match=r"orthogonal.*mixed_bfloat16"):
            RecurrentArchitecture().build(NetworkSpec((3, 2), 2))
    finally:
        keras.config.set_dtype_policy(before)
