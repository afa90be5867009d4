"""Samples of a table drawn as bars."""

import math

import numpy as np

from ._drawing import (
    CHARACTER,
    LINE,
    grid_in,
    series_styles,
    shortened,
    text_size,
    wrapped,
)


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
    styles = _bar_styles(len(series))
    figure, grid = grid_in(
        ax,
        n_bands,
        n_columns,
        figsize=_figsize(labels, len(series), n_bands, n_columns),
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
        if texts is not None:
            _write_texts(axes, [rows[i] for rows in texts], styles)
        name = shortened(str(i if sample_names is None else sample_names[i]), 20)
        title = axes.set_title(f"Sample {name}", fontsize="medium", loc="left")
        title.set_parse_math(False)
        axes.set_yticks(np.arange(n_features), labels)
        axes.set_ylim(n_features - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelleft=i % n_columns == 0)
        if i + n_columns >= n_samples:
            axes.set_xlabel(value_label)
    return all_axes, bars


def _write_texts(axes, texts, styles):
    """Write categories in place of bars, other ones in the colour of their series."""
    place = axes.get_yaxis_transform()
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for j, (observed, *others) in enumerate(zip(*texts, strict=True)):
        if observed is None and not any(others):
            continue
        parts = [("missing" if observed is None else observed, "black")]
        for other, style in zip(others, styles[1:], strict=True):
            if other is not None and other != observed:
                parts.append((f"\N{RIGHTWARDS ARROW} {other}", style["facecolor"]))
        line = " ".join(text for text, _ in parts)
        size = "small" if len(line) < 24 else "x-small"
        before = None
        for text, color in parts:
            options = {"color": color, "fontsize": size, "va": "center", "bbox": box}
            options["parse_math"] = False  # dollars are prices
            box = box | {"pad": 0}
            text = shortened(text, 22)
            if before is None:
                before = axes.text(0.03, j, text, transform=place, **options)
            else:
                before = axes.annotate(f" {text}", (1, 0.5), xycoords=before, **options)


def _figsize(labels, n_series, n_bands, n_columns):
    n_characters, n_lines = text_size(labels)
    bar_height = max(1.1 * LINE * n_lines, 0.1 * n_series + 0.06)
    return (
        max(n_columns * 2.1 + n_characters * CHARACTER, 4),
        n_bands * (len(labels) * bar_height + 0.7) + 0.5,
    )


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
