"""Losses by epoch."""

from collections.abc import Mapping

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base import _BaseAutoencoder
from ._drawing import grid_in, legend_below, merged, series_styles, set_title
from ._estimators import by_name, class_name, final_step

_UNNAMED = ""


class TrainingHistoryDisplay:
    """Training and validation loss by epoch.

    Losses of one kind share axes: a variational autoencoder has three, of its loss and
    of the reconstruction and KL divergence that it is the sum of. Several fits are
    drawn over each other.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    histories : dict of str to dict of str to list of float
        By the name of the fit, a history: a value an epoch for "loss", "val_loss" and
        other metrics, where "val_" stands before those of validation rows.
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
    >>> display = TrainingHistoryDisplay.from_predictions(history, best_epoch=2)
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
            Axes in whose place to draw: they are turned off and others are put there,
            one for a metric. None makes a figure.
        metrics : list of str, default=None
            Names of metrics to draw, without "val_". None is all.
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
        if yscale not in ("linear", "log"):
            raise ValueError(f"yscale={yscale!r}, but 'linear' or 'log' was expected.")
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        metrics = self._check_metrics(metrics)
        figure, grid = grid_in(
            ax, 1, len(metrics), figsize=(max(3.6 * len(metrics), 6), 3.8)
        )
        self.axes_ = np.empty(len(metrics), dtype=object)
        self.lines_, self.best_lines_ = {}, {name: [] for name in self.histories}
        styles = series_styles(len(self.histories))
        several = len(self.histories) > 1
        for i, metric in enumerate(metrics):
            axes = figure.add_subplot(grid[i], sharex=self.axes_[0])
            self.axes_[i] = axes
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
        self.ax_, self.figure_ = self.axes_[0], figure
        self._add_legend(ax, len(metrics))
        of = "" if several or _UNNAMED in self.histories else next(iter(self.histories))
        set_title(figure, ax, self.ax_, "Training history" + (of and f" of {of}"))
        return self

    def _add_legend(self, ax, n_metrics):
        """Explain colours by fit, and line styles: inside if there is room."""
        from matplotlib.lines import Line2D

        several = len(self.histories) > 1
        names = [key for _, key in self.lines_]
        handles, labels = [], []
        for name in self.histories if several else []:
            handles.append(next(h for key, h in self.lines_.items() if key[0] == name))
            best = (self.best_epochs or {}).get(name)
            labels.append(name if best is None else f"{name} (best epoch: {best})")
        color = "black" if several else next(iter(self.lines_.values())).get_color()
        if not several:
            best = (self.best_epochs or {}).get(next(iter(self.histories)))
            best = f"Best epoch: {'0 (the start)' if best == 0 else best}"
        for label, style, there in (
            ("Training", "-", any(not key.startswith("val_") for key in names)),
            ("Validation", "--", any(key.startswith("val_") for key in names)),
            ("Best epoch" if several else best, ":", any(self.best_lines_.values())),
        ):
            if there:
                handles.append(Line2D([], [], color=color, linestyle=style))
                labels.append(label)
        if ax is None and (several or n_metrics > 1):
            legend_below(self.figure_, handles, labels)
        else:
            size = "small" if n_metrics > 1 else None
            self.ax_.legend(handles, labels, loc="best", fontsize=size)

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
            Axes in whose place to draw, see :meth:`plot`. None makes a figure.
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
        TrainingHistoryDisplay.from_predictions : The same from histories.

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
            if isinstance(trained, _BaseAutoencoder):
                check_is_fitted(trained)
            if not hasattr(trained, "history_"):
                raise TypeError(
                    f"{class_name(one)} has no history_ of its training. Give a fitted "
                    "autoencoder, or a history to from_predictions."
                )
            histories[name] = _check_history(trained.history_)
            best_epochs[name] = getattr(trained, "best_epoch_", None)
        return cls(histories, best_epochs=best_epochs).plot(ax, **plot_params)

    @classmethod
    def from_predictions(cls, history, *, best_epoch=None, ax=None, **plot_params):
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
            Axes in whose place to draw, see :meth:`plot`. None makes a figure.
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
        >>> display = TrainingHistoryDisplay.from_predictions(histories)
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
