"""What both estimators share: parameters, `fit` and `partial_fit`."""

import math
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
)

from ._backend import check_process, read_values, write_network
from ._inference import FittedNetworks
from ._missing import (
    observed_means,
    observed_variances,
)
from ._random import draw_seed
from ._reconstruction import ReconstructionMixin
from ._samples import SamplesMixin, architecture_has
from ._state import StateMixin
from ._tables import TableEncoder
from ._training import (
    DEFAULT_LOSS,
    CallbackSupportMixin,
    FitData,
    SklearnCallbacks,
    Start,
    TrainingLoss,
    TrainingOptions,
    gain_is_significant,
    make_optimizer,
    set_learning_rate,
    train,
)
from ._validation import (
    check_reachable,
)
from .architectures import BaseArchitecture, DenseArchitecture, KerasArchitecture
from .architectures._categories import set_category_value
from .architectures._clipping import clipping_lifted
from .architectures._filling import fit_filling
from .metrics import _r2_score, _squared_errors

# Bytes of the samples that an architecture may take its first weights from.
INITIAL_BYTES = 2**28
# Validation samples by which the start and the end of training are compared.
MAX_JUDGED_SAMPLES = 10_000
# From so many on, it is worth a warning that training gained nothing.
MIN_JUDGED_SAMPLES = 20
# Samples that the means of features are computed from, with which missing cells are
# filled where no training sample had any.
MAX_CENTRE_SAMPLES = 10_000


@dataclass(frozen=True)
class _Judgement:
    """How well networks reconstruct the validation samples.

    Parameters
    ----------
    errors : ndarray of shape (n_samples,)
        Squared errors of the samples, or deviances where there are categories.
    variance : float
        Total variance of the samples, or mean deviance.
    score : float
        R² of the samples, or their share of the deviance; NaN for a single one.
    """

    errors: np.ndarray
    variance: float
    score: float


