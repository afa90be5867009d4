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


def single_axes(ax, figsize):
    """Give the axes that the user has, or those of a new figure of our own."""
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots(figsize=figsize, layout="constrained")[1]
    return _check_axes(ax)


def grid_in(ax, n_rows, n_columns, *, figsize, **ratios):
    """Give a figure and a grid in it for many axes, in the place of ax if there is one.

    The user's axes are turned off, as by scikit-learn's PartialDependenceDisplay.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        figure = plt.figure(figsize=figsize, layout="constrained")
        return figure, figure.add_gridspec(n_rows, n_columns, **ratios)
    _check_axes(ax).set_axis_off()
    spec = ax.get_subplotspec()
    if spec is not None:
        return ax.figure, spec.subgridspec(n_rows, n_columns, **ratios)
    place = ax.get_position()
    edges = {"left": place.x0, "right": place.x1, "bottom": place.y0, "top": place.y1}
    return ax.figure, ax.figure.add_gridspec(n_rows, n_columns, **edges, **ratios)


def set_title(figure, ax, first, title):
    """Put a title above many axes, in lines that fit the width of what it is over.

    In the place of the user's axes it stands above the first of them: no layout would
    keep room for it elsewhere.
    """
    inches = figure.get_size_inches()[0] if ax is None else _width(ax)
    title = wrapped(title, inches / (1.15 * CHARACTER))
    if ax is None:
        figure.suptitle(title)
    else:
        first.set_title(f"{title}\n{first.get_title('left')}".strip(), loc="left")


def set_axes_title(ax, title):
    """Put a title above axes, in lines that fit their width."""
    ax.set_title(wrapped(title, _width(ax) / (1.15 * CHARACTER)))


def legend_below(figure, handles, labels):
    """Put a legend below all axes, in as many columns as there is room for.

    A figure of our own grows by its height.
    """
    width, height = figure.get_size_inches()
    room = width / CHARACTER
    labels = [wrapped(label, room - 10) for label in labels]
    n_characters, n_lines = text_size(labels)
    n_columns = int(np.clip(room / (n_characters + 8), 1, len(labels)))
    n_rows = -(-len(labels) // n_columns)
    figure.set_size_inches(width, height + (1.2 * n_rows * n_lines + 1) * LINE)
    figure.legend(handles, labels, loc="outside lower center", ncols=n_columns)


def number(value, digits=2):
    """Write a number as matplotlib's axes do."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def even_ticks(n):
    """Choose a few of 0 to n - 1, evenly spaced, with both ends."""
    n_gaps = next(k for k in (5, 4, 3, 2, 1) if (n - 1) % k == 0)
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


def _width(ax):
    return ax.get_window_extent().width / ax.figure.dpi


def _check_axes(ax):
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax is {ax!r}, but a matplotlib Axes was expected: one, not an array of "
            "them. Several axes are drawn in its place."
        )
    return ax
