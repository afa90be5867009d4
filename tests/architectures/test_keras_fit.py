"""A model that a Keras user brings is trained as `keras.Model.fit` trains it.

Each is fitted from the same weights on one batch an epoch, so that the order of samples
does not matter, and compared loss by loss.
"""

import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasRegressor

from skae import AutoencoderTransformer
from skae.architectures import KerasArchitecture

layers = keras.layers
EPOCHS = 3
RNG = np.random.RandomState(0)
TABLE = RNG.normal(size=(48, 6)).astype("float32")
# Noise falls on samples in their order, which does not matter if all are the same.
SAME = np.tile(TABLE[:1], (48, 1))
FAR = (1000 + 3 * TABLE).astype("float32")
WINDOWS = RNG.normal(size=(48, 5, 3)).astype("float32")
IMAGES = RNG.uniform(size=(48, 8, 8, 1)).astype("float32")


def sequential(*first, code=None, last=None):
    return keras.Sequential(
        [
            keras.Input((6,)),
            *first,
            code or layers.Dense(2, name="code"),
            layers.Dense(5, "relu"),
            last or layers.Dense(6),
        ]
    )


def functional():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, "relu")(inputs)
    code = layers.Dense(2)(layers.Concatenate()([hidden, inputs]))
    return keras.Model(inputs, layers.Dense(6)(code))


class Plain(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Dense(2)])
        self.decoder = keras.Sequential([layers.Dense(6)])

    def call(self, x, training=None):
        return self.decoder(self.encoder(x, training=training), training=training)


class WithNoise(Plain):
    def __init__(self):
        super().__init__()
        self.noise = layers.GaussianNoise(0.9, seed=1)

    def call(self, x, training=None):
        return self.decoder(self.encoder(self.noise(x, training=training)))


class WithAddedLoss(Plain):
    def call(self, x, training=None):
        code = self.encoder(x)
        self.add_loss(0.3 * keras.ops.mean(keras.ops.abs(code)))
        return self.decoder(code)


class WithComputedLoss(Plain):
    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return 7 * keras.ops.mean(keras.ops.abs(y - y_pred))


class WithStoppedGradient(Plain):
    """Its output is that of a chain of the halves, its gradient is not."""

    def call(self, x, training=None):
        return self.decoder(keras.ops.stop_gradient(self.encoder(x)))


class WithWeightOfItsOwn(Plain):
    def __init__(self):
        super().__init__()
        self.shift = self.add_weight(shape=(6,), initializer="zeros", name="shift")

    def call(self, x, training=None):
        return self.decoder(self.encoder(x)) + self.shift


class WithOwnStep(Plain):
    def __init__(self):
        super().__init__()
        self.mean_loss = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.mean_loss]

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = 3 * keras.ops.mean(keras.ops.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}


class WithDropout(Plain):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Dropout(0.5, seed=1), layers.Dense(2)])


class WithoutTraining(WithDropout):
    """Keras never turns its dropout on, since `call` does not take `training`."""

    def call(self, x):
        return self.decoder(self.encoder(x))


def graph_with_noise():
    """The halves that it has as attributes leave the noise out."""
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(2)], name="encoder")
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(6)], name="decoder")
    inputs = keras.Input((6,))
    noisy = layers.GaussianNoise(0.9, seed=1)(inputs)
    model = keras.Model(inputs, decoder(encoder(noisy)))
    model.encoder, model.decoder = encoder, decoder
    return model


def normalized():
    normalization = layers.Normalization()
    normalization.adapt(FAR)
    return sequential(normalization)


def tied():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, "tanh")
    code = layers.Dense(2)(shared(inputs))
    return keras.Model(inputs, shared(layers.Dense(6)(code)))


class TiedHalves(Plain):
    def __init__(self):
        super().__init__()
        shared = layers.Dense(6, "tanh")
        self.encoder = keras.Sequential([shared, layers.Dense(2)])
        self.decoder = keras.Sequential([layers.Dense(6), shared])


def recurrent():
    return keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.LSTM(4),
            layers.Dense(2),
            layers.RepeatVector(5),
            layers.LSTM(4, return_sequences=True),
            layers.TimeDistributed(layers.Dense(3)),
        ]
    )


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(2, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2),
            layers.Conv2D(1, 3, padding="same", name="code"),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ]
    )


def regularized():
    return sequential(
        layers.Dense(5, "relu", kernel_regularizer=keras.regularizers.L2(0.1))
    )


def own_activation(x):
    return keras.ops.tanh(x) + 0.1 * x


