"""Anomaly scores that labelled outliers have a part in."""

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._missing import refuse_masked
from .._sampling import draw
from ._ensemble import write_limited
from ._scores import Contributions, FusedScore, Score

NORMAL, UNKNOWN, OUTLIER = 1, 0, -1
# Quantiles of a variable between which its effect is linear.
QUANTILES = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]
# Inverse of the penalty on squared coefficients, shared by the variables: with more of
# them, each counts for less.
STRENGTH = 10.0
# Weight of the steps between quantiles, relative to a linear effect and to one of the
# logarithm of the distance from the mean.
STEP_WEIGHT = 2.0
# Smallest exponent of the score without labels in the odds of being an outlier, so that
# outliers unlike the labelled ones are still found.
MIN_EXPONENT = 0.25
# Samples of either kind that effects are fitted on, and the values that these have.
MAX_FITTED_SAMPLES, MIN_FITTED_SAMPLES = 2_000, 200
MAX_FITTED_VALUES = 2**24
# Anomalies count as at least this share of their median before taking logarithms.
SMALLEST_SHARE = 1e-3


def check_labels(y, X):
    """Check labels of samples.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        1 for normal samples, -1 for outliers, 0 for unknown ones.
    X : array-like of shape (n_samples, ...)
        The samples.

    Returns
    -------
    ndarray of shape (n_samples,), of int
        The labels.

    Raises
    ------
    ValueError
        If there are no labels, if their number differs from that of the samples, if
        there are other values, such as booleans, or if all samples are outliers.

    Warns
    -----
    UserWarning
        If no sample is labelled as an outlier, as where 1 stands for outliers.

    Examples
    --------
    >>> from skae._outliers._labels import check_labels
    >>> check_labels([0.0, 0.0, -1.0], [[1], [2], [3]])
    array([ 0,  0, -1])
    """
    if y is None:
        raise ValueError(
            "use_labels=True needs labels, but y is None. Pass y with -1 for outliers, "
            "1 for normal samples and 0 for unknown ones, or set use_labels=False."
        )
    refuse_masked(y, "y", filled="filled(0)")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    # True is 1 to NumPy, but for most people an outlier.
    if y.dtype.kind in "bO" and any(isinstance(v, bool) for v in y.tolist()):
        raise ValueError(
            "With use_labels=True, y has to be 1 for normal samples, -1 for outliers "
            "and 0 for unknown ones, but its labels are booleans. Where True stands "
            "for an outlier, pass np.where(y, -1, 0)."
        )
    is_known = np.isin(y, [NORMAL, UNKNOWN, OUTLIER])
    if not is_known.all():
        others = list(dict.fromkeys(np.asarray(y)[~is_known].tolist()))
        raise ValueError(
            "With use_labels=True, y has to be 1 for normal samples, -1 for outliers "
            f"and 0 for unknown ones, but it contains {others[:5]}. Use 0 where a "
            "label is missing."
        )
    y = y.astype(int)
    if (y == OUTLIER).all():
        raise ValueError(
            f"All {len(y)} samples are labelled as outliers (-1), but normal samples "
            "(1) or unknown ones (0) are needed to learn what is normal."
        )
    if not (y == OUTLIER).any():
        warnings.warn(
            f"use_labels=True, but none of the {len(y)} labels is -1, so the detector "
            "is fitted as without labels. Pass -1 for outliers: 1 stands for normal "
            "samples. Where 1 stands for an outlier, pass np.where(y == 1, -1, 0).",
            UserWarning,
            stacklevel=2,
        )
    return y


