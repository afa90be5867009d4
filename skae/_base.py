"""What both estimators share: parameters, `fit` and `partial_fit`."""

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from html import escape
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    RealNotInt,
    StrOptions,
)
from sklearn.utils.validation import check_is_fitted

from ._backend import check_process, import_keras, read_values, write_network
from ._formats import (
    FitData,
    RowSource,
    check_in_memory,
    format_from_dict,
    format_of,
    read_samples,
)
from ._inference import FittedNetworks
from ._missing import hidden_share, refuse_masked
from ._random import draw_seed
from ._state import StateMixin
from ._training import (
    DEFAULT_LOSS,
    CallbackSupportMixin,
    Judgement,
    SklearnCallbacks,
    Start,
    TrainingLoss,
    TrainingOptions,
    make_optimizer,
    set_learning_rate,
    train,
)
from ._validation import (
    check_floatx,
    check_reachable,
    check_scale,
    warn_of_empty_features,
    warn_of_one_sample,
)
from .architectures import (
    BaseArchitecture,
    DenseArchitecture,
    KerasArchitecture,
    NetworkSpec,
)
from .architectures._clipping import clipping_lifted
from .parallel import takes_lazy

# Bytes of the samples that an architecture may take its first weights from.
INITIAL_BYTES = 2**28
# Fitted attributes: Keras models that share their weights.
KERAS_MODELS = ("encoder_", "decoder_", "autoencoder_")


