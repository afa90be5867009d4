"""Codes in the order of what they add: how many are needed, and what each adds."""

import numpy as np

from ._backend import read_values, view_value, write_values
from .metrics import reconstruction_r2_score

# Rows from which the share of variance is computed: each cut decodes all of them.
MAX_ROWS = 5000


def variance_kept(X, codes, decode):
    """Give the share of the variance that the first codes keep, for each number.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    codes : ndarray of shape (n_samples, n_components)
        Their codes.
    decode : callable
        From codes to rows.

    Returns
    -------
    ndarray of shape (n_components,)
        R² of the reconstruction from the first code alone, the first two, and so on.
    """
    cut = np.zeros_like(codes)
    shares = np.empty(codes.shape[1])
    for i in range(codes.shape[1]):
        cut[:, i] = codes[:, i]
        shares[i] = reconstruction_r2_score(X, decode(cut))
    return shares


def copy_truncated(networks, larger):
    """Copy the weights of networks with more codes, as far as there is room.

    Parameters
    ----------
    networks : Networks
        New ones, changed in place.
    larger : Networks
        The same but for the number of codes.
    """
    targets = networks.autoencoder.variables
    values = [
        value[tuple(slice(size) for size in view_value(target).shape)]
        for target, value in zip(
            targets, read_values(larger.autoencoder.variables), strict=True
        )
    ]
    write_values(targets, values)
