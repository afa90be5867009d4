"""Scaling of tables."""

import warnings

import numpy as np
from sklearn import config_context, preprocessing
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._formats import check_in_memory
from ._formats._frames import (
    cast_like,
    column_dtypes,
    column_kind,
    describe_dtypes,
    for_numpy,
    from_arrow,
    is_frame,
    library_of,
    numeric_columns,
    refuse_dates,
    replace_columns,
    take_columns,
    texts_explained,
)
from ._missing import refuse_masked
from ._precision import as_rounded
from .parallel import takes_lazy

__all__ = ["TableScaler"]


def _standard():
    return [("standardize", preprocessing.StandardScaler())]


def _squash(n_samples):
    squash = preprocessing.FunctionTransformer(np.arcsinh, np.sinh, check_inverse=False)
    again = ("standardize_again", preprocessing.StandardScaler())
    return [*_standard(), ("squash", squash), again]


def _quantile(n_samples):
    n_quantiles = min(n_samples, 1000)
    return [
        (
            "quantile",
            preprocessing.QuantileTransformer(
                n_quantiles=n_quantiles,
                output_distribution="normal",
                subsample=100_000,
                random_state=0,
            ),
        )
    ]


_METHODS = {
    "standard": lambda n_samples: _standard(),
    "minmax": lambda n_samples: [("minmax", preprocessing.MinMaxScaler())],
    "squash": _squash,
    "quantile": _quantile,
}


def _is_fitted_in_parts(scaler):
    """Return True if numbers can be seen part by part, else raise an AttributeError."""
    if scaler.method in ("standard", "minmax"):
        return True
    raise AttributeError(
        f'partial_fit needs method="standard" or "minmax", but got '
        f"method={scaler.method!r}, for which fit has to see all samples at once. Fit "
        "on a part of them in memory, drawn at random."
    )


def _transform(scaler, numbers):
    """Scale numbers, and tell those beyond the quantiles of `fit` from the extremes."""
    quantile = scaler.named_steps.get("quantile")
    if quantile is None:
        return scaler.transform(numbers)
    quantiles = quantile.quantiles_
    # Quantiles that are equal make a step, at which rounding must not matter.
    columns = zip(numbers.T, quantiles.T, strict=True)
    numbers = np.stack([as_rounded(*column) for column in columns], axis=1)
    low, high = quantiles[0], quantiles[-1]
    unit = np.where(high > low, high - low, np.maximum(np.abs(high), 1))
    excess = (numbers - np.clip(numbers, low, high)) / unit
    return scaler.transform(numbers) + excess / (1 + np.abs(excess))


def _inverse_transform(scaler, numbers):
    return scaler.inverse_transform(numbers)


class TableScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale the numeric columns of a table, and undo it.

    Other columns, such as categories and texts, and missing cells (NaN) stay as they
    are. In contrast to :class:`~sklearn.compose.ColumnTransformer`, there is an
    `inverse_transform`, and columns keep their places.

    Read more in the :ref:`User Guide <missing_cells>`.

    Parameters
    ----------
    method : {"standard", "squash", "quantile", "minmax"}, default="standard"
        How each numeric column is scaled.

        - "standard": zero mean and unit variance, by
          :class:`~sklearn.preprocessing.StandardScaler`.
        - "squash": the same, then the inverse hyperbolic sine, which is linear near 0
          and logarithmic for large values, then the same again. For columns with
          extreme values.
        - "quantile": a normal distribution, by
          :class:`~sklearn.preprocessing.QuantileTransformer`. Values beyond those of
          the training samples exceed the extreme ones by at most 1; their
          `inverse_transform` is the extreme one.
        - "minmax": the range from 0 to 1, by
          :class:`~sklearn.preprocessing.MinMaxScaler`.

    Attributes
    ----------
    scaler_ : sklearn.pipeline.Pipeline or None
        What scales the numeric columns; None if there are none.
    numeric_features_ : ndarray of bool of shape (`n_features_in_`,)
        Which columns are numeric: of a DataFrame, those with a dtype of numbers, but
        not of booleans; of anything else, all.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen during `fit`. Defined only when X has column names that
        are all strings.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Standardization of an array.
    AutoencoderTransformer : Takes scaled samples, with missing cells too.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae.preprocessing import TableScaler
    >>> table = pd.DataFrame({"size": [1.0, 2.0, None, 3.0], "kind": list("abba")})
    >>> scaler = TableScaler().fit(table)
    >>> scaled = scaler.transform(table)
    >>> scaled["size"].round(2).tolist(), scaled["kind"].tolist()
    ([-1.22, 0.0, nan, 1.22], ['a', 'b', 'b', 'a'])
    >>> scaler.inverse_transform(scaled)["size"].tolist()
    [1.0, 2.0, nan, 3.0]
    """

    __module__ = "skae.preprocessing"

    _parameter_constraints: dict = {"method": [StrOptions(set(_METHODS))]}

    def __init__(self, method="standard"):
        self.method = method

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn how to scale each numeric column.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training samples, in memory. NaN, or null in Polars, is a missing cell.
        y : None
            Ignored.

        Returns
        -------
        TableScaler
            The fitted scaler.

        Raises
        ------
        TypeError
            If X is a Dask collection or comes in blocks: fit on a part of it, or call
            `partial_fit` for each block.
        ValueError
            If a numeric value is infinite, or if X has no samples.
        """
        X = self._check(X, reset=True)
        numbers = self._begin(X)
        if self.scaler_ is not None:
            self._learn(self.scaler_.fit, numbers)
        return self

    @available_if(_is_fitted_in_parts)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Learn from one part of the samples after another.

        Available for the methods "standard" and "minmax". After all parts, the result
        is that of `fit` on all samples, up to rounding.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Some of the training samples. The first part decides which columns are
            numeric.
        y : None
            Ignored.

        Returns
        -------
        TableScaler
            The scaler, fitted on all parts so far.

        Raises
        ------
        ValueError
            As `fit`; also if columns are not those of the parts before.
        """
        first = not hasattr(self, "scaler_")
        X = self._check(X, reset=first)
        if first:
            numbers = self._begin(X)
        elif self.scaler_ is not None:
            numbers = self._numbers(X).astype(np.float64, copy=False)
        if self.scaler_ is not None:
            self._learn(self.scaler_[0].partial_fit, numbers)
        return self

    def _begin(self, X):
        """Look at the columns of training samples; return the numbers, if any."""
        numeric = numeric_columns(X)
        self._dtypes, self._library = describe_dtypes(X), library_of(X)
        self.numeric_features_, self.scaler_ = numeric, None
        if not numeric.any():
            return None
        numbers = self._numbers(X).astype(np.float64, copy=False)
        self.scaler_ = Pipeline(_METHODS[self.method](len(numbers)))
        return numbers

    def _learn(self, fit, numbers):
        with warnings.catch_warnings():
            # A column without observed cells stays as it is.
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            with config_context(transform_output="default"):
                fit(numbers)

    def transform(self, X):
        """Scale the numeric columns.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Samples, with the columns that `fit` had. A Dask collection is scaled block
            by block.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            A DataFrame of the library of X, if X is one; a Dask collection for one.

        Raises
        ------
        ValueError
            If columns are missing, new or in another order, or if a column that had
            numbers in `fit` has something else.
        """
        check_is_fitted(self)
        return self._apply(_transform, self._check(X, reset=False))

    @takes_lazy
    def inverse_transform(self, X):
        """Undo the scaling.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Scaled samples.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            A DataFrame of the library of X, if X is one: its columns have the dtypes
            that they had in `fit`, values of integer columns being rounded.
        """
        check_is_fitted(self)
        X = from_arrow(X)
        if not is_frame(X):  # as an autoencoder returns it, without names
            check_in_memory(X)
            refuse_masked(X, "X")
            X = check_array(
                X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
            )
            if X.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"X has {X.shape[1]} features, but TableScaler is expecting "
                    f"{self.n_features_in_} features as input."
                )
        else:
            X = self._check(X, reset=False)
        X = self._apply(_inverse_transform, X)
        dtypes = self._dtypes if library_of(X) == self._library else None
        return cast_like(X, dtypes, self.numeric_features_)

    def _apply(self, scale, X):
        if self.scaler_ is None:
            return X
        numbers = self._numbers(X)
        # Computed in float64, so that results of a number in another dtype are equal.
        # Whatever the user's setting, the scalers inside return arrays.
        with config_context(transform_output="default"):
            scaled = scale(self.scaler_, numbers.astype(np.float64, copy=False))
        scaled = scaled.astype(numbers.dtype, copy=False)
        if not is_frame(X):
            return scaled
        values = np.empty((len(scaled), self.n_features_in_), scaled.dtype)
        values[:, self.numeric_features_] = scaled
        return replace_columns(X, values, self.numeric_features_)

    def _check(self, X, *, reset):
        """Check names and numbers of columns, and the values of anything but frames."""
        check_in_memory(
            X,
            cure="Fit on a part of it in memory; transform takes Dask collections.",
        )
        X = from_arrow(X)
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        refuse_masked(X, "X")
        refuse_dates(X)
        if not reset:
            self._numbers(X)
        with texts_explained(X, ", whose texts stay as they are"):
            return validate_data(
                self,
                X,
                reset=reset,
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan",
            )

    def _numbers(self, X):
        """Return the numeric columns as an array."""
        if not is_frame(X):
            if not self.numeric_features_.all():
                raise ValueError(
                    f"X has to be a DataFrame, as in fit, where columns were not all "
                    f"numeric, got {type(X).__name__}."
                )
            return X
        holds = [column_kind(X, i) for i in range(X.shape[1])]
        holds = np.isin(holds, ["numbers", "empty"])
        changed = self.numeric_features_ & ~holds
        if changed.any():
            names = np.array(list(X.columns), object)[changed]
            dtypes = np.array(column_dtypes(X), object)[changed]
            raise ValueError(
                f"Column {names[0]!r} had numbers in fit, but has dtype {dtypes[0]} "
                "now."
            )
        return check_array(
            for_numpy(take_columns(X, self.numeric_features_)),
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            estimator=self,
            input_name="X",
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# Around what scikit-learn wraps it in for `set_output`, which would compute the result.
TableScaler.transform = takes_lazy(TableScaler.transform)
