"""DataFrames of pandas and Polars, as they came in and with other values."""

import re
import warnings
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from numbers import Real

import numpy as np

# What the categories of a column can be.
_CATEGORY_TYPES = {"booleans": (bool, np.bool_), "strings": str, "numbers": Real}

# What a column may hold that is taken for nothing, by the names that pandas, Polars,
# Arrow and Python have for it, and the cure.
_CURES = {
    "bytes": (
        "binary|bytes|bytearray",
        "Decode them to strings if they are categories; drop the column otherwise.",
    ),
    "lists or arrays": (
        "list|array|ndarray|tuple|set|frozenset|series",
        "Give each element a column of its own, or drop the column.",
    ),
    "records": (
        "struct|map|dict",
        "Give each field a column of its own, for example by pandas.json_normalize or "
        "DataFrame.unnest of Polars.",
    ),
    "durations": (
        "duration|timedelta|interval_month",
        "Convert them to numbers, for example by dt.total_seconds().",
    ),
    "times of day": (r"time(32|64)?\b", "Convert them to numbers, such as hours."),
    "dates or times": (
        "date|timestamp|period",
        "Convert dates and times to numbers, such as days since a date, and to "
        "categories, such as the day of the week.",
    ),
    "intervals": (
        "interval",
        "Convert them to numbers, such as their middles, or by astype(str) to "
        "categories.",
    ),
    "complex numbers": (
        "complex",
        "Give real and imaginary parts a column each.",
    ),
    "decimals as categories": ("decimal", "Convert them by astype(str)."),
}


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


@contextmanager
def texts_explained(X, cure):
    """Add a cure to the error of texts where numbers are expected, as in an array."""
    try:
        yield
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        if is_frame(X):
            raise ValueError(
                f"X holds texts ({error}), but has to hold numbers. Name columns of "
                'categories by categorical_features, or set it to "from_dtype" when '
                "you fit."
            ) from error
        raise ValueError(
            f"X is an array that holds texts ({error}). Pass the DataFrame{cure}."
        ) from error


def from_arrow(X):
    """Return a table of pyarrow as one of pandas, and anything else as it is."""
    return X.to_pandas() if is_arrow_table(X) else X


def is_arrow_table(X):
    """Check for a table of pyarrow, or a batch of it."""
    is_known = type(X).__module__.split(".")[0] == "pyarrow"
    return is_known and hasattr(X, "to_pandas") and hasattr(X, "num_columns")


def is_frame(X):
    """Check for a DataFrame of pandas or Polars."""
    return _is_pandas(X) or _is_polars(X)


def column_dtypes(X):
    """Return the dtypes of the columns of a DataFrame; None for anything else."""
    return list(X.dtypes) if is_frame(X) else None


def numeric_columns(X):
    """Return which columns hold numbers, and not booleans.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        A table.

    Returns
    -------
    ndarray of bool of shape (n_columns,)
        All of them for anything but a DataFrame.
    """
    n_columns = X.shape[1]
    if not is_frame(X):
        return np.ones(n_columns, bool)
    return np.array([column_kind(X, i) == "numbers" for i in range(n_columns)], bool)


def column_names(X):
    """Return the names of the columns of a DataFrame; None for anything else."""
    return list(X.columns) if is_frame(X) else None


def library_of(X):
    """Return "pandas" or "polars" for a DataFrame; None for anything else."""
    return ("pandas" if _is_pandas(X) else "polars") if is_frame(X) else None


def index_of(X):
    """Return the index of a DataFrame of pandas; None for anything else."""
    return X.index if _is_pandas(X) else None


def column_name(X, i):
    """Return how a message names a column."""
    return repr(X.columns[int(i)]) if is_frame(X) else str(i)


def column_kind(X, i):
    """Return what a column of a DataFrame holds.

    Parameters
    ----------
    X : pandas.DataFrame or polars.DataFrame
        A table.
    i : int
        Place of the column.

    Returns
    -------
    {"numbers", "booleans", "categories", "empty", "others"}
        By the dtype; Python objects by their types. "categories" are texts too, and
        "empty" is a column without values whose dtype tells nothing.
    """
    if _is_pandas(X):
        return _pandas_kind(X.iloc[:, i])
    import polars as pl

    dtype = X.dtypes[i]
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "categories"
    if dtype == pl.Boolean:
        return "booleans"
    if dtype == pl.Null:
        return "empty"
    return "numbers" if dtype.is_numeric() else "others"


