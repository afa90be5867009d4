"""What the Displays share: axes to draw in, titles, styles that differ in grey too.

matplotlib is imported when something is drawn, not before.
"""

import textwrap

import numpy as np

# Inches of a character and of a line of text, at matplotlib's default size.
CHARACTER, LINE = 0.085, 0.17

_LINE_STYLES = ["-", "--", "-.", ":"]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*"]
_HATCHES = ["", "////", "....", "xxxx", "\\\\\\\\", "++++"]


def check_option(name, value, options):
    """Refuse a value of a parameter that is none of those there are."""
    if value not in options:
        *others, last = map(repr, options)
        raise ValueError(
            f"{name}={value!r}, but {', '.join(others)} or {last} was expected."
        )


def single_axes(ax, figsize):
    """Give the axes that the user has, or those of a new figure of our own."""
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots(figsize=figsize, layout="constrained")[1]
    return _check_axes(ax)


def grid_in(ax, n_rows, n_columns, *, figsize, title, legend=None):
    """Give a figure and a grid in it for many axes, in the place of ax if there is one.

    The user's axes are turned off, as by scikit-learn's PartialDependenceDisplay. A
    title stands above the grid, and a legend of handles and labels below it: a figure
    of our own grows by its height, a place of the user's is divided.
    """
    import matplotlib.pyplot as plt

    width, height = figsize if ax is None else axes_size(_check_axes(ax))
    title = wrapped(title, width / (1.15 * CHARACTER))
    legend_height = 0
    if legend is not None:
        handles, labels = legend
        labels = [wrapped(label, width / CHARACTER - 10) for label in labels]
        n_characters, n_lines = text_size(labels)
        most = width / (n_characters + 8) / CHARACTER
        n_entries = int(np.clip(most, 1, len(labels)))
        legend = {"handles": handles, "labels": labels, "ncols": n_entries}
        legend_height = (1.2 * -(-len(labels) // n_entries) * n_lines + 1) * LINE
    if ax is None:
        figsize = (width, height + legend_height)
        figure = plt.figure(figsize=figsize, layout="constrained")
        figure.suptitle(title)
        if legend is not None:
            figure.legend(loc="outside lower center", **legend)
        return figure, figure.add_gridspec(n_rows, n_columns)
    figure = ax.figure
    ax.set_axis_off()
    # Layouts shrink all rows to make room for labels, hence somewhat more than needed.
    ratios = [(title.count("\n") + 2) * LINE, 0]
    if legend is not None:
        ratios.append(1.4 * legend_height)
    ratios[1] = max(height - sum(ratios), height / 3)
    spec = ax.get_subplotspec()
    if spec is not None:
        outer = spec.subgridspec(len(ratios), 1, height_ratios=ratios, hspace=0)
    else:
        place = ax.get_position()
        outer = figure.add_gridspec(
            len(ratios),
            1,
            height_ratios=ratios,
            hspace=0,
            left=place.x0,
            right=place.x1,
            bottom=place.y0,
            top=place.y1,
        )
    above = figure.add_subplot(outer[0])
    above.text(0.5, 0.5, title, ha="center", va="center", fontsize="large")
    above.set_axis_off()
    if legend is not None:
        below = figure.add_subplot(outer[2])
        below.set_axis_off()
        below.set_in_layout(False)
        below.legend(loc="lower center", borderaxespad=0, **legend)
    return figure, outer[1].subgridspec(n_rows, n_columns)


def set_axes_title(ax, title, inches=None):
    """Put a title above axes, in lines that fit their width, or what is given."""
    inches = axes_size(ax)[0] if inches is None else inches
    ax.set_title(wrapped(title, inches / (1.15 * CHARACTER)))


def number(value, digits=2):
    """Write a number as matplotlib's axes do."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def even_ticks(n, inches):
    """Choose a few of 0 to n - 1, evenly spaced, with both ends, as there is room."""
    most = int(np.clip(inches / 0.8, 1, 5))
    n_gaps = next(k for k in range(most, 0, -1) if (n - 1) % k == 0)
    return np.linspace(0, n - 1, n_gaps + 1).round().astype(int)


def shortened(text, n_characters):
    """Leave out the middle of a long text: names often differ at the end."""
    if len(text) <= n_characters:
        return text
    half = (n_characters - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def wrapped(text, n_characters):
    """Break text into lines, at words where that is possible."""
    width = max(int(n_characters), 12)
    return "\n".join("\n".join(textwrap.wrap(t, width)) for t in text.split("\n"))


def text_size(labels):
    """Give the most characters of a line, and the most lines, of several labels."""
    lines = [label.split("\n") for label in labels]
    return max(len(t) for label in lines for t in label), max(map(len, lines))


def merged(defaults, user, artist):
    """Put the user's keyword arguments over the defaults, whatever alias they use."""
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(user or {}, artist)}


def series_styles(n_series, cmap="viridis"):
    """Give a dict of color, linestyle, marker and hatch for each of several series.

    Colours go evenly from dark to light, so that they differ in grey too; the lightest
    are left out, since they vanish on white.
    """
    from matplotlib import colormaps

    shades = colormaps.get_cmap(cmap)(np.linspace(0.1, 0.8, n_series))
    return [
        {
            "color": tuple(shade),
            "linestyle": _LINE_STYLES[i % len(_LINE_STYLES)],
            "marker": _MARKERS[i % len(_MARKERS)],
            "hatch": _HATCHES[i % len(_HATCHES)],
        }
        for i, shade in enumerate(shades)
    ]


def axes_size(ax):
    """Width and height of axes in inches, with regard to their aspect."""
    ax.apply_aspect()
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def _check_axes(ax):
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax is {ax!r}, but a matplotlib Axes was expected: one, not an array of "
            "them. Several axes are drawn in its place."
        )
    return ax
