"""What the Displays ask of estimators: names, codes, reconstructions."""

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._base import _BaseAutoencoder


def final_step(estimator):
    """Give the estimator at the end of Pipelines and searches."""
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def class_name(estimator):
    return type(final_step(estimator)).__name__


def by_name(things, name_of=class_name):
    """Give a dict of names to things, of which there may be one, a list or a dict."""
    if isinstance(things, Mapping):
        named = {str(name): thing for name, thing in things.items()}
    else:
        things = list(things) if isinstance(things, list | tuple) else [things]
        names = [name_of(thing) for thing in things]
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
    """Give the codes of X, of shape (n_samples, n_components)."""
    if isinstance(estimator, BaseEstimator):
        check_is_fitted(estimator)
    X = _as_fitted(estimator, X)
    if hasattr(estimator, "transform"):
        codes = estimator.transform(X)
    else:
        before, detector = _split_detector(estimator)
        X = X if before is None else before.transform(X)
        codes = detector._encode(detector._validate(X, reset=False))
    codes = np.asarray(codes)
    return codes.reshape(len(codes), -1)


def decode(estimator, codes):
    """Give what codes stand for, in the units of X."""
    if hasattr(estimator, "inverse_transform"):
        return np.asarray(estimator.inverse_transform(codes))
    before, detector = _split_detector(estimator)
    samples = detector._decode(codes).reshape(len(codes), *detector._sample_shape)
    if before is None:
        return samples
    if not hasattr(before, "inverse_transform"):
        raise TypeError(
            f"The steps before {class_name(estimator)} cannot be undone: a "
            "reconstruction in the units of X needs an inverse_transform of each."
        )
    return np.asarray(before.inverse_transform(samples))


def reconstruct(estimator, X):
    """Give codes and reconstructions of X, the latter in its shape and units."""
    codes = encode(estimator, X)
    samples = decode(estimator, codes)
    shape = np.shape(X)
    if samples.size != math.prod(shape):
        raise ValueError(
            f"{class_name(estimator)} reconstructs samples of shape "
            f"{samples.shape[1:]}, but X holds samples of shape {shape[1:]}."
        )
    return codes, samples.reshape(shape)


def feature_names_of(X, n_features, feature_names=None):
    """Give the names of columns: those given, those of a DataFrame, or x0, x1, ..."""
    if feature_names is None:
        feature_names = getattr(X, "columns", None)
    if feature_names is None:
        return [f"x{i}" for i in range(n_features)]
    feature_names = [str(name) for name in feature_names]
    if len(feature_names) != n_features:
        raise ValueError(
            f"There are {n_features} features, but {len(feature_names)} feature_names."
        )
    return feature_names


def explain(estimator, X):
    """Give contributions to the scores of X by the detector at the end, and names."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    names = getattr(X, "columns", None)
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        X = estimator[:-1].transform(X)
    detector = final_step(estimator)
    if not hasattr(detector, "explain"):
        raise TypeError(
            f"{type(detector).__name__} has no method explain that gives contributions "
            "to its scores. Give contributions to from_predictions."
        )
    contributions = detector.explain(X)
    # Names that a scaler has taken away still hold for contributions of features.
    if hasattr(contributions, "columns") or (
        names is not None and np.shape(contributions)[1] != len(names)
    ):
        names = None
    return contributions, names


def _as_fitted(estimator, X):
    """Flatten images for an estimator that was fitted on flat rows, such as PCA."""
    shape = np.shape(X)
    if len(shape) > 2:
        n_features = math.prod(shape[1:])
        if getattr(estimator, "n_features_in_", None) == n_features:
            return np.reshape(X, (shape[0], n_features))
    return X


def _split_detector(estimator):
    """Give the steps before an outlier detector, if there are any, and it."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    detector = final_step(estimator)
    if not isinstance(detector, _BaseAutoencoder):
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
    check_is_fitted(detector)
    many = isinstance(estimator, Pipeline) and len(estimator) > 1
    return (estimator[:-1] if many else None), detector
