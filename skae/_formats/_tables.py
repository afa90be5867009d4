"""Tables with categories: columns of numbers and of categories as one array, and back.

The array has one feature per column of numbers, and one per category of the other
columns (one-hot encoding). A column is missing as a whole: all of its features are NaN
then. One value stands for all categories. Its square weights the negative
log-likelihood of a category beside the squared error of a number: it is half of the
mean variance of the numbers, which is about what one-hot encoding weights it by where
numbers are standardized.
"""

import math
import re
import warnings

import numpy as np
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils.validation import check_array

from .._columns import Columns
from .._missing import observed_means, observed_variances
from .._precision import find_known, is_single
from ._frames import (
    category_values,
    column_dtypes,
    column_kind,
    column_name,
    column_names,
    describe_dtypes,
    for_numpy,
    from_arrow,
    holds_categories,
    is_declared,
    is_frame,
    library_of,
    make_frame,
    set_columns,
    take_columns,
)

# Categories of a column that are kept apart: the most frequent ones, with so many
# samples at least, or such a share of few samples. The others become one category.
MAX_CATEGORIES = 100
MIN_SAMPLES, MIN_SHARE = 5, 0.05
# Share of the cells of a column with unknown categories from which on one is warned.
UNKNOWN_SHARE = 0.9
# Texts among numbers that may stand for missing cells, such as "?" and "unknown".
MAX_MARKERS = 2
# Share of the mean that the deviation of numbers has at least, if they are no constant.
SMALLEST_DEVIATION = 1e-7
# Weight of the negative log-likelihood of a category, in variances of numbers.
CATEGORY_WEIGHT = 0.5


