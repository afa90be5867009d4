"""Tied weights, normalization, penalties and noise of dense autoencoders, by value."""

import copy
import pickle

import numpy as np
import pytest
from _helpers import EachBatch, output_of
from sklearn.utils._param_validation import InvalidParameterError

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture, NetworkSpec

# An optimizer that leaves all weights as they are, so that losses are of known ones.
AT_REST = {"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 1}

rng = np.random.RandomState(0)
ROWS = rng.normal(size=(2000, 6)) @ rng.normal(size=(6, 6)) / 3


def make(n_components=3, hidden_layer_sizes=(5,), *, loss=None, **extras):
    """Make an estimator that does not hold out rows."""
    extras = {"start": "random"} | extras
    training = {
        name: extras.pop(name)
        for name in ("optimizer", "learning_rate", "epochs")
        if name in extras
    }
    return AutoencoderTransformer(
        n_components,
        architecture=DenseArchitecture(hidden_layer_sizes, **extras),
        loss=loss,
        validation_fraction=None,
        random_state=0,
        **{"epochs": 3} | training,
    )


def silu(x):
    return x / (1 + np.exp(-x))


def arrays(model):
    return [variable.numpy() for variable in model.variables]


def kernels(autoencoder):
    """Kernels of all layers of the autoencoder, each once."""
    return [w for w in arrays(autoencoder.autoencoder_) if w.ndim == 2]


def squared_error(autoencoder, X):
    """Mean squared error of reconstructions, as Keras gives them."""
    return np.mean((X - output_of(autoencoder.autoencoder_, X)) ** 2)


def penalty(autoencoder, prefix=""):
    """What the last epoch's loss has beyond the reconstruction's."""
    history = autoencoder.history_
    return history[f"{prefix}loss"][-1] - history[f"{prefix}reconstruction_loss"][-1]


@pytest.mark.parametrize("sizes", [(), (5,), (5, 4)])
def test_tied_weights_after_training(sizes):
    autoencoder = make(3, sizes, tied_weights=True, activation="tanh").fit(ROWS)
    encoder = [layer for layer in autoencoder.encoder_.layers if layer.weights]
    decoder = [layer for layer in autoencoder.decoder_.layers if layer.weights]
    n_biases = sum(sizes) * 2 + 3 + 6
    n_weights = sum(layer.kernel.numpy().size for layer in encoder)
    assert autoencoder.autoencoder_.count_params() == n_weights + n_biases
    codes = values = autoencoder.transform(ROWS[:20])
    for i, (layer, tied) in enumerate(zip(decoder, encoder[::-1], strict=True)):
        values = values @ tied.kernel.numpy().T + layer.bias.numpy()
        values = np.tanh(values) if i < len(sizes) else values
    np.testing.assert_allclose(autoencoder.inverse_transform(codes), values, atol=1e-5)
    fresh = make(3, sizes, tied_weights=True, activation="tanh", **AT_REST).fit(ROWS)
    assert autoencoder.score(ROWS) > fresh.score(ROWS)


def test_tied_weights_of_images_survive_copies():
    images = ROWS[:200].reshape(200, 2, 3)
    autoencoder = make(tied_weights=True).fit(images)
    assert autoencoder.inverse_transform(autoencoder.transform(images)).shape == (
        (200, 2, 3)
    )
    for copied in (
        pickle.loads(pickle.dumps(autoencoder)),
        copy.deepcopy(autoencoder),
    ):
        np.testing.assert_array_equal(
            copied.transform(images), autoencoder.transform(images)
        )
        copied.partial_fit(images)  # the copy is tied as well
        code = copied.encoder_.layers[-1].kernel.numpy()
        codes = np.eye(3, dtype="f4")
        hidden = copied.decoder_.layers[1]
        expected = silu(codes @ code.T + hidden.bias.numpy())
        np.testing.assert_allclose(hidden(codes), expected, atol=1e-6)


@pytest.mark.parametrize("tied_weights", [False, True])
@pytest.mark.parametrize("by_keras", [False, True], ids=["compiled", "keras"])
def test_kernel_penalties(tied_weights, by_keras):
    l1, l2 = 0.02, 0.3
    autoencoder = make(
        kernel_l1=l1, kernel_l2=l2, tied_weights=tied_weights, **AT_REST
    ).set_params(callbacks=[EachBatch()] if by_keras else None)
    autoencoder.fit(ROWS, X_val=ROWS[:100])
    expected = sum(l1 * abs(w).sum() + l2 * (w**2).sum() for w in kernels(autoencoder))
    assert len(kernels(autoencoder)) == (2 if tied_weights else 4)
    assert penalty(autoencoder) == pytest.approx(expected, rel=1e-4)
    assert penalty(autoencoder, "val_") == pytest.approx(expected, rel=1e-4)
    error = squared_error(autoencoder, ROWS)
    assert autoencoder.history_["reconstruction_loss"] == pytest.approx([error], 1e-4)


def test_kernel_penalty_leaves_the_anchor_alone():
    anchored = make(kernel_l1=1.0, kernel_l2=1.0, start="pca", **AT_REST).fit(ROWS)
    own = {"linear_code", "linear_reconstruction"}
    halves = (anchored.encoder_, anchored.decoder_)
    penalized = [
        layer.kernel.numpy()
        for half in halves
        for layer in half.layers
        if hasattr(layer, "kernel") and layer.name not in own
    ]
    assert len(penalized) == 4
    expected = sum(abs(w).sum() + (w**2).sum() for w in penalized)
    assert penalty(anchored) == pytest.approx(expected, rel=1e-4)


def test_kernel_penalty_makes_weights_small():
    sizes = [
        sum((w**2).sum() for w in kernels(make(kernel_l2=l2, epochs=10).fit(ROWS)))
        for l2 in (0, 0.01, 0.1)
    ]
    assert sizes[2] < 0.5 * sizes[1] < 0.5 * sizes[0]


@pytest.mark.parametrize("extras", [{}, {"start": "pca"}, {"tied_weights": True}])
def test_code_penalty(extras):
    autoencoder = make(code_l1=0.5, **extras, **AT_REST).fit(ROWS, X_val=ROWS[:100])
    for prefix, X in (("", ROWS), ("val_", ROWS[:100])):
        expected = 0.5 * abs(autoencoder.transform(X)).sum(axis=1).mean()
        assert penalty(autoencoder, prefix) == pytest.approx(expected, rel=1e-4)


def test_code_penalty_makes_codes_sparse():
    shares = []
    for code_l1 in (0, 0.03):
        autoencoder = make(6, (16,), code_l1=code_l1, code_activation="relu", epochs=30)
        shares.append(np.mean(autoencoder.fit_transform(ROWS) == 0))
    assert shares[1] > shares[0] + 0.1


def test_contractive_penalty_is_the_norm_of_the_jacobian():
    for activation, slope in (
        ("linear", lambda codes: np.ones_like(codes)),
        ("tanh", lambda codes: 1 - codes**2),
    ):
        autoencoder = make(
            hidden_layer_sizes=(),
            code_activation=activation,
            contractive=0.5,
            **AT_REST,
        ).fit(ROWS)
        kernel = autoencoder.encoder_.layers[-1].kernel.numpy()
        squared = slope(autoencoder.transform(ROWS)) ** 2 @ (kernel**2).sum(axis=0)
        expected = 0.5 * squared.mean()
        assert penalty(autoencoder) == pytest.approx(expected, rel=0.1)


def test_contractive_penalty_contracts():
    """Codes become small, and the decoder larger: only the encoder counts."""
    norms = []
    for contractive in (0, 0.3):
        autoencoder = make(contractive=contractive, epochs=20).fit(ROWS)
        codes = autoencoder.transform(ROWS)
        moved = autoencoder.transform(ROWS + 0.01 * rng.normal(size=ROWS.shape))
        norms.append(((moved - codes) ** 2).sum(axis=1).mean() / 0.01**2)
    assert norms[1] < 0.5 * norms[0]


def pca_parts():
    """A linear autoencoder at PCA: its residuals, projections and projection matrix."""
    mean = ROWS.mean(axis=0)
    projection = np.linalg.svd(ROWS - mean)[2][:2]
    projection = projection.T @ projection
    return (ROWS - mean) @ (np.eye(6) - projection), projection


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_noise_is_in_training_only_and_its_target_is_clean(noise):
    """Of the noise, only what goes through the plane of PCA comes out again.

    Were the noisy input the target, it would be what does not go through.
    """
    autoencoder = make(2, (), start="pca", noise=noise, **AT_REST)
    autoencoder.fit(ROWS, X_val=ROWS)
    residuals, _ = pca_parts()
    clean = (residuals**2).sum(axis=1).mean()
    history = autoencoder.history_
    assert history["loss"][0] * 6 == pytest.approx(clean + 2 * noise**2, rel=0.1)
    assert history["val_loss"][0] * 6 == pytest.approx(clean, rel=1e-4)


@pytest.mark.parametrize("masking", [0.2, 0.7])
def test_masking_is_in_training_only_and_its_target_is_clean(masking):
    autoencoder = make(2, (), start="pca", masking=masking, **AT_REST)
    autoencoder.fit(ROWS, X_val=ROWS)
    residuals, projection = pca_parts()
    clean = (residuals**2).sum(axis=1).mean()
    # Mean and variance of what the masked values leave out in the plane.
    left_out = masking**2 * ((ROWS @ projection) ** 2).sum(axis=1).mean()
    left_out += masking * (1 - masking) * (ROWS**2 @ np.diag(projection)).mean()
    history = autoencoder.history_
    assert history["loss"][0] * 6 == pytest.approx(clean + left_out, rel=0.05)
    assert history["val_loss"][0] * 6 == pytest.approx(clean, rel=1e-4)


def test_noise_of_images():
    images = ROWS.reshape(-1, 2, 3)
    flat, shaped = (
        make(2, (), start="pca", noise=0.5, masking=0.3, **AT_REST).fit(X)
        for X in (ROWS, images)
    )
    losses = [a.history_["loss"][0] for a in (flat, shaped)]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] > 1.2 * squared_error(flat, ROWS)


