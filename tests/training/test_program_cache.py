"""Compiled training is kept for later fits, and is right for each of them."""

import dataclasses
import threading
import tracemalloc

import keras
import numpy as np
import pytest
from _helpers import weights

from skae import AutoencoderTransformer
from skae._formats import RowSource, _sources
from skae._training import TrainingLoss, TrainingOptions, _engines, _program_cache
from skae._training._engines import choose_engine
from skae._training._program_cache import (
    MAX_PROGRAMS,
    MAX_VALUES,
    POOL,
    ProgramPool,
    program_key,
)
from skae.architectures import (
    BaseArchitecture,
    DenseArchitecture,
    Networks,
    NetworkSpec,
)

# Other tests cover these lines; coverage makes TensorFlow's tracing slow.
no_cover = pytest.mark.no_cover


class Layered(BaseArchitecture):
    """Dense layers with something in between that changes the arithmetic."""

    def __init__(self, extra="none"):
        self.extra = extra

    def build_networks(self, spec):
        sample_shape, n_components, output_activation = (
            spec.sample_shape,
            spec.n_components,
            spec.output_activation,
        )
        layers, regularizers = keras.layers, keras.regularizers
        extra = {
            "none": lambda: [layers.Dense(8)],
            "regularizer": lambda: [layers.Dense(8, kernel_regularizer="l2")],
            "activity": lambda: [
                layers.Dense(8, activity_regularizer=regularizers.L1(0.01))
            ],
            "batch norm": lambda: [layers.Dense(8), layers.BatchNormalization()],
            "layer norm": lambda: [layers.Dense(8), layers.LayerNormalization()],
            "constraint": lambda: [layers.Dense(8, kernel_constraint="non_neg")],
            "frozen": lambda: [layers.Dense(8, trainable=False)],
            "all frozen": lambda: [layers.Dense(8)],
            "dropout": lambda: [layers.Dense(8), layers.Dropout(0.3)],
            "noise": lambda: [layers.GaussianNoise(0.3), layers.Dense(8)],
            "convolution": lambda: [
                layers.Reshape((*sample_shape, 1)),
                layers.Conv1D(1, 3),
                layers.Flatten(),
            ],
        }[self.extra]()
        encoder = keras.Sequential(
            [keras.Input(sample_shape), *extra, layers.Dense(n_components)]
        )
        decoder = keras.Sequential(
            [
                keras.Input((n_components,)),
                layers.Dense(*sample_shape, activation=output_activation),
            ]
        )
        encoder.trainable = decoder.trainable = self.extra != "all frozen"
        return Networks.from_halves(encoder, decoder)


class Harmonic(keras.optimizers.schedules.LearningRateSchedule):
    """Its rates are float64, as a ratio of integers is in TensorFlow."""

    def __call__(self, step):
        return 0.01 * (1 / (step + 1))

    def get_config(self):
        return {}


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)


VARIANTS = {
    "plain": {},
    "regularizer": {"architecture": Layered("regularizer")},
    "activity": {"architecture": Layered("activity")},
    "batch norm": {"architecture": Layered("batch norm")},
    "layer norm": {"architecture": Layered("layer norm")},
    "constraint": {"architecture": Layered("constraint")},
    "frozen": {"architecture": Layered("frozen")},
    "convolution": {"architecture": Layered("convolution")},
    "dropout": {"architecture": Layered("dropout")},
    "noise": {"architecture": Layered("noise")},
    "detector's": {"architecture": DenseArchitecture((8,)), "ordered": True},
    "learning rate": {"learning_rate": 0.05},
    "schedule": {"optimizer": lambda: keras.optimizers.Adam(schedule())},
    "float64 rate": {"optimizer": lambda: keras.optimizers.Adam(Harmonic())},
    "weight decay": {"optimizer": lambda: keras.optimizers.AdamW(weight_decay=0.5)},
    "clipping": {"optimizer": lambda: keras.optimizers.SGD(0.1, clipnorm=1e-3)},
    "momentum": {"optimizer": lambda: keras.optimizers.SGD(0.1, momentum=0.9)},
    "accumulation": {
        "optimizer": lambda: keras.optimizers.Adam(gradient_accumulation_steps=3)
    },
    "huber": {"loss": lambda: keras.losses.Huber(0.1)},
    "huber, other delta": {"loss": lambda: keras.losses.Huber(0.05)},
    "sum": {"loss": lambda: keras.losses.MeanSquaredError(reduction="sum")},
    "cross-entropy": {"loss": "binary_crossentropy"},
    "absolute error": {"loss": "mae"},
    "other batches": {"batch_size": 48},
}