class TableEncoder:
    """From tables to arrays for a network, and back.

    Parameters
    ----------
    names : list or None
        Names of the columns of a DataFrame; None for any other table.
    library : {"pandas", "polars", None}
        That of the DataFrame.
    dtypes : list of dict or None
        Dtypes of its columns, as `skae._formats._frames.describe_dtypes` returns them.
    columns : Columns
        What belongs to which column.
    encoder : OrdinalEncoder
        Of the columns of categories.
    kinds : list of str or None
        What categories are, by column of categories.
    labels : list of ndarray
        The category that each feature of a column of categories stands for. Several
        rare ones are represented by the most frequent of them.
    dtype : str
        Dtype of the encoded array.
    """

    def __init__(self, names, library, dtypes, columns, encoder, kinds, labels, dtype):
        self.names = names
        self.library = library
        self.dtypes = dtypes
        self.columns = columns
        self.encoder = encoder
        self.kinds = kinds
        self.labels = labels
        self.dtype = dtype

    @classmethod
    def fit(cls, X, is_categorical):
        """Learn categories and their frequencies.

        Parameters
        ----------
        X : ndarray, pandas.DataFrame or polars.DataFrame
            Training samples.
        is_categorical : ndarray of bool of shape (n_columns,)
            Which columns hold categories.

        Returns
        -------
        TableEncoder
            Fitted.

        Raises
        ------
        ValueError
            If columns hold what is neither numbers nor categories, or categories of
            several types.
        """
        which = np.flatnonzero(is_categorical)
        found = [category_values(X, j) for j in which]
        values = [_merge_precisions(*column) for column in found]
        values = np.stack(values, axis=1)
        encoder = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            min_frequency=int(min(MIN_SAMPLES, np.ceil(MIN_SHARE * len(values)))),
            max_categories=MAX_CATEGORIES,
        )
        encoder.set_output(transform="default").fit(values)
        ordinals = encoder.transform(values)
        numbers = _read_numbers(X, ~is_categorical)
        variances = observed_variances(numbers)
        # That of a constant is rounding.
        varies = variances > np.square(SMALLEST_DEVIATION * observed_means(numbers))
        unit = variances[varies].mean() if varies.any() else 1.0
        sizes = np.ones(len(is_categorical), int)
        labels = []
        for i, j in enumerate(which):
            labels.append(_representatives(values[:, i], ordinals[:, i]))
            _warn_of_column(X, j, values[:, i], ordinals[:, i])
            sizes[j] = max(1, len(labels[i]))
        names = column_names(X)
        return cls(
            names=names,
            library=library_of(X),
            dtypes=describe_dtypes(X),
            columns=Columns(
                sizes, is_categorical, float(np.sqrt(CATEGORY_WEIGHT * unit))
            ),
            encoder=encoder,
            kinds=[kind for _, kind in found],
            labels=labels,
            dtype=numbers.dtype.name,
        )

    def to_dict(self):
        """Return the arguments of `__init__`, without objects of skae's classes."""
        return vars(self) | {"columns": self.columns.to_list()}

    @classmethod
    def from_dict(cls, state):
        """Make an encoder of what `to_dict` returned."""
        return cls(**state | {"columns": Columns(*state["columns"])})

    def encode(self, X):
        """Encode samples.

        Parameters
        ----------
        X : ndarray, pandas.DataFrame or polars.DataFrame
            Samples, with the columns that `fit` had. Categories that it had not are
            missing cells.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            NaN for missing cells.

        Raises
        ------
        ValueError
            If a column has another kind of values than in `fit`.
        """
        if is_frame(X) != (self.names is not None):
            expected = "an array" if self.names is None else "a DataFrame"
            raise ValueError(
                f"X has to be {expected}, as in fit, but got a {type(X).__name__}."
            )
        columns = self.columns
        which = np.flatnonzero(columns.is_categorical)
        values = []
        known = self.encoder.categories_
        for j, fitted, categories in zip(which, self.kinds, known, strict=True):
            column, kind = category_values(X, j)
            if None not in (kind, fitted) and kind != fitted:
                raise ValueError(
                    f"Column {column_name(X, j)} of X had {fitted} as categories in "
                    f"fit, but has {kind} now."
                )
            if kind == "numbers":
                column = _as_known(column, categories)
            values.append(column)
        ordinals = self.encoder.transform(np.stack(values, axis=1))
        for j, categories, column, found in zip(
            which, known, values, ordinals.T, strict=True
        ):
            _warn_of_unknown(column_name(X, j), categories, column, found)
        encoded = np.empty((len(ordinals), len(columns.owners)), self.dtype)
        encoded[:, columns.starts[~columns.is_categorical]] = _read_numbers(
            X, ~columns.is_categorical
        )
        for j, column in zip(which, ordinals.T, strict=True):
            one_hot = column[:, np.newaxis] == np.arange(columns.sizes[j])
            block = columns.value * one_hot
            block[np.isnan(column)] = np.nan
            encoded[:, columns.block(j)] = block
        return encoded

    def decode(self, encoded, index=None):
        """Make a table of encoded samples or reconstructions.

        Parameters
        ----------
        encoded : ndarray of shape (n_samples, n_features)
            For each column of categories, the one with the largest value is taken.
        index : pandas.Index, default=None
            Index of a DataFrame of pandas.

        Returns
        -------
        ndarray, pandas.DataFrame or polars.DataFrame
            Of the kind that `fit` had, with its columns and their dtypes.
        """
        values = self._decode_columns(encoded)
        if self.library is not None:
            return make_frame(self.library, self.names, self.dtypes, values, index)
        return np.stack(values, axis=1).astype(self._array_dtype)

    def _decode_columns(self, encoded):
        columns = self.columns
        values = [encoded[:, start] for start in columns.starts]
        which = np.flatnonzero(columns.is_categorical)
        for j, labels in zip(which, self.labels, strict=True):
            values[j] = np.full(len(encoded), np.nan, object)
            if len(labels):
                observed = ~np.isnan(encoded[:, columns.starts[j]])
                likeliest = encoded[observed, columns.block(j)].argmax(axis=1)
                values[j][observed] = labels[likeliest]
        return values

    def replace_missing(self, X, encoded):
        """Replace the missing cells of samples, and leave the others as they are.

        Parameters
        ----------
        X : ndarray, pandas.DataFrame or polars.DataFrame
            Samples.
        encoded : ndarray of shape (n_samples, n_features)
            Encoded samples, whose missing cells were replaced.

        Returns
        -------
        ndarray, pandas.DataFrame or polars.DataFrame
            A new one. Columns without missing cells are those of X; others have the
            dtype of X for categories, and that of `encoded` for numbers.
        """
        columns, changed = self.columns, {}
        X = as_table(X)
        decoded = self._decode_columns(encoded)
        for j, is_categorical in enumerate(columns.is_categorical):
            if is_categorical:
                values, _ = category_values(X, j)
                missing = np.array([v != v for v in values], bool)
            else:
                values = _read_numbers(X, np.arange(len(columns.sizes)) == j)[:, 0]
                missing = np.isnan(values)
            if missing.any():
                changed[j] = np.where(missing, decoded[j], values)
        if self.library is not None:
            dtypes = self.dtypes if library_of(X) == self.library else None
            return set_columns(X, changed, dtypes)
        values = np.array(X, object)
        for j, column in changed.items():
            values[:, j] = column
        return values.astype(self._array_dtype)

    @property
    def _array_dtype(self):
        numeric = all(kind in (None, "numbers") for kind in self.kinds)
        return self.dtype if numeric else object


