"""Reconstruction errors and scores, and scorers for model selection."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_array, column_or_1d

from ._errors import r2_score, squared_errors
from ._formats import split_categories
from ._missing import refuse_masked
from ._rounding import tie

__all__ = [
    "outlier_roc_auc_scorer",
    "reconstruction_error",
    "reconstruction_r2_score",
    "reconstruction_scorer",
    "synthetic_outlier_roc_auc_scorer",
]


def reconstruction_error(X_true, X_pred):
    """Compute the squared reconstruction error of each sample.

    Parameters
    ----------
    X_true : array-like of shape (n_samples, ...)
        The originals, flat or as images. Missing cells, which are NaN, are left out.
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
        If the shapes differ, or a value is infinite, or NaN in `X_pred`.

    See Also
    --------
    reconstruction_r2_score : One number for all samples.

    Examples
    --------
    >>> from skae.metrics import reconstruction_error
    >>> reconstruction_error([[0.0, 0.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 0.0]])
    array([ 1., 25.])
    """
    return squared_errors(*_check_pair(X_true, X_pred))


def reconstruction_r2_score(X_true, X_pred):
    """Compute the fraction of the variance that a reconstruction explains (R²).

    One minus the squared error over the squared distance from the feature means of
    `X_true`, both summed over all samples and features, or over the observed cells
    where `X_true` has missing ones. On the samples that a PCA was
    fitted on, this is the sum of its ``explained_variance_ratio_``.

    Parameters
    ----------
    X_true : array-like of shape (n_samples, ...)
        The originals, flat or as images. Missing cells are NaN.
    X_pred : array-like of the shape of X_true
        Their reconstructions.

    Returns
    -------
    float
        1 is perfect, and 0 is what the feature means reach; it can be negative. If the
        originals have no variance at all, it is 1 for a perfect reconstruction and 0
        for any other. NaN, with a warning, for fewer than two samples.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is infinite, or NaN in `X_pred`.

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
    if len(X_true) < 2 or np.isnan(X_true).all():
        warnings.warn(
            "The share of variance is not defined for fewer than two samples, or "
            "without any observed cell.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    return r2_score(X_true, X_pred)


def reconstruction_scorer(estimator, X, y=None):
    """Score a fitted estimator by the fraction of the variance it explains (R²).

    To be passed as ``scoring`` to `cross_val_score`, GridSearchCV and the like. It
    takes any estimator with `transform` and `inverse_transform`, including a Pipeline,
    whose scaling is undone: the score is in the units of X. If X has columns of
    categories, it is what `score` of :class:`skae.AutoencoderTransformer` returns, of a
    Pipeline in the units after scaling; other estimators are refused then.

    Parameters
    ----------
    estimator : fitted estimator
        With `transform` and `inverse_transform`.
    X : array-like of shape (n_samples, n_features)
        Samples to reconstruct.
    y : None
        Ignored.

    Returns
    -------
    float
        `reconstruction_r2_score` of X; higher is better, 1 is perfect.

    Raises
    ------
    TypeError
        If X has columns of categories, and the estimator is no AutoencoderTransformer
        or Pipeline that ends in one.

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
    if split_categories(X)[1] is not None:
        last = getattr(estimator, "best_estimator_", estimator)
        last = last.steps[-1][1] if hasattr(last, "steps") else last
        # `score` of others, such as the log-likelihood of PCA, is another quantity.
        if not (hasattr(last, "reconstruct") and hasattr(last, "score")):
            raise TypeError(
                "X has columns of categories, whose reconstruction by "
                f"{type(last).__name__} is not defined: AutoencoderTransformer scores "
                "it. Encode X as an array first, and compare the reconstructions of "
                "that."
            )
        return estimator.score(X)
    return reconstruction_r2_score(
        X, estimator.inverse_transform(estimator.transform(X))
    )


def outlier_roc_auc_scorer(estimator, X, y=None):
    """Score a fitted outlier detector by the area under its ROC curve.

    To be passed as ``scoring`` to `cross_val_score`, GridSearchCV and the like, with
    labels.

    Parameters
    ----------
    estimator : fitted estimator
        With `score_samples`, higher for what is more normal: an outlier detector or a
        Pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples to judge.
    y : array-like of shape (n_samples,), default=None
        1 for inliers and -1 for outliers, or 0 for inliers and 1 for outliers. Labels
        are needed; None is an error.

    Returns
    -------
    float
        1 if each outlier scores below all inliers, 0.5 for chance.

    Raises
    ------
    ValueError
        If `y` is None or holds other labels.

    See Also
    --------
    synthetic_outlier_roc_auc_scorer : The same without labels.
    sklearn.metrics.roc_auc_score : The area, from labels and scores.

    Examples
    --------
    >>> from sklearn.covariance import EllipticEnvelope
    >>> from sklearn.datasets import load_iris
    >>> from skae.metrics import outlier_roc_auc_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> envelope = EllipticEnvelope(random_state=0).fit(X[y == 0])
    >>> outlier_roc_auc_scorer(envelope, X, y != 0)
    1.0
    """
    return _roc_auc(_check_outlier_labels(y), estimator.score_samples(X))


def synthetic_outlier_roc_auc_scorer(estimator, X, y=None):
    """Score a fitted outlier detector by how it separates synthetic outliers.

    To be passed as ``scoring`` to `cross_val_score`, GridSearchCV and the like, without
    labels. The samples of X count as inliers, and as many samples whose features were
    permuted independently count as outliers [1]_. These keep the distribution of each
    feature and none of the dependence between features: a detector is chosen for
    detecting what breaks that.

    Parameters
    ----------
    estimator : fitted estimator
        With `score_samples`, higher for what is more normal: an outlier detector or a
        Pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples to judge, most of them normal. The permutations are the same each time.
    y : None
        Ignored.

    Returns
    -------
    float
        Area under the ROC curve: 1 if each synthetic outlier scores below all samples
        of X, 0.5 for chance.

    See Also
    --------
    outlier_roc_auc_scorer : The area for outliers that are labelled.

    References
    ----------
    .. [1] T. Shi and S. Horvath, "Unsupervised learning with random forest
       predictors", Journal of Computational and Graphical Statistics 15 (2006),
       118-138.

    Examples
    --------
    >>> from sklearn.covariance import EllipticEnvelope
    >>> from sklearn.datasets import load_iris
    >>> from skae.metrics import synthetic_outlier_roc_auc_scorer
    >>> X = load_iris().data
    >>> envelope = EllipticEnvelope(random_state=0).fit(X)
    >>> synthetic_outlier_roc_auc_scorer(envelope, X) > 0.8
    True
    """
    scores = estimator.score_samples(X)
    synthetic = estimator.score_samples(_permute_features(X))
    is_outlier = np.repeat([False, True], [len(scores), len(synthetic)])
    return _roc_auc(is_outlier, np.concatenate([scores, synthetic]))


def _roc_auc(is_outlier, scores):
    return float(roc_auc_score(~is_outlier, tie(scores)))


def _check_outlier_labels(y):
    """Return which samples are outliers, from labels of either convention."""
    if y is None:
        raise ValueError(
            "outlier_roc_auc_scorer needs labels, but y is None. Without labels, use "
            "synthetic_outlier_roc_auc_scorer."
        )
    y = column_or_1d(y)
    found = set(np.unique(y).tolist())
    if found <= {-1, 1}:
        return y == -1
    if found <= {0, 1}:
        return y == 1
    raise ValueError(
        f"y holds {sorted(found, key=str)[:5]}, but 1 for inliers and -1 for outliers "
        "were expected, or 0 for inliers and 1 for outliers. Without labels, use "
        "synthetic_outlier_roc_auc_scorer."
    )


def _permute_features(X):
    """Permute each feature on its own, the same way each time."""
    rng = np.random.RandomState(0)
    if hasattr(X, "iloc"):  # pandas
        permuted = X.copy()
        for i in range(X.shape[1]):
            permuted.isetitem(i, X.iloc[rng.permutation(len(X)), i].array)
        return permuted
    if hasattr(X, "get_columns"):  # Polars
        return X.with_columns(
            [feature.gather(rng.permutation(len(X))) for feature in X.get_columns()]
        )
    permuted = np.array(X, order="C")
    flat = permuted.reshape(len(permuted), -1)
    for i in range(flat.shape[1]):
        flat[:, i] = rng.permutation(flat[:, i])
    return permuted


def _check_pair(X_true, X_pred):
    if split_categories(X_true)[1] is not None:
        raise ValueError(
            "X_true has columns of categories, of which there is no squared error. "
            "Compare estimators of such tables by their method score."
        )
    refuse_masked(X_true, "X_true")
    refuse_masked(X_pred, "X_pred")
    X_true, X_pred = (
        check_array(
            X,
            dtype=[np.float64, np.float32],
            allow_nd=True,
            ensure_all_finite="allow-nan" if name == "X_true" else True,
            input_name=name,
        )
        for X, name in ((X_true, "X_true"), (X_pred, "X_pred"))
    )
    if X_true.shape != X_pred.shape:
        raise ValueError(
            f"X_true has shape {X_true.shape}, but X_pred has shape {X_pred.shape}."
        )
    return X_true.reshape(len(X_true), -1), X_pred.reshape(len(X_pred), -1)
