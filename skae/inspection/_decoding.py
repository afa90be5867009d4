"""Codes to decode for a picture of the latent space, and checks of what comes out."""

from numbers import Integral

import numpy as np

from ._estimators import class_name, decode
from ._images import as_images, check_samples

# A scatter matrix of more is too small to read.
_MOST_COMPONENTS = 5


def check_components(components, n_components):
    """Give the components to draw; None is all, as far as there is room."""
    if components is None:
        return tuple(range(min(n_components, _MOST_COMPONENTS)))
    given = components
    components = (components,) if isinstance(components, Integral) else components
    components = tuple(components)
    if not components or not all(isinstance(i, Integral) for i in components):
        raise ValueError(f"components={given!r}, but ints were expected, as (0, 1).")
    for i in components:
        if not 0 <= i < n_components:
            raise ValueError(
                f"components={given!r}, but codes have components 0 to "
                f"{n_components - 1}."
            )
    if len(set(components)) < len(components):
        raise ValueError(f"components={given!r} names one twice.")
    return tuple(int(i) for i in components)


def check_grid_components(components, n_components):
    if components is None and n_components > 1:
        return (0, 1)
    components = check_components(components, n_components)
    if len(components) != 2:
        raise ValueError(
            f"kind='grid' goes across two components, but there are {len(components)}."
            " Give two, as components=(0, 1), to codes of two at least."
        )
    return components


def grid_of_codes(codes, components, n_steps):
    """Give codes spaced evenly in two components, the others at their medians."""
    grid = np.empty((n_steps, n_steps, codes.shape[1]), codes.dtype)
    grid[:] = np.median(codes, axis=0)
    low, high = np.percentile(codes[:, list(components)], [2, 98], axis=0)
    steps = np.linspace(low, high, n_steps)
    grid[:, :, components[0]] = steps[:, 0]
    grid[:, :, components[1]] = steps[:, 1, np.newaxis]
    return grid


def codes_between(codes, samples, n_steps):
    """Give codes spaced evenly from one sample's to another's."""
    try:
        first, last = samples
        first, last = codes[first], codes[last]
        fine = first.ndim == last.ndim == 1
    except (TypeError, ValueError, IndexError):
        fine = False
    if not fine:
        raise ValueError(
            f"samples={samples!r}, but two row numbers of X were expected, which has "
            f"{len(codes)} rows."
        )
    share = np.linspace(0, 1, n_steps, dtype=codes.dtype)[:, np.newaxis]
    return (1 - share) * first + share * last


def decode_codes(estimator, codes, sample_shape):
    """Decode codes of any leading shape; samples have the shape of those of X."""
    if not hasattr(estimator, "inverse_transform") and hasattr(estimator, "transform"):
        raise TypeError(
            f"{class_name(estimator)} has no inverse_transform to decode with: only "
            "kind='scatter' can be drawn."
        )
    samples = decode(estimator, codes.reshape(-1, codes.shape[-1]))
    return samples.reshape(*codes.shape[:-1], *sample_shape)


def check_decoded(decoded, codes, n_components, image_shape):
    """Give decoded samples, as images if they are, and their codes."""
    decoded = check_samples(decoded, "decoded")
    codes = check_samples(codes, "decoded_codes")
    leading = codes.shape[:-1]
    if codes.ndim not in (2, 3) or codes.shape[-1] != n_components:
        raise ValueError(
            f"decoded_codes has shape {codes.shape}, but (n_rows, n_columns, "
            f"{n_components}) of a grid or (n_steps, {n_components}) was expected."
        )
    if decoded.shape[: len(leading)] != leading or decoded.ndim == len(leading):
        raise ValueError(
            f"decoded has shape {decoded.shape}, but {(*leading, '...')} was expected: "
            f"decoded_codes has shape {codes.shape}."
        )
    if min(leading) < 2:
        raise ValueError(f"decoded_codes has shape {codes.shape}: give two at least.")
    samples = decoded.reshape(-1, *decoded.shape[len(leading) :])
    images = as_images(samples, image_shape)
    if images is not None:
        decoded = images.reshape(*leading, *images.shape[1:])
    elif codes.ndim == 3:
        raise ValueError(
            "kind='grid' is drawn of images, but samples are rows of "
            f"{samples.shape[1]} features. Give image_shape=(height, width)."
        )
    return decoded, codes
