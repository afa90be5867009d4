"""Scores of rows that a detector was not trained on."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, train_test_split

from ._outliers._thresholds import conformal_threshold
from ._random import draw_seed


def hold_out(detector, X, rows_val):
    """Choose the rows to train on, and score rows by networks that do not know them.

    Parameters
    ----------
    detector : AutoencoderOutlierDetector
        About to be trained; its parameters say what to do.
    X : ndarray of shape (n_samples, n_features)
        All rows.
    rows_val : Rows or None
        The user's rows to validate on.

    Returns
    -------
    training, held_out : ndarray of int, or None
        Indices of the rows to train on, and of those to calibrate with; None where
        nothing is held out.
    scores : ndarray of shape (n_samples,) or None
        Scores by cross-validation, where `cv` asks for it.
    """
    if detector.calibration is not None and detector.cv is not None:
        raise ValueError(
            f"calibration={detector.calibration} and cv={detector.cv} are given. Give "
            "one of them, and leave the other at None."
        )
    training, held_out, scores = None, None, None
    if detector.calibration is not None:
        training, held_out = train_test_split(
            np.arange(len(X)),
            test_size=detector.calibration,
            random_state=draw_seed(detector._rng),
        )
    if detector.contamination != "auto" and (held_out is not None or detector.cv):
        # That rows are too few is known before anything is trained.
        n_scores = len(X) if held_out is None else len(held_out)
        conformal_threshold(np.zeros(n_scores), detector.contamination)
    if detector.cv is not None:
        scores = _cross_score(detector, X, rows_val)
    return training, held_out, scores


def _cross_score(detector, X, rows_val):
    rng, shape = detector._rng, detector._sample_shape
    folds = KFold(detector.cv, shuffle=True, random_state=draw_seed(rng))
    samples = X.reshape(len(X), *shape)
    X_val = None if rows_val is None else rows_val.X.reshape(-1, *shape)
    scores = np.empty(len(X), X.dtype)
    for training, held_out in folds.split(X):
        fold = clone(detector).set_params(
            cv=None,
            contamination="auto",
            warm_start=False,
            random_state=draw_seed(rng),
        )
        fold.fit(samples[training], X_val=X_val)
        scores[held_out] = fold.score_samples(samples[held_out])
    return scores
