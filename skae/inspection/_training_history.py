"""Losses by epoch."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._drawing import (
    check_option,
    grid_in,
    merged,
    series_styles,
    set_axes_title,
    single_axes,
)
from ._estimators import by_name, class_name, final_step

_UNNAMED = ""


class TrainingHistoryDisplay:
    """Training and validation loss by epoch.

    Losses of one kind share axes: a variational autoencoder has three, of its loss and
    of the reconstruction and KL divergence that it is the sum of. Several fits are
    drawn over each other.

    It is recommended to use :meth:`from_estimator` or :meth:`from_history` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    histories : dict of str to dict of str to list of float
        By the name of the fit, a history: a value an epoch for ``"loss"``,
        ``"val_loss"`` and other metrics, where ``"val_"`` stands before those of
        validation rows.
    best_epochs : dict of str to int, default=None
        The epoch of each fit whose weights were kept, the first being 1 and 0 being the
        weights that it began with. None, or none by a name: it is not marked.

    Attributes
    ----------
    lines_ : dict of (str, str) to matplotlib.lines.Line2D
        Lines by the name of the fit and of the metric.
    best_lines_ : dict of str to list of matplotlib.lines.Line2D
        By the name of the fit, the vertical lines at its best epoch, one in each axes.
    axes_ : ndarray of shape (n_metrics,), dtype=object
        Axes, one for a metric together with its validation values.
    ax_ : matplotlib.axes.Axes
        The first of them.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    ExplainedVarianceDisplay : What is reached with codes of several sizes.

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
            Axes to draw in. Several metrics have axes of their own: those given are
            turned off, and others are put in their place. None makes a figure.
        metrics : list of str, default=None
            Names of metrics to draw, without ``"val_"``. None is all.
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
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        metrics = self._check_metrics(metrics)
        several = len(self.histories) > 1
        title = "Training history"
        if not several and _UNNAMED not in self.histories:
            title += f" of {next(iter(self.histories))}"
        styles = series_styles(len(self.histories))
        legend = self._legend(metrics, styles)
        inside = len(metrics) == 1 and (ax is not None or not several)
        if inside:
            places = [single_axes(ax, (6, 4))]
        else:
            figure, grid = grid_in(
                ax,
                1,
                len(metrics),
                figsize=(max(3.6 * len(metrics), 6), 3.8),
                title=title,
                legend=legend,
            )
            places = [figure.add_subplot(grid[0, i]) for i in range(len(metrics))]
        self.axes_ = np.array(places, dtype=object)
        self.lines_, self.best_lines_ = {}, {name: [] for name in self.histories}
        for axes, metric in zip(places, metrics, strict=True):
            for (name, history), style in zip(
                self.histories.items(), styles, strict=True
            ):
                best = (self.best_epochs or {}).get(name)
                for key, linestyle in ((metric, "-"), (f"val_{metric}", "--")):
                    if key not in history:
                        continue
                    defaults = {
                        "color": style["color"],
                        "linestyle": linestyle,
                        "marker": style["marker"] if several else None,
                        "markevery": max(len(history[key]) // 8, 1),
                        "markersize": 5,
                        "label": f"{name} {key}".strip(),
                    }
                    epochs = np.arange(1, len(history[key]) + 1)
                    (line,) = axes.plot(
                        epochs, history[key], **merged(defaults, line_kwargs, Line2D)
                    )
                    self.lines_[name, key] = line
                if best is not None:
                    line = axes.axvline(
                        best,
                        color=style["color"],
                        linestyle=":",
                        linewidth=1.5,
                    )
                    self.best_lines_[name].append(line)
            axes.set(
                xlabel="Epoch", ylabel=metric.replace("_", " ").replace("kl", "KL")
            )
            axes.set_ylabel(_capital(axes.get_ylabel()))
            axes.set_yscale(yscale)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axes.grid(alpha=0.3)
        self.ax_, self.figure_ = places[0], places[0].figure
        if inside:
            self.ax_.legend(*legend, loc="best")
            set_axes_title(self.ax_, title)
        return self

    def _legend(self, metrics, styles):
        """Give handles and labels that explain colours by fit, and line styles."""
        from matplotlib.lines import Line2D

        several = len(self.histories) > 1
        best_epochs = self.best_epochs or {}
        entries = []
        keys = set()
        for (name, history), style in zip(self.histories.items(), styles, strict=True):
            drawn = {f"{p}{m}" for p in ("", "val_") for m in metrics} & set(history)
            keys |= drawn
            best = best_epochs.get(name)
            if several and drawn:
                label = name if best is None else f"{name} (best epoch: {best})"
                style = {"color": style["color"], "marker": style["marker"]}
                entries.append((label, style))
        color = "black" if several else styles[0]["color"]
        best = [b for b in best_epochs.values() if b is not None]
        best_label = "Best epoch"
        if best and not several:
            best_label += f": {best[0]}" if best[0] else ": 0 (the start)"
        for label, linestyle, there in (
            ("Training", "-", keys & set(metrics)),
            ("Validation", "--", keys - set(metrics)),
            (best_label, ":", best),
        ):
            if there:
                entries.append((label, {"color": color, "linestyle": linestyle}))
        handles = [Line2D([], [], **style) for _, style in entries]
        return handles, [label for label, _ in entries]

    def _check_metrics(self, metrics):
        known = []
        for history in self.histories.values():
            for key in history:
                metric = key.removeprefix("val_")
                if metric not in known:
                    known.append(metric)
        if metrics is None:
            return known
        metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        for metric in metrics:
            if metric not in known:
                raise ValueError(f"No history has {metric!r}, they have {known}.")
        if not metrics:
            raise ValueError(f"metrics is empty: name some of {known}.")
        return metrics

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **plot_params):
        """Plot the history of fitted estimators.

        Parameters
        ----------
        estimator : fitted estimator, list of them, or dict of str to them
            Autoencoders, or Pipelines and searches that end in one. Anything with
            `history_` will do, such as a SciKeras wrapper.
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
            If an estimator keeps no history.

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
            trained = final_step(one)
            if not hasattr(trained, "history_"):
                if isinstance(trained, BaseEstimator):
                    check_is_fitted(trained)
                raise TypeError(
                    f"{class_name(one)} has no history_ of its training. Give a fitted "
                    "autoencoder, or a history to from_history."
                )
            histories[name] = trained.history_
            best_epochs[name] = getattr(trained, "best_epoch_", None)
        return cls.from_history(histories, best_epoch=best_epochs, ax=ax, **plot_params)

    @classmethod
    def from_history(cls, history, *, best_epoch=None, ax=None, **plot_params):
        """Plot histories that are at hand.

        Parameters
        ----------
        history : dict of str to list of float, or dict of str to such dicts
            A history, `history_` of an estimator or what ``keras.Model.fit`` gives; or
            several by their names.
        best_epoch : int or dict of str to int, default=None
            The epoch whose weights were kept, the first being 1 and 0 being the weights
            that training began with; by name where there are several histories.
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
            If a history is empty or holds anything but lists of numbers, or a best
            epoch is not in it.

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
                    f"best_epoch has {name!r}, histories have {list(histories)}."
                )
            n_epochs = max(map(len, histories[name].values()))
            if best is not None and not 0 <= best <= n_epochs:
                raise ValueError(
                    f"best_epoch={best}, but the history has {n_epochs} epochs."
                )
        return cls(histories, best_epochs=best_epoch).plot(ax, **plot_params)


def _history_of(thing):
    """Give the dict of what ``keras.Model.fit`` returns, or the thing itself."""
    return getattr(thing, "history", thing)


def _check_history(history):
    history = _history_of(history)
    if not isinstance(history, Mapping) or not history:
        raise ValueError(
            f"{history!r} is no history: a dict of names to lists of numbers was "
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
                "expected, one an epoch."
            )
    return checked


def _capital(text):
    return text[0].upper() + text[1:]
