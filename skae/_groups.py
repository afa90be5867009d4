"""Groups of features: the categories of one column, which exclude each other.

A list of groups has a number for each feature: that of its column of categories, or -1
for a column of numbers.
"""

import numpy as np

# Logits are bounded by a hyperbolic tangent, so that exponentials do not overflow.
LARGEST_LOGIT = 30.0
# Under probabilities, so that their logarithms are finite.
SMALLEST_PROBABILITY = 1e-7


def membership(groups):
    """Return which feature is in which group.

    Parameters
    ----------
    groups : list of int
        The groups.

    Returns
    -------
    ndarray of shape (n_features, n_groups), of float32
        1 for members. Numbers are in no group.
    """
    groups = np.asarray(groups)
    return (groups[:, np.newaxis] == np.unique(groups[groups >= 0])).astype(np.float32)


def owners_of(groups):
    """Return numbers of columns from 0 on, also for those of numbers.

    Parameters
    ----------
    groups : list of int
        The groups; the features of a group are neighbours.

    Returns
    -------
    list of int
        The number of the column of each feature.
    """
    groups = np.asarray(groups)
    begins = (groups < 0) | (groups != np.roll(groups, 1))
    begins[0] = True
    return (np.cumsum(begins) - 1).tolist()


def probabilities(x, groups, factor):
    """Make the features of each group probabilities, times a factor.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features)
        Logits; numbers pass.
    groups : list of int
        The groups.
    factor : ndarray of shape ()
        What probabilities are multiplied by.

    Returns
    -------
    ndarray of shape (n_samples, n_features), of the dtype of x
        They sum to the factor of a group.
    """
    members = membership(groups).astype(x.dtype, copy=False)
    is_category = members.any(axis=1)
    logits = x.dtype.type(LARGEST_LOGIT) * np.tanh(x / x.dtype.type(LARGEST_LOGIT))
    exponentials = np.exp(logits)
    totals = np.where(is_category, exponentials @ members @ members.T, 1)
    factor = factor.astype(x.dtype, copy=False)
    return np.where(is_category, factor * exponentials / totals, x)
