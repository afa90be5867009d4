"""Samples that have gone through other hands, in the form of what a user passed."""

import numpy as np

from ._frames import (
    column_kind,
    describe_dtypes,
    from_arrow,
    index_of,
    is_frame,
    is_missing,
    library_of,
    make_frame,
    numeric_columns,
)


def samples_like(samples, X):
    """Give samples library, columns, index and dtypes of X.

    Parameters
    ----------
    samples : ndarray or DataFrame
        As many samples, or rows of a table, as X has, in its units.
    X : array-like or DataFrame
        What a user passed.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        Columns of X that hold numbers have its dtypes, values of integers being
        rounded.
    """
    X = from_arrow(X)
    if not is_frame(X):
        is_numeric = not is_frame(samples) or numeric_columns(samples).all()
        return np.asarray(samples) if is_numeric else samples
    library = library_of(X)
    if library_of(samples) == library:
        if library == "pandas" and not samples.index.equals(X.index):
            return samples.set_axis(X.index)
        return samples
    if np.shape(samples)[1:] != np.shape(X)[1:]:
        return samples
    columns = [np.asarray(column) for column in _columns(samples)]
    number = {"name": "float64" if library == "pandas" else "Float64"}
    dtypes = [
        dtype if is_numeric else number
        for dtype, is_numeric in zip(
            describe_dtypes(X), numeric_columns(X), strict=True
        )
    ]
    return make_frame(library, list(X.columns), dtypes, columns, index_of(X))


def keep_observed(X, filled):
    """Take the observed cells of X, and the others of a table without missing cells.

    Parameters
    ----------
    X : array-like or DataFrame
        Samples with missing cells.
    filled : ndarray or DataFrame of the shape of X
        What replaces missing cells.

    Returns
    -------
    ndarray or DataFrame
        Of the kind of X. Observed cells are exactly those of X.
    """
    X = from_arrow(X)
    if not is_frame(X):
        X = np.asarray(X)
        if X.dtype.kind not in "fO":
            return np.asarray(filled)
        missing = np.isnan(X) if X.dtype.kind == "f" else _missing_objects(X)
        values = np.asarray(filled)
        values = values.reshape(X.shape)
        return np.where(missing, values, X)
    keep = _keep_in_pandas if library_of(X) == "pandas" else _keep_in_polars
    return keep(X, filled)


def missing_cells(X):
    """Return which cells of X are missing.

    Parameters
    ----------
    X : ndarray or DataFrame
        Samples.

    Returns
    -------
    ndarray of bool of shape (n_samples, n_features)
        True for NaN, None and what DataFrames have for them.
    """
    if library_of(X) == "pandas":
        return X.isna().to_numpy()
    if library_of(X) == "polars":
        columns = [_is_missing_in_polars(column).to_numpy() for column in X]
        return np.stack(columns, axis=1)
    return np.isnan(X)


def _missing_objects(X):
    flags = [is_missing(value) for value in X.ravel()]
    return np.array(flags, bool).reshape(X.shape)


def _columns(samples):
    if library_of(samples) == "pandas":
        return [samples.iloc[:, i].to_numpy() for i in range(samples.shape[1])]
    if is_frame(samples):
        return [column.to_numpy() for column in samples]
    return list(np.asarray(samples).T)


def _keep_in_pandas(X, filled):
    result = X.copy(deep=False)
    for i in range(X.shape[1]):
        column, values = X.iloc[:, i], filled.iloc[:, i]
        missing = column.isna()
        if not missing.any():
            continue
        if missing.all() and column_kind(X, i) == "empty":
            column = values
        elif hasattr(column, "cat"):
            new = set(values.dropna()) - set(column.cat.categories)
            column = column.cat.add_categories(sorted(new))
            column = column.where(~missing, values.astype(column.dtype))
        else:
            column = column.where(~missing, values.astype(column.dtype))
        result.isetitem(i, column)
    return result


def _keep_in_polars(X, filled):
    columns = []
    for column, values in zip(X, filled, strict=True):
        missing = _is_missing_in_polars(column)
        if not missing.any():
            continue
        if missing.all() and str(column.dtype) == "Null":
            columns.append(values)
        else:
            columns.append(column.zip_with(~missing, values.cast(column.dtype)))
    return X.with_columns(columns)


def _is_missing_in_polars(column):
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(False)
    return missing
