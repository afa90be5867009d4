"""Training samples that are read block by block in each epoch."""

import math

import numpy as np

# Bytes of the samples that are mixed with each other, as the network takes them.
MIXED_BYTES = 2**25


class SampleStream:
    """Samples that are read from their source in each epoch.

    Parameters
    ----------
    read : callable
        Called with the numbers of blocks in some order, or with None. It yields the
        number of a block and some of its rows, an ndarray of shape (n_rows,
        n_features).
    sizes : ndarray of int
        Number of rows of each block.
    is_ordered : bool
        Whether blocks come in one order only.
    held_out : ndarray of int
        Which of all rows are left out.
    sample_shape : tuple of int
        Shape that the network gives one sample.
    dtype : str
        The network's dtype.
    summary : Summary
        Of all samples that the source has.
    """

    def __init__(self, read, sizes, is_ordered, held_out, sample_shape, dtype, summary):
        self.read = read
        self.sizes = sizes
        self.is_ordered = is_ordered
        self.held_out = np.sort(held_out)
        self.sample_shape = sample_shape
        self.dtype = dtype
        self.summary = summary

    def __len__(self):
        return int(self.sizes.sum()) - len(self.held_out)

    @property
    def row_bytes(self):
        """Bytes of one sample, as the network takes it."""
        return math.prod(self.sample_shape) * np.dtype(self.dtype).itemsize

    def epoch(self, rng, n_samples=None):
        """Return one pass over the samples in a new order.

        Parameters
        ----------
        rng : numpy.random.RandomState
            Determines the order.
        n_samples : int, default=None
            Number of samples; None for all of them.

        Returns
        -------
        StreamEpoch
            The pass.
        """
        rng = np.random.RandomState(rng.randint(2**31))
        return StreamEpoch(self, rng, n_samples or len(self))

    def blocks(self):
        """Yield all samples, some at a time, in the order of their source.

        Yields
        ------
        ndarray of shape (n_rows, *sample_shape)
            Some samples, of the network's dtype.
        """
        for _, rows in self.rows():
            if len(rows):
                yield rows.reshape(-1, *self.sample_shape)

    def rows(self, order=None):
        """Yield numbers of blocks, and those rows of them that are not held out."""
        starts = np.cumsum(self.sizes) - self.sizes
        n_read = np.zeros_like(self.sizes)
        for i, rows in self.read(order):
            if i >= len(self.sizes) or n_read[i] + len(rows) > self.sizes[i]:
                self._raise_changed(i)
            first = starts[i] + n_read[i]
            n_read[i] += len(rows)
            low, high = np.searchsorted(self.held_out, [first, first + len(rows)])
            if low < high:
                rows = np.delete(rows, self.held_out[low:high] - first, axis=0)
            yield i, rows.astype(self.dtype, copy=False)
        if (n_read != self.sizes).any():
            self._raise_changed(np.flatnonzero(n_read != self.sizes)[0])

    def _raise_changed(self, i):
        size = self.sizes[i] if i < len(self.sizes) else 0
        raise ValueError(
            f"Block {i} of X had {size} samples when it was first read, and "
            "has another number now. Each pass over X has to give the same blocks."
        )


class StreamEpoch:
    """One pass over a stream: blocks in a new order, and samples mixed among several.

    Parameters
    ----------
    stream : SampleStream
        What is read.
    rng : numpy.random.RandomState
        Determines the order; of this pass alone, since a thread may draw from it.
    n_samples : int
        Number of samples of this pass.

    Attributes
    ----------
    n_read : int
        Number of blocks read so far.
    n_blocks : int
        Number of all blocks.
    """

    def __init__(self, stream, rng, n_samples):
        self.stream = stream
        self.rng = rng
        self.n_samples = n_samples
        self.n_read = 0
        self.n_blocks = len(stream.sizes)

    def __len__(self):
        return self.n_samples

    def arrays(self, size, *, pad=False):
        """Yield the samples as arrays for the network.

        Parameters
        ----------
        size : int
            Number of samples of each array but the last.
        pad : bool, default=False
            Whether the last array is filled up with zeros.

        Yields
        ------
        array : ndarray of shape (size, *sample_shape)
            Samples.
        n_rows : int
            How many of them there are, beside zeros.
        """
        left, n_filled = self.n_samples, 0
        for rows in self._mixed():
            rows = rows[: left - n_filled]
            while len(rows):
                if not n_filled:
                    n_rows = min(size, left)
                    shape = (size if pad else n_rows, rows.shape[1])
                    array = np.zeros(shape, rows.dtype)
                n_new = min(n_rows - n_filled, len(rows))
                array[n_filled : n_filled + n_new] = rows[:n_new]
                rows, n_filled = rows[n_new:], n_filled + n_new
                if n_filled == n_rows:
                    yield array.reshape(-1, *self.stream.sample_shape), n_rows
                    left, n_filled = left - n_rows, 0
            if not left:
                break

    def _mixed(self):
        """Yield rows, mixed with those of blocks before and after."""
        stream, rng = self.stream, self.rng
        order = None if stream.is_ordered else rng.permutation(self.n_blocks)
        n_mixed = max(2, min(MIXED_BYTES // stream.row_bytes, int(stream.sizes.sum())))
        # One array that is filled again and again: many small ones fragment memory.
        mixed, n_filled, seen = None, 0, set()
        for i, rows in stream.rows(order):
            seen.add(i)
            self.n_read = len(seen)
            if mixed is None:
                mixed = np.empty((n_mixed, rows.shape[1]), rows.dtype)
            while len(rows):
                n_new = min(n_mixed - n_filled, len(rows))
                mixed[n_filled : n_filled + n_new] = rows[:n_new]
                rows, n_filled = rows[n_new:], n_filled + n_new
                if n_filled == n_mixed:
                    mixed[:] = mixed[rng.permutation(n_mixed)]
                    # One half stays, to be mixed with what comes.
                    n_filled = n_mixed // 2
                    yield mixed[n_filled:]
        if n_filled:
            yield mixed[rng.permutation(n_filled)]
