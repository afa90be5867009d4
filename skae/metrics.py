"""How well a reconstruction matches its original."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_array

__all__ = [
    "reconstruction_error",
    "reconstruction_r2_score",
    "reconstruction_scorer",
]


def reconstruction_error(X_true, X_pred):
    """Squared reconstruction error of each sample.

    Parameters
    ----------
    X_true : array-like of shape (n_samples, ...)
        The originals, as rows or as images.
    X_pred : array-like of the shape of X_true
        Their reconstructions.

    Returns
    -------
    ndarray of shape (n_samples,)
        Sum over the features of the squared differences, in the squared unit of the
        data: float32 if both inputs are, else float64.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is NaN or infinite.

    See Also
    --------
    reconstruction_r2_score : One number for all samples.

    Examples
    --------
    >>> from skae.metrics import reconstruction_error
    >>> reconstruction_error([[0.0, 0.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 0.0]])
    array([ 1., 25.])
    """
    X_true, X_pred = _check_pair(X_true, X_pred)
    return _squared_error(X_true, X_pred)


def reconstruction_r2_score(X_true, X_pred):
    """Share of the variance that a reconstruction keeps (R²).

    One minus the squared error over the squared distance from the column means of
    `X_true`, both summed over all samples and features. On the rows that a PCA was
    fitted on, this is the sum of its ``explained_variance_ratio_``.

    Parameters
    ----------
    X_true : array-like of shape (n_samples, ...)
        The originals, as rows or as images.
    X_pred : array-like of the shape of X_true
        Their reconstructions.

    Returns
    -------
    float
        1 is perfect, 0 is what the column means reach; it can be negative. If the
        originals have no variance at all, it is 1 for a perfect reconstruction and 0
        for any other. NaN, with a warning, for fewer than two samples.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is NaN or infinite.

    See Also
    --------
    reconstruction_scorer : The same for an estimator, in a search.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import reconstruction_r2_score
    >>> X = load_iris().data
    >>> pca = PCA(n_components=2).fit(X)
    >>> score = reconstruction_r2_score(X, pca.inverse_transform(pca.transform(X)))
    >>> round(score, 4), round(float(pca.explained_variance_ratio_.sum()), 4)
    (0.9777, 0.9777)
    """
    X_true, X_pred = _check_pair(X_true, X_pred)
    if len(X_true) < 2:
        warnings.warn(
            "The share of variance is not defined for fewer than two samples.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    center = X_true.mean(axis=0, dtype=np.float64).astype(X_true.dtype)
    error = _squared_error(X_true, X_pred).sum(dtype=np.float64)
    total = _squared_error(X_true, center).sum(dtype=np.float64)
    if total == 0:
        return float(error == 0)
    return float(1 - error / total)


def reconstruction_scorer(estimator, X, y=None):
    """Score a fitted estimator by the share of variance that it keeps.

    To be given as ``scoring`` to `cross_val_score`, GridSearchCV and their like. Works
    for whatever has `transform` and `inverse_transform`, a Pipeline too, whose own
    scaling is thus undone: the score is in the units of X.

    Parameters
    ----------
    estimator : fitted estimator
        With `transform` and `inverse_transform`.
    X : array-like of shape (n_samples, n_features)
        Rows to reconstruct.
    y : None
        Ignored.

    Returns
    -------
    float
        `reconstruction_r2_score` of X; higher is better, 1 is perfect.

    See Also
    --------
    reconstruction_r2_score : The same for arrays.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import cross_val_score
    >>> from skae.metrics import reconstruction_scorer
    >>> X = load_iris().data
    >>> scores = cross_val_score(PCA(n_components=2), X, scoring=reconstruction_scorer)
    >>> scores.shape
    (5,)
    """
    return reconstruction_r2_score(
        X, estimator.inverse_transform(estimator.transform(X))
    )


def _check_pair(X_true, X_pred):
    X_true, X_pred = (
        check_array(
            X,
            dtype=[np.float64, np.float32],
            allow_nd=True,
            input_name=name,
        )
        for X, name in ((X_true, "X_true"), (X_pred, "X_pred"))
    )
    if X_true.shape != X_pred.shape:
        raise ValueError(
            f"X_true has shape {X_true.shape}, but X_pred has shape {X_pred.shape}."
        )
    return X_true.reshape(len(X_true), -1), X_pred.reshape(len(X_pred), -1)


def _squared_error(X_true, X_pred):
    difference = X_true - X_pred
    return np.einsum("ij,ij->i", difference, difference)
