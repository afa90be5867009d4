"""Display of the training history."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._drawing import (
    check_option,
    grid_in,
    is_int,
    legend_inside,
    merged,
    series_styles,
    set_axes_title,
    single_axes,
)
from ._estimators import by_name, class_name, unpack

_UNNAMED = ""


class TrainingHistoryDisplay:
    """Training and validation loss by epoch.

    Each metric has axes of its own, shared by its training and validation values: a
    variational autoencoder has three, its loss and the two terms of that, of the
    reconstruction and the KL divergence. Several fits are drawn over each other.

    It is recommended to use :meth:`from_estimator` or :meth:`from_history` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    histories : dict of str to dict of str to list of float
        Histories by the name of the fit: one value per epoch for ``"loss"`` and other
        metrics, and for ``"val_loss"`` and the like of validation samples.
    best_epochs : dict of str to int, default=None
        The epoch of each fit whose weights were kept, counted from 1; 0 stands for the
        initial weights. It is called the last epoch where there are no validation
        values, by which the best could be told. None, or a name that is missing: no
        epoch is marked.

    Attributes
    ----------
    lines_ : dict of (str, str) to matplotlib.lines.Line2D
        Lines by the names of the fit and of the metric. The name of the fit is ""
        where there is one history without a name.
    best_lines_ : dict of str to list of matplotlib.lines.Line2D
        By the name of the fit, the vertical lines at its best epoch, one in each axes.
    axes_ : ndarray of shape (n_metrics,), dtype=object
        Axes of each metric.
    ax_ : matplotlib.axes.Axes
        The first of them.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    ExplainedVarianceDisplay : Explained variance by the number of components.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skae.inspection import TrainingHistoryDisplay
    >>> history = {"loss": [0.5, 0.3, 0.2], "val_loss": [0.6, 0.4, 0.5]}
    >>> display = TrainingHistoryDisplay.from_history(history, best_epoch=2)
    >>> display.ax_.get_xlabel()
    'Epoch'
    >>> plt.close(display.figure_)
    """

    def __init__(self, histories, *, best_epochs=None):
        self.histories = histories
        self.best_epochs = best_epochs

    def plot(self, ax=None, *, metrics=None, yscale="linear", line_kwargs=None):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. For several metrics, they are turned off, and others are
            put in their place. None makes a figure.
        metrics : list of str, default=None
            Names of metrics to draw, without ``"val_"``. None draws all but
            ``"learning_rate"``.
        yscale : {"linear", "log"}, default="linear"
            Scale of the losses.
        line_kwargs : dict, default=None
            Passed to ``Axes.plot`` for each line.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a metric is in no history, or `yscale` is neither of the two.
        """
        check_option("yscale", yscale, ("linear", "log"))
        metrics = self._check_metrics(metrics)
        several = len(self.histories) > 1
        title = "Training history"
        if not several and _UNNAMED not in self.histories:
            title += f" of {next(iter(self.histories))}"
        styles = series_styles(len(self.histories))
        inside = len(metrics) == 1 and (ax is not None or not several)
        legend = self._legend(metrics, styles, long=not inside)
        if inside:
            all_axes = [single_axes(ax, (6, 4))]
        else:
            figsize = (max(3.6 * len(metrics), 6), 3.8)
            figure, grid = grid_in(
                ax, 1, len(metrics), figsize=figsize, title=title, legend=legend
            )
            all_axes = [figure.add_subplot(grid[0, i]) for i in range(len(metrics))]
        self.axes_ = np.array(all_axes, dtype=object)
        self.ax_, self.figure_ = all_axes[0], all_axes[0].figure
        self.lines_, self.best_lines_ = {}, {name: [] for name in self.histories}
        for axes, metric in zip(all_axes, metrics, strict=True):
            self._draw_metric(axes, metric, styles, line_kwargs)
            axes.set_yscale(yscale)
        if inside:
            legend_inside(self.ax_, *legend)
            set_axes_title(self.ax_, title)
        return self

    def _draw_metric(self, ax, metric, styles, line_kwargs):
        """Draw the training and validation values of one metric for all fits."""
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        several = len(self.histories) > 1
        for (name, history), style in zip(self.histories.items(), styles, strict=True):
            for key, linestyle in ((metric, "-"), (f"val_{metric}", "--")):
                if key not in history:
                    continue
                n_epochs = len(history[key])
                defaults = {
                    "color": style["color"],
                    "linestyle": linestyle,
                    # A line of one epoch is none.
                    "marker": style["marker"] if several or n_epochs == 1 else None,
                    "markevery": max(n_epochs // 8, 1),
                    "markersize": 5,
                    "label": f"{name} {key}".strip(),
                }
                (self.lines_[name, key],) = ax.plot(
                    np.arange(1, n_epochs + 1),
                    history[key],
                    **merged(defaults, line_kwargs, Line2D),
                )
            best = (self.best_epochs or {}).get(name)
            if best is not None:
                look = {"color": style["color"], "linestyle": ":", "linewidth": 1.5}
                self.best_lines_[name].append(ax.axvline(best, **look))
        label = metric.replace("_", " ").replace("kl", "KL")
        ax.set(xlabel="Epoch", ylabel=label[0].upper() + label[1:])
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        ax.grid(alpha=0.3)

    def _legend(self, metrics, styles, *, long):
        """Return handles and labels of fits and line styles; best epochs if long."""
        from matplotlib.lines import Line2D

        several = len(self.histories) > 1
        best_epochs = {
            name: best
            for name, best in (self.best_epochs or {}).items()
            if best is not None
        }
        entries = []
        if several:
            entries += self._fit_entries(metrics, styles, best_epochs if long else {})
        color = "black" if several else styles[0]["color"]
        best_label = _kept(self.histories.values())
        if best_epochs and not several:
            (best,) = best_epochs.values()
            best_label += f": {best}" if best else ": 0 (the start)"
        keys = set().union(*self.histories.values())
        for label, linestyle, shown in (
            ("Training", "-", any(metric in keys for metric in metrics)),
            ("Validation", "--", any(f"val_{metric}" in keys for metric in metrics)),
            (best_label, ":", best_epochs),
        ):
            if shown:
                entries.append((label, {"color": color, "linestyle": linestyle}))
        handles = [Line2D([], [], **style) for _, style in entries]
        return handles, [label for label, _ in entries]

    def _fit_entries(self, metrics, styles, best_epochs):
        """Return labels and styles in the legend of those fits that are drawn."""
        entries = []
        for (name, history), style in zip(self.histories.items(), styles, strict=True):
            if any(m in history or f"val_{m}" in history for m in metrics):
                label = name
                if name in best_epochs:
                    label += f" ({_kept([history]).lower()}: {best_epochs[name]})"
                style = {"color": style["color"], "marker": style["marker"]}
                entries.append((label, style))
        return entries

    def _check_metrics(self, metrics):
        known = []
        for history in self.histories.values():
            for key in history:
                metric = key.removeprefix("val_")
                if metric not in known:
                    known.append(metric)
        if metrics is None:
            # On the scale of losses, a learning rate cannot be read.
            return [name for name in known if name != "learning_rate"] or known
        if isinstance(metrics, str):
            metrics = [metrics]
        if not np.iterable(metrics):
            raise ValueError(
                f"metrics={metrics!r}, but a list of names was expected, of {known}."
            )
        metrics = list(metrics)
        for metric in metrics:
            if metric not in known:
                raise ValueError(
                    f"metrics contains {metric!r}, but the histories have {known}."
                )
        if not metrics:
            raise ValueError(f"metrics is empty, but some of {known} were expected.")
        return metrics

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **plot_params):
        """Plot the training histories of fitted estimators.

        Parameters
        ----------
        estimator : fitted estimator, list of them, or dict of str to them
            Autoencoders, other estimators with `history_`, such as SciKeras wrappers,
            or Pipelines and searches that end in one of them.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, see :meth:`plot`. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        TrainingHistoryDisplay
            The display, drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If an estimator has not been fitted.
        TypeError
            If an estimator has no training history.

        See Also
        --------
        TrainingHistoryDisplay.from_history : The same from histories.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from skae import AutoencoderTransformer
        >>> from skae.inspection import TrainingHistoryDisplay
        >>> autoencoder = AutoencoderTransformer(epochs=5, random_state=0)
        >>> autoencoder = autoencoder.fit(load_iris().data)
        >>> display = TrainingHistoryDisplay.from_estimator(autoencoder)
        >>> list(display.lines_)[0]
        ('AutoencoderTransformer', 'loss')
        >>> plt.close(display.figure_)
        """
        histories, best_epochs = {}, {}
        for name, one in by_name(estimator).items():
            _, trained = unpack(one)
            if not hasattr(trained, "history_"):
                if isinstance(trained, BaseEstimator):
                    check_is_fitted(trained)
                raise TypeError(
                    f"{class_name(one)} has no attribute history_. Give a fitted "
                    "autoencoder, or a history to from_history."
                )
            histories[name] = trained.history_
            best_epochs[name] = getattr(trained, "best_epoch_", None)
        return cls.from_history(histories, best_epoch=best_epochs, ax=ax, **plot_params)

    @classmethod
    def from_history(cls, history, *, best_epoch=None, ax=None, **plot_params):
        """Plot given histories.

        Parameters
        ----------
        history : dict of str to list of float, or dict of str to such dicts
            A history, as `history_` of an estimator or returned by
            ``keras.Model.fit``, or several by name.
        best_epoch : int or dict of str to int, default=None
            The epoch whose weights were kept, counted from 1; 0 stands for the initial
            weights. By name where there are several histories.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, see :meth:`plot`. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        TrainingHistoryDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If a history is empty or holds anything but lists of numbers, or if a best
            epoch is beyond its end.

        See Also
        --------
        TrainingHistoryDisplay.from_estimator : The same from estimators.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skae.inspection import TrainingHistoryDisplay
        >>> histories = {
        ...     "Adam": {"loss": [0.5, 0.3, 0.2]},
        ...     "SGD": {"loss": [0.6, 0.5, 0.4]},
        ... }
        >>> display = TrainingHistoryDisplay.from_history(histories)
        >>> list(display.lines_)
        [('Adam', 'loss'), ('SGD', 'loss')]
        >>> plt.close(display.figure_)
        """
        several = isinstance(history, Mapping) and any(
            isinstance(_history_of(one), Mapping) for one in history.values()
        )
        histories = history if several else {_UNNAMED: history}
        if not several:
            best_epoch = {_UNNAMED: best_epoch}
        elif best_epoch is not None and not isinstance(best_epoch, Mapping):
            raise ValueError(
                f"best_epoch={best_epoch!r}, but there are several histories: give a "
                f"dict with the names {list(histories)}."
            )
        histories = {str(name): _check_history(one) for name, one in histories.items()}
        for name, best in (best_epoch or {}).items():
            if name not in histories:
                raise ValueError(
                    f"best_epoch has the name {name!r}, but the histories have "
                    f"{list(histories)}."
                )
            n_epochs = max(map(len, histories[name].values()))
            if best is not None and not (is_int(best) and 0 <= best <= n_epochs):
                raise ValueError(
                    f"best_epoch={best!r}, but the history has {n_epochs} epochs: an "
                    "int was expected, counted from 1."
                )
        return cls(histories, best_epochs=best_epoch).plot(ax, **plot_params)


def _kept(histories):
    """Name the epoch whose weights are kept: without validation, the last one."""
    validated = any(key.startswith("val_") for history in histories for key in history)
    return "Best epoch" if validated else "Last epoch"


def _history_of(thing):
    """Return the dict within what ``keras.Model.fit`` returns, or what is given."""
    return getattr(thing, "history", thing)


def _check_history(history):
    history = _history_of(history)
    if not isinstance(history, Mapping) or not history:
        raise ValueError(
            f"history={history!r}, but a dict of names to lists of numbers was "
            "expected, such as {'loss': [0.5, 0.3]}."
        )
    checked = {}
    for name, values in history.items():
        try:
            checked[name] = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            checked[name] = np.empty(0)
        if checked[name].ndim != 1 or not len(checked[name]):
            raise ValueError(
                f"The history has {name}={values!r}, but a list of numbers was "
                "expected, one per epoch."
            )
    return checked
