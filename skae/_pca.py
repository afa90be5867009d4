"""Everything linear: principal components of the training samples."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from ._missing import NormalDistribution, has_missing

# Whitened codes have unit variance, but where the deviation along an axis is
# below this share of the largest: noise would become as loud as what the samples hold.
_SMALLEST_DEVIATION = 1e-3


class _Axes(NamedTuple):
    """Principal axes, one per row, variances along them, and the mean of samples."""

    components: np.ndarray
    variances: np.ndarray
    mean: np.ndarray


def _fit(X, n_components):
    """Fit PCA in float64; of incomplete samples, to an estimate of their covariance."""
    if has_missing(X):
        return _fit_incomplete(X, n_components)
    # Squares of uncentred float32 would drown small variances in their rounding.
    mean = X.mean(axis=0, dtype=np.float64)
    # The covariance takes less memory than a decomposition of all samples.
    solver = "covariance_eigh" if len(X) > X.shape[1] else "full"
    with np.errstate(invalid="ignore", divide="ignore"):  # one sample, or no variance
        pca = PCA(n_components, svd_solver=solver, copy=False).fit(X - mean)
    return _Axes(pca.components_, pca.explained_variance_, mean)


def _fit_incomplete(X, n_components):
    normal = NormalDistribution.fit(X)
    variances, axes = np.linalg.eigh(normal.covariance)
    variances, axes = variances[::-1], axes[:, ::-1].T
    if n_components < 1:
        shares = np.cumsum(variances) / variances.sum()
        n_components = np.searchsorted(shares, n_components, side="right") + 1
    return _Axes(axes[:n_components], variances[:n_components], normal.mean)


def count_components(X, share):
    """Count the components that PCA needs to keep a share of the variance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training samples, maybe with missing cells.
    share : float
        Within 0 and 1.

    Returns
    -------
    int
        At least 1. No autoencoder that is at least as good as PCA needs more.
    """
    return max(1, len(_fit(X, share).variances))


def whitened_pca(X, n_components):
    """Fit PCA, and return its whitened map and the map back as dense layers.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training samples, maybe with missing cells.
    n_components : int
        Number of components. Those that X has no axes for stay 0.

    Returns
    -------
    to_code, to_sample : tuple of ndarray
        Kernel and bias of either map.
    """
    n_samples, n_features = X.shape
    n_axes = min(n_components, n_features, n_samples)
    components, variances, mean = _fit(X, n_axes)
    deviation = np.sqrt(np.nan_to_num(variances))
    floor = _SMALLEST_DEVIATION * deviation[0] or 1.0
    scale = np.maximum(deviation, floor)[:, np.newaxis]
    kernel = np.zeros((n_features, n_components))
    back = np.zeros((n_components, n_features))
    kernel[:, :n_axes] = (components / scale).T
    back[:n_axes] = components * scale
    return (kernel, -mean @ kernel), (back, mean)
