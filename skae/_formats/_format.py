"""Kinds of input: each is one class, by which samples come in and results go out."""

import math
from abc import ABC, abstractmethod

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from .._columns import Columns
from .._missing import has_missing, refuse_masked
from ._blocks import USE_FIT, check_in_memory
from ._frames import (
    frame_like,
    from_arrow,
    index_of,
    is_frame,
    refuse_dates,
    replace_columns,
    texts_explained,
)
from ._tables import TableEncoder, as_table, find_categorical


class SampleFormat(ABC):
    """A kind of input: samples as one array for networks, and results in its form.

    Attributes
    ----------
    shape : tuple of int
        Shape that the network gives one sample.
    columns : Columns
        Which features of encoded samples belong to which column.
    can_hide_cells : bool
        Whether a cell can be judged by hiding it: not where cells stand for each other.
    """

    can_hide_cells = True
    # What NaN in encoded samples may be.
    missing_is = "a missing cell"

    def check_missing(self, X, supports, architecture):
        """Refuse encoded samples with missing cells where networks take none.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.
        supports : set of str
            What the architecture supports.
        architecture : BaseArchitecture
            What error messages name.

        Raises
        ------
        ValueError
            If there are any, and it does not support them.
        """
        if "missing" in supports or not has_missing(X):
            return
        raise ValueError(
            f"Input X contains NaN, {self.missing_is}, which "
            f"{architecture!r} does not take. DenseArchitecture and "
            "VariationalArchitecture do, unless handle_missing=False. Otherwise "
            "put an imputer of sklearn.impute in front."
        )

    def check_categories(self, supports, architecture):
        """Refuse an architecture that does not support what columns hold."""
        return None

    def check_export(self, name):
        """Refuse to export an estimator of some name if its samples cannot be."""
        return None

    @abstractmethod
    def encode(self, X, estimator):
        """Validate samples, and make one array of them.

        Parameters
        ----------
        X : array-like
            What a user passed.
        estimator : estimator
            The fitted estimator, of whose features X has to be.

        Returns
        -------
        ndarray of shape (n_samples, n_features), of float32 or float64
            NaN for missing cells.

        Raises
        ------
        ValueError
            If X is not of this format.
        """

    @abstractmethod
    def encode_valid(self, X):
        """Encode samples that `encode` has taken before."""

    @abstractmethod
    def decode(self, values, like=None):
        """Give encoded samples or reconstructions the form of samples.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features)
            What networks computed.
        like : object, default=None
            What a user passed; a DataFrame of pandas has the index of the result.

        Returns
        -------
        ndarray or DataFrame
            An array of samples, or a table.
        """

    @abstractmethod
    def fill_in(self, X, samples, values):
        """Replace the missing cells of samples, and leave the others as they are.

        Parameters
        ----------
        X : array-like
            What a user passed.
        samples : ndarray of shape (n_samples, n_features)
            What `encode` returned of it.
        values : ndarray of shape (n_samples, n_features)
            Encoded samples, whose missing cells were replaced.

        Returns
        -------
        ndarray or DataFrame
            A new one.
        """

    @abstractmethod
    def expected(self, X, values):
        """Give encoded samples the form of X, with all of its columns.

        Parameters
        ----------
        X : array-like
            What a user passed.
        values : ndarray of shape (n_samples, n_features)
            What is expected of it.

        Returns
        -------
        ndarray or DataFrame
            Like X.
        """

    def contributions(self, X, values):
        """Make a table of one number per column, if X is a DataFrame.

        Parameters
        ----------
        X : array-like
            What a user passed.
        values : ndarray of shape (n_samples, n_columns)
            The numbers.

        Returns
        -------
        ndarray or DataFrame
            A DataFrame has the columns and the index of X.
        """
        X = from_arrow(X)
        return frame_like(X, values, getattr(X, "columns", ()))

    def to_dict(self):
        """Return the format as plain data, which `format_from_dict` takes."""
        return {"format": type(self).__name__, **self._state()}

    @abstractmethod
    def _state(self):
        """Return the arguments of `_of_state`."""


class ArrayFormat(SampleFormat):
    """Samples of numbers, in an array or a DataFrame.

    Parameters
    ----------
    shape : tuple of int
        Shape of one sample.
    """

    def __init__(self, shape):
        self.shape = tuple(shape)
        self.columns = Columns.of_numbers(math.prod(self.shape))

    @classmethod
    def fit(cls, X, estimator):
        """Choose the format of training samples, and encode them."""
        shape = np.shape(X)[1:] if hasattr(X, "shape") else ()
        X = _as_numbers(_flatten(X), estimator, reset=True)
        kind = ImageFormat if len(shape) > 1 else cls
        return kind(shape if len(shape) > 1 else X.shape[1:]), X

    def encode(self, X, estimator):
        X = as_samples(X)
        shape = tuple(getattr(X, "shape", ()))
        self._check_axes(shape)
        X = _as_numbers(_flatten(X), estimator, reset=False)
        if len(shape) > 2 and shape[1:] != self.shape:
            raise ValueError(
                f"X holds samples of shape {shape[1:]}, but "
                f"{type(estimator).__name__} was fitted on samples of shape "
                f"{self.shape}."
            )
        return X

    def _check_axes(self, shape):
        """Refuse a single sample without its axis."""

    def encode_valid(self, X):
        dtype = [np.float64, np.float32]
        return check_array(
            _flatten(as_samples(X)), dtype=dtype, ensure_all_finite=False
        )

    def decode(self, values, like=None):
        return values

    def fill_in(self, X, samples, values):
        X = from_arrow(X)
        missing = np.isnan(samples).any(axis=0)
        return replace_columns(X, values.reshape(np.shape(X)), missing)

    def expected(self, X, values):
        return self.contributions(X, values.reshape(np.shape(X)))

    def _state(self):
        return {"shape": list(self.shape)}

    @classmethod
    def _of_state(cls, state):
        return cls(state["shape"])


