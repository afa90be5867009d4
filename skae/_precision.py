"""Numbers in float32 and float64 that are the same but for rounding.

A number that stands for a category may come in another precision than in `fit`, as it
is or after a scaler, which rounds it once more.
"""

import numpy as np

# Rounding errors of a number in float64, relative to the largest one.
ERRORS = 8
# Difference between numbers that were scaled in float32 and in float64, relative to
# their range: where years were scaled, they are found, and where whole numbers up to
# 100,000 were scaled, a number is not taken for its neighbour. Raw numbers, of which
# the range is larger, have no such difference.
SHIFT, LARGEST_RANGE = 9e-6, 4.0
# Share of the distance between two known numbers that rounding has at most.
SHARE = 2.0**-6


def is_single(values):
    """Return which numbers float32 holds, as an ndarray of bool."""
    with np.errstate(over="ignore"):
        return values == values.astype(np.float32)


def find_known(values, known):
    """Find the known number that each value is but for rounding.

    Parameters
    ----------
    values : ndarray of float64 of shape (n_values,)
        None of them equals a known one.
    known : ndarray of float64 of shape (n_known,)
        Distinct numbers.

    Returns
    -------
    ndarray of int of shape (n_values,)
        Which known number; -1 for none.
    """
    order = np.argsort(known)
    order = order[np.isfinite(known[order])]
    ordered = known[order]
    if not len(ordered):
        return np.full(len(values), -1)
    edges = np.concatenate([[-np.inf], ordered, [np.inf]])
    gaps = np.diff(edges)
    right = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    left = np.maximum(right - 1, 0)
    is_left = np.abs(values - ordered[left]) <= np.abs(values - ordered[right])
    nearest = np.where(is_left, left, right)
    closest = ordered[nearest]
    is_coarse = is_single(values) | is_single(closest)
    shift = SHIFT * min(ordered[-1] - ordered[0], LARGEST_RANGE)
    fine = ERRORS * np.finfo(np.float64).eps * np.abs(ordered).max()
    coarse = np.maximum(np.finfo(np.float32).eps * np.abs(closest), shift)
    tolerance = np.where(is_coarse, coarse, fine)
    room = SHARE * np.minimum(gaps[nearest], gaps[nearest + 1])
    with np.errstate(invalid="ignore"):
        found = np.abs(values - closest) <= np.minimum(tolerance, room)
        # Whole numbers are codes as they were written: neighbours are others.
        found &= (values % 1 != 0) | (closest % 1 != 0)
    return np.where(found, order[nearest], -1)


def as_rounded(values, known):
    """Replace values by known numbers that are the same in the other precision.

    Parameters
    ----------
    values : ndarray of float64 of shape (n_values,)
        Numbers in any precision.
    known : ndarray of float64 of shape (n_known,)
        Known numbers. Of those that float32 does not tell apart, the most frequent one
        stands for all.

    Returns
    -------
    ndarray of float64 of shape (n_values,)
        A new one.
    """
    distinct, counts = np.unique(known, return_counts=True)
    distinct = distinct[np.argsort(-counts, kind="stable")]
    with np.errstate(over="ignore"):
        rounded, first = np.unique(distinct.astype(np.float32), return_index=True)
        given = values.astype(np.float32)
    place = np.minimum(np.searchsorted(rounded, given), len(rounded) - 1)
    found = distinct[first][place]
    same = (rounded[place] == given) & (is_single(values) != is_single(found))
    return np.where(same, found, values)
