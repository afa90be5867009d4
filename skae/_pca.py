"""Everything linear: principal components of the training samples."""

import numpy as np
from sklearn.decomposition import PCA

# Whitened codes have unit variance, but where the deviation along an axis is
# below this share of the largest: noise would become as loud as what the samples hold.
_SMALLEST_DEVIATION = 1e-3


def _fit(X, n_components):
    """Fit PCA to centred samples in float64; also return their mean."""
    # Squares of uncentred float32 would drown small variances in their rounding.
    mean = X.mean(axis=0, dtype=np.float64)
    # The covariance takes less memory than a decomposition of all samples.
    solver = "covariance_eigh" if len(X) > X.shape[1] else "full"
    with np.errstate(invalid="ignore", divide="ignore"):  # one sample, or no variance
        pca = PCA(n_components, svd_solver=solver, copy=False)
        return pca.fit(X - mean), mean


def count_components(X, share):
    """Count the components that PCA needs to keep a share of the variance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training samples.
    share : float
        Within 0 and 1.

    Returns
    -------
    int
        At least 1. No autoencoder that is at least as good as PCA needs more.
    """
    pca, _ = _fit(X, share)
    return int(max(1, pca.n_components_))


def whitened_pca(X, n_components):
    """Fit PCA, and return its whitened map and the map back as dense layers.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training samples.
    n_components : int
        Number of components. Those that X has no axes for stay 0.

    Returns
    -------
    to_code, to_sample : tuple of ndarray
        Kernel and bias of either map.
    """
    n_samples, n_features = X.shape
    n_axes = min(n_components, n_features, n_samples)
    pca, mean = _fit(X, n_axes)
    deviation = np.sqrt(np.nan_to_num(pca.explained_variance_))
    floor = _SMALLEST_DEVIATION * deviation[0] or 1.0
    scale = np.maximum(deviation, floor)[:, np.newaxis]
    kernel = np.zeros((n_features, n_components))
    back = np.zeros((n_components, n_features))
    kernel[:, :n_axes] = (pca.components_ / scale).T
    back[:n_axes] = pca.components_ * scale
    return (kernel, -mean @ kernel), (back, mean)
