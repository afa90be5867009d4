"""Samples that come block by block, since all of them may not fit into memory."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from .._missing import refuse_masked
from .._sampling import smallest
from ._frames import (
    column_names,
    concatenate,
    from_arrow,
    is_arrow_table,
    is_frame,
    library_of,
)

# Rows of a Parquet file that are decoded at a time.
BATCH_ROWS = 2**14
# Rows in excess of those that are kept, as a share of them, before some are dropped.
EXCESS = 0.25
# What to do where samples come block by block, but a method of an estimator takes none.
USE_FIT = (
    "fit reads it block by block, and methods with one result for each sample, such as "
    "transform and score_samples, take Dask collections. Pass a part of X, or call "
    "partial_fit for each part."
)


def is_lazy(X):
    """Check for a Dask collection."""
    return hasattr(X, "__dask_graph__")


def check_lazy_samples(X):
    """Refuse Dask collections that are neither arrays of samples nor DataFrames.

    Parameters
    ----------
    X : Dask collection
        Whatever a method was given.

    Raises
    ------
    TypeError
        If it is a Series, a Bag, a Delayed or the like.
    """
    # Attributes of the class: a Delayed has all that it is asked for.
    kind = type(X)
    is_array = hasattr(kind, "rechunk") and X.ndim
    is_table = hasattr(kind, "map_partitions") and getattr(X, "ndim", None) == 2
    if not (is_array or is_table):
        raise TypeError(
            f"X is a {kind.__name__} of {kind.__module__.split('.')[0]}, which does "
            "not hold samples as rows. Pass a Dask DataFrame, or a Dask array of shape "
            "(n_samples, n_features)."
        )


def _is_of_pyarrow(X):
    return type(X).__module__.split(".")[0] == "pyarrow"


def is_dataset(X):
    """Check for a data set of pyarrow."""
    return _is_of_pyarrow(X) and hasattr(X, "get_fragments")


def _holds_tables(X):
    return is_frame(X[0]) or is_arrow_table(X[0])


def _is_arrow_reader(X):
    """Check for what reads tables of pyarrow, but is no data set."""
    is_known = is_dataset(X) or is_arrow_table(X) or hasattr(X, "__array__")
    return _is_of_pyarrow(X) and not is_known


def _refuse_unread(X, name):
    """Refuse what leads to samples, such as a path, but does not hold them."""
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    what = f"a {type(X).__name__}"
    cure = (
        "Read it, for example by pandas.read_parquet, or pass "
        "pyarrow.dataset.dataset(path), which fit reads block by block."
    )
    if isinstance(X, (str, bytes)) or isinstance(first, os.PathLike):
        path = repr(os.fspath(first))[:200]
        what = path if first is X else f"{what} of paths such as {path}"
    elif isinstance(X, Mapping) and not hasattr(X, "shape"):  # as sparse arrays have
        cure = f"Pass one of its values, or pandas.DataFrame({name})."
    elif hasattr(type(X), "lazy") and hasattr(type(X), "collect"):  # of Polars
        cure = f"Pass {name}.collect()."
    elif not _is_arrow_reader(X):
        return
    raise TypeError(f"{name} must be an array or a DataFrame, got {what}. {cure}")


def as_blocks(X, name="X"):
    """Return what reads samples block by block; None if X is something else.

    Parameters
    ----------
    X : object
        A Dask array or DataFrame, a `pyarrow.dataset.Dataset`, a list of DataFrames or
        tables of pyarrow, or an iterable of arrays or DataFrames that can be read
        several times.
    name : str, default="X"
        What it is called in the error message.

    Returns
    -------
    Blocks or None
        None for arrays, DataFrames, lists of arrays, which are images, and whatever is
        not samples at all.

    Raises
    ------
    TypeError
        If X can be read once only, or is a path or the like.
    """
    if isinstance(X, Blocks):
        return X
    _refuse_unread(X, name)
    if is_lazy(X):
        check_lazy_samples(X)
        return _DaskPartitions(X) if hasattr(X, "columns") else _DaskBlocks(X)
    if is_dataset(X):
        return _blocks_of_dataset(X)
    if isinstance(X, (list, tuple)):
        return _Sequence(X) if X and _holds_tables(X) else None
    return _blocks_of_iterable(X, name)


def _blocks_of_dataset(X):
    try:
        fragments = list(X.get_fragments())
    except ValueError:  # filtered
        return _Iterated(_Batches(X))
    return _RowGroups(X, fragments)


def _blocks_of_iterable(X, name):
    is_sequence = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    protocols = ("__array__", "__array_interface__", "__dataframe__", "shape", "dtype")
    is_iterable = is_sequence or hasattr(X, "__iter__")
    is_one_array = isinstance(X, Set) or any(hasattr(X, name) for name in protocols)
    if not is_iterable or is_one_array:
        return None
    if is_sequence:
        blocks = _Sequence(X)
        return blocks if blocks.are_samples() else None
    # Some objects keep one iterator, and return it each time.
    if iter(X) is iter(X):
        raise TypeError(
            f"{name} is a one-shot iterator ({type(X).__name__}), but fit needs "
            "several passes over the blocks of samples. Pass an iterable that can be "
            "iterated repeatedly, a Dask collection or a pyarrow.dataset.Dataset."
        )
    return _Iterated(X)  # NumPy takes no rows from it


def check_in_memory(X, name="X", cure=""):
    """Refuse samples that come block by block.

    Parameters
    ----------
    X : object
        Whatever a method was given.
    name : str, default="X"
        What it is called in the error message.
    cure : str, default=""
        Sentences that the error message ends with.

    Raises
    ------
    TypeError
        If `fit` would read it block by block.
    """
    if not is_lazy(X) and as_blocks(X, name) is None:
        return
    kind = type(X)
    what = f"{kind.__name__} of {kind.__module__.split('.')[0]}"
    if isinstance(X, (list, tuple)):
        what = f"{kind.__name__} of {type(X[0]).__name__}s"
    raise TypeError(
        f"{name} has to be in memory, but is of type {what}. {cure}".rstrip()
    )


class Blocks(ABC):
    """Blocks of samples, which can be read again.

    Attributes
    ----------
    n_blocks : int or None
        Number of blocks, which can be read in any order. None for unknown, where they
        come in one order only.
    """

    n_blocks = None

    @abstractmethod
    def _parts(self, order):
        """Yield numbers of blocks, in some order, and rows of each."""

    def read(self, order=None):
        """Read all blocks, the next one while the last is in use.

        Parameters
        ----------
        order : sequence of int, default=None
            Numbers of the blocks, if they are to come in another order.

        Yields
        ------
        i : int
            Number of a block. It may come several times, with rows in their order.
        rows : ndarray or DataFrame
            Some rows of it.
        """
        parts = self._parts(range(self.n_blocks or 0) if order is None else order)
        parts = ((i, from_arrow(rows)) for i, rows in parts)
        first = None
        for i, rows in read_ahead(parts):
            rows = _check_rows(rows, i)
            if not len(rows):
                continue
            first = rows[:0] if first is None else first
            _check_columns(rows, first, i)
            yield i, rows


class TransformedBlocks(Blocks):
    """Blocks, each of which goes through a function when it is read.

    Parameters
    ----------
    blocks : Blocks
        What is read.
    function : callable
        From rows, as an array or a DataFrame, to rows.
    """

    def __init__(self, blocks, function):
        self.blocks = blocks
        self.function = function
        self.n_blocks = blocks.n_blocks

    def _parts(self, order):
        for i, rows in self.blocks._parts(order):
            rows = _check_rows(from_arrow(rows), i)
            yield i, self.function(rows) if len(rows) else rows


class _DaskBlocks(Blocks):
    """Blocks of a Dask array along its first axis."""

    def __init__(self, X):
        self.X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
        self.n_blocks = self.X.numblocks[0]

    def _parts(self, order):
        for i in order:
            yield i, self.X.blocks[int(i)].compute()


class _DaskPartitions(Blocks):
    """Partitions of a Dask DataFrame."""

    def __init__(self, X):
        self.X = X
        self.n_blocks = X.npartitions

    def _parts(self, order):
        for i in order:
            yield i, self.X.partitions[int(i)].compute()


class _RowGroups(Blocks):
    """Row groups of the Parquet files of a data set, or its files of other formats."""

    def __init__(self, dataset, fragments):
        self.schema = dataset.schema
        self.fragments = [
            part
            for fragment in fragments
            for part in getattr(
                fragment, "split_by_row_group", lambda f=fragment: [f]
            )()
        ]
        self.n_blocks = len(self.fragments)

    def _parts(self, order):
        options = {"batch_size": BATCH_ROWS, "batch_readahead": 2}
        for i in order:
            fragment = self.fragments[i]
            batches = fragment.to_batches(schema=self.schema, **options)
            for batch in batches:
                yield i, batch


class _Batches:
    """An iterable of the batches of a data set that is filtered."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return self.dataset.to_batches(batch_size=BATCH_ROWS, batch_readahead=2)


