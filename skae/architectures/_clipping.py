"""Clipping limits of networks with a linear map beside their hidden layers.

Nonlinear layers extrapolate poorly, so that they see clipped inputs only; the linear
path beside them is not clipped.
"""

from contextlib import contextmanager

import numpy as np

from .._backend import leaf_layers, read_values, write_values


@contextmanager
def clipping_lifted(networks):
    """Disable clipping for a while, and put the limits back afterwards.

    Parameters
    ----------
    networks : Networks
        Those whose layers `Clip` are concerned; where there are none, nothing happens.

    Yields
    ------
    None
        Nothing.
    """
    clips = _clips(networks.encoder) + _clips(networks.decoder)
    limits = _limits(clips)
    before = read_values(limits)
    for clip in clips:
        clip.open()
    try:
        yield
    finally:
        write_values(limits, before)


def fit_clipping(networks, blocks, *, widen=False):
    """Set the clipping limits to the range of some samples and of their codes.

    The range of codes is extended to include 0, which is what truncated codes are.

    Parameters
    ----------
    networks : Networks
        Changed in place.
    blocks : iterable of (ndarray, ndarray)
        Samples and their codes, block by block. It is not read where nothing clips.
    widen : bool, default=False
        Whether the limits there are are kept and widened.
    """
    of_samples, of_codes = _clips(networks.encoder), _clips(networks.decoder)
    limits = _limits(of_samples + of_codes)
    if not limits:
        return
    values = read_values(limits) if widen else None
    for samples, codes in blocks:
        seen = _range(samples.reshape(len(samples), -1)) * len(of_samples)
        low, high = _range(codes.reshape(len(codes), -1))
        seen += [np.minimum(low, 0), np.maximum(high, 0)] * len(of_codes)
        values = seen if values is None else _union(values, seen)
    write_values(limits, values)


def _clips(half):
    from ._layers import Clip

    return [layer for layer in leaf_layers(half) if isinstance(layer, Clip)]


def _limits(clips):
    return [limit for clip in clips for limit in (clip.low, clip.high)]


def _range(values):
    """Return the range of the observed values of each feature; 0 without any."""
    return [
        np.nan_to_num(extreme.reduce(values, axis=0)) for extreme in (np.fmin, np.fmax)
    ]


def _union(ranges, others):
    """Join ranges, given as lows and highs in turn."""
    joins = (np.minimum, np.maximum) * (len(ranges) // 2)
    return [join(a, b) for join, a, b in zip(joins, ranges, others, strict=True)]
