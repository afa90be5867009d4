"""Model selection: cross-validated comparisons of reconstructions."""

import math
import pickle

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv, cross_validate
from sklearn.utils import get_tags

from .metrics import reconstruction_scorer

__all__ = ["compare_reconstruction"]


def compare_reconstruction(estimators, X, *, n_components=None, cv=None):
    """Compare estimators by reconstruction, computing time and size.

    Parameters
    ----------
    estimators : list of estimators, or dict of str to estimator
        With `transform` and `inverse_transform`: PCA, NMF, KernelPCA with
        ``fit_inverse_transform=True``, autoencoders, and Pipelines of them, whose
        scaling is undone before X and its reconstruction are compared. Estimators of a
        list are named by their classes, Pipelines by that of their last step.
    X : array-like of shape (n_samples, n_features)
        Samples to split into training and test samples. Images are flattened for
        estimators that take none.
    n_components : list, default=None
        Values of the parameter of that name; in a Pipeline that of its last step that
        has one. None leaves the estimators as they are.
    cv : int, cross-validation generator or iterable, default=None
        How to split; see :func:`~sklearn.model_selection.cross_validate`. The splits
        are the same for all estimators.

    Returns
    -------
    pandas.DataFrame
        One row per estimator and number of components:

        - ``estimator`` and ``n_components``, the latter None if none were given;
        - ``mean_test_score`` and ``std_test_score``, over the splits, of
          `reconstruction_r2_score` on test samples;
        - ``mean_fit_time`` and ``mean_score_time`` in seconds;
        - ``mean_size``, the bytes of the pickled estimator.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If an estimator has no parameter `n_components`, or two of a list have the same
        name: these need a dict.

    See Also
    --------
    skae.metrics.reconstruction_scorer : For GridSearchCV and the like.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA, FastICA
    >>> from skae.model_selection import compare_reconstruction
    >>> X = load_iris().data
    >>> table = compare_reconstruction([PCA(), FastICA()], X, n_components=[1, 2], cv=3)
    >>> table[["estimator", "n_components"]].values.tolist()
    [['PCA', 1], ['PCA', 2], ['FastICA', 1], ['FastICA', 2]]
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "compare_reconstruction returns a pandas.DataFrame: install pandas."
        ) from error
    if not isinstance(estimators, dict):
        names = [_name(estimator) for estimator in estimators]
        if len(set(names)) < len(names):
            raise ValueError(
                f"Estimator names must be unique, got {names}. Pass a dict of names to "
                "estimators."
            )
        estimators = dict(zip(names, estimators, strict=True))
    splits = list(check_cv(cv).split(X))
    rows = []
    for name, estimator in estimators.items():
        for number in [None] if n_components is None else n_components:
            candidate = clone(estimator)
            if number is not None:
                candidate.set_params(**{name_of_n_components(candidate): number})
            results = cross_validate(
                candidate,
                samples_for(candidate, X),
                scoring=reconstruction_scorer,
                cv=splits,
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
    """Return the class name of an estimator, or of the last step of a Pipeline."""
    steps = getattr(estimator, "steps", None)
    return type(steps[-1][1] if steps else estimator).__name__


def samples_for(estimator, X):
    """Flatten images for an estimator that takes flat samples only, such as PCA.

    Parameters
    ----------
    estimator : estimator
        It decides, or the first step of a Pipeline that validates samples.
    X : array-like of shape (n_samples, ...)
        Samples.

    Returns
    -------
    array-like
        X itself, or an array of shape (n_samples, n_features).
    """
    shape = np.shape(X)
    if len(shape) < 3:
        return X
    estimator = getattr(estimator, "estimator", estimator)  # of a search
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    tags = (get_tags(step) for step in steps if step not in (None, "passthrough"))
    first = next((found for found in tags if not found.no_validation), None)
    if first is None or first.input_tags.three_d_array:
        return X
    return np.reshape(X, (shape[0], math.prod(shape[1:])))


def name_of_n_components(estimator):
    """Find the parameter `n_components`: in a Pipeline, of the last step that has one.

    Parameters
    ----------
    estimator : estimator
        A transformer such as PCA, or a Pipeline with one.

    Returns
    -------
    str
        Name of the parameter for `set_params` and the grid of a search.

    Raises
    ------
    ValueError
        If there is no such parameter.
    """
    parameters = estimator.get_params()
    names = ["n_components"]
    for step, _ in getattr(estimator, "steps", [])[::-1]:
        names.append(f"{step}__n_components")
    for name in names:
        if name in parameters:
            return name
    raise ValueError(
        f"{estimator!r} has no parameter n_components. Give a transformer such as "
        "PCA or AutoencoderTransformer, or a Pipeline with one."
    )
