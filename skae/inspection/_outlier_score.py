"""Display of outlier scores."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.utils import check_array, column_or_1d

from ._drawing import (
    CHARACTER,
    axes_size,
    check_count,
    check_option,
    number,
    set_axes_title,
    single_axes,
)
from ._estimators import predict_pvalue, score

_ALL = "All samples"
_STYLES = {
    _ALL: {"facecolor": "0.8", "edgecolor": "0.35"},
    "Inliers": {"facecolor": "0.8", "edgecolor": "0.35"},
    "Outliers": {"facecolor": "none", "edgecolor": "#440154", "hatch": "////"},
}
_MARKERS = {
    "Inliers": {"color": "0.6", "marker": "."},
    "Outliers": {"color": "#440154", "marker": "x"},
}
# P-values at which the axis above a histogram is labelled.
_LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_SCORE = "Score (higher is more normal)"
# Ticks and margins of larger scores, or of a scale for smaller ones, overflow.
_LARGEST, _SMALLEST = 1e200, 1e-200


class OutlierScoreDisplay:
    """Histogram of anomaly scores, or scores in ascending order.

    Scores are those of `score_samples`: higher for inliers. With labels, a histogram of
    the inliers and one of the outliers are drawn over each other, each normalized to
    sum to 1, so that few outliers are visible beside many inliers.

    In ascending order, each score is drawn over the share of samples that score no
    higher: the threshold that a value of `contamination` leads to if these are the
    samples that the detector was fitted on. A sharp bend separates outliers from the
    bulk; without one, the two overlap.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores.
    is_outlier : ndarray of bool of shape (n_samples,), default=None
        Whether each sample is labelled as an outlier. None: there are no labels.
    threshold : float, default=None
        Decision threshold: samples with lower scores are predicted as outliers. It is
        `offset_` of a detector. None: there is none.
    pvalues : ndarray of shape (n_samples,), default=None
        P-value of each sample. None: there are none.

    Attributes
    ----------
    histograms_ : dict of str to matplotlib.patches.StepPatch
        Histograms by "All samples", or by "Inliers" and "Outliers". Empty for scores in
        ascending order.
    rank_lines_ : dict of str to matplotlib.lines.Line2D
        The scores in ascending order, by the same names. Empty for histograms.
    threshold_line_ : matplotlib.lines.Line2D or None
        The decision threshold. None without one.
    pvalue_ax_ : matplotlib.axes.Axes or None
        The axis of p-values above a histogram. None without p-values.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    OutlierExplanationDisplay : Why samples are outliers.
    ReconstructionDisplay : Samples beside their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skae.inspection import OutlierScoreDisplay
    >>> display = OutlierScoreDisplay.from_predictions(
    ...     [-1.0, -2.0, -1.5, -9.0], [1, 1, 1, -1], threshold=-4.0
    ... )
    >>> list(display.histograms_)
    ['Inliers', 'Outliers']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        scores,
        *,
        is_outlier=None,
        threshold=None,
        pvalues=None,
    ):
        self.scores = scores
        self.is_outlier = is_outlier
        self.threshold = threshold
        self.pvalues = pvalues

    def plot(
        self,
        ax=None,
        *,
        kind="histogram",
        bins="auto",
        xscale="auto",
    ):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        kind : {"histogram", "ranks"}, default="histogram"
            What to draw: a histogram of the scores, or the scores in ascending order,
            by which `contamination` is chosen.
        bins : int or "auto", default="auto"
            Number of bins of the histogram. "auto" is four times the cube root of the
            number of samples, clipped to [10, 40].
        xscale : {"auto", "linear", "log"}, default="auto"
            Scale of the scores, also of those in ascending order. "log" is linear close
            to the median, and logarithmic in the distance from it beyond. "auto"
            chooses it if a score or the threshold is more than 20 times as far from the
            median as the nearer of the 10th and 90th percentiles.

        Returns
        -------
        OutlierScoreDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, or a score or the threshold is larger than
            1e200 in absolute value.
        """
        largest = np.abs(self._values()).max()
        if largest > _LARGEST:
            raise ValueError(
                f"Scores or threshold are as large as {largest:.3g} in absolute value, "
                f"but at most {_LARGEST:.0e} can be drawn. Clip them, or give them in "
                "other units, to from_predictions."
            )
        check_option("kind", kind, ("histogram", "ranks"))
        check_option("xscale", xscale, ("auto", "linear", "log"))
        self.histograms_, self.rank_lines_ = {}, {}
        self.threshold_line_ = self.pvalue_ax_ = None
        self.ax_ = single_axes(ax, (6.4, 4))
        self.figure_ = self.ax_.figure
        scale = self._scale(xscale)
        if kind == "histogram":
            self._plot_histograms(scale, bins)
        else:
            self._plot_ranks(scale)
        return self

    def _plot_histograms(self, scale, bins):
        ax = self.ax_
        low, high = self._range()
        if isinstance(bins, str) and bins == "auto":
            bins = int(np.clip(4 * len(self.scores) ** (1 / 3), 10, 40))
        else:
            check_count("bins", bins)
        edges = np.linspace(low, high, bins + 1)
        if scale is not None:
            edges = scale.inverse(np.linspace(*scale.forward([low, high]), bins + 1))
            edges[0], edges[-1] = low, high
        labelled = self.is_outlier is not None
        for name, members in self._members().items():
            scores = self.scores[members]
            self.histograms_[name] = ax.stairs(
                np.histogram(scores, edges)[0] / (len(scores) if labelled else 1),
                edges,
                fill=True,
                linewidth=1.2,
                label=self._label(name, scores),
                **_STYLES[name],
            )
        limits = self._limits(scale, 0.02, 0.02)
        if not labelled:
            ax.yaxis.get_major_locator().set_params(integer=True)
        if scale is not None:
            ax.set_xscale("function", functions=(scale.forward, scale.inverse))
        ax.set_xlim(limits)
        _set_ticks(ax.xaxis, scale, limits, high, axes_size(ax)[0])
        ax.set(xlabel=_SCORE, ylabel="Share of each class" if labelled else "Samples")
        if self.threshold is not None:
            self.threshold_line_ = ax.axvline(self.threshold, **self._threshold_style())
        # Room above the bars, so that the legend hides none.
        handles, _ = ax.get_legend_handles_labels()
        ax.set_ylim(0, ax.get_ylim()[1] * (1 + _legend_room(ax, len(handles))))
        ax.legend(loc="upper left", framealpha=1)
        if self.pvalues is not None:
            self._add_pvalue_axis(scale, limits)
        of_classes = " of inliers and outliers" if labelled else ""
        set_axes_title(ax, f"Outlier scores{of_classes}")

    def _plot_ranks(self, scale):
        """Draw each score over the share of samples that score no higher."""
        from matplotlib.ticker import NullFormatter, StrMethodFormatter

        ax, n_samples = self.ax_, len(self.scores)
        order = np.argsort(self.scores, kind="stable")
        shares = np.arange(1, n_samples + 1) / n_samples
        if self.is_outlier is None:
            marker = "." if n_samples <= 50 else None
            styles = {_ALL: {"color": "0.35", "marker": marker}}
        else:
            styles = {
                name: {"linestyle": "none", "markersize": 5, **marker}
                for name, marker in _MARKERS.items()
            }
        for name, members in self._members().items():
            drawn = members[order]
            (self.rank_lines_[name],) = ax.plot(
                shares[drawn],
                self.scores[order][drawn],
                label=self._label(name, self.scores[members]),
                **styles[name],
            )
        if scale is not None:
            ax.set_yscale("function", functions=(scale.forward, scale.inverse))
        # Room above the scores, so that the legend hides none.
        n_handles = len(self.rank_lines_) + (self.threshold is not None)
        limits = self._limits(scale, 0.05, 0.05 + _legend_room(ax, n_handles))
        ax.set_ylim(limits)
        high = self._range()[1]
        _set_ticks(ax.yaxis, scale, limits, high, 2 * axes_size(ax)[1])
        if n_samples > 20:
            ax.set(xscale="log", xlim=(0.8 / n_samples, 1.1))
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
        if self.threshold is not None:
            self.threshold_line_ = ax.axhline(self.threshold, **self._threshold_style())
        ax.set(xlabel="Share of samples that score no higher", ylabel=_SCORE)
        ax.grid(alpha=0.3)
        ax.legend(loc="upper left", framealpha=1)
        set_axes_title(ax, "Outlier scores in ascending order")

    def _members(self):
        """Return masks of the samples that are drawn together, by name."""
        if self.is_outlier is None:
            return {_ALL: np.ones(len(self.scores), dtype=bool)}
        return {"Inliers": ~self.is_outlier, "Outliers": self.is_outlier}

    def _label(self, name, scores):
        label = f"{name} ({len(scores):,}"
        if self.threshold is not None:
            below = np.mean(scores < self.threshold)
            label += f", {below:.1%} below the threshold"
        return f"{label})"

    def _threshold_style(self):
        label = f"Threshold ({number(self.threshold, 3)})"
        return {"color": "black", "linestyle": "--", "label": label}

    def _add_pvalue_axis(self, scale, limits):
        """Label the scores that p-values are reached at, above the histogram."""
        self.pvalue_ax_ = above = self.ax_.twiny()
        if scale is not None:
            above.set_xscale("function", functions=(scale.forward, scale.inverse))
        above.set_xlim(limits)
        places, labels = [], []
        for level in _LEVELS:
            reached = self.scores[self.pvalues <= level]
            if len(reached):
                places.append(reached.max())
                labels.append(f"{level:g}")
        chosen = _apart(places, labels, scale, limits, axes_size(self.ax_)[0])
        above.set_xticks([places[i] for i in chosen], [labels[i] for i in chosen])
        above.minorticks_off()
        above.set_xlabel("P-value")

    def _values(self):
        values = np.asarray(self.scores, dtype=np.float64)
        return values if self.threshold is None else np.append(values, self.threshold)

    def _range(self):
        """Return the range of scores and threshold, wide enough to be divided."""
        values = self._values()
        low, high = values.min(), values.max()
        size = max(abs(low), abs(high))
        if high - low <= 1e-6 * size or size == 0:
            margin = 0.1 * size or 0.5
            return low - margin, high + margin
        return low, high

    def _limits(self, scale, below, above):
        """Return limits of an axis of scores, with shares of its length as margins."""
        low, high = self._range()
        if scale is not None:
            low, high = scale.forward([low, high])
        length = high - low
        limits = np.array([low - below * length, high + above * length])
        return limits if scale is None else scale.inverse(limits)

    def _scale(self, xscale):
        """Return a scale that is linear only close to the median, or None."""
        low, median, high = np.percentile(self.scores, [10, 50, 90]).astype(float)
        if xscale == "auto" and np.ptp(self.scores) == 0:
            return None
        sides = [side for side in (median - low, high - median) if side > 0]
        farthest = np.abs(self._values() - median).max()
        width = min(sides) if sides else 0.01 * farthest
        if xscale == "linear" or farthest <= max(1e-6 * abs(median), _SMALLEST):
            return None
        if xscale == "auto" and farthest <= 20 * width:
            return None
        # The precision of the median sets the smallest width that can be resolved.
        resolved = 4 * np.finfo(np.float64).eps * abs(median)
        return _ScaleAround(median, max(width, resolved, 1e-50 * farthest))

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        ax=None,
        **plot_params,
    ):
        """Plot the scores of a fitted outlier detector.

        Parameters
        ----------
        estimator : fitted estimator
            With `score_samples`: an :class:`~skae.AutoencoderOutlierDetector`,
            :class:`~sklearn.ensemble.IsolationForest` and the like, or a Pipeline that
            ends in one. Its `offset_` is the threshold. Detectors of PyOD score
            outliers higher: their `decision_function` and `threshold_` are used, with
            the sign changed. With p-values, as those of an
            :class:`~skae.AutoencoderOutlierDetector` fitted with `calibration`, the
            histogram has an axis of them.
        X : array-like of shape (n_samples, n_features)
            Samples to score.
        y : array-like of shape (n_samples,), default=None
            Labels: 1 for inliers and -1 for outliers, or 0 for inliers and 1 for
            outliers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        OutlierScoreDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator cannot score.
        ValueError
            If `y` holds other labels, or those of one class only.

        See Also
        --------
        OutlierScoreDisplay.from_predictions : The same from arrays.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import IsolationForest
        >>> from skae.inspection import OutlierScoreDisplay
        >>> X = load_iris().data
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> display = OutlierScoreDisplay.from_estimator(forest, X)
        >>> display.threshold
        -0.5
        >>> plt.close(display.figure_)
        """
        scores, threshold = score(estimator, X)
        return cls.from_predictions(
            scores,
            y,
            threshold=threshold,
            pvalues=predict_pvalue(estimator, X),
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        scores,
        y=None,
        *,
        threshold=None,
        pvalues=None,
        ax=None,
        **plot_params,
    ):
        """Plot precomputed scores.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Scores, higher for inliers.
        y : array-like of shape (n_samples,), default=None
            Labels: 1 for inliers and -1 for outliers, or 0 for inliers and 1 for
            outliers.
        threshold : float, default=None
            Decision threshold: samples with lower scores are predicted as outliers.
        pvalues : array-like of shape (n_samples,), default=None
            P-value of each sample, for an axis of them above a histogram.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        OutlierScoreDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If lengths do not fit, `y` holds other labels or those of one class only,
            `threshold` is not finite, or `pvalues` are not in [0, 1].

        See Also
        --------
        OutlierScoreDisplay.from_estimator : The same from an estimator.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skae.inspection import OutlierScoreDisplay
        >>> display = OutlierScoreDisplay.from_predictions(
        ...     [-1.0, -2.0, -1.5, -9.0], threshold=-4.0
        ... )
        >>> list(display.histograms_)
        ['All samples']
        >>> plt.close(display.figure_)
        """
        scores = _check_numbers(scores, "scores")
        if y is not None:
            y = _check_labels(y, len(scores))
        if threshold is not None and not (
            isinstance(threshold, Real) and np.isfinite(threshold)
        ):
            raise ValueError(
                f"threshold={threshold!r}, but a finite number or None was expected."
            )
        if pvalues is not None:
            pvalues = _check_numbers(pvalues, "pvalues")
            if len(pvalues) != len(scores):
                raise ValueError(
                    f"There are {len(pvalues)} pvalues, but {len(scores)} scores."
                )
            if pvalues.min() < 0 or pvalues.max() > 1:
                raise ValueError(
                    f"pvalues are from {pvalues.min():.3g} to {pvalues.max():.3g}, but "
                    "numbers in [0, 1] were expected."
                )
        display = cls(scores, is_outlier=y, threshold=threshold, pvalues=pvalues)
        return display.plot(ax, **plot_params)


@dataclass(frozen=True)
class _ScaleAround:
    """A scale that is linear around a centre and logarithmic far from it."""

    center: float
    width: float

    def forward(self, values):
        return np.arcsinh((np.asarray(values, np.float64) - self.center) / self.width)

    def inverse(self, values):
        return self.center + self.width * np.sinh(np.asarray(values, np.float64))


def _legend_room(ax, n_handles):
    """Return what to add above the data for a legend, as a share of their range."""
    # Layouts shrink axes that are not alone, to make room for labels.
    height = axes_size(ax)[1] * (0.8 if len(ax.figure.axes) > 1 else 1)
    needed = min((0.15 + 0.21 * n_handles) / height, 0.6)
    # 0.05 is the margin that there is anyway.
    return max(0.09 * n_handles, needed / (1 - needed) - 0.05)


def _set_ticks(axis, scale, limits, high, inches):
    """Set ticks of an axis of scores up to the highest: round numbers with room."""
    from matplotlib.ticker import MaxNLocator

    if scale is None:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        return

    # Close to the centre, round numbers as on a linear axis; beyond, powers of ten.
    near = scale.inverse([-1.5, 1.5])
    linear = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(*near)
    largest = max(abs(limits[0]), abs(limits[1]))
    first = np.floor(np.log10(scale.width))
    powers = 10.0 ** np.arange(first, np.log10(largest) + 1)
    outside = np.outer([-1, 1], np.outer([1, 2, 5], powers).T.ravel()).ravel()
    ticks = [*linear, *sorted(outside, key=lambda value: (_digit(value) > 1, value))]
    ticks = [tick for tick in ticks if limits[0] <= tick <= high]
    labels = [number(tick, 4) for tick in ticks]
    chosen = _apart(ticks, labels, scale, limits, inches)
    axis.set_ticks([ticks[i] for i in chosen], [labels[i] for i in chosen])
    axis.set_ticks([], minor=True)


def _digit(value):
    """Return the first digit of a number."""
    return int(f"{abs(value):.0e}"[0])


def _apart(places, labels, scale, limits, inches):
    """Choose indices of ticks whose labels have room, the first ones first."""
    forward = np.asarray if scale is None else scale.forward
    low, high = forward(limits)
    chosen = []
    for i, place in enumerate(places):
        x = (forward(place) - low) / (high - low) * inches
        if all(
            abs(x - other) > CHARACTER * (len(labels[i]) + n + 3) / 2
            for other, n in ((o, n) for _, o, n in chosen)
        ):
            chosen.append((i, x, len(labels[i])))
    return [i for i, *_ in chosen]


def _check_numbers(values, name):
    """Return finite numbers, one for each sample."""
    values = check_array(
        values, dtype=[np.float64, np.float32], ensure_2d=False, input_name=name
    )
    return column_or_1d(values)


def _check_labels(y, n_samples):
    """Return whether each sample is labelled as an outlier."""
    y = column_or_1d(y)
    if len(y) != n_samples:
        raise ValueError(f"y has {len(y)} labels, but there are {n_samples} samples.")
    found = set(y.tolist())
    if found == {-1, 1}:
        return y == -1
    if found == {0, 1}:
        return y == 1
    raise ValueError(
        f"y holds {sorted(found, key=str)[:5]}, but 1 for inliers and -1 for outliers, "
        "or 0 for inliers and 1 for outliers, were expected, and samples of both. "
        "Leave y out if there are no labels, or those of one class only."
    )
