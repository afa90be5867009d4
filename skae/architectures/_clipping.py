"""Beyond what it was trained on, an anchored network goes on as a linear map does."""

import numpy as np
from sklearn.utils import gen_batches

from .._backend import leaf_layers, read_values, write_values

# Bytes of the rows that are encoded at a time.
CHUNK_BYTES = 2**24


class Bounds:
    """The ranges to which a network's hidden layers clip what they are given.

    Parameters
    ----------
    networks : Networks
        Its layers `Clip` are changed in place; where it has none, nothing happens.
    """

    def __init__(self, networks):
        self._of_samples = _clips(networks.encoder)
        self._of_codes = _clips(networks.decoder)
        self._variables = [
            variable
            for clip in self._of_samples + self._of_codes
            for variable in (clip.low, clip.high)
        ]

    def open(self):
        """Let all values by, as while a network trains.

        Returns
        -------
        list of ndarray
            The ranges before, for `restore` and `close`.
        """
        before = read_values(self._variables)
        for clip in self._of_samples + self._of_codes:
            clip.open()
        return before

    def restore(self, before):
        """Set the ranges to what `open` returned.

        Parameters
        ----------
        before : list of ndarray
            The ranges.
        """
        write_values(self._variables, before)

    def close(self, rows, encode, *, widen=None):
        """Let by the values of some rows, of their codes and 0, and clip all beyond.

        Parameters
        ----------
        rows : Rows
            Those that the network was trained on.
        encode : callable
            From rows to codes.
        widen : list of ndarray, default=None
            What `open` returned, if those ranges are to be kept and widened.
        """
        if not self._variables:
            return
        values = widen
        indices = np.sort(rows.indices)  # on a disk, neighbours are read together
        for chunk in gen_batches(len(rows), max(1, CHUNK_BYTES // rows.row_bytes)):
            X = rows.take(indices[chunk])
            seen = []
            if self._of_samples:
                seen += _range(X.reshape(len(X), -1))
            if self._of_codes:
                low, high = _range(encode(X))
                # Codes that are cut are 0.
                seen += [np.minimum(low, 0), np.maximum(high, 0)]
            values = seen if values is None else _union(values, seen)
        write_values(self._variables, values)


def _clips(half):
    from ._layers import Clip

    return [layer for layer in leaf_layers(half) if isinstance(layer, Clip)]


def _range(values):
    return [values.min(axis=0), values.max(axis=0)]


def _union(ranges, others):
    """Join ranges, given as lows and highs in turn."""
    joins = (np.minimum, np.maximum) * (len(ranges) // 2)
    return [join(a, b) for join, a, b in zip(joins, ranges, others, strict=True)]
