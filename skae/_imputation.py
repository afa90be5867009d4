"""What replaces missing cells: reconstructions, residuals and linear regression."""

import numpy as np

from ._missing import (
    MAX_FEATURES,
    NormalDistribution,
    fill,
    observed_means,
    observed_variances,
)

# Samples that distributions are fitted to, and by which the weight is chosen, each with
# so many patterns of hidden cells.
MAX_SAMPLES, MAX_JUDGED_SAMPLES = 10_000, 2_000
N_PATTERNS = 8


class Imputation:
    """A weighted mean of two expectations of missing cells.

    One is that of a normal distribution, given the observed cells. The other is the
    reconstruction by a network, plus the residual that is expected given the residuals
    of the observed cells, under a normal distribution of residuals. The weight has the
    least squares of errors of cells that were hidden from both, less its standard
    error, so that the mean is as good as linear regression where a network has learned
    nothing else, or too much.

    Parameters
    ----------
    normal, residual : sequence of ndarray
        The distributions of samples and of residuals, as `fill` takes them.
    weight : float
        That of the network, within 0 and 1.
    n_samples : int
        Number of training samples of the distributions.
    """

    def __init__(self, normal, residual, weight, n_samples):
        self.normal = normal
        self.residual = residual
        self.weight = weight
        self.n_samples = n_samples

    @classmethod
    def fit(cls, X, judged, shown, reconstruct):
        """Estimate distributions and weight.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training samples.
        judged : ndarray of shape (n_judged, n_features)
            Samples by which the weight is chosen.
        shown : iterable of ndarray of shape (n_judged, n_features)
            The same, each time with other observed cells hidden.
        reconstruct : callable
            From samples to reconstructions.

        Returns
        -------
        Imputation
            Fitted.
        """
        fitted = cls(_weights(X), _weights(X - reconstruct(X)), 1.0, len(X))
        variances = observed_variances(X)
        # Features count alike, but those that are constant.
        unit = 1 / np.sqrt(np.where(variances > 0, variances, np.inf))
        moments = np.zeros((3, len(judged)))
        for seen in shown:
            linear, nonlinear = fitted._expectations(seen, reconstruct)
            hidden = np.isnan(seen) & ~np.isnan(judged)
            x = np.where(hidden, (nonlinear - linear) * unit, 0)
            y = np.where(hidden, (judged - linear) * unit, 0)
            pairs = (x, x), (x, y), (y, y)
            moments += [np.einsum("ij,ij->i", *pair) for pair in pairs]
        fitted.weight = _cautious_slope(*moments)
        return fitted

    def to_dict(self):
        """Return the arguments of `__init__`."""
        return dict(vars(self))

    def __call__(self, X, reconstruct):
        """Replace missing cells.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), of float32 or float64
            Samples.
        reconstruct : callable
            From samples to reconstructions.

        Returns
        -------
        ndarray of shape (n_samples, n_features), of the dtype of X
            The samples without missing cells.
        """
        linear, nonlinear = self._expectations(X, reconstruct)
        expected = linear + X.dtype.type(self.weight) * (nonlinear - linear)
        if len(self.normal) > 1:
            low, high = (limit.astype(X.dtype) for limit in self.normal[-2:])
            expected = np.clip(expected, low, high)
        return np.where(np.isnan(X), expected, X)

    def _expectations(self, X, reconstruct):
        """Return both expectations of all cells; they are X for observed cells."""
        reconstruction = reconstruct(X)
        residual = fill(X - reconstruction, *self.residual)
        return fill(X, *self.normal), reconstruction + residual


def _cautious_slope(xx, xy, yy):
    """Return the slope of a regression of y on x, less its standard error, in [0, 1].

    Products are summed within samples. Samples that are far from linear count for less,
    so that a few of them do not decide.
    """
    share = 1 / np.maximum(yy + np.median(yy), np.finfo(float).tiny)
    size = (share * xx).sum()
    if size == 0:
        return 1.0
    slope = (share * xy).sum() / size
    standard_error = np.linalg.norm(share * (xy - slope * xx)) / size
    return float(np.clip(slope - standard_error, 0, 1))


def _weights(X):
    if X.shape[1] > MAX_FEATURES:
        return [observed_means(X)]
    return list(NormalDistribution.fit(X).weights())
