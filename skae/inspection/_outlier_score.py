"""Display of outlier scores."""

import numpy as np
from sklearn.utils import check_array, column_or_1d

from ._drawing import (
    check_option,
    number,
    set_axes_title,
    single_axes,
)
from ._estimators import score

_ALL = "All samples"
_STYLES = {
    _ALL: {"facecolor": "0.8", "edgecolor": "0.35"},
    "Inliers": {"facecolor": "0.8", "edgecolor": "0.35"},
    "Outliers": {"facecolor": "none", "edgecolor": "#440154", "hatch": "////"},
}


class OutlierScoreDisplay:
    """Histogram of anomaly scores.

    Scores are those of `score_samples`: higher for inliers. With labels, a histogram of
    the inliers and one of the outliers are drawn over each other, each normalized to
    sum to 1, so that few outliers are visible beside many inliers.

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

    Attributes
    ----------
    histograms_ : dict of str to matplotlib.patches.StepPatch
        Histograms by "All samples", or by "Inliers" and "Outliers".
    threshold_line_ : matplotlib.lines.Line2D or None
        The decision threshold. None without one.
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
    ):
        self.scores = scores
        self.is_outlier = is_outlier
        self.threshold = threshold

    def plot(
        self,
        ax=None,
        *,
        bins=40,
        xscale="auto",
    ):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        bins : int, default=40
            Number of bins of the histogram.
        xscale : {"auto", "linear", "log"}, default="auto"
            Scale of the scores. "log" needs negative ones, such as an autoencoder's,
            and is logarithmic in their absolute value. "auto" chooses it for negative
            scores whose minimum is more than 20 times their median.

        Returns
        -------
        OutlierScoreDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        self.histograms_, self.threshold_line_ = {}, None
        log = self._is_log(xscale)
        self.ax_ = ax = single_axes(ax, (6.4, 4))
        edges = self._bin_edges(bins, log)
        title, ylabel = "Outlier scores", "Samples"
        if self.is_outlier is None:
            everything = np.ones(len(self.scores), dtype=bool)
            self._draw_histogram(_ALL, everything, edges, 1)
        else:
            title += " of inliers and outliers"
            ylabel = "Share of inliers or outliers"
            for name, members in (
                ("Inliers", ~self.is_outlier),
                ("Outliers", self.is_outlier),
            ):
                self._draw_histogram(name, members, edges, members.sum())
        if log:
            ax.set_xscale("symlog", linthresh=-edges[-1])
            ax.set_xlim(edges[0], edges[-1])
        if self.threshold is not None:
            self.threshold_line_ = ax.axvline(
                self.threshold,
                color="black",
                linestyle="--",
                label=f"Threshold ({number(self.threshold, 3)})",
            )
        ax.set(xlabel="Score (higher is more normal)", ylabel=ylabel)
        # Room above the bars, so that the legend hides none.
        handles, _ = ax.get_legend_handles_labels()
        ax.set_ylim(0, ax.get_ylim()[1] * (1 + 0.09 * len(handles)))
        ax.legend(loc="upper left", framealpha=1)
        set_axes_title(ax, title)
        self.figure_ = ax.figure
        return self

    def _draw_histogram(self, name, members, edges, total):
        """Draw the histogram of some samples, with its bars divided by a total."""
        scores = self.scores[members]
        label = f"{name} ({len(scores):,}"
        if self.threshold is not None:
            below = np.mean(scores < self.threshold)
            label += f", {below:.1%} below the threshold"
        self.histograms_[name] = self.ax_.stairs(
            np.histogram(scores, edges)[0] / total,
            edges,
            fill=True,
            linewidth=1.2,
            label=f"{label})",
            **_STYLES[name],
        )

    def _is_log(self, xscale):
        negative = self.scores.max() < 0 and (self.threshold or -1) < 0
        check_option("xscale", xscale, ("auto", "linear", "log"))
        if xscale == "auto":
            return negative and self.scores.min() < 20 * np.median(self.scores)
        if xscale == "log" and not negative:
            raise ValueError(
                "xscale='log' needs negative scores and a negative threshold, but the "
                f"scores reach up to {self.scores.max():.3g} and threshold="
                f"{self.threshold}. Use xscale='linear'."
            )
        return xscale == "log"

    def _bin_edges(self, bins, log):
        values = self.scores
        if self.threshold is not None:
            values = np.append(values, self.threshold)
        low, high = values.min(), values.max()
        if log:
            edges = -np.geomspace(-low, -high, bins + 1)
            edges[0], edges[-1] = low, high
            return edges
        return np.histogram_bin_edges(values, bins, (low, high))

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
            the sign changed.
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
            If lengths do not fit, or `y` holds other labels or those of one class only.

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
        scores = column_or_1d(check_array(scores, ensure_2d=False, input_name="scores"))
        if y is not None:
            y = _check_labels(y, len(scores))
        display = cls(scores, is_outlier=y, threshold=threshold)
        return display.plot(ax, **plot_params)


def _check_labels(y, n_samples):
    """Return whether each sample is labelled as an outlier."""
    y = column_or_1d(y)
    if len(y) != n_samples:
        raise ValueError(f"y has {len(y)} labels, but there are {n_samples} samples.")
    found = set(np.unique(y).tolist())
    if found == {-1, 1}:
        return y == -1
    if found == {0, 1}:
        return y == 1
    raise ValueError(
        f"y holds {sorted(found, key=str)[:5]}, but 1 for inliers and -1 for outliers, "
        "or 0 for inliers and 1 for outliers, were expected, and samples of both. "
        "Leave y out if there are no labels, or those of one class only."
    )
