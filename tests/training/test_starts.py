"""The choice of a start, by losses that a stand-in for an engine reports."""

from types import SimpleNamespace

import numpy as np
import pytest

from skae._formats import FitData, RowSource
from skae._training import Start, TrainingOptions, _starts
from skae._training._starts import choose_start


class Engine:
    """Reports losses by the start: before training, and after each pass."""

    batch_size = 10

    def __init__(self, losses):
        self.losses = losses
        self.optimizer = SimpleNamespace(learning_rate=0.0)

    def restart(self, values):
        self.coming = iter(self.losses[values[0]])

    def run_epoch(self, epoch, *, silent):
        assert silent
        assert len(epoch)

    def evaluate(self, samples, *, silent):
        assert silent
        return {"loss": next(self.coming)}


@pytest.mark.parametrize(
    ("pca", "random", "expected"),
    [
        ([1.0, 0.5], [2.0, 0.49], "pca"),  # not by 5 %
        ([1.0, 0.5], [2.0, 0.4], "random"),
        ([1.0, 1.0], [2.0, 1.0, 0.8], "random"),  # in its second trial
        ([1.0, 9.0], [2.0, 4.0, 4.0], "pca"),  # worse than PCA as it is
        ([1.0, np.nan], [2.0, 0.9, 0.9], "random"),
        ([1.0, np.nan], [np.nan, np.nan, np.nan], "pca"),
        ([-0.9, -0.9], [-0.1, -0.91, -0.91], "pca"),
        ([-0.9, -0.9], [-0.1, -0.99], "random"),
    ],
)
def test_choice(monkeypatch, pca, random, expected):
    monkeypatch.setattr(_starts, "TRIAL_BATCHES", 2)
    X = np.zeros((100, 3))
    samples = RowSource(X, (3,), "float32")
    data = FitData(samples, samples, None, samples)
    engine = Engine({0: pca, 1: random})
    options = TrainingOptions(None, None, 20, 10, may_give_up=True)
    starts = [Start("pca", [0]), Start("random", [1])]
    chosen, after = choose_start(
        engine, data, starts, options, np.random.RandomState(0)
    )
    assert chosen.name == expected
    assert after == options


def test_trials_of_nothing_end_long_epochs(monkeypatch):
    monkeypatch.setattr(_starts, "TRIAL_BATCHES", 2)
    monkeypatch.setattr(_starts._Trial, "gains_when_settled", lambda *_: False)
    samples = RowSource(np.zeros((100, 3)), (3,), "float32")
    data = FitData(samples, samples, None, samples)
    starts = [Start("pca", [0]), Start("random", [1])]
    for last, epochs in ((0.99, 1), (0.8, 20)):
        engine = Engine({0: [1.0, 1.0], 1: [2.0, 1.0, last]})
        options = TrainingOptions(None, None, 20, 10, may_give_up=True)
        _, after = choose_start(engine, data, starts, options, np.random.RandomState(0))
        assert after.epochs == epochs
