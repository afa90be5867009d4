"""Points coloured by classes or by numbers."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target

from ._drawing import CHARACTER, grid_in, merged, series_styles, shortened

# Beyond that, classes are told apart by a colour bar.
_MOST_IN_LEGEND = 20

# Characters of the longest name that is written out.
_LONGEST = 25


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
        if y is None:
            return
        y = column_or_1d(y)
        if len(y) != n_samples:
            raise ValueError(f"y has {len(y)} values, but there are {n_samples} codes.")
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "continuous"):
            raise ValueError(
                f"y is {kind}, but classes or numbers were expected, one a row."
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
        """Draw points; give the artists by class, or by "" if there are none."""
        from matplotlib.collections import PathCollection

        size = float(np.clip(30_000 / len(x), 6, 36))
        defaults = {"s": size, "alpha": 0.7, "linewidths": 0}
        defaults["rasterized"] = len(x) > 5000
        kwargs = merged(defaults, kwargs, PathCollection)
        # A colour of the user's takes the place of ours.
        own = not {"c", "color", "facecolor"} & set(kwargs)
        if self.values is not None:
            colors = {"c": self.values, "cmap": cmap} if own else {}
            return {"": ax.scatter(x, y, **colors, **kwargs)}
        if self.classes is None:
            colors = {"color": "#31688e"} if own else {}
            return {"": ax.scatter(x, y, **colors, **kwargs)}
        artists = {}
        styles = series_styles(len(self.classes), cmap)
        for (name, rows), style in zip(self.classes.items(), styles, strict=True):
            look = {"color": style["color"]} if own else {}
            look = {**look, "marker": style["marker"], "label": name, **kwargs}
            artists[name] = ax.scatter(x[rows], y[rows], **look)
        return artists

    def histogram(self, ax, x, cmap, *, most=_MOST_IN_LEGEND):
        """Draw the distribution of one component, of each class if there are few."""
        edges = np.histogram_bin_edges(x, 30)
        classes = self.classes
        if classes is None or len(classes) > most:
            classes = {"": np.ones(len(x), dtype=bool)}
        artists = {}
        styles = series_styles(len(classes), cmap)
        for (name, rows), style in zip(classes.items(), styles, strict=True):
            artists[name] = ax.stairs(
                np.histogram(x[rows], edges)[0],
                edges,
                color="0.6" if "" in classes else style["color"],
                linestyle=style["linestyle"],
                linewidth=1.2,
                fill="" in classes,
            )
        return artists

    def explain(self, artists, *, ax=None, legend_ax=None, inside=False):
        """Add a legend or a colour bar, if there is something to explain."""
        place = ax or legend_ax
        longest = _LONGEST if legend_ax is None else 15
        if self.classes is not None and "" not in artists:
            names = [shortened(name, longest) for name in artists]
            where = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)}
            if inside:
                where = {"loc": "best"}
            elif legend_ax is not None:
                where = {"loc": "center"}
            legend = place.legend(
                artists.values(),
                names,
                ncols=self._n_columns if legend_ax is None else 2,
                borderaxespad=0,
                **where,
            )
            for handle in legend.legend_handles:
                if hasattr(handle, "set_sizes"):
                    handle.set(sizes=[30], alpha=1)
        elif self.values is not None:
            if legend_ax is None:
                bar = place.figure.colorbar(artists[""], ax=ax, label="y")
            else:
                bar = place.figure.colorbar(
                    artists[""],
                    cax=legend_ax.inset_axes([0.1, 0.1, 0.08, 0.8]),
                    label="y",
                )
            if self.names is not None:
                most = 15 if legend_ax is None else 6
                step = -(-len(self.names) // most)
                bar.set_ticks(
                    np.arange(0, len(self.names), step),
                    labels=[shortened(name, longest) for name in self.names[::step]],
                )


def draw_pairs(ax, codes, components, colors, cmap, scatter_kwargs):
    """Draw a scatter plot for each pair of components, and histograms.

    Gives axes of shape (n_components, n_components), None above the diagonal, and what
    is drawn in them by pairs of components.
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
    drawn = {}
    for a, b in zip(*np.tril_indices(n), strict=True):
        i, j = components[a], components[b]
        all_axes[a, b] = axes = figure.add_subplot(
            grid[a, b],
            sharex=all_axes[b, b],
            sharey=all_axes[a, 0] if 0 < b < a else None,
        )
        if a == b:
            drawn[i, i] = colors.histogram(axes, codes[:, i], cmap, most=5)
            axes.tick_params(left=False, labelleft=False)
        else:
            drawn[j, i] = artists = colors.scatter(
                axes, codes[:, j], codes[:, i], scatter_kwargs, cmap
            )
            axes.tick_params(labelleft=b == 0)
            axes.locator_params(axis="y", nbins=4)
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelbottom=a == n - 1)
        if a == n - 1:
            axes.set_xlabel(f"Component {j}")
        if b == 0:
            axes.set_ylabel(f"Component {i}" if a else "Samples")
    legend_ax = figure.add_subplot(grid[: n // 2, (n + 1) // 2 :])
    legend_ax.set_axis_off()
    legend_ax.set_in_layout(False)
    colors.explain(artists, legend_ax=legend_ax)
    return all_axes, drawn
