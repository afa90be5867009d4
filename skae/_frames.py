"""DataFrames of pandas and Polars, as they came in and with other values."""

import numpy as np


def frame_like(X, values, columns):
    """Make a DataFrame of values if X is one.

    Parameters
    ----------
    X : array-like
        The samples that a user passed.
    values : ndarray of shape (n_samples, n_columns)
        What was computed from them.
    columns : list of str
        Names of the columns.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        The values: in pandas with the index of X.
    """
    if _is_pandas(X):
        import pandas as pd

        return pd.DataFrame(values, columns=columns, index=X.index)
    if _is_polars(X):
        import polars as pl

        return pl.DataFrame(values, schema=list(columns), orient="row")
    return values


def replace_columns(X, values, changed):
    """Replace some columns of X, and leave the others as they are.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        The samples that a user passed.
    values : ndarray of the shape of X
        All values.
    changed : ndarray of bool of shape (n_columns,)
        Which columns have new values. They get the dtype of `values`.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        A new one. Of anything but a DataFrame, `values`.
    """
    indices = np.flatnonzero(changed)
    if _is_pandas(X):
        X = X.copy()
        for i in indices:
            X.isetitem(i, values[:, i])
        return X
    if _is_polars(X):
        import polars as pl

        return X.with_columns([pl.Series(X.columns[i], values[:, i]) for i in indices])
    return values


def is_frame(X):
    """Check for a DataFrame of pandas or Polars."""
    return _is_pandas(X) or _is_polars(X)


def column_dtypes(X):
    """Return the dtypes of the columns of a DataFrame; None for anything else."""
    return list(X.dtypes) if is_frame(X) else None


def numeric_columns(X):
    """Return which columns have a dtype of numbers, and not of booleans.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        A table.

    Returns
    -------
    ndarray of bool of shape (n_columns,)
        All of them for anything but a DataFrame.
    """
    if _is_pandas(X):
        from pandas.api import types

        are = [
            types.is_numeric_dtype(d) and not types.is_bool_dtype(d) for d in X.dtypes
        ]
    elif _is_polars(X):
        are = [dtype.is_numeric() for dtype in X.dtypes]
    else:
        return np.ones(X.shape[1], bool)
    return np.array(are, bool)


def take_columns(X, chosen):
    """Return a DataFrame with some of the columns, by their places."""
    if _is_pandas(X):
        return X.iloc[:, np.flatnonzero(chosen)]
    return X[:, np.flatnonzero(chosen).tolist()]


def cast_like(X, dtypes, columns):
    """Give columns of numbers the dtypes that they had; round where those are integers.

    Columns of integers that have missing values stay as they are.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        A table.
    dtypes : list of dtype, or None
        Those of the columns; None to leave all as they are.
    columns : ndarray of bool of shape (n_columns,)
        Which columns.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        A new DataFrame, or X itself.
    """
    if dtypes is None or not is_frame(X):
        return X
    for i in np.flatnonzero(columns):
        if _is_pandas(X):
            X = _cast_pandas(X, i, dtypes[i])
        else:
            X = _cast_polars(X, i, dtypes[i])
    return X


def _cast_pandas(X, i, dtype):
    column = X.iloc[:, i]
    if getattr(dtype, "kind", "f") in "iu":
        extension = not isinstance(dtype, np.dtype)
        if column.isna().any() and not extension:
            return X
        column = column.round()
    X = X.copy(deep=False)
    X.isetitem(i, column.astype(dtype))
    return X


def _cast_polars(X, i, dtype):
    column = X[:, int(i)]
    if dtype.is_integer():
        column = column.round(0).fill_nan(None)
    return X.with_columns(column.cast(dtype))


def _is_pandas(X):
    return hasattr(X, "iloc")


def _is_polars(X):
    return type(X).__module__.startswith("polars.")
