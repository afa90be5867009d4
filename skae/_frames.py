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


def _is_pandas(X):
    return hasattr(X, "iloc")


def _is_polars(X):
    return type(X).__module__.startswith("polars.")