def test_dropout_is_in_training_only():
    """In a linear network dropout is unbiased, and adds its variance to the loss."""
    for dropout in (0.0, 0.5):
        autoencoder = make(
            6, (64,), dropout=dropout, activation="linear", **AT_REST
        ).fit(ROWS, X_val=ROWS)
        history = autoencoder.history_
        clean = squared_error(autoencoder, ROWS)
        assert history["val_loss"][0] == pytest.approx(clean, rel=1e-4)
        assert (history["loss"][0] > 1.1 * clean) == bool(dropout)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_normalization_is_between_hidden_layer_and_activation(kind):
    autoencoder = make(3, (5,), normalization=kind, epochs=5).fit(ROWS)
    hidden, normalization, code = (
        autoencoder.encoder_.get_layer(name)
        for name in ("hidden_1", "normalization_1", "code")
    )
    kernel, bias = arrays(hidden)
    values = ROWS @ kernel + bias
    if kind == "batch":
        gamma, beta, mean, variance = arrays(normalization)
        assert not np.allclose(variance, 1)  # it has learnt from the rows
    else:
        gamma, beta = arrays(normalization)
        mean = values.mean(axis=1, keepdims=True)
        variance = values.var(axis=1, keepdims=True)
    values = (values - mean) / np.sqrt(variance + normalization.epsilon)
    kernel, bias = arrays(code)
    expected = silu(values * gamma + beta) @ kernel + bias
    np.testing.assert_allclose(autoencoder.transform(ROWS), expected, atol=1e-4)


