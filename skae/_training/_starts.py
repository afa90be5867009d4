"""The choice of initial weights: which start is trained, and whether to go back to it.

Each of several starts is trained a little, and the best goes on. Where training from
the data does not gain enough on validation samples, the start is kept.
"""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._formats import RowEpoch
from .._sampling import draw, spread

# Each start is trained for so many batches, but at most for a share of the training.
TRIAL_BATCHES = 1000
TRIAL_SHARE = 0.25
# Another start than the first has to have a loss lower by this share: networks trained
# from PCA extrapolate better, which few validation samples do not show.
MARGIN = 0.05
# A pass at rates that fall to zero is cut into so many parts, and has to lower the loss
# by this share.
SETTLING_PARTS = 10
LEAST_SHARE = 0.001
# Validation samples by which the start and the end of training are compared.
MAX_JUDGED_SAMPLES = 10_000
# From so many on, it is worth a warning that training gained nothing.
MIN_JUDGED_SAMPLES = 20
# The least mean gain, as a share of the variance of one sample among all of them. Few
# samples do not show how a network extrapolates, where one can cost more than all
# others gain.
LEAST_GAIN = 1.0


@dataclass(frozen=True)
class Start:
    """Initial weights of a network.

    Parameters
    ----------
    name : str
        Where they come from.
    values : list of ndarray
        One for each variable of the autoencoder.
    """

    name: str
    values: list


def choose_start(engine, data, starts, options, rng):
    """Train a little from each start, and return the best.

    Each start gets the same number of batches, of some samples if there are many, so
    that the choice costs as much for large data as for small data, and the learning
    rates that training begins with. If none improves clearly on the first start as it
    is, the last one gets as many again. If that fails too, and an epoch is longer than
    a trial, the first start is trained at rates that fall to zero: without any gain
    there, training is not worth its time. The engine is left as it is before training,
    with the weights of the best.

    Parameters
    ----------
    engine : CompiledEngine or KerasEngine
        Not yet used.
    data : FitData
        Validation samples choose; where there are none, training samples.
    starts : sequence of Start
        The starts.
    options : TrainingOptions
        How the chosen start will be trained.
    rng : numpy.random.RandomState
        Draws and shuffles samples.

    Returns
    -------
    start : Start
        The one with the lowest loss; the first one, if no other is clearly better.
    options : TrainingOptions
        The same, or those of a single epoch of the samples of a trial.
    """
    samples = data.train
    n_training = options.epochs * (options.epoch_samples or len(data.trained_on))
    n_rows = min(TRIAL_BATCHES * engine.batch_size, int(TRIAL_SHARE * n_training))
    n_rows = max(n_rows, 1)
    if len(samples) > n_rows:
        samples = samples.subset(draw(samples.indices, n_rows, rng))
    judges = samples if data.val is None else data.val
    n_passes = math.ceil(n_rows / len(samples))
    trials = []
    for start in starts:
        engine.restart(start.values)
        trials.append(_Trial(engine, options, samples, judges, rng))
        trials[-1].train(n_passes)

    def any_gains():
        before = trials[0].initial_loss
        return any(_is_less(trial.best_loss, before, MARGIN) for trial in trials)

    if not any_gains():
        # Random weights may take long to leave the plateau that PCA is.
        trials[-1].train(n_passes)
    whole_trials = TRIAL_BATCHES * engine.batch_size == n_rows < len(data.trained_on)
    if (
        options.may_give_up
        and whole_trials
        and not any_gains()
        and not trials[0].gains_when_settled(starts[0].values, options)
    ):
        engine.restart(starts[0].values)
        return starts[0], replace(options, epochs=1, epoch_samples=n_rows)
    losses = [trial.best_loss for trial in trials]
    clearly_better = _is_less(min(losses), losses[0], MARGIN)
    best = starts[losses.index(min(losses)) if clearly_better else 0]
    engine.restart(best.values)
    return best, options


def _is_less(loss, reference, share):
    """Check that a loss, which may be negative, is less by a share of another."""
    if math.isinf(reference):
        return loss < reference
    return loss < reference - share * abs(reference)


