"""Anomaly scores: functions of samples, their reconstructions and their codes.

They work on plain arrays and know nothing of networks: the higher, the more anomalous.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from .._missing import observed_means, observed_variances
from .._sampling import draw
from ._neighbors import NeighborSearch, sample_points
from ._whitening import Whitening

# A score is fitted on at most so many samples, drawn at random: they give covariances
# and the index of neighbours. There are fewer where there are many features, so that
# all values are about 4 million, but at least 2,000. This also bounds the time of
# neighbour searches.
MIN_SAMPLES, MAX_SAMPLES = 2_000, 10_000
MAX_VALUES = 4_000_000
# Whitened distance below which a training sample counts as the queried sample itself:
# far above rounding, and far below the distance of neighbours that matter.
SAME_SAMPLE = 1e-3
# Numbers of float32 and float64 among ONNX's types.
_ONNX_FLOAT, _ONNX_DOUBLE = 1, 11
# Whitened codes beyond this have no neighbours: squared distances would overflow.
LARGEST_CODE = 1e100


class Contributions(NamedTuple):
    """What features and components contribute to the anomaly of samples.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Contribution of each feature, through its residual.
    codes : ndarray of shape (n_samples, n_components)
        Contribution of each latent component. All contributions to a sample sum to its
        anomaly.
    """

    features: np.ndarray
    codes: np.ndarray


def draw_samples(n_samples, n_features, random_state=None):
    """Choose the samples to fit a score on.

    Parameters
    ----------
    n_samples : int
        Number of samples.
    n_features : int
        Number of features.
    random_state : int, RandomState instance or None, default=None
        Determines which are drawn, if they are more than 10,000, or more than 2,000
        with more than 4 million values.

    Returns
    -------
    ndarray of shape (n_drawn,), of int
        Their indices in ascending order; all of them, if there are few.
    """
    most = int(np.clip(MAX_VALUES // n_features, MIN_SAMPLES, MAX_SAMPLES))
    return draw(np.arange(n_samples), most, check_random_state(random_state))


class Score(ABC):
    """Base class: the anomaly of each sample, and what contributes to it.

    Each method takes samples `X` and their reconstructions `X_hat`, both of shape
    (n_samples, n_features), and their codes `Z` of shape (n_samples, n_components).
    Missing cells of `X` are NaN. They contribute what their features do on average, so
    that samples are comparable.
    """

    # Whether components contribute, and not features alone.
    uses_codes = False
    # Whether several threads may compute it.
    is_thread_safe = True
    # Anomaly that rounding, and noise far below the scale of the data, alone can have.
    rounding = 0.0
    # Anomaly that separates outliers from normal samples, if it is known.
    boundary = None

    def to_dict(self):
        """Return the score as dicts, lists, numbers, strings and arrays.

        Returns
        -------
        dict
            What `score_from_dict` takes; a user's function is in it as it is.
        """
        return {
            "score": type(self).__name__,
            **{
                name: _to_plain(value)
                for name, value in vars(self).items()
                if name != "_made_search"
            },
        }

    @abstractmethod
    def fit(self, X, X_hat, Z):
        """Learn from training samples; return the score itself."""

    @abstractmethod
    def anomaly(self, X, X_hat, Z):
        """Compute how anomalous samples are, new ones or those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), of the dtype of X
            The higher, the more anomalous; never negative but for a user's function.
            Infinity or NaN where the arithmetic overflows.
        """

    @abstractmethod
    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        """Add the nodes of `anomaly` to an ONNX graph.

        Parameters
        ----------
        writer : skae.onnx.GraphWriter
            Adds nodes.
        X, X_hat, Z : str
            Names of the three arrays.
        missing : str, default=None
            Name of the indicator of missing cells of X; None if there are none.

        Returns
        -------
        str
            Name of the anomaly, of shape (n_samples,).
        """

    @abstractmethod
    def contributions(self, X, X_hat, Z):
        """Compute what sums to the anomaly of each sample.

        Returns
        -------
        Contributions
            In the dtype of X, none of them negative.
        """


def _to_plain(value):
    if isinstance(value, (Score, Whitening)):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_to_plain(part) for part in value]
    return value


def score_from_dict(state):
    """Make a score again.

    Parameters
    ----------
    state : dict
        What `Score.to_dict` returned.

    Returns
    -------
    Score
        The score.
    """
    return _from_plain(state)


def _from_plain(value):
    if isinstance(value, list):
        return [_from_plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    kinds = {kind.__name__: kind for kind in [*_subclasses(Score), Whitening]}
    made = object.__new__(kinds[value["score"]])
    rest = {name: part for name, part in value.items() if name != "score"}
    vars(made).update({name: _from_plain(part) for name, part in rest.items()})
    return made


def _subclasses(kind):
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


class _Term(Score):
    """A sum of squares, each of which belongs to one feature or to one component."""

    @abstractmethod
    def _deviations(self, X, X_hat, Z):
        """Compute what is squared and summed."""

    def anomaly(self, X, X_hat, Z):
        deviations = self._deviations(X, X_hat, Z)
        return np.einsum("ij,ij->i", deviations, deviations).astype(X.dtype, copy=False)

    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        deviations = self._write_deviations(writer, X, X_hat, Z, missing)
        return writer.add("ReduceSumSquare", deviations, [1], keepdims=0)

    def contributions(self, X, X_hat, Z):
        squares = (self._deviations(X, X_hat, Z) ** 2).astype(X.dtype, copy=False)
        if self.uses_codes:
            return Contributions(np.zeros_like(X), squares)
        return Contributions(squares, np.zeros_like(Z, X.dtype))


def _residuals(X, X_hat):
    """Return residuals: NaN for missing cells, infinity where networks overflow."""
    residuals = X - X_hat
    undefined = np.isnan(residuals)
    if undefined.any():
        residuals[undefined & ~np.isnan(X)] = np.inf
    return residuals


def _codes(Z):
    """Return codes in float64; infinity where networks overflow, nothing is missing."""
    Z = Z.astype(np.float64, copy=False)
    undefined = np.isnan(Z)
    return np.where(undefined, np.inf, Z) if undefined.any() else Z


class ReconstructionScore(_Term):
    """Squared reconstruction error."""

    # Mean squared errors of features, of the training samples with the lowest errors.
    expected_ = 0.0

    def fit(self, X, X_hat, Z):
        squares = np.square(_residuals(X, X_hat))
        order = np.argsort(observed_means(squares.T))
        self.expected_ = observed_means(squares[order[: -(-3 * len(X) // 4)]])
        return self

    def _deviations(self, X, X_hat, Z):
        residuals = _residuals(X, X_hat)
        expected = np.sqrt(np.asarray(self.expected_, X.dtype))
        return np.where(np.isnan(residuals), expected, residuals)

    def _write_deviations(self, writer, X, X_hat, Z, missing):
        residuals = writer.add("Sub", X, X_hat)
        if missing is None:
            return residuals
        return writer.add("Where", missing, np.sqrt(self.expected_), residuals)


class ResidualScore(_Term):
    """Squared Mahalanobis distance of the residual from those of training samples."""

    rounding = 0.05

    def fit(self, X, X_hat, Z):
        scale = observed_variances(X).mean()
        self._whitening = Whitening(scale).fit(_residuals(X, X_hat))
        return self

    def anomaly(self, X, X_hat, Z):
        distances = self._whitening.squared_distances(_residuals(X, X_hat))
        return distances.astype(X.dtype, copy=False)

    def _deviations(self, X, X_hat, Z):
        return self._whitening.transform(_residuals(X, X_hat))

    def _write_deviations(self, writer, X, X_hat, Z, missing):
        residuals = writer.add("Sub", X, X_hat)
        return self._whitening.write_onnx(writer, residuals, missing)


class CodeScore(_Term):
    """Squared Mahalanobis distance of the code from those of training samples."""

    uses_codes = True
    rounding = 0.05

    def fit(self, X, X_hat, Z):
        self._whitening = Whitening().fit(Z)
        return self

    def _deviations(self, X, X_hat, Z):
        return self._whitening.transform(_codes(Z))

    def _write_deviations(self, writer, X, X_hat, Z, missing):
        return self._whitening.write_onnx(writer, Z)


class NeighborsScore(_Term):
    """Distance to a near neighbour among the whitened codes of training samples [1]_.

    It is not squared: with few components, squares would be so unequal that normal
    samples at the edge of the distribution counted as outliers.

    Where codes have more than 5 components, neighbours are searched among 2,000 of the
    training samples. They are farther apart than all, so a nearer neighbour counts.

    A training sample is no neighbour of its own: of the codes at no distance from that
    of a sample, one is skipped. So training samples score as new samples do.

    Parameters
    ----------
    n_neighbors : int, default=5
        Which neighbour, the nearest being 1. With fewer training samples, the farthest.
    n_neighbors_of_sample : int, default=3
        Which neighbour among a sample of the training samples.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi and K. Shim, "Efficient algorithms for mining
       outliers from large data sets", ACM SIGMOD 2000, 427-438.
    """

    uses_codes = True

    # Made when it is first needed: it follows from the codes.
    _made_search = None

    def __init__(self, n_neighbors=5, n_neighbors_of_sample=3):
        self.n_neighbors = n_neighbors
        self.n_neighbors_of_sample = n_neighbors_of_sample

    def fit(self, X, X_hat, Z):
        self._whitening = Whitening().fit(Z)
        codes = self._whitening.transform(_codes(Z))
        self._codes = sample_points(codes)
        is_sample = len(self._codes) < len(codes)
        self._rank = self.n_neighbors_of_sample if is_sample else self.n_neighbors
        return self

    @property
    def _search(self):
        if self._made_search is None:
            self._made_search = NeighborSearch(self._codes, self._rank + 1)
        return self._made_search

    def _deviations(self, X, X_hat, Z):
        codes = self._whitening.transform(_codes(Z))
        is_far = ~(np.abs(codes) <= LARGEST_CODE).all(axis=1)  # or NaN
        codes[is_far] = 0
        distances, neighbors = self._search.query(codes)
        one_further = distances[:, 0] < SAME_SAMPLE
        rank = np.minimum(self._rank - 1 + one_further, neighbors.shape[1] - 1)
        differences = codes - self._codes[neighbors[np.arange(len(codes)), rank]]
        lengths = np.linalg.norm(differences, axis=1, keepdims=True)
        # Copies of one sample differ by rounding, which must not count.
        differences[lengths[:, 0] < SAME_SAMPLE] = 0
        # So that the squares sum to the length.
        deviations = differences / np.sqrt(lengths, where=lengths > 0, out=lengths + 1)
        deviations[is_far] = np.inf
        return deviations

    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        add, n_points = writer.add, len(self._codes)
        codes = self._whitening.write_onnx(writer, Z)
        points, squares, minus_two = (
            writer.constant(values, np.float64)
            for values in (self._codes, np.square(self._codes).sum(axis=1), -2.0)
        )
        # Squared distances, but for a term that is the same for all points: far from
        # the origin, differences of products in float32 would be rounding.
        exact = add("Cast", codes, to=_ONNX_DOUBLE)
        transposed = add("Transpose", points, perm=[1, 0])
        products = add("MatMul", add("Mul", exact, minus_two), transposed)
        distances = add("Add", products, squares)
        n_found = min(self._rank + 1, n_points)
        _, found = add(
            "TopK", distances, np.array([n_found]), n_outputs=2, largest=0, axis=1
        )
        near = add("Gather", points, found, axis=0)
        one = add("Unsqueeze", exact, np.array([1]))
        lengths = add("ReduceL2", add("Sub", near, one), np.array([2]), keepdims=0)
        lengths = add("Cast", lengths, to=_ONNX_FLOAT)
        if n_found <= self._rank:
            chosen = add("Slice", lengths, [n_found - 1], [n_found], [1])
        else:
            nearest, nth, next_one = (
                add("Slice", lengths, [i], [i + 1], [1])
                for i in (0, self._rank - 1, self._rank)
            )
            is_same = add("Less", nearest, SAME_SAMPLE)
            chosen = add("Where", is_same, next_one, nth)
        chosen = add("Where", add("Less", chosen, SAME_SAMPLE), 0.0, chosen)
        return add("Squeeze", chosen, np.array([1]))


class WeightedSum(Score):
    """Base class: a weighted sum of scores.

    It is computed in float64, in which weights of tiny scores do not overflow.
    """

    @abstractmethod
    def _terms(self, X, X_hat, Z, cut=None):
        """Yield each score with its weight and with the three arrays for it.

        `cut(Z, size)` returns the first columns of Z, which need not be an array.
        """

    def anomaly(self, X, X_hat, Z):
        anomaly = np.zeros(len(X))
        for score, weight, arrays in self._terms(X, X_hat, Z):
            anomaly += score.anomaly(*arrays).astype(np.float64, copy=False) * weight
        return anomaly.astype(X.dtype, copy=False)

    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        total = None
        for score, weight, arrays in self._terms(X, X_hat, Z, writer.first_columns):
            term = score.write_onnx(writer, *arrays, missing)
            term = writer.add("Cast", term, to=_ONNX_DOUBLE)
            weight = writer.constant(float(weight), np.float64)
            term = writer.add("Mul", term, weight)
            total = term if total is None else writer.add("Add", total, term)
        return writer.add("Cast", total, to=_ONNX_FLOAT)

    def contributions(self, X, X_hat, Z):
        features, codes = np.zeros(X.shape), np.zeros(Z.shape)
        for score, weight, arrays in self._terms(X, X_hat, Z):
            parts = score.contributions(*arrays)
            features += parts.features.astype(np.float64, copy=False) * weight
            size = parts.codes.shape[1]
            codes[:, :size] += parts.codes.astype(np.float64, copy=False) * weight
        return Contributions(
            features.astype(X.dtype, copy=False), codes.astype(X.dtype, copy=False)
        )


class FusedScore(WeightedSum):
    """Sum of scores, each divided by its typical value for training samples.

    That is its mean over the three quarters of them with the lowest. The mean over all
    would be dominated by outliers where a score separates them well, so that this score
    would count for less. It is the typical value where that of the lowest is rounding,
    as where most samples are equal; a score that is rounding only is not divided.

    Parameters
    ----------
    scores : list of Score
        The terms.
    """

    def __init__(self, scores):
        self.scores = scores
        self.uses_codes = any(score.uses_codes for score in scores)

    def fit(self, X, X_hat, Z):
        n_lowest = -(-3 * len(X) // 4)
        self.weights_ = []
        for score in self.scores:
            anomaly = score.fit(X, X_hat, Z).anomaly(X, X_hat, Z)
            lowest = np.sort(anomaly)[:n_lowest].mean(dtype=np.float64)
            is_rounding = lowest <= score.rounding
            unit = anomaly.mean(dtype=np.float64) if is_rounding else lowest
            self.weights_.append(1 / float(unit) if unit > score.rounding else 1.0)
        return self

    def _terms(self, X, X_hat, Z, cut=None):
        for score, weight in zip(self.scores, self.weights_, strict=True):
            yield score, weight, (X, X_hat, Z)


class CallableScore(Score):
    """Score that a user's function computes.

    Parameters
    ----------
    function : callable
        ``function(X, X_hat, Z)`` returns an array of shape (n_samples,): the higher,
        the more anomalous.
    """

    is_thread_safe = False  # nobody knows

    def __init__(self, function):
        self.function = function

    @property
    def name(self):
        """Name of the function in messages."""
        return getattr(self.function, "__name__", repr(self.function))

    def fit(self, X, X_hat, Z):
        return self

    def anomaly(self, X, X_hat, Z):
        # The function may write into its arguments, and X may be the user's own.
        anomaly = np.asarray(self.function(X.copy(), X_hat, Z))
        if anomaly.shape != (len(X),):
            raise ValueError(
                f"The outlier_score {self.name} returned an array of shape "
                f"{anomaly.shape} for {len(X)} samples. It has to return one number "
                f"per sample, an array of shape ({len(X)},)."
            )
        # Where the network itself overflows, the function cannot help it.
        overflow = ~(np.isfinite(X_hat).all(axis=1) & np.isfinite(Z).all(axis=1))
        undefined = ~(anomaly > -np.inf) & ~overflow
        if undefined.any():
            raise ValueError(
                f"The outlier_score {self.name} returned NaN or -infinity for "
                f"{undefined.sum()} of {len(X)} samples. It has to return numbers, "
                "also for samples with missing cells (NaN), if X has any."
            )
        return np.where(overflow, np.inf, anomaly).astype(X.dtype, copy=False)

    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        raise ValueError(
            f"The outlier_score {self.name} is a function, which cannot be exported. "
            f"Choose one of {', '.join(map(repr, _KINDS))}, or export the outputs "
            "'encode' and 'reconstruct' only."
        )

    def contributions(self, X, X_hat, Z):
        raise ValueError(
            f"explain() is not available for a callable outlier_score, here "
            f"{self.name}. Choose one of {', '.join(map(repr, _KINDS))}."
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
