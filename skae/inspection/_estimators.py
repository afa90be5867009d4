"""What the Displays ask of estimators: names, codes, reconstructions."""

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from .._inference import Predictor


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
    if hasattr(estimator, "transform"):
        codes = np.asarray(estimator.transform(_as_fitted(estimator, X)))
    else:
        before, detector = _split_detector(estimator)
        X = _as_fitted(estimator, X)
        X = X if before is None else before.transform(X)
        shape = np.shape(X)
        if len(shape) > 2:
            X = np.reshape(X, (shape[0], math.prod(shape[1:])))
        X = validate_data(detector, X, reset=False, dtype=[np.float64, np.float32])
        codes = _run(detector.encoder_, X)
    return codes.reshape(len(codes), -1)


def decode(estimator, codes):
    """Give what codes stand for, in the units of X."""
    if hasattr(estimator, "inverse_transform"):
        return np.asarray(estimator.inverse_transform(codes))
    before, detector = _split_detector(estimator)
    samples = _run(detector.decoder_, codes)
    samples = samples.reshape(len(codes), *_input_shape(detector.encoder_))
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


def score(estimator, X):
    """Give scores of X, the higher the more normal, and the threshold if there is one.

    Detectors of PyOD count the other way.
    """
    detector = final_step(estimator)
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


def explain(estimator, X):
    """Give contributions to the scores of X by the detector at the end, and names."""
    names = getattr(X, "columns", None)
    before, detector = _split(estimator)
    X = X if before is None else before.transform(X)
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


def _split(estimator):
    """Give the steps before the one at the end, None if there are none, and that."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    several = isinstance(estimator, Pipeline) and len(estimator) > 1
    return (estimator[:-1] if several else None), final_step(estimator)


def _split_detector(estimator):
    """Split before an outlier detector, which has to have an encoder and a decoder."""
    before, detector = _split(estimator)
    if isinstance(detector, BaseEstimator):
        check_is_fitted(detector)
    if not (hasattr(detector, "encoder_") and hasattr(detector, "decoder_")):
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


def _input_shape(network):
    """Shape of what a Keras network takes, but for the samples; -1 where it is open."""
    return [-1 if size is None else size for size in network.input_shape[1:]]


def _run(network, X):
    return Predictor(network)(X.reshape(len(X), *_input_shape(network)))
