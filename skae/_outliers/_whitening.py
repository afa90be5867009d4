"""Whitening by a covariance that outliers hardly change."""

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.utils import gen_batches

from .._missing import (
    NormalDistribution,
    fill,
    has_missing,
    observed_means,
    scaled_precision,
)

# Features above which only the variances are used and covariances are not: the matrix
# would take more than 32 MB, and its eigenvectors more than half a minute.
MAX_FEATURES = 2048
# Features above which outlying samples are found by variances alone, so that there is
# one matrix to take eigenvectors of, and not four.
MAX_REESTIMATED_FEATURES = 256
# No variance counts as less than this share of the features' mean, and no eigenvalue of
# the correlations, whose mean is 1, as less than this: what hardly varies among the
# training samples would otherwise decide everything.
FLOOR = 1e-3
# Features and samples from which on distances are computed by a triangular matrix, so
# many columns at a time: half of the products, once the matrix is decomposed.
MIN_TRIANGULAR_FEATURES = MIN_TRIANGULAR_SAMPLES = 256
TRIANGULAR_COLUMNS = 128
# Mean and covariance are estimated again this often, from the samples whose distance is
# at most so many standard deviations from the median.
REWEIGHTING_ROUNDS = 3
REWEIGHTING_CUTOFF = 2.5
# Values that differ by less than this share of theirs are the same but for rounding, or
# for noise far below the differences between patterns.
SAME_VALUE = 2e-4
# A value that more than one sample, and more than this share of them, has is shared. Of
# samples with shared values, at most so many, as a share of all, are unusual.
ALONE_SHARE = 1e-3
REPEATED_SHARE = 0.03


def median_and_deviation(values):
    """Estimate mean and standard deviation of the bulk of some values.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Values, most of them nearly normally distributed.

    Returns
    -------
    median : float
        Their median.
    deviation : float
        Their median absolute deviation, or their mean absolute deviation where more
        than half of them are the same but for rounding, in units that make it the
        standard deviation of a normal distribution.
    """
    median = np.median(values)
    distances = np.abs(values - median)
    deviation = 1.4826 * np.median(distances)
    if deviation <= SAME_VALUE * abs(median):
        deviation = 1.2533 * distances.mean()
    return float(median), float(deviation)


def upper_limit(values, n_deviations):
    """Find the limit beyond which values are unusual.

    That is some standard deviations above the median. Where samples repeat a few
    patterns, so do their values, and a deviation says little: most values are the same,
    or some patterns of many samples lie far from the others. What many samples share is
    not unusual. Therefore no more values are beyond the limit than there are values
    that hardly any other sample shares, and 3 % of all. Values of continuous data are
    not shared, so that this does not change their limit.

    Parameters
    ----------
    values : ndarray of shape (n_samples,), of float64
        Values, most of them nearly normally distributed, or few different ones.
    n_deviations : float
        Number of standard deviations.

    Returns
    -------
    float
        The limit.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._outliers._whitening import upper_limit
    >>> two_patterns = np.repeat([1.0, 5.0], [80, 20])
    >>> upper_limit(two_patterns, 3) > 5
    True
    >>> upper_limit(np.append(two_patterns, 9.0), 3) < 9
    True
    """
    median, deviation = median_and_deviation(values)
    limit = median + n_deviations * deviation
    values = np.sort(values)
    rounding = SAME_VALUE * np.maximum(np.abs(values), abs(limit))
    first = np.searchsorted(values, values - rounding)
    n_sharing = np.searchsorted(values, values + rounding, side="right") - first
    n_alone = np.sum(n_sharing <= max(1, ALONE_SHARE * len(values)))
    n_beyond = n_alone + int(REPEATED_SHARE * len(values))
    return max(limit, float((values + rounding)[max(0, len(values) - 1 - n_beyond)]))


