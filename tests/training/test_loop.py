"""Training through the estimators; what concerns both engines runs in both."""

import keras
import numpy as np
import pytest
from _helpers import outputs, weights
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture

# Other tests cover these lines; coverage makes TensorFlow's tracing slow.
pytestmark = pytest.mark.no_cover


def test_losses_are_those_of_keras(X):
    """One epoch on whole batches and a last one of a single row, by hand in Keras."""
    X = X[:97].astype("f4")
    autoencoder = AutoencoderTransformer(
        3,
        architecture=DenseArchitecture((16,), start="random"),
        epochs=1,
        batch_size=32,
        validation_fraction=None,
        random_state=0,
    ).fit(X, X_val=X)
    assert autoencoder.best_epoch_ == 1
    expected = np.mean((X - autoencoder.autoencoder_.predict(X, verbose=0)) ** 2)
    assert autoencoder.history_["val_loss"] == pytest.approx([expected], rel=1e-5)


def test_loss_falls(X, small, engine):
    from_random = {"architecture": DenseArchitecture((16,), start="random")}
    parameters = small | engine | from_random | {"epochs": 10}
    losses = AutoencoderTransformer(**parameters).fit(X).history_["val_loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_best_epochs_weights_stay(X, engine):
    """A learning rate that becomes too high makes the last epochs bad ones."""
    X_val = X[200:]
    spoil = keras.callbacks.LearningRateScheduler(lambda epoch: 10 ** (epoch - 7.0))
    autoencoder = AutoencoderTransformer(
        8,
        # From random weights, so that others are better.
        architecture=DenseArchitecture((16,), start="random"),
        callbacks=[spoil, *engine.get("callbacks", [])],
        epochs=8,
        patience=None,
        random_state=0,
    ).fit(X[:200], X_val=X_val)
    losses = autoencoder.history_["val_loss"]
    assert autoencoder.n_iter_ == 8
    assert autoencoder.best_epoch_ == 1 + np.argmin(losses) < 8
    error = np.mean((X_val - autoencoder.autoencoder_.predict(X_val, verbose=0)) ** 2)
    assert error == pytest.approx(min(losses), rel=1e-4)


def test_patience(X, engine):
    autoencoder = AutoencoderTransformer(
        8,
        architecture=DenseArchitecture((16,), start="pca"),
        learning_rate=0.03,
        patience=3,
        random_state=0,
        **engine,
    ).fit(X)
    assert autoencoder.n_iter_ == autoencoder.best_epoch_ + 3 < 150


def test_nothing_learnt_keeps_the_start(X, engine):
    autoencoder = AutoencoderTransformer(
        2, optimizer="sgd", learning_rate=10.0, epochs=20, random_state=0, **engine
    )
    # Either it diverges at once, or no epoch is better than the start.
    with pytest.warns(ConvergenceWarning):
        autoencoder.fit(X * 100)
    assert autoencoder.best_epoch_ == 0
    assert np.isfinite(autoencoder.transform(X)).all()


def test_validation_rows_are_drawn_from_everywhere():
    """Sorted rows, of which the last tenth alone would be a world of its own."""
    X = np.sort(np.random.RandomState(0).normal(size=(400, 1)), axis=0) * np.ones(4)
    from_random = {"architecture": DenseArchitecture((16,), start="random")}
    autoencoder = AutoencoderTransformer(1, random_state=0, epochs=30, **from_random)
    history = autoencoder.fit(X).history_
    assert history["val_loss"][0] == pytest.approx(history["loss"][0], rel=0.7)
    other = AutoencoderTransformer(1, random_state=1, epochs=1, **from_random).fit(X)
    assert other.history_["val_loss"] != history["val_loss"][:1]


def test_no_validation(X, small, engine):
    parameters = small | engine | {"validation_fraction": None, "patience": 1}
    autoencoder = AutoencoderTransformer(**parameters).fit(X)
    assert set(autoencoder.history_) == {"loss", "learning_rate"}
    assert autoencoder.n_iter_ == autoencoder.best_epoch_ == 3


def test_X_val_replaces_the_share(X, small):
    with_val = AutoencoderTransformer(**small).fit(X[:200], X_val=X[200:])
    without = AutoencoderTransformer(**small | {"validation_fraction": None})
    without.fit(X[:200])
    # The same rows are learnt from, in the same order.
    assert with_val.history_["loss"] == without.history_["loss"]


def test_partial_fit(X, small):
    small = small | {"learning_rate": 0.001}
    autoencoder = AutoencoderTransformer(**small)
    for n_calls in range(1, 4):
        autoencoder.partial_fit(X)
        assert autoencoder.n_iter_ == autoencoder.best_epoch_ == n_calls
    losses = autoencoder.history_["loss"]
    assert losses[2] < losses[1] < losses[0]
    # Three passes are what fit does without validation.
    parameters = small | {"validation_fraction": None}
    at_once = AutoencoderTransformer(**parameters).fit(X)
    np.testing.assert_allclose(at_once.history_["loss"], losses, rtol=1e-5)


def test_partial_fit_goes_on_after_fit(X, small):
    autoencoder = AutoencoderTransformer(**small).fit(X)
    before = autoencoder.history_
    autoencoder.partial_fit(X)
    assert autoencoder.n_iter_ == 4
    assert autoencoder.history_["loss"][:3] == before["loss"]
    assert autoencoder.history_["loss"][3] < before["loss"][-1]
    assert np.isnan(autoencoder.history_["val_loss"][3])


def test_warm_start(X, small):
    autoencoder = AutoencoderTransformer(warm_start=True, **small).fit(X)
    first = autoencoder.history_["loss"]
    network = autoencoder.autoencoder_
    autoencoder.fit(X)
    assert autoencoder.autoencoder_ is network
    assert autoencoder.history_["loss"][0] < first[-1]
    assert autoencoder.n_iter_ == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_components": 4}, "built for n_components=3 .*, but n_components=4"),
        ({"architecture__activation": "tanh"}, "architecture=.*tanh"),
    ],
)
def test_warm_start_wants_the_same_network(X, small, change, message):
    # A clone, because `small` shares its architecture with other tests.
    autoencoder = clone(AutoencoderTransformer(warm_start=True, **small)).fit(X)
    codes = outputs(autoencoder, X)
    autoencoder.set_params(**change)
    with pytest.raises(ValueError, match=message):
        autoencoder.fit(X)
    np.testing.assert_array_equal(outputs(autoencoder, X), codes)


