"""Pipelines with the further methods of autoencoders, in the units of the input."""

import numpy as np
import sklearn.pipeline
from sklearn import clone, config_context, get_config
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import _BaseAutoencoder
from ._formats import (
    USE_FIT,
    TransformedBlocks,
    as_blocks,
    check_in_memory,
    is_lazy,
    keep_observed,
    samples_like,
)
from ._formats._frames import column_names, frame_like, from_arrow, is_frame
from .parallel import map_blocks, takes_lazy

__all__ = ["Pipeline", "make_pipeline"]

_USE_MAP_BLOCKS = "Pass a part of X, or use skae.parallel.map_blocks."


def _last_has(name):
    """Check for a method of the last step, whose own AttributeError is raised."""

    def check(pipeline):
        getattr(pipeline._final_estimator, name)
        return True

    return check


class _Untransformed:
    """Validation samples that have not gone through the steps yet."""

    def __init__(self, X):
        self.X = X


class Pipeline(sklearn.pipeline.Pipeline):
    """Pipeline of scikit-learn, with the further methods of autoencoders.

    A :class:`sklearn.pipeline.Pipeline` has those methods of its last step that
    scikit-learn knows. This one has those of the estimators of skae too, where the last
    step has them, and returns samples, such as reconstructions, imputed tables and
    expected values, in the units, dtypes, library and index of the samples passed: they
    go back through the `inverse_transform` of the steps. Everything else is as there.

    Read more in the :ref:`User Guide <pipelines>`.

    Parameters
    ----------
    steps : list of tuples
        Names and estimators, in order. All but the last one are transformers.
    transform_input : list of str, default=None
        Names of metadata that go through the steps before they are passed on, as in
        :class:`sklearn.pipeline.Pipeline`. `X_val` does so without it.
    memory : str or object with the joblib.Memory interface, default=None
        Used to cache fitted transformers.
    verbose : bool, default=False
        If True, print the time that each step takes.

    Attributes
    ----------
    named_steps : sklearn.utils.Bunch
        Steps by their names.
    n_features_in_ : int
        Number of features seen by the first step during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen by the first step during `fit`, if it has them.

    See Also
    --------
    make_pipeline : Names the steps.
    skae.preprocessing.TableScaler : A scaler that has an inverse for tables.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AutoencoderOutlierDetector
    >>> from skae.pipeline import make_pipeline
    >>> wine = load_wine(as_frame=True).data
    >>> pipeline = make_pipeline(
    ...     StandardScaler(), AutoencoderOutlierDetector(random_state=0)
    ... ).fit(wine)
    >>> strange = wine[:1].assign(ash=4.5)
    >>> contributions, expected = pipeline.explain(strange, return_expected=True)
    >>> contributions.idxmax(axis=1).item(), bool(expected["ash"].item() < 3)
    ('ash', True)
    """

    __module__ = "skae.pipeline"

    def fit(self, X, y=None, *, X_val=None, **params):
        """Fit the steps, one after the other.

        Parameters
        ----------
        X : array-like or DataFrame
            Training samples. If the last step is an estimator of skae, also what its
            `fit` reads block by block: a Dask collection, a ``pyarrow.dataset.Dataset``
            or another object that yields blocks of samples whenever it is iterated
            over. Then each step is fitted by its `partial_fit`, in one pass for each,
            and blocks are transformed whenever they are read. Such steps are clones, as
            with `memory`. A fitted step within a
            :class:`~sklearn.frozen.FrozenEstimator` stays as it is.
        y : array-like, default=None
            Targets, or whatever the last step takes.
        X_val : array-like or DataFrame, default=None
            Validation samples for the last step, in the units of X: they are
            transformed by the steps before.
        **params : dict
            Arguments of the steps, as in :class:`sklearn.pipeline.Pipeline`.

        Returns
        -------
        Pipeline
            This Pipeline, fitted.

        Raises
        ------
        TypeError
            If X comes in blocks, but a step before the last has no `partial_fit`.
        """
        if X_val is not None:
            params = params | self._validation_params(X_val)
        blocks = as_blocks(X) if self._ends_in_autoencoder() else None
        if blocks is None:
            return super().fit(X, y, **params)
        return self._fit_on_blocks(blocks, y, params)

    def fit_transform(self, X, y=None, *, X_val=None, **params):
        """Fit the steps, and transform X by all of them.

        Parameters
        ----------
        X : array-like or DataFrame
            Training samples, in memory or as a Dask collection.
        y : array-like, default=None
            Targets, or whatever the last step takes.
        X_val : array-like or DataFrame, default=None
            Validation samples, as `fit` takes them.
        **params : dict
            Arguments of the steps.

        Returns
        -------
        ndarray or DataFrame
            What the last step returns.
        """
        if self._fits_apart(X, X_val):
            return self.fit(X, y, X_val=X_val, **params).transform(X)
        return super().fit_transform(X, y, **params)

    def fit_predict(self, X, y=None, *, X_val=None, **params):
        """Fit the steps, and predict labels of X by the last one.

        Parameters
        ----------
        X : array-like or DataFrame
            Training samples, in memory or as a Dask collection.
        y : array-like, default=None
            Targets, or whatever the last step takes.
        X_val : array-like or DataFrame, default=None
            Validation samples, as `fit` takes them.
        **params : dict
            Arguments of the steps.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        if self._fits_apart(X, X_val):
            return self.fit(X, y, X_val=X_val, **params).predict(X)
        return super().fit_predict(X, y, **params)

    # Only where scikit-learn has them, and the last step does.
    fit_transform = available_if(lambda self: self._can_fit_transform())(fit_transform)
    fit_predict = available_if(_last_has("fit_predict"))(fit_predict)

    @available_if(_last_has("partial_fit"))
    def partial_fit(self, X, y=None):
        """Train the last step for one pass over X.

        The first call fits the steps before on X. Later calls, also those after `fit`,
        leave them as they are: the last step was trained at their scale.

        Parameters
        ----------
        X : array-like or DataFrame
            Training samples, in memory.
        y : array-like, default=None
            Whatever the last step takes.

        Returns
        -------
        Pipeline
            This Pipeline.
        """
        if self._ends_in_autoencoder():
            check_in_memory(X, cure="Call partial_fit for each block, or fit.")
        if self.__sklearn_is_fitted__():
            X = self._transform_before_last(X)
        elif len(self.steps) > 1:
            before = self[:-1]
            X = before.fit_transform(X, y)
            self.steps[:-1] = before.steps
        self._final_estimator.partial_fit(X, y)
        return self

    # Results that are no samples.

    @available_if(_last_has("predict"))
    @takes_lazy
    def predict(self, X, **params):
        """Transform X, and predict by the last step.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples. A Dask collection is computed block by block, when the result is.
        **params : dict
            Arguments of `predict` of the last step, or metadata of all steps.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predictions.
        """
        return super().predict(X, **params)

    @available_if(_last_has("decision_function"))
    @takes_lazy
    def decision_function(self, X, **params):
        """Transform X, and compute decision values by the last step.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples. A Dask collection is computed block by block, when the result is.
        **params : dict
            Metadata of the steps.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        return super().decision_function(X, **params)

    @available_if(_last_has("score_samples"))
    @takes_lazy
    def score_samples(self, X):
        """Transform X, and score samples by the last step.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples. A Dask collection is computed block by block, when the result is.

        Returns
        -------
        ndarray of shape (n_samples,)
            Scores.
        """
        return super().score_samples(X)

    @available_if(lambda self: self._can_transform())
    @takes_lazy
    def transform(self, X, **params):
        """Transform X by all steps.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples. A Dask collection is computed block by block, when the result is.
        **params : dict
            Metadata of the steps.

        Returns
        -------
        ndarray or DataFrame
            What the last step returns.
        """
        return super().transform(X, **params)

    @available_if(lambda self: self._can_inverse_transform())
    @takes_lazy
    def inverse_transform(self, X, **params):
        """Undo all steps, the last one first.

        Parameters
        ----------
        X : array-like or DataFrame
            What `transform` returns. A Dask collection is computed block by block, when
            the result is.
        **params : dict
            Metadata of the steps.

        Returns
        -------
        ndarray or DataFrame
            Samples.
        """
        return super().inverse_transform(X, **params)

    @available_if(_last_has("predict_pvalue"))
    @takes_lazy
    def predict_pvalue(self, X):
        """Transform X, and compute conformal p-values by the last step.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples, none of which was used in `fit`. A Dask collection is computed
            block by block, when the result is.

        Returns
        -------
        ndarray of shape (n_samples,)
            P-values, see :meth:`skae.AutoencoderOutlierDetector.predict_pvalue`.
        """
        return self._final_estimator.predict_pvalue(self._transform_before_last(X))

    @available_if(_last_has("select_outliers"))
    def select_outliers(self, X, **params):
        """Transform X, and select outliers by the last step.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples, none of which was used in `fit`. A Dask collection is computed.
        **params : dict
            Arguments of `select_outliers` of the last step, such as `fdr`.

        Returns
        -------
        ndarray of shape (n_samples,), of bool
            Whether each sample is selected.
        """
        Xt = self._transform_before_last(X)
        return self._final_estimator.select_outliers(Xt, **params)

    @available_if(_last_has("test_drift"))
    def test_drift(self, X):
        """Transform X, and test by the last step whether it has drifted.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples, none of which was used in `fit`. A Dask collection is computed.

        Returns
        -------
        scipy.stats result
            See :meth:`skae.AutoencoderOutlierDetector.test_drift`.
        """
        return self._final_estimator.test_drift(self._transform_before_last(X))

    @available_if(_last_has("set_threshold"))
    def set_threshold(self, contamination):
        """Set the decision threshold of the last step, without refitting.

        Parameters
        ----------
        contamination : "auto" or float
            See :meth:`skae.AutoencoderOutlierDetector.set_threshold`.

        Returns
        -------
        Pipeline
            This Pipeline.
        """
        check_is_fitted(self)
        self._final_estimator.set_threshold(contamination)
        return self

    @available_if(_last_has("explain"))
    def explain(self, X, *, return_expected=False):
        """Attribute each sample's anomaly to its features, by the last step.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples to explain.
        return_expected : bool, default=False
            Whether to return too what each value is expected to be by the others, in
            the units of X.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features), or DataFrame
            Contribution of each feature of the last step, which are those of X if the
            steps before keep the columns, as scalers do. A DataFrame of the library of
            X, if X is one; its columns are named by `get_feature_names_out` of the
            steps.
        expected : ndarray of the shape of X, or DataFrame
            Expected values, of the library and dtypes of X; values of integers are
            rounded. Only if `return_expected` is True.

        Raises
        ------
        TypeError
            If `return_expected` is True and a step has no `inverse_transform`.
        """
        check_in_memory(X, cure=_USE_MAP_BLOCKS)
        if not return_expected:
            Xt = self._transform_before_last(X)
            return self._name_features(self._final_estimator.explain(Xt), X)
        self._check_inverse()
        contributions, expected = self._final_estimator.explain(
            self._transform_before_last(X), return_expected=True
        )
        expected = samples_like(self._undo_before_last(expected), X)
        return self._name_features(contributions, X), expected

    # Results that are samples.

    @available_if(_last_has("reconstruct"))
    @takes_lazy
    def reconstruct(self, X):
        """Reconstruct X by the last step, in the units of X.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples. A Dask collection is computed block by block, when the result is.

        Returns
        -------
        ndarray of the shape of X, or DataFrame
            Reconstructions. A DataFrame of the library, columns and dtypes of X, if X
            is one; values of integers are rounded.

        Raises
        ------
        TypeError
            If a step has no `inverse_transform`.
        """
        self._check_inverse()
        Xt = self._transform_before_last(X)
        return samples_like(
            self._undo_before_last(self._final_estimator.reconstruct(Xt)), X
        )

    @available_if(_last_has("impute"))
    @takes_lazy
    def impute(self, X):
        """Replace the missing cells of X by the last step, in the units of X.

        Parameters
        ----------
        X : array-like or DataFrame
            Samples with missing cells. A Dask collection is computed block by block,
            when the result is.

        Returns
        -------
        ndarray of the shape of X, or DataFrame
            The samples without missing cells. Observed cells are exactly those of X.

        Raises
        ------
        TypeError
            If a step has no `inverse_transform`.
        """
        self._check_inverse()
        imputed = self._final_estimator.impute(self._transform_before_last(X))
        return keep_observed(X, samples_like(self._undo_before_last(imputed), X))

    @available_if(_last_has("sample"))
    def sample(self, *args, **params):
        """Draw new samples from the last step, in the units of the training samples.

        Parameters
        ----------
        *args, **params : object
            Arguments of `sample` of the last step: `n_samples` and `random_state`.

        Returns
        -------
        ndarray or DataFrame
            Samples, as the `inverse_transform` of the first step returns them.

        Raises
        ------
        TypeError
            If a step has no `inverse_transform`.
        """
        check_is_fitted(self)
        self._check_inverse()
        return self._undo_before_last(self._final_estimator.sample(*args, **params))

    def _before_last(self):
        return [(name, step) for _, name, step in self._iter(with_final=False)]

    def _transform_before_last(self, X):
        check_is_fitted(self)
        if is_lazy(X):
            return self._transform_lazily(X) if len(self.steps) > 1 else X
        for _, step in self._before_last():
            X = step.transform(X)
        return X

    def _transform_lazily(self, X):
        Xt = map_blocks(self[:-1].transform, X)
        # Steps that return arrays give Dask DataFrames names, which `fit` did not have.
        has_names = hasattr(self._final_estimator, "feature_names_in_")
        return Xt if has_names or not hasattr(Xt, "columns") else Xt.values

    def _check_inverse(self):
        for name, step in self._before_last():
            if not hasattr(step, "inverse_transform"):
                raise TypeError(
                    f"Step {name!r}, {step!r}, has no inverse_transform, which samples "
                    "in the units of X need. TableScaler of skae.preprocessing and "
                    "scalers of scikit-learn have one."
                )

    def _undo_before_last(self, samples):
        for _, step in reversed(self._before_last()):
            samples = step.inverse_transform(samples)
        return samples

    def _name_features(self, contributions, X):
        """Give contributions library and index of X, and names of features."""
        X = from_arrow(X)
        values = np.asarray(contributions)
        if not is_frame(X):
            return values
        names = self._names_before_last(column_names(X), values.shape[1])
        if names is None:
            names = column_names(contributions)
        if names is None:
            names = [f"x{i}" for i in range(values.shape[1])]
        return frame_like(X, values, names)

    def _names_before_last(self, columns, n_features):
        """Return names of what the last step is given; None if they are unknown."""
        given = getattr(self, "feature_names_in_", None)
        given = [f"x{i}" for i in range(len(columns))] if given is None else list(given)
        names = given
        for _, step in self._before_last():
            if names is None or not hasattr(step, "get_feature_names_out"):
                # A function, as a rule: it keeps the columns if it keeps their number.
                names = None
            else:
                names = list(step.get_feature_names_out(names))
        kept = len(columns) == n_features
        if names == given or (names is None and kept):
            return columns
        return names if names is not None and len(names) == n_features else None

    # How steps are fitted.

    def _ends_in_autoencoder(self):
        return isinstance(self._final_estimator, _BaseAutoencoder)

    def _fits_apart(self, X, X_val):
        """Return whether the result for X is computed after `fit`."""
        if self._ends_in_autoencoder() and not is_lazy(X):
            check_in_memory(X, cure=USE_FIT)
        return X_val is not None or (self._ends_in_autoencoder() and is_lazy(X))

    def _validation_params(self, X_val):
        if not get_config()["enable_metadata_routing"]:
            return {f"{self.steps[-1][0]}__X_val": _Untransformed(X_val)}
        transforms = "X_val" in (self.transform_input or ())
        return {"X_val": X_val if transforms else _Untransformed(X_val)}

    def _get_metadata_for_step(self, *, step_idx, step_params, all_params):
        step_params = super()._get_metadata_for_step(
            step_idx=step_idx, step_params=step_params, all_params=all_params
        )
        given = [
            value
            for params in step_params.values()
            for value in params.values()
            if isinstance(value, _Untransformed)
        ]
        if not given:
            return step_params
        X_val = given[0].X
        for _, step in self.steps[:step_idx]:
            if step not in (None, "passthrough"):
                X_val = step.transform(X_val)
        return Bunch(
            **{
                method: {
                    name: X_val if isinstance(value, _Untransformed) else value
                    for name, value in params.items()
                }
                for method, params in step_params.items()
            }
        )

    def _fit_on_blocks(self, blocks, y, params):
        self._validate_steps()
        routed = self._check_method_params("fit", params)
        steps = list(self.steps)
        for i, name, step in self._iter(with_final=False):
            if any(routed[name].values()):
                raise ValueError(
                    f"Step {name!r} is fitted block by block, and takes no further "
                    f"arguments, but got {sorted(set().union(*routed[name].values()))}."
                )
            steps[i] = name, _fit_step(name, step, blocks)
            blocks = TransformedBlocks(blocks, _Transform(steps[i][1]))
        name, last = steps[-1]
        fitted = type(self)(steps)
        last_params = fitted._get_metadata_for_step(
            step_idx=len(steps) - 1, step_params=routed[name], all_params=params
        )
        last.fit(blocks, y, **last_params["fit"])
        self.steps = steps
        return self


