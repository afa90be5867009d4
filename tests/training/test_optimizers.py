"""Optimizers through the estimators, and their state from fit to partial_fit."""

import keras
import numpy as np
import pytest
from _helpers import weights

from skae import AutoencoderTransformer
from skae._formats import FitData, RowSource
from skae._training import TrainingLoss, TrainingOptions, train
from skae._training._optimizers import OptimizerState, make_optimizer
from skae.architectures import DenseArchitecture, NetworkSpec, VariationalArchitecture


def moved(estimator, X):
    """How far one more pass moves the weights."""
    before = weights(estimator)
    after = weights(estimator.partial_fit(X))
    return max(np.abs(a - b).max() for a, b in zip(after, before, strict=True))


def test_partial_fit_goes_on_at_the_configured_learning_rate(X, small):
    """Whatever rate the fit before ended with."""
    lower = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 / 1e6**epoch)
    parameters = small | {"callbacks": [lower], "validation_fraction": None}
    for given in ({}, {"learning_rate": 1e-3}, {"optimizer": "adam"}):
        autoencoder = AutoencoderTransformer(**parameters).fit(X)
        autoencoder.set_params(**given)
        assert moved(autoencoder, X) > 1e-3


def test_a_schedule_goes_on(X, small):
    """Its learning rate follows the number of steps, of earlier calls too."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([30], [0.01, 1e-12])
    optimizer = keras.optimizers.SGD(schedule)
    autoencoder = AutoencoderTransformer(optimizer=optimizer, **small)
    for _ in range(4):
        autoencoder.partial_fit(X)
    assert moved(autoencoder, X) < 1e-9


def test_moments_go_on():
    variables = [keras.Variable(np.ones(3))]
    adam = make_optimizer("adam", 0.1)
    adam.build(variables)
    adam.apply([keras.ops.ones(3)], variables)
    adam.learning_rate = 1e-9
    other = make_optimizer("adam", 0.2)
    other.build(variables)
    OptimizerState.of(adam).restore(other)
    assert float(other.learning_rate) == pytest.approx(0.2)
    assert int(other.iterations) == 1


def test_another_kind_begins_anew(X, small):
    """Both have the same arguments."""
    autoencoder = AutoencoderTransformer(**small)
    for optimizer in ("nadam", "adamax", "nadam"):
        autoencoder.set_params(optimizer=optimizer).partial_fit(X)
    assert np.isfinite(autoencoder.history_["loss"]).all()


def run(X, X_val=None, callbacks=(), **options):
    """Train a new network."""
    networks = DenseArchitecture((8,), start="random").build(
        NetworkSpec(X.shape[1:], 3), random_state=0
    )
    samples = RowSource(X, X.shape[1:], "float32")
    val = None if X_val is None else RowSource(X_val, X.shape[1:], "float32")
    arguments = {"epochs": 3, "batch_size": 32} | options
    rate = arguments.pop("learning_rate", None)
    optimizer = make_optimizer(arguments.pop("optimizer", None), rate)
    return train(
        networks,
        FitData(samples, val, None, samples),
        TrainingOptions(
            loss=TrainingLoss("mse"),
            optimizer=optimizer,
            callbacks=callbacks,
            **arguments,
        ),
        rng=np.random.RandomState(0),
    )


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_the_state_is_that_of_the_weights_that_stay(X):
    """Of other weights, moments would be those of somewhere else."""
    assert run(X).optimizer_state is not None
    last_is_best = run(X[:200], X[200:])
    assert last_is_best.best_epoch == last_is_best.n_iter == 3
    assert last_is_best.optimizer_state is not None
    spoil = keras.callbacks.LearningRateScheduler(lambda epoch: 10 ** (2.0 * epoch - 3))
    spoilt = run(X[:200], X[200:], callbacks=[spoil])
    assert spoilt.best_epoch < spoilt.n_iter
    assert spoilt.optimizer_state is None
    interrupted = run(X, callbacks=[Interrupt()])
    assert interrupted.interrupted
    assert interrupted.optimizer_state is None


def test_loss_scaling_takes_a_learning_rate(X):
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.5, momentum=0.9)
    )
    made = make_optimizer(scaled, 0.25)
    assert float(made.learning_rate) == 0.25
    assert made.inner_optimizer.momentum == 0.9
    assert float(scaled.learning_rate) == 0.5
    first = run(X, optimizer=scaled, learning_rate=0.01)
    second = run(
        X, optimizer=scaled, learning_rate=0.02, optimizer_state=first.optimizer_state
    )
    assert second.history["loss"][-1] < second.history["loss"][0]


def test_loss_scaling_is_not_applied_twice():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
        made = make_optimizer(scaled, None)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(made.inner_optimizer, keras.optimizers.SGD)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "adm",
            r"^Unknown optimizer 'adm'. Did you mean 'Adam'\? Choose one of: .* SGD",
        ),
        ("nosuch", r"^Unknown optimizer 'nosuch'. Choose one of: Adadelta, "),
    ],
)
def test_an_unknown_optimizer(X, given, message):
    with pytest.raises(ValueError, match=message) as raised:
        AutoencoderTransformer(optimizer=given).fit(X)
    assert "deserialize" not in str(raised.value)


class Recorder(keras.callbacks.Callback):
    """Keep the learning rate of each epoch; copies share the list."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def __deepcopy__(self, memo):
        return Recorder(self.rates)

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