class OwnRegularizer(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return 0.2 * keras.ops.mean(keras.ops.abs(weights))

    def get_config(self):
        return {}


def unregistered():
    return sequential(
        layers.Dense(5, own_activation, kernel_regularizer=OwnRegularizer())
    )


def halves_of(*first):
    """Functional halves, in which layers of both have one name."""
    inputs, codes = keras.Input((6,)), keras.Input((2,))
    hidden = inputs
    for layer in (*first, layers.Dense(5, "relu", name="hidden")):
        hidden = layer(hidden)
    encoder = keras.Model(inputs, layers.Dense(2, name="code")(hidden), name="encoder")
    hidden = layers.Dense(5, "relu", name="hidden")(codes)
    return encoder, keras.Model(codes, layers.Dense(6)(hidden), name="decoder")


def nested(*first):
    encoder, decoder = halves_of(*first)
    inputs = keras.Input((6,))
    return keras.Model(inputs, decoder(encoder(inputs)))


def nested_deeply():
    """The code is within a model within a Sequential, a layer of which follows."""
    inner = nested(layers.Dropout(0.3, seed=1))
    inputs = keras.Input((6,))
    outer = keras.Sequential([keras.Input((6,)), inner, layers.Dense(6)])
    return keras.Model(inputs, outer(inputs))


def nested_without_training():
    encoder, decoder = halves_of(layers.Dropout(0.5, seed=1))
    inputs = keras.Input((6,))
    return keras.Model(inputs, decoder(encoder(inputs, training=False)))


def block_used_thrice():
    block = keras.Sequential([keras.Input((6,)), layers.Dense(6, "elu"), layers.ELU()])
    inputs = keras.Input((6,))
    code = layers.Dense(2, name="code")(block(block(inputs)))
    return keras.Model(inputs, layers.Dense(6)(block(layers.Dense(6)(code))))


def nested_with_two_outputs():
    inputs, x = keras.Input((6,)), keras.Input((6,))
    ends = [layers.Dense(2)(inputs), layers.Dense(2)(inputs)]
    code = layers.Add()(keras.Model(inputs, ends)(x))
    return keras.Model(x, halves_of()[1](code))


MODELS = {
    "nested": (lambda: nested(layers.BatchNormalization()), TABLE),
    "nested deeply": (nested_deeply, SAME),
    "nested, without training": (nested_without_training, SAME),
    "block used thrice": (block_used_thrice, TABLE),
    "nested with two outputs": (nested_with_two_outputs, TABLE),
    "functional": (functional, TABLE),
    "sequential": (sequential, TABLE),
    "subclass": (Plain, TABLE),
    "noise in call": (WithNoise, SAME),
    "add_loss in call": (WithAddedLoss, TABLE),
    "compute_loss": (WithComputedLoss, TABLE),
    "stopped gradient": (WithStoppedGradient, TABLE),
    "train_step": (WithOwnStep, TABLE),
    "dropout in a half": (WithDropout, SAME),
    "call without training": (WithoutTraining, TABLE),
    "graph with noise": (graph_with_noise, SAME),
    "noise in a layer": (lambda: sequential(layers.GaussianNoise(0.5, seed=1)), SAME),
    "batch normalization": (lambda: sequential(layers.BatchNormalization()), TABLE),
    "regularized": (regularized, TABLE),
    "activity regularizer": (
        lambda: sequential(code=layers.Dense(2, activity_regularizer="l1")),
        TABLE,
    ),
    "own activation and regularizer": (unregistered, TABLE),
    "activation layer": (
        lambda: sequential(last=layers.Dense(6, layers.LeakyReLU())),
        TABLE,
    ),
    "adapted normalization": (normalized, FAR),
    "tied": (tied, np.tanh(TABLE)),
    "tied halves": (TiedHalves, np.tanh(TABLE)),
    "recurrent": (recurrent, WINDOWS),
    "convolutional": (convolutional, IMAGES),
}


def transformer(architecture, **parameters):
    parameters = {"optimizer": "adam", "learning_rate": 0.01} | parameters
    return AutoencoderTransformer(
        architecture=architecture,
        epochs=EPOCHS,
        batch_size=48,
        validation_fraction=None,
        random_state=0,
        **parameters,
    )


def losses_by_keras(model, X):
    fitted = model.fit(X, X, 48, EPOCHS, shuffle=False, verbose=0)
    return fitted.history["loss"]


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", MODELS)
def test_losses_are_those_of_keras(kind, recwarn):
    make, X = MODELS[kind]
    model = make()
    model(X)
    before = [np.array(v) for v in model.variables]
    fitted = transformer(KerasArchitecture(model, pretrained=True)).fit(X)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value)
    # Three batches take less time than the graph of a batch.
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    expected = losses_by_keras(model, X)
    np.testing.assert_allclose(fitted.history_["loss"], expected, rtol=1e-3)
    # Encoder and decoder together are what was trained.
    codes = np.reshape(fitted.encoder_(X[:4]), (4, -1))
    np.testing.assert_allclose(codes, fitted.transform(X[:4]), atol=1e-4)
    by_keras = model.predict(X[:4], verbose=0)
    np.testing.assert_allclose(fitted.reconstruct(X[:4]), by_keras, atol=2e-3)


