"""Scores that are equal but for rounding."""

import numpy as np

# Scores that differ by less than this share of theirs are equal but for rounding, which
# depends on how many samples are scored at once.
ROUNDING = 1e-6


def raise_by_rounding(scores):
    """Raise scores by as much as they may be rounded."""
    with np.errstate(over="ignore"):
        return scores + ROUNDING * np.abs(scores)


def lower_by_rounding(scores):
    """Lower scores by as much as they may be rounded."""
    with np.errstate(over="ignore"):
        return scores - ROUNDING * np.abs(scores)


def tie(scores):
    """Replace scores that are equal but for rounding by the lowest of them.

    Parameters
    ----------
    scores : ndarray of shape (n_scores,)
        The scores. NaN stays NaN.

    Returns
    -------
    ndarray of shape (n_scores,), of float64
        Scores of which those that were equal but for rounding are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._rounding import tie
    >>> tie(np.array([-2.0, -1.0, -2.0 * (1 - 1e-9), -1.9]))
    array([-2. , -1. , -2. , -1.9])
    """
    scores = np.asarray(scores, np.float64)
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    low, high = ordered[:-1], ordered[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        same = high - low <= ROUNDING * np.minimum(np.abs(low), np.abs(high))
    starts = np.where(np.append(False, same), 0, np.arange(len(scores)))
    starts = np.maximum.accumulate(starts)
    tied = np.empty_like(scores)
    tied[order] = ordered[starts]
    return tied
