import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture, NetworkSpec, VariationalArchitecture


@pytest.fixture(scope="module")
def fitted(X):
    """Fitted; a test that changes it takes a copy."""
    return AutoencoderTransformer(
        3,
        architecture=VariationalArchitecture((16,), beta=0.5, warmup_steps=10),
        loss="binary_crossentropy",
        epochs=3,
        random_state=0,
    ).fit(X)


@pytest.fixture(scope="module")
def fitted_on_images(X):
    return AutoencoderTransformer(
        3,
        architecture=VariationalArchitecture((16,)),
        epochs=2,
        random_state=0,
    ).fit(X.reshape(-1, 8, 8))


def build(shape=(64,), n_components=3, random_state=0, learning_rate=0.0, **parameters):
    """Build networks whose autoencoder is compiled; by default it learns nothing."""
    architecture = VariationalArchitecture((16,), **parameters)
    networks = architecture.build(
        NetworkSpec(shape, n_components), random_state=random_state
    )
    optimizer = keras.optimizers.SGD(learning_rate)
    networks.autoencoder.compile(optimizer, loss="mean_squared_error")
    return networks


def set_log_variance(networks, value):
    layer = networks.autoencoder.get_layer("log_variance")
    kernel, bias = layer.get_weights()
    layer.set_weights([np.zeros_like(kernel), np.full_like(bias, value)])


def values(networks, X, train=False):
    """Whatever Keras says of a batch: "loss", which is the total, and "kl_loss"."""
    network = networks.autoencoder
    network.reset_metrics()
    run = network.train_on_batch if train else network.test_on_batch
    return {name: float(v) for name, v in run(X, X, return_dict=True).items()}


def draw(networks, X):
    network = networks.autoencoder
    codes = keras.Model(network.input, network.get_layer("sampling").output)
    return keras.ops.convert_to_numpy(codes(X, training=True))


@pytest.mark.parametrize("beta", [0, 1.0, 4])
@pytest.mark.parametrize("shape", [(64,), (8, 8)])
def test_loss_is_error_and_divergence_from_the_prior(X, shape, beta):
    X = 3 * X.reshape(-1, *shape)
    networks = build(shape, beta=beta)
    network = networks.autoencoder
    log_variance = keras.Model(network.input, network.get_layer("log_variance").output)
    mean = networks.encoder.predict(X, verbose=0).astype(float)
    log_variance = log_variance.predict(X, verbose=0).astype(float)
    divergence = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1)
    assert divergence.mean() > 0.1
    kl_loss = divergence.mean() / 64
    error = ((X - networks.decoder.predict(mean, verbose=0)) ** 2).mean()
    found = values(networks, X)
    assert found["kl_loss"] == pytest.approx(kl_loss, rel=1e-4)
    assert found["loss"] == pytest.approx(error + beta * kl_loss, rel=1e-4)
    assert values(networks, X, train=True)["kl_loss"] == pytest.approx(found["kl_loss"])


def test_divergence_of_the_prior_from_itself_is_zero(X):
    networks = build()
    layer = networks.encoder.get_layer("code")
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    set_log_variance(networks, 0)
    assert values(networks, X)["kl_loss"] == pytest.approx(0, abs=1e-7)