@pytest.mark.parametrize(
    "compiled",
    [
        {"optimizer": keras.optimizers.SGD(0.1), "loss": keras.losses.Huber()},
        {"optimizer": "rmsprop", "loss": "mae"},
        {"optimizer": "rmsprop", "loss": ["mae"]},
        {"optimizer": "rmsprop", "loss": {"output": "mae"}},
    ],
    ids=["instances", "names", "list", "dict"],
)
def test_compiled_models_train_as_they_are_compiled(compiled):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(6, name="output")(layers.Dense(2)(inputs)))
    model.compile(**compiled)
    architecture = KerasArchitecture(model, pretrained=True)
    fitted = transformer(architecture, optimizer=None, learning_rate=None).fit(TABLE)
    expected = losses_by_keras(model, TABLE)
    np.testing.assert_allclose(fitted.history_["loss"], expected, rtol=1e-3)


def build_with_seeds():
    initializers = [keras.initializers.GlorotUniform(seed=seed) for seed in (1, 2)]
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(2, kernel_initializer=initializers[0]),
            layers.Dense(
                6, activation=lambda x: 2 * x, kernel_initializer=initializers[1]
            ),
        ]
    )


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_a_function_builds(wrapped):
    """It may hold what Keras cannot copy."""
    if wrapped:
        architecture = KerasRegressor(
            build_with_seeds, loss="mae", optimizer="sgd", optimizer__learning_rate=0.1
        )
        fitted = transformer(architecture, optimizer=None, learning_rate=None)
    else:
        fitted = transformer(
            KerasArchitecture(build_with_seeds),
            loss="mae",
            optimizer="sgd",
            learning_rate=0.1,
        )
    model = build_with_seeds()
    model.compile(keras.optimizers.SGD(0.1), "mae")
    expected = losses_by_keras(model, TABLE)
    np.testing.assert_allclose(fitted.fit(TABLE).history_["loss"], expected, rtol=1e-3)


class WithArgument(WithNoise):
    def __init__(self, hidden):
        super().__init__()


class ChangedLater(WithNoise):
    """Its halves are not those that its __init__ makes."""


def changed_later():
    model = ChangedLater()
    model.decoder = keras.Sequential([layers.Dense(3), layers.Dense(6)])
    return model


def two_losses(loss):
    model = sequential()
    model.compile("adam", loss)
    return model


def weighted_loss():
    model = sequential()
    model.compile("adam", "mse", loss_weights=[3.0])
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (WithWeightOfItsOwn, "weights that are neither in its encoder .*shift"),
        (
            lambda: WithArgument(3),
            "does more than run .*Implement get_config.*function",
        ),
        (changed_later, "ChangedLater cannot be copied: its layers are not those"),
        (lambda: two_losses({"a": "mse", "b": "mae"}), "2 losses.*Compile it with one"),
        (lambda: two_losses(["mse", "mae"]), "2 losses.*Compile it with one loss"),
        (weighted_loss, "loss_weights, which have no effect"),
    ],
)
@pytest.mark.parametrize("built", [False, True])
def test_what_cannot_be_trained_like_that_is_refused(make, message, built):
    model = make()
    if built:
        model(TABLE)
    with pytest.raises(ValueError, match=message):
        transformer(KerasArchitecture(model), optimizer=None).fit(TABLE)
    assert model.built or not built


def test_a_subclass_is_not_built_by_a_fit():
    for kind in (Plain, WithNoise, WithAddedLoss):
        model = kind()
        transformer(KerasArchitecture(model)).fit(TABLE)
        assert not model.built
        assert not model.encoder.built


def test_a_function_builds_what_cannot_be_copied():
    fitted = transformer(KerasArchitecture(lambda: WithArgument(3)))
    assert np.isfinite(fitted.fit(TABLE).history_["loss"]).all()