class LabelledScore(Score):
    """Negative logarithm of the probability of being normal, learned from labels.

    The odds of being an outlier are a product of the anomaly that another score
    measures, to a power, and of effects of single variables: features, residuals,
    components of the code, and the terms of that score. Their logarithm is thus an
    additive model [1]_. Each effect is piecewise linear between quantiles, and constant
    beyond the training samples. In the fit, values of labelled outliers are clipped to
    the range of the other samples, extended by its length on both sides. The
    coefficients are those of logistic regression with a quadratic penalty, in which
    labelled outliers weigh as much as all other samples.
    The power is penalized least, and at least 0.25: with few labels the score is nearly
    the one without labels, and outliers of another kind than the labelled ones still
    have high scores.

    Samples without labels count as normal, of which most are. Samples that are labelled
    as normal weigh, together, as much as labelled outliers of their number do.

    Parameters
    ----------
    unlabelled : TruncationScore
        The score without labels, not yet fitted. No user's function, whose values may
        be negative.

    References
    ----------
    .. [1] T. Hastie and R. Tibshirani, "Generalized additive models", Statistical
       Science 1 (1986), 297-310.
    """

    uses_codes = True
    # Both are equally likely.
    boundary = float(np.log(2))

    def __init__(self, unlabelled):
        self.unlabelled = unlabelled

    @property
    def sizes(self):
        """Numbers of components that are kept."""
        return self.unlabelled.sizes

    def fit(self, X, X_hat, Z, is_normal, outliers, random_state=None):
        """Learn from training samples and labelled outliers.

        Parameters
        ----------
        X, X_hat, Z : as `TruncationScore` takes them
            Training samples, none of which is labelled as an outlier.
        is_normal : ndarray of shape (n_samples,), of bool
            Which of them are labelled as normal.
        outliers : tuple
            The three arrays of the samples that are labelled as outliers.
        random_state : int, RandomState instance or None, default=None
            Determines which samples effects are fitted on, if there are many.

        Returns
        -------
        LabelledScore
            The score itself.
        """
        self.unlabelled.fit(X, X_hat, Z)
        parts = [self._anomalies(*triple) for triple in ((X, X_hat, Z), outliers)]
        medians = np.median(parts[0], axis=0)
        self.smallest_ = np.maximum(SMALLEST_SHARE * medians, np.finfo(np.float32).tiny)
        V, U = (
            self._variables(*triple, part)
            for triple, part in zip(((X, X_hat, Z), outliers), parts, strict=True)
        )
        # Else one outlier far beyond all other samples determines means and intercept.
        low, high = V.min(axis=0), V.max(axis=0)
        reach = high - low
        U = np.clip(U, low - reach, high + reach)
        rng = check_random_state(random_state)
        most = MAX_FITTED_VALUES // (V.shape[1] * (len(QUANTILES) + 2))
        most = int(np.clip(most, MIN_FITTED_SAMPLES, MAX_FITTED_SAMPLES))
        rows = draw(np.flatnonzero(~is_normal), most, rng)
        known = draw(np.flatnonzero(is_normal), most, rng)
        U = U[draw(np.arange(len(U)), most, rng)]
        n_rows, n_known = len(rows), len(known)
        # Total weights of unknown samples, known normal ones and outliers.
        share = n_known / (n_known + len(U)) if n_rows else 1.0
        weights = np.repeat(
            [(1 - share) / max(n_rows, 1), share / max(n_known, 1), 1 / len(U)],
            [n_rows, n_known, len(U)],
        )
        self._set_knots(V[:, :-1])
        V = np.vstack([V[rows], V[known], U])
        self._fit_effects(V, np.arange(len(V)) >= n_rows + n_known, weights / 2)
        return self

    def _set_knots(self, V):
        """Set the segments between quantiles, and the medians."""
        knots = np.quantile(V, QUANTILES, axis=0)
        widths = np.diff(knots, axis=0)
        # Without width, as where most values are the same, there is no effect.
        is_wide = widths > 1e-9 * (np.abs(knots[:-1]) + np.abs(knots[1:]))
        self.starts_ = knots[:-1]
        self.rates_ = np.divide(1.0, widths, where=is_wide, out=np.zeros_like(widths))
        self.middle_ = np.median(V, axis=0)

    def _fit_effects(self, V, is_outlier, weights):
        """Fit logistic regression to the variables, the last of which is a power."""
        V, log_anomaly = V[:, :-1], V[:, -1]
        n_variables = V.shape[1]
        ramps = np.stack(list(self._ramps(V)))
        shapes = _shapes(V, self.starts_, self.rates_)
        columns, slopes = [STEP_WEIGHT * ramp for ramp in ramps], []
        for shape in shapes:
            values = np.einsum("kij,kj->ij", ramps, shape)
            unit = _deviation(values)
            columns.append(values / unit)
            slopes.append(shape / unit)
        unit = _deviation(log_anomaly) / np.sqrt(n_variables)
        F = np.hstack([*columns, log_anomaly[:, None] / unit])
        F -= F.mean(axis=0)
        model = LogisticRegression(C=STRENGTH / n_variables, max_iter=1000)
        *coefficients, power = model.fit(F, is_outlier, sample_weight=weights).coef_[0]
        self.exponent_ = max(float(power / unit), MIN_EXPONENT)
        if self.exponent_ == MIN_EXPONENT:
            model.fit(F[:, :-1], is_outlier, sample_weight=weights)
            coefficients = model.coef_[0]
        by_shape = np.reshape(coefficients, (-1, n_variables))
        self.steps_ = STEP_WEIGHT * by_shape[: len(ramps)]
        for slope, coefficient in zip(slopes, by_shape[len(ramps) :], strict=True):
            self.steps_ = self.steps_ + slope * coefficient
        log_odds = self._effects(V).sum(axis=1) + self.exponent_ * log_anomaly
        self.intercept_ = -float(np.average(log_odds, weights=weights))
        self.log_middle_ = float(np.median(log_anomaly[~is_outlier]))

    # The parts of the logarithm of the odds.

    def _leaves(self, *triple):
        """Yield the scores of which the score without labels is a sum."""
        for score, _, arrays in self.unlabelled._terms(*triple):
            for leaf in score.scores if isinstance(score, FusedScore) else [score]:
                yield leaf, arrays

    def _anomalies(self, X, X_hat, Z):
        """Compute the anomaly by each term, and by their sum in the last column."""
        columns = [leaf.anomaly(*arrays) for leaf, arrays in self._leaves(X, X_hat, Z)]
        columns.append(self.unlabelled.anomaly(X, X_hat, Z))
        largest = float(np.finfo(X.dtype).max)
        return np.nan_to_num(
            np.column_stack(columns).astype(np.float64), nan=largest, posinf=largest
        )

    def _variables(self, X, X_hat, Z, anomalies):
        """Return features, residuals, components and logarithms of anomalies."""
        expected = X_hat[-1]
        X = np.where(np.isnan(X), expected, X)
        V = np.hstack([X, X - expected, Z]).astype(np.float64)
        logs = np.log(np.maximum(anomalies, self.smallest_))
        return np.hstack([np.nan_to_num(V, posinf=1e300, neginf=-1e300), logs])

    def _ramps(self, V):
        """Yield how far values are within each segment, from 0 to 1."""
        for start, rate in zip(self.starts_, self.rates_, strict=True):
            yield np.clip((V - start) * rate, 0, 1)

    def _effects(self, V):
        """Compute the effect of each variable; medians have an effect of 0."""
        return self._ascents(V) - self._ascents(self.middle_)

    def _ascents(self, V):
        """Compute the effect of each variable, relative to that of its first knot."""
        pairs = zip(self._ramps(V), self.steps_, strict=True)
        return sum(ramp * step for ramp, step in pairs)

    def _log_odds_parts(self, X, X_hat, Z):
        V = self._variables(X, X_hat, Z, self._anomalies(X, X_hat, Z))
        return self._effects(V[:, :-1]), self.exponent_ * V[:, -1]

    def anomaly(self, X, X_hat, Z):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            effects, power = self._log_odds_parts(X, X_hat, Z)
            log_odds = effects.sum(axis=1) + power + self.intercept_
            return np.logaddexp(0, log_odds).astype(X.dtype, copy=False)

    def contributions(self, X, X_hat, Z):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            effects, power = self._log_odds_parts(X, X_hat, Z)
            log_odds = effects.sum(axis=1) + power + self.intercept_
            # What raises the odds above those of a typical sample contributes.
            raised = np.maximum(effects, 0)
            power = np.maximum(power - self.exponent_ * self.log_middle_, 0)
            n_features, n_codes = X.shape[1], Z.shape[1]
            parts = np.zeros((len(X), n_features + n_codes))
            parts[:, :n_features] = raised[:, :n_features]
            parts[:, :n_features] += raised[:, n_features : 2 * n_features]
            parts[:, n_features:] = raised[:, 2 * n_features : 2 * n_features + n_codes]
            by_term = raised[:, 2 * n_features + n_codes :]
            for (leaf, arrays), amount in zip(
                self._leaves(X, X_hat, Z), by_term.T, strict=True
            ):
                shares = _shares(leaf.contributions(*arrays))
                parts[:, : shares.shape[1]] += amount[:, None] * shares
            whole = _shares(self.unlabelled.contributions(X, X_hat, Z))
            parts += power[:, None] * whole
            nothing = parts.sum(axis=1) == 0
            parts[nothing] = whole[nothing]
            parts /= parts.sum(axis=1, keepdims=True)
            parts *= np.logaddexp(0, log_odds)[:, None]
        parts = parts.astype(X.dtype, copy=False)
        return Contributions(*np.split(parts, [n_features], axis=1))

    def write_onnx(self, writer, X, X_hat, Z, missing=None):
        add = writer.add
        leaves = [
            write_limited(writer, leaf.write_onnx(writer, *arrays, missing))
            for leaf, arrays in self._leaves(X, X_hat, Z, writer.first_columns)
        ]
        leaves.append(self.unlabelled.write_onnx(writer, X, X_hat, Z, missing))
        columns = [add("Unsqueeze", leaf, np.array([1])) for leaf in leaves]
        logs = add("Log", add("Max", add("Concat", *columns, axis=1), self.smallest_))
        if missing is not None:
            X = add("Where", missing, X_hat[-1], X)
        V = add("Concat", X, add("Sub", X, X_hat[-1]), Z, axis=1)
        V = add("Where", add("IsNaN", V), 0.0, V)
        n_terms = len(leaves) - 1
        V = add("Concat", V, writer.first_columns(logs, n_terms), axis=1)
        # Effects are constant beyond the knots, and infinity times 0 would be NaN.
        last = self.starts_[-1] + _widths(self.rates_[-1])
        V = add("Min", add("Max", V, self.starts_[0]), last)
        # The anomaly itself, in the last column, has a linear effect.
        power = add("Slice", logs, [n_terms], [n_terms + 1], [1])
        total = add("Mul", power, float(self.exponent_))
        middle = float(self._ascents(self.middle_).sum())
        total = add("Add", total, self.intercept_ - middle)
        for start, rate, step in zip(
            self.starts_, self.rates_, self.steps_, strict=True
        ):
            within = add("Mul", add("Sub", V, start), rate)
            within = add("Min", add("Max", within, 0.0), 1.0)
            total = add("Add", total, add("MatMul", within, step[:, None]))
        return add("Squeeze", add("Softplus", total), np.array([1]))


def _widths(rates):
    """Return the widths of segments, 0 for those without an effect."""
    return np.divide(1.0, rates, where=rates > 0, out=np.zeros_like(rates))


def _shapes(V, starts, rates):
    """Return how a linear effect and one of the distance from the mean ascend."""
    knots = np.vstack([starts, starts[-1] + _widths(rates[-1])])
    standard = np.clip((knots - V.mean(axis=0)) / _deviation(V), -8, 8)
    return [np.diff(values, axis=0) for values in (standard, np.log(standard**2 + 0.1))]


def _deviation(values):
    """Return standard deviations, or 1 where they are 0."""
    deviation = values.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)


def _shares(contributions):
    """Return contributions as shares of their sum; equal ones where it is 0."""
    parts = np.hstack(contributions).astype(np.float64)
    parts = np.nan_to_num(parts, posinf=np.finfo(np.float32).max)
    total = parts.sum(axis=1, keepdims=True)
    equal = np.full_like(parts, 1 / parts.shape[1])
    return np.divide(parts, total, out=equal, where=total > 0)