def as_table(X):
    """Return a DataFrame as it is, and anything else as an array, of objects if mixed.

    Parameters
    ----------
    X : array-like or DataFrame
        Samples.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        Of two dimensions.
    """
    X = from_arrow(X)
    if is_frame(X):
        return X
    # Lists of numbers and texts would all become texts.
    dtype = None if hasattr(X, "dtype") else object
    return check_array(X, dtype=dtype, ensure_all_finite=False)


def find_categorical(X, categorical_features):
    """Find the columns that hold categories.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        Training samples.
    categorical_features : "from_dtype", None, or array-like of bool, int or str
        The parameter of an estimator.

    Returns
    -------
    ndarray of bool of shape (n_columns,)
        Which columns.

    Raises
    ------
    ValueError
        If the parameter names columns that are not there, or if a dtype is neither
        one of numbers nor of categories.
    """
    n_columns = np.shape(X)[1]
    if categorical_features is None:
        return np.zeros(n_columns, bool)
    if isinstance(categorical_features, str):
        kinds = [is_frame(X) and holds_categories(X, i) for i in range(n_columns)]
        return np.array(kinds, bool)
    given = np.asarray(categorical_features)
    if given.ndim != 1:
        raise ValueError(
            "categorical_features has to be one-dimensional: a mask, indices or names, "
            f"but got {categorical_features!r}."
        )
    if given.dtype.kind == "b":
        return _check_mask(given, n_columns)
    places = given.astype(int) if not given.size else given
    if places.dtype.kind not in "iu":
        places = _places_of_names(given.tolist(), column_names(X))
    elif given.size and (given.min() < 0 or given.max() >= n_columns):
        raise ValueError(
            f"categorical_features has indices from {given.min()} to {given.max()}"
            f", but X has {n_columns} columns, the first of index 0."
        )
    return np.isin(np.arange(n_columns), places)


def _check_mask(mask, n_columns):
    if len(mask) != n_columns:
        raise ValueError(
            f"categorical_features is a mask of {len(mask)} columns, but X has "
            f"{n_columns}."
        )
    return mask.copy()


def _places_of_names(given, names):
    if names is None:
        raise ValueError(
            "categorical_features has names of columns, but X is no DataFrame. Give "
            "indices or a mask."
        )
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(
            f"categorical_features names {unknown[0]!r}, which is no column of X. Its "
            f"columns are {', '.join(map(repr, names))}."
        )
    return [names.index(name) for name in given]


def encoded_width(X, categorical_features):
    """Return how many features some samples have once their categories are encoded.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame
        Some samples; others may have further categories.
    categorical_features : "from_dtype", None, or array-like of bool, int or str
        The parameter of an estimator.

    Returns
    -------
    int
        Number of features.
    """
    if not is_frame(X) and isinstance(categorical_features, (str, type(None))):
        return math.prod(X.shape[1:])
    X = as_table(X)
    which = np.flatnonzero(find_categorical(X, categorical_features))
    sizes = [len(set(category_values(X, i)[0].tolist())) for i in which]
    return X.shape[1] + sum(min(size, MAX_CATEGORIES) for size in sizes)


def _read_numbers(X, are_numbers):
    """Return columns of numbers as an array of float32 or float64."""
    if not are_numbers.any():
        return np.empty((len(X), 0))
    names = [column_name(X, j) for j in range(len(are_numbers))]
    if is_frame(X):
        for j in np.flatnonzero(are_numbers):
            if column_kind(X, j) in ("categories", "others"):
                raise ValueError(
                    f"Column {names[j]} of X has to hold numbers, as in fit "
                    f"or by categorical_features, but has dtype {column_dtypes(X)[j]}."
                )
        X = for_numpy(take_columns(X, are_numbers))
    else:
        X = X[:, are_numbers]
    numbers = check_array(X, dtype=[np.float64, np.float32], ensure_all_finite=False)
    for j, column in zip(np.flatnonzero(are_numbers), numbers.T, strict=True):
        if np.isinf(column).any():
            raise ValueError(f"Column {names[j]} of X holds infinity.")
    return numbers


