"""How outliers score, and what makes a row one."""

import numpy as np
from sklearn.utils import check_array, column_or_1d

from ._drawing import (
    CHARACTER,
    LINE,
    check_option,
    number,
    set_axes_title,
    single_axes,
    text_size,
    wrapped,
)
from ._estimators import explain, feature_names_of, score


class OutlierScoreDisplay:
    """Distribution of the scores of an outlier detector, and what one row is made of.

    Scores are those of `score_samples`, the higher the more normal. With labels,
    inliers and outliers are drawn over each other, each as shares of its own kind, so
    that few outliers are seen beside many inliers.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,), default=None
        Scores. None: contributions are all there is.
    is_outlier : ndarray of bool of shape (n_samples,), default=None
        Which rows are outliers in truth. None: that is not known.
    threshold : float, default=None
        Rows that score less are taken for outliers: `offset_` of a detector.
    contributions : ndarray of shape (n_samples, n_contributions), default=None
        What each feature contributes to the score of each row.
    feature_names : list of str, default=None
        Names of the contributions. None: x0, x1 and so on.

    Attributes
    ----------
    histograms_ : dict of str to matplotlib.patches.StepPatch
        By "All rows", or by "Inliers" and "Outliers".
    threshold_line_ : matplotlib.lines.Line2D or None
        The threshold.
    bars_ : matplotlib.container.BarContainer or None
        The contributions.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skae.AutoencoderOutlierDetector : Scores by the reconstruction error.
    ReconstructionDisplay : Rows that come back badly.

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
        scores=None,
        *,
        is_outlier=None,
        threshold=None,
        contributions=None,
        feature_names=None,
    ):
        self.scores = scores
        self.is_outlier = is_outlier
        self.threshold = threshold
        self.contributions = contributions
        self.feature_names = feature_names

    def plot(
        self,
        ax=None,
        *,
        kind="scores",
        bins=40,
        xscale="auto",
        row=0,
        max_features=15,
    ):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        kind : {"scores", "contributions"}, default="scores"
            What to draw: the distribution of the scores, or what each feature
            contributes to the score of one row.
        bins : int, default=40
            Number of bins of the distribution.
        xscale : {"auto", "linear", "log"}, default="auto"
            Scale of the scores. "log" is for negative ones, such as an autoencoder's,
            and goes by their distance from zero. "auto" takes it where the least score
            is more than 20 times the median.
        row : int, default=0
            The row whose contributions are drawn.
        max_features : int, default=15
            The most contributions drawn: the largest, by absolute value. What the
            others add up to is drawn as one bar.

        Returns
        -------
        OutlierScoreDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are no data of this `kind`, no such `row`, or a parameter is out
            of range.
        """
        check_option("kind", kind, ("scores", "contributions"))
        if getattr(self, kind) is None:
            raise ValueError(
                f"kind={kind!r}, but the display has no {kind}. Give them to "
                "from_predictions."
            )
        self.histograms_, self.threshold_line_, self.bars_ = {}, None, None
        if kind == "scores":
            self._plot_scores(ax, bins, xscale)
        else:
            self._plot_contributions(ax, row, max_features)
        self.figure_ = self.ax_.figure
        return self

    def _plot_scores(self, ax, bins, xscale):
        log = self._is_log(xscale)
        self.ax_ = ax = single_axes(ax, (6.4, 4))
        if self.is_outlier is None:
            groups = {"All rows": np.ones(len(self.scores), dtype=bool)}
        else:
            groups = {"Inliers": ~self.is_outlier, "Outliers": self.is_outlier}
        edges = self._bin_edges(bins, log)
        styles = [
            {"facecolor": "0.8", "edgecolor": "0.35"},
            {"facecolor": "none", "edgecolor": "#440154", "hatch": "////"},
        ]
        for (name, rows), style in zip(groups.items(), styles, strict=False):
            n_rows = rows.sum()
            counts = np.histogram(self.scores[rows], edges)[0]
            if len(groups) > 1:
                counts = counts / n_rows
            label = f"{name} ({n_rows:,}"
            if self.threshold is not None:
                below = np.mean(self.scores[rows] < self.threshold)
                label += f", {below:.1%} below the threshold"
            self.histograms_[name] = ax.stairs(
                counts, edges, fill=True, linewidth=1.2, label=f"{label})", **style
            )
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
        ax.set(
            xlabel="Score (higher is more normal)",
            ylabel="Rows" if len(groups) == 1 else "Share of inliers or outliers",
        )
        # Above the tallest bars, so that the legend hides none.
        handles, _ = ax.get_legend_handles_labels()
        ax.set_ylim(0, ax.get_ylim()[1] * (1 + 0.09 * len(handles)))
        ax.legend(loc="upper left", framealpha=1)
        title = "Outlier scores"
        if len(groups) > 1:
            title += " of inliers and outliers"
        set_axes_title(ax, title)

    def _is_log(self, xscale):
        negative = self.scores.max() < 0 and (self.threshold or -1) < 0
        check_option("xscale", xscale, ("auto", "linear", "log"))
        if xscale == "auto":
            return negative and self.scores.min() < 20 * np.median(self.scores)
        if xscale == "log" and not negative:
            raise ValueError(
                "xscale='log' is for negative scores, but they reach up to "
                f"{self.scores.max():.3g}. Take xscale='linear'."
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

    def _plot_contributions(self, ax, row, max_features):
        n_rows, n_features = self.contributions.shape
        if not -n_rows <= row < n_rows:
            raise ValueError(
                f"row={row}, but there are contributions to {n_rows} rows."
            )
        values = self.contributions[row]
        names = feature_names_of(None, n_features, self.feature_names)
        order = np.argsort(-np.abs(values), kind="stable")
        shown, others = order[:max_features], order[max_features:]
        labels = [wrapped(names[i], 30) for i in shown]
        values = values[shown]
        if len(others):
            labels.append(f"{len(others)} others")
            values = np.append(values, self.contributions[row][others].sum())
        n_characters, n_lines = text_size(labels)
        height = len(labels) * max(1.2 * LINE * n_lines, 0.25) + 1.1
        self.ax_ = ax = single_axes(
            ax, (max(4 + n_characters * CHARACTER, 5.5), height)
        )
        positions = np.arange(len(labels))
        self.bars_ = ax.barh(positions, values, color="0.8", edgecolor="0.35")
        if len(others):
            self.bars_[-1].set(facecolor="none", hatch="////")
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_yticks(positions, labels)
        ax.set(ylim=(len(labels) - 0.5, -0.5), xlabel="Contribution")
        ax.locator_params(axis="x", nbins=5)
        title = f"Contributions to the score of row {row % n_rows}"
        if self.scores is not None:
            title += f" ({number(self.scores[row], 3)})"
        set_axes_title(ax, title)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        kind="scores",
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Plot the scores that a fitted outlier detector gives.

        Parameters
        ----------
        estimator : fitted estimator
            With `score_samples`: an :class:`~skae.AutoencoderOutlierDetector`,
            :class:`~sklearn.ensemble.IsolationForest` and the like, or a Pipeline that
            ends in one. Its `offset_` is the threshold. Of PyOD's detectors, whose
            scores are higher for outliers, `decision_function` and `threshold_` are
            taken, with the sign changed. Contributions are those of its method
            `explain`.
        X : array-like of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,), default=None
            What they are in truth: 1 for inliers and -1 for outliers, or 0 for inliers
            and 1 for outliers.
        kind : {"scores", "contributions"}, default="scores"
            What to draw, see :meth:`plot`.
        feature_names : list of str, default=None
            Names of the contributions. None takes those of a DataFrame.
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
            If the estimator gives no scores, or has no `explain` to draw contributions
            of.
        ValueError
            If `y` holds other labels.

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
        contributions = None
        if kind == "contributions":
            contributions, names = explain(estimator, X)
            feature_names = names if feature_names is None else feature_names
        return cls.from_predictions(
            scores,
            y,
            threshold=threshold,
            contributions=contributions,
            feature_names=feature_names,
            kind=kind,
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        scores=None,
        y=None,
        *,
        threshold=None,
        contributions=None,
        feature_names=None,
        kind=None,
        ax=None,
        **plot_params,
    ):
        """Plot scores or contributions that are at hand.

        Parameters
        ----------
        scores : array-like of shape (n_samples,), default=None
            Scores, the higher the more normal.
        y : array-like of shape (n_samples,), default=None
            What the rows are in truth: 1 for inliers and -1 for outliers, or 0 for
            inliers and 1 for outliers.
        threshold : float, default=None
            Rows that score less are taken for outliers.
        contributions : array-like of shape (n_samples, n_contributions), default=None
            What each feature contributes to the score of each row.
        feature_names : list of str, default=None
            Names of the contributions. None takes those of a DataFrame of them.
        kind : {"scores", "contributions"}, default=None
            What to draw, see :meth:`plot`. None draws scores if there are any.
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
            If lengths do not fit, or `y` holds other labels.

        See Also
        --------
        OutlierScoreDisplay.from_estimator : The same from an estimator.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skae.inspection import OutlierScoreDisplay
        >>> display = OutlierScoreDisplay.from_predictions(
        ...     contributions=[[0.1, 3.0, 0.2]],
        ...     feature_names=["length", "width", "age"],
        ... )
        >>> [label.get_text() for label in display.ax_.get_yticklabels()]
        ['width', 'age', 'length']
        >>> plt.close(display.figure_)
        """
        if scores is not None:
            scores = column_or_1d(
                check_array(scores, ensure_2d=False, input_name="scores")
            )
            if y is not None:
                y = _check_labels(y, len(scores))
        if contributions is not None:
            names = contributions
            contributions = check_array(contributions, input_name="contributions")
            feature_names = feature_names_of(
                names, contributions.shape[1], feature_names
            )
            if scores is not None and len(scores) != len(contributions):
                raise ValueError(
                    f"There are {len(scores)} scores, but contributions to "
                    f"{len(contributions)} rows."
                )
        if kind is None:
            kind = "contributions" if scores is None else "scores"
        return cls(
            scores,
            is_outlier=y,
            threshold=threshold,
            contributions=contributions,
            feature_names=feature_names,
        ).plot(ax, kind=kind, **plot_params)


def _check_labels(y, n_samples):
    """Give which rows are outliers."""
    y = column_or_1d(y)
    if len(y) != n_samples:
        raise ValueError(f"y has {len(y)} labels, but there are {n_samples} rows.")
    found = set(np.unique(y).tolist())
    if found <= {-1, 1} and -1 in found:
        is_outlier = y == -1
    elif found <= {0, 1} and (0 in found or y.dtype == bool):
        is_outlier = y == 1
    else:
        raise ValueError(
            f"y holds {sorted(found, key=str)[:5]}, but 1 for inliers and -1 for "
            "outliers were expected, or 0 for inliers and 1 for outliers. Leave y out "
            "if all rows are of one kind."
        )
    if is_outlier.all() or not is_outlier.any():
        raise ValueError(
            f"y says that all rows are {'out' if is_outlier[0] else 'in'}liers: there "
            "is nothing to compare. Leave y out."
        )
    return is_outlier
