"""Names, codes, reconstructions and scores of estimators, by their public methods."""

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._formats._frames import is_frame, split_categories
from ._drawing import is_window


def unpack(estimator):
    """Return the steps before the last one of Pipelines and searches, and that."""
    before = []
    while True:
        if isinstance(estimator, Pipeline):
            steps = [step for _, step in estimator.steps]
            before += [step for step in steps[:-1] if step not in (None, "passthrough")]
            estimator = steps[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return before, estimator


def class_name(estimator):
    """Return the name of the class at the end of Pipelines and searches."""
    return type(unpack(estimator)[1]).__name__


def by_name(things):
    """Return a dict of names to estimators, given one, a list or a dict of them."""
    if isinstance(things, Mapping):
        named = {str(name): thing for name, thing in things.items()}
    else:
        things = list(things) if isinstance(things, list | tuple) else [things]
        names = [class_name(thing) for thing in things]
        times = Counter(names)
        seen = Counter()
        named = {}
        for name, thing in zip(names, things, strict=True):
            seen[name] += 1
            named[f"{name} {seen[name]}" if times[name] > 1 else name] = thing
    if not named:
        raise ValueError("There is nothing to draw: give at least one estimator.")
    return named


def encode(estimator, X):
    """Return the codes of X, of shape (n_samples, n_components)."""
    if isinstance(estimator, BaseEstimator):
        check_is_fitted(estimator)
    X = _as_fitted(estimator, X)
    if hasattr(estimator, "transform"):
        codes = np.asarray(estimator.transform(X))
    else:
        before, detector = _unpack_detector(estimator)
        codes = detector.encode(_transform(before, X))
    return codes.reshape(len(codes), -1)


def decode(estimator, codes):
    """Return the samples that codes decode to, in the units of X."""
    if hasattr(estimator, "inverse_transform"):
        samples = _as_samples(estimator.inverse_transform(codes))
    else:
        before, detector = _unpack_detector(estimator)
        samples = _inverse_transform(before, detector, detector.decode(codes))
    if is_frame(samples):
        raise TypeError(
            f"{class_name(estimator)} decodes codes to columns of categories, of which "
            "no curves or images can be drawn. Call inverse_transform, or decode of a "
            "detector, for the table."
        )
    return samples


def reconstruct(estimator, X):
    """Return codes and reconstructions of X, the latter in its shape and units."""
    codes = encode(estimator, X)
    if hasattr(estimator, "inverse_transform"):
        samples = _as_samples(estimator.inverse_transform(codes))
    else:
        before, detector = _unpack_detector(estimator)
        transformed = _transform(before, _as_fitted(estimator, X))
        samples = detector.reconstruct(transformed)
        samples = _inverse_transform(before, detector, samples)
    shape = np.shape(X)
    if math.prod(samples.shape) != math.prod(shape):
        raise ValueError(
            f"{class_name(estimator)} reconstructs samples of shape "
            f"{samples.shape[1:]}, but X holds samples of shape {shape[1:]}."
        )
    return codes, samples if is_frame(samples) else samples.reshape(shape)


def names_of_columns(X, estimator=None):
    """Return the names of the columns of a DataFrame, or of that in fit, or None."""
    names = getattr(X, "columns", None)
    if names is None:
        names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else list(names)


def names_of_samples(X):
    """Return the labels of the samples in the index of a DataFrame, or None."""
    index = getattr(X, "index", None)
    if index is None or callable(index):  # a list has a method of that name
        return None
    if hasattr(index, "strftime"):  # without times where all are midnight
        return list(index.astype(str))
    return [_text(label) for label in index]


def feature_names_of(X, n_features, feature_names=None):
    """Return the names given, those of a DataFrame, or x0, x1, ..."""
    if feature_names is None:
        feature_names = getattr(X, "columns", None)
    if feature_names is None:
        return [f"x{i}" for i in range(n_features)]
    return check_names(feature_names, n_features, "feature")


def check_names(names, n_expected, what, things=None):
    """Return names as texts: there has to be one for each feature or sample.

    `things` is what features are called, where it is not that.
    """
    if isinstance(names, str) or not np.iterable(names):
        raise ValueError(
            f"{what}_names={names!r}, but a list of {n_expected} names was expected."
        )
    names = [_text(name) for name in names]
    if len(names) != n_expected:
        message = (
            f"There are {n_expected} {things or f'{what}s'}, but {len(names)} "
            f"{what}_names."
        )
        shape = (n_expected // max(len(names), 1), len(names))
        if what == "feature" and math.prod(shape) == n_expected and is_window(shape):
            message += (
                f" Give sample_shape={shape} too if samples are flat windows of "
                f"{shape[1]} series."
            )
        raise ValueError(message)
    return names


def _text(name):
    """Return a name as text; that of a MultiIndex is a tuple."""
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def score(estimator, X):
    """Return scores of X, higher for inliers, and the threshold or None.

    Detectors of PyOD score outliers higher, so that their sign is changed.
    """
    _, detector = unpack(estimator)
    if hasattr(estimator, "score_samples"):
        scores, threshold = estimator.score_samples(X), None
        if hasattr(detector, "offset_"):
            threshold = np.asarray(detector.offset_).item()
        return scores, threshold
    if hasattr(estimator, "decision_function") and hasattr(detector, "threshold_"):
        return -estimator.decision_function(X), -detector.threshold_
    raise TypeError(
        f"{class_name(estimator)} has no score_samples, nor decision_function and "
        "threshold_ as PyOD's fitted detectors. Give an outlier detector, such as "
        "AutoencoderOutlierDetector or IsolationForest, or scores to from_predictions."
    )


def predict_pvalue(estimator, X):
    """Return p-values of X, or None if the estimator has none."""
    before, detector = unpack(estimator)
    if not hasattr(detector, "predict_pvalue"):
        return None
    return detector.predict_pvalue(_transform(before, _as_fitted(estimator, X)))


def explain(estimator, X):
    """Return contributions to the scores of X, feature names, and two tables.

    These are the samples, and what is expected of each cell: in the units of X if the
    steps before a detector can be inverted and keep the columns, else in its own.
    """
    before, detector = unpack(estimator)
    if not hasattr(detector, "explain"):
        raise TypeError(
            f"{type(detector).__name__} has no method explain that returns "
            "contributions to its scores. Give contributions to from_predictions."
        )
    given = _transform(before, _as_fitted(estimator, X))
    contributions, expected = detector.explain(given, return_expected=True)
    n_features = np.shape(contributions)[1]
    if hasattr(contributions, "columns"):
        names = list(contributions.columns)
    else:
        names = _names_after(before, names_of_columns(X, estimator))
        if names is None or len(names) != n_features:
            names = feature_names_of(None, n_features)
    invertible = all(hasattr(step, "inverse_transform") for step in before)
    if not before or (invertible and math.prod(np.shape(X)[1:]) == n_features):
        return contributions, names, X, _inverse_transform(before, detector, expected)
    return contributions, names, given, expected


def _as_fitted(estimator, X):
    """Flatten images for an estimator that was fitted on flat samples, such as PCA."""
    shape = np.shape(X)
    if len(shape) > 2:
        n_features = math.prod(shape[1:])
        if getattr(estimator, "n_features_in_", None) == n_features:
            return np.reshape(X, (shape[0], n_features))
    return X


def _unpack_detector(estimator):
    """Unpack an estimator without transform that has to end in an autoencoder."""
    before, detector = unpack(estimator)
    if isinstance(detector, BaseEstimator):
        check_is_fitted(detector)
    public = ("encode", "decode", "reconstruct")
    if not all(hasattr(detector, name) for name in public):
        missing = " and no ".join(
            name
            for name in ("transform", "inverse_transform")
            if not hasattr(estimator, name)
        )
        raise TypeError(
            f"{class_name(estimator)} has no {missing}. Give a transformer such as PCA "
            "or AutoencoderTransformer, an AutoencoderOutlierDetector, or a Pipeline "
            "that ends in one of them."
        )
    return before, detector


def _transform(steps, X):
    for step in steps:
        X = step.transform(X)
    return X


def _names_after(steps, names):
    """Return the names of the features that steps compute, None if not known."""
    for step in steps:
        if names is None or not hasattr(step, "get_feature_names_out"):
            return None
        names = step.get_feature_names_out(names)
    return names


def _inverse_transform(steps, detector, samples):
    for step in reversed(steps):
        if not hasattr(step, "inverse_transform"):
            raise TypeError(
                f"{type(step).__name__} before {type(detector).__name__} has no "
                "inverse_transform, which a reconstruction in the units of X needs."
            )
        samples = step.inverse_transform(samples)
    return _as_samples(samples)


def _as_samples(samples):
    """Return a DataFrame with categories as it is, and anything else as an array."""
    has_categories = split_categories(samples)[1] is not None
    return samples if has_categories else np.asarray(samples)
