import copy
import pickle
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import KerasArchitecture, NetworkSpec

layers = keras.layers


class FashionAutoencoder(keras.Model):
    """Reference system A: nothing registered, no get_config, arguments of its own."""

    def __init__(self, latent_dim=64, shape=(28, 28)):
        super().__init__()
        n_pixels = int(np.prod(shape))
        # The decoder comes first here, which must not matter.
        self.decoder = keras.Sequential(
            [layers.Dense(n_pixels, activation="sigmoid"), layers.Reshape(shape)]
        )
        self.encoder = keras.Sequential(
            [layers.Flatten(), layers.Dense(latent_dim, activation="relu")]
        )

    def call(self, x):
        return self.decoder(self.encoder(x))


class Tripled(FashionAutoencoder):
    def call(self, x):
        return 3 * super().call(x)


class OwnStep(keras.Model):
    """A subclass with a train_step of its own: the loss is tripled."""

    def __init__(self, latent_dim=4, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.encoder = keras.Sequential([layers.Dense(latent_dim)])
        self.decoder = keras.Sequential([layers.Dense(64)])

    def call(self, x):
        return self.decoder(self.encoder(x))

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = 3 * keras.ops.mean(keras.ops.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


@keras.saving.register_keras_serializable("test_keras")
class RegisteredOwnStep(OwnStep):
    def get_config(self):
        return super().get_config() | {"latent_dim": self.latent_dim}


class NotCopied(OwnStep):
    """Its __init__ does not take what get_config gives."""

    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden


@keras.saving.register_keras_serializable("test_keras")
class GraphWithOwnStep(keras.Model):
    train_step = OwnStep.train_step


@keras.saving.register_keras_serializable("test_keras")
class Scaled(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.factor


class Unregistered(Scaled):
    pass


@keras.saving.register_keras_serializable("test_keras")
class Half(keras.Model):
    """A half that is a subclass itself."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return super().get_config() | {"units": self.units}


class OfSubclasses(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Half(4), Half(64)

    def call(self, x):
        return self.decoder(self.encoder(x))


def sequential(*extra, code="code", compiled=None):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(12, "relu"),
            layers.Dense(4, name=code),
            *extra,
            layers.Dense(12, "relu"),
            layers.Dense(64),
        ]
    )
    if compiled:
        model.compile(**compiled)
    return model


def functional(bypass=False):
    """Skip connections inside both halves, and one around the code if asked for."""
    inputs = keras.Input((64,))
    hidden = layers.Dense(12, "relu", name="hidden")(inputs)
    encoded = layers.Add()([hidden, layers.Dense(12)(hidden)])
    code = layers.Dense(4, name="code")(encoded)
    decoded = layers.Dense(12, "relu")(code)
    decoded = layers.Add()([decoded, layers.Dense(12)(decoded)])
    if bypass:
        decoded = layers.Concatenate()([decoded, hidden])
    return keras.Model(inputs, layers.Dense(64)(decoded))


def nested():
    encoder, decoder = pair()
    return keras.Sequential([keras.Input((64,)), encoder, decoder])


def pair(name=None):
    return (
        keras.Sequential([keras.Input((64,)), layers.Dense(4)], name=name),
        keras.Sequential([keras.Input((4,)), layers.Dense(64)], name=name),
    )


def subclass(built=False):
    model = FashionAutoencoder(4, (64,))
    if built:
        model(np.zeros((1, 64)))
    return model


def graph_with_own_step():
    inputs = keras.Input((64,))
    code = layers.Dense(4)(inputs)
    return GraphWithOwnStep(inputs, layers.Dense(64)(code))


def build(meta, latent_dim=4, scale=1):
    n_features = meta["n_features_in_"]
    return keras.Sequential(
        [
            keras.Input(meta["X_shape_"][1:]),
            layers.Dense(scale * latent_dim),
            layers.Dense(n_features),
        ]
    )


def build_compiled(latent_dim, compile_kwargs):
    model = sequential(layers.Dense(latent_dim))
    model.compile(loss="mae", optimizer=compile_kwargs["optimizer"])
    return model


def build_own_step(latent_dim=4):
    model = NotCopied(3)
    model.encoder = keras.Sequential([layers.Dense(latent_dim)])
    return model


def fit(architecture, X, Estimator=AutoencoderTransformer, **parameters):
    parameters = {"epochs": 2, "patience": None, "random_state": 0} | parameters
    return Estimator(architecture=architecture, **parameters).fit(X)


def errors_of(architecture, X, **parameters):
    with pytest.raises(ValueError, match=r"\w") as caught:
        fit(architecture, X, **parameters)
    return str(caught.value)


def check_halves_make_the_whole(fitted, X):
    """What was trained is what encoder and decoder now are."""
    X = X[:10].astype("float32")
    whole = np.asarray(fitted.autoencoder_(X))
    halves = fitted.inverse_transform(fitted.transform(X))
    np.testing.assert_allclose(halves, whole, atol=1e-5)


MODELS = {
    "sequential": sequential,
    "sequential without Input": lambda: keras.Sequential(
        [layers.Dense(4), layers.Dense(64)]
    ),
    "functional": functional,
    "nested": nested,
    "pair": pair,
    "pair of one name": lambda: pair("half"),
    "subclass": subclass,
    "subclass, built": lambda: subclass(built=True),
    "subclass of subclasses": OfSubclasses,
    "own step": RegisteredOwnStep,
    "graph with own step": graph_with_own_step,
    "function": lambda: build,
    "partial": lambda: partial(build, latent_dim=2, scale=2),
    "function, own step": lambda: build_own_step,
    "wrapper": lambda: KerasRegressor(build, model__latent_dim=4, loss="mse"),
    "wrapper of a model": lambda: KerasRegressor(sequential(), loss="mse"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_it_takes(kind, X):
    """Each form is fitted, reproducible, copied, pickled, and trains on."""
    architecture = KerasArchitecture(MODELS[kind]())
    fitted = fit(architecture, X)
    assert fitted.n_components_ == 4
    check_halves_make_the_whole(fitted, X)
    assert fitted.history_["loss"][1] < fitted.history_["loss"][0]
    assert fit(clone(architecture), X).history_ == fitted.history_
    again = pickle.loads(pickle.dumps(fitted))
    for other in (again, copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.transform(X), fitted.transform(X))
    again.partial_fit(X)
    assert again.history_["loss"][2] < fitted.history_["loss"][1]
    check_halves_make_the_whole(again, X)


def test_reference_system_a():
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(40, 28, 28))
    model = FashionAutoencoder()
    fitted = fit(KerasArchitecture(model), X, epochs=1)
    assert fitted.autoencoder_.count_params() == 101_200
    assert fitted.transform(X).shape == (40, 64)
    assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape
    detector = fit(KerasArchitecture(model), X, AutoencoderOutlierDetector, epochs=1)
    assert detector.predict(X).shape == (40,)
    assert not model.built
    lines = []
    fitted.summary(print_fn=lines.append)
    assert "101,200" in lines[0]


# Where to cut


@pytest.mark.parametrize(
    ("extra", "code_layer", "expected"),
    [
        ((), None, 4),
        ((), "hidden", 12),
        (("ReLU",), None, 4),
        (("ReLU",), "code", 4),
        (("Dense",), "code", 4),
        (("Dense",), "second", 4),
    ],
)
def test_cut(X, extra, code_layer, expected):
    kinds = {"ReLU": layers.ReLU, "Dense": partial(layers.Dense, 4)}
    model = sequential(*(kinds[kind](name="second") for kind in extra))
    model.layers[0].name = "hidden"
    networks = KerasArchitecture(model, code_layer).build(NetworkSpec((64,)))
    assert networks.n_components == expected
    names = [layer.name for layer in networks.encoder.layers]
    if code_layer is None and extra:
        assert names[-1] == "second"  # the activation is part of the code
    else:
        assert names[-1] == (code_layer or "code")


def test_cut_keeps_what_the_model_does(X):
    for model in (sequential(), functional(), nested()):
        networks = KerasArchitecture(model, pretrained=True).build(NetworkSpec((64,)))
        codes = networks.encoder(X)
        assert codes.shape == (300, 4)
        expected = np.asarray(model(X))
        np.testing.assert_allclose(networks.decoder(codes), expected, atol=1e-5)


def test_inputs_of_any_length(X):
    """A network that takes windows of any length is built for those it gets."""
    inputs = keras.Input((None, 8))
    hidden, *_ = layers.LSTM(4, return_state=True)(inputs)
    code = layers.Dense(3)(hidden)
    decoded = layers.LSTM(8, return_sequences=True)(layers.RepeatVector(8)(code))
    model = keras.Model(inputs, decoded)
    fitted = fit(KerasArchitecture(model), X.reshape(-1, 8, 8), epochs=1)
    assert fitted.n_components_ == 3
    assert fitted.encoder_.input_shape == (None, 8, 8)


def two_ends(n_inputs, n_outputs):
    inputs = [keras.Input((64,)) for _ in range(n_inputs)]
    code = layers.Dense(4)(inputs[0] if n_inputs == 1 else layers.Add()(inputs))
    outputs = [layers.Dense(64)(code) for _ in range(n_outputs)]
    return keras.Model(inputs, outputs)


def encoder_with_two_outputs():
    inputs = keras.Input((64,))
    outputs = [layers.Dense(4)(inputs), layers.Dense(4)(inputs)]
    return keras.Model(inputs, outputs), pair()[1]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            lambda: sequential(layers.Dense(4, name="second")),
            ["several layers are the narrowest", "code_layer", "code: (4,)", "second"],
        ),
        (lambda: functional(bypass=True), ["cut after 'code'", "bypass"]),
        (lambda: two_ends(2, 1), ["2 inputs and 1 output,", "one of each"]),
        (lambda: two_ends(1, 2), ["1 input and 2 outputs,", "one of each"]),
        (encoder_with_two_outputs, ["the encoder has 1 input and 2 outputs"]),
        (lambda: pair()[0], ["last layer", "code_layer"]),
        (lambda: (pair()[0], 7), ["pair (encoder, decoder)", "got 7"]),
        (lambda: (*pair(), 7), ["model has to be a Keras model", "7"]),
        (lambda: 7, ["model has to be a Keras model", "a SciKeras wrapper, got 7"]),
        (lambda: None, ["model has to be a Keras model", "got None"]),
        (lambda: Half(3), ["Half", "attributes 'encoder' and 'decoder'"]),
        (lambda: NotCopied(3), ["NotCopied cannot", "get_config"]),
        (
            lambda: (pair()[0], keras.Sequential([keras.Input((6,)), Scaled()])),
            ["the encoder goes from (64,) to (4,)", "to (6,)"],
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((32,)), layers.Dense(4), layers.Dense(32)]
            ),
            ["samples of shape (64,)", "the encoder goes from (32,)"],
        ),
        (
            lambda: sequential(layers.Lambda(lambda x: x + 1, name="plus")),
            ["'plus' is a Lambda layer", "keras.layers.Layer"],
        ),
        (lambda: lambda: 7, ["got 7"]),
    ],
)
def test_what_does_not_fit(model, words, X):
    message = errors_of(KerasArchitecture(model()), X)
    assert [word for word in words if word not in message] == []


def test_no_such_layer(X):
    message = errors_of(KerasArchitecture(sequential(), "cood"), X)
    assert "no layer is called 'cood'" in message
    assert "code: (4,)" in message


def test_subclass_that_does_more_than_its_halves(X):
    model = Tripled(4, (64,))
    model(X)
    message = errors_of(KerasArchitecture(model), X)
    assert "Tripled cannot be split: its output differs from decoder" in message


def test_n_components(X):
    architecture = KerasArchitecture(sequential())
    assert fit(architecture, X, n_components=4).n_components_ == 4
    message = errors_of(architecture, X, n_components=5)
    assert "5 components" in message
    assert "its encoder returns 4. Leave n_components at None" in message


def test_a_model_as_it_is_is_an_error(X):
    with pytest.raises(InvalidParameterError, match=r"KerasArchitecture\(model\)"):
        fit(sequential(), X)


# Shapes


def image_model(shape=(8, 8, 1)):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(2, 3, strides=4, padding="same"),
            layers.Conv2DTranspose(1, 3, strides=4, padding="same"),
        ]
    )


@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 1)])
def test_samples_are_reshaped(shape, X):
    X = X.reshape(-1, *shape)
    flat = fit(KerasArchitecture(sequential()), X, epochs=1)
    assert flat.encoder_.input_shape == (None, *shape)
    images = fit(KerasArchitecture(image_model()), X, epochs=1)
    assert images.n_components_ == 2 * 2 * 2
    for fitted in (flat, images):
        assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape
        check_halves_make_the_whole(fitted, X)


def test_flat_rows_behind_a_scaler(X):
    pipeline = make_pipeline(
        StandardScaler(),
        AutoencoderTransformer(architecture=KerasArchitecture(image_model()), epochs=1),
    ).fit(X)
    assert pipeline.inverse_transform(pipeline.transform(X)).shape == X.shape


# The user's model stays as it is


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize(
    "make", [sequential, functional, nested, partial(subclass, built=True)]
)
def test_the_model_is_never_changed(make, pretrained, X):
    model = make()
    model.compile("sgd", "mae")
    model.train_on_batch(X, X)
    before = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    loss, optimizer, output = model.loss, model.optimizer, np.asarray(model(X))
    fitted = fit(KerasArchitecture(model, pretrained=pretrained), X)
    fitted.partial_fit(X)
    pickle.dumps(fitted)
    after = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (model.loss, model.optimizer) == (loss, optimizer)
    np.testing.assert_array_equal(np.asarray(model(X)), output)
    if not hasattr(model, "encoder"):
        assert all(layer.output is not None for layer in model.layers)
    model.train_on_batch(X, X)


def test_pretrained(X):
    still = {"optimizer": "sgd", "learning_rate": 1e-12, "epochs": 1}
    for make in (sequential, pair, partial(subclass, built=True)):
        model = make()
        parts = model if isinstance(model, tuple) else [model]
        for part in parts:
            part.set_weights([w + 0.125 for w in part.get_weights()])
        expected = X.astype("float32")
        for part in parts:
            expected = np.asarray(part(expected))
        kept = fit(KerasArchitecture(model, pretrained=True), X, **still)
        drawn = fit(KerasArchitecture(model), X, **still)
        for fitted, same in [(kept, True), (drawn, False)]:
            output = fitted.inverse_transform(fitted.transform(X))
            assert np.allclose(output, expected, atol=1e-4) == same


@pytest.mark.parametrize("make", [subclass, MODELS["sequential without Input"]])
def test_pretrained_without_weights(make, X):
    message = errors_of(KerasArchitecture(make(), pretrained=True), X)
    assert "pretrained=True, but" in message
    assert "has no weights yet" in message


def test_two_builds_with_one_seed_agree():
    for model in (sequential(), build, build_own_step):
        first, same, other = (
            [v.numpy() for v in networks.autoencoder.variables]
            for networks in (
                KerasArchitecture(model).build(NetworkSpec((64,)), random_state=seed)
                for seed in (0, 0, 1)
            )
        )
        for a, b in zip(first, same, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any((a != b).any() for a, b in zip(first, other, strict=True))


# Loss and optimizer


@pytest.fixture(scope="module")
def losses(X):
    """Losses of the first epochs, by how the estimator itself was told to train."""
    told = {
        "nothing": {},
        "mae": {"loss": "mae"},
        "sgd": {"optimizer": "sgd", "learning_rate": 0.5},
        "mae, sgd": {"loss": "mae", "optimizer": "sgd", "learning_rate": 0.5},
        "rmsprop": {"optimizer": "rmsprop"},
        "adam .1": {"learning_rate": 0.1},
    }
    return {
        name: fit(KerasArchitecture(build), X, **parameters).history_["loss"]
        for name, parameters in told.items()
    }


SGD = {"optimizer": "sgd", "optimizer__learning_rate": 0.5}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: build, "nothing"),
        (lambda: KerasRegressor(build), "nothing"),
        (lambda: KerasRegressor(build, loss="mae", optimizer="adam"), "mae"),
        (lambda: KerasRegressor(build, loss="mse"), "rmsprop"),  # SciKeras's default
        (lambda: KerasRegressor(build, **SGD), "sgd"),
        (lambda: KerasRegressor(build, loss="mae", **SGD), "mae, sgd"),
        (
            lambda: KerasRegressor(build, optimizer=keras.optimizers.SGD(0.5)),
            "sgd",
        ),
        (
            lambda: KerasRegressor(
                build, loss=keras.losses.MeanAbsoluteError, optimizer="adam"
            ),
            "mae",
        ),
    ],
)
@pytest.mark.parametrize("as_it_is", [False, True])
def test_a_wrappers_loss_and_optimizer_are_used(model, expected, as_it_is, X, losses):
    model = model()
    if as_it_is and not isinstance(model, KerasRegressor):
        with pytest.raises(InvalidParameterError, match="SciKeras wrapper"):
            fit(model, X)
        return
    fitted = fit(model if as_it_is else KerasArchitecture(model), X)
    np.testing.assert_allclose(fitted.history_["loss"], losses[expected], rtol=1e-4)


def test_ways_to_train_differ(losses):
    assert len({round(values[-1], 5) for values in losses.values()}) == len(losses)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"loss": "mae"}, "mae"),
        (SGD, "sgd"),
        (SGD | {"loss": "mae"}, "mae, sgd"),
        ({"optimizer__learning_rate": 0.1}, "adam .1"),
        ({"model__latent_dim": 4}, "nothing"),
    ],
)
def test_parameters_beside_a_build_function(parameters, expected, X, losses):
    architecture = KerasArchitecture(build).set_params(**parameters)
    fitted = fit(architecture, X)
    np.testing.assert_allclose(fitted.history_["loss"], losses[expected], rtol=1e-4)


def test_a_compiled_models_loss_and_optimizer_are_used(X):
    model, optimizer = sequential(), keras.optimizers.SGD(0.5)
    told = {"loss": "mae", "optimizer": "sgd", "learning_rate": 0.5}
    expected = fit(KerasArchitecture(model), X, **told).history_["loss"]
    model.compile(optimizer, "mae")
    for architecture in (
        KerasArchitecture(model),
        pickle.loads(pickle.dumps(KerasArchitecture(model))),
    ):
        fitted = fit(architecture, X)
        np.testing.assert_allclose(fitted.history_["loss"], expected, rtol=1e-4)
    assert int(optimizer.iterations.numpy()) == 0


def test_a_build_function_that_compiles(X):
    architecture = KerasArchitecture(build_compiled).set_params(model__latent_dim=3)
    histories = [fit(architecture, X).history_]
    architecture.set_params(optimizer="sgd", optimizer__learning_rate=1e-9)
    histories += [fit(architecture, X).history_]
    assert histories[0]["loss"][1] < 0.99 * histories[0]["loss"][0]
    assert histories[1]["loss"][1] == pytest.approx(histories[1]["loss"][0], rel=1e-3)
    message = errors_of(architecture, X, loss="mse")
    assert "loss='mse' is given, but" in message
    assert "mae" in message


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (
            lambda: KerasRegressor(build, loss="mae", optimizer="sgd"),
            {"loss": "mse"},
            ["loss='mse'", "in one place"],
        ),
        (
            lambda: KerasRegressor(build, loss="mae", optimizer="sgd"),
            {"optimizer": "adam"},
            ["optimizer='adam'", "SGD", "in one place"],
        ),
        (
            lambda: KerasRegressor(build, **SGD),
            {"optimizer": "sgd"},
            ["optimizer='sgd'", "SGD", "in one place"],
        ),
        (
            lambda: KerasArchitecture(
                sequential(compiled={"optimizer": "adam", "loss": "mae"})
            ),
            {"loss": "mae"},
            ["loss='mae'", "in one place"],
        ),
    ],
)
def test_giving_them_twice_is_an_error(model, given, words, X):
    message = errors_of(model(), X, **given)
    assert [word for word in words if word not in message] == []


def test_only_what_the_wrapper_leaves_open_can_be_given(X, losses):
    fitted = fit(KerasRegressor(build, **SGD), X, loss="mae")
    np.testing.assert_allclose(fitted.history_["loss"], losses["mae, sgd"], rtol=1e-4)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"epochs": 5}, ["epochs=5", "Give epochs to the estimator"]),
        ({"fit__epochs": 5}, ["fit__epochs=5", "Give epochs to the estimator"]),
        ({"batch_size": 16}, ["batch_size=16", "to the estimator"]),
        ({"validation_split": 0.2}, ["Give validation_fraction to the estimator"]),
        ({"random_state": 0}, ["random_state=0", "to the estimator"]),
        ({"callbacks": [keras.callbacks.TerminateOnNaN]}, ["callbacks", "estimator"]),
        ({"warm_start": True}, ["warm_start=True", "to the estimator"]),
        ({"model__latent": 3}, ["'build'", "'latent'", "model__latent_dim"]),
    ],
)
def test_wrapper_parameters_without_effect(parameters, words, X):
    message = errors_of(KerasRegressor(build, loss="mse", **parameters), X)
    assert [word for word in words if word not in message] == []


def test_an_argument_that_is_missing(X):
    message = errors_of(KerasArchitecture(build_compiled), X)
    assert "'build_compiled' cannot be called" in message
    assert "model__latent_dim" in message


def test_classifier(X):
    message = errors_of(KerasClassifier(build, loss="mse"), X)
    assert "KerasClassifier" in message
    assert "KerasRegressor" in message


def test_unknown_parameters():
    with pytest.raises(ValueError, match="'foo'"):
        KerasArchitecture(sequential()).set_params(foo=1)
    with pytest.raises(ValueError, match="foo"):
        KerasArchitecture(build).set_params(foo=1)
    with pytest.raises(ValueError, match=r"model__latent_dim.*Sequential"):
        KerasArchitecture(sequential()).set_params(model__latent_dim=1)


def test_meta_and_arguments(X):
    seen = []

    def build_images(meta, compile_kwargs, width, params):
        seen.append((meta, compile_kwargs, params["model__width"]))
        return image_model(meta["X_shape_"][1:])

    fit(KerasRegressor(build_images, model__width=7), X.reshape(-1, 8, 8, 1), epochs=1)
    meta, compile_kwargs, width = seen[-1]
    assert meta["X_shape_"][1:] == (8, 8, 1)
    assert meta["n_features_in_"] == 8
    assert {"loss", "optimizer"} <= compile_kwargs.keys()
    assert width == 7


def test_parameters_are_reached_by_the_names_that_get_params_gives():
    architecture = KerasArchitecture(KerasRegressor(build, model__latent_dim=3))
    names = architecture.get_params()
    assert names["model__model__latent_dim"] == 3
    architecture.set_params(model__model__latent_dim=5, model__loss="mae")
    assert architecture.model.get_params()["model__latent_dim"] == 5
    assert architecture.model.loss == "mae"
    assert architecture.build(NetworkSpec((64,))).n_components == 5


# As part of scikit-learn


@pytest.mark.parametrize(
    "architecture",
    [
        KerasArchitecture(build),
        KerasRegressor(build, model__latent_dim=2, optimizer="adam", loss="mse"),
        KerasArchitecture(KerasRegressor(build, optimizer="adam", loss="mse")),
    ],
    ids=["function", "wrapper", "wrapped"],
)
def test_grid_search(architecture, X):
    grid = {
        "architecture__model__latent_dim": [1, 3],
        "architecture__optimizer__learning_rate": [1e-4, 1e-1],
    }
    estimator = AutoencoderTransformer(
        architecture=architecture, epochs=2, random_state=0
    )
    before = repr(architecture)
    search = GridSearchCV(estimator, grid, cv=2).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    best = search.best_estimator_
    assert search.best_params_["architecture__optimizer__learning_rate"] == 1e-1
    assert best.n_components_ == search.best_params_["architecture__model__latent_dim"]
    assert repr(architecture) == before


def test_clone():
    wrapper = KerasRegressor(build, model__latent_dim=3, loss="mae")
    cloned = clone(KerasArchitecture(wrapper))
    assert cloned.model is not wrapper
    cloned.set_params(model__latent_dim=2)
    assert wrapper.get_params()["model__latent_dim"] == 3
    architecture = KerasArchitecture(sequential(), "code", pretrained=True)
    cloned = clone(architecture)
    assert cloned.get_params() == architecture.get_params()


def test_warm_start(X):
    fitted = fit(KerasRegressor(build, loss="mse"), X, warm_start=True)
    before = fitted.history_["loss"]
    fitted.fit(X)
    assert fitted.history_["loss"][0] < before[-1]
    fitted.set_params(architecture__model__latent_dim=2)
    with pytest.raises(ValueError, match="Fit with warm_start=False"):
        fitted.fit(X)


def test_partial_fit(X):
    fitted = AutoencoderTransformer(architecture=KerasArchitecture(functional()))
    for _ in range(3):
        fitted.partial_fit(X)
    assert fitted.history_["loss"][2] < fitted.history_["loss"][0]
    check_halves_make_the_whole(fitted, X)


# Pickle


def test_pickle_in_a_new_process(X, tmp_path):
    """A registered layer whose module only the pickle knows of."""
    (tmp_path / "own_layers.py").write_text(
        "import keras\n"
        '@keras.saving.register_keras_serializable("own")\n'
        "class Shift(keras.layers.Layer):\n"
        "    def build(self, shape):\n"
        "        self.shift = self.add_weight(shape=(shape[-1],))\n"
        "    def call(self, x):\n"
        "        return x + self.shift\n"
    )
    code = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
with open(sys.argv[1] + "/estimator", "rb") as file:
    estimator, X, codes = pickle.load(file)
assert (estimator.transform(X) == codes).all()
estimator.partial_fit(X)
assert estimator.n_iter_ == 3
"""
    sys.path.insert(0, str(tmp_path))
    try:
        from own_layers import Shift

        fitted = fit(KerasArchitecture(sequential(Shift()), "code"), X)
    finally:
        sys.path.remove(str(tmp_path))
    with open(tmp_path / "estimator", "wb") as file:
        pickle.dump((fitted, X, fitted.transform(X)), file)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_pickle_needs_registered_layers(X):
    model = sequential(Unregistered(name="shift"))
    fitted = fit(KerasArchitecture(model, "code"), X, epochs=1)
    copied = copy.deepcopy(fitted)  # needs no pickle
    np.testing.assert_array_equal(copied.transform(X), fitted.transform(X))
    decorator = r"@keras\.saving\.register_keras_serializable\(\) above class"
    with pytest.raises(pickle.PicklingError, match=decorator) as caught:
        pickle.dumps(fitted)
    assert "'shift' is a Unregistered, which is not registered" in str(caught.value)
    with pytest.raises(pickle.PicklingError, match="class OwnStep"):
        pickle.dumps(KerasArchitecture(OwnStep()))


@pytest.mark.parametrize(
    "make", [sequential, pair, partial(subclass, built=True), OfSubclasses]
)
def test_pickle_keeps_weights(make, X):
    model = make()
    if isinstance(model, OfSubclasses):
        model(X)
    architecture = KerasArchitecture(model, pretrained=True)
    again = pickle.loads(pickle.dumps(architecture))
    first, second = (
        np.asarray(a.build(NetworkSpec((64,))).autoencoder(X))
        for a in (architecture, again)
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


# Models with a train_step of their own


@pytest.mark.parametrize("make", [RegisteredOwnStep, graph_with_own_step])
def test_own_train_step(make, X):
    """It is what trains, with callbacks that see batches as well as without."""
    fitted = fit(KerasArchitecture(make()), X, learning_rate=0.01, epochs=4)
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])
    )
    watched = fit(
        KerasArchitecture(make()), X, callbacks=[callback], learning_rate=0.01, epochs=4
    )
    assert watched.history_ == fitted.history_
    errors = (fitted.inverse_transform(fitted.transform(X)) - X) ** 2
    assert fitted.history_["loss"][-1] == pytest.approx(3 * errors.mean(), rel=0.3)
    lines = []
    fitted.summary(print_fn=lines.append)
    assert f"{64 * 4 + 4 + 4 * 64 + 64:,}" in lines[0]
    assert "compression factor 16" in lines[0]


def test_own_train_step_takes_samples_of_its_own_shape(X):
    message = errors_of(KerasArchitecture(graph_with_own_step()), X.reshape(-1, 8, 8))
    assert "(8, 8)" in message
    assert "(64,)" in message


def test_own_train_step_keeps_pretrained_weights(X):
    model = RegisteredOwnStep()
    expected = np.asarray(model(X))
    architecture = KerasArchitecture(model, pretrained=True)
    for copied in (architecture, pickle.loads(pickle.dumps(architecture))):
        output = np.asarray(copied.build(NetworkSpec((64,))).autoencoder(X))
        np.testing.assert_allclose(output, expected, atol=1e-6)
    other = (
        KerasArchitecture(model)
        .build(NetworkSpec((64,)), random_state=0)
        .autoencoder(X)
    )
    assert not np.allclose(other, expected, atol=1e-2)


def test_halves_that_were_built_by_a_call(X):
    """The batch size of that call is forgotten."""
    model = subclass()
    model(X[:7])
    networks = KerasArchitecture(model).build(NetworkSpec((64,)))
    assert networks.encoder.input_shape == (None, 64)
    assert networks.decoder.input_shape == (None, 4)


def test_loss_of_a_compiled_model_is_pickled_whole(X):
    """Keras's own pickling loses the delta."""
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(2, name="code"), keras.layers.Dense(64)]
    )
    model.compile("adam", loss=keras.losses.Huber(delta=0.01))
    autoencoder = AutoencoderTransformer(
        architecture=KerasArchitecture(model, "code"), epochs=1, random_state=0
    )
    again = pickle.loads(pickle.dumps(autoencoder))
    assert again.fit(X).history_ == autoencoder.fit(X).history_


def test_a_subclass_of_squared_error_is_a_loss_of_its_own():
    """What it weights more is reconstructed better than by PCA, which stays behind."""
    X = np.random.RandomState(0).normal(size=(300, 2)) @ [[1, 0, 3], [0, 1, 3]]
    X += np.random.RandomState(1).normal(scale=0.5, size=X.shape)

    class Weighted(keras.losses.MeanSquaredError):
        def call(self, y_true, y_pred):
            weights = np.array([1e3, 1e-3, 1e-3], "f4")
            return keras.ops.mean(keras.ops.square(y_true - y_pred) * weights, axis=-1)

    autoencoder = AutoencoderTransformer(
        1, loss=Weighted(), epochs=60, random_state=0
    ).fit(X)
    assert autoencoder.best_epoch_ > 0
    assert ((X - autoencoder.reconstruct(X))[:, 0] ** 2).mean() < 0.1