class _Trial:
    """A training from one start, which may go on as long as no other one begins.

    Parameters
    ----------
    engine : CompiledEngine or KerasEngine
        At the start.
    options : TrainingOptions
        How to train.
    samples, judges : RowSource
        What is trained on, and what the loss is computed on.
    rng : numpy.random.RandomState
        Shuffles samples.
    """

    def __init__(self, engine, options, samples, judges, rng):
        self.engine = engine
        self.samples = samples
        self.judges = judges
        self.rng = rng
        self.schedule = options.make_schedule(engine.optimizer)
        self.n_passes = 0
        self.initial_loss = self.best_loss = self._loss()

    def train(self, n_passes):
        """Train for so many further passes over the samples."""
        for _ in range(n_passes):
            self.n_passes += 1
            if self.schedule is not None:
                self.schedule.begin_epoch(self.n_passes)
            self.engine.run_epoch(self.samples.epoch(self.rng), silent=True)
            self.best_loss = min(self.best_loss, self._loss())

    def gains_when_settled(self, values, options):
        """Check whether one pass at falling rates improves on the start at all."""
        if self.schedule is None:
            return True
        self.engine.restart(values)
        parts = np.array_split(self.samples.shuffled(self.rng), SETTLING_PARTS)
        options = replace(options, epochs=SETTLING_PARTS)
        schedule = options.make_schedule(self.engine.optimizer)
        for i, part in enumerate(parts, start=1):
            schedule.begin_epoch(i)
            self.engine.run_epoch(RowEpoch(self.samples, part), silent=True)
        return _is_less(self._loss(), self.initial_loss, LEAST_SHARE)

    def _loss(self):
        loss = self.engine.evaluate(self.judges, silent=True)["loss"]
        return loss if math.isfinite(loss) else math.inf


@dataclass(frozen=True)
class Judgement:
    """How well networks reconstruct the validation samples.

    Parameters
    ----------
    errors : ndarray of shape (n_samples,)
        Squared errors of the samples, or deviances where there are categories.
    variance : float
        Total variance of the samples, or mean deviance.
    score : float
        R² of the samples, or their share of the deviance; NaN for a single one.
    """

    errors: np.ndarray
    variance: float
    score: float

    @classmethod
    def of(cls, val, columns, reconstruct):
        """Compare validation samples with their reconstructions.

        Parameters
        ----------
        val : RowSource or None
            The validation samples.
        columns : Columns
            Which features are one column.
        reconstruct : callable
            From samples to reconstructions.

        Returns
        -------
        Judgement or None
            None without any samples.
        """
        if val is None:
            return None
        indices = spread(val.indices, MAX_JUDGED_SAMPLES)
        X = val.X[indices]
        X_hat = reconstruct(val.hide(X, indices))
        score = columns.score(X, X_hat) if len(X) > 1 else math.nan
        errors = columns.sample_errors(X, X_hat)
        return cls(errors, columns.null_error(X), score)

    def gained(self, end, loss, result):
        """Return whether training improved on this judgement of its start.

        Parameters
        ----------
        end : Judgement
            That of the trained networks.
        loss : TrainingLoss
            The training loss.
        result : TrainingResult
            What training returned.

        Returns
        -------
        bool
            Whether it did, by the loss and, for squared errors, by more than chance.
        """
        better = result.best_loss < result.reference_loss
        if not better or not loss.is_squared_error:
            return better
        return gain_is_significant(self.errors, end.errors, self.variance)

    def warn_of_no_gain(self, starts, n_iter, longer):
        """Warn that the first of several starts is kept, if enough samples show it."""
        if len(starts) < 2 or len(self.errors) < MIN_JUDGED_SAMPLES:
            return
        first, *others = (start.name for start in starts)
        warnings.warn(
            f"{n_iter} epochs of training, from {first} or from "
            f"{' or from '.join(others)} initial weights, did not reconstruct the "
            f"validation samples better than {first} does without training, so {first} "
            f"is kept. Try {longer}, larger hidden layers or another n_components; if "
            f"that changes nothing, {first} is sufficient for X.",
            ConvergenceWarning,
            stacklevel=4,
        )


def gain_is_significant(errors_before, errors_after, variance):
    """Check that squared errors became smaller by more than chance.

    A better mean over few samples may be luck. So the mean gain has to exceed its
    standard error and, summed over all samples, the variance of one.

    Parameters
    ----------
    errors_before, errors_after : ndarray of shape (n_samples,)
        Squared errors of the same samples.
    variance : float
        Total variance of the samples.

    Returns
    -------
    bool
        Whether the gain is significant; never for a single sample.
    """
    gain = errors_before - errors_after
    n_samples = len(gain)
    if n_samples < 2:
        return False
    least = max(gain.std() / np.sqrt(n_samples), LEAST_GAIN * variance / n_samples)
    return bool(gain.mean() > least)
