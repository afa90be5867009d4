"""Models within models: where the code is found, and what cannot be cut."""

import keras
import numpy as np
import pytest

from skae import AutoencoderTransformer
from skae.architectures import (
    DenseArchitecture,
    KerasArchitecture,
    VariationalArchitecture,
)

layers = keras.layers
X = np.random.RandomState(0).normal(size=(48, 6)).astype("float32")


def sequential(n_inputs, *parts, name=None):
    return keras.Sequential([keras.Input((n_inputs,)), *parts], name=name)


def halves():
    encoder = sequential(
        *(6, layers.Dense(5, name="hidden"), layers.Dense(2, name="code")),
        name="encoder",
    )
    decoder = sequential(
        *(2, layers.Dense(4, name="hidden"), layers.Dense(6, name="end")),
        name="decoder",
    )
    return encoder, decoder


def nested():
    inputs, (encoder, decoder) = keras.Input((6,)), halves()
    return keras.Model(inputs, decoder(encoder(inputs)), name="nested")


def within(model):
    return sequential(6, model)


def fit(model, code_layer=None, **parameters):
    architecture = KerasArchitecture(model, code_layer=code_layer, pretrained=True)
    parameters = {"epochs": 1, "learning_rate": 1e-12, "random_state": 0} | parameters
    return AutoencoderTransformer(architecture=architecture, **parameters).fit(X)


@pytest.mark.parametrize(
    ("make", "code_layer", "n_components"),
    [
        (nested, None, 2),
        (nested, "code", 2),
        (nested, "encoder", 2),
        (nested, "encoder/hidden", 5),
        (nested, "decoder/hidden", 4),
        (lambda: within(nested()), None, 2),
        (lambda: within(within(nested())), "code", 2),
        (lambda: within(nested()), "encoder/hidden", 5),
        (lambda: sequential(6, *halves()), "decoder/hidden", 4),
    ],
)
def test_codes_are_found_within_models(make, code_layer, n_components):
    model = make()
    names = [layer.name for layer in model.layers]
    fitted = fit(model, code_layer)
    assert fitted.n_components_ == n_components
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(fitted.reconstruct(X), expected, atol=1e-5)
    assert [layer.name for layer in model.layers] == names
    if n_components == 2:
        decoder = keras.Model(model.inputs, fitted.encoder_(model.inputs[0]))
        codes = decoder.predict(X, verbose=0)
        np.testing.assert_allclose(fitted.transform(X), codes, atol=1e-5)


def twice():
    block = sequential(6, layers.Dense(6, name="inner"), name="block")
    inputs = keras.Input((6,))
    return keras.Model(inputs, block(layers.Dense(6)(block(inputs))))


def bypassed():
    inputs, (encoder, decoder) = keras.Input((6,)), halves()
    return keras.Model(inputs, layers.Add()([decoder(encoder(inputs)), inputs]))


@pytest.mark.parametrize(
    ("make", "code_layer", "message"),
    [
        (nested, "hidden", "several layers are called 'hidden': encoder/hidden, deco"),
        (
            nested,
            "other",
            r"no layer is called 'other'. There are:\n.*encoder/hid",
        ),
        (nested, "end", "the code cannot be the output of 'decoder/end', which is the"),
        (nested, "decoder", "the code cannot be the output of 'decoder', which is the"),
        (twice, "inner", "the layer 'inner' is used 2 times. Name one that is used"),
        (twice, None, "several layers are the narrowest"),
        (bypassed, None, "cannot be cut after 'encoder': other layers bypass it"),
    ],
)
def test_what_cannot_be_cut(make, code_layer, message):
    with pytest.raises(ValueError, match=message):
        fit(make(), code_layer)


def test_autoencoders_of_fitted_estimators(tmp_path):
    """As they are, and as ModelCheckpoint writes them."""
    path = tmp_path / "autoencoder.keras"
    fitted = AutoencoderTransformer(
        2,
        architecture=DenseArchitecture((4,)),
        epochs=1,
        random_state=0,
        callbacks=[keras.callbacks.ModelCheckpoint(path)],
    ).fit(X)
    for model in (fitted.autoencoder_, keras.models.load_model(path)):
        again = fit(model)
        expected = model.predict(X, verbose=0)
        np.testing.assert_allclose(again.reconstruct(X), expected, atol=1e-5)


def test_autoencoders_of_variational_estimators():
    fitted = AutoencoderTransformer(
        2, architecture=VariationalArchitecture((4,)), epochs=1, random_state=0
    ).fit(X)
    with pytest.raises(ValueError, match=r"several layers are (?s:.*) sampling"):
        fit(fitted.autoencoder_)
    with pytest.raises(ValueError, match="cut after 'code': other layers bypass it"):
        fit(fitted.autoencoder_, "code")
    again = fit(fitted.autoencoder_, "sampling")
    np.testing.assert_allclose(again.transform(X), fitted.transform(X), atol=1e-5)


def test_models_that_a_function_builds():
    """What it has built need not be copied."""

    def build():
        bend = layers.Lambda(lambda x: 2 * x, name="bend")
        encoder = sequential(6, bend, layers.Dense(2, name="code"), name="encoder")
        inputs = keras.Input((6,))
        return keras.Model(inputs, halves()[1](encoder(inputs)))

    architecture = KerasArchitecture(build, code_layer="code")
    fitted = AutoencoderTransformer(
        architecture=architecture, epochs=1, random_state=0
    ).fit(X)
    expected = fitted.autoencoder_.predict(X, verbose=0)
    np.testing.assert_allclose(fitted.reconstruct(X), expected, atol=1e-5)
