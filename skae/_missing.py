"""Missing cells: NaN in samples, and what is expected in its place.

Under a normal distribution, the expectation of the missing cells of a sample given the
observed ones solves a linear system with the part of the precision matrix (the inverse
of the covariance) that belongs to the missing cells. A few steps of the method of
conjugate gradients solve it for many samples at once, by matrix products alone, so that
a layer of a network can do the same.

Where missing cells are filled:

- by the encoder, if it has an input for them: the layer `FillCells`, which NumPy runs
  by `_operations` and ONNX by `onnx/_writer.py`;
- in front of any other encoder: `_inference.FittedNetworks.fill`, also in ONNX;
- for `impute`: `_imputation.Imputation`, or `FittedNetworks.fill` without one;
- in anomaly scores: `_outliers/_whitening.py`, by the distribution of the residuals;
- for `explain`: `Whitening.expect_each`, in cells that are hidden.
"""

import numpy as np
from sklearn.utils import gen_batches

from ._sampling import spread

# Values that are looked at together.
CHUNK_VALUES = 2**21
# Of the observed cells of a sample, up to a share is hidden from networks where they
# are trained, and where they are evaluated by how they reconstruct hidden cells: so
# many times the share that is missing, within limits.
HIDDEN_BY_MISSING = 2.0
SMALLEST_HIDDEN_SHARE, LARGEST_HIDDEN_SHARE = 0.1, 0.5
# Steps of conjugate gradients; six are enough for correlations of .99.
N_STEPS = 8
# Standard deviations to which observed cells are clipped: their squares must not
# overflow in float32.
LARGEST_DEVIATION = 1e6
# Features up to which expectations depend on observed cells. With more, they are means.
MAX_FEATURES = 256
# Features up to which covariances are estimated by expectation maximization.
MAX_EM_FEATURES = 64
# Samples that it takes, fewer for many features, since each costs as much as the
# inverse of a matrix.
MIN_SAMPLES, MAX_SAMPLES = 500, 2_000
EM_OPERATIONS = 3e8
MAX_ROUNDS = 20
# Change of the means, in standard deviations, from which on it goes on.
TOLERANCE = 0.01
# Imaginary uncorrelated samples per feature, of the variances observed, that are
# counted beside the real ones, and the floor under eigenvalues of the correlations.
PRIOR_SAMPLES = 0.3
FLOOR = 1e-3


