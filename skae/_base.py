"""What both estimators share: parameters, the fit template, state for pickling."""

import math
from abc import ABC, abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ._backend import import_keras
from ._guard import Guard
from ._inference import Predictor
from ._random import draw_seed
from ._repr_html import NetworkReprMixin
from ._state import NETWORKS, StateMixin
from ._training import (
    DEFAULT_LOSS,
    CallbackSupportMixin,
    FitData,
    RowSource,
    SklearnCallbacks,
    TrainingLoss,
    TrainingOptions,
    make_optimizer,
    train,
)
from ._validation import check_floatx, check_reachable
from .architectures import BaseArchitecture, DenseArchitecture, KerasArchitecture
from .architectures._base import describe
from .architectures._clipping import Bounds

# Rows that an architecture may take its first weights from.
INITIAL_BYTES = 2**28


class _BaseAutoencoder(
    StateMixin, NetworkReprMixin, CallbackSupportMixin, BaseEstimator, ABC
):
    """An estimator around one autoencoder."""

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "architecture": "no_validation",  # see `_new_architecture`
        "loss": [str, callable, None],
        "optimizer": [str, HasMethods(["apply_gradients", "get_config"]), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "epochs": [Interval(Integral, 1, None, closed="left")],
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
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
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
        callbacks,
        warm_start,
        random_state,
        verbose,
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
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _default_n_components(self, rows):
        """Size of the code where the parameter is None."""

    def _orders_codes(self):
        """Whether training puts codes in order."""
        return False

    def _choose_n_components(self, architecture, rows):
        """Size of the code; None for one that the architecture brings."""
        if self.n_components is None and not architecture.brings_n_components:
            return self._default_n_components(rows)
        return self.n_components

    def _begin_fit(self, X, rows_val):
        """Choose the rows of X that may be learnt from; None is all of them."""

    def _finish_fit(self, X, rows_val, partial=False):
        """Compute what follows from a trained network, from training rows."""

    def set_params(self, **params):
        """Set the parameters of this estimator.

        Parameters of the architecture are reached through ``architecture__``, also
        while `architecture` is None: it then becomes the default one first.

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
        """Train the autoencoder to reconstruct X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Training rows, of float32 or float64; other numbers become float64. The
            network itself computes in Keras's floatx, float32 by default.
        y : None
            Ignored.
        X_val : array-like of the shape of X but for n_samples, default=None
            Rows to validate on, in place of a share of X.

        Returns
        -------
        object
            The fitted estimator. It is so after Ctrl-C too, with the best weights so
            far, though the KeyboardInterrupt goes on.

        Raises
        ------
        ValueError
            If X has NaN or infinite values, if the architecture does not fit its
            shape, or if the output layer cannot reach its values. What was fitted
            before stays as it was.
        """
        context = self._init_callback_context(max_subtasks=self.epochs)
        if context is not None:
            context.call_on_fit_task_begin(estimator=self, X=X)
        warm = self.warm_start and hasattr(self, "autoencoder_")
        with self._fitted_state_kept_on_error():
            X = self._validate(X, reset=not warm)
            self._rng = self._new_rng()
            rows_val = None
            if X_val is not None:
                rows_val = self._rows(self._validate(X_val, reset=False))
            if warm:
                self._check_same_network()
            rows = self._rows(X, self._begin_fit(X, rows_val))
            if not warm:
                self._build(rows)
            if X_val is None and self.validation_fraction is not None and len(rows) > 1:
                indices, indices_val = train_test_split(
                    rows.indices,
                    test_size=self.validation_fraction,
                    random_state=draw_seed(self._rng),
                )
                rows, rows_val = self._rows(X, indices), self._rows(X, indices_val)
            vars(self).pop("held_out_scores_", None)  # of an earlier fit
            guard = Guard.of(self, rows_val)
            result = self._train(
                rows,
                rows_val,
                epochs=self.epochs,
                patience=self.patience,
                anneal=self.learning_rate is None and self._optimizer() is None,
                callbacks=self.callbacks or (),
                observers=self._epoch_tasks(context, X),
            )
            self.history_ = result.history
            self.n_iter_ = result.n_iter
            self.best_epoch_ = result.best_epoch
            if guard is not None:
                guard.check(self)
            self._finish_fit(X, rows_val)
        if context is not None:
            context.call_on_fit_task_end(
                estimator=self, X=X, reconstruction_attributes=self._fitted_attributes
            )
        if result.interrupted:
            raise KeyboardInterrupt
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one pass over X, going on from where the estimator is.

        The first call builds the network. Weights and the optimizer's state go on from
        call to call; nothing is held out for validation and `callbacks` do not run.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Training rows.
        y : None
            Ignored.

        Returns
        -------
        object
            The fitted estimator, one epoch further.

        Raises
        ------
        ValueError
            As `fit`; also if X has another number of features than before.
        """
        first = not hasattr(self, "autoencoder_")
        with self._fitted_state_kept_on_error():
            X = self._validate(X, reset=first)
            if first:
                self._rng = self._new_rng()
                self._build(self._rows(X))
                self.history_, self.n_iter_ = {"loss": []}, 0
            result = self._train(
                self._rows(X),
                None,
                optimizer_state=None if first else self._optimizer_state,
                epochs=1,
                patience=None,
                widen_bounds=not first,
            )
            before, now = self.history_, result.history
            self.history_ = {
                name: before.get(name, [np.nan] * self.n_iter_)
                + now.get(name, [np.nan] * result.n_iter)
                for name in before | now
            }
            self.n_iter_ += result.n_iter
            self.best_epoch_ = self.n_iter_
            self._finish_fit(X, None, partial=True)
        if result.interrupted:
            raise KeyboardInterrupt
        return self

    def reconstruct(self, X):
        """Reconstruct X: encode it and decode what comes of it.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to reconstruct.

        Returns
        -------
        ndarray of the shape of X
            The reconstructions, in the dtype of X.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._reconstruct(X).reshape(len(X), *self._sample_shape)

    def summary(self, *, print_fn=print):
        """Print layers, shapes, numbers of parameters and the compression factor.

        Parameters
        ----------
        print_fn : callable, default=print
            Is given the text.
        """
        check_is_fitted(self)
        print_fn(describe(self._networks))

    def _new_rng(self):
        """Make a generator of the estimator's own: the user's gives just one number."""
        return np.random.RandomState(draw_seed(check_random_state(self.random_state)))

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

    def _build(self, rows):
        """Make new networks, and set the attributes that describe them."""
        self.architecture_ = architecture = self._new_architecture()
        n_components = self._choose_n_components(architecture, rows)
        cross_entropy = TrainingLoss(
            DEFAULT_LOSS if self.loss is None else self.loss
        ).is_cross_entropy()
        self._build_arguments = {
            "sample_shape": self._sample_shape,
            "n_components": n_components,
            "output_activation": "sigmoid" if cross_entropy else "linear",
            "ordered": self._orders_codes(),
            "random_state": draw_seed(self._rng),
        }
        self._rebuild()
        for name in ("loss", "optimizer"):
            own, brought = getattr(self, name), getattr(self._networks, name)
            if own is not None and brought is not None:
                kind = brought if isinstance(brought, str) else type(brought).__name__
                raise ValueError(
                    f"{name}={own!r} is given, but the model of the architecture is "
                    f"compiled with {kind} already. Give it in one place only."
                )
        if type(architecture).initialize is not BaseArchitecture.initialize:
            architecture.initialize(self._networks, rows.take(self._initial(rows)))

    def _initial(self, rows):
        """Choose the rows that an architecture may take its first weights from."""
        return rows.draw(INITIAL_BYTES, self._rng)

    def _rebuild(self):
        """Make the networks from the architecture; their weights are new."""
        self._networks = self.architecture_.build(**self._build_arguments)
        for name in NETWORKS:
            setattr(self, name, getattr(self._networks, name.rstrip("_")))
        self._run_encoder = Predictor(self.encoder_)
        self._run_decoder = Predictor(self.decoder_)
        self.n_components_ = self._networks.n_components

    def _train(
        self, rows, rows_val, *, patience, observers=(), widen_bounds=False, **options
    ):
        check_reachable(
            (rows.X.min(), rows.X.max()), self.decoder_, self._training_loss()
        )
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = _default_batch_size(len(rows))
        if patience == "auto":
            patience = _default_patience(len(rows) / batch_size)
        bounds = Bounds(self._networks)
        before = bounds.open()
        try:
            result = train(
                self._networks,
                FitData(rows, rows_val, None, rows),
                TrainingOptions(
                    loss=self._training_loss(),
                    optimizer=make_optimizer(self._optimizer(), self.learning_rate),
                    batch_size=min(batch_size, len(rows)),
                    patience=patience,
                    verbose=self.verbose,
                    **options,
                ),
                rng=self._rng,
                observers=observers,
            )
        except BaseException:
            bounds.restore(before)
            raise
        bounds.close(rows, self._run_encoder, widen=before if widen_bounds else None)
        self._optimizer_state = result.optimizer_state
        return result

    def _optimizer(self):
        return self._networks.optimizer if self.optimizer is None else self.optimizer

    def _training_loss(self):
        losses = (self.loss, self._networks.loss, DEFAULT_LOSS)
        return TrainingLoss(next(loss for loss in losses if loss is not None))

    def _rows(self, X, indices=None):
        """Rows of validated X, as the network takes them."""
        floatx = import_keras().config.floatx()
        check_floatx((X.min(), X.max()), X.dtype, floatx)
        return RowSource(X, self._sample_shape, floatx, indices)

    def _validate(self, X, *, reset):
        """Check X as scikit-learn does, once; rows of images become flat."""
        shape = tuple(getattr(X, "shape", ()))
        if len(shape) > 2:
            X = np.reshape(X, (shape[0], math.prod(shape[1:])))
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        if reset:
            self._sample_shape = shape[1:] if len(shape) > 2 else X.shape[1:]
        elif len(shape) > 2 and shape[1:] != self._sample_shape:
            raise ValueError(
                f"X holds samples of shape {shape[1:]}, but "
                f"{type(self).__name__} was fitted on samples of shape "
                f"{self._sample_shape}."
            )
        return X

    def _check_same_network(self):
        """Refuse a warm start whose parameters ask for another network."""
        n_components = self.n_components
        asked = isinstance(n_components, Integral)
        if asked and n_components != self.n_components_:
            raise ValueError(
                f"warm_start=True goes on with a network of {self.n_components_} "
                f"components, but n_components={n_components}. Set warm_start=False to "
                "start anew."
            )
        architecture = self._new_architecture()
        if repr(architecture) != repr(self.architecture_):
            raise ValueError(
                "warm_start=True goes on with the network of "
                f"{self.architecture_!r}, but architecture={architecture!r}. Set "
                "warm_start=False to start anew."
            )

    # One X in, validated; these are what the public methods and `fit` share.

    def _encode(self, X):
        codes = self._run_encoder(X.reshape(len(X), *self._sample_shape))
        return codes.reshape(len(X), self.n_components_)

    def _decode(self, codes):
        samples = self._run_decoder(
            codes.reshape(len(codes), *self._networks.code_shape)
        )
        return samples.reshape(len(codes), self.n_features_in_)

    def _reconstruct(self, X):
        return self._decode(self._encode(X))

    def _epoch_tasks(self, context, X):
        """Who watches the epochs for scikit-learn's callbacks, if there are any."""
        if context is None or not getattr(self, "_skl_callbacks", None):
            return []
        return [SklearnCallbacks(self, context, X, self._fitted_attributes)]


def _default_batch_size(n_samples):
    """Choose the power of two below a hundredth of the rows, within 32 and 256."""
    return int(np.clip(2 ** int(np.log2(max(n_samples / 100, 1))), 32, 256))


def _default_patience(n_batches):
    """Choose the epochs of 1,000 batches, but within 10 and 30."""
    return int(np.clip(1000 / n_batches, 10, 30))
