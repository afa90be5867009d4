"""The samples that a network trains on, handed out block by block."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.utils import gen_batches

from .._sampling import draw, spread
from ._stream import SampleStream

# Samples of more bytes than this are shuffled in runs of neighbours, which suits disks
# and caches. It depends on the shape of X alone, so that a memory-mapped array gives
# the same model as one in memory.
SHUFFLED_BYTES = 2**30
RUN_LENGTH = 64
# As many runs are mixed with each other at a time.
MIXED_RUNS = 256
# Bytes of X that are looked at together.
CHUNK_BYTES = 2**24
# Patterns of the cells that are hidden where incomplete samples are evaluated.
HIDDEN_PATTERNS = 1009


@dataclass(frozen=True)
class Summary:
    """What is to be known of all samples before training.

    Parameters
    ----------
    n_rows : int
        Number of samples.
    n_observed : ndarray of int of shape (n_features,)
        Number of observed cells of each feature.
    feature_ranges : ndarray of shape (2, n_features), of float64
        Smallest and largest observed value of each feature; NaN without any.
    """

    n_rows: int
    n_observed: np.ndarray
    feature_ranges: np.ndarray

    @classmethod
    def of(cls, parts):
        """Compute it in one pass.

        Parameters
        ----------
        parts : iterable of ndarray of shape (n_rows, n_features)
            All samples, some at a time.

        Returns
        -------
        Summary
            The summary.
        """
        n_rows = n_observed = 0
        low = high = np.nan
        for part in parts:
            n_rows += len(part)
            n_observed = n_observed + (~np.isnan(part)).sum(axis=0)
            low = np.fmin(low, np.fmin.reduce(part, axis=0))
            high = np.fmax(high, np.fmax.reduce(part, axis=0))
        return cls(n_rows, n_observed, np.array([low, high], np.float64))

    @property
    def value_range(self):
        """Smallest and largest observed value, as a tuple; 0 without any."""
        low, high = self.feature_ranges
        low, high = np.fmin.reduce(low), np.fmax.reduce(high)
        return float(np.nan_to_num(low)), float(np.nan_to_num(high))

    @property
    def has_missing(self):
        """Whether there are missing cells."""
        return bool((self.n_observed < self.n_rows).any())


class RowSource:
    """Samples of an array, which get the network's shape and dtype when taken.

    Nothing is copied before that, so X may be larger than memory (`numpy.memmap`).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        All samples.
    sample_shape : tuple of int
        Shape that the network gives one sample.
    dtype : str
        The network's dtype.
    indices : ndarray of int, default=None
        Which rows of X; None for all of them.
    hidden : ndarray of bool of shape (n_patterns, n_features), default=None
        Cells that a network is not shown where it is evaluated, by patterns that the
        rows of X have in turn. None hides nothing.
    hidden_share : float, default=0.0
        Up to which share of the cells of a sample they are.
    """

    def __init__(
        self, X, sample_shape, dtype, indices=None, hidden=None, hidden_share=0.0
    ):
        self.X = X
        self.sample_shape = sample_shape
        self.dtype = dtype
        self.hidden = hidden
        self.hidden_share = hidden_share
        self.indices = np.arange(len(X)) if indices is None else indices

    def __len__(self):
        return len(self.indices)

    def subset(self, indices):
        """Return the source of other samples of the same array.

        Parameters
        ----------
        indices : ndarray of int
            Which rows of X.

        Returns
        -------
        RowSource
            The source.
        """
        return self._with(indices, self.hidden, self.hidden_share)

    def _with(self, indices, hidden, hidden_share):
        like = self.X, self.sample_shape, self.dtype
        return RowSource(*like, indices, hidden, hidden_share)

    def hiding_cells(self, random_state, share, columns):
        """Return the source of the same samples, some of whose cells are hidden.

        Parameters
        ----------
        random_state : int
            Determines which ones.
        share : float
            Up to which share of the cells of a sample.
        columns : Columns
            The features of a column are hidden together.

        Returns
        -------
        RowSource
            The source. What it hides in a row is the same each time.
        """
        rng = np.random.RandomState(random_state)
        shares = rng.uniform(0, share, (HIDDEN_PATTERNS, 1))
        drawn = rng.uniform(size=(HIDDEN_PATTERNS, len(columns.sizes)))
        hidden = drawn[:, columns.owners] < shares
        return self._with(self.indices, hidden, share)

    def hide(self, samples, indices):
        """Return samples without the cells that a network is not to be shown.

        Parameters
        ----------
        samples : ndarray of shape (n_samples, ...)
            The rows of X at some indices, and any further samples.
        indices : ndarray of int
            Which rows of X.

        Returns
        -------
        ndarray of the shape of `samples`
            With NaN for hidden cells; `samples` itself if nothing is hidden.
        """
        if self.hidden is None:
            return samples
        shown = samples.copy()
        hidden = self.hidden[indices % len(self.hidden)]
        hidden = hidden.reshape(len(indices), *samples.shape[1:])
        shown[: len(indices)][hidden] = np.nan
        return shown

    @property
    def row_bytes(self):
        """Bytes of one sample, as the network takes it."""
        return math.prod(self.sample_shape) * np.dtype(self.dtype).itemsize

    @cached_property
    def summary(self):
        """A `Summary` of X, of all its rows."""
        size = max(1, CHUNK_BYTES // (self.X.shape[1] * self.X.itemsize))
        return Summary.of(self.X[rows] for rows in gen_batches(len(self.X), size))

    def draw(self, max_bytes, rng):
        """Draw samples at random, if all of them take too many bytes.

        Parameters
        ----------
        max_bytes : int
            Maximum number of bytes, as the network takes the samples.
        rng : numpy.random.RandomState
            Draws them; not used if all samples are few enough.

        Returns
        -------
        ndarray of int
            Which rows of X, in ascending order.
        """
        return draw(self.indices, max(1, max_bytes // self.row_bytes), rng)

    def spread(self, max_samples):
        """Return the indices of some samples, evenly spread over them.

        Parameters
        ----------
        max_samples : int
            Maximum number of samples.

        Returns
        -------
        ndarray of int
            Which rows of X, in ascending order.
        """
        return spread(np.sort(self.indices), max_samples)

    def shuffled(self, rng):
        """Return the indices in a new order.

        Up to 1 GiB of samples are shuffled as a whole. Of more, runs of neighbouring
        rows are shuffled, and then the rows of a few hundred runs at once. The order
        depends on the shape of the samples and on `rng` alone.

        Parameters
        ----------
        rng : numpy.random.RandomState
            Shuffles them.

        Returns
        -------
        ndarray of int
            Which rows of X.
        """
        if len(self) * self.row_bytes <= SHUFFLED_BYTES:
            return rng.permutation(self.indices)
        ordered = np.sort(self.indices)
        starts = RUN_LENGTH * rng.permutation(-(-len(ordered) // RUN_LENGTH))
        runs = [ordered[start : start + RUN_LENGTH] for start in starts]
        mixed = [
            rng.permutation(np.concatenate(runs[i : i + MIXED_RUNS]))
            for i in range(0, len(runs), MIXED_RUNS)
        ]
        return np.concatenate(mixed)

    def epoch(self, rng, n_samples=None):
        """Return one pass over the samples in a new order.

        Parameters
        ----------
        rng : numpy.random.RandomState
            Shuffles them.
        n_samples : int, default=None
            Number of samples; None for all of them.

        Returns
        -------
        RowEpoch
            The pass.
        """
        return RowEpoch(self, self.shuffled(rng)[:n_samples])

    def take(self, indices, size=None):
        """Copy the samples at some indices into an array for the network.

        Parameters
        ----------
        indices : ndarray of int
            Which rows of X.
        size : int, default=None
            Length of the array, if larger than the number of indices; the rest is 0.

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

    def blocks(self):
        """Yield all samples, block by block, in the order of X.

        Yields
        ------
        ndarray of shape (n_rows, *sample_shape)
            A copy of some samples, of the network's dtype.
        """
        indices = np.sort(self.indices)  # on a disk, neighbours are read together
        for rows in gen_batches(len(self), max(1, CHUNK_BYTES // self.row_bytes)):
            yield self.take(indices[rows])


class RowEpoch:
    """One pass over samples of an array, in some order.

    Parameters
    ----------
    source : RowSource
        What they are taken from.
    order : ndarray of int
        Which rows of X.
    """

    def __init__(self, source, order):
        self.source = source
        self.order = order

    def __len__(self):
        return len(self.order)

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
            A copy of samples.
        n_rows : int
            How many of them there are, beside zeros.
        """
        for part in gen_batches(len(self.order), size):
            indices = self.order[part]
            yield self.source.take(indices, size if pad else None), len(indices)


@dataclass(frozen=True)
class FitData:
    """What one fit learns from, and what judges it.

    Parameters
    ----------
    train : RowSource
        What everything is learned from, or a sample of it if there is a stream.
    val : RowSource or None
        What chooses the best epoch, and whether the start was better.
    calibration : RowSource or None
        What an outlier detector chooses its threshold by. It is `learnable` itself
        where other networks, which have not learned from them, score the samples.
    learnable : RowSource
        `train`, and the part of X that was held out for validation.
    outliers : ndarray of shape (n_outliers, n_features) or None
        Samples that are labelled as outliers, which are in none of the others.
    is_normal : ndarray of shape (n_samples,), of bool, or None
        Which of the samples of the others are labelled as normal.
    stream : SampleStream, default=None
        What epochs train on, where that does not fit into memory.
    """

    train: RowSource
    val: RowSource | None
    calibration: RowSource | None
    learnable: RowSource
    outliers: np.ndarray | None = None
    is_normal: np.ndarray | None = None
    stream: SampleStream | None = None

    @property
    def trained_on(self):
        """What epochs train on."""
        return self.train if self.stream is None else self.stream

    @property
    def summary(self):
        """What is known of all samples."""
        return self.trained_on.summary

    @property
    def val_is_given(self):
        """Whether the validation samples are the user's own, and not a share of X."""
        return self.val is not None and self.learnable is self.train

    @property
    def calibrates_by_folds(self):
        """Whether all samples are learned from, and calibrate too."""
        return self.calibration is self.learnable

    @property
    def handles_missing(self):
        """Whether the network is to learn from samples with missing cells."""
        return self.train.hidden is not None