class _BaseAutoencoder(StateMixin, CallbackSupportMixin, BaseEstimator, ABC):
    """An estimator around one autoencoder.

    A subclass says how many components there are by default, and may hold out samples,
    order the codes and compute what follows from trained networks.
    """

    # What a notebook's HTML representation links to; empty: nothing. TO FILL IN before
    # the first release: the address of the documentation, and after it
    # "/generated/{estimator_module}.{estimator_name}.html".
    _doc_link_module = "skae"
    _doc_link_template = ""

    # Size of the code, or share of the variance, where nothing else says which.
    _default_n_components: int | float
    # Smallest and largest number of epochs that "auto" chooses.
    _auto_epochs = (20, 150)
    _from_dicts = StateMixin._from_dicts | {
        "_format": lambda state, _: format_from_dict(state)
    }
    # Parameters that shape the networks, beside `architecture` and `loss`.
    _shaping_parameters = ("n_components",)
    # Methods whose results can be exported to ONNX.
    _onnx_outputs = ("encode", "reconstruct")

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
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
    def _count_components(self, train, share):
        """Count the components that PCA needs for a share of the variance."""

    def _choose_n_components(self, architecture, train):
        """Choose the size of the code; None for one that the architecture brings."""
        asked = self.n_components
        if asked is None and not architecture.brings_n_components:
            asked = self._default_n_components
        is_share = asked is not None and asked < 1
        return self._count_components(train, asked) if is_share else asked

    def _orders_codes(self, architecture):
        """Return whether training orders the codes."""
        return False

    def _set_outliers_apart(self, X, y, are_all):
        """Return normal samples, labelled outliers, and which are labelled as normal.

        `are_all` is False where X is a part of samples that are read block by block.
        """
        return X, None, None

    def _hold_out(self, samples):
        """Split samples into those to learn from, and those to calibrate by, if any."""
        return samples, None

    def _hold_out_of_batch(self, samples):
        """Split samples of `partial_fit` as `_hold_out` does those of `fit`."""
        return samples, None

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
            data = self._prepare(X, y, X_val, warm)
            loss = self._begin(data, warm)
            options = self._training_options(data, loss)
            # scikit-learn's own callbacks; None before version 1.9.
            context = self._init_callback_context(max_subtasks=options.epochs)
            if context is not None:
                context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            observers = self._observers(context, X, y, data)
            interrupted = self._fit_networks(data, loss, options, warm, observers)
        if context is not None:
            context.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes={}
            )
        if interrupted:
            raise KeyboardInterrupt
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one pass over X, starting from the current weights.

        The first call builds the networks. Later calls continue with their weights and
        with the optimizer's state, at the learning rate that the parameters ask for.
        The state is kept between calls of this method only: after `fit`, the optimizer
        is a new one. Nothing is held out for validation, and `callbacks` are not
        called.

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
            X = self._encode_training(X, warm=not first)
            samples = self._row_source(X, "X")
            samples, _ = self._hide_cells(samples, None, samples.summary, not first)
            learnable, calibration = self._hold_out_of_batch(samples)
            data = FitData(learnable, None, calibration, learnable)
            loss = self._begin(data, warm=not first)
            if first:
                self.start_ = self._initialize(learnable)
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
            self._optimizer_state = result.optimizer_state
            self._finish_partial_fit(data)
        if result.interrupted:
            raise KeyboardInterrupt
        return self

    def _fit_networks(self, data, loss, options, warm=False, observers=()):
        """Train networks as built, set attributes; return whether Ctrl-C ended it."""
        starts = [] if warm else self._starts(data.train)
        reference = self._judge(data.val) if starts else None
        result = self._train(data, options, starts=starts, observers=observers)
        end = self._judge(data.val)
        if reference is not None and not reference.gained(end, loss, result):
            longer = "more epochs" if self.max_time is None else "a larger max_time"
            reference.warn_of_no_gain(starts, result.n_iter, longer)
            result = self._return_to(starts[0], data, result)
            end = reference
        if not warm:
            self.start_ = result.start
        self._fitted.freeze()
        self._set_training_result(result, reference, end)
        # Only `partial_fit` goes on with it, and files would be three times as large.
        self._optimizer_state = None
        self._finish_fit(data, warm, result.interrupted)
        return result.interrupted

    # X, validated once by each public method.

    def _validate(self, X):
        """Validate new samples, and encode them as one array."""
        X = self._format.encode(X, self)
        self._format.check_missing(X, self.architecture_.supports, self.architecture_)
        return X

    # The stages of a fit, in their order.

    def _prepare(self, X, y, X_val, warm):
        """Validate X and X_val, and split them into what learns and what judges."""
        # A generator of its own: fits that take all rows are those of X in memory.
        seed = draw_seed(copy.deepcopy(self._rng))
        source = read_samples(X, self.categorical_features, seed)
        X = source.draw(partial(self._encode_training, warm=warm))
        warn_of_one_sample(len(X), self._format.shape)
        X, outliers, is_normal = self._set_outliers_apart(X, y, source.are_all)
        samples, validation = self._row_source(X, "X"), None
        if X_val is not None:
            check_in_memory(X_val, "X_val")
            X_val = self._encode_training(X_val, warm=True)
            validation = self._row_source(X_val, "X_val")
        summary = source.summary(partial(self._encode_training, warm=True), samples)
        check_floatx(summary.value_range, samples.X.dtype, samples.dtype, "X")
        parts = self._split(samples, validation, summary, warm)
        stream = source.stream(self._format.encode_valid, parts[0], summary)
        return FitData(*parts, outliers, is_normal, stream)

    def _encode_training(self, X, *, warm):
        """Validate training samples, of a format that is chosen unless there is one."""
        if warm:
            X = self._format.encode(X, self)
        else:
            self._format, X = format_of(X, self)
        supports = supported_by(self.architecture)
        self._format.check_categories(supports, self.architecture)
        self._format.check_missing(X, supports, self.architecture)
        return X

    def _row_source(self, X, name):
        """Wrap validated X for the network, whose dtype has to hold its values."""
        floatx = import_keras().config.floatx()
        source = RowSource(X, self._format.shape, floatx)
        check_floatx(source.summary.value_range, X.dtype, floatx, name)
        check_scale(X, floatx, name)
        return source

    def _split(self, samples, validation, summary, warm=False):
        """Split validated samples into the first four parts of a `FitData`."""
        samples, validation = self._hide_cells(samples, validation, summary, warm)
        learnable, calibration = self._hold_out(samples)
        training = learnable
        if (
            validation is None
            and self.validation_fraction is not None
            and len(learnable) > 1
        ):
            seed, size = draw_seed(self._rng), self.validation_fraction
            split = train_test_split(
                learnable.indices, test_size=size, random_state=seed
            )
            training, validation = map(learnable.subset, split)
        return training, validation, calibration, learnable

    def _hide_cells(self, samples, validation, summary, warm):
        """Hide some cells of samples from networks that are told of missing cells."""
        summaries = {"X": summary}
        if validation is not None:
            summaries["X_val"] = validation.summary
        share = self._hidden_share(summaries, warm)
        if not share:
            return samples, validation
        hiding = draw_seed(self._rng), share, self._format.columns
        if validation is not None:
            validation = validation.hiding_cells(*hiding)
        return samples.hiding_cells(*hiding), validation

    def _hidden_share(self, summaries, warm):
        """Return up to which share of the cells of a sample to hide in training.

        It is 0 if the network has no input for missing cells.
        """
        for name, part in summaries.items():
            if not part.n_observed.any():
                raise ValueError(f"{name} has no observed cell: all values are NaN.")
        incomplete = any(part.has_missing for part in summaries.values())
        if warm:
            if incomplete and not self._fitted.takes_missing:
                raise ValueError(
                    f"X has NaN, {self._format.missing_is}, but the network was built "
                    "for complete samples, and warm_start=True and partial_fit "
                    f"continue with it. Begin with {type(self.architecture_).__name__}"
                    "(handle_missing=True)."
                )
            return self._fitted.spec.hidden_share
        summary = summaries["X"]
        if incomplete:
            names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
            owners = self._format.columns.owners
            warn_of_empty_features(summary.n_observed, names[owners])
        asked = getattr(self.architecture, "handle_missing", "auto")
        if incomplete or (not isinstance(asked, str) and asked):
            return hidden_share(summary.n_observed, summary.n_rows)
        return 0.0

    def _new_rng(self):
        """Make a generator of the estimator's own: the user's gives just one number."""
        return np.random.RandomState(draw_seed(check_random_state(self.random_state)))

    def _begin(self, data, warm):
        """Build networks, or check those there are; return the loss to train with."""
        groups = self._format.columns.groups
        kwargs = {"skips_missing": data.handles_missing, "groups": groups}
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
        spec = NetworkSpec(
            self._format.shape,
            self._choose_n_components(architecture, train),
            output_activation="sigmoid" if loss.is_cross_entropy() else "linear",
            ordered=self._orders_codes(architecture),
            hidden_share=train.hidden_share,
            columns=self._format.columns,
        )
        self._fitted = FittedNetworks(architecture, spec, draw_seed(self._rng))
        self._fitted.set_centre(train.X)
        self.n_components_ = self._fitted.n_components
        if data.handles_missing:
            X = train.take(train.draw(INITIAL_BYTES, self._rng))
            architecture.prepare(self._fitted.networks, X)
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
        encode = self._fitted.encode
        blocks = ((X, encode(X.reshape(len(X), -1))) for X in samples.blocks())
        self.architecture_.finalize(self._fitted.networks, blocks, widen=widen)

    def _judge(self, val):
        """Compare validation samples with their reconstructions; None without any."""
        return Judgement.of(val, self._format.columns, self._fitted.reconstruct)

    def _return_to(self, start, data, result):
        """Put a start back, learned from all samples: none has to judge any more."""
        write_network(self._fitted.networks.autoencoder, start.values)
        if not data.val_is_given:
            self._initialize(data.learnable)
        self._finalize(data.learnable if data.stream is None else data.stream)
        return replace(result, start=start.name, best_epoch=0)

    def _set_training_result(self, result, start=None, end=None):
        """Set the fitted attributes that describe training."""
        self.history_ = result.history
        self.n_iter_ = result.n_iter
        self.best_epoch_ = result.best_epoch
        self.start_validation_score_ = None if start is None else start.score
        self.validation_score_ = None if end is None else end.score

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
        built = self._built_for["categorical_features"]
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
        linear = self._fitted.spec.output_activation == "linear"
        if loss.is_cross_entropy() and linear and chosen in ("auto", "linear"):
            raise ValueError(
                f"{going_on}, whose output is linear, but the cross-entropy "
                f"loss={self.loss!r} needs an output in [0, 1]. {cure}"
            )

    # What fitted networks compute.

    @takes_lazy
    def reconstruct(self, X):
        """Reconstruct X: encode it, and decode its latent representation.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to reconstruct.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted, \
                or DataFrame
            The reconstructions, in the dtype of X; a table, if the estimator was fitted
            on one with categories.
        """
        check_is_fitted(self)
        return self._format.decode(self._fitted.reconstruct(self._validate(X)), X)

    def summary(self, *, print_fn=print):
        """Print layers, shapes, numbers of parameters and the compression factor.

        Parameters
        ----------
        print_fn : callable, default=print
            It is called with the text.
        """
        check_is_fitted(self)
        print_fn(self._fitted.describe())

    # Attributes that are made when they are asked for. They are no properties, since
    # scikit-learn evaluates all of those, and would start TensorFlow.

    def __getattr__(self, name):
        if name not in KERAS_MODELS or "_fitted" not in vars(self):
            return super().__getattribute__(name)  # raises, with its own cause
        return getattr(self._fitted.share(), name.rstrip("_"))

    def __dir__(self):
        fitted = vars(self).get("_fitted")
        are_built = fitted is not None and fitted.are_built
        return [*super().__dir__(), *(KERAS_MODELS if are_built else ())]

    @property
    def _repr_html_(self):
        """Add the network to scikit-learn's HTML representation, once there is one."""
        diagram = super()._repr_html_  # an AttributeError where diagrams are off
        fitted = vars(self).get("_fitted")
        if fitted is None or fitted.description is None:
            return diagram
        network = (
            f"<details><summary>Network: {fitted.n_parameters:,} parameters, "
            f"{fitted.n_components:,} components</summary>"
            f"<pre>{escape(fitted.description)}</pre></details>"
        )
        return lambda: diagram() + network

    def _decode_checked(self, codes):
        """Decode what a user passed; images and tables have their form again."""
        check_in_memory(codes, "codes")
        refuse_masked(codes, "codes")
        values = check_array(codes, dtype=[np.float64, np.float32])
        if values.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {values.shape[1]} columns, but codes of this "
                f"{type(self).__name__} have {self.n_components_} components."
            )
        return self._format.decode(self._fitted.decode(values), codes)

    @property
    def _codes_are_ordered(self):
        return self._fitted.spec.ordered

    def _write_onnx(self, writer, X, outputs):
        """Add nodes of some outputs to an ONNX graph; return their names by method."""
        self._format.check_export(type(self).__name__)
        if len(self._format.shape) > 1:
            X = writer.reshape(X, [self.n_features_in_])
        fills = "missing" in self.architecture_.supports
        Z = self._fitted.write_encoder(writer, X, fills=fills)
        written = {}
        if "reconstruct" in outputs:
            X_hat = self._fitted.write_decoder(writer, Z)
            written["reconstruct"] = writer.reshape(X_hat, self._format.shape)
        return self._write_outputs(writer, X, Z, outputs) | written

    def _write_outputs(self, writer, X, Z, outputs):
        """Add what a subclass computes of flat samples and codes."""
        return {self._onnx_outputs[0]: Z}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = "missing" in supported_by(self.architecture)
        tags.input_tags.three_d_array = True
        return tags


def _are_equal(one, other):
    """Compare parameters that may be lists or arrays."""
    return np.array_equal(np.asarray(one, object), np.asarray(other, object))


def _default_batch_size(n_samples):
    """Return a power of two: at most a hundredth of the samples, within 32 and 256."""
    return int(np.clip(2 ** int(np.log2(max(n_samples / 100, 1))), 32, 256))


def supported_by(architecture):
    """Return what a parameter `architecture` supports; None is the default one."""
    given = DenseArchitecture() if architecture is None else architecture
    return given.supports if isinstance(given, BaseArchitecture) else frozenset()
