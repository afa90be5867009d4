"""Squared errors of reconstructions, and the share of the variance that they leave."""

import numpy as np

from ._missing import has_missing, observed_means


def r2_score(X_true, X_pred):
    """Compute R² of two or more samples."""
    complete = not has_missing(X_true)
    center = (
        X_true.mean(axis=0, dtype=np.float64) if complete else observed_means(X_true)
    )
    center = center.astype(X_true.dtype)
    error = squared_errors(X_true, X_pred).sum(dtype=np.float64)
    total = squared_errors(X_true, center).sum(dtype=np.float64)
    # The mean of a constant feature is rounded.
    if total == 0 or _is_constant(X_true, complete):
        return float(error == 0)
    return float(1 - error / total)


def _is_constant(X, complete):
    """Check that each feature has one observed value at most."""
    if complete:
        return np.equal(X, X[0]).all()
    return not (np.fmin.reduce(X, axis=0) < np.fmax.reduce(X, axis=0)).any()


def squared_errors(X_true, X_pred):
    """Compute the squared error of each sample, over its observed cells."""
    difference = X_true - X_pred
    if has_missing(X_true):
        difference[np.isnan(X_true)] = 0
    return np.einsum("ij,ij->i", difference, difference)