class Halve(Recorder):
    """Set the learning rate once, as a callback of one's own may."""

    def __deepcopy__(self, memo):
        return Halve(self.rates)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if epoch == 3:
            self.model.optimizer.learning_rate = 0.5


def learning_rates(X, small, *callbacks, kind=Recorder, **parameters):
    rates = []
    callbacks = [kind(rates), *callbacks]
    parameters = small | {"epochs": 20, "patience": None} | parameters
    AutoencoderTransformer(callbacks=callbacks, **parameters).fit(X[:40])
    return np.array(rates)


class TestTheDefaultLearningRate:
    def test_rises_and_falls_to_zero(self, X, small, engine):
        for architecture, peak in (
            (small["architecture"], 0.003),
            (VariationalArchitecture((4,)), 0.001),
        ):
            added = engine.get("callbacks", [])
            rates = learning_rates(X, small, *added, architecture=architecture)
            progress = (np.arange(20) + 0.5) / 20
            expected = peak * (1 + np.cos(np.pi * (progress - 0.1) / 0.9)) / 2
            expected[:2] = peak * progress[:2] / 0.1
            np.testing.assert_allclose(rates, expected, rtol=1e-4)

    @pytest.mark.parametrize(
        ("parameters", "rate"),
        [
            ({"learning_rate": 0.002}, 0.002),
            ({"optimizer": "adam"}, 0.001),
            ({"optimizer": "sgd"}, 0.01),
        ],
    )
    def test_is_constant_where_it_is_given(self, X, small, parameters, rate):
        rates = learning_rates(X, small, **parameters)
        np.testing.assert_allclose(rates, rate, rtol=1e-6)

    def test_keras_callbacks_set_it(self, X, small):
        scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        rates = learning_rates(X, small, scheduler)
        np.testing.assert_allclose(rates, 0.001 / 2 ** np.arange(1, 21), rtol=1e-4)

    def test_callbacks_take_over(self, X, small):
        rates = learning_rates(X, small, kind=Halve)
        assert (rates[:4] < 0.004).all()
        np.testing.assert_array_equal(rates[4:], 0.5)

    def test_partial_fit_has_that_of_the_optimizer(self, X, small):
        autoencoder = AutoencoderTransformer(**small).fit(X)
        again = AutoencoderTransformer(**small).fit(X).set_params(learning_rate=0.001)
        for each in (autoencoder, again):
            each.partial_fit(X)
        assert autoencoder.history_ == again.history_
