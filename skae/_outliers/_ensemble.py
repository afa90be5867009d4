"""The mean of a score over several truncations of the code."""

import numpy as np

from ._scores import Contributions, WeightedSum, make_score

# Contributions to an anomaly that overflows sum to a little less than the largest
# number, so that the sum itself does not overflow.
_BELOW_LARGEST = 1 - 1e-6


def truncate(Z, size):
    """Set all components but the first few to 0.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
        Codes.
    size : int
        Number of components to keep.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        Truncated codes; Z itself if all components are kept.
    """
    if size >= Z.shape[1]:
        return Z
    truncated = Z.copy()
    truncated[:, size:] = 0
    return truncated


def write_limited(writer, anomaly):
    """Put the largest number into an ONNX graph in place of NaN and infinity."""
    largest = float(np.finfo(np.float32).max)
    limited = writer.add("Min", anomaly, largest)
    return writer.add("Where", writer.add("IsNaN", anomaly), largest, limited)


class TruncationScore(WeightedSum):
    """Mean of a score over several truncations of the code.

    A score is fitted for each truncation, with the reconstructions from the truncated
    code: `X_hat` of each method is a sequence of arrays, one per truncation. `Z` is the
    whole code.

    Samples for which the arithmetic overflows, in the network or in the score, have the
    largest anomaly there is: no method returns infinity or NaN.

    Parameters
    ----------
    kind : str or callable
        Which score, as `make_score` takes it.
    sizes : list of int
        Numbers of components that are kept.
    """

    def __init__(self, kind, sizes):
        self.sizes = sizes
        self.scores = [make_score(kind) for _ in sizes]
        self.uses_codes = any(score.uses_codes for score in self.scores)

    @property
    def is_thread_safe(self):
        """Whether several threads may compute it."""
        return all(score.is_thread_safe for score in self.scores)

    def fit(self, X, X_hat, Z):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            finite = np.isfinite(Z).all(axis=1)
            for part in X_hat:
                finite &= (np.isfinite(X - part) | np.isnan(X)).all(axis=1)
            if not finite.any():
                raise ValueError(
                    "Codes or residuals of all training samples overflow in "
                    f"{X.dtype}. Put a scaler in front, such as StandardScaler."
                )
            for score, _, arrays in self._terms(X, X_hat, Z):
                score.fit(*(array[finite] for array in arrays))
        return self

    def anomaly(self, X, X_hat, Z):
        largest = float(np.finfo(X.dtype).max)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            anomaly = super().anomaly(X, X_hat, Z)
        return np.nan_to_num(anomaly, copy=False, nan=largest, posinf=largest)

    def contributions(self, X, X_hat, Z):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            parts = super().contributions(X, X_hat, Z)
            values = np.hstack(parts)
            overflow = ~np.isfinite(values.sum(axis=1))
        if not overflow.any():
            return parts
        largest = float(np.finfo(X.dtype).max)
        shares = np.nan_to_num(values[overflow], nan=largest, posinf=largest)
        shares = shares.astype(np.float64) / largest
        shares /= shares.sum(axis=1, keepdims=True)
        values[overflow] = shares * (largest * _BELOW_LARGEST)
        return Contributions(*np.split(values, [X.shape[1]], axis=1))

    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        return write_limited(writer, super().write_onnx(writer, X, X_hat, Z, missing))

    def _terms(self, X, X_hat, Z, cut=lambda Z, size: Z[:, :size]):
        weight = 1 / len(self.sizes)
        for score, size, part in zip(self.scores, self.sizes, X_hat, strict=True):
            yield score, weight, (X, part, cut(Z, size))
