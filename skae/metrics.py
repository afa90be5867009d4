"""How well a reconstruction matches its original."""

import pickle
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import cross_validate
from sklearn.utils import check_array

__all__ = [
    "compare_reconstruction",
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


def compare_reconstruction(estimators, X, *, n_components=None, cv=None):
    """Compare how much of X some estimators keep, beside their time and size.

    Parameters
    ----------
    estimators : list of estimators, or dict of str to estimator
        Anything with `transform` and `inverse_transform`: PCA, NMF, KernelPCA with
        ``fit_inverse_transform=True``, autoencoders, and Pipelines of them, whose
        scaling is undone before X and its reconstruction are compared.
    X : array-like of shape (n_samples, n_features)
        Rows to split into training and test rows.
    n_components : list, default=None
        Values of the estimators' parameter of that name; in a Pipeline that of its last
        step that has one. None leaves the estimators as they are.
    cv : int, cross-validation generator or iterable, default=None
        How to split; see :func:`~sklearn.model_selection.cross_validate`.

    Returns
    -------
    pandas.DataFrame
        A row for each estimator and number of components:

        - ``estimator`` and ``n_components``, the latter None if none were given;
        - ``mean_test_score`` and ``std_test_score``, `reconstruction_r2_score` of test
          rows, over the splits;
        - ``mean_fit_time`` and ``mean_score_time`` in seconds;
        - ``mean_size``, the bytes of the pickled estimator.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If an estimator has no parameter `n_components`, or two of a list are called
        alike: these need a dict.

    See Also
    --------
    reconstruction_scorer : For GridSearchCV and its like.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA, FastICA
    >>> from skae.metrics import compare_reconstruction
    >>> X = load_iris().data
    >>> table = compare_reconstruction([PCA(), FastICA()], X, n_components=[1, 2], cv=3)
    >>> table[["estimator", "n_components"]].values.tolist()
    [['PCA', 1], ['PCA', 2], ['FastICA', 1], ['FastICA', 2]]
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "compare_reconstruction gives a pandas.DataFrame: install pandas."
        ) from error
    if not isinstance(estimators, dict):
        names = [_name(estimator) for estimator in estimators]
        if len(set(names)) < len(names):
            raise ValueError(f"Two estimators are called alike: {names}. Pass a dict.")
        estimators = dict(zip(names, estimators, strict=True))
    rows = []
    for name, estimator in estimators.items():
        for number in [None] if n_components is None else n_components:
            candidate = clone(estimator)
            if number is not None:
                candidate.set_params(**{_n_components_of(candidate): number})
            results = cross_validate(
                candidate,
                X,
                scoring=reconstruction_scorer,
                cv=cv,
                return_estimator=True,
                error_score="raise",
            )
            sizes = [len(pickle.dumps(fitted)) for fitted in results["estimator"]]
            rows.append(
                {
                    "estimator": name,
                    "n_components": number,
                    "mean_test_score": results["test_score"].mean(),
                    "std_test_score": results["test_score"].std(),
                    "mean_fit_time": results["fit_time"].mean(),
                    "mean_score_time": results["score_time"].mean(),
                    "mean_size": np.mean(sizes),
                }
            )
    return pd.DataFrame(rows)


def _name(estimator):
    """Name an estimator by its class, a Pipeline by that of its last step."""
    steps = getattr(estimator, "steps", None)
    return type(steps[-1][1] if steps else estimator).__name__


def _n_components_of(estimator):
    """Find the parameter `n_components` of an estimator or of a Pipeline's step."""
    parameters = estimator.get_params()
    names = ["n_components"]
    for step, _ in getattr(estimator, "steps", [])[::-1]:
        names.append(f"{step}__n_components")
    for name in names:
        if name in parameters:
            return name
    raise ValueError(f"{estimator!r} has no parameter n_components.")


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
