"""Everything linear."""

import numpy as np
from sklearn.decomposition import PCA

# Codes of the anchor have unit variance, but where the deviation along an axis is below
# this share of the largest: noise would become as loud as what the rows really hold.
_SMALLEST_DEVIATION = 1e-3


def count_components(X, shares):
    """Count the components that PCA needs to keep shares of the variance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    shares : list of float
        Within 0 and 1.

    Returns
    -------
    list of int
        A number for each share, at least 1. There are fewer than features, where these
        are two or more.
    """
    X = X.astype(np.float64)
    X -= X.mean(axis=0)
    products = X.T @ X if len(X) > X.shape[1] else X @ X.T
    variances = np.linalg.eigvalsh(products)[::-1].clip(0)
    kept = np.cumsum(variances)
    counts = np.searchsorted(kept, np.multiply(shares, kept[-1])) + 1
    return [max(1, min(int(count), X.shape[1] - 1)) for count in counts]


def most_components(X, share):
    """Count the components that PCA needs to keep a share of the variance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    share : float
        Within 0 and 1.

    Returns
    -------
    int
        No autoencoder that is at least as good as PCA needs more.
    """
    solver = "covariance_eigh" if len(X) > X.shape[1] else "full"
    return int(PCA(share, svd_solver=solver).fit(X).n_components_)


def whitened_pca(X, n_components):
    """Fit PCA; kernel and bias of its whitened map, and of the map back.

    Components that X has no axes for stay 0.
    """
    n_samples, n_features = X.shape
    kernel = np.zeros((n_features, n_components))
    back = np.zeros((n_components, n_features))
    n_axes = min(n_components, n_features, n_samples)
    # Squares of uncentered float32 would drown small variances in their rounding.
    mean = X.mean(axis=0, dtype=np.float64)
    # The covariance takes less memory than a decomposition of all rows.
    solver = "covariance_eigh" if n_samples > n_features else "full"
    with np.errstate(invalid="ignore", divide="ignore"):  # one row, or no variance
        pca = PCA(n_axes, svd_solver=solver).fit(X - mean)
    deviation = np.sqrt(np.nan_to_num(pca.explained_variance_))
    floor = _SMALLEST_DEVIATION * deviation[0] or 1.0
    scale = np.maximum(deviation, floor)[:, np.newaxis]
    kernel[:, :n_axes] = (pca.components_ / scale).T
    back[:n_axes] = pca.components_ * scale
    return (kernel, -mean @ kernel), (back, mean)
