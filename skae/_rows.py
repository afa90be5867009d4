"""The rows that a network trains on, handed out block by block."""

import numpy as np

# Rows of a memory-mapped array are read in runs of neighbours, which suits a disk.
RUN_LENGTH = 64
# As many runs are mixed with each other at a time.
MIXED_RUNS = 256


class Rows:
    """Rows of an array, in the network's shape and dtype once they are taken.

    Nothing is copied before that, so X may be larger than memory (`numpy.memmap`).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        All rows.
    sample_shape : tuple of int
        Shape that the network gives one row.
    dtype : str
        The network's dtype.
    indices : ndarray of int, default=None
        Which rows of X; None is all of them.
    """

    def __init__(self, X, sample_shape, dtype, indices=None):
        self.X = X
        self.sample_shape = sample_shape
        self.dtype = dtype
        self.indices = np.arange(len(X)) if indices is None else indices

    def __len__(self):
        return len(self.indices)

    @property
    def row_bytes(self):
        """Bytes of one row that was taken."""
        return int(np.prod(self.sample_shape)) * np.dtype(self.dtype).itemsize

    @property
    def is_memory_mapped(self):
        """Whether X is on disk."""
        X = self.X
        # Validation turns a memmap into a plain array over the same memory.
        while X is not None:
            if isinstance(X, np.memmap):
                return True
            X = getattr(X, "base", None)
        return False

    def shuffled(self, rng):
        """Give the indices in a new order.

        Rows in memory are shuffled as a whole. Of a memory-mapped array, runs of
        neighbouring rows are shuffled, and then the rows of a few hundred runs at once.
        """
        if not self.is_memory_mapped:
            return rng.permutation(self.indices)
        ordered = np.sort(self.indices)
        starts = RUN_LENGTH * rng.permutation(-(-len(ordered) // RUN_LENGTH))
        runs = [ordered[start : start + RUN_LENGTH] for start in starts]
        mixed = [
            rng.permutation(np.concatenate(runs[i : i + MIXED_RUNS]))
            for i in range(0, len(runs), MIXED_RUNS)
        ]
        return np.concatenate(mixed)

    def take(self, indices, size=None):
        """Copy the rows at some indices into an array for the network.

        Parameters
        ----------
        indices : ndarray of int
            Which rows of X.
        size : int, default=None
            Rows of the array, if there are to be more; zeros fill it up.

        Returns
        -------
        ndarray of shape (size, *sample_shape)
            A copy, of the network's dtype.
        """
        if size is None:
            size = len(indices)
        taken = np.empty((size, self.X.shape[1]), self.dtype)
        if self.X.dtype == taken.dtype:
            # Any mode but "raise" writes straight into the array.
            self.X.take(indices, axis=0, out=taken[: len(indices)], mode="clip")
        else:
            taken[: len(indices)] = self.X.take(indices, axis=0)
        taken[len(indices) :] = 0
        return taken.reshape(size, *self.sample_shape)