class _Iterated(Blocks):
    """Blocks of an iterable, which come in its own order."""

    def __init__(self, X):
        self.X = X

    def are_samples(self):
        """Check that the first block has two dimensions, as an array of samples has."""
        for _, first in self._parts([0]):
            # Features and targets are refused later, with an error of their own.
            return isinstance(first, tuple) or is_frame(first) or np.ndim(first) > 1
        return False

    def _parts(self, order):
        yield from enumerate(self.X)


class _Sequence(_Iterated):
    """Blocks of a sequence."""

    def __init__(self, X):
        super().__init__(X)
        self.n_blocks = len(X)

    def are_samples(self):
        return self.n_blocks > 0 and super().are_samples()

    def _parts(self, order):
        for i in order:
            yield i, self.X[int(i)]


def _check_rows(rows, i):
    """Return rows of a block as an array or a DataFrame."""
    if isinstance(rows, tuple):
        raise TypeError(
            f"Block {i} of X is a tuple of {len(rows)}, such as samples and targets. "
            "Pass blocks of samples alone."
        )
    if issparse(rows):
        raise TypeError(f"Block {i} of X is sparse. Pass dense blocks.")
    if is_frame(rows):
        return rows
    refuse_masked(rows, f"Block {i} of X")
    rows = np.asarray(rows)
    if rows.ndim < 2:
        raise ValueError(
            f"Block {i} of X has the shape {rows.shape}, but blocks hold samples as "
            "rows, of shape (n_samples, n_features)."
        )
    return rows