# Layers that draw random numbers, of which XLA and Keras draw others.
RANDOM = ("dropout", "noise", "detector's")


def fit(X, variant, **parameters):
    parameters = {
        "n_components": 3,
        "architecture": Layered(),
        "epochs": 3,
        "batch_size": 32,
        "patience": None,
        "random_state": 0,
    } | parameters
    for name, value in VARIANTS[variant].items():
        is_maker = name in ("optimizer", "loss") and callable(value)
        parameters[name] = value() if is_maker else value
    return AutoencoderTransformer(**parameters).fit(X)


VARIANTS_IN_XLA = [
    "plain",
    "regularizer",
    "schedule",
    "huber",
    "cross-entropy",
    "layer norm",
]


@pytest.fixture
def few_batches_for_xla(monkeypatch):
    """Have XLA compile whatever it may, as it does where batches are many."""
    monkeypatch.setattr(_program_cache, "MIN_BATCHES_FOR_XLA", 1)
    POOL.clear()


@no_cover
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_changes_the_arithmetic(X, variant, each_batch):
    """Compiled twice, with another fit in between, and once through Keras."""
    X = X[:110]
    first = fit(X, variant)
    fit(X, "plain" if variant != "plain" else "momentum", random_state=1)
    again = fit(X, variant)
    assert again.history_ == first.history_
    if variant not in RANDOM:
        by_keras = fit(X, variant, callbacks=[each_batch])
        for name, losses in first.history_.items():
            np.testing.assert_allclose(by_keras.history_[name], losses, rtol=1e-3)
    if variant != "plain":
        assert first.history_ != fit(X, "plain").history_


@no_cover
@pytest.mark.parametrize("variant", VARIANTS_IN_XLA)
def test_what_xla_computes(X, variant, each_batch, few_batches_for_xla):
    """The last batch has one sample."""
    X, parameters = X[:56], {"batch_size": 11, "validation_fraction": None}
    compiled = fit(X, variant, **parameters)
    by_keras = fit(X, variant, callbacks=[each_batch], **parameters)
    losses = compiled.history_["loss"]
    np.testing.assert_allclose(by_keras.history_["loss"], losses, rtol=1e-3)


@no_cover
@pytest.mark.parametrize("variant", ["plain", "batch norm", "dropout", "momentum"])
def test_the_history_of_the_process_does_not_matter(X, variant):
    check_that_history_does_not_matter(X, variant)


# Noise is drawn as for dropout, by a generator of the layer.
@no_cover
@pytest.mark.parametrize("variant", ["dropout", "detector's"])
def test_nor_does_it_in_xla(X, variant, few_batches_for_xla):
    check_that_history_does_not_matter(X, variant)


