"""Folds of samples that are scored by networks which have not seen them."""

import copy
from numbers import Integral

import numpy as np
from sklearn.model_selection import KFold


def split_folds(calibration, X, draw_seed, hint=""):
    """Split samples into pairs of training and test indices.

    Parameters
    ----------
    calibration : int or cross-validation splitter
        The number of folds, or what splits X. It stays as it is.
    X : ndarray of shape (n_samples, n_features)
        Samples.
    draw_seed : callable
        Returns a seed, for folds that are random and have none.
    hint : str, default=""
        What the error message adds on the samples.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test indices of each fold. Each sample is in exactly one test
        fold; only a single fold may leave samples out.

    Raises
    ------
    ValueError
        If X cannot be split like that.
    """
    given = f"calibration={calibration!r}"
    cure = (
        "Use KFold, or PredefinedSplit with the number of the test fold of each "
        f"sample{hint}."
    )
    splitter = copy.deepcopy(calibration)
    if getattr(splitter, "random_state", 0) is None:
        splitter.random_state = draw_seed()
    if isinstance(splitter, Integral):
        splitter = KFold(splitter, shuffle=True, random_state=draw_seed())
    try:
        folds = [tuple(map(_as_indices, fold)) for fold in splitter.split(X)]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{given} cannot split {len(X)} samples ({error}). It is given X only, "
            f"without y and groups. {cure}"
        ) from error
    if not folds:
        raise ValueError(f"{given} makes no fold of {len(X)} samples. {cure}")
    for i, (training, test) in enumerate(folds):
        if not (len(training) and len(test)):
            raise ValueError(
                f"{given} has {len(training)} training and {len(test)} test samples in "
                f"fold {i} of {len(X)} samples, but needs both in each fold. {cure}"
            )
        if np.isin(test, training).any():
            raise ValueError(f"{given} trains on samples of the test fold. {cure}")
    n_tests = np.bincount(np.concatenate([test for _, test in folds]), minlength=len(X))
    largest = max(part.max() for fold in folds for part in fold)
    is_partition = len(folds) == 1 or (n_tests > 0).all()
    if largest >= len(X) or not is_partition or (n_tests > 1).any():
        raise ValueError(
            f"{given} has to place each sample in exactly one test fold, or to make a "
            f"single fold, but it makes {len(folds)}; of {len(X)} samples "
            f"{(n_tests == 0).sum()} are in none and {(n_tests > 1).sum()} in several, "
            f"and the largest index is {largest}. {cure}"
        )
    return folds


def _as_indices(samples):
    """Return the indices of samples that a splitter gives as indices or as a mask."""
    samples = np.asarray(samples)
    return np.flatnonzero(samples) if samples.dtype == bool else samples