def _check_columns(rows, first, i):
    """Refuse rows of a block that do not have the columns of those before it."""
    if rows.shape[1:] != first.shape[1:]:
        raise ValueError(
            f"Block {i} of X holds samples of shape {rows.shape[1:]}, but "
            f"blocks before it hold samples of shape {first.shape[1:]}."
        )
    libraries = library_of(rows), library_of(first)
    if libraries[0] != libraries[1]:
        found, expected = (
            "an array" if library is None else f"a DataFrame of {library}"
            for library in libraries
        )
        raise ValueError(
            f"Block {i} of X is {found}, but blocks before it are {expected}."
        )
    names, expected = column_names(rows), column_names(first)
    if names != expected:
        raise ValueError(
            f"Block {i} of X has the columns {names}, but blocks before it have "
            f"{expected}. All blocks need the same columns in the same order."
        )


def read_ahead(iterable):
    """Yield from an iterable, which computes the next element in a thread meanwhile.

    Parameters
    ----------
    iterable : iterable
        Used by one thread at a time.

    Yields
    ------
    object
        Its elements.
    """
    iterator, end = iter(iterable), object()
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, iterator, end)
        while (element := coming.result()) is not end:
            coming = reader.submit(next, iterator, end)
            yield element


@dataclass(frozen=True)
class DrawnRows:
    """Rows drawn at random from blocks, each as probable as any other.

    Parameters
    ----------
    rows : ndarray or DataFrame
        In the order in which they were read.
    indices : ndarray of int
        Which of all rows they are.
    sizes : ndarray of int
        Number of rows of each block.
    """

    rows: Any
    indices: np.ndarray
    sizes: np.ndarray

    @property
    def are_all(self):
        """Whether no row was left out."""
        return len(self.indices) == self.sizes.sum()


def draw_rows(blocks, n_rows, random_state):
    """Draw rows at random, in one pass over the blocks.

    Each row has a random number, and those with the smallest numbers stay.

    Parameters
    ----------
    blocks : Blocks
        Where they come from.
    n_rows : int
        Maximum number of rows.
    random_state : int
        Determines which ones.

    Returns
    -------
    DrawnRows
        All rows, if they are no more than `n_rows`.

    Raises
    ------
    ValueError
        If there are no rows at all.
    """
    rng = np.random.RandomState(random_state)
    sizes = []
    kept, n_kept, limit, offset = [], 0, np.inf, 0
    for i, rows in blocks.read():
        sizes += [0] * (i + 1 - len(sizes))
        numbers = rng.random_sample(len(rows))
        chosen = np.flatnonzero(numbers < limit)
        kept.append((_safe_indexing(rows, chosen), offset + chosen, numbers[chosen]))
        sizes[i] += len(rows)
        offset += len(rows)
        n_kept += len(chosen)
        if n_kept > (1 + EXCESS) * n_rows:
            limit, n_kept = _drop_largest(kept, n_rows), n_rows
    if not offset:
        raise ValueError("X has no samples: all blocks are empty.")
    if n_kept > n_rows:
        _drop_largest(kept, n_rows)
    rows, indices, _ = zip(*kept, strict=True)
    return DrawnRows(concatenate(rows), np.concatenate(indices), np.array(sizes))


def _drop_largest(kept, n_rows):
    """Keep the rows with the smallest numbers, part by part; return their limit."""
    numbers = np.concatenate([part[-1] for part in kept])
    _, limit = smallest(numbers, n_rows)
    for i, (rows, indices, numbers) in enumerate(kept):
        chosen = np.flatnonzero(numbers < limit)
        kept[i] = _safe_indexing(rows, chosen), indices[chosen], numbers[chosen]
    return limit
