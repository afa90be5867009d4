"""Arrays as images, and images in rows."""

import math
from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from ._drawing import CHARACTER, LINE, shortened, single_axes, text_size

# What is shown where nothing is said: a row of images, or a few rows of a table.
_N_IMAGES, _N_ROWS = 10, 4

# The space between images, and between bands of them, in widths of an image.
GAP, BAND_GAP = 0.06, 0.4


def check_samples(X, name):
    """Refuse what is no array of finite numbers, of any shape."""
    return check_array(
        X, dtype=[np.float64, np.float32], allow_nd=True, input_name=name
    )


def as_images(X, image_shape):
    """Give X as images of shape (n, h, w) or (n, h, w, c), or None if it is a table."""
    n_samples, *shape = X.shape
    if image_shape is None:
        if len(shape) == 1:
            return None
    else:
        n_features = math.prod(shape)
        if isinstance(image_shape, str):
            side = math.isqrt(n_features)
            if image_shape != "square":
                raise ValueError(
                    f"image_shape={image_shape!r} is no shape: give (height, width), "
                    "(height, width, channels), 'square' or None."
                )
            if side**2 != n_features:
                raise ValueError(
                    f"image_shape='square', but samples of {n_features} features are "
                    "no squares. Give image_shape=(height, width)."
                )
            image_shape = (side, side)
        shape = check_shape(image_shape, "image_shape", (2, 3))
        if math.prod(shape) != n_features:
            raise ValueError(
                f"image_shape={shape} takes {math.prod(shape)} values, but samples "
                f"have {n_features}."
            )
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)):
        raise ValueError(
            f"Samples of shape {tuple(shape)} are no images: those have shape (height, "
            "width) or (height, width, channels), with 1, 3 or 4 channels."
        )
    return X.reshape(n_samples, *shape)


def check_shape(shape, name, lengths=(2,)):
    """Refuse what is no tuple of positive ints."""
    try:
        sizes = tuple(shape)
    except TypeError:
        sizes = ()
    good = all(isinstance(size, Integral) and size > 0 for size in sizes)
    if len(sizes) not in lengths or not good:
        expected = {(2,): "(height, width)"}.get(
            lengths, "(height, width) or (height, width, channels)"
        )
        raise ValueError(f"{name}={shape!r}, but {expected} was expected.")
    return tuple(int(size) for size in sizes)


def check_n_samples(n_samples, X, image_shape):
    """Give how many samples to draw."""
    shape = np.shape(X)
    if len(shape) < 2:
        raise ValueError(
            f"X has shape {shape}, but rows of shape (n_samples, n_features) or images "
            "of shape (n_samples, height, width) were expected. Give one sample as "
            "x[np.newaxis]."
        )
    if n_samples is None:
        n_samples = _N_ROWS if len(shape) == 2 and image_shape is None else _N_IMAGES
    elif not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples={n_samples!r}, but a positive int was expected.")
    return min(int(n_samples), shape[0])


def as_code_images(codes, code_shape, name):
    """Give codes as pictures: the most nearly square ones, lying, if none is given."""
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
                f"code_shape={shape} takes {math.prod(shape)} numbers, but codes by "
                f"{name} have {n_components}."
            )
    return codes.reshape(len(codes), *shape)


def to_colors(images, low, high):
    """Bring images with channels from [low, high] to [0, 1]; leave grey ones."""
    if images.ndim == 3:
        return images
    if low >= 0 and high <= 1:
        low, high = 0, 1
    elif low >= 0 and 1 < high <= 255:
        low, high = 0, 255
    return np.clip((images - low) / ((high - low) or 1), 0, 1)


def image_slots(n_images):
    """Give the columns that images stand in, and the inches that each is wide."""
    n_columns = n_images if n_images <= 10 else 10 if n_images <= 20 else 20
    inches = np.interp(n_columns, [1, 4, 10, 20], [1.8, 1.3, 0.85, 0.5])
    return n_columns, float(inches)


def draw_image_rows(ax, rows, *, n_columns, slot_heights, inches, more_height=0):
    """Draw rows of images in one axes; give those, images by label, room for a title.

    A row is a label, images, and keyword arguments for them. Each image stands in a
    slot of width 1; what does not fit into a row goes on in the next band of rows. One
    axes for all is much quicker than one for each image. A figure of our own has slots
    `inches` wide, and room for `more_height` inches below them.
    """
    n_images = len(rows[0][1])
    room = None
    n_bands = math.ceil(n_images / n_columns)
    if ax is None:
        n_characters, _ = text_size([label for label, *_ in rows])
        labels = n_characters * CHARACTER + 0.1
        width = max(n_columns * inches + labels + 0.1, 4)
        middle = labels + n_columns * inches / 2
        room = 2 * min(middle, width - middle)
        ax = single_axes(
            None,
            (
                width,
                (sum(slot_heights) * n_bands + BAND_GAP * (n_bands - 1)) * inches
                + 3 * LINE
                + more_height,
            ),
        )
    ax = single_axes(ax, None)
    artists = {label: [] for label, *_ in rows}
    ticks = []
    top = 0
    for start in range(0, n_images, n_columns):
        top += BAND_GAP if start else 0
        for (label, images, kwargs), height in zip(rows, slot_heights, strict=True):
            h, w = images.shape[1:3]
            scale = min((1 - GAP) / w, (height - GAP) / h)
            y = top + height / 2
            ticks.append((y, label))
            for column, image in enumerate(images[start : start + n_columns]):
                x = column + 0.5
                edges = (
                    x - scale * w / 2,
                    x + scale * w / 2,
                    y + scale * h / 2,
                    y - scale * h / 2,
                )
                kwargs = {} if image.ndim == 3 else kwargs
                artists[label].append(ax.imshow(image, extent=edges, **kwargs))
            top += height
    ax.set(xlim=(0, n_columns), ylim=(top, 0), xticks=[], aspect="equal", anchor="W")
    ax.set_yticks(*zip(*ticks, strict=True))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax, artists, room


def draw_mosaic(ax, images, cmap):
    """Draw a grid of images, of shape (n_rows, n_columns, h, w[, c]), as one.

    The first row is at the bottom. Images are 1 wide and high in data units, centred at
    whole numbers.
    """
    n_rows, n_columns, height, width = images.shape[:4]
    low, high = images.min(), images.max()
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
    """Draw rows of values as colours, with their names and a colour bar."""
    n_rows = len(values)
    ax = single_axes(ax, (7, max(0.25 * min(n_rows, 30) + 1, 2.5)))
    image = ax.imshow(values, cmap=cmap, aspect="auto")
    # Names of some, if there is no room for all.
    step = -(-n_rows // 30)
    ax.set_yticks(
        np.arange(0, n_rows, step), [shortened(name, 40) for name in names[::step]]
    )
    ax.figure.colorbar(image, ax=ax, label=label)
    return image
