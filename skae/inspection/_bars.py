"""Samples of a table drawn as bars."""

import math

import numpy as np

from ._drawing import (
    CHARACTER,
    LINE,
    axes_size,
    grid_in,
    series_styles,
    shortened,
    single_axes,
    text_size,
    wrapped,
)

# Inches of a character of the size "x-small".
_SMALL_CHARACTER = 0.062


def draw_tables(
    ax, series, feature_names, value_label, title, texts=None, sample_names=None
):
    """Draw axes of horizontal bars for each sample, with a bar for each of the series.

    The first series of `series`, a dict of labels to arrays of shape (n_samples,
    n_features), is drawn in light grey. Where `texts`, a list of arrays of that shape,
    one for each of the series, are not None, they are written instead: the first, and
    those of the others if they differ. Samples are named by their number if there are
    no `sample_names`. Returns axes, and bars by label.
    """
    n_samples, n_features = next(iter(series.values())).shape
    labels = [wrapped(name, 30) for name in feature_names]
    n_bands = math.ceil(n_samples / 5)
    n_columns = math.ceil(n_samples / n_bands)
    lines = [
        {} if texts is None else _lines([rows[i] for rows in texts])
        for i in range(n_samples)
    ]
    left = text_size(labels)[0] * CHARACTER
    if ax is None:
        lengths = [_length(line) for row in lines for line in row.values()]
        longest = max(lengths, default=0)
        inches = float(np.clip(longest * _SMALL_CHARACTER + 0.3, 2.1, 3.4))
    else:
        inches = (axes_size(single_axes(ax, None))[0] - left) / n_columns
    styles = _bar_styles(len(series))
    figure, grid = grid_in(
        ax,
        n_bands,
        n_columns,
        figsize=(
            max(n_columns * inches + left, 4),
            n_bands * _band_height(labels, len(series)) + 0.5,
        ),
        title=title,
        legend=(_handles(styles), list(series)),
    )
    all_axes = np.empty(n_samples, dtype=object)
    bars = {label: [] for label in series}
    for i in range(n_samples):
        all_axes[i] = axes = figure.add_subplot(
            grid[i], sharex=all_axes[0], sharey=all_axes[0]
        )
        drawn = _draw_bars(axes, [values[i] for values in series.values()], styles)
        for label, container in zip(series, drawn, strict=True):
            bars[label].append(container)
        for j, line in lines[i].items():
            _write_line(axes, j, line, styles, inches)
        name = shortened(str(i if sample_names is None else sample_names[i]), 20)
        title = axes.set_title(f"Sample {name}", fontsize="medium", loc="left")
        title.set_parse_math(False)
        axes.set_yticks(np.arange(n_features), labels, parse_math=False)
        axes.set_ylim(n_features - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelleft=i % n_columns == 0)
        if i + n_columns >= n_samples:
            axes.set_xlabel(value_label)
    return all_axes, bars


def _lines(texts):
    """Return what is written of a sample by feature: texts, and whose they are.

    The first is the observed category. Those of others follow if they differ.
    """
    lines = {}
    for j, (observed, *others) in enumerate(zip(*texts, strict=True)):
        if observed is not None or any(others):
            lines[j] = [("missing" if observed is None else observed, 0)]
            lines[j] += [
                (other, k)
                for k, other in enumerate(others, start=1)
                if other is not None and other != observed
            ]
    return lines


def _length(line):
    """Return the number of characters of a line, with arrows between its texts."""
    return sum(len(text) for text, _ in line) + 3 * (len(line) - 1)


def _write_line(axes, j, line, styles, inches):
    """Write categories in place of bars, other ones in the colour of their series."""
    n_characters = int((inches - 0.3) / _SMALL_CHARACTER)
    if _length(line) > n_characters:
        longest = (n_characters + 3) // len(line) - 3
        line = [(shortened(text, longest), k) for text, k in line]
    size = "small" if 1.2 * _length(line) < n_characters else "x-small"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    before = None
    for text, k in line:
        options = {
            "color": styles[k]["facecolor"] if k else "black",
            "fontsize": size,
            "va": "center",
            "bbox": box,
            "parse_math": False,  # dollars are prices
            "clip_on": True,
            "in_layout": False,
        }
        if before is None:
            place = axes.get_yaxis_transform()
            before = axes.text(0.03, j, text, transform=place, **options)
            box = box | {"pad": 0}
        else:
            text = f" \N{RIGHTWARDS ARROW} {text}"
            before = axes.annotate(text, (1, 0.5), xycoords=before, **options)


def _band_height(labels, n_series):
    """Return the inches of axes with a row of bars for each label."""
    _, n_lines = text_size(labels)
    bar_height = max(1.1 * LINE * n_lines, 0.1 * n_series + 0.06)
    return len(labels) * bar_height + 0.7


def _bar_styles(n_series):
    """Return styles of bars: light grey first, then colours with hatches."""
    colored = [
        {"facecolor": style["color"], "edgecolor": "white", "hatch": style["hatch"]}
        for style in series_styles(n_series - 1)
    ]
    return [{"facecolor": "0.85", "edgecolor": "black"}, *colored]


def _handles(styles):
    from matplotlib.patches import Patch

    return [Patch(linewidth=0.5, **style) for style in styles]


def _draw_bars(axes, values, styles):
    """Draw bars of several series beside each other for each feature."""
    axes.axvline(0, color="black", linewidth=0.8)
    height = 0.8 / len(values)
    return [
        axes.barh(
            np.arange(len(widths)) + (i + 0.5) * height - 0.4,
            widths,
            height=height,
            linewidth=0.5,
            **style,
        )
        for i, (widths, style) in enumerate(zip(values, styles, strict=True))
    ]
