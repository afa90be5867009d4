"""Trainings that are planned for a number of seconds."""

from itertools import count

import numpy as np
import pytest
from _helpers import weights
from sklearn.exceptions import ConvergenceWarning

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture


def test_enough_time_changes_nothing(X, small, engine):
    """Batches whose duration is measured leave no trace, in seeds and averages too."""
    architecture = DenseArchitecture((8,), normalization="batch", dropout=0.1)
    parameters = small | engine | {"architecture": architecture}
    fits = [
        AutoencoderTransformer(**parameters, max_time=max_time).fit(X[:100])
        for max_time in (None, 1e6)
    ]
    assert fits[0].history_ == fits[1].history_
    for one, other in zip(*map(weights, fits), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_time_is_one_epoch_of_one_batch(X, engine):
    autoencoder = AutoencoderTransformer(
        2, epochs=5000, batch_size=32, max_time=1e-6, random_state=0, **engine
    )
    with pytest.warns(
        ConvergenceWarning, match="max_time=1e-06 was over after epoch 1"
    ):
        autoencoder.fit(X)
    assert autoencoder.n_iter_ == 1
    assert np.isfinite(autoencoder.transform(X)).all()


@pytest.fixture
def clock(monkeypatch):
    """A clock by which whatever is measured takes a hundredth of a second."""
    ticks = count(step=0.01)
    for module in ("_loop", "_time_limit"):
        monkeypatch.setattr(f"skae._training.{module}.perf_counter", ticks.__next__)


def test_the_rate_falls_to_zero_in_time(X, clock):
    """Far fewer epochs than asked for are planned, and the last of them settle."""
    autoencoder = AutoencoderTransformer(
        2,
        architecture=DenseArchitecture((8,), start="random"),
        epochs=10**6,
        patience=None,
        max_time=2,
        random_state=0,
    ).fit(X)
    # A validation takes as long as an epoch, by that clock.
    assert 50 < autoencoder.n_iter_ <= 100
    steps = np.abs(np.diff(autoencoder.history_["loss"]))
    assert steps[-5:].mean() < 0.1 * steps[:5].mean()


def test_epochs_are_shorter_where_few_would_fit(X, clock):
    """The first has learnt less than from all samples."""
    parameters = {
        "n_components": 2,
        "architecture": DenseArchitecture((8,), start="random"),
        "batch_size": 1,
        "validation_fraction": None,
        "random_state": 0,
    }
    whole = AutoencoderTransformer(**parameters, epochs=10).fit(X)
    with pytest.warns(ConvergenceWarning, match="was over after epoch"):
        short = AutoencoderTransformer(**parameters, max_time=0.1).fit(X)
    assert 1 < short.n_iter_ <= 10
    assert short.history_["loss"][0] > 1.2 * whole.history_["loss"][0]


@pytest.mark.parametrize("max_time", [0, -1.0, "1"])
def test_not_a_time(X, max_time):
    with pytest.raises(ValueError, match="max_time"):
        AutoencoderTransformer(max_time=max_time).fit(X)
