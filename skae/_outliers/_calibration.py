"""Calibration: how samples are held out, and what their scores then tell.

A plan, made of the parameter `calibration`, says which samples are held out of a fit. A
calibration holds their scores, sorted, and compares those of other samples with them.
"""

import copy
from functools import partial
from numbers import Real

import numpy as np
from sklearn.model_selection import train_test_split

from .._random import draw_seed
from .._sampling import draw
from ._folds import split_folds
from ._scorer import NetworkScorer
from ._scores import score_from_dict
from ._thresholds import (
    check_calibration_size,
    choose_threshold,
    compare_distributions,
    conformal_pvalues,
)

# Samples whose scores the threshold is chosen by.
MAX_THRESHOLD_SAMPLES = 100_000


def draw_judged(indices, rng):
    """Draw the samples by whose scores the threshold is chosen: all, unless many."""
    return draw(indices, MAX_THRESHOLD_SAMPLES, rng)


def make_plan(parameter, hint=""):
    """Return what holds out samples as the parameter `calibration` asks for.

    Parameters
    ----------
    parameter : float, int, cross-validation splitter or None
        The parameter.
    hint : str, default=""
        What error messages add on the samples.

    Returns
    -------
    NoPlan, SharePlan or FoldPlan
        The plan.
    """
    if parameter is None:
        return NoPlan()
    if isinstance(parameter, Real) and parameter < 1:
        return SharePlan(parameter)
    return FoldPlan(parameter, hint)


class NoPlan:
    """No sample is held out."""

    keeps_calibrating = False

    def hold_out(self, samples, contamination, rng):
        """Split the samples of a fit.

        Parameters
        ----------
        samples : RowSource
            All of them.
        contamination : "auto" or float
            The rate of false positives, for which they have to be enough.
        rng : numpy.random.RandomState
            Draws samples.

        Returns
        -------
        learnable : RowSource
            What networks learn from.
        calibration : RowSource or None
            What is held out; the same object if folds of it are.
        """
        return samples, None

    def hold_out_of_batch(self, samples, contamination, rng, *, is_first):
        """Split the samples of one batch, as `hold_out` does."""
        return samples, None


class SharePlan:
    """A share of the samples is held out at random.

    Parameters
    ----------
    share : float
        The share, in (0, 1).
    """

    keeps_calibrating = True

    def __init__(self, share):
        self.share = share

    def hold_out(self, samples, contamination, rng):
        """Split the samples of a fit, see `NoPlan`."""
        split = train_test_split(
            samples.indices, test_size=self.share, random_state=draw_seed(rng)
        )
        return _checked(samples, split, contamination)

    def hold_out_of_batch(self, samples, contamination, rng, *, is_first):
        """Split the samples of one batch, see `NoPlan`."""
        if is_first:
            return self.hold_out(samples, contamination, rng)
        # On average the share, also of small batches; one sample is left to learn from.
        n_held_out = int(self.share * len(samples) + rng.random_sample())
        order = rng.permutation(samples.indices)
        parts = np.split(order, [min(n_held_out, len(samples) - 1)])
        calibration, learnable = (samples.subset(np.sort(part)) for part in parts)
        return learnable, calibration


class FoldPlan:
    """Each fold is scored by networks that have not seen it.

    Parameters
    ----------
    folds : int or cross-validation splitter
        The parameter `calibration`. A splitter that makes one fold holds that out.
    hint : str
        What error messages add on the samples.
    """

    keeps_calibrating = False

    def __init__(self, folds, hint):
        self.folds = folds
        self.hint = hint

    def split(self, samples, rng):
        """Return pairs of indices, see `split_folds`."""
        return split_folds(self.folds, samples.X, partial(draw_seed, rng), self.hint)

    def hold_out(self, samples, contamination, rng):
        """Split the samples of a fit, see `NoPlan`."""
        # Wrong folds are known before anything is trained.
        folds = self.split(samples, copy.deepcopy(rng))
        split = folds[0] if len(folds) == 1 else None
        return _checked(samples, split, contamination)

    def hold_out_of_batch(self, samples, contamination, rng, *, is_first):
        """Refuse batches."""
        raise ValueError(
            f"partial_fit cannot calibrate by calibration={self.folds!r}: "
            "the networks of folds would have to see each batch, too. Set "
            "calibration to a share such as 0.2, which is held out of each batch, "
            "or to None for a detector without p-values; or call fit with all "
            "samples."
        )


