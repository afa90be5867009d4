"""Estimators applied to Dask collections, block by block."""

import functools
import inspect
import warnings
from contextlib import nullcontext, suppress

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context, get_config
from sklearn.exceptions import NotFittedError

from ._formats import check_lazy_samples, is_lazy
from ._formats._frames import is_frame, library_of
from ._threads import is_main_thread, one_thread_each

__all__ = ["map_blocks"]

# Methods whose columns are those that the estimator was fitted on.
_TO_SAMPLES = ("inverse_transform", "impute", "reconstruct", "decode")


def takes_lazy(method):
    """Make a method of an estimator return a Dask collection for one.

    Parameters
    ----------
    method : function
        The method, of the estimator and samples.

    Returns
    -------
    function
        The method: any other samples are passed on.
    """

    @functools.wraps(method)
    def block_by_block(self, *args, **kwargs):
        for X in (*args, *kwargs.values()):
            if is_lazy(X):
                return map_blocks(getattr(self, method.__name__), X)
        return method(self, *args, **kwargs)

    return block_by_block


def map_blocks(method, X):
    """Apply a method of a fitted estimator to a Dask collection, block by block.

    Nothing is computed before the result is; only where a step refuses values that are
    made up to find dtypes and columns, such as categories that it does not know, the
    first block is computed for them. The estimator is one node of the graph, so
    that each worker is given it once. Estimators of skae do the same where they are
    given a Dask collection; for others, and for a Pipeline, use this function.

    Parameters
    ----------
    method : bound method
        A method of a fitted estimator that computes one result for each sample from
        the sample alone, such as ``pipeline.predict`` or ``pipeline.transform``.
    X : dask.array.Array or dask.dataframe.DataFrame
        Samples. Arrays are rechunked, if they are not in one block along all axes but
        the first.

    Returns
    -------
    dask.array.Array, dask.dataframe.DataFrame or dask.dataframe.Series
        Of an array, an array, unless the method returns DataFrames (``set_output``),
        which are those of pandas, as Dask has no others. Of a DataFrame, one with the
        index of X, or a Series where there is one value for each sample. Dtypes,
        columns and, of arrays, chunks are known.

    Raises
    ------
    TypeError
        If `method` is no method of an object, or does not return one array or
        DataFrame with a row for each sample, or if X is no Dask collection.
    ImportError
        If Dask 2025.9 or newer is not installed: ``pip install "skae[dask]"``.

    See Also
    --------
    AutoencoderOutlierDetector : Has methods that take Dask collections.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.parallel import map_blocks
    >>> X = load_digits().data
    >>> pca = PCA(2).fit(X)
    >>> codes = map_blocks(pca.transform, da.from_array(X, chunks=(500, -1)))
    >>> codes.shape, codes.chunks[0]
    ((1797, 2), (500, 500, 500, 297))
    """
    if not inspect.ismethod(method):
        raise TypeError(
            f"map_blocks takes a method of a fitted estimator, such as "
            f"pipeline.predict, but got {method!r}."
        )
    if not is_lazy(X):
        raise TypeError(
            f"map_blocks takes a Dask array or DataFrame, but got a "
            f"{type(X).__name__}. Call the method itself on it."
        )
    try:
        import dask
    except ImportError as error:
        raise ImportError(
            'Dask is needed for its collections: pip install "skae[dask]".'
        ) from error
    if tuple(map(int, dask.__version__.split(".")[:2])) < (2025, 9):
        # Dask does not compute arguments of map_partitions there.
        raise ImportError(
            "Dask 2025.9 or newer is needed for its collections, but this is "
            f'{dask.__version__}: pip install --upgrade "skae[dask]".'
        )
    check_lazy_samples(X)
    call = _Call(method.__self__, method.__name__)
    # A key that is new each time: an estimator may be changed in place.
    delayed = dask.delayed(call, pure=False)
    is_table = hasattr(X, "map_partitions") and hasattr(X, "columns")
    return (_map_frame if is_table else _map_array)(call, delayed, X)