def _pandas_kind(column):
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "categories"
    if pd.api.types.is_bool_dtype(dtype):
        return "booleans"
    if pd.api.types.is_numeric_dtype(dtype):
        return "others" if pd.api.types.is_complex_dtype(dtype) else "numbers"
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is not None:
        return _arrow_kind(arrow)
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "mixed":  # lists, or texts among numbers
        values = column[column.notna().to_numpy()].to_list()
        return "categories" if any(map(_is_category, values)) else "others"
    kinds = {
        "numbers": ("integer", "floating", "mixed-integer-float", "decimal"),
        "booleans": ("boolean",),
        "categories": ("string", "mixed-integer"),
        "empty": ("empty",),
    }
    return next((kind for kind, names in kinds.items() if inferred in names), "others")


def _arrow_kind(arrow):
    """Return the kind of a column by the dtype of Arrow."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow):
        kind = _arrow_kind(arrow.value_type)
        return kind if kind in ("empty", "others") else "categories"
    if pa.types.is_null(arrow):
        return "empty"
    if pa.types.is_boolean(arrow):
        return "booleans"
    texts = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view
    if any(is_text(arrow) for is_text in texts):
        return "categories"
    numbers = pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal
    return "numbers" if any(is_number(arrow) for is_number in numbers) else "others"


def _is_category(value):
    return _kind(type(value)) is not None


def _refuse_column(X, i, what=""):
    """Raise the error of a column that holds neither numbers nor categories.

    `what` names what it holds, if the dtype does not.
    """
    dtype = _dtype_of(X, i)
    arrow = getattr(dtype, "pyarrow_dtype", dtype)
    if str(arrow).startswith("dictionary"):
        arrow = arrow.value_type
    found = what or str(arrow)
    found = found.lower().removeprefix("large_").removeprefix("fixed_size_")
    types = f" of {what}" if what else ""
    held, cure = "", "Convert it to one of them, or drop it."
    for name, (pattern, of_name) in _CURES.items():
        if re.match(pattern, found):
            held, cure = f" and holds {name}", of_name
            break
    raise ValueError(
        f"Column {column_name(X, i)} of X has dtype {dtype}{types}{held}, but "
        f"columns have to hold numbers, strings, booleans or categories. {cure}"
    )


def _dtype_of(X, i):
    return column_dtypes(X)[i] if is_frame(X) else X.dtype


def _type_within(X, i):
    """Return the name of the type of the first value of a column of Python objects."""
    values = X.iloc[:, i] if _is_pandas(X) else X[:, int(i)]
    names = (type(value).__name__ for value in values.to_list())
    missing = "NoneType", "NAType", "NaTType", "float"
    return next((name for name in names if name not in missing), "")


def holds_categories(X, i):
    """Return whether a column of a DataFrame holds categories or booleans.

    Parameters
    ----------
    X : pandas.DataFrame or polars.DataFrame
        A table.
    i : int
        Place of the column.

    Returns
    -------
    bool
        Whether it does.

    Raises
    ------
    ValueError
        If it holds what are no numbers either, such as dates.
    """
    kind = column_kind(X, i)
    if kind == "others":
        is_object = str(column_dtypes(X)[i]).lower() == "object"
        _refuse_column(X, i, _type_within(X, i) if is_object else "")
    return kind in ("booleans", "categories")


def refuse_dates(X):
    """Refuse dates and times, of which NumPy makes numbers.

    Parameters
    ----------
    X : object
        What a user passed.

    Raises
    ------
    ValueError
        If it is an array of `datetime64` or `timedelta64`, a list with such cells in
        its first sample, or a DataFrame with columns that hold neither numbers nor
        categories.
    """
    if is_frame(X):
        for i, dtype in enumerate(column_dtypes(X)):
            if not _is_of_numbers(dtype):
                holds_categories(X, i)
        return
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    for part in first if isinstance(first, (list, tuple)) else [first]:
        dtype = getattr(part, "dtype", None)
        if getattr(dtype, "kind", None) in ("M", "m"):
            raise ValueError(
                f"X has dtype {dtype}, but has to hold numbers. Convert dates and "
                "times to numbers, such as days since a date."
            )


def _is_of_numbers(dtype):
    """Check a dtype of NumPy, pandas or Polars alone, without values."""
    kind = getattr(dtype, "kind", None)
    return dtype.is_numeric() if kind is None else kind in "biuf"


def for_numpy(X):
    """Convert columns of numbers that NumPy makes no numbers of, or scikit-learn."""
    if _is_polars(X):
        import polars as pl

        names = {"Decimal", "Int128", "UInt128"}
        which = [t.base_type().__name__ in names for t in X.dtypes]
        return X.with_columns(pl.col(np.array(X.columns)[which].tolist()).cast(float))
    if not _is_pandas(X):
        return X
    for i, dtype in enumerate(X.dtypes):
        column = X.iloc[:, i]
        if str(dtype) in ("object", "null[pyarrow]"):
            column = column.astype(object).where(column.notna(), np.nan)
        elif hasattr(dtype, "fill_value"):  # sparse
            column = column.sparse.to_dense()
        else:
            continue
        X = X.copy(deep=False)
        X.isetitem(i, column)
    return X


def category_values(X, i):
    """Read a column of categories.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        A table.
    i : int
        Place of the column.

    Returns
    -------
    values : ndarray of object of shape (n_samples,)
        The categories; NaN for missing ones.
    kind : {"booleans", "strings", "numbers", None}
        What they are; None if all are missing.

    Raises
    ------
    ValueError
        If they are of several kinds, or of another one.
    """
    if _is_pandas(X):
        column = X.iloc[:, i]
        values = column.astype(object).to_numpy(copy=True)
        missing = column.isna().to_numpy()
    else:
        column = X[:, int(i)].to_list() if _is_polars(X) else list(X[:, i])
        values = np.empty(len(column), object)
        values[:] = column
        missing = np.array([is_missing(value) for value in column], bool)
    values[missing] = np.nan
    types = {type(value) for value in values[~missing]}
    kinds = {_kind(type_) for type_ in types}
    if kinds == {None} and not hasattr(_dtype_of(X, i), "categories"):
        _refuse_column(X, i, next(iter(types)).__name__)
    if len(kinds) > 1 or None in kinds:
        found = ", ".join(sorted(type_.__name__ for type_ in types))
        raise ValueError(
            f"Column {column_name(X, i)} of X has categories of type {found}, but they "
            "have to be all strings, all numbers or all booleans. Convert them, for "
            "example by astype(str), or, if texts stand for missing numbers, by "
            'pandas.to_numeric(column, errors="coerce").'
        )
    return values, next(iter(kinds), None)


def is_declared(X, i):
    """Return whether a column has a dtype of categories, such as Enum of Polars."""
    names = ("category", "categorical", "enum", "dictionary")
    return str(_dtype_of(X, i)).lower().startswith(names)


def is_missing(value):
    """Check for None, NaN, and what pandas has for them."""
    return value is None or type(value).__name__ == "NAType" or value != value


def _kind(type_):
    kinds = (k for k, types in _CATEGORY_TYPES.items() if issubclass(type_, types))
    return next(kinds, None)


def split_categories(X):
    """Split a table into numbers and texts.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_columns)
        A table.

    Returns
    -------
    numbers : array-like or ndarray of shape (n_samples, n_columns)
        X itself if it has no categories; NaN in place of categories otherwise.
    texts : ndarray of object of shape (n_samples, n_columns), or None
        Categories as text, and None for numbers and missing cells; None without
        categories.
    """
    if not is_frame(X):
        return X, None
    n_columns = X.shape[1]
    which = [i for i in range(n_columns) if holds_categories(X, i)]
    if not which:
        return X, None
    numbers = np.full((len(X), n_columns), np.nan)
    texts = np.full((len(X), n_columns), None)
    for i in range(n_columns):
        if i in which:
            values, _ = category_values(X, i)
            texts[:, i] = [str(v) if v == v else None for v in values]
        else:
            column = take_columns(X, np.arange(n_columns) == i)
            numbers[:, i] = np.asarray(column, dtype=float)[:, 0]
    return numbers, texts


def describe_dtypes(X):
    """Describe the dtypes of a DataFrame as lists, dicts and strings.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        A table.

    Returns
    -------
    list of dict, or None
        One for each column, as `make_frame` takes them; None for an ndarray.
    """
    if _is_pandas(X):
        return [_describe_pandas(dtype) for dtype in X.dtypes]
    if _is_polars(X):
        return [_describe_polars(dtype) for dtype in X.dtypes]
    return None


def _describe_pandas(dtype):
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if hasattr(dtype, "categories"):
        categories = list(dtype.categories)
        return {"name": "category", "categories": categories, "ordered": dtype.ordered}
    if arrow is not None:
        return _describe_arrow(arrow)
    if str(dtype) == "string":  # or the default storage takes the place of another
        return {"name": f"string[{dtype.storage}]"}
    return {"name": str(dtype)}


def _describe_arrow(arrow):
    """Describe a dtype of Arrow in pandas."""
    if _arrow_kind(arrow) == "empty" or str(arrow).startswith("decimal"):
        return {"name": "float64"}  # what reconstructions are
    if not str(arrow).startswith("dictionary"):
        return {"name": "arrow", "values": str(arrow)}
    values, indices = str(arrow.value_type), str(arrow.index_type)
    return {
        "name": "arrow",
        "values": values,
        "indices": indices,
        "ordered": arrow.ordered,
    }


def _pandas_dtype(described):
    """Make the dtype of pandas that was described."""
    import pandas as pd

    if described["name"] == "category":
        return pd.CategoricalDtype(described["categories"], described["ordered"])
    if described["name"] != "arrow":
        return pd.api.types.pandas_dtype(described["name"])
    import pyarrow as pa

    values = pa.type_for_alias(described["values"])
    if "indices" in described:
        indices = pa.type_for_alias(described["indices"])
        values = pa.dictionary(indices, values, described["ordered"])
    return pd.ArrowDtype(values)


def _describe_polars(dtype):
    name = dtype.base_type().__name__
    # What reconstructions are, and NumPy has.
    name = {"Decimal": "Float64", "Int128": "Int64", "UInt128": "UInt64"}.get(
        name, name
    )
    if name == "Enum":
        return {"name": name, "categories": dtype.categories.to_list()}
    return {"name": name}


def make_frame(library, names, dtypes, columns, index=None):
    """Make a DataFrame whose columns have given dtypes, where these hold the values.

    Parameters
    ----------
    library : {"pandas", "polars"}
        Which library.
    names : list
        Names of the columns.
    dtypes : list of dict
        Their dtypes, as `describe_dtypes` returns them.
    columns : list of ndarray
        Values of the columns; NaN for missing ones.
    index : pandas.Index, default=None
        Index of a DataFrame of pandas.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        The table.
    """
    if library == "pandas":
        import pandas as pd

        series = [
            _pandas_column(values, dtype, index)
            for values, dtype in zip(columns, dtypes, strict=True)
        ]
        frame = pd.concat(series, axis=1)
        frame.columns = names
        return frame
    import polars as pl

    return pl.DataFrame(
        [
            _polars_column(name, values, dtype)
            for name, values, dtype in zip(names, columns, dtypes, strict=True)
        ]
    )


def _pandas_column(values, described, index):
    import pandas as pd

    dtype = _pandas_dtype(described)
    if "indices" in described:
        import pyarrow as pa

        missing = np.array([v != v for v in values], bool)
        values = pa.array(values, dtype.pyarrow_dtype.value_type, missing)
        values = values.dictionary_encode().cast(dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(values), index=index)
    series = pd.Series(values, index=index)
    is_number = pd.api.types.is_numeric_dtype(dtype) and values.dtype != object
    if is_number and pd.api.types.is_integer_dtype(dtype):
        if np.isnan(values).any() and isinstance(dtype, np.dtype):
            return series  # NumPy's integers have no missing value
        held = getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))
        limits = _integer_limits(held)
        series = series.round().clip(*limits)
    if isinstance(dtype, np.dtype) and dtype.kind in "biu" and series.isna().any():
        return series  # of Python objects, since NumPy has no missing value here
    return series.astype(dtype)


def _polars_column(name, values, described):
    import polars as pl

    dtype = described["name"] and getattr(pl, described["name"])
    if "categories" in described:
        dtype = dtype(described["categories"])
    if values.dtype == object:
        missing = np.array([v != v for v in values], bool)
        values = [None if m else v for v, m in zip(values, missing, strict=True)]
        return pl.Series(name, values, dtype)
    series = pl.Series(name, values)
    if dtype.is_integer():
        series = series.round(0).clip(*_integer_limits(dtype.__name__.lower()))
    return series.fill_nan(None).cast(dtype) if dtype.is_numeric() else series


def set_columns(X, columns, dtypes):
    """Replace some columns of a DataFrame.

    Parameters
    ----------
    X : pandas.DataFrame or polars.DataFrame
        The table.
    columns : dict of int to ndarray
        New values by the places of columns; NaN for missing ones.
    dtypes : list of dict or None
        Dtypes of Python objects among them, as `describe_dtypes` returns them, for
        columns of X that have no values, or whose dtype cannot hold the new ones. None
        infers them.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        A new one.
    """
    if not _is_pandas(X):
        import polars as pl

        described, names, series = describe_dtypes(X), X.columns, []
        for i, values in columns.items():
            if values.dtype != object:
                series.append(pl.Series(names[i], values))
                continue
            if X[:, int(i)].null_count() == len(X) or "categories" in described[i]:
                described[i] = {"name": None} if dtypes is None else dtypes[i]
            series.append(_polars_column(names[i], values, described[i]))
        return X.with_columns(series)
    X = X.copy()
    for i, values in columns.items():
        if values.dtype == object:
            described = _describe_pandas(X.dtypes.iloc[i])
            if "categories" in described:
                known = described["categories"]
                new = {v for v in values if v == v} - set(known)
                described["categories"] = known + sorted(new)
            elif X.iloc[:, i].isna().all():
                described = {"name": "object"} if dtypes is None else dtypes[i]
            values = _pandas_column(values, described, X.index)
        X.isetitem(i, values)
    return X


def concatenate(parts):
    """Join rows of several arrays or DataFrames.

    Parameters
    ----------
    parts : sequence of ndarray, pandas.DataFrame or polars.DataFrame
        All of one kind, with the same columns.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        All rows.
    """
    if len(parts) == 1:
        return parts[0]
    if _is_pandas(parts[0]):
        import pandas as pd

        return pd.concat(_with_same_categories(parts))
    if _is_polars(parts[0]):
        import polars as pl

        return pl.concat(parts, how="vertical_relaxed")  # integers become floats
    return np.concatenate(parts)


def _with_same_categories(parts):
    """Give columns of categories those of all DataFrames, or pandas forgets them."""
    import pandas as pd

    parts = [part.copy(deep=False) for part in parts]
    for i in range(parts[0].shape[1]):
        dtypes = [part.dtypes.iloc[i] for part in parts]
        are_categories = all(isinstance(d, pd.CategoricalDtype) for d in dtypes)
        if not are_categories or all(dtype == dtypes[0] for dtype in dtypes):
            continue
        dtype = _joined_categories(dtypes, column_name(parts[0], i))
        for part in parts:
            part.isetitem(i, part.iloc[:, i].astype(dtype))
    return parts


def _joined_categories(dtypes, name):
    """Return a dtype with all categories, in their order if all have one."""
    import pandas as pd

    if all(dtype.ordered for dtype in dtypes):
        after = {}
        for dtype in dtypes:
            categories = list(dtype.categories)
            for before, category in zip([None, *categories], categories, strict=False):
                after.setdefault(category, []).append(before)
        try:
            order = list(TopologicalSorter(after).static_order())
            return pd.CategoricalDtype(order[1:], ordered=True)
        except CycleError:
            pass
    if any(dtype.ordered for dtype in dtypes):
        warnings.warn(
            f"Column {name} has ordered categories, but not in all blocks in the same "
            "order, so that it is unordered when it comes back.",
            UserWarning,
            stacklevel=2,
        )
    categories = dtypes[0].categories
    for dtype in dtypes[1:]:
        categories = categories.union(dtype.categories, sort=False)
    return pd.CategoricalDtype(categories)


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
    dtypes : list of dict, or None
        Those of the columns, as `describe_dtypes` returns them; None to leave all as
        they are.
    columns : ndarray of bool of shape (n_columns,)
        Which columns.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        A new DataFrame, or X itself.
    """
    if dtypes is None or not is_frame(X):
        return X
    names = list(X.columns)
    for i in np.flatnonzero(columns):
        if _is_pandas(X):
            column = X.iloc[:, i].to_numpy()
            column = _pandas_column(column, dtypes[i], X.index)
            X = X.copy(deep=False)
            X.isetitem(i, column)
        else:
            column = X[:, int(i)].to_numpy()
            column = _polars_column(names[i], column, dtypes[i])
            X = X.with_columns(column)
    return X


def _integer_limits(dtype):
    """Return the smallest and largest integers that floats can be converted to."""
    limits = np.iinfo(dtype)
    high = float(limits.max)
    return float(limits.min), np.nextafter(high, 0) if high > limits.max else high


def _is_pandas(X):
    return hasattr(X, "iloc") and hasattr(X, "columns")


def _is_polars(X):
    return type(X).__module__.startswith("polars.") and hasattr(X, "get_columns")
