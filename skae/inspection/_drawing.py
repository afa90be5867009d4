"""Axes, titles, legends and styles that the Displays share.

matplotlib is imported when something is drawn, not before.
"""

import textwrap
from numbers import Integral

import numpy as np

# Inches of a character and of a line of text, at matplotlib's default size.
CHARACTER, LINE = 0.085, 0.17

# Label of values of features that differ in scale.
STANDARDIZED = "Standard deviations\nfrom the mean"

_LINE_STYLES = ["-", "--", "-.", ":"]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*"]
_HATCHES = ["", "////", "....", "xxxx", "\\\\\\\\", "++++"]


def is_window(shape):
    """Check for the shape of a window of a time series: few series, many more steps."""
    return len(shape) == 2 and shape[1] <= 8 and shape[0] > 3 * shape[1]


def check_option(name, value, options):
    """Check that a parameter has one of its allowed values."""
    if value not in options:
        *others, last = map(repr, options)
        raise ValueError(
            f"{name}={value!r}, but {', '.join(others)} or {last} was expected."
        )


def check_count(name, value, smallest=1):
    """Check that a parameter is an int, and not too small."""
    if not is_int(value) or value < smallest:
        expected = (
            "a positive int" if smallest == 1 else f"an int of {smallest} or more"
        )
        raise ValueError(f"{name}={value!r}, but {expected} was expected.")


def is_int(value):
    """Check for an int, which a boolean is not meant to be."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def single_axes(ax, figsize):
    """Return the user's axes, or those of a new figure."""
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots(figsize=figsize, layout="constrained")[1]
    return _check_axes(ax)


def grid_in(ax, n_rows, n_columns, *, figsize, title, legend=None):
    """Return a figure and a grid in it for many axes, in place of ax if given.

    The user's axes are turned off, as by scikit-learn's PartialDependenceDisplay. A
    title stands above the grid, and a legend of handles and labels below it: a new
    figure grows by its height, the area of the user's axes is divided.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width, height = figsize if ax is None else axes_size(_check_axes(ax))
    title = wrapped(title, width / (1.15 * CHARACTER))
    # A figure grows by lines of the legend, the user's axes cannot.
    legend, legend_height = _in_columns(
        legend, width, wrapped if ax is None else shortened
    )
    if ax is None:
        figure = _new_figure(width, height + legend_height, title, legend)
        return figure, figure.add_gridspec(n_rows, n_columns)
    ax.set_axis_off()
    # A constrained layout shrinks all parts to make room for labels, hence 1.4 times
    # the height. Without one, they reach into the legend's part.
    title_height, legend_height = (title.count("\n") + 2) * LINE, 1.4 * legend_height
    if not isinstance(ax.figure.get_layout_engine(), ConstrainedLayoutEngine):
        title_height += LINE
        legend_height += 2 * LINE if legend is not None else 0
    rest = max(height - title_height - legend_height, height / 3)
    parts = _divided(ax, [title_height, rest, legend_height])
    above = ax.figure.add_subplot(parts[0])
    above.text(0.5, 1, title, ha="center", va="top", fontsize="large")
    above.set_axis_off()
    if legend is not None:
        below = ax.figure.add_subplot(parts[2])
        below.set_axis_off()
        below.legend(loc="lower center", borderaxespad=0, **legend)
    return ax.figure, parts[1].subgridspec(n_rows, n_columns)


def _in_columns(legend, width, fit):
    """Return arguments of a legend as wide as there is room, and its height."""
    if legend is None:
        return None, 0
    handles, labels = legend
    labels = [fit(label, int(width / CHARACTER) - 10) for label in labels]
    n_characters, n_lines = text_size(labels)
    most = width / (n_characters + 8) / CHARACTER
    n_columns = int(np.clip(most, 1, len(labels)))
    n_rows = -(-len(labels) // n_columns)
    height = (1.2 * n_rows * n_lines + 1) * LINE
    return {"handles": handles, "labels": labels, "ncols": n_columns}, height


def _new_figure(width, height, title, legend):
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title)
    if legend is not None:
        figure.legend(loc="outside lower center", **legend)
    return figure


def _divided(ax, heights):
    """Divide the area of axes into parts above each other; those of 0 are left out."""
    heights = [height for height in heights if height]
    ratios = {"height_ratios": heights, "hspace": 0}
    spec = ax.get_subplotspec()
    if spec is not None:
        return spec.subgridspec(len(heights), 1, **ratios)
    box = ax.get_position()
    edges = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
    return ax.figure.add_gridspec(len(heights), 1, **ratios, **edges)


def set_axes_title(ax, title, inches=None):
    """Set a title, in lines as wide as the axes or as the inches given."""
    inches = axes_size(ax)[0] if inches is None else inches
    ax.set_title(wrapped(title, inches / (1.15 * CHARACTER)))


def legend_inside(ax, handles, labels):
    """Add a legend in the best corner of axes, with labels that leave room beside."""
    n_characters = int(0.7 * axes_size(ax)[0] / CHARACTER) - 6
    ax.legend(handles, [shortened(label, n_characters) for label in labels])


def number(value, digits=2):
    """Format a number to some digits, with the minus sign of matplotlib's axes."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.{max(digits, 6)}g}".replace("-", "\N{MINUS SIGN}")


def even_ticks(n, inches):
    """Choose some of 0 to n - 1, evenly spaced with both ends, as many as fit."""
    most = int(np.clip(inches / 0.8, 1, 5))
    n_gaps = next(k for k in range(most, 0, -1) if (n - 1) % k == 0)
    return np.linspace(0, n - 1, n_gaps + 1).round().astype(int)


def shortened(text, n_characters):
    """Replace the middle of a long text: names often differ at the end.

    At least 11 characters are left.
    """
    if len(text) <= max(n_characters, 11):
        return text
    half = max(n_characters - 1, 10) // 2
    return f"{text[:half]}…{text[-half:]}"


def wrapped(text, n_characters):
    """Wrap text, between words where possible."""
    width = max(int(n_characters), 12)
    return "\n".join("\n".join(textwrap.wrap(t, width)) for t in text.split("\n"))


def text_size(labels):
    """Return the largest numbers of characters in a line and of lines in a label."""
    lines = [label.split("\n") for label in labels]
    return max(len(t) for label in lines for t in label), max(map(len, lines))


def merged(defaults, user, artist):
    """Override defaults by the user's keyword arguments, which may be aliases."""
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(user or {}, artist)}


def series_styles(n_series, cmap="viridis"):
    """Return a dict of color, linestyle, marker and hatch for each of several series.

    Colours are evenly spaced from dark to light, so that they differ in grey too,
    without the lightest, which are hard to see on white.
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
    """Return width and height of axes in inches, once their aspect is applied."""
    ax.apply_aspect()
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def _check_axes(ax):
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax is {ax!r}, but one matplotlib Axes was expected. Where a Display "
            "needs several axes, it makes them in place of that one."
        )
    return ax
