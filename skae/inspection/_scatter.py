"""Scatter plots and histograms of codes, coloured by classes or by numbers."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target

from .._formats._frames import is_missing
from ._drawing import CHARACTER, grid_in, merged, series_styles, shortened

# Name of the points where there are no classes.
ALL = "All samples"

# More classes than that are distinguished by a colour bar.
_MOST_IN_LEGEND = 20

# Characters of a name in a legend: beside the axes, and within a grid of pairs.
_LONGEST, _LONGEST_IN_GRID = 25, 15


class PointColors:
    """How y colours points: one colour, classes with markers, or a colour bar.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
        Classes or numbers.
    n_samples : int
        Number of points.
    """

    def __init__(self, y, n_samples):
        self.classes = None
        self.values = None
        self.names = None
        # The name of a Series.
        self.label = str(getattr(y, "name", None) or "y")
        if y is None:
            return
        y = column_or_1d(y)
        if len(y) != n_samples:
            raise ValueError(f"y has {len(y)} values, but there are {n_samples} codes.")
        n_missing = sum(map(is_missing, y))
        if n_missing:
            raise ValueError(
                f"y is missing for {n_missing} of {n_samples} samples, but a class or "
                "number was expected for each. Leave these samples out, or make them a "
                "class of their own, as by y.fillna('unknown')."
            )
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "continuous"):
            raise ValueError(
                f"y is {kind}, but classes or numbers were expected, one per sample."
            )
        if kind == "continuous":
            self.values = y
            return
        classes, numbers = np.unique(y, return_inverse=True)
        if len(classes) <= _MOST_IN_LEGEND:
            self.classes = {str(c): numbers == i for i, c in enumerate(classes)}
        elif classes.dtype.kind in "biuf":
            self.values = y
        else:
            self.values, self.names = numbers, [str(c) for c in classes]

    @property
    def width(self):
        """Inches that a legend or a colour bar takes beside the axes."""
        if self.classes is not None:
            longest = max(len(shortened(name, _LONGEST)) for name in self.classes)
            return self._n_columns * (longest * CHARACTER + 0.5)
        if self.values is None:
            return 0
        return 1 if self.names is None else 1 + _LONGEST * CHARACTER

    @property
    def _n_columns(self):
        return 1 if len(self.classes) <= 12 else 2

    def scatter(self, ax, x, y, kwargs, cmap):
        """Draw points; return the artists by class."""
        from matplotlib.collections import PathCollection

        size = float(np.clip(30_000 / len(x), 6, 36))
        defaults = {"s": size, "alpha": 0.7, "linewidths": 0}
        defaults["rasterized"] = len(x) > 5000
        kwargs = merged(defaults, kwargs, PathCollection)
        # A colour given by the user replaces those of the classes.
        own = not {"c", "color", "facecolor"} & set(kwargs)
        if self.values is not None:
            colors = {"c": self.values, "cmap": cmap} if own else {}
            return {ALL: ax.scatter(x, y, **colors, **kwargs)}
        if self.classes is None:
            colors = {"color": "#31688e"} if own else {}
            return {ALL: ax.scatter(x, y, **colors, **kwargs)}
        artists = {}
        styles = series_styles(len(self.classes), cmap)
        for (name, members), style in zip(self.classes.items(), styles, strict=True):
            look = {"color": style["color"]} if own else {}
            look = {**look, "marker": style["marker"], "label": name, **kwargs}
            artists[name] = ax.scatter(x[members], y[members], **look)
        return artists

    def histogram(self, ax, x, cmap, *, most=_MOST_IN_LEGEND):
        """Draw a histogram for each class, or one if there are more than `most`."""
        n_bins = int(np.clip(2 * len(x) ** (1 / 3), 5, 40))  # the Rice rule
        edges = np.histogram_bin_edges(x, n_bins)
        if self.classes is None or len(self.classes) > most:
            counts = np.histogram(x, edges)[0]
            return {ALL: ax.stairs(counts, edges, fill=True, color="0.6")}
        styles = series_styles(len(self.classes), cmap)
        return {
            name: ax.stairs(
                np.histogram(x[members], edges)[0],
                edges,
                color=style["color"],
                linestyle=style["linestyle"],
                linewidth=1.5,
            )
            for (name, members), style in zip(self.classes.items(), styles, strict=True)
        }

    def add_legend(self, ax, artists, *, inside=False):
        """Add a legend of the classes or a colour bar, inside the axes or beside."""
        where = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)}
        if inside:
            where = {"loc": "best"}
        if self.classes is not None:
            self._add_class_legend(ax, artists, self._n_columns, _LONGEST, **where)
        elif self.values is not None:
            bar = ax.figure.colorbar(artists[ALL], ax=ax)
            self._label_bar(bar, 15, _LONGEST)

    def add_legend_in_grid(self, ax, artists):
        """Add a legend of the classes or a colour bar in empty axes."""
        if self.classes is not None:
            self._add_class_legend(ax, artists, 2, _LONGEST_IN_GRID, loc="center")
        elif self.values is not None:
            place = ax.inset_axes([0.1, 0.1, 0.08, 0.8])
            bar = ax.figure.colorbar(artists[ALL], cax=place)
            self._label_bar(bar, 6, _LONGEST_IN_GRID)

    def _add_class_legend(self, ax, artists, n_columns, longest, **where):
        names = [shortened(name, longest) for name in artists]
        legend = ax.legend(
            artists.values(), names, ncols=n_columns, borderaxespad=0, **where
        )
        for text in legend.get_texts():
            text.set_parse_math(False)  # dollars are prices
        for handle in legend.legend_handles:
            if hasattr(handle, "set_sizes"):
                handle.set(sizes=[30], alpha=1)

    def _label_bar(self, bar, most, longest):
        """Label a colour bar, and its ticks by `most` of the names of classes."""
        bar.set_label(shortened(self.label, _LONGEST), parse_math=False)
        if self.names is not None:
            step = -(-len(self.names) // most)
            names = [shortened(name, longest) for name in self.names[::step]]
            places = np.arange(0, len(self.names), step)
            bar.set_ticks(places, labels=names, parse_math=False)


def draw_pairs(ax, codes, components, colors, cmap, scatter_kwargs):
    """Draw a scatter plot for each pair of components, and histograms.

    Returns axes of shape (n_components, n_components), None above the diagonal, and
    lists of scatter plots and of histograms, each a dict of artists by class.
    """
    n = len(components)
    figure, grid = grid_in(
        ax,
        n,
        n,
        figsize=(1.9 * n + 0.5, 1.7 * n + 0.5),
        title=f"Codes: pairs of {n} components",
    )
    all_axes = np.empty((n, n), dtype=object)
    scatters, histograms = [], []
    for a, b in zip(*np.tril_indices(n), strict=True):
        i, j = components[a], components[b]
        all_axes[a, b] = axes = figure.add_subplot(
            grid[a, b],
            sharex=all_axes[b, b],
            sharey=all_axes[a, 0] if 0 < b < a else None,
        )
        if a == b:
            histograms.append(colors.histogram(axes, codes[:, i], cmap, most=5))
        else:
            scatters.append(
                colors.scatter(axes, codes[:, j], codes[:, i], scatter_kwargs, cmap)
            )
    _label_pairs(all_axes, components)
    legend_ax = figure.add_subplot(grid[: n // 2, (n + 1) // 2 :])
    legend_ax.set_axis_off()
    legend_ax.set_in_layout(False)
    colors.add_legend_in_grid(legend_ax, scatters[-1])
    return all_axes, scatters, histograms


def _label_pairs(all_axes, components):
    """Label the axes at the left and at the bottom of a grid of pairs."""
    n = len(components)
    for a, b in zip(*np.tril_indices(n), strict=True):
        axes = all_axes[a, b]
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelbottom=a == n - 1)
        if a == b:
            axes.tick_params(left=False, labelleft=False)
        else:
            axes.locator_params(axis="y", nbins=4)
            axes.tick_params(labelleft=b == 0)
        if a == n - 1:
            axes.set_xlabel(f"Component {components[b]}")
        if b == 0:
            axes.set_ylabel(f"Component {components[a]}" if a else "Samples")
