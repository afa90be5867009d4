"""Display of the explained variance by the number of components."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv, validation_curve
from sklearn.utils import check_array

from ..metrics import reconstruction_scorer
from ..model_selection import name_of_n_components, samples_for
from ._drawing import (
    CHARACTER,
    axes_size,
    check_option,
    legend_inside,
    merged,
    series_styles,
    set_axes_title,
    single_axes,
)
from ._estimators import by_name

_UNNAMED = "Explained variance"

# So many numbers of components are all written on the axis, if there is room.
_FEW = 8


class ExplainedVarianceDisplay:
    """Explained variance of reconstructions by the number of components.

    It helps to choose `n_components`, and to compare an autoencoder with PCA. The
    explained variance is R², see :func:`~skae.metrics.reconstruction_r2_score`.

    It is recommended to use :meth:`from_estimator` or :meth:`from_scores` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    n_components : dict of str to ndarray of shape (n_sizes,)
        Numbers of components, by the name of the curve.
    scores : dict of str to ndarray of shape (n_sizes, n_splits)
        Explained variance (R²) by the same names, with a column for each split of the
        data.
    score_name : str, default="Explained variance (R²)"
        Label of the scores.

    Attributes
    ----------
    lines_ : dict of str to matplotlib.lines.Line2D
        Means over the splits, by name.
    bands_ : dict of str to matplotlib.collections.PolyCollection
        Bands of one standard deviation around them, by name, for curves with several
        splits.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skae.metrics.reconstruction_r2_score : Explained variance of reconstructions.
    skae.model_selection.compare_reconstruction : Table of scores, times and sizes.
    ReconstructionDisplay : Samples beside their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import ExplainedVarianceDisplay
    >>> ratio = PCA().fit(load_digits().data).explained_variance_ratio_
    >>> display = ExplainedVarianceDisplay.from_scores(
    ...     np.arange(1, 65), {"PCA": ratio.cumsum()}
    ... )
    >>> list(display.lines_)
    ['PCA']
    >>> plt.close(display.figure_)
    """

    def __init__(self, n_components, scores, *, score_name="Explained variance (R²)"):
        self.n_components = n_components
        self.scores = scores
        self.score_name = score_name

    def plot(self, ax=None, *, xscale="linear", line_kwargs=None):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        xscale : {"linear", "log"}, default="linear"
            Scale of the numbers of components.
        line_kwargs : dict, default=None
            Passed to ``Axes.plot`` for each curve.

        Returns
        -------
        ExplainedVarianceDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `xscale` is neither of the two.
        """
        check_option("xscale", xscale, ("linear", "log"))
        ax = single_axes(ax, (6.4, 4.2))
        self.lines_, self.bands_ = {}, {}
        styles = series_styles(len(self.scores))
        for name, style in zip(self.scores, styles, strict=True):
            self._draw_curve(ax, name, style, line_kwargs)
        ax.set_xscale(xscale)
        sizes = np.unique(np.concatenate(list(self.n_components.values())))
        ticks = _choose_ticks(sizes, xscale, axes_size(ax)[0])
        ax.set_xticks(ticks, [str(size) for size in ticks])
        ax.set_xticks([], minor=True)
        ax.set(xlabel="Number of components", ylabel=self.score_name)
        ax.grid(alpha=0.3)
        if len(self.lines_) > 1 or _UNNAMED not in self.lines_:
            legend_inside(ax, self.lines_.values(), self.lines_)
        set_axes_title(ax, "Explained variance by number of components")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_curve(self, ax, name, style, line_kwargs):
        """Draw the mean over the splits, and a band of one standard deviation."""
        from matplotlib.lines import Line2D

        order = np.argsort(self.n_components[name], kind="stable")
        sizes, scores = self.n_components[name][order], self.scores[name][order]
        mean, deviation = scores.mean(axis=1), scores.std(axis=1)
        defaults = {
            "color": style["color"],
            "linestyle": style["linestyle"],
            "marker": style["marker"],
            "markevery": len(scores) // 10 or 1,
            "markersize": 4 if len(scores) > 20 else 6,
            "label": name,
        }
        (self.lines_[name],) = ax.plot(
            sizes, mean, **merged(defaults, line_kwargs, Line2D)
        )
        if scores.shape[1] > 1:
            self.bands_[name] = ax.fill_between(
                sizes,
                mean - deviation,
                mean + deviation,
                color=self.lines_[name].get_color(),
                alpha=0.2,
                linewidth=0,
            )

    @classmethod
    def from_estimator(
        cls, estimator, X, *, n_components, cv=None, n_jobs=None, ax=None, **plot_params
    ):
        """Cross-validate estimators for several numbers of components and plot them.

        Each is fitted on the training samples of each split, and scored on its test
        samples by :func:`~skae.metrics.reconstruction_scorer`, in the units of X.

        Parameters
        ----------
        estimator : estimator, list of them, or dict of str to them
            With `n_components`, `transform` and `inverse_transform`, or a Pipeline with
            such a step. They are cloned.
        X : array-like of shape (n_samples, n_features)
            Samples to fit and to score. Images are flattened for estimators that take
            none.
        n_components : array-like of int of shape (n_sizes,)
            Numbers of components.
        cv : int, cross-validation generator or iterable, default=None
            Cross-validation splitting strategy, as in scikit-learn. None is 5 folds;
            ``ShuffleSplit(1, random_state=0)`` fits each estimator once. The splits are
            the same for all estimators.
        n_jobs : int, default=None
            Number of fits to run in parallel, as in scikit-learn.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ExplainedVarianceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If an estimator has no parameter `n_components`, or no number is given.

        See Also
        --------
        ExplainedVarianceDisplay.from_scores : The same from arrays.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.decomposition import PCA
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from skae.inspection import ExplainedVarianceDisplay
        >>> X = load_wine().data
        >>> scaled = make_pipeline(StandardScaler(), PCA())
        >>> display = ExplainedVarianceDisplay.from_estimator(
        ...     {"unscaled": PCA(), "scaled": scaled}, X, n_components=[1, 2, 4]
        ... )
        >>> display.scores["scaled"].shape
        (3, 5)
        >>> plt.close(display.figure_)
        """
        sizes = _check_sizes(n_components)
        splits = list(check_cv(cv).split(X))
        scores = {
            name: validation_curve(
                clone(one),
                samples_for(one, X),
                None,
                param_name=name_of_n_components(one),
                param_range=sizes.tolist(),
                scoring=reconstruction_scorer,
                cv=splits,
                n_jobs=n_jobs,
                error_score="raise",
            )[1]
            for name, one in by_name(estimator).items()
        }
        return cls.from_scores(
            sizes,
            scores,
            score_name="Explained variance of test samples (R²)",
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_scores(
        cls, n_components, scores, *, score_name=None, ax=None, **plot_params
    ):
        """Plot precomputed scores.

        Parameters
        ----------
        n_components : array-like of int of shape (n_sizes,), or dict of str to them
            Numbers of components: those of all curves, or of each by name.
        scores : array-like of shape (n_sizes,) or (n_sizes, n_splits), or dict of str \
                to them
            Explained variance (R²), several curves by name.
        score_name : str, default=None
            Label of the scores. None is "Explained variance (R²)".
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ExplainedVarianceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If lengths or names do not fit.

        See Also
        --------
        ExplainedVarianceDisplay.from_estimator : The same from estimators.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skae.inspection import ExplainedVarianceDisplay
        >>> display = ExplainedVarianceDisplay.from_scores(
        ...     [2, 4, 8], {"PCA": [0.3, 0.5, 0.7], "Autoencoder": [0.5, 0.7, 0.8]}
        ... )
        >>> display.ax_.get_xlabel()
        'Number of components'
        >>> plt.close(display.figure_)
        """
        if not isinstance(scores, Mapping):
            scores = {_UNNAMED: scores}
        curves, sizes = {}, {}
        for name, values in by_name(scores).items():
            values = check_array(values, ensure_2d=False, input_name=f"scores {name!r}")
            curves[name] = values.reshape(len(values), -1)
            if isinstance(n_components, Mapping):
                if name not in n_components:
                    raise ValueError(
                        f"n_components has the names {list(n_components)}, but scores "
                        f"has {name!r}."
                    )
                sizes[name] = _check_sizes(n_components[name])
            else:
                sizes[name] = _check_sizes(n_components)
            if len(values) != len(sizes[name]):
                raise ValueError(
                    f"{name!r} has {len(values)} scores, but n_components has "
                    f"{len(sizes[name])} numbers."
                )
        given = {} if score_name is None else {"score_name": score_name}
        return cls(sizes, curves, **given).plot(ax, **plot_params)


def _check_sizes(n_components):
    sizes = np.asarray(n_components)
    if sizes.ndim != 1 or not len(sizes) or sizes.dtype.kind not in "iu":
        raise ValueError(
            f"n_components={n_components!r}, but a list of ints was expected, such as "
            "[2, 4, 8]."
        )
    if sizes.min() < 1:
        raise ValueError(
            f"n_components has {sizes.min()}, but at least 1 was expected."
        )
    return sizes


def _choose_ticks(sizes, xscale, inches):
    """Choose ticks: both ends, and as many as there is room for between.

    Between are some of the sizes, or round numbers if there are many sizes.
    """
    first, last = sizes[0], sizes[-1]
    room = (len(str(last)) + 1) * CHARACTER / inches
    if len(sizes) > _FEW:
        room = max(room, 1 / (_FEW + 2))
        if xscale == "linear":
            from matplotlib.ticker import MaxNLocator

            locator = MaxNLocator(_FEW + 1, steps=[1, 2, 5, 10], integer=True)
            sizes = locator.tick_values(first, last).astype(int)
    where = np.log if xscale == "log" else np.asarray
    gap = room * (where(last) - where(first))
    ticks = [first]
    for size in sizes:
        if where(size) - where(ticks[-1]) >= gap <= where(last) - where(size):
            ticks.append(size)
    return np.unique([*ticks, last])