class _Call:
    """A method of an estimator, which is applied to one block.

    Parameters
    ----------
    estimator : fitted estimator
        What is called.
    method : str
        Name of the method.
    """

    def __init__(self, estimator, method):
        self.estimator = estimator
        self.method = method
        # scikit-learn's configuration is one of a thread, and workers are others.
        self.config = get_config()

    def on_array(self, block):
        """Return the result for an array, or whatever a block is."""
        # Dask's threads share the cores; the main thread has them all.
        limits = nullcontext() if is_main_thread() else one_thread_each()
        with config_context(**self.config), limits:
            result = getattr(self.estimator, self.method)(block)
        if getattr(result, "shape", ())[:1] != (len(block),):
            raise TypeError(
                f"map_blocks takes methods that return one array or DataFrame with a "
                f"row for each sample, but {self.method} of "
                f"{type(self.estimator).__name__} returned a {type(result).__name__} "
                f"for {len(block)} samples."
            )
        return result.to_pandas() if library_of(result) == "polars" else result

    def on_frame(self, block):
        """Return the result for a DataFrame of pandas, as one or as a Series."""
        import pandas as pd

        result = self.on_array(block)
        if issparse(result):
            raise TypeError(
                f"{self.method} of {type(self.estimator).__name__} returns sparse "
                "matrices, which Dask DataFrames cannot hold. Set sparse_output=False, "
                "or whatever makes its results dense."
            )
        if is_frame(result):
            return result.set_axis(block.index)
        if result.ndim == 1:
            return pd.Series(result, index=block.index)
        names = self._names(block, result.shape[1])
        return pd.DataFrame(result, index=block.index, columns=names)

    def _names(self, block, n_columns):
        names = None
        if self.method in _TO_SAMPLES:
            names = getattr(self.estimator, "feature_names_in_", None)
        elif hasattr(self.estimator, "get_feature_names_out"):
            # A Pipeline has it, whether its steps have it or not.
            with suppress(AttributeError):
                names = self.estimator.get_feature_names_out()
        if names is None or len(names) != n_columns:
            names = [f"x{i}" for i in range(n_columns)]
        return list(names)


def _map_frame(call, delayed, X):
    from dask.dataframe.utils import make_meta, meta_nonempty

    made_up = meta_nonempty(make_meta(X))
    meta = _empty_result(call.on_frame, made_up, lambda: X.head(2, npartitions=-1))
    on_block = functools.partial(_on_block, method="on_frame", empty=meta)
    return X.map_partitions(on_block, delayed, meta=meta, enforce_metadata=False)


def _map_array(call, delayed, X):
    import dask.array as da

    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    made_up = np.zeros((2, *X.shape[1:]), X.dtype)
    meta = _empty_result(call.on_array, made_up, lambda: _first_rows(X))
    on_block = functools.partial(_on_block, method="on_array", empty=meta)
    if is_frame(meta):
        return _frame_of_array(on_block, delayed, X, meta)
    axes = {X.ndim + i: size for i, size in enumerate(meta.shape[1:])}
    return da.blockwise(
        on_block,
        (0, *axes),
        X,
        tuple(range(X.ndim)),
        delayed,
        None,
        new_axes=axes,
        concatenate=True,
        meta=meta,
        name=f"{call.method}-{da.core.tokenize(X.name, delayed.key)}",
    )


def _on_block(block, call, method, empty):
    """Return the result for a block; an empty one is not validated."""
    return getattr(call, method)(block) if len(block) else empty


def _first_rows(X):
    """Compute the first block of an array that has rows; return some of them."""
    for block in X.blocks:
        rows = block.compute()
        if len(rows):
            break
    return rows[:2]


def _frame_of_array(on_block, delayed, X, meta):
    import dask
    import dask.dataframe as dd

    one_block = dask.delayed(on_block)
    parts = [one_block(block, delayed) for block in X.to_delayed().ravel()]
    return dd.from_delayed(parts, meta=meta, verify_meta=False)


def _empty_result(function, made_up, first_rows):
    """Return the result for no samples, with its dtypes and columns.

    It is that of samples that were made up, unless a step refuses their values.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(made_up)[:0]
        except NotFittedError:
            raise
        except ValueError as error:
            rows = first_rows()
            if not len(rows):
                raise error
            return function(rows)[:0]
