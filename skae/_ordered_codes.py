"""Ordered codes: the variance that the first ones keep."""

import numpy as np

from ._errors import r2_score

# Samples from which the share of variance is computed: each number of codes decodes all
# of them.
MAX_SAMPLES = 5000


def variance_kept(X, codes, decode):
    """Compute the share of the variance that the first codes keep, for each number.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Samples, two or more.
    codes : ndarray of shape (n_samples, n_components)
        Their codes.
    decode : callable
        From codes to samples.

    Returns
    -------
    ndarray of shape (n_components,)
        R² of the reconstruction from the first code alone, the first two, and so on.
    """
    cut = np.zeros_like(codes)
    shares = np.empty(codes.shape[1])
    for i in range(codes.shape[1]):
        cut[:, i] = codes[:, i]
        shares[i] = r2_score(X, decode(cut))
    return shares