class Whitening:
    """Linear map to features of unit variance without correlation.

    The covariance is Ledoit and Wolf's [1]_, with a floor under the variances and under
    the eigenvalues of the correlations. It is estimated again, three times, without
    outlying samples, so that they hardly change it [2]_: those for which the cube root
    of the squared distance is more than 2.5 standard deviations above its median. A
    pattern that many samples repeat stays, see `upper_limit`: without it, the features
    that tell it from others would not vary, and it would be infinitely far.

    Missing cells, which are NaN, are filled by their expectation given the others,
    under the normal distribution of this covariance: the squared distance is then that
    of the observed cells alone. To it, each missing cell adds what its feature
    contributes to the distance of training samples on average, so that samples with
    many missing cells are comparable to others.

    Of all whitening maps, this is the one whose outputs correlate most with the inputs
    (ZCA-cor in [3]_, corr-max in [4]_). So the squared outputs, which sum to the
    squared Mahalanobis distance, are the contributions of the features to it; none is
    negative.

    Parameters
    ----------
    scale : float, default=0.0
        Variances below 1e-6 times this one are attributed to rounding.

    References
    ----------
    .. [1] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", Journal of Multivariate Analysis 88 (2004), 365-411.
    .. [2] P. J. Rousseeuw and K. Van Driessen, "A fast algorithm for the minimum
       covariance determinant estimator", Technometrics 41 (1999), 212-223.
    .. [3] A. Kessy, A. Lewin and K. Strimmer, "Optimal whitening and decorrelation",
       The American Statistician 72 (2018), 309-314.
    .. [4] P. H. Garthwaite and I. Koch, "Evaluating the contributions of individual
       variables to a quadratic form", Australian & New Zealand Journal of Statistics 58
       (2016), 99-119.
    """

    # Mean squared outputs for training samples that are no outliers.
    expected_ = 1.0
    # Made when it is first needed: it follows from the matrix.
    _made_triangle = None

    def __init__(self, scale=0.0):
        self.scale = scale

    def fit(self, X):
        """Estimate mean and covariance.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        Whitening
            This object.
        """
        X = np.asarray(X, np.float64)
        wide = X.shape[1] > MAX_REESTIMATED_FEATURES
        samples = X
        for _ in range(REWEIGHTING_ROUNDS):
            self._fit(samples, only_variances=wide)
            whitened = self.transform(X)
            distances = np.cbrt(np.einsum("ij,ij->i", whitened, whitened))
            samples = X[distances <= upper_limit(distances, REWEIGHTING_CUTOFF)]
        self._fit(samples, only_variances=X.shape[1] > MAX_FEATURES)
        whitened = self._whiten(samples)[0]
        whitened[np.isnan(samples)] = np.nan
        self.expected_ = observed_means(np.square(whitened))
        return self

    def _fit(self, X, only_variances):
        incomplete = has_missing(X)
        self.mean_ = observed_means(X) if incomplete else X.mean(axis=0)
        X = X - self.mean_
        if incomplete:
            variances = observed_means(np.square(X))
        else:
            variances = np.einsum("ij,ij->j", X, X) / len(X)
        floor = max(FLOOR * variances.mean(), 1e-6 * self.scale)
        if floor < np.finfo(np.float64).tiny:
            floor = 1.0  # nothing varies: distances are in the unit of the data
        if only_variances or len(X) == 1:
            self.matrix_ = 1 / np.sqrt(np.maximum(variances, floor))
            return
        if incomplete:
            normal = NormalDistribution.fit(X)
            self.mean_ = self.mean_ + normal.mean
            covariance = normal.covariance
        else:
            covariance, _ = ledoit_wolf(X, assume_centered=True)
        deviations = np.sqrt(np.maximum(np.diag(covariance), floor))
        correlation = covariance / deviations / deviations[:, None]
        if incomplete:  # no shrinkage has raised variances below the floor
            np.fill_diagonal(correlation, 1.0)
        values, vectors = np.linalg.eigh(correlation)
        root = vectors / np.sqrt(np.maximum(values, FLOOR))
        self.matrix_ = root @ vectors.T / deviations

    def to_dict(self):
        """Return the map as numbers and arrays."""
        kept = {n: v for n, v in vars(self).items() if n != "_made_triangle"}
        return {"score": type(self).__name__, **kept}

    def transform(self, X):
        """Whiten samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), of float32 or float64
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features), of the dtype of X
            Their squares sum to the squared Mahalanobis distance of a sample, and what
            its missing cells add.
        """
        whitened, missing = self._whiten(X)
        if missing.any():
            added = np.where(missing, np.asarray(self.expected_, X.dtype), 0)
            whitened = np.sqrt(np.square(whitened) + added)
        return whitened

    def squared_distances(self, X):
        """Compute the sum of the squares of what `transform` returns.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), of float32 or float64
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,), of the dtype of X
            The squared distances.
        """
        few = len(X) < MIN_TRIANGULAR_SAMPLES or X.shape[1] < MIN_TRIANGULAR_FEATURES
        if few or self.matrix_.ndim == 1:
            whitened = self.transform(X)
            return np.einsum("ij,ij->i", whitened, whitened)
        X, missing = self._centre(X)
        triangle = self._triangle.astype(X.dtype, copy=False)
        distances = np.zeros(len(X), X.dtype)
        for columns in gen_batches(X.shape[1], TRIANGULAR_COLUMNS):
            rest = slice(columns.start, None)
            part = X[:, rest] @ triangle[rest, columns]
            distances += np.einsum("ij,ij->i", part, part)
        if missing.any():
            distances += missing @ np.asarray(self.expected_, X.dtype)
        return distances

    @property
    def _triangle(self):
        """A lower triangular matrix that maps to the same lengths as `matrix_`."""
        if self._made_triangle is None:
            self._made_triangle = np.linalg.qr(self.matrix_, mode="r").T
        return self._made_triangle

    def _centre(self, X):
        """Centre samples and fill missing cells; also return which cells those are."""
        X = X - self.mean_.astype(X.dtype, copy=False)
        missing = np.isnan(X)
        if missing.any():
            X = fill(X, *self._distribution())
        return X, missing

    def _whiten(self, X):
        """Whiten samples, missing cells filled; also return which cells those are."""
        matrix = self.matrix_.astype(X.dtype, copy=False)
        X, missing = self._centre(X)
        return X * matrix if matrix.ndim == 1 else X @ matrix.T, missing

    def expect_each(self, X, owners):
        """Compute what is expected of each column, given all others of the sample.

        The distribution is the normal one of this mean and covariance.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), of float32 or float64
            Samples. Missing cells are expected given the observed ones.
        owners : ndarray of int of shape (n_features,)
            The column that each feature belongs to, in ascending order from 0 on. The
            features of a column are expected together, none given another.

        Returns
        -------
        ndarray of shape (n_samples, n_features), of the dtype of X
            The expectations. With variances only, they are means.
        """
        if self.matrix_.ndim == 1:
            return np.broadcast_to(self.mean_.astype(X.dtype), X.shape)
        centred = fill(X.astype(np.float64) - self.mean_, *self._distribution())
        precision = self.matrix_.T @ self.matrix_
        slopes = centred @ precision
        expected = centred - slopes / np.diag(precision)
        for column in np.flatnonzero(np.bincount(owners) > 1):
            own = np.flatnonzero(owners == column)
            inverse = np.linalg.inv(precision[np.ix_(own, own)])
            expected[:, own] = centred[:, own] - slopes[:, own] @ inverse
        return (expected + self.mean_).astype(X.dtype)

    def _distribution(self):
        """Return the distribution of centred samples, as `fill` takes it."""
        mean = np.zeros(len(self.mean_))
        if self.matrix_.ndim == 1:
            return [mean]
        return mean, *scaled_precision(self.matrix_.T @ self.matrix_)

    def write_onnx(self, writer, X, missing=None):
        """Add the nodes of `transform` to an ONNX graph; return the output's name."""
        X = writer.add("Sub", X, self.mean_)
        if missing is not None:
            # Other cells are NaN where networks overflow.
            X = writer.fill(X, *self._distribution(), missing=missing)
        if self.matrix_.ndim == 1:
            X = writer.add("Mul", X, self.matrix_)
        else:
            X = writer.add("MatMul", X, self.matrix_.T)
        if missing is None:
            return X
        added = writer.add("Where", missing, self.expected_, 0.0)
        return writer.add("Sqrt", writer.add("Add", writer.add("Mul", X, X), added))