def refuse_masked(values, name, filled="astype(float).filled(np.nan)"):
    """Refuse a masked array with masked cells, whose mask most functions drop.

    Parameters
    ----------
    values : object
        What a user passed.
    name : str
        What it is called in the error message.
    filled : str, default="astype(float).filled(np.nan)"
        The call that makes what it takes instead.

    Raises
    ------
    ValueError
        If it is a masked array of NumPy with cells that are masked.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(values)} masked cells. "
            "scikit-learn and most functions of NumPy drop the mask and use the values "
            f"below it. Fill them by .{filled} before any other step."
        )


def has_missing(X):
    """Check whether there are missing cells.

    Parameters
    ----------
    X : ndarray
        Samples.

    Returns
    -------
    bool
        Whether any value is NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum needs no memory, also of a memory map, and NaN remains NaN.
        if not np.isnan(np.sum(X)):
            return False
    size = max(1, CHUNK_VALUES * len(X) // X.size)
    return any(np.isnan(X[rows]).any() for rows in gen_batches(len(X), size))


def hidden_share(n_observed, n_samples):
    """Return up to which share of the observed cells of a sample to hide in training.

    Parameters
    ----------
    n_observed : ndarray of int of shape (n_features,)
        Number of observed cells of each feature.
    n_samples : int
        Number of samples.

    Returns
    -------
    float
        The more cells are missing, the larger; the largest share if none is, since
        nothing is known of later samples.
    """
    missing = 1 - n_observed.sum() / (n_samples * len(n_observed))
    if missing == 0:
        return LARGEST_HIDDEN_SHARE
    share = np.clip(
        HIDDEN_BY_MISSING * missing, SMALLEST_HIDDEN_SHARE, LARGEST_HIDDEN_SHARE
    )
    return float(share)


def observed_means(X):
    """Compute the mean of the observed cells of each feature.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Samples.

    Returns
    -------
    ndarray of shape (n_features,), of float64
        The means; 0 for a feature without observed cells.
    """
    n_observed = (~np.isnan(X)).sum(axis=0)
    return np.nansum(X, axis=0, dtype=np.float64) / np.maximum(n_observed, 1)


def observed_variances(X):
    """Compute the variance of the observed cells of each feature.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Samples.

    Returns
    -------
    ndarray of shape (n_features,), of float64
        The variances; 0 for a feature without observed cells.
    """
    return observed_means(np.square(X - observed_means(X)))


class NormalDistribution:
    """A multivariate normal distribution, estimated from incomplete samples.

    The covariance is that of the cells observed together. Up to 64 features it is
    improved by expectation maximization [1]_, from at most 2,000 samples. It is shrunk
    towards uncorrelated features, the more the fewer samples there are.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        Mean.
    covariance : ndarray of shape (n_features, n_features)
        Covariance, of full rank.
    low, high : ndarray of shape (n_features,)
        Range of the samples, to which expectations are clipped: linear regression has
        no limits where a feature that hardly varied has an extreme value.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from
       incomplete data via the EM algorithm", Journal of the Royal Statistical Society
       B 39 (1977), 1-38.
    """

    def __init__(self, mean, covariance, low, high):
        self.mean = mean
        self.covariance = covariance
        self.low = low
        self.high = high

    @classmethod
    def fit(cls, X):
        """Estimate mean and covariance.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples, with missing cells or without.

        Returns
        -------
        NormalDistribution
            The estimate.
        """
        n_features = X.shape[1]
        X = X.astype(np.float64)
        mean = observed_means(X)
        observed = ~np.isnan(X)
        centred = np.where(observed, X - mean, 0)
        together = observed.astype(np.float64)
        together = together.T @ together
        covariance = centred.T @ centred / np.maximum(together, 1)
        limits = (
            np.nan_to_num(extreme.reduce(X, axis=0)) for extreme in (np.fmin, np.fmax)
        )
        fitted = cls(mean, _regularize(covariance, together), *limits)
        if n_features <= MAX_EM_FEATURES and not observed.all():
            limit = np.clip(EM_OPERATIONS / n_features**3, MIN_SAMPLES, MAX_SAMPLES)
            some = spread(X, int(limit))
            for _ in range(MAX_ROUNDS):
                before, fitted = fitted, fitted._improve(some)
                change = np.square(fitted.mean - before.mean)
                if (change <= TOLERANCE**2 * np.diag(fitted.covariance)).all():
                    break
        return fitted

    def _improve(self, X):
        """Compute expectations of missing cells, and moments from those (EM)."""
        observed = ~np.isnan(X)
        patterns, which = np.unique(observed, axis=0, return_inverse=True)
        which = which.ravel()
        missing = ~patterns
        precision = np.linalg.inv(self.covariance)
        # Rows and columns of observed cells are those of the unit matrix.
        systems = precision * missing[:, :, None] * missing[:, None, :]
        diagonal = np.arange(X.shape[1])
        systems[:, diagonal, diagonal] += patterns
        conditional = np.linalg.inv(systems)
        conditional *= missing[:, :, None] * missing[:, None, :]
        centred = np.where(observed, X - self.mean, 0)
        expected = -np.einsum("nij,nj->ni", conditional[which], centred @ precision)
        complete = np.where(observed, centred, expected)
        shift = complete.mean(axis=0)
        complete -= shift
        covariance = complete.T @ complete
        covariance += np.einsum("n,nij->ij", np.bincount(which), conditional)
        covariance = _regularize(covariance / len(X), len(X))
        return NormalDistribution(self.mean + shift, covariance, self.low, self.high)

    def weights(self):
        """Return what `fill` takes.

        Returns
        -------
        mean, scale : ndarray of shape (n_features,)
            Mean, and square roots of the diagonal of the precision matrix.
        matrix : ndarray of shape (n_features, n_features)
            The precision matrix, divided by `scale` from both sides.
        low, high : ndarray of shape (n_features,)
            Limits of expectations.
        """
        precision = np.linalg.inv(self.covariance)
        return self.mean, *scaled_precision(precision), self.low, self.high


def scaled_precision(precision):
    """Divide a precision matrix by the square roots of its diagonal, from both sides.

    Parameters
    ----------
    precision : ndarray of shape (n_features, n_features)
        Of full rank.

    Returns
    -------
    scale : ndarray of shape (n_features,)
        Square roots of the diagonal.
    matrix : ndarray of shape (n_features, n_features)
        The quotients, of unit diagonal.
    """
    scale = np.sqrt(np.diag(precision))
    return scale, precision / scale / scale[:, None]


def fill(X, mean, scale=None, matrix=None, low=None, high=None):
    """Put expectations in the place of missing cells.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), of float32 or float64
        Samples.
    mean, scale, matrix, low, high : ndarray
        As `NormalDistribution.weights` returns them. With a mean only, expectations are
        means. Without limits, they are not clipped.

    Returns
    -------
    ndarray of shape (n_samples, n_features), of the dtype of X
        X itself if nothing is missing. Values of a sample do not depend on others.
    """
    missing = np.isnan(X)
    rows = np.flatnonzero(missing.any(axis=1))
    if not len(rows):
        return X
    dtype = X.dtype
    missing, mean = missing[rows], mean.astype(dtype, copy=False)
    if matrix is None:
        expected = np.broadcast_to(mean, missing.shape)
    else:
        scale, matrix = scale.astype(dtype, copy=False), matrix.astype(dtype)
        expected = _solve(X[rows], missing, mean, scale, matrix)
        if low is not None:
            expected = np.clip(expected, low.astype(dtype), high.astype(dtype))
    filled = X.copy()
    filled[rows] = np.where(missing, expected, X[rows])
    return filled


def _solve(X, missing, mean, scale, matrix):
    """Compute expectations by conjugate gradients."""
    tiny = np.finfo(X.dtype).tiny
    active = missing.astype(X.dtype)
    with np.errstate(over="ignore"):
        centred = np.where(missing, 0, (X - mean) * scale)
    centred = np.clip(centred, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    solution = np.zeros_like(centred)
    residual = -(centred @ matrix) * active
    direction = residual
    size = np.square(residual).sum(axis=1, keepdims=True)
    # As many steps as a sample has missing cells are exact; none more, so that its
    # result does not depend on other samples.
    n_steps = missing.sum(axis=1, keepdims=True)
    for i in range(min(N_STEPS, n_steps.max())):
        image = (direction @ matrix) * active
        curvature = (direction * image).sum(axis=1, keepdims=True)
        step = np.where(i < n_steps, size / np.maximum(curvature, tiny), 0)
        solution += step * direction
        residual = residual - step * image
        previous, size = size, np.square(residual).sum(axis=1, keepdims=True)
        direction = residual + size / np.maximum(previous, tiny) * direction
    return solution / scale + mean


def _regularize(covariance, n_samples):
    """Shrink a covariance towards uncorrelated features, and bound its eigenvalues.

    `n_samples` is a number, or a matrix of numbers by pairs of features.
    """
    n_features = len(covariance)
    variances = np.diag(covariance).copy()
    positive = variances[variances > 0]
    unit = positive.mean() if len(positive) else 1.0
    deviations = np.sqrt(np.maximum(variances, 1e-12 * unit))
    correlation = covariance / deviations / deviations[:, None]
    prior = PRIOR_SAMPLES * n_features
    correlation *= n_samples / (n_samples + prior)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, FLOOR)) @ vectors.T
    return correlation * deviations * deviations[:, None]
