"""Checks of images, and images drawn beside and above each other."""

import math
import warnings
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from ._drawing import (
    CHARACTER,
    LINE,
    axes_size,
    check_count,
    is_window,
    shortened,
    single_axes,
    text_size,
)

# Samples drawn by default: images, or those that have axes of their own.
N_IMAGES, N_ROWS = 10, 4

# The space between images, and between bands of them, in widths of an image.
GAP, BAND_GAP = 0.06, 0.4


def check_samples(X, name, *, allow_missing=False):
    """Check that X is an array of finite numbers, or NaN if cells may be missing."""
    return check_array(
        X,
        dtype=[np.float64, np.float32],
        allow_nd=True,
        ensure_all_finite="allow-nan" if allow_missing else True,
        input_name=name,
    )


def mean_and_deviation(X):
    """Return mean and standard deviation of each feature; 1 where that is 0."""
    X = check_samples(X, "X", allow_missing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing observed
        center, scale = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    scale[~(scale > 0)] = 1
    return np.nan_to_num(center), scale


def as_images(X, sample_shape):
    """Return X as images of shape (n, h, w) or (n, h, w, c), or None for a table."""
    n_samples, *shape = X.shape
    if sample_shape is None:
        if len(shape) == 1:
            return None
    else:
        shape = _check_sample_shape(sample_shape, math.prod(shape))
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)):
        raise ValueError(
            f"Samples of shape {tuple(shape)} are no images: those have shape (height, "
            "width) or (height, width, channels), with 1, 3 or 4 channels."
        )
    return X.reshape(n_samples, *shape)


def _check_sample_shape(sample_shape, n_features):
    """Return the shape of an image of so many features."""
    if isinstance(sample_shape, str):
        side = math.isqrt(n_features)
        if sample_shape != "square":
            raise ValueError(
                f"sample_shape={sample_shape!r}, but (height, width), (height, width, "
                "channels), 'square' or None was expected."
            )
        if side**2 != n_features:
            raise ValueError(
                f"sample_shape='square', but {n_features} features are not a square "
                "number. Give sample_shape=(height, width)."
            )
        sample_shape = (side, side)
    shape = check_shape(sample_shape, "sample_shape", (2, 3))
    if math.prod(shape) != n_features:
        raise ValueError(
            f"sample_shape={shape} has {math.prod(shape)} values, but samples have "
            f"{n_features}."
        )
    return shape


def check_shape(shape, name, lengths=(2,)):
    """Check that a shape is a tuple of positive ints, of one of the lengths."""
    try:
        sizes = tuple(shape)
    except TypeError:
        sizes = ()
    good = all(isinstance(size, Integral) and size > 0 for size in sizes)
    if len(sizes) not in lengths or not good:
        expected = "(height, width)"
        if 3 in lengths:
            expected += " or (height, width, channels)"
        raise ValueError(f"{name}={shape!r}, but {expected} was expected.")
    return tuple(int(size) for size in sizes)


def check_n_samples(n_samples, X, sample_shape):
    """Return the number of samples to draw."""
    shape = np.shape(X)
    if len(shape) < 2:
        raise ValueError(
            f"X has shape {shape}, but (n_samples, n_features) or, of images, "
            "(n_samples, height, width) was expected. Give one sample as "
            "x[np.newaxis]."
        )
    if n_samples is None:
        sizes = shape[1:]
        if sample_shape is not None:
            sizes = _check_sample_shape(sample_shape, math.prod(sizes))
        is_table = len(sizes) == 1
        n_samples = N_ROWS if is_table or is_window(sizes) else N_IMAGES
    else:
        check_count("n_samples", n_samples)
    return min(int(n_samples), shape[0])