class _BaseAutoencoder(
    SamplesMixin,
    ReconstructionMixin,
    StateMixin,
    CallbackSupportMixin,
    BaseEstimator,
    ABC,
):
    """An estimator around one autoencoder.

    A subclass says how many components there are by default, and may hold out samples,
    order the codes and compute what follows from trained networks.
    """

    # What a notebook's HTML representation links to; empty: nothing. TO FILL IN before
    # the first release: the address of the documentation, and after it
    # "/generated/{estimator_module}.{estimator_name}.html".
    _doc_link_module = "skae"
    _doc_link_template = ""

    # Smallest and largest number of epochs that "auto" chooses.
    _auto_epochs = (20, 150)
    _from_dicts = StateMixin._from_dicts | {"_table": TableEncoder.from_dict}
    # Parameters that shape the networks, beside `architecture` and `loss`.
    _shaping_parameters = ("n_components",)

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "architecture": "no_validation",  # see `_new_architecture`
        "loss": [str, callable, None],
        "optimizer": [str, HasMethods(["apply_gradients", "get_config"]), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "epochs": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    }

    def __init__(
        self,
        n_components,
        architecture,
        loss,
        optimizer,
        learning_rate,
        epochs,
        batch_size,
        validation_fraction,
        patience,
        max_time,
        callbacks,
        warm_start,
        random_state,
        verbose,
        categorical_features,
    ):
        self.n_components = n_components
        self.architecture = architecture
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.max_time = max_time
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.categorical_features = categorical_features

    @abstractmethod
    def _default_n_components(self, train):
        """Choose the size of the code where the parameter is None."""

    def _choose_n_components(self, architecture, train):
        """Choose the size of the code; None for one that the architecture brings."""
        if self.n_components is None and not architecture.brings_n_components:
            return self._default_n_components(train)
        return self.n_components

    def _orders_codes(self, architecture):
        """Return whether training orders the codes."""
        return False

    def _finish_fit(self, data, warm, interrupted=False):
        """Compute what follows from trained networks."""

    def _finish_partial_fit(self, data):
        """Compute what follows from trained networks after one more batch."""
        self._finish_fit(data, warm=True)

    def _attributes_in_training(self, data):
        """Return what `_finish_fit` would set, for the weights as they are."""
        return {}

    def set_params(self, **params):
        """Set the parameters of this estimator.

        Parameters of the architecture are set as ``architecture__name``, also while
        `architecture` is None: it then becomes the default architecture first.

        Parameters
        ----------
        **params : dict
            Estimator parameters.

        Returns
        -------
        object
            This estimator.
        """
        nested = any(name.startswith("architecture__") for name in params)
        if nested and params.get("architecture", self.architecture) is None:
            params = params | {"architecture": DenseArchitecture()}
        return super().set_params(**params)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, X_val=None):
        """Fit the autoencoder to reconstruct X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Training samples, of float32 or float64; other numbers become float64. The
            network itself computes in Keras's floatx, float32 by default. NaN is a
            missing cell, for architectures that take those. A DataFrame of pandas or
            Polars may have categories, see `categorical_features`. A Dask array or
            DataFrame, a ``pyarrow.dataset.Dataset`` and an object that yields blocks of
            samples whenever it is iterated over are read block by block, see
            :ref:`large_data`.
        y : array-like of shape (n_samples,), default=None
            Ignored, except by :class:`AutoencoderOutlierDetector` with
            ``use_labels=True``: labels, of which -1 is an outlier, 1 a normal sample,
            and 0 an unknown one.
        X_val : array-like of the shape of X but for n_samples, default=None
            Validation samples, in place of a share of X.

        Returns
        -------
        object
            The fitted estimator. If training is interrupted by Ctrl-C, the best weights
            so far are kept and the KeyboardInterrupt is raised again. An interruption
            before or after training, such as while scores are computed, leaves the
            estimator as it was before.

        Raises
        ------
        ValueError
            If X has infinite values, or NaN with an architecture that does not take
            missing cells, if the architecture does not fit its shape, or if the output
            layer cannot reach its values. What was fitted before stays as it was.
        """
        warm = self.warm_start and hasattr(self, "_fitted")
        check_process()
        with self._restored_on_error():
            self._rng = self._new_rng()
            data = self._prepare(X, y, X_val, reset=not warm)
            loss = self._begin(data, warm)
            options = self._training_options(data, loss)
            # scikit-learn's own callbacks; None before version 1.9.
            context = self._init_callback_context(max_subtasks=options.epochs)
            if context is not None:
                context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            starts = [] if warm else self._starts(data.train)
            reference = self._judge(data.val) if starts else None
            result = self._train(
                data,
                options,
                starts=starts,
                observers=self._observers(context, X, y, data),
            )
            end = self._judge(data.val)
            if reference is not None and not self._gained(reference, end, loss, result):
                if len(starts) > 1 and len(reference.errors) >= MIN_JUDGED_SAMPLES:
                    self._warn_of_no_gain(starts, result)
                result = self._return_to(starts[0], data, result)
                end = reference
            if not warm:
                self.start_ = result.start
            self._fitted.freeze()
            self._set_training_result(result, reference, end)
            self._finish_fit(data, warm, result.interrupted)
        if context is not None:
            context.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes={}
            )
        if result.interrupted:
            raise KeyboardInterrupt
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one pass over X, starting from the current weights.

        The first call builds the networks. Later calls continue with their weights and
        with the optimizer's state, at the learning rate that the parameters ask for.
        Nothing is held out for validation, and `callbacks` are not called.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Training samples.
        y : None
            Ignored.

        Returns
        -------
        object
            The fitted estimator, trained for one more epoch.

        Raises
        ------
        ValueError
            As `fit`; also if X has another number of features than before, or if
            parameters ask for other networks than there are.
        """
        first = not hasattr(self, "_fitted")
        check_process()
        with self._restored_on_error():
            if first:
                self._rng = self._new_rng()
            X = self._validate(X, reset=first, in_fit=True)
            samples = self._row_source(X, "X")
            share = self._hidden_share(not first, samples.summary)
            if share:
                seed = draw_seed(self._rng)
                samples = samples.hiding_cells(seed, share, self._groups)
            data = FitData(samples, None, None, samples)
            loss = self._begin(data, warm=not first)
            if first:
                self.start_ = self._initialize(samples)
            options = replace(
                self._training_options(data, loss),
                epochs=1,
                patience=None,
                peak_learning_rate=None,
                max_time=None,
                callbacks=(),
                optimizer_state=None if first else self._optimizer_state,
            )
            result = self._train(data, options, widen=not first)
            self._fitted.freeze()
            if not first:
                result = self._appended(result)
            self._set_training_result(result)
            self._finish_partial_fit(data)
        if result.interrupted:
            raise KeyboardInterrupt
        return self

    # The stages of a fit, in their order.

    def _new_rng(self):
        """Make a generator of the estimator's own: the user's gives just one number."""
        return np.random.RandomState(draw_seed(check_random_state(self.random_state)))

    def _begin(self, data, warm):
        """Build networks, or check those there are; return the loss to train with."""
        kwargs = {"skips_missing": data.handles_missing, "groups": self._groups}
        loss = TrainingLoss(DEFAULT_LOSS if self.loss is None else self.loss, **kwargs)
        if warm:
            self._check_same_network(loss)
        else:
            self._build(data, loss)
        brought = self._fitted.networks.loss
        return loss if brought is None else TrainingLoss(brought, **kwargs)

    def _build(self, data, loss):
        """Make new networks, and set the attributes that describe them."""
        train = data.train
        self.architecture_ = architecture = self._new_architecture()
        self._built_for = {
            name: getattr(self, name) for name in self._shaping_parameters
        } | {"categorical_features": self.categorical_features}
        self._build_arguments = {
            "sample_shape": self._sample_shape,
            "n_components": self._choose_n_components(architecture, train),
            "output_activation": "sigmoid" if loss.is_cross_entropy() else "linear",
            "ordered": self._orders_codes(architecture),
            "missing": data.train.hidden_share,
            "groups": self._groups,
            "random_state": draw_seed(self._rng),
        }
        self._fitted = FittedNetworks(self._network_builder())
        self.n_components_ = self._fitted.n_components
        some = train.X[:: -(-len(train.X) // MAX_CENTRE_SAMPLES)]
        self._centre = observed_means(some)
        if self._table is not None:
            set_category_value(self._fitted.networks, self._table.columns.value)
        if data.handles_missing:
            X = train.take(train.draw(INITIAL_BYTES, self._rng))
            fit_filling(self._fitted.networks, X.reshape(len(X), -1))
        for name in ("loss", "optimizer"):
            own, brought = getattr(self, name), getattr(self._fitted.networks, name)
            if own is not None and brought is not None:
                kind = brought if isinstance(brought, str) else type(brought).__name__
                raise ValueError(
                    f"{name}={own!r} is given, but the model of the architecture is "
                    f"compiled with {kind} already. Give it in one place only."
                )

    def _new_architecture(self):
        """Copy the parameter `architecture`, in the form of a `BaseArchitecture`."""
        given = self.architecture
        if given is None:
            return DenseArchitecture()
        if isinstance(given, BaseArchitecture):
            return clone(given)
        if KerasArchitecture.is_wrapper(given):
            return clone(KerasArchitecture(given))
        raise InvalidParameterError(
            "The 'architecture' parameter has to be an architecture of "
            f"skae.architectures, a SciKeras wrapper or None, got {given!r}. A Keras "
            "model goes in as KerasArchitecture(model)."
        )

    def _network_builder(self):
        """Return what makes the networks from the architecture, with new weights."""
        return partial(self.architecture_.build, **self._build_arguments)

    def _initialize(self, samples):
        """Let the architecture set weights from samples; return what it calls them."""
        X = samples.take(samples.draw(INITIAL_BYTES, self._rng))
        name = self.architecture_.initialize(self._fitted.networks, X)
        if name is not None and not isinstance(name, str):
            raise TypeError(
                f"initialize of {type(self.architecture_).__name__} has to return the "
                f"name of the initial weights, a str, or None, got {name!r}."
            )
        return name

    def _starts(self, samples):
        """Set weights from samples; return them, and others to try, if there are any.

        They are none where the weights stay as built.
        """
        variables = self._fitted.networks.autoencoder.variables
        random = Start("random", read_values(variables))
        name = self._initialize(samples)
        if name is None:
            return []
        starts = [Start(name, read_values(variables))]
        # Nested dropout has its order from the first weights.
        if self.architecture_.tries_random_start and not self._codes_are_ordered:
            starts.append(random)
        return starts

    def _training_options(self, data, loss):
        """Resolve the parameters of training."""
        decoder, n_samples = self._fitted.networks.decoder, len(data.trained_on)
        check_reachable(data.summary.value_range, decoder, loss, "X")
        if data.val_is_given:
            check_reachable(data.val.summary.value_range, decoder, loss, "X_val")
        optimizer = self._fitted.networks.optimizer
        optimizer = self.optimizer if optimizer is None else optimizer
        epochs, batch_size, patience = self.epochs, self.batch_size, self.patience
        if batch_size == "auto":
            batch_size = _default_batch_size(n_samples)
        n_batches = n_samples / batch_size
        if epochs == "auto":
            epochs = int(np.clip(8000 / n_batches, *self._auto_epochs))
        if patience == "auto":
            patience = max(10, epochs // 2)
        own_rate = self.learning_rate is not None or optimizer is not None
        own_rate |= set_learning_rate(self.callbacks)
        peak = None if own_rate else self.architecture_.peak_learning_rate
        return TrainingOptions(
            loss=loss,
            optimizer=make_optimizer(optimizer, self.learning_rate),
            epochs=epochs,
            batch_size=min(batch_size, n_samples),
            patience=patience,
            peak_learning_rate=peak,
            max_time=self.max_time,
            may_give_up=self.epochs == "auto" and self.patience == "auto",
            callbacks=tuple(self.callbacks or ()),
            verbose=self.verbose,
        )

    def _train(self, data, options, *, starts=(), observers=(), widen=False):
        """Train the networks and finalize them."""
        with clipping_lifted(self._fitted.networks):
            result = train(
                self._fitted.networks,
                data,
                options,
                rng=self._rng,
                starts=starts,
                observers=observers,
            )
        self._finalize(data.trained_on, widen)
        return result

    def _finalize(self, samples, widen=False):
        blocks = ((block, self._fitted.encode(block)) for block in samples.blocks())
        self.architecture_.finalize(self._fitted.networks, blocks, widen=widen)

    def _judge(self, val):
        """Compare validation samples with their reconstructions; None without any."""
        if val is None:
            return None
        indices = val.indices[:: -(-len(val) // MAX_JUDGED_SAMPLES)]
        X = val.X[indices]
        X_hat = self._reconstruct(val.hide(X, indices))
        score = self._score_reconstruction(X, X_hat) if len(X) > 1 else math.nan
        if self._table is not None:
            columns = self._table.columns
            errors = columns.errors(X, X_hat).sum(axis=1)
            return _Judgement(errors, columns.null_errors(X).sum() / len(X), score)
        variances = X.var(axis=0, dtype=np.float64)
        if val.hidden is not None:
            variances = observed_variances(X)
        return _Judgement(_squared_errors(X, X_hat), float(variances.sum()), score)

    def _score_reconstruction(self, X, X_hat):
        """Return R², or the share of the deviance where there are categories."""
        if self._table is None:
            return _r2_score(X, X_hat)
        return self._table.columns.score(X, X_hat)

    def _gained(self, reference, end, loss, result):
        """Return whether training improved on the start from the data."""
        better = result.best_loss < result.reference_loss
        if not better or not loss.is_squared_error:
            return better
        return gain_is_significant(reference.errors, end.errors, reference.variance)

    def _warn_of_no_gain(self, starts, result):
        first, *others = (start.name for start in starts)
        longer = "more epochs" if self.max_time is None else "a larger max_time"
        warnings.warn(
            f"{result.n_iter} epochs of training, from {first} or from "
            f"{' or from '.join(others)} initial weights, did not reconstruct the "
            f"validation samples better than {first} does without training, so {first} "
            f"is kept. Try {longer}, larger hidden layers or another n_components; if "
            f"that changes nothing, {first} is sufficient for X.",
            ConvergenceWarning,
            stacklevel=3,
        )

    def _return_to(self, start, data, result):
        """Put a start back, learned from all samples: none has to judge any more."""
        write_network(self._fitted.networks.autoencoder, start.values)
        if not data.val_is_given:
            self._initialize(data.learnable)
        self._finalize(data.learnable if data.stream is None else data.stream)
        return replace(result, start=start.name, best_epoch=0, optimizer_state=None)

    def _set_training_result(self, result, start=None, end=None):
        """Set the fitted attributes that describe training."""
        self.history_ = result.history
        self.n_iter_ = result.n_iter
        self.best_epoch_ = result.best_epoch
        self.start_validation_score_ = None if start is None else start.score
        self.validation_score_ = None if end is None else end.score
        self._optimizer_state = result.optimizer_state

    def _appended(self, result):
        """Append the result of a further epoch to those before."""
        before, now, n_iter = self.history_, result.history, self.n_iter_
        history = {
            name: before.get(name, [np.nan] * n_iter)
            + now.get(name, [np.nan] * result.n_iter)
            for name in before | now
        }
        n_iter += result.n_iter
        return replace(result, history=history, n_iter=n_iter, best_epoch=n_iter)

    def _observers(self, context, X, y, data):
        """Return what reports epochs to scikit-learn's callbacks, if there are any."""
        if context is None or not getattr(self, "_skl_callbacks", None):
            return []
        attributes = partial(self._attributes_in_training, data)
        return [SklearnCallbacks(self, context, X, y, attributes)]

    def _check_same_network(self, loss):
        """Refuse to continue with a network when parameters ask for another one."""
        going_on = "warm_start=True and partial_fit continue with the earlier network"
        cure = "Fit with warm_start=False to build a new one."
        for name in self._shaping_parameters:
            asked, built = getattr(self, name), self._built_for[name]
            same = asked == built or (
                name == "n_components" and asked == self.n_components_
            )
            if not same:
                raise ValueError(
                    f"{going_on}, which was built for {name}={built!r} and has "
                    f"{self.n_components_} components, but {name}={asked!r}. {cure}"
                )
        asked = self.categorical_features
        built = self._built_for.get("categorical_features", asked)
        if not _are_equal(asked, built):
            raise ValueError(
                f"{going_on}, which was built for categorical_features={built!r}, but "
                f"categorical_features={asked!r}. {cure}"
            )
        architecture = self._new_architecture()
        if not architecture.builds_like(self.architecture_):
            raise ValueError(
                f"{going_on}, of {self.architecture_!r}, but "
                f"architecture={architecture!r}. {cure}"
            )
        chosen = getattr(architecture, "output_activation", "auto")
        linear = self._build_arguments["output_activation"] == "linear"
        if loss.is_cross_entropy() and linear and chosen in ("auto", "linear"):
            raise ValueError(
                f"{going_on}, whose output is linear, but the cross-entropy "
                f"loss={self.loss!r} needs an output in [0, 1]. {cure}"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = architecture_has(self.architecture, "takes_missing")
        return tags


def _are_equal(one, other):
    """Compare parameters that may be lists or arrays."""
    return np.array_equal(np.asarray(one, object), np.asarray(other, object))


def _default_batch_size(n_samples):
    """Return a power of two: at most a hundredth of the samples, within 32 and 256."""
    return int(np.clip(2 ** int(np.log2(max(n_samples / 100, 1))), 32, 256))
