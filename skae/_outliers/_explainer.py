"""Explanations: the anomaly of samples, divided among their columns."""

import numpy as np

from ._attribution import divide_by_decreases, divide_directly
from ._scores import score_from_dict
from ._whitening import Whitening

# Columns of a sample that are hidden in turn.
MAX_HIDDEN = 8


class Explainer:
    """Divides the anomaly of samples among their columns.

    Parameters
    ----------
    whitening : Whitening or None
        Mean and covariance of samples, by which hidden cells are filled. None where no
        cell is hidden.
    ranges : ndarray of shape (2, n_features)
        Smallest and largest value of each feature in training; NaN without any.
    """

    def __init__(self, whitening, ranges):
        self.whitening = whitening
        self.ranges = ranges

    @classmethod
    def fit(cls, X, ranges, *, can_hide_cells):
        """Learn from samples what is expected in hidden cells.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.
        ranges : ndarray of shape (2, n_features)
            As above.
        can_hide_cells : bool
            Whether a cell can be judged by hiding it.
        """
        return cls(Whitening().fit(X) if can_hide_cells else None, ranges)

    def widened(self, ranges):
        """Return the ranges of training samples together with further ones."""
        (low, high), (own_low, own_high) = ranges, self.ranges
        return np.array([np.fmin(low, own_low), np.fmax(high, own_high)])

    def to_dict(self):
        """Return the explainer as plain data."""
        whitening = None if self.whitening is None else self.whitening.to_dict()
        return {"whitening": whitening, "ranges": self.ranges}

    @classmethod
    def from_dict(cls, state):
        """Make an explainer of what `to_dict` returned."""
        whitening = state["whitening"]
        if whitening is not None:
            whitening = score_from_dict(whitening)
        return cls(whitening, state["ranges"])

    def explain(self, scorer, X, *, return_expected=False):
        """Divide the anomaly of samples among their columns; also expect their cells.

        Parameters
        ----------
        scorer : NetworkScorer
            Scores them.
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.
        return_expected : bool, default=False
            Whether the second result is to take hidden cells into account.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_columns)
            They sum to the anomaly of a sample.
        expected : ndarray of shape (n_samples, n_features)
            Reconstruction of each cell, from the others where it was hidden.
        """

        def attribute(part):
            return self._attribute(scorer, part, return_expected)

        contributions, expected = zip(*scorer.map(attribute, X), strict=True)
        expected = np.concatenate(expected)
        if self.whitening is not None:
            limits = np.nan_to_num(self.ranges).astype(expected.dtype)
            expected = np.clip(expected, *limits)
        return np.concatenate(contributions), expected

    def _attribute(self, scorer, X, return_expected):
        score, columns, networks = scorer.score, scorer.columns, scorer.networks
        expected = networks.reconstruct(X)
        shifts = np.square(expected - networks.centre)
        shifts = np.sqrt(np.add.reduceat(shifts, columns.starts, axis=1))
        missing = np.isnan(X[:, columns.starts])
        triple = scorer.triple(X)
        divided = divide_directly(score.contributions(*triple), shifts, missing)
        if self.whitening is None:
            return divided, expected
        anomaly = score.anomaly(*triple).astype(np.float64)
        likely = self.whitening.expect_each(X, columns.owners)
        likely = columns.clip_probabilities(likely)
        order = np.argsort(-divided, axis=1, kind="stable")[:, :MAX_HIDDEN]
        decreases = np.empty(order.shape)
        for i, hidden in enumerate(order.T):
            is_hidden = (columns.owners == hidden[:, np.newaxis]) & ~np.isnan(X)
            rest = np.where(is_hidden, np.nan, X)
            filled = np.where(is_hidden, likely, X)
            decreases[:, i] = anomaly - score.anomaly(*scorer.triple(rest, filled))
            if return_expected:
                expected[is_hidden] = networks.reconstruct(filled)[is_hidden]
        decreases[np.take_along_axis(missing, order, axis=1)] = 0
        return divide_by_decreases(divided, order, decreases), expected