def test_training_draws_codes_around_the_mean(X):
    networks = build()
    rows = np.repeat(X[:1], 5000, axis=0)
    mean = networks.encoder.predict(X[:1], verbose=0)
    set_log_variance(networks, np.log(0.25))
    first, second = draw(networks, rows), draw(networks, rows)
    np.testing.assert_allclose(first.mean(axis=0), mean[0], atol=0.05)
    np.testing.assert_allclose(first.std(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(np.corrcoef(first.T), np.eye(3), atol=0.08)
    assert (first != second).all()


def test_nothing_is_random_outside_training(fitted, X):
    codes = fitted.transform(X)
    np.testing.assert_allclose(
        fitted.autoencoder_.predict(X, verbose=0),
        fitted.inverse_transform(codes),
        atol=1e-5,
    )


def test_warmup(X):
    networks = build(beta=2.0, warmup_steps=4)
    set_log_variance(networks, -60)  # no noise to speak of
    evaluated = values(networks, X)
    error = evaluated["loss"] - 2 * evaluated["kl_loss"]
    for step in range(7):
        found = values(networks, X, train=True)
        expected = error + 2 * min(step / 4, 1) * evaluated["kl_loss"]
        assert found["loss"] == pytest.approx(expected, rel=1e-4)
        assert found["kl_loss"] == pytest.approx(evaluated["kl_loss"], rel=1e-4)
        assert values(networks, X) == pytest.approx(evaluated)  # the whole beta, always


def test_without_warmup_beta_counts_at_once(X):
    networks = build(beta=2.0)
    set_log_variance(networks, -60)
    trained, evaluated = values(networks, X, train=True), values(networks, X)
    assert trained["loss"] == pytest.approx(evaluated["loss"], rel=1e-4)


def test_warmup_goes_on_in_partial_fit(X):
    autoencoder = AutoencoderTransformer(
        3,
        architecture=VariationalArchitecture((16,), warmup_steps=25),
        batch_size=30,
        random_state=0,
    )
    steps = []
    for _ in range(3):
        autoencoder.partial_fit(X)
        networks = pickle.loads(pickle.dumps(autoencoder))
        steps += [int(networks.autoencoder_.get_layer("sampling").step.numpy())]
    assert steps == [10, 20, 25]


def test_variance_does_not_overflow_and_recovers(X):
    networks = build(learning_rate=1e-3)
    set_log_variance(networks, 500)
    assert all(np.isfinite(value) for value in values(networks, X).values())
    layer = networks.autoencoder.get_layer("log_variance")
    before = layer.get_weights()[1]
    values(networks, X, train=True)
    after = layer.get_weights()[1]
    assert np.isfinite(after).all()
    assert (after < before).all()


def test_beta_moves_codes_towards_the_prior(X):
    divergences = []
    for beta in (0.01, 0.2, 50):
        autoencoder = AutoencoderTransformer(
            3,
            architecture=VariationalArchitecture((16,), beta=beta),
            learning_rate=1e-2,
            epochs=20,
            patience=None,
            random_state=0,
        ).fit(X)
        network = autoencoder.autoencoder_
        network.compile(loss="mean_squared_error")
        divergences.append(network.test_on_batch(X, X, return_dict=True)["kl_loss"])
    assert divergences[0] > 1.2 * divergences[1] > 20 * divergences[2]


def test_both_engines_agree(fitted, X):
    watched = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: watched.append(batch)
    )
    batch_wise = clone(fitted).set_params(callbacks=[callback]).fit(X)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(
            batch_wise.history_[name], fitted.history_[name], rtol=1e-4
        )
    np.testing.assert_allclose(
        batch_wise.transform(X), fitted.transform(X), atol=1e-4, rtol=1e-3
    )


def test_half_precision_does_not_overflow(X):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        networks = build()
        set_log_variance(networks, 30)
        found = values(networks, X)
        drawn = draw(networks, X)
        decoded = networks.decoder(drawn)
    finally:
        keras.config.set_dtype_policy("float32")
    variance = np.exp(10) * 21  # linear from 10 on
    expected = 1.5 * (variance - 1 - np.log(variance)) / 64
    assert found["kl_loss"] == pytest.approx(expected, rel=0.01)
    assert np.isfinite(drawn).all()
    assert decoded.dtype == "float16"  # the rest has the precision asked for


def test_two_builds_with_one_seed_agree(X):
    first, same, other = (build(random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(draw(first, X), draw(same, X))
    np.testing.assert_array_equal(draw(first, X), draw(same, X))  # the next ones too
    assert (draw(first, X) != draw(other, X)).any()
    pairs = zip(first.autoencoder.weights, same.autoencoder.weights, strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_two_fits_with_one_seed_agree(fitted, X):
    again = clone(fitted).fit(X)
    assert again.history_ == fitted.history_
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


def test_halves_share_weights_with_the_autoencoder():
    networks = build()
    halves = networks.encoder.weights + networks.decoder.weights
    rest = networks.autoencoder.get_layer("log_variance").weights
    whole = {id(weight) for weight in networks.autoencoder.weights}
    assert whole == {id(weight) for weight in halves + rest}
    assert networks.autoencoder.count_params() == sum(
        [64 * 16 + 16, 2 * (16 * 3 + 3), 3 * 16 + 16, 16 * 64 + 64]
    )


@pytest.mark.parametrize("hidden_layer_sizes", [(), 5, (7, 4)])
def test_decoder_mirrors_the_encoder(hidden_layer_sizes):
    networks = VariationalArchitecture(hidden_layer_sizes, "elu").build(
        NetworkSpec((4, 5), 3)
    )
    encoder, decoder = (
        [layer.units for layer in half.layers if hasattr(layer, "units")]
        for half in (networks.encoder, networks.decoder)
    )
    assert encoder[-1] == 3
    assert decoder == [*encoder[-2::-1], 20]
    assert networks.autoencoder.output_shape == (None, 4, 5)


def test_auto_output_activation_follows_the_loss(fitted, fitted_on_images):
    def output_activation(autoencoder):
        layers = autoencoder.decoder_.layers
        return [v.activation.__name__ for v in layers if hasattr(v, "units")][-1]

    assert output_activation(fitted) == "sigmoid"
    assert output_activation(fitted_on_images) == "linear"


@pytest.mark.parametrize(
    "parameters",
    [
        {"beta": -1},
        {"beta": None},
        {"warmup_steps": -1},
        {"warmup_steps": 0.5},
        {"activation": None},
        {"hidden_layer_sizes": 0},
    ],
)
def test_bad_parameters(parameters):
    (name,) = parameters
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter"):
        VariationalArchitecture(**parameters).build(NetworkSpec((8,), 2))


def test_bad_hidden_layer_size():
    with pytest.raises(ValueError, match=r"VariationalArchitecture.*positive ints"):
        VariationalArchitecture((4, -1)).build(NetworkSpec((8,), 2))


def test_pickle(fitted, X):
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(back.sample(3, 0), fitted.sample(3, 0))
    back.partial_fit(X)
    assert back.history_["loss"][-1] < fitted.history_["loss"][0]


def test_keras_saves_and_loads(fitted, X, tmp_path):
    path = tmp_path / "autoencoder.keras"
    fitted.autoencoder_.save(path)
    loaded = keras.models.load_model(path)
    expected = fitted.autoencoder_.predict(X, verbose=0)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), expected)
    sampling, loaded_sampling = (
        network.get_layer("sampling") for network in (fitted.autoencoder_, loaded)
    )
    assert loaded_sampling.get_config() == sampling.get_config()
    assert loaded_sampling.step.numpy() == sampling.step.numpy() == 10


def test_keras_loads_in_a_new_process(fitted, X, tmp_path):
    fitted.autoencoder_.save(tmp_path / "autoencoder.keras")
    np.save(tmp_path / "X.npy", X)
    code = """
import sys
import keras, numpy as np
from skae.architectures import custom_objects
folder = sys.argv[1]
network = keras.models.load_model(
    folder + "/autoencoder.keras",
    custom_objects=custom_objects(),
)
output = network.predict(np.load(folder + "/X.npy"), verbose=0)
np.save(folder + "/output.npy", output)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    expected = fitted.autoencoder_.predict(X, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "output.npy"), expected, atol=1e-6)


def test_detector_takes_it(X):
    detector = AutoencoderOutlierDetector(
        3, architecture=VariationalArchitecture((16,)), epochs=2, random_state=0
    ).fit(X)
    scores = detector.score_samples(np.r_[X, 1 - X])
    assert scores[: len(X)].mean() > scores[len(X) :].mean()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sample_is_what_the_decoder_makes_of_the_prior(fitted, dtype):
    rows = fitted.sample(500, random_state=0)
    assert rows.shape == (500, 64)
    assert rows.dtype == np.float64
    codes = fitted.architecture_.sample_codes(500, 3, random_state=0)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(3), atol=0.2)
    decoded = fitted.inverse_transform(codes.astype(dtype))
    np.testing.assert_allclose(rows, decoded, atol=1e-5)


def test_sample_images(fitted_on_images):
    assert fitted_on_images.sample().shape == (1, 8, 8)
    assert fitted_on_images.sample(5).shape == (5, 8, 8)


def test_sample_follows_random_state(fitted):
    before = np.random.get_state()
    rows = fitted.sample(4, random_state=0)
    np.testing.assert_array_equal(fitted.sample(4, random_state=0), rows)
    assert (fitted.sample(4, random_state=1) != rows).any()
    rng = np.random.RandomState(0)
    np.testing.assert_array_equal(fitted.sample(4, random_state=rng), rows)
    assert (fitted.sample(4, random_state=rng) != rows).any()
    for a, b in zip(before, np.random.get_state(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (fitted.sample(4) != fitted.sample(4)).any()


@pytest.mark.parametrize("architecture", [None, DenseArchitecture((16,))])
def test_no_sample_without_a_prior(X, architecture):
    autoencoder = AutoencoderTransformer(architecture=architecture, epochs=1)
    assert not hasattr(autoencoder, "sample")
    autoencoder.fit(X).set_params(architecture=VariationalArchitecture())
    assert not hasattr(autoencoder, "sample")  # it is what was fitted that counts
    with pytest.raises(AttributeError, match="no attribute 'sample'") as caught:
        autoencoder.sample()
    assert "DenseArchitecture has none" in str(caught.value.__cause__)


def test_no_sample_before_fit():
    autoencoder = AutoencoderTransformer(architecture=VariationalArchitecture())
    with pytest.raises(NotFittedError):
        autoencoder.sample()


@pytest.mark.parametrize(
    ("n_samples", "error"), [(0, ValueError), (-2, ValueError), (1.5, TypeError)]
)
def test_bad_n_samples(fitted, n_samples, error):
    with pytest.raises(error, match="n_samples"):
        fitted.sample(n_samples)
