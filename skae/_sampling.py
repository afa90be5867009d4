"""Which samples are looked at, where all would be too many."""

import numpy as np


def draw(indices, most, rng):
    """Draw some of the indices at random, if they are many.

    Parameters
    ----------
    indices : ndarray of int
        The indices.
    most : int
        Maximum number.
    rng : numpy.random.RandomState
        Draws them; not used if there are no more than `most`.

    Returns
    -------
    ndarray of int
        In ascending order.
    """
    if len(indices) > most:
        indices = rng.choice(indices, most, replace=False)
    return np.sort(indices)


def spread(samples, most):
    """Take every n-th sample, so that they are no more than a number.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, ...)
        The samples, or their indices.
    most : int
        Maximum number.

    Returns
    -------
    ndarray of shape (n_taken, ...)
        A view of some of them, evenly spread; of all, if they are few.
    """
    return samples[:: -(-len(samples) // most)] if len(samples) else samples


def smallest(numbers, n):
    """Return which random numbers stay where a falling limit keeps the smallest.

    Samples with random numbers below a limit are a uniform sample of all that came, in
    whichever parts they came.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples,)
        The random numbers, more than `n`.
    n : int
        How many stay.

    Returns
    -------
    kept : ndarray of bool of shape (n_samples,)
        Which ones stay.
    limit : float
        Numbers of further samples have to be below it.
    """
    limit = np.partition(numbers, n)[n]
    return numbers < limit, float(limit)