def test_decoder_of_its_own_shape():
    networks = DenseArchitecture(
        (7, 5), decoder_hidden_layer_sizes=(4, 3, 2), start="random"
    ).build(NetworkSpec((10,), 3))
    units = [layer.units for layer in networks.decoder.layers if hasattr(layer, "bias")]
    assert units == [4, 3, 2, 10]
    assert DenseArchitecture((7, 5), decoder_hidden_layer_sizes=[5, 7]).build(
        NetworkSpec((10,), 3)
    ).decoder.count_params() == (
        DenseArchitecture((7, 5)).build(NetworkSpec((10,), 3)).decoder.count_params()
    )


def test_everything_at_once_is_reproducible_and_pickles():
    extras = {
        "noise": 0.1,
        "masking": 0.1,
        "dropout": 0.1,
        "normalization": "layer",
        "code_l1": 1e-3,
        "kernel_l2": 1e-4,
        "tied_weights": True,
    }
    first, second = (make(**extras).fit(ROWS) for _ in range(2))
    codes = first.transform(ROWS)
    np.testing.assert_array_equal(second.transform(ROWS), codes)
    np.testing.assert_array_equal(first.transform(ROWS), codes)
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(again.transform(ROWS), codes)
    # Training goes on likewise, noise included.
    for autoencoder in (first, again):
        autoencoder.partial_fit(ROWS)
    np.testing.assert_array_equal(again.transform(ROWS), first.transform(ROWS))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"tied_weights": True, "decoder_hidden_layer_sizes": (4,)},
            r"tied_weights=True .*hidden_layer_sizes=\[5\].*decoder_.*=\[4\].*None",
        ),
        (
            {"contractive": 0.1, "dropout": 0.2},
            r"contractive .*dropout=0.2, normalization=None. Set dropout=0",
        ),
        (
            {"contractive": 0.1, "normalization": "batch"},
            r"contractive .*dropout=0.0, normalization='batch'. Set dropout=0",
        ),
        (
            {"decoder_hidden_layer_sizes": (4, 0)},
            r"decoder_hidden_layer_sizes has to hold positive ints only, got \(4, 0\)",
        ),
    ],
)
def test_contradicting_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(ROWS)


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "start": ["none", None, 1],
        "tied_weights": ["yes", None],
        "normalization": ["instance", True],
        "dropout": [1, -0.1, None],
        "kernel_l1": [-1, "small"],
        "kernel_l2": [-1, None],
        "code_l1": [-1],
        "noise": [-0.1, None],
        "masking": [1, -0.1],
        "contractive": [-1, "yes"],
    }.items(),
)
def test_bad_parameters(name, values):
    for value in values:
        with pytest.raises(InvalidParameterError, match=f"{name!r} parameter"):
            DenseArchitecture(**{name: value}).build(NetworkSpec((6,), 2))
