"""A uniform sample of all samples that came so far, batch by batch."""

import numpy as np

from .._sampling import draw, smallest

# Samples that are kept, at most, and values of them. Fewer are kept of a whole fit,
# which most detectors do not go on from.
MAX_ROWS, MAX_VALUES = 10_000, 1_000_000
MAX_ROWS_OF_FIT, MAX_VALUES_OF_FIT = 2_000, 250_000
MIN_ROWS = 500


class Reservoir:
    """Samples drawn at random, each as probable as any other that came.

    Each sample has a random number in [0, 1), and those below a limit are kept. The
    limit falls where they are too many.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        The samples that are kept, in the order in which they came.
    numbers : ndarray of shape (n_samples,)
        Their random numbers.
    limit : float
        Numbers of further samples have to be below it.
    """

    def __init__(self, rows, numbers, limit=1.0):
        self.rows = rows
        self.numbers = numbers
        self.limit = limit

    @classmethod
    def empty(cls, X):
        """Return the reservoir before any sample, for those like X."""
        return cls(X[:0], np.empty(0))

    @classmethod
    def draw(cls, X, indices, n_samples, random_state, least=0):
        """Draw from samples that have come already.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Samples.
        indices : ndarray of int
            Which rows of X have come: all of them, or as many as are at hand, drawn at
            random.
        n_samples : int
            Number of all samples that have come.
        random_state : int
            Determines which ones are kept.
        least : int, default=0
            Number of samples that are kept in any case, if there are so many.

        Returns
        -------
        Reservoir
            Of at most 2,000 samples, or `least`.
        """
        rng = np.random.RandomState(random_state)
        n_kept = max(_most(X.shape[1], MAX_ROWS_OF_FIT, MAX_VALUES_OF_FIT), least)
        if n_samples <= min(n_kept, len(indices)):
            return cls(X[np.sort(indices)], rng.random_sample(n_samples))
        n_kept = min(n_kept, len(indices))
        drawn = draw(indices, n_kept, rng)
        # The smallest of all numbers, as ratios of sums of exponential variables.
        sums = np.cumsum(rng.standard_exponential(n_kept + 1))
        rest = rng.standard_gamma(max(n_samples - n_kept, 1))
        numbers = sums[:n_kept] / (sums[-1] + rest)
        return cls(X[drawn], rng.permutation(numbers), float(numbers.max()))

    def add(self, X, indices, random_state, least=0):
        """Return the reservoir after further samples.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Samples.
        indices : ndarray of int
            Which rows of X come, in ascending order.
        random_state : int
            Determines which ones are kept.
        least : int, default=0
            Number of samples that are kept in any case, if there are so many.

        Returns
        -------
        Reservoir
            Another one.
        """
        numbers = np.random.RandomState(random_state).random_sample(len(indices))
        chosen = numbers < self.limit
        rows = np.concatenate([self.rows, X[indices[chosen]]])
        numbers = np.concatenate([self.numbers, numbers[chosen]])
        most = max(_most(X.shape[1], MAX_ROWS, MAX_VALUES), least)
        if len(rows) <= most:
            return Reservoir(rows, numbers, self.limit)
        kept, limit = smallest(numbers, most)
        return Reservoir(rows[kept], numbers[kept], limit)

    def to_dict(self):
        """Return what `Reservoir` takes, as a dict."""
        return vars(self).copy()


def _most(n_features, max_rows, max_values):
    return int(np.clip(max_values // n_features, MIN_ROWS, max_rows))