def as_code_images(codes, code_shape, name):
    """Reshape codes to images, by default to the most square shape with w >= h."""
    n_components = codes.shape[1]
    if code_shape is None:
        height = next(
            h for h in range(math.isqrt(n_components), 0, -1) if n_components % h == 0
        )
        shape = (height, n_components // height)
    else:
        shape = check_shape(code_shape, "code_shape")
        if math.prod(shape) != n_components:
            raise ValueError(
                f"code_shape={shape} has {math.prod(shape)} values, but codes by "
                f"{name} have {n_components}."
            )
    return codes.reshape(len(codes), *shape)


def value_range(values):
    """Return the range of the values that are not missing; (0, 1) if all are."""
    observed = values[~np.isnan(values)]
    return (observed.min(), observed.max()) if observed.size else (0.0, 1.0)


def to_colors(images, low, high):
    """Scale images with channels from [low, high] to [0, 1]; return others as given."""
    if images.ndim == 3:
        return images
    if low >= 0 and high <= 1:
        low, high = 0, 1
    elif low >= 0 and 1 < high <= 255:
        low, high = 0, 255
    return np.clip((images - low) / ((high - low) or 1), 0, 1)


def image_slots(n_images):
    """Return the number of images beside each other, and inches for each."""
    n_columns = n_images if n_images <= 10 else 10 if n_images <= 20 else 20
    inches = np.interp(n_columns, [1, 4, 10, 20], [1.8, 1.3, 0.85, 0.5])
    return n_columns, float(inches)


@dataclass(frozen=True)
class ImageRow:
    """Images beside each other.

    Parameters
    ----------
    label : str
        Text at their left.
    images : ndarray of shape (n_images, height, width) or \
            (n_images, height, width, channels)
        The images.
    height : float
        Height of the row, in widths of the slot in which each image stands.
    kwargs : dict
        Passed to ``Axes.imshow`` for images without channels.
    """

    label: str
    images: np.ndarray
    height: float
    kwargs: dict = field(default_factory=dict)

    def slot_height(self, inches):
        """Return the height with room for the label, for slots so many inches wide."""
        if not self.label:
            return self.height
        return max(self.height, (self.label.count("\n") + 1.3) * LINE / inches)

    def draw(self, ax, shown, top, slot_height):
        """Draw the images of a slice in slots of width 1 from x = 0 and y = top."""
        height, width = self.images.shape[1:3]
        scale = min((1 - GAP) / width, (slot_height - GAP) / height)
        half_width, half_height = scale * width / 2, scale * height / 2
        y = top + slot_height / 2
        kwargs = self.kwargs if self.images.ndim == 3 else {}
        artists = []
        for column, image in enumerate(self.images[shown]):
            x = column + 0.5
            edges = (x - half_width, x + half_width, y + half_height, y - half_height)
            artists.append(ax.imshow(image, extent=edges, **kwargs))
        return artists


def draw_image_rows(ax, rows, *, n_columns, inches, more_height=0):
    """Draw rows of images in one axes; return it, lists of images, room for a title.

    What does not fit into a row continues in the next band of rows. One axes for all is
    much quicker than one for each image. A new figure has slots `inches` wide, and room
    for `more_height` inches below them.
    """
    heights = [row.slot_height(inches) for row in rows]
    n_bands = math.ceil(len(rows[0].images) / n_columns)
    n_slots = sum(heights) * n_bands + BAND_GAP * (n_bands - 1)
    own = ax is None
    if own:
        width, room = _width_and_room(rows, n_columns * inches)
        ax = single_axes(None, (width, n_slots * inches + 3 * LINE + more_height))
    ax = single_axes(ax, None)
    artists, ticks = _draw_bands(ax, rows, heights, n_columns)
    ax.set(xlim=(0, n_columns), ylim=(n_slots, 0), xticks=[], aspect="equal")
    # Close to the labels, if there are any.
    ax.set_anchor("W" if any(row.label for row in rows) else "C")
    ax.set_yticks(ticks, [row.label for row in rows] * n_bands)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if not own:
        _shrink_labels(ax, rows, heights, n_columns, n_slots)
        room = max(axes_size(ax)[0], min(_area(ax)[0], 2.5))
    return ax, artists, room


def _draw_bands(ax, rows, heights, n_columns):
    """Draw all images; return a list of artists, and the middle, of each row."""
    artists = [[] for _ in rows]
    ticks = []
    top = 0
    for start in range(0, len(rows[0].images), n_columns):
        top += BAND_GAP if start else 0
        shown = slice(start, start + n_columns)
        for row, height, drawn in zip(rows, heights, artists, strict=True):
            drawn += row.draw(ax, shown, top, height)
            ticks.append(top + height / 2)
            top += height
    return artists, ticks


def _area(ax):
    """Return width and height of axes in inches, before their aspect is applied."""
    figure = ax.figure
    box = ax.get_position(original=True).transformed(figure.transSubfigure)
    return box.width / figure.dpi, box.height / figure.dpi


def _shrink_labels(ax, rows, heights, n_columns, n_slots):
    """Shrink the labels where they would overlap in the user's axes."""
    width, height = _area(ax)
    width -= text_size([row.label for row in rows])[0] * CHARACTER
    inches = min(max(width, 1) / n_columns, height / n_slots)
    line = min(
        slot_height * inches / (row.label.count("\n") + 1)
        for row, slot_height in zip(rows, heights, strict=True)
    )
    for label in ax.get_yticklabels():
        label.set_size(min(label.get_size(), max(72 * line / 1.25, 4)))


def _width_and_room(rows, images_width):
    """Return the width of a figure, and of a title centred above the images."""
    n_characters, _ = text_size([row.label for row in rows])
    labels = n_characters * CHARACTER + 0.1
    width = max(images_width + labels + 0.1, 4)
    if not n_characters:
        return width, width
    middle = labels + images_width / 2
    return width, 2 * min(middle, width - middle)


def draw_mosaic(ax, images, cmap):
    """Draw a grid of images, of shape (n_rows, n_columns, h, w[, c]), as one.

    The first row is at the bottom. Images are 1 wide and high in data units, centred at
    whole numbers.
    """
    n_rows, n_columns, height, width = images.shape[:4]
    low, high = value_range(images)
    mosaic = np.concatenate([np.concatenate(list(row), axis=1) for row in images[::-1]])
    return ax.imshow(
        to_colors(mosaic[np.newaxis], low, high)[0],
        cmap=cmap,
        vmin=low,
        vmax=high,
        extent=(-0.5, n_columns - 0.5, -0.5, n_rows - 0.5),
        aspect=height / width,
    )


def draw_heat_map(ax, values, names, cmap, label):
    """Draw a table as colours, with the names of its rows and a colour bar."""
    n_rows = len(values)
    ax = single_axes(ax, (7, max(0.25 * min(n_rows, 30) + 1, 2.5)))
    image = ax.imshow(values, cmap=cmap, aspect="auto")
    # Names of some, if there is no room for all.
    step = -(-n_rows // 30)
    labels = [shortened(name, 40) for name in names[::step]]
    ax.set_yticks(np.arange(0, n_rows, step), labels, parse_math=False)
    ax.figure.colorbar(image, ax=ax, label=label)
    return image
