"""Anomaly scores from rows, their reconstructions and their codes.

They work on plain arrays and know nothing of networks: the higher, the more anomalous.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from ._whitening import Whitening

# Rows, drawn at random, that a score is fitted on at most: for covariances and for the
# index of neighbours. They are fewer where there are many features, but not fewer than
# 2,000, so that all their values are about 4 million. It bounds the time to find
# neighbours, too.
MIN_ROWS, MAX_ROWS = 2_000, 10_000
MAX_VALUES = 4_000_000
# Whitened distance below which a training row counts as the queried row itself. It is
# far above rounding, and far below the distance of neighbours that matter.
SAME_ROW = 1e-3


class Contributions(NamedTuple):
    """What features and codes add to the anomaly of rows.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        What each feature adds through its residual.
    codes : ndarray of shape (n_samples, n_components)
        What each number of the code adds. All of a row's contributions sum to its
        anomaly.
    """

    features: np.ndarray
    codes: np.ndarray


def draw_rows(n_samples, n_features, random_state=None):
    """Choose the rows to fit a score on.

    Parameters
    ----------
    n_samples : int
        Rows that there are.
    n_features : int
        Features that they have.
    random_state : int, RandomState instance or None, default=None
        Determines which are drawn, if they are more than 10,000, or more than 2,000
        with more than 4 million values.

    Returns
    -------
    ndarray of shape (n_drawn,), of int
        Their indices in ascending order; all of them, if there are few.
    """
    most = int(np.clip(MAX_VALUES // n_features, MIN_ROWS, MAX_ROWS))
    if n_samples <= most:
        return np.arange(n_samples)
    rng = check_random_state(random_state)
    return np.sort(rng.choice(n_samples, most, replace=False))


class Score(ABC):
    """Base class: an anomaly for each row, and what adds up to it."""

    # Whether codes contribute, and not features alone.
    of_codes = False

    def fit(self, X, X_hat, Z, random_state=None):
        """Learn from training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        X_hat : ndarray of shape (n_samples, n_features)
            Their reconstructions.
        Z : ndarray of shape (n_samples, n_components)
            Their codes.
        random_state : int, RandomState instance or None, default=None
            Determines which rows are used, if not all are: see `draw_rows`.

        Returns
        -------
        Score
            This object.
        """
        rows = draw_rows(*X.shape, random_state)
        if len(rows) < len(X):
            X, X_hat, Z = X[rows], X_hat[rows], Z[rows]
        self._fit(X, X_hat, Z)
        return self

    @abstractmethod
    def _fit(self, X, X_hat, Z):
        """Learn from these rows, all of them."""

    @abstractmethod
    def anomaly(self, X, X_hat, Z):
        """Say how anomalous rows are.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows, new ones or those of `fit`.
        X_hat : ndarray of shape (n_samples, n_features)
            Their reconstructions.
        Z : ndarray of shape (n_samples, n_components)
            Their codes.

        Returns
        -------
        ndarray of shape (n_samples,), of the dtype of X
            The higher, the more anomalous; never negative.
        """

    @abstractmethod
    def contributions(self, X, X_hat, Z):
        """Say what adds up to the anomaly of each row.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows, new ones or those of `fit`.
        X_hat : ndarray of shape (n_samples, n_features)
            Their reconstructions.
        Z : ndarray of shape (n_samples, n_components)
            Their codes.

        Returns
        -------
        Contributions
            In the dtype of X, none of them negative.
        """


class _Term(Score):
    """A sum of squares, of which each belongs to one feature or to one code."""

    @abstractmethod
    def _deviations(self, X, X_hat, Z):
        """Give what is squared and summed."""

    def anomaly(self, X, X_hat, Z):
        deviations = self._deviations(X, X_hat, Z)
        return np.einsum("ij,ij->i", deviations, deviations).astype(X.dtype, copy=False)

    def contributions(self, X, X_hat, Z):
        squares = (self._deviations(X, X_hat, Z) ** 2).astype(X.dtype, copy=False)
        if self.of_codes:
            return Contributions(np.zeros_like(X), squares)
        return Contributions(squares, np.zeros_like(Z, X.dtype))


class ReconstructionScore(_Term):
    """Squared reconstruction error."""

    def _fit(self, X, X_hat, Z):
        pass

    def _deviations(self, X, X_hat, Z):
        return X - X_hat


class ResidualScore(_Term):
    """Squared Mahalanobis distance of the residual from those of training rows."""

    def _fit(self, X, X_hat, Z):
        scale = X.var(axis=0, dtype=np.float64).mean()
        self._whitening = Whitening(scale).fit(X - X_hat)

    def _deviations(self, X, X_hat, Z):
        return self._whitening.transform(X - X_hat)


class CodeScore(_Term):
    """Squared Mahalanobis distance of the code from those of training rows."""

    of_codes = True

    def _fit(self, X, X_hat, Z):
        self._whitening = Whitening().fit(Z)

    def _deviations(self, X, X_hat, Z):
        return self._whitening.transform(Z.astype(np.float64, copy=False))


class NeighborsScore(_Term):
    """Distance to a near neighbour among the whitened codes of training rows.

    It is not squared: where codes have few numbers, squares would be so unequal that
    normal rows at the rim counted as outliers.

    A training row is no neighbour of its own: of the codes at no distance from a row's,
    one is passed over. So training rows score as new rows do.

    Parameters
    ----------
    n_neighbors : int, default=5
        Which neighbour, the nearest being 1. With fewer training rows, the farthest.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi and K. Shim, "Efficient algorithms for mining
       outliers from large data sets", ACM SIGMOD 2000, 427-438.
    """

    of_codes = True

    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def _fit(self, X, X_hat, Z):
        self._whitening = Whitening().fit(Z)
        self._codes = self._whitening.transform(Z.astype(np.float64, copy=False))
        # Trees lose to plain matrix products in more than a few dimensions.
        algorithm = "kd_tree" if Z.shape[1] <= 8 else "brute"
        n_neighbors = min(self.n_neighbors + 1, len(Z))
        self._index = NearestNeighbors(n_neighbors=n_neighbors, algorithm=algorithm)
        self._index.fit(self._codes)

    def _deviations(self, X, X_hat, Z):
        codes = self._whitening.transform(Z.astype(np.float64, copy=False))
        distances, neighbors = self._index.kneighbors(codes)
        one_further = distances[:, 0] < SAME_ROW
        rank = np.minimum(self.n_neighbors - 1 + one_further, neighbors.shape[1] - 1)
        rows = np.arange(len(codes))
        differences = codes - self._codes[neighbors[rows, rank]]
        lengths = np.linalg.norm(differences, axis=1, keepdims=True)
        # So that the squares sum to the length.
        return differences / np.sqrt(lengths, where=lengths > 0, out=lengths + 1)


class FusedScore(Score):
    """Sum of scores, each divided by what it is for most training rows.

    That is its mean over the three quarters of them with the lowest. The mean over all
    would be that of the outliers, where a score tells them well, and so make it count
    for the less.

    Parameters
    ----------
    scores : list of Score
        The terms.
    """

    def __init__(self, scores):
        self.scores = scores
        self.of_codes = any(score.of_codes for score in scores)

    def _fit(self, X, X_hat, Z):
        n_rows = -(-3 * len(X) // 4)
        self.weights_ = []
        for score in self.scores:
            anomaly = score.fit(X, X_hat, Z).anomaly(X, X_hat, Z)
            lowest = np.sort(anomaly)[:n_rows].mean(dtype=np.float64)
            unit = lowest if lowest > 0 else anomaly.mean(dtype=np.float64)
            self.weights_.append(1 / float(unit) if unit > 0 else 1.0)

    def anomaly(self, X, X_hat, Z):
        return sum(
            score.anomaly(X, X_hat, Z) * weight
            for score, weight in zip(self.scores, self.weights_, strict=True)
        )

    def contributions(self, X, X_hat, Z):
        features, codes = np.zeros_like(X), np.zeros_like(Z, X.dtype)
        for score, weight in zip(self.scores, self.weights_, strict=True):
            parts = score.contributions(X, X_hat, Z)
            features += parts.features * weight
            codes += parts.codes * weight
        return Contributions(features, codes)


class CallableScore(Score):
    """What a user's function says.

    Parameters
    ----------
    function : callable
        ``function(X, X_hat, Z)`` gives an array of shape (n_samples,): the higher, the
        more anomalous.
    """

    def __init__(self, function):
        self.function = function

    def _fit(self, X, X_hat, Z):
        pass

    def anomaly(self, X, X_hat, Z):
        name = getattr(self.function, "__name__", repr(self.function))
        anomaly = np.asarray(self.function(X, X_hat, Z))
        if anomaly.shape != (len(X),):
            raise ValueError(
                f"The score {name} gave shape {anomaly.shape} for {len(X)} rows: it "
                f"has to give one number a row, of shape ({len(X)},)."
            )
        if not np.isfinite(anomaly).all():
            raise ValueError(
                f"The score {name} gave NaN or infinity for "
                f"{(~np.isfinite(anomaly)).sum()} of {len(X)} rows: it has to give "
                "finite numbers."
            )
        return anomaly.astype(X.dtype, copy=False)

    def contributions(self, X, X_hat, Z):
        name = getattr(self.function, "__name__", repr(self.function))
        raise ValueError(
            f"What adds up to the score {name} is not known: it is a function. Choose "
            f"one of the scores {', '.join(map(repr, _KINDS))} to have it explained."
        )


_KINDS = {
    "reconstruction": ReconstructionScore,
    "residual": ResidualScore,
    "code": CodeScore,
    "neighbors": NeighborsScore,
    "fused": lambda: FusedScore([ResidualScore(), CodeScore(), NeighborsScore()]),
}


def make_score(kind):
    """Make a score, not yet fitted.

    Parameters
    ----------
    kind : {"reconstruction", "residual", "code", "neighbors", "fused"} or callable
        Its name, or a function as `CallableScore` takes it.

    Returns
    -------
    Score
        The score.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skae._outliers._scores import make_score
    >>> rng = np.random.RandomState(0)
    >>> x = rng.normal(size=(300, 1))
    >>> X = np.hstack([x, -x, 2 * x]) + rng.normal(scale=0.1, size=(300, 3))
    >>> pca = PCA(n_components=1).fit(X)  # in place of a network
    >>> Z = pca.transform(X)
    >>> score = make_score("fused").fit(X, pca.inverse_transform(Z), Z)
    >>> X_new = np.array([[1.0, -1.0, 2.0], [1.0, 2.0, 2.0]])
    >>> Z_new = pca.transform(X_new)
    >>> score.anomaly(X_new, pca.inverse_transform(Z_new), Z_new) > [10, 10]
    array([False,  True])
    """
    return CallableScore(kind) if callable(kind) else _KINDS[kind]()
