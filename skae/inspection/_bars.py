"""Rows of a table as bars."""

import math

import numpy as np

from ._drawing import (
    CHARACTER,
    LINE,
    grid_in,
    series_styles,
    text_size,
    wrapped,
)


def draw_tables(ax, series, feature_names, value_label, title):
    """Draw a panel of horizontal bars for each row, and a bar for each of the series.

    The first series of `series`, a dict of labels to arrays of shape (n_rows,
    n_features), is drawn in light grey. Gives axes, and bars by label.
    """
    n_rows, n_features = next(iter(series.values())).shape
    labels = [wrapped(name, 30) for name in feature_names]
    n_characters, n_lines = text_size(labels)
    height = max(1.1 * LINE * n_lines, 0.1 * len(series) + 0.06)
    n_bands = math.ceil(n_rows / 5)
    n_columns = math.ceil(n_rows / n_bands)
    figsize = (
        max(n_columns * 2.1 + n_characters * CHARACTER, 4),
        n_bands * (n_features * height + 0.7) + 0.5,
    )
    styles = [{"facecolor": "0.85", "edgecolor": "black"}]
    for style in series_styles(len(series) - 1):
        styles.append(
            {
                "facecolor": style["color"],
                "edgecolor": "white",
                "hatch": style["hatch"],
            }
        )
    from matplotlib.patches import Patch

    handles = [Patch(linewidth=0.5, **style) for style in styles]
    figure, grid = grid_in(
        ax,
        n_bands,
        n_columns,
        figsize=figsize,
        title=title,
        legend=(handles, list(series)),
    )
    positions = np.arange(n_features)
    axes = np.empty(n_rows, dtype=object)
    bars = {label: [] for label in series}
    for i in range(n_rows):
        axes[i] = figure.add_subplot(grid[i], sharex=axes[0], sharey=axes[0])
        for j, (label, values) in enumerate(series.items()):
            bars[label].append(
                axes[i].barh(
                    positions + ((j + 0.5) / len(series) - 0.5) * 0.8,
                    values[i],
                    height=0.8 / len(series),
                    label=label,
                    linewidth=0.5,
                    **styles[j],
                )
            )
        axes[i].axvline(0, color="black", linewidth=0.8)
        axes[i].set_title(f"Row {i}", fontsize="medium", loc="left")
        axes[i].set_yticks(positions, labels)
        axes[i].set_ylim(n_features - 0.5, -0.5)
        axes[i].locator_params(axis="x", nbins=4)
        axes[i].tick_params(labelleft=i % n_columns == 0)
        if i + n_columns >= n_rows:
            axes[i].set_xlabel(value_label)
    return axes, bars
