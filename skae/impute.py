"""Imputation of missing cells as a step of a Pipeline."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from ._formats import check_in_memory, missing_cells
from ._formats._frames import (
    column_kind,
    for_numpy,
    frame_like,
    from_arrow,
    is_frame,
    library_of,
    refuse_dates,
    take_columns,
    texts_explained,
)
from ._missing import refuse_masked
from ._transformer import AutoencoderTransformer
from .parallel import takes_lazy
from .pipeline import make_pipeline
from .preprocessing import TableScaler

__all__ = ["AutoencoderImputer"]

_USE_TRANSFORM = (
    "Fit on a part of it in memory, drawn at random; transform takes Dask collections."
)
# Kinds of columns without observed cells that are imputed as 0.
_FILLED_KINDS = ("numbers", "empty")


class AutoencoderImputer(TransformerMixin, BaseEstimator):
    """Imputation of missing cells by an autoencoder.

    A network learns from incomplete samples to reconstruct cells that are hidden from
    it. A missing cell is replaced by a weighted mean of its reconstruction and of a
    linear regression on the observed cells, see
    :meth:`skae.AutoencoderTransformer.impute`. Columns of numbers are standardized
    within, so that their units do not matter, and columns of categories are taken as
    they are. Observed cells stay exactly as they are.

    Read more in the :ref:`User Guide <missing_cells>`.

    Parameters
    ----------
    n_components : int, default=None
        Number of latent components. None is the default of
        :class:`~skae.AutoencoderTransformer`: few suffice, since what they do not hold
        is in the residuals, which are imputed too.
    architecture : BaseArchitecture, default=None
        The network, which has to take missing cells. None is ``DenseArchitecture()``.
    epochs : int or "auto", default="auto"
        Maximum number of epochs.
    max_time : float, default=None
        Number of seconds that training is planned for. None sets no limit.
    categorical_features : "from_dtype", array-like of {bool, int, str} or None, \
            default="from_dtype"
        Which columns hold categories. "from_dtype": of a DataFrame, those of strings,
        booleans and categories. Otherwise a mask, indices or names of the columns; None
        for no column. Name columns of codes that have no order, such as those of
        countries; leave codes with an order, such as grades, and counts as numbers.
    add_indicator : bool, default=False
        Whether to append a column for each feature that had missing cells in `fit`,
        which indicates them.
    keep_empty_features : bool, default=False
        Whether features without any observed cell in `fit` are kept, and numbers
        imputed as 0. Otherwise they are dropped.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, the validation split, hidden cells and the order of
        batches. Pass an int for reproducible results across multiple calls.
    verbose : int, default=0
        If 1, show epoch, losses and time.

    Attributes
    ----------
    pipeline_ : skae.pipeline.Pipeline or None
        A :class:`~skae.preprocessing.TableScaler` and the
        :class:`~skae.AutoencoderTransformer` that imputes; None if all features are
        empty.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when X has feature names that
        are all strings.

    See Also
    --------
    sklearn.impute.IterativeImputer : Imputation by one regression per feature.
    skae.pipeline.Pipeline : Has `impute` of a transformer behind other steps.

    Notes
    -----
    Imputed cells are expected values, which vary less than true ones: standard errors
    computed from them are too small.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae.impute import AutoencoderImputer
    >>> table = pd.DataFrame({"size": [1.0, 2.0, None, 3.0], "kind": [*"abba"]})
    >>> table = pd.concat([table] * 10)
    >>> imputer = AutoencoderImputer(epochs=2, random_state=0)
    >>> imputer.fit_transform(table).isna().sum().to_dict()
    {'size': 0, 'kind': 0}
    """

    __module__ = "skae.impute"

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "architecture": "no_validation",  # by the transformer
        "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=None,
        *,
        architecture=None,
        epochs="auto",
        max_time=None,
        categorical_features="from_dtype",
        add_indicator=False,
        keep_empty_features=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.architecture = architecture
        self.epochs = epochs
        self.max_time = max_time
        self.categorical_features = categorical_features
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn what is expected in missing cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training samples, in memory. NaN, None, ``pd.NA`` and ``null`` are missing
            cells.
        y : None
            Ignored.

        Returns
        -------
        AutoencoderImputer
            The fitted imputer.
        """
        X = self._check(X, reset=True)
        missing = missing_cells(X)
        self._had_missing = missing.any(axis=0)
        self._kept = ~missing.all(axis=0)
        self.pipeline_ = None
        if self._kept.any():
            transformer = AutoencoderTransformer(
                self.n_components,
                architecture=self.architecture,
                epochs=self.epochs,
                max_time=self.max_time,
                categorical_features=self._categories(X),
                random_state=self.random_state,
                verbose=self.verbose,
            )
            self.pipeline_ = make_pipeline(TableScaler(), transformer)
            kept = self._take(X, self._kept)
            self.pipeline_.fit(kept)
            self._codes = _codes(kept, transformer.categorical_features)
        return self

    def transform(self, X):
        """Replace missing cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Samples. A Dask collection is imputed block by block.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features_out)
            A DataFrame of the library of X, if X is one. Observed cells are those of X.
            A category that the training samples did not have is left as it is.
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)
        imputed = self._take(X, self._kept)
        if self.pipeline_ is not None:
            missing = missing_cells(imputed)
            imputed = self.pipeline_.impute(imputed)
            imputed = _with_nearest(imputed, missing, self._codes)
        return self._with_indicators(X, self._placed(X, imputed))

    def get_feature_names_out(self, input_features=None):
        """Return names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of features; None: those in `fit`, or x0, x1 and so on.

        Returns
        -------
        ndarray of str objects
            The names.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.array(self._names_out(names), object)

    def _names_out(self, names):
        kept = np.asarray(names, object)[self._columns_out()]
        flags = [f"missingindicator_{name}" for name in names[self._indicated()]]
        return [*kept, *flags]

    def _columns_out(self):
        return self._kept | self.keep_empty_features

    def _indicated(self):
        return self._had_missing & self.add_indicator

    def _check(self, X, *, reset):
        """Check names and numbers of columns, and the values of anything but frames."""
        check_in_memory(X, cure=_USE_TRANSFORM)
        X = from_arrow(X)
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if not len(X):
                raise ValueError("X has no samples, but at least 1 is required.")
            return X
        refuse_masked(X, "X")
        refuse_dates(X)
        with texts_explained(X, ", whose texts are categories"):
            return validate_data(
                self,
                X,
                reset=reset,
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan",
            )

    def _categories(self, X):
        """Return `categorical_features` of the columns that are kept."""
        named = self.categorical_features
        if named is None or isinstance(named, str) or self._kept.all():
            return named
        named = np.asarray(named)
        if named.dtype == bool:
            return named[self._kept]
        if named.dtype.kind in "iu":
            is_named = np.zeros(len(self._kept), bool)
            is_named[named] = True
            return is_named[self._kept]
        empty = np.array(list(X.columns), object)[~self._kept]
        return [name for name in named if name not in set(empty)]

    def _take(self, X, chosen):
        if chosen.all():
            return X
        return take_columns(X, chosen) if is_frame(X) else X[:, chosen]

    def _placed(self, X, imputed):
        """Put imputed columns in their places, and fill or drop empty ones."""
        if not self._kept.all() and self.keep_empty_features:
            result = _fill_with_zeros(X, ~self._kept)
            return _put_columns(result, imputed, self._kept)
        return imputed

    def _with_indicators(self, X, imputed):
        which = self._indicated()
        if not which.any():
            return imputed
        flags = missing_cells(X)[:, which]
        if not is_frame(X):
            return np.hstack([imputed, flags.astype(imputed.dtype)])
        names = np.array(list(X.columns), object)[which]
        flags = frame_like(X, flags, [f"missingindicator_{name}" for name in names])
        if library_of(X) == "polars":
            return imputed.hstack(flags)
        import pandas as pd

        return pd.concat([imputed, flags], axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _codes(X, named):
    """Return the values of columns of numbers that are named as categories."""
    if named is None or isinstance(named, str):
        return {}
    named = np.asarray(named)
    if named.dtype == bool:
        places = np.flatnonzero(named)
    elif named.dtype.kind in "iu":
        places = np.arange(X.shape[1])[named]
    else:
        places = [list(X.columns).index(name) for name in named]
    codes = {}
    for i in places:
        if not is_frame(X) or column_kind(X, i) == "numbers":
            values = _numbers(X, i)
            codes[int(i)] = np.unique(values[~np.isnan(values)])
    return codes


def _numbers(X, i):
    if not is_frame(X):
        return X[:, i]
    column = for_numpy(take_columns(X, np.arange(X.shape[1]) == i))
    return np.asarray(column, dtype=float)[:, 0]


def _with_nearest(imputed, missing, codes):
    """Replace imputed codes by those of the training samples, which scaling rounded."""
    for i, known in codes.items():
        if not missing[:, i].any():
            continue
        values = _numbers(imputed, i)
        middles = (known[:-1] + known[1:]) / 2
        nearest = known[np.searchsorted(middles, values)]
        values = np.where(missing[:, i], nearest, values)
        if not is_frame(imputed):
            imputed[:, i] = values
        elif library_of(imputed) == "polars":
            column = imputed[:, i]
            values = type(column)(column.name, values).cast(column.dtype)
            imputed = imputed.with_columns(values)
        else:
            column = imputed.iloc[:, i]
            values = type(column)(values, index=column.index).astype(column.dtype)
            imputed.isetitem(i, values)
    return imputed


def _fill_with_zeros(X, chosen):
    """Replace missing cells of some columns by 0, if they are not categories."""
    if not is_frame(X):
        return np.where(chosen & np.isnan(X), X.dtype.type(0), X)
    which = [i for i in np.flatnonzero(chosen) if column_kind(X, i) in _FILLED_KINDS]
    if library_of(X) == "polars":
        columns = [X[:, int(i)] for i in which]
        return X.with_columns(
            # A column of nulls alone has no dtype of numbers.
            (column if column.dtype.is_numeric() else column.cast(float))
            .fill_nan(None)
            .fill_null(0)
            for column in columns
        )
    X = X.copy(deep=False)
    for i in which:
        column = X.iloc[:, i]
        X.isetitem(i, column.where(column.notna(), 0).infer_objects())
    return X


def _put_columns(X, columns, places):
    if not is_frame(X):
        X[:, places] = columns
        return X
    if library_of(X) == "polars":
        return X.with_columns(list(columns))
    for i, place in enumerate(np.flatnonzero(places)):
        X.isetitem(place, columns.iloc[:, i])
    return X


# Around what scikit-learn wraps it in for `set_output`, which would compute the result.
AutoencoderImputer.transform = takes_lazy(AutoencoderImputer.transform)