class _Transform:
    """The transform of a step, by the configuration of the thread that fits."""

    def __init__(self, step):
        self.step = step
        self.config = get_config()

    def __call__(self, rows):
        with config_context(**self.config):
            return self.step.transform(rows)


def _fit_step(name, step, blocks):
    """Return a step that is fitted in one pass over blocks."""
    if isinstance(step, FrozenEstimator):
        return step
    needs_all = get_tags(step).requires_fit
    if needs_all and not hasattr(step, "partial_fit"):
        raise TypeError(
            f"X comes in blocks, but step {name!r}, {step!r}, has no partial_fit. Use "
            "a step that has one, such as StandardScaler, MinMaxScaler, MaxAbsScaler "
            "or TableScaler(), or fit it on a part of X in memory, and put it into a "
            "sklearn.frozen.FrozenEstimator."
        )
    step = clone(step)
    for _, rows in blocks.read():
        if not needs_all:
            return step.fit(rows)
        step.partial_fit(rows)
    return step


def make_pipeline(*steps, memory=None, transform_input=None, verbose=False):
    """Construct a :class:`Pipeline`, whose steps are named by their classes.

    Parameters
    ----------
    *steps : list of estimators
        In order.
    memory : str or object with the joblib.Memory interface, default=None
        Used to cache fitted transformers.
    transform_input : list of str, default=None
        As in :class:`Pipeline`.
    verbose : bool, default=False
        If True, print the time that each step takes.

    Returns
    -------
    Pipeline
        The Pipeline.

    See Also
    --------
    Pipeline : With names of your own.

    Examples
    --------
    >>> from skae import AutoencoderTransformer
    >>> from skae.pipeline import make_pipeline
    >>> from skae.preprocessing import TableScaler
    >>> pipeline = make_pipeline(TableScaler(), AutoencoderTransformer())
    >>> list(pipeline.named_steps)
    ['tablescaler', 'autoencodertransformer']
    """
    names = sklearn.pipeline.make_pipeline(*steps).steps
    return Pipeline(
        names, memory=memory, transform_input=transform_input, verbose=verbose
    )
