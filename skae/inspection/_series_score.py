"""Display of a time series and its anomaly scores."""

from numbers import Real

import numpy as np
from sklearn.utils import check_array

from ._drawing import (
    CHARACTER,
    axes_size,
    check_count,
    check_option,
    grid_in,
    number,
    shortened,
)
from ._estimators import _transform, class_name, feature_names_of, score, unpack
from ._outlier_score import _check_labels, _check_numbers

_INTERVAL = {"facecolor": "#d9b8e0", "edgecolor": "#440154", "linewidth": 0.8}
_LABEL = {"color": "black", "linewidth": 0}


class SeriesScoreDisplay:
    """A time series above the anomaly scores of its steps, along one axis of time.

    Each channel has axes of its own, and the scores have the lowest. Predicted outliers
    are shaded, and known ones are marked by a bar at the upper edge.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    series : ndarray of shape (n_steps, n_channels)
        The series.
    scores : ndarray of shape (n_steps,)
        Anomaly scores, higher for inliers. NaN where there is none.
    time : array-like of shape (n_steps,), default=None
        Times, in ascending order. None numbers the steps.
    channel_names : list of str, default=None
        Names of the channels. None is x0, x1, ...
    threshold : float, default=None
        Decision threshold: steps with lower scores are predicted as outliers. None:
        there is none.
    intervals : list of tuple of int, default=None
        Numbers of the first and last step of each interval that is shaded. None shades
        none.
    is_outlier : ndarray of bool of shape (n_steps,), default=None
        Whether each step is labelled as an outlier. None: there are no labels.

    Attributes
    ----------
    channel_lines_ : list of matplotlib.lines.Line2D
        The channels that are drawn.
    score_line_ : matplotlib.lines.Line2D
        The scores.
    threshold_line_ : matplotlib.lines.Line2D or None
        The decision threshold. None without one.
    axes_ : ndarray of matplotlib.axes.Axes
        The axes, those of the scores last.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skae.series.WindowedOutlierDetector : Scores the steps of a series.
    OutlierScoreDisplay : Histogram of the scores.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skae.inspection import SeriesScoreDisplay
    >>> display = SeriesScoreDisplay.from_predictions(
    ...     [1.0, 1.1, 9.0, 1.0], [-1.0, -1.2, -8.0, -1.1], threshold=-4.0
    ... )
    >>> len(display.axes_)
    2
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        series,
        scores,
        *,
        time=None,
        channel_names=None,
        threshold=None,
        intervals=None,
        is_outlier=None,
    ):
        self.series = series
        self.scores = scores
        self.time = time
        self.channel_names = channel_names
        self.threshold = threshold
        self.intervals = intervals
        self.is_outlier = is_outlier

    def plot(self, ax=None, *, max_channels=6, yscale="auto"):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes in whose place several are made. None makes a figure.
        max_channels : int, default=6
            Number of channels to draw, the first ones.
        yscale : {"auto", "linear", "symlog"}, default="auto"
            Scale of the scores. "symlog" is logarithmic in the anomaly beyond the
            threshold, or beyond the median without one. "auto" chooses it if the lowest
            score is more than 20 times as far from zero as that.

        Returns
        -------
        SeriesScoreDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        check_count("max_channels", max_channels)
        check_option("yscale", yscale, ("auto", "linear", "symlog"))
        names = feature_names_of(None, self.series.shape[1], self.channel_names)
        n_drawn = min(max_channels, len(names))
        title = "Series and anomaly scores"
        if n_drawn < len(names):
            title += f": the first {n_drawn} of {len(names)} channels"
        self.figure_, grid = grid_in(
            ax,
            n_drawn + 1,
            1,
            figsize=(8, 2 + 1.2 * n_drawn),
            title=title,
            legend=self._legend(),
        )
        self.axes_ = np.empty(n_drawn + 1, dtype=object)
        for i in range(n_drawn + 1):
            shared = self.axes_[0] if i else None
            self.axes_[i] = self.figure_.add_subplot(grid[i, 0], sharex=shared)
        self._plot_channels(names)
        self._plot_scores(yscale)
        for axes in self.axes_:
            self._mark(axes)
        self.figure_.align_ylabels(self.axes_)
        return self

    def _plot_channels(self, names):
        time = self._time()
        self.channel_lines_ = []
        for ax, values, name in zip(
            self.axes_[:-1], self.series.T, names, strict=False
        ):
            (line,) = ax.plot(time, values, color="0.25", linewidth=0.8)
            self.channel_lines_.append(line)
            ax.set_ylabel(shortened(name, int(axes_size(ax)[1] / CHARACTER)))
            ax.tick_params(labelbottom=False)
            # Room for the bar of known outliers.
            ax.margins(x=0.01, y=0.15)

    def _plot_scores(self, yscale):
        ax, time = self.axes_[-1], self._time()
        (self.score_line_,) = ax.plot(time, self.scores, color="0.25", linewidth=0.8)
        self.threshold_line_ = None
        if self.threshold is not None:
            self.threshold_line_ = ax.axhline(self.threshold, **self._threshold_style())
        width = self.threshold if self.threshold else np.nanmedian(self.scores)
        width, lowest = abs(float(width)), float(np.nanmin(self.scores))
        if yscale == "symlog" or (yscale == "auto" and lowest < -20 * width < 0):
            self._set_symlog(ax, width or 1, lowest)
        ax.margins(x=0.01, y=0.15)
        ax.set_ylabel("Score")
        is_time = np.asarray(time).dtype.kind in "mM"
        ax.set_xlabel("Time" if is_time else "Step")
        if is_time:
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator(maxticks=8)
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))

    def _set_symlog(self, ax, width, lowest):
        """Set a scale that is linear around zero, and ticks without those close by."""
        ax.set_yscale("symlog", linthresh=width)
        first = np.ceil(np.log10(width))
        n_powers = max(np.log10(max(-lowest, width)) - first + 1, 1)
        powers = first + np.arange(0, n_powers, max(1, n_powers // 3))
        ticks = [*-(10.0**powers), 0]
        ax.set_yticks(ticks, [number(tick) for tick in ticks])
        ax.minorticks_off()

    def _mark(self, ax):
        """Shade predicted outliers, and mark known ones."""
        time = self._time()
        for first, last in self.intervals or []:
            ax.axvspan(time[first], time[last], zorder=0, **_INTERVAL)
        if self.is_outlier is not None:
            edges = np.diff(np.concatenate([[0], self.is_outlier, [0]]).astype(int))
            starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
            for start, stop in zip(starts, stops, strict=True):
                ax.axvspan(time[start], time[stop - 1], 0.93, 1, **_LABEL)

    def _time(self):
        return np.arange(len(self.scores)) if self.time is None else self.time

    def _threshold_style(self):
        label = f"Threshold ({number(self.threshold, 3)})"
        return {"color": "black", "linestyle": "--", "linewidth": 1, "label": label}

    def _legend(self):
        """Return handles and labels of what is marked, None of nothing."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles = []
        if self.threshold is not None:
            handles.append(Line2D([], [], **self._threshold_style()))
        if self.intervals is not None:
            handles.append(Patch(label="Predicted outliers", **_INTERVAL))
        if self.is_outlier is not None:
            handles.append(Patch(label="Known outliers", **_LABEL))
        labels = [handle.get_label() for handle in handles]
        return (handles, labels) if handles else None

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **plot_params):
        """Plot a series, and what a fitted detector computes of it.

        Parameters
        ----------
        estimator : fitted WindowedOutlierDetector
            Any detector whose samples are steps, with `score_samples` and
            `find_intervals`.
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            The series. Of a DataFrame of pandas, the index is the time.
        y : array-like of shape (n_steps,), default=None
            Labels: 1 for inliers and -1 for outliers, or 0 for inliers and 1 for
            outliers.
        ax : matplotlib.axes.Axes, default=None
            Axes in whose place several are made. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        SeriesScoreDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no `find_intervals`.

        See Also
        --------
        SeriesScoreDisplay.from_predictions : The same from scores.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from sklearn.ensemble import IsolationForest
        >>> from skae.inspection import SeriesScoreDisplay
        >>> from skae.series import WindowedOutlierDetector
        >>> series = np.sin(np.arange(400) / 5)
        >>> forest = IsolationForest(random_state=0)
        >>> detector = WindowedOutlierDetector(forest).fit(series)
        >>> display = SeriesScoreDisplay.from_estimator(detector, series)
        >>> display.threshold == detector.offset_
        True
        >>> plt.close(display.figure_)
        """
        before, detector = unpack(estimator)
        if not hasattr(detector, "find_intervals"):
            raise TypeError(
                f"{class_name(estimator)} has no find_intervals. Give a "
                "WindowedOutlierDetector, or scores to from_predictions."
            )
        scores, threshold = score(estimator, X)
        given = _transform(before, X)
        intervals = detector.find_intervals(given)
        if _index(X) is not None and _index(given) is None:
            ends = ["start", "end"]
            intervals[ends] = intervals[ends].apply(_index(X).take)
        return cls.from_predictions(
            X,
            scores,
            y,
            threshold=threshold,
            intervals=intervals,
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        scores,
        y=None,
        *,
        threshold=None,
        intervals=None,
        ax=None,
        **plot_params,
    ):
        """Plot a series and precomputed scores.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            The series. Of a DataFrame of pandas, the index is the time.
        scores : array-like of shape (n_steps,)
            Scores, higher for inliers, NaN where there is none.
        y : array-like of shape (n_steps,), default=None
            Labels: 1 for inliers and -1 for outliers, or 0 for inliers and 1 for
            outliers.
        threshold : float, default=None
            Decision threshold: steps with lower scores are predicted as outliers.
        intervals : DataFrame, default=None
            With columns `start` and `end`, as `find_intervals` returns it.
        ax : matplotlib.axes.Axes, default=None
            Axes in whose place several are made. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        SeriesScoreDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If lengths do not fit, no step has a score, or `y` holds other labels or
            those of one class only.

        See Also
        --------
        SeriesScoreDisplay.from_estimator : The same from a detector.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skae.inspection import SeriesScoreDisplay
        >>> display = SeriesScoreDisplay.from_predictions(
        ...     [1.0, 1.1, 9.0, 1.0], [-1.0, -1.2, -8.0, -1.1], [0, 0, 1, 0]
        ... )
        >>> display.is_outlier.tolist()
        [False, False, True, False]
        >>> plt.close(display.figure_)
        """
        X = X.to_frame() if hasattr(X, "to_frame") and not hasattr(X, "columns") else X
        index = _index(X)
        series = check_array(
            X, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan"
        )
        series = series.reshape(len(series), -1)
        has_score = ~np.isnan(np.asarray(scores, float))
        if not has_score.any():
            raise ValueError("No step has a score: all scores are NaN.")
        if len(has_score) != len(series):
            raise ValueError(
                f"There are {len(has_score)} scores, but {len(series)} steps."
            )
        _check_numbers(np.asarray(scores)[has_score], "scores")
        if threshold is not None and not (
            isinstance(threshold, Real) and np.isfinite(threshold)
        ):
            raise ValueError(
                f"threshold={threshold!r}, but a finite number or None was expected."
            )
        names = getattr(X, "columns", None)
        display = cls(
            series,
            np.asarray(scores, float),
            time=_plain_times(index),
            channel_names=None if names is None else [str(name) for name in names],
            threshold=threshold,
            intervals=None if intervals is None else _numbers(intervals, index),
            is_outlier=None if y is None else _check_labels(y, len(series)),
        )
        return display.plot(ax, **plot_params)


def _index(X):
    """Return the index of pandas, None of anything else."""
    index = getattr(X, "index", None)
    return None if callable(index) else index


def _plain_times(index):
    """Return times without a zone, for an axis; None if they are not times."""
    if hasattr(index, "to_timestamp"):  # periods
        index = index.to_timestamp()
    if getattr(index, "tz", None) is not None:
        index = index.tz_localize(None)
    kind = getattr(getattr(index, "dtype", None), "kind", None)
    return np.asarray(index) if kind == "M" else None


def _numbers(intervals, index):
    """Return the numbers of first and last steps, given by labels of an index."""
    ends = [intervals["start"], intervals["end"]]
    if index is not None:
        ends = [index.get_indexer(labels) for labels in ends]
    return [(int(first), int(last)) for first, last in zip(*ends, strict=True)]