def check_that_history_does_not_matter(X, variant):
    """A program that was used before, a new one, one for callbacks: the same bits."""
    fit(X[:199], variant, random_state=1)
    used = fit(X[:199], variant)
    POOL.clear()
    new = fit(X[:199], variant)
    watched = fit(X[:199], variant, callbacks=[keras.callbacks.Callback()])
    assert np.isfinite(used.history_["loss"]).all()
    for other in (new, watched):
        assert other.history_ == used.history_
        for a, b in zip(weights(other), weights(used), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_engine_depends_on_the_problem_alone(X):
    """However many programs XLA compiled before."""
    networks = DenseArchitecture((4,)).build(NetworkSpec((64,), 2), random_state=0)
    samples = RowSource(X, (64,), "float32")
    for batch_size in range(1, 12):  # each a program of its own
        options = TrainingOptions(
            TrainingLoss("mse"), keras.optimizers.SGD(), 10_000, batch_size
        )
        engine = choose_engine(networks, samples, options, None)
        assert engine.program.block_batches is not None
    few = dataclasses.replace(options, epochs=2)
    engine = choose_engine(networks, samples, few, None)
    assert engine.program.block_batches is None


def test_an_adapted_layer_is_compiled_anew(X):
    """Its mean and variance are constants of what was compiled."""
    adapted, plain = keras.layers.Normalization(), keras.layers.Dense(8)
    adapted.adapt(X.astype("f4"))
    arguments = TrainingLoss("mse"), keras.optimizers.SGD(), 32, None
    for layer, has_key in ((adapted, False), (plain, True)):
        model = keras.Sequential([keras.Input((64,)), layer, keras.layers.Dense(64)])
        assert (program_key(model, *arguments) is not None) == has_key


@pytest.mark.parametrize("watched", [False, True])
def test_all_weights_frozen(X, watched, each_batch):
    """As in Keras: a warning, and nothing is learnt."""
    parameters = {"architecture": Layered("all frozen"), "epochs": 2}
    with pytest.warns(UserWarning, match="trainable"):
        autoencoder = fit(
            X, "plain", callbacks=[each_batch] if watched else None, **parameters
        )
    losses = autoencoder.history_["loss"]
    assert losses[0] == pytest.approx(losses[1])
    before = weights(autoencoder)
    with pytest.warns(UserWarning, match="trainable"):
        autoencoder.partial_fit(X)
    for a, b in zip(weights(autoencoder), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_more_or_less_share_a_program(X, each_batch, few_batches_for_xla):
    """The rows that fill up a block never count."""
    parameters = {"batch_size": 30, "epochs": 3, "validation_fraction": None}
    fit(X * 100, "plain", **parameters)  # leaves large values behind
    few = fit(X[:180], "plain", **parameters)
    by_keras = fit(X[:180], "plain", callbacks=[each_batch], **parameters)
    np.testing.assert_allclose(
        few.history_["loss"], by_keras.history_["loss"], rtol=1e-3
    )


@pytest.mark.parametrize("variant", ["dropout", "noise"])
def test_noise_is_drawn_anew(X, variant):
    first, second = (fit(X, variant, random_state=seed) for seed in (0, 1))
    assert first.history_ != second.history_


def test_a_loss_of_ones_own_is_never_stale(X):
    factor = 1.0

    def scaled(y_true, y_pred):
        return factor * keras.ops.square(y_true - y_pred)

    first = fit(X, "plain", loss=scaled, epochs=1)
    factor = 2.0
    second = fit(X, "plain", loss=scaled, epochs=1, optimizer="sgd", learning_rate=1e-9)
    third = fit(X, "plain", loss=scaled, epochs=1)
    assert third.history_["loss"][0] == pytest.approx(
        2 * first.history_["loss"][0], rel=0.2
    )
    assert second.history_["loss"][0] > first.history_["loss"][0]


def test_float64_network(X, each_batch):
    X = X[:110]
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        autoencoder = fit(X, "plain")
        assert autoencoder.encoder_.weights[0].dtype == "float64"
        by_keras = fit(X, "plain", callbacks=[each_batch])
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(
        by_keras.history_["val_loss"], autoencoder.history_["val_loss"], rtol=1e-9
    )
    single = fit(X, "plain")
    np.testing.assert_allclose(
        single.history_["loss"], autoencoder.history_["loss"], rtol=0.2
    )


def test_mixed_precision(X, each_batch):
    X = X[:110]
    single = fit(X, "plain", epochs=10)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = fit(X, "plain", epochs=10)
        again = fit(X, "plain", epochs=10)
        by_keras = fit(X, "plain", epochs=10, callbacks=[each_batch])
    finally:
        keras.config.set_dtype_policy("float32")
    assert again.history_ == mixed.history_ != single.history_
    for other in (single, by_keras):
        np.testing.assert_allclose(
            mixed.history_["loss"], other.history_["loss"], rtol=0.05
        )


def test_threads_do_not_share_programs(X):
    expected = [fit(X, "plain", random_state=seed).history_ for seed in range(4)]
    found = {}

    def work(seed):
        found[seed] = fit(X, "plain", random_state=seed).history_

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        for name, losses in expected[seed].items():
            np.testing.assert_allclose(found[seed][name], losses, rtol=1e-5)


def test_an_interrupted_program_leaves_nothing_behind(X):
    class Fail(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("no more")

    expected = fit(X, "momentum").history_
    with pytest.raises(RuntimeError, match="no more"):
        fit(X, "momentum", callbacks=[Fail()])
    assert fit(X, "momentum").history_ == expected


def test_partial_fit_takes_the_optimizer_along(X):
    autoencoder = fit(X, "momentum")
    autoencoder.partial_fit(X)
    gone_on = autoencoder.history_["loss"][-1]
    other = fit(X, "momentum")
    other.set_params(learning_rate=1e-9).partial_fit(X)
    assert other.history_["loss"][-1] > gone_on
    new_kind = fit(X, "momentum").set_params(optimizer="adam").partial_fit(X)
    assert np.isfinite(new_kind.history_["loss"][-1])


def test_distribution_strategy(X):
    import tensorflow as tf

    expected = fit(X, "plain").history_
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        distributed = fit(X, "plain").history_
    np.testing.assert_allclose(distributed["loss"], expected["loss"], rtol=1e-3)


def test_the_pool_is_bounded():
    """The least recently used program goes first, by number and by size."""

    class Program:
        n_values = 1000

    pool = ProgramPool()
    for key in range(MAX_PROGRAMS):
        pool.put_back(key, Program())
    pool.put_back(0, pool.take(0))  # 0 is now the last used
    pool.put_back("one more", Program())
    assert pool.take(1) is None
    assert pool.take(0) is not None
    large = Program()
    large.n_values = MAX_VALUES
    pool.put_back("large", large)
    assert pool.take("large") is large
    assert pool.take("one more") is None


def memory_mapped(X, tmp_path):
    mapped = np.memmap(tmp_path / "X", X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    return mapped


@pytest.mark.parametrize("shuffled_bytes", [2**30, 2**14])
def test_memory_mapped_samples_give_the_same_model(
    tmp_path, Estimator, monkeypatch, shuffled_bytes
):
    """Of small data, and of data that are shuffled in runs; sorted ones."""
    monkeypatch.setattr(_sources, "SHUFFLED_BYTES", shuffled_bytes)
    X = np.sort(np.random.RandomState(0).normal(size=(3000, 1)), axis=0)
    X = X * [1, -1, 2, 1] + np.random.RandomState(1).normal(size=(3000, 4))
    fits = [
        Estimator(2, epochs=3, random_state=0).fit(data)
        for data in (X, memory_mapped(X, tmp_path))
    ]
    assert fits[0].history_ == fits[1].history_
    for a, b in zip(*map(weights, fits), strict=True):
        np.testing.assert_array_equal(a, b)


def test_memory_mapped_samples_are_read_in_blocks(tmp_path, monkeypatch):
    """They give the model that the same samples in memory give."""
    monkeypatch.setattr("skae._base.INITIAL_BYTES", 2**20)
    monkeypatch.setattr(_engines, "BLOCK_BYTES", 2**22)
    rng = np.random.RandomState(0)
    X = (rng.normal(size=(400_000, 2)) @ rng.normal(size=(2, 64))).astype("f4")
    mapped = memory_mapped(X, tmp_path)
    parameters = {
        "n_components": 2,
        "architecture": DenseArchitecture(()),
        "epochs": 2,
        "batch_size": 512,
        "random_state": 0,
    }
    AutoencoderTransformer(**parameters).fit(X[:1000])  # imports are not counted
    tracemalloc.start()
    autoencoder = AutoencoderTransformer(**parameters).fit(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * X.nbytes
    in_memory = AutoencoderTransformer(**parameters).fit(X)
    np.testing.assert_equal(weights(autoencoder), weights(in_memory))


def test_large_data_are_shuffled_in_runs(tmp_path, monkeypatch):
    """In memory and memory-mapped alike: neighbours on a disk are read together."""
    X = np.zeros((4096, 4), "f4")
    monkeypatch.setattr(_sources, "SHUFFLED_BYTES", X.nbytes - 1)
    monkeypatch.setattr(_sources, "MIXED_RUNS", 4)
    orders = [
        RowSource(data, (4,), "float32").shuffled(np.random.RandomState(0))
        for data in (X, memory_mapped(X, tmp_path))
    ]
    np.testing.assert_array_equal(*orders)
    np.testing.assert_array_equal(np.sort(orders[0]), np.arange(4096))
    mixed = orders[0][: 4 * _sources.RUN_LENGTH] // _sources.RUN_LENGTH
    assert len(np.unique(mixed)) == 4
    assert (np.diff(mixed) != 0).mean() > 0.5
    monkeypatch.setattr(_sources, "SHUFFLED_BYTES", X.nbytes)
    whole = RowSource(X, (4,), "float32").shuffled(np.random.RandomState(0))
    np.testing.assert_array_equal(whole, np.random.RandomState(0).permutation(4096))


class NamedAfterItsActivation(BaseArchitecture):
    def __init__(self, activation="relu"):
        self.activation = activation

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = keras.layers
        hidden = layers.Dense(8, self.activation, name=self.activation)
        encoder = [keras.Input(sample_shape), hidden, layers.Dense(n_components)]
        decoder = [keras.Input((n_components,)), layers.Dense(*sample_shape)]
        return Networks.from_halves(
            keras.Sequential(encoder), keras.Sequential(decoder)
        )


def test_a_layer_named_after_its_activation(X, each_batch):
    X = X[:110]
    fit(X, "plain", architecture=NamedAfterItsActivation("tanh"))
    relu = NamedAfterItsActivation("relu")
    compiled = fit(X, "plain", architecture=relu)
    by_keras = fit(X, "plain", architecture=relu, callbacks=[each_batch])
    np.testing.assert_allclose(
        compiled.history_["loss"], by_keras.history_["loss"], rtol=1e-3
    )