class ImageFormat(ArrayFormat):
    """Images, and windows of series: samples that have a shape of their own."""

    can_hide_cells = False

    def _check_axes(self, shape):
        if shape == self.shape and shape[0] > 1:  # else it is one flat sample, too
            raise ValueError(
                f"X has the shape {shape} of a single sample, but the first axis has "
                "to count samples. Pass X[numpy.newaxis]."
            )

    def decode(self, values, like=None):
        return values.reshape(len(values), *self.shape)


class TableFormat(SampleFormat):
    """Tables with columns of categories.

    Parameters
    ----------
    table : TableEncoder
        Makes arrays of tables, and tables of arrays.
    """

    missing_is = "a missing cell or an unknown category"

    def __init__(self, table):
        self.table = table
        self.columns = table.columns
        self.shape = (len(self.columns.owners),)

    @classmethod
    def fit(cls, X, is_categorical, estimator):
        """Learn the categories of training samples, and encode them."""
        if not len(X):
            raise ValueError("X has no samples, but at least 1 is required.")
        format_ = cls(TableEncoder.fit(X, is_categorical))
        validate_data(estimator, X, reset=True, skip_check_array=True)
        return format_, format_.table.encode(X)

    def encode(self, X, estimator):
        X = as_table(as_samples(X))
        validate_data(estimator, X, reset=False, skip_check_array=True)
        return self.table.encode(X)

    def encode_valid(self, X):
        return self.table.encode(as_table(X))

    def check_categories(self, supports, architecture):
        if "categories" in supports:
            return
        first = int(np.flatnonzero(self.columns.is_categorical)[0])
        name = first if self.table.names is None else self.table.names[first]
        raise ValueError(
            f"Column {name!r} of X holds categories, which {architecture!r} does "
            "not take. DenseArchitecture and VariationalArchitecture do. Otherwise put "
            "OneHotEncoder of sklearn.preprocessing in front; "
            "categorical_features=None takes booleans as numbers."
        )

    def check_export(self, name):
        raise ValueError(
            f"This {name} was fitted on columns of categories, "
            "which cannot be exported. Encode them in front, by OneHotEncoder of "
            "sklearn.preprocessing, or save the estimator by joblib."
        )

    def decode(self, values, like=None):
        return self.table.decode(values, index_of(like))

    def fill_in(self, X, samples, values):
        return self.table.replace_missing(X, values)

    def expected(self, X, values):
        return self.decode(values, X)

    def _state(self):
        return self.table.to_dict()

    @classmethod
    def _of_state(cls, state):
        return cls(TableEncoder.from_dict(state))


def format_of(X, estimator):
    """Choose the format of training samples, and encode them.

    Parameters
    ----------
    X : array-like
        What a user passed.
    estimator : estimator
        Its attributes `n_features_in_` and `feature_names_in_` are set, and its
        parameter `categorical_features` is read.

    Returns
    -------
    SampleFormat
        The format.
    ndarray of shape (n_samples, n_features)
        What its method `encode` returns of X.
    """
    X = as_samples(X)
    asked = estimator.categorical_features
    if is_frame(X) or not isinstance(asked, (str, type(None))):
        X = as_table(X)
        is_categorical = find_categorical(X, asked)
        if is_categorical.any():
            return TableFormat.fit(X, is_categorical, estimator)
    return ArrayFormat.fit(X, estimator)


def format_from_dict(state):
    """Make a format of what `SampleFormat.to_dict` returned."""
    kinds = {kind.__name__: kind for kind in (ArrayFormat, ImageFormat, TableFormat)}
    rest = {name: value for name, value in state.items() if name != "format"}
    return kinds[state["format"]]._of_state(rest)


def as_samples(X):
    """Return what a user passed as an array, a DataFrame or a list of samples.

    Raises
    ------
    TypeError
        If it has to be read block by block.
    ValueError
        If it holds masked cells, dates, or arrays of different shapes.
    """
    check_in_memory(X, cure=USE_FIT)
    refuse_masked(X, "X")
    X = from_arrow(X)
    if hasattr(X, "__array__") and not hasattr(X, "shape"):
        X = np.asarray(X)
    refuse_dates(X)
    if not isinstance(X, (list, tuple)):
        return X
    shapes = {np.shape(x) for x in X if hasattr(x, "shape")}
    if len(shapes) > 1 and max(map(len, shapes)) > 1:
        raise ValueError(
            f"X is a {type(X).__name__} of arrays of different shapes, such as "
            f"{' and '.join(map(str, sorted(shapes)[:2]))}. Images need one "
            "shape; join blocks of samples by numpy.concatenate."
        )
    return np.asarray(X) if np.ndim(X) > 2 else X


def _flatten(X):
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) <= 2:
        return X
    return np.reshape(X, (shape[0], math.prod(shape[1:])))


def _as_numbers(X, estimator, *, reset):
    cure = ", or name the columns by categorical_features"
    # Sums of large values are not valid.
    with texts_explained(X, cure), np.errstate(invalid="ignore"):
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
        )
