"""Windows of time series drawn as lines."""

import numpy as np

from ._drawing import CHARACTER, grid_in, series_styles, shortened, text_size


def is_window(shape):
    """Check for the shape of a window: few series, and many more steps."""
    return len(shape) == 2 and shape[1] <= 8 and shape[0] > 3 * shape[1]


def draw_windows(
    ax, series, title, *, shades=None, shades_label=None, cmap=None, sample_names=None
):
    """Draw a row of axes for each sample, with one for each series of its window.

    `series` is a dict of labels to arrays of shape (n_samples, n_steps, n_series).
    `shades`, an array of that shape of values from 0 to 1, are the background. Samples
    are named by their number if there are no `sample_names`. Returns arrays of shape
    (n_samples, n_series): axes, and lines by label.
    """
    n_samples, n_steps, n_series = next(iter(series.values())).shape
    names = range(n_samples) if sample_names is None else sample_names[:n_samples]
    names = [f"Sample\n{shortened(str(name), 12)}" for name in names]
    styles = _line_styles(len(series))
    labels = list(series) if shades is None else [*series, shades_label]
    width = max(2.5 * n_series + text_size(names)[0] * CHARACTER, 5)
    figure, grid = grid_in(
        ax,
        n_samples,
        n_series,
        figsize=(min(width, 14), 0.9 * n_samples + 1),
        title=title,
        legend=(_handles(styles, None if shades is None else cmap), labels),
    )
    all_axes = np.empty((n_samples, n_series), dtype=object)
    lines = {label: np.empty_like(all_axes) for label in series}
    for i, j in np.ndindex(all_axes.shape):
        # Series differ in scale, samples do not.
        all_axes[i, j] = axes = figure.add_subplot(
            grid[i, j], sharex=all_axes[0, 0], sharey=all_axes[0, j]
        )
        if shades is not None:
            _draw_shades(axes, shades[i, :, j], cmap)
        for (label, values), style in zip(series.items(), styles, strict=True):
            (lines[label][i, j],) = axes.plot(values[i, :, j], **style)
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.locator_params(axis="y", nbins=3)
        is_last = i == n_samples - 1
        axes.tick_params(labelbottom=is_last)
        axes.set_xlabel("Step" if is_last else "")
        if i == 0 and n_series > 1:
            axes.set_title(f"Series {j}", fontsize="medium")
        if j == 0:
            options = {"rotation": 0, "ha": "right", "va": "center"}
            axes.set_ylabel(names[i], parse_math=False, **options)
    all_axes[0, 0].set_xlim(-0.5, n_steps - 0.5)
    return all_axes, lines


def _line_styles(n_lines):
    """Return styles: two lines are black, solid and dashed."""
    styles = series_styles(n_lines)
    return [
        {
            "color": "black" if n_lines < 3 else style["color"],
            "linestyle": style["linestyle"],
            "linewidth": 1.2,
        }
        for style in styles
    ]


def _draw_shades(axes, shades, cmap):
    """Shade the background of each step, half transparent for the lines above."""
    from matplotlib.collections import QuadMesh

    edges = np.arange(len(shades) + 1) - 0.5
    mesh = QuadMesh(
        np.stack(np.meshgrid(edges, [0, 1]), axis=-1),
        array=shades[np.newaxis],
        transform=axes.get_xaxis_transform(),
        cmap=cmap,
        alpha=0.5,
        linewidth=0,
    )
    mesh.set_clim(0, 1)
    # Its heights are no values of the series.
    axes.add_collection(mesh, autolim=False)


def _handles(styles, cmap):
    from matplotlib import colormaps
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    lines = [Line2D([], [], **style) for style in styles]
    if cmap is None:
        return lines
    return [*lines, Patch(facecolor=colormaps.get_cmap(cmap)(1.0), alpha=0.5)]
