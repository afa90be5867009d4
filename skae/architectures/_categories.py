"""Networks that reconstruct categories as probabilities."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from .._backend import leaf_layers
from .._missing import NormalDistribution, fill, has_missing
from .._sampling import spread

# Samples that logistic regressions are fitted to.
MAX_SAMPLES = 2_000
# Coefficients up to which Newton's method is faster.
MAX_NEWTON_COEFFICIENTS = 100


def category_layer(networks):
    """Return the layer of the decoder that makes probabilities, or None."""
    from ._layers import CategoryProbabilities

    layers = leaf_layers(networks.decoder)
    return next((x for x in layers if isinstance(x, CategoryProbabilities)), None)


def set_category_value(networks, value):
    """Set the value that stands for a category.

    Parameters
    ----------
    networks : Networks
        Changed in place, if they reconstruct categories.
    value : float
        What probabilities are multiplied by.
    """
    layer = category_layer(networks)
    if layer is not None:
        layer.value.assign(value)


def fit_category_map(X, to_code, to_sample, groups):
    """Predict categories from codes by logistic regression, numbers linearly.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training samples, maybe with missing cells.
    to_code, to_sample : tuple of ndarray
        Kernel and bias of the linear map to codes, and of the one back.
    groups : list of int
        Columns of categories, see `BaseArchitecture.build`.

    Returns
    -------
    kernel, bias : ndarray
        Those of `to_sample`, with logits in place of one-hot categories.
    """
    X = spread(X, MAX_SAMPLES)
    complete = fill(X, *NormalDistribution.fit(X).weights()) if has_missing(X) else X
    codes = complete @ to_code[0] + to_code[1]
    kernel, bias = (weights.copy() for weights in to_sample)
    groups = np.asarray(groups)
    for group in np.unique(groups[groups >= 0]):
        features = np.flatnonzero(groups == group)
        observed = ~np.isnan(X[:, features[0]])
        labels = X[np.ix_(observed, features)].argmax(axis=1)
        kernel[:, features], bias[features] = _regress(
            codes[observed], labels, len(features)
        )
    return kernel, bias


def _regress(codes, labels, n_categories):
    """Return kernel and bias that give logits of categories."""
    counts = np.bincount(labels, minlength=n_categories)
    kernel = np.zeros((codes.shape[1], n_categories))
    # Those that no sample has are as frequent as half a sample.
    bias = np.log(np.maximum(counts, 0.5))
    seen = np.flatnonzero(counts)
    if len(seen) > 1:
        # Newton's method takes few steps, with a matrix of all coefficients.
        n_coefficients = len(seen) * (codes.shape[1] + 1)
        is_small = n_coefficients <= MAX_NEWTON_COEFFICIENTS
        regression = LogisticRegression(
            solver="newton-cholesky" if is_small else "lbfgs", max_iter=50, tol=1e-3
        )
        with warnings.catch_warnings():
            # It is where training begins.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(codes, labels)
        coefficients, intercepts = regression.coef_, regression.intercept_
        if len(seen) == 2:  # one difference of logits
            coefficients = np.vstack([-coefficients, coefficients]) / 2
            intercepts = np.array([-1, 1]) * intercepts / 2
        kernel[:, seen] = coefficients.T
        unseen = bias - bias[seen].max()
        bias = np.where(counts > 0, 0, unseen + intercepts.max())
        bias[seen] = intercepts
    return kernel, bias