def _checked(samples, split, contamination):
    learnable = calibration = samples
    if split is not None:
        learnable, calibration = map(samples.subset, split)
    n_judged = min(len(calibration), MAX_THRESHOLD_SAMPLES)
    check_calibration_size(n_judged, contamination)
    return learnable, calibration


class Reference:
    """Scores of training samples, by which the threshold is chosen.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        The scores.
    """

    is_calibrated = False

    def __init__(self, scores):
        self.scores = np.sort(scores)

    def choose_threshold(self, contamination, boundary=None):
        """Choose the decision threshold.

        Parameters
        ----------
        contamination : "auto" or float
            As the parameter of the detector.
        boundary : float, default=None
            The anomaly that labels determine, if they do.

        Returns
        -------
        float
            The threshold.
        """
        if contamination == "auto" and boundary is not None:
            return -boundary
        return choose_threshold(
            self.scores, contamination, calibrated=self.is_calibrated
        )

    def to_dict(self):
        """Return the scores as plain data, which `reference_from_dict` takes."""
        return {"kind": type(self).__name__, "scores": self.scores}

    @classmethod
    def _from_dict(cls, state, columns, make_networks):
        return cls(state["scores"])


class HeldOut(Reference):
    """Scores of samples that were held out, by the network of the detector."""

    is_calibrated = True

    def score_by_networks(self, scorer, X):
        """Score samples by each network that calibration samples were scored by.

        Parameters
        ----------
        scorer : NetworkScorer
            That of the detector.
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.

        Returns
        -------
        ndarray of shape (n_samples, n_networks)
            The scores.
        """
        return scorer.score_samples(X)[:, np.newaxis]

    def pvalues(self, scores):
        """Return the p-values of samples whose `score_by_networks` these are."""
        return conformal_pvalues(self._pairs(scores))

    def test_drift(self, scores):
        """Compare samples with calibration samples, see `compare_distributions`."""
        return compare_distributions(self._pairs(scores))

    def _pairs(self, scores):
        return list(zip(self._known(), np.asarray(scores).T, strict=True))

    def _known(self):
        return [self.scores]


class CrossFitted(HeldOut):
    """Scores of all samples, each by networks that have not seen its fold.

    Parameters
    ----------
    folds : list of (NetworkScorer, ndarray)
        Of each fold, what scores it, and its sorted scores.
    """

    def __init__(self, folds):
        super().__init__(np.concatenate([scores for _, scores in folds]))
        self.folds = folds

    def score_by_networks(self, scorer, X):
        """Score samples by the networks of each fold, see `HeldOut`."""
        return np.column_stack([fold.score_samples(X) for fold, _ in self.folds])

    def _known(self):
        return [scores for _, scores in self.folds]

    def to_dict(self):
        """Return scores and networks as plain data."""
        folds = [
            {
                "networks": fold.networks.get_state(),
                "score": fold.score.to_dict(),
                "scores": scores,
            }
            for fold, scores in self.folds
        ]
        return super().to_dict() | {"folds": folds}

    @classmethod
    def _from_dict(cls, state, columns, make_networks):
        folds = []
        for fold in state["folds"]:
            networks = make_networks(fold["networks"])
            score = score_from_dict(fold["score"])
            folds.append((NetworkScorer(networks, columns, score), fold["scores"]))
        return cls(folds)


def reference_from_dict(state, columns, make_networks):
    """Make again what `Reference.to_dict` returned.

    Parameters
    ----------
    state : dict
        What it returned.
    columns : Columns
        Which features are one column.
    make_networks : callable
        Makes networks of their state.

    Returns
    -------
    Reference
        The scores.
    """
    kinds = {kind.__name__: kind for kind in (Reference, HeldOut, CrossFitted)}
    return kinds[state["kind"]]._from_dict(state, columns, make_networks)