def test_warm_start_wants_the_same_columns(X, small):
    autoencoder = AutoencoderTransformer(warm_start=True, **small).fit(X)
    with pytest.raises(ValueError, match="X has 63 features"):
        autoencoder.fit(X[:, 1:])


@pytest.mark.parametrize("n_samples", [1, 2, 5, 33, 65])
@pytest.mark.parametrize("batch_size", [1, 32, 1000, "auto"])
def test_any_number_of_rows(X, small, n_samples, batch_size):
    autoencoder = AutoencoderTransformer(**small, batch_size=batch_size)
    codes = autoencoder.fit_transform(X[:n_samples])
    assert codes.shape == (n_samples, 3)
    assert np.isfinite(codes).all()
    assert np.isfinite(autoencoder.history_["loss"]).all()


@pytest.mark.parametrize(
    "X",
    [
        np.linspace(0, 1, 50)[:, None],
        np.ones((50, 3)),
        np.random.RandomState(0).normal(size=(50, 3)) * [1, 1e8, 1e-8] + [0, 1e8, 0],
    ],
    ids=["one feature", "constant columns", "columns at 1e8"],
)
def test_any_columns(X, Estimator, small):
    estimator = Estimator(**small, validation_fraction=0.1).fit(X)
    assert np.isfinite(outputs(estimator, X)).all()
    assert np.isfinite(estimator.history_["val_loss"]).all()


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        "MeanAbsoluteError",
        "huber",
        keras.losses.LogCosh(),
        lambda a, b: abs(a - b),
    ],
)
def test_losses(X, small, loss):
    """Their values are tested in both engines, in test_losses.py."""
    autoencoder = AutoencoderTransformer(loss=loss, **small).fit(X)
    assert autoencoder.loss is loss
    assert autoencoder.history_["loss"][-1] < autoencoder.history_["loss"][0]