def _as_known(values, categories):
    """Replace numbers that are categories but for rounding by these."""
    known = [category for category in categories if category == category]
    new = list({v for v in values if v == v}.difference(known))
    if not (new and known):
        return values
    found = find_known(np.array(new, float), np.array(known, float))
    same = {v: known[i] for v, i in zip(new, found, strict=True) if i >= 0}
    replaced = np.empty(len(values), object)
    replaced[:] = [same.get(v, v) for v in values]
    return replaced


def _merge_precisions(values, kind):
    """Replace float32 by float64 where a column holds the same numbers in both."""
    if kind != "numbers":
        return values
    distinct = np.array(list({v for v in values if v == v}), float)
    doubles = distinct[~is_single(distinct)]
    return values if len(doubles) in (0, len(distinct)) else _as_known(values, doubles)


def _warn_of_unknown(name, categories, values, ordinals):
    """Warn if a column has hardly any category that it had in `fit`."""
    values = values[np.isnan(ordinals)]
    unknown = [v for v in values if v == v]
    n_observed = len(ordinals) - len(values) + len(unknown)
    if len(unknown) < max(MIN_SAMPLES, UNKNOWN_SHARE * n_observed):
        return
    known = [category for category in categories if category == category]
    warnings.warn(
        f"Column {name} of X has {len(unknown)} of {n_observed} cells with categories "
        f"that fit did not have, such as {unknown[0]!r}, which count as missing cells. "
        f"Those of fit begin with {', '.join(map(repr, known[:3])) or 'none'}. Encode, "
        "scale and spell the column as in fit.",
        UserWarning,
        stacklevel=2,
    )


def _representatives(values, ordinals):
    """Return the most frequent category of each ordinal."""
    observed = ~np.isnan(ordinals)
    ordinals, values = ordinals[observed].astype(int), values[observed]
    labels = np.empty(len(np.bincount(ordinals)), object)
    for i in range(len(labels)):
        categories, times = np.unique(values[ordinals == i], return_counts=True)
        labels[i] = categories[times.argmax()]
    return labels


def _warn_of_column(X, j, values, ordinals):
    """Warn of categories that carry no information, or that are numbers."""
    observed = ~np.isnan(ordinals)
    found = np.unique(values[observed])
    advice = None
    if len(found) > MIN_SAMPLES and not ordinals[observed].any():
        advice = (
            f"has {len(found)} categories, all of fewer than {MIN_SAMPLES} samples, "
            "which count as one and carry no information. Drop the column if it names "
            "samples, or convert it if it holds numbers or dates"
        )
    elif isinstance(found[0] if len(found) else None, str) and not is_declared(X, j):
        number, other = _split_numbers(found, observed.sum())
        if number is not None:
            but = "" if other is None else f", beside {other!r}"
            advice = (
                f"holds numbers as text, such as {number!r}{but}, which count as "
                "categories. Convert it, for example by na_values, decimal and "
                "thousands of pandas.read_csv, or to a categorical dtype if they are "
                "categories"
            )
    if advice is not None:
        message = f"Column {column_name(X, j)} of X {advice}."
        warnings.warn(message, UserWarning, stacklevel=2)


def _split_numbers(texts, n_samples):
    """Return one text that is a number, and one that is none, if most are numbers.

    A text or two, such as "?", may stand for missing cells. They are None if there are
    more than those, or if few texts are numbers, as where numbers name categories.
    """
    numbers, others = [], []
    for text in texts:
        try:
            float(text.replace(",", "."))
            numbers.append(text)
        except ValueError:
            others.append(text)
    # Signs alone hardly name a category.
    has_sign = any(not re.search(r"\w", text) for text in others)
    few = MAX_MARKERS if has_sign else min(2 * MIN_SAMPLES, n_samples // 3)
    if len(numbers) <= few or len(others) > MAX_MARKERS:
        return None, None
    return numbers[0], others[0] if others else None
