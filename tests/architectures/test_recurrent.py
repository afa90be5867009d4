import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import NetworkSpec, RecurrentArchitecture


@pytest.fixture(scope="module")
def windows():
    """Sines and cosines of 12 steps, each of its own phase."""
    rng = np.random.RandomState(0)
    angles = np.arange(12) / 2 + rng.uniform(0, 6, size=(160, 1))
    return np.stack([np.sin(angles), np.cos(angles)], axis=2)


@pytest.fixture(scope="module")
def fitted(windows):
    """Fitted; a test that changes it takes a copy."""
    return AutoencoderTransformer(
        2,
        architecture=RecurrentArchitecture(12, cell="gru"),
        learning_rate=0.02,
        epochs=25,
        random_state=0,
    ).fit(windows)


def build(shape, n_components=2, **parameters):
    parameters = {"units": (4, 3), **parameters}
    return RecurrentArchitecture(**parameters).build(
        NetworkSpec(shape, n_components), random_state=0
    )


@pytest.mark.parametrize(("cell", "kind"), [("lstm", "LSTM"), ("gru", "GRU")])
@pytest.mark.parametrize(
    ("units", "expected"), [(5, [5]), ((5, 3), [5, 3]), (np.array([5, 3]), [5, 3])]
)
def test_decoder_mirrors_the_encoder(cell, kind, units, expected):
    networks = build((6, 2), 4, units=units, cell=cell)
    encoder, decoder = (
        [
            (type(layer).__name__, layer.units)
            for layer in half.layers[1:]
            if hasattr(layer, "units")
        ]
        for half in (networks.encoder, networks.decoder)
    )
    assert encoder == [*((kind, n) for n in expected), ("Dense", 4)]
    assert decoder == [*((kind, n) for n in expected[::-1]), ("Dense", 2)]
    assert networks.code_shape == (4,)
    assert networks.decoder.output_shape == (None, 6, 2)


def test_number_of_parameters():
    networks = RecurrentArchitecture(32).build(NetworkSpec((30, 2), 2))
    lstm = 4 * 32 * (2 + 32 + 1)
    dense = 32 * 2 + 2  # the same one at each time step
    assert networks.encoder.count_params() == lstm + dense
    assert networks.decoder.count_params() == lstm + dense


@pytest.mark.parametrize("step", [0, 7])
def test_each_step_reaches_the_code_and_comes_of_it(step):
    networks = build((8, 1), units=3)
    x = np.random.RandomState(0).normal(size=(1, 8, 1))
    changed = x.copy()
    changed[0, step] += 1
    both = np.concatenate([x, changed])
    codes = networks.encoder.predict(both, verbose=0)
    assert np.abs(codes[1] - codes[0]).max() > 1e-4
    outputs = networks.decoder.predict(codes, verbose=0)
    assert np.abs(outputs[1] - outputs[0])[step].max() > 1e-6


def test_activations():
    networks = RecurrentArchitecture(3, code_activation="tanh").build(
        NetworkSpec((5, 2), 2, output_activation="sigmoid")
    )
    assert networks.encoder.layers[-1].activation.__name__ == "tanh"
    assert networks.decoder.layers[-1].activation.__name__ == "sigmoid"
    networks = RecurrentArchitecture(3, output_activation="elu").build(
        NetworkSpec((5, 2), 2, output_activation="sigmoid")
    )
    assert networks.encoder.layers[-1].activation.__name__ == "linear"
    assert networks.decoder.layers[-1].activation.__name__ == "elu"


def test_flat_rows():
    flat, windows = build((10,), sample_shape=(5, 2)), build((5, 2))
    assert flat.decoder.output_shape == (None, 10)
    x = np.random.RandomState(0).normal(size=(3, 10))
    np.testing.assert_allclose(
        flat.autoencoder.predict(x, verbose=0),
        windows.autoencoder.predict(x.reshape(3, 5, 2), verbose=0).reshape(3, 10),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("sample_shape", "parameters", "words"),
    [
        ((30,), {}, ["(30,)", "Reshape X", "sample_shape=(time, features)"]),
        ((8, 8, 3), {}, ["(8, 8, 3)", "(n_samples, time, features)"]),
        ((30,), {"sample_shape": (7, 4)}, ["(7, 4)", "28", "30"]),
        ((30,), {"sample_shape": (30,)}, ["(30,)", "(time, features)"]),
        ((6, 5), {"sample_shape": (5, 6)}, ["(5, 6)", "(6, 5)", "Leave sample_shape"]),
        ((6, 5), {"units": ()}, ["units", "at least one positive int"]),
        ((6, 5), {"units": (4, -1)}, ["units", "(4, -1)"]),
        ((6, 5), {"n_components": None}, ["n_components"]),
    ],
)
def test_what_does_not_fit(sample_shape, parameters, words):
    with pytest.raises(ValueError, match="RecurrentArchitecture") as caught:
        build(sample_shape, **parameters)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize("parameters", [{"units": 0}, {"cell": "rnn"}])
def test_invalid_parameters(parameters):
    with pytest.raises(ValueError, match=f"{next(iter(parameters))!r} parameter"):
        build((6, 5), **parameters)


def test_it_learns(fitted, windows):
    assert fitted.score(windows) > 0.8
    codes = fitted.transform(windows)
    assert codes.shape == (160, 2)
    assert codes.dtype == windows.dtype
    assert fitted.inverse_transform(codes).shape == windows.shape


def test_outliers_stand_out(windows):
    detector = AutoencoderOutlierDetector(
        2,
        architecture=RecurrentArchitecture(12, cell="gru"),
        learning_rate=0.02,
        epochs=25,
        random_state=0,
    ).fit(windows[:120])
    # The same values, with time running backwards
    scores = [
        *detector.score_samples(windows[120:]),
        *detector.score_samples(windows[120:, ::-1]),
    ]
    assert roc_auc_score([1] * 40 + [0] * 40, scores) > 0.9