def test_learning_rate(X, small):
    class Recorder(keras.callbacks.Callback):
        rates = []

        def on_train_begin(self, logs=None):
            self.rates.append(float(self.model.optimizer.learning_rate))

    parameters = small | {"callbacks": [Recorder()], "epochs": 1}
    own = keras.optimizers.SGD(0.25)
    for optimizer, rate in ((None, None), ("rmsprop", 0.5), (own, None), (own, 0.125)):
        AutoencoderTransformer(
            optimizer=optimizer, learning_rate=rate, **parameters
        ).fit(X)
    assert Recorder.rates == [pytest.approx(r) for r in (1e-3, 0.5, 0.25, 0.125)]
    assert float(own.learning_rate) == 0.25
    assert int(own.iterations) == 0


def test_learning_rate_schedule(X, small):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 1, 1e-6)
    optimizer = keras.optimizers.Adam(schedule)
    losses = {}
    for name, given in (
        ("decayed", optimizer),
        ("constant", keras.optimizers.Adam(0.01)),
    ):
        autoencoder = AutoencoderTransformer(optimizer=given, **small).fit(X)
        losses[name] = autoencoder.history_["loss"]
    assert losses["decayed"][1] == pytest.approx(losses["decayed"][2], rel=0.05)
    assert losses["constant"][2] < 0.9 * losses["decayed"][2]


def test_moving_average_of_weights_is_what_stays(X, small):
    optimizer = keras.optimizers.Adam(use_ema=True, ema_momentum=0.9999)
    averaged = AutoencoderTransformer(
        optimizer=optimizer, **small | {"validation_fraction": None}
    ).fit(X)
    plain = AutoencoderTransformer(
        optimizer="adam", **small | {"validation_fraction": None}
    ).fit(X)
    assert averaged.history_["loss"] == pytest.approx(plain.history_["loss"], rel=1e-5)
    assert any(
        not np.allclose(a, b, atol=1e-3)
        for a, b in zip(weights(averaged), weights(plain), strict=True)
    )


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_ctrl_c_leaves_the_best_weights(X, Estimator, small):
    small = small | {"learning_rate": 0.001}
    estimator = Estimator(**small | {"callbacks": [Interrupt()], "epochs": 10})
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    two_epochs = Estimator(**small | {"epochs": 2}).fit(X)
    assert estimator.n_iter_ == 2
    np.testing.assert_array_equal(outputs(estimator, X), outputs(two_epochs, X))


def test_divergence_keeps_the_best_weights_and_says_so(X, Estimator):
    class Explode(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e30

    estimator = Estimator(
        2,
        architecture=DenseArchitecture(start="random"),  # so that two epochs are better
        callbacks=[Explode()],
        epochs=10,
        patience=None,
        random_state=0,
    )
    with pytest.warns(
        ConvergenceWarning,
        match=r"in epoch [34] at a learning rate of 1e\+30.*epoch [12] are kept",
    ):
        estimator.fit(X)
    assert np.isfinite(outputs(estimator, X)).all()
    assert estimator.best_epoch_ <= 3 < 10


def test_training_has_to_gain_on_validation_samples(X):
    """Otherwise the start from PCA is kept."""
    noise = np.random.RandomState(0).normal(size=(200, 10))
    for samples, gains in ((X, True), (noise, False)):
        autoencoder = AutoencoderTransformer(5, epochs=30, random_state=0).fit(samples)
        start, end = autoencoder.start_validation_score_, autoencoder.validation_score_
        assert (end > start) == gains
        assert (autoencoder.best_epoch_ > 0) == gains


@pytest.mark.parametrize("n_samples", [200, 2000])
def test_a_small_gain_is_significant_with_many_samples(n_samples):
    """20 validation samples do not show what an extreme one would cost, 200 do."""
    x = np.random.RandomState(0).normal(size=n_samples)
    bent = np.c_[x, 0.1 * x**2]
    autoencoder = AutoencoderTransformer(1, epochs=20, batch_size=16, random_state=0)
    autoencoder.fit(bent)
    assert min(autoencoder.history_["val_loss"]) < 0.5 * np.var(bent[:, 1]) / 2
    start, end = autoencoder.start_validation_score_, autoencoder.validation_score_
    assert (end > start) == (n_samples == 2000)
