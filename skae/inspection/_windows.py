"""Windows of time series drawn as lines."""

import numpy as np

from ._drawing import (
    CHARACTER,
    LINE,
    axes_size,
    grid_in,
    series_styles,
    shortened,
    text_size,
    wrapped,
)
from ._estimators import check_names

# Height of the axes of errors, as a share of that of the series above.
_ERROR_HEIGHT = 0.6


def draw_windows(
    ax,
    series,
    title,
    *,
    errors=None,
    shades=None,
    shades_label=None,
    cmap=None,
    series_names=None,
    sample_names=None,
):
    """Draw a row of axes for each sample, with one for each series of its window.

    `series` is a dict of labels to arrays of shape (n_samples, n_steps, n_series).
    `errors`, a dict of such arrays for all of them but the first, are drawn beneath in
    axes of their own. `shades`, an array of that shape of values from 0 to 1, are the
    background. Series and samples are named by their number if there are no names.
    Returns arrays of shape (n_samples, n_series): axes of the series, and lines by
    label.
    """
    n_samples, n_steps, n_series = next(iter(series.values())).shape
    names = range(n_samples) if sample_names is None else sample_names[:n_samples]
    names = [f"Sample\n{wrapped(shortened(str(name), 24), 12)}" for name in names]
    styles = _line_styles(len(series))
    labels = list(series) if shades is None else [*series, shades_label]
    panels = [(series, styles)]
    if errors is not None:
        panels.append((errors, styles[1:]))
    heights = [1, _ERROR_HEIGHT][: len(panels)]
    row_labels = [names, ["Absolute\nerror"] * n_samples][: len(panels)]
    left = max(text_size(column)[0] for column in row_labels) * CHARACTER
    width = min(max(2.5 * n_series + left, 5), 14)
    inches = ((width if ax is None else axes_size(ax)[0]) - left) / n_series
    headings = _headings(series_names, n_series, inches)
    height = 0.9 * sum(heights) * n_samples + 1 + (text_size(headings)[1] - 1) * LINE
    figure, grid = grid_in(
        ax,
        n_samples * len(panels),
        n_series,
        figsize=(width, height),
        title=title,
        legend=(_handles(styles, None if shades is None else cmap), labels),
    )
    grid.set_height_ratios(heights * n_samples)
    all_axes = np.empty((n_samples, len(panels), n_series), dtype=object)
    lines = {
        label: np.empty((n_samples, n_series), dtype=object)
        for panel, _ in panels
        for label in panel
    }
    for i, k, j in np.ndindex(all_axes.shape):
        # Series differ in scale, samples do not.
        all_axes[i, k, j] = axes = figure.add_subplot(
            grid[i * len(panels) + k, j],
            sharex=all_axes[0, 0, 0],
            sharey=all_axes[0, k, j],
        )
        if shades is not None:
            _draw_shades(axes, shades[i, :, j], cmap)
        for (label, values), style in zip(
            panels[k][0].items(), panels[k][1], strict=True
        ):
            (lines[label][i, j],) = axes.plot(values[i, :, j], **style)
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.locator_params(axis="y", nbins=3 if k == 0 else 2)
        is_last = (i, k) == (n_samples - 1, len(panels) - 1)
        axes.tick_params(labelbottom=is_last)
        axes.set_xlabel("Step" if is_last else "")
        if i == k == 0:
            axes.set_title(headings[j], fontsize="medium", parse_math=False)
        if j == 0:
            options = {"rotation": 0, "ha": "right", "va": "center"}
            axes.set_ylabel(row_labels[k][i], parse_math=False, **options)
    all_axes[0, 0, 0].set_xlim(-0.5, n_steps - 0.5)
    for axes in all_axes[0, 1:].flat:
        axes.set_ylim(bottom=0)
    return all_axes[:, 0], lines


def _headings(names, n_series, inches):
    """Return names of series in lines of so many inches; a single one needs none."""
    if names is None:
        return [f"Series {j}" if n_series > 1 else "" for j in range(n_series)]
    names = check_names(names, n_series, "feature", "series")
    return [wrapped(shortened(name, 40), inches / (1.15 * CHARACTER)) for name in names]


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
