"""A user's own Keras model as an architecture."""

import inspect
import math
from dataclasses import replace

import numpy as np
from sklearn.base import clone

from .._backend import has_own_step, ignores_training, import_keras
from ._base import BaseArchitecture, Networks
from ._keras_cutting import halves
from ._keras_models import (
    as_graph,
    as_trained_by_keras,
    build,
    check_has_weights,
    check_is_model,
    check_runs_its_halves,
    copy_halves,
    copy_model,
    is_chain,
    is_subclass,
    reshaped,
)
from ._keras_pickling import PickledModel, check_nothing_shared

# Parameters of a SciKeras wrapper, with their defaults, for which the estimator has
# its own.
_OF_THE_ESTIMATOR = {
    "batch_size": None,
    "callbacks": None,
    "epochs": 1,
    "random_state": None,
    "shuffle": True,
    "validation_batch_size": None,
    "validation_split": 0.0,
    "warm_start": False,
}


class KerasArchitecture(BaseArchitecture):
    """A Keras model of your own, or a function that builds one.

    The model is never changed: each fit trains a copy, as `keras.Model.fit` would train
    the model. Samples whose shape differs from the model's input, but which hold as
    many values, are reshaped before and after the model, so a model of images takes
    flat samples behind a scaler.

    Parameters
    ----------
    model : keras.Model, pair of keras.Model, callable or SciKeras wrapper
        Encoder and decoder, in one of these forms:

        - a Sequential or functional autoencoder, which is cut at `code_layer`;
        - a subclass of `keras.Model` with attributes ``encoder`` and ``decoder``, whose
          output is what the decoder makes of the output of the encoder;
        - a pair (encoder, decoder);
        - a function that builds any of the first two, with arguments as in SciKeras
          [1]_: ``meta`` (a dict with ``n_features_in_`` and ``X_shape_``),
          ``compile_kwargs``, and any of its own, which are set as
          ``model__latent_dim`` and so on;
        - a SciKeras wrapper around such a function, like
          ``KerasRegressor(build, model__latent_dim=16, loss="mse")``.

        The loss and the optimizer of a compiled model, or of a wrapper, are used in
        training.
    code_layer : str, default=None
        Name of the layer whose output is the code. None is the layer with the smallest
        output, if it is the only one.
    pretrained : bool, default=False
        Whether training begins with the weights of the model. Otherwise new initial
        weights are drawn. Statistics that a layer found in data by its ``adapt`` method
        are kept in any case.

    See Also
    --------
    BaseArchitecture : Base class for architectures of your own.
    DenseArchitecture : Fully connected layers, without writing Keras.

    Notes
    -----
    A subclass of `keras.Model` that runs its encoder and then its decoder is trained
    through these two. One that does more in training (noise or ``add_loss`` in its
    ``call``, a ``compute_loss``, ``train_step`` or ``test_step`` of its own) is trained
    as a whole, so it has to be copied: it needs ``get_config``, or an ``__init__``
    without arguments, or a function that builds it. If ``call`` has no argument
    ``training``, Keras trains the model without dropout or noise, and so does skae.

    A pickle holds the configuration of the model and its weights. Layers, functions and
    other classes of your own have to be registered by the decorator
    ``keras.saving.register_keras_serializable()``; a subclass of `keras.Model` only if
    it is trained as a whole. Layers that encoder and decoder share stay shared, but are
    pickled only as parts of one functional model.

    References
    ----------
    .. [1] A. Garcia Badaracco, "SciKeras", https://www.adriangb.com/scikeras/

    Examples
    --------
    >>> import keras
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import KerasArchitecture
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((64,)),
    ...         keras.layers.Dense(32, activation="relu"),
    ...         keras.layers.Dense(8),
    ...         keras.layers.Dense(32, activation="relu"),
    ...         keras.layers.Dense(64),
    ...     ]
    ... )
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data / 16
    >>> autoencoder = AutoencoderTransformer(
    ...     architecture=KerasArchitecture(model), epochs=2, random_state=0
    ... )
    >>> autoencoder.fit_transform(X).shape
    (1797, 8)
    """

    __module__ = "skae.architectures"  # where it is public: files name it

    brings_n_components = True
    # A model of the user's own trains as Keras trains it.
    peak_learning_rate = None

    _parameter_constraints: dict = {
        "model": "no_validation",
        "code_layer": [str, None],
        "pretrained": ["boolean"],
    }

    def __init__(self, model, code_layer=None, *, pretrained=False):
        self.model = model
        self.code_layer = code_layer
        self.pretrained = pretrained

    @staticmethod
    def is_wrapper(candidate):
        """Check whether an object is a SciKeras wrapper.

        Parameters
        ----------
        candidate : object
            Anything.

        Returns
        -------
        bool
            Whether its class derives from SciKeras's.
        """
        # Compare module names, so that SciKeras is not imported here.
        return any(
            kind.__module__.startswith("scikeras.") for kind in type(candidate).__mro__
        )

    def set_params(self, **params):
        """Set the parameters of the architecture.

        Parameters
        ----------
        **params : dict
            Parameters; for a build function or a SciKeras wrapper also ``model__x`` for
            an argument x of the function, ``optimizer``, ``optimizer__x``, ``loss`` and
            ``loss__x``, as in SciKeras.

        Returns
        -------
        KerasArchitecture
            This architecture.
        """
        own = {
            name: params.pop(name) for name in self._get_param_names() & params.keys()
        }
        super().set_params(**own)
        if not params:
            return self
        if not self.is_wrapper(self.model):
            nested = [name for name in params if "__" in name]
            if not _is_function(self.model) and nested:
                raise ValueError(
                    f"Invalid parameter {nested[0]!r}: only a build function or a "
                    "SciKeras wrapper has such ones, but model is a "
                    f"{type(self.model).__name__}."
                )
            if not _is_function(self.model):
                super().set_params(**params)  # its error names the parameter
            self.model = _wrap(self.model)
        direct = self.model.get_params(deep=False)
        arguments = _arguments(self.model.model)
        for name, value in params.items():
            # The parameter `model` is the wrapper, and the wrapper has one as well.
            inner = name.removeprefix("model__")
            of_wrapper = inner in direct and inner not in arguments
            if of_wrapper or inner.startswith("model__"):
                name = inner
            self.model.set_params(**{name: value})
        return self

    def __sklearn_clone__(self):
        # Nothing changes a model, so clones may share it.
        model = clone(self.model) if self.is_wrapper(self.model) else self.model
        return type(self)(model, code_layer=self.code_layer, pretrained=self.pretrained)

    def __deepcopy__(self, memo):
        return self.__sklearn_clone__()

    def build_networks(self, spec):
        """Build the networks.

        Parameters
        ----------
        spec : NetworkSpec
            Its `n_components` may be None, since the model decides; its
            `output_activation` has no effect.

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If the model does not fit the samples, or if it is not clear where to cut.
        """
        sample_shape = spec.sample_shape
        model, compiled, is_new = self.model, {}, False
        if self.is_wrapper(model) or _is_function(model):
            is_new = not isinstance(getattr(model, "model", None), import_keras().Model)
            model, compiled = _build_by_scikeras(model, sample_shape)
        if getattr(model, "compiled", False):
            compiled = _compilation(model)
        if compiled.get("loss") is not None:
            compiled["loss"] = _single_loss(compiled["loss"])
        check_is_model(model)
        if has_own_step(model):
            networks = self._whole(model, sample_shape, is_new)
        elif is_subclass(model) and not is_chain(model):
            networks = self._whole_graph(model, sample_shape, is_new)
        else:
            networks = self._chain(model, sample_shape, is_new)
        return replace(networks, **compiled)

    def _chain(self, model, sample_shape, is_new):
        """Build networks from both halves."""
        if self.pretrained and isinstance(model, import_keras().Sequential):
            check_has_weights(model)
        try:
            encoder, decoder = halves(model, self.code_layer, sample_shape)
            encoder, decoder = copy_halves(
                encoder, decoder, sample_shape, self.pretrained
            )
        except ValueError:
            if not is_new:
                raise
            # What a function has built need not be copied.
            encoder, decoder = halves(
                model, self.code_layer, sample_shape, in_place=True
            )
            encoder = as_graph(encoder, sample_shape, "encoder")
            decoder = as_graph(decoder, encoder.output_shape[1:], "decoder")
        encoder.name, decoder.name = "encoder", "decoder"  # those of a pair may agree
        code_shape = decoder.input_shape[1:]
        encoder = reshaped("encoder", sample_shape, encoder, code_shape)
        decoder = reshaped("decoder", code_shape, decoder, sample_shape)
        networks = Networks.from_halves(encoder, decoder)
        if is_subclass(model) and ignores_training(model):
            return as_trained_by_keras(networks)
        return networks

    def _whole(self, model, sample_shape, is_new):
        """Build networks of which the autoencoder is the model itself."""
        whole = model if is_new else copy_model(model, sample_shape, self.pretrained)
        build(whole, sample_shape)
        encoder, decoder = halves(whole, self.code_layer, sample_shape, in_place=True)
        encoder = as_graph(encoder, sample_shape, "encoder")
        decoder = as_graph(decoder, encoder.output_shape[1:], "decoder")
        return Networks(encoder, decoder, whole)

    def _whole_graph(self, model, sample_shape, is_new):
        """Build networks of a subclass that does more in training than its halves."""
        if model.built:
            check_runs_its_halves(model, *halves(model, None), sample_shape)
        try:
            networks = self._whole(model, sample_shape, is_new)
        except ValueError as error:
            raise ValueError(
                f"{type(model).__name__} does more than run its encoder and then its "
                f"decoder, so it is trained as it is: {error}"
            ) from error
        check_runs_its_halves(
            networks.autoencoder, networks.encoder, networks.decoder, sample_shape
        )
        if ignores_training(model):
            return networks
        autoencoder = as_graph(networks.autoencoder, sample_shape, "autoencoder")
        return replace(networks, autoencoder=autoencoder)

    def __getstate__(self):
        state = dict(super().__getstate__())
        model = self.model
        if isinstance(model, (tuple, list)):
            check_nothing_shared(*model)
            state["model"] = tuple(PickledModel.of(half) for half in model)
        elif not (self.is_wrapper(model) or _is_function(model)):
            state["model"] = PickledModel.of(model)
        return state

    def __setstate__(self, state):
        model = state["model"]
        if isinstance(model, tuple):
            model = tuple(half.restore() for half in model)
        elif isinstance(model, PickledModel):
            model = model.restore()
        super().__setstate__(state | {"model": model})


def _compilation(model):
    """Return the loss and the optimizer with which a model is compiled."""
    if model.get_compile_config().get("loss_weights") not in (None, 1, 1.0, [1], [1.0]):
        raise ValueError(
            f"{model.name!r} is compiled with loss_weights, which have no effect here. "
            "Compile it without them; there is one output, so learning_rate does the "
            "same."
        )
    return {"loss": model.loss, "optimizer": model.optimizer}


def _single_loss(loss):
    """Return the loss of the one output, which may be in a dict or list."""
    if not isinstance(loss, (dict, list, tuple)):
        return loss
    losses = list(loss.values()) if isinstance(loss, dict) else list(loss)
    if len(losses) != 1:
        raise ValueError(
            f"the model is compiled with {len(losses)} losses, {loss!r}, but an "
            "autoencoder has one output. Compile it with one loss."
        )
    return losses[0]


def _is_function(model):
    return callable(model) and not isinstance(model, import_keras().Model)


def _wrap(function):
    """Wrap a build function; it brings no optimizer unless parameters say so."""
    from scikeras.wrappers import KerasRegressor

    return KerasRegressor(function, optimizer=None)


def _arguments(function):
    """Return the arguments of a build function, by name."""
    if not _is_function(function):
        return ()
    return inspect.signature(function).parameters


def _build_by_scikeras(model, sample_shape):
    """Build a model by SciKeras, with the arguments that the build function takes.

    Returns the model, and the loss and optimizer of the wrapper's parameters.
    """
    wrapper = clone(model) if KerasArchitecture.is_wrapper(model) else _wrap(model)
    _check_parameters(wrapper)
    params = wrapper.get_params()
    tunes_optimizer = any(name.startswith("optimizer__") for name in params)
    optimizer = wrapper.optimizer
    if optimizer is None:
        wrapper.set_params(optimizer="adam")
    said = {}
    if wrapper.model is not None:
        wrapper.set_params(model=_recording(wrapper.model, said))
    # Fractions, so that SciKeras does not take the values for classes.
    X = np.linspace(0.1, 0.9, 2 * math.prod(sample_shape), dtype=np.float32)
    y = X.reshape(2, -1)
    wrapper.initialize(y.reshape(2, *sample_shape), y)
    # The default optimizer of SciKeras is used only if the wrapper has a loss.
    default = optimizer == "rmsprop" and said.get("loss") is None
    if (optimizer is None or default) and not tunes_optimizer:
        said.pop("optimizer", None)
    brought = {name: said.get(name) for name in ("loss", "optimizer")}
    return wrapper.model_, brought


def _check_parameters(wrapper):
    """Refuse parameters of a wrapper that would have no effect."""
    from scikeras.wrappers import KerasClassifier

    name = type(wrapper).__name__
    if isinstance(wrapper, KerasClassifier):
        raise ValueError(
            f"{name} is for models that give classes. Put the model into a "
            "scikeras.wrappers.KerasRegressor."
        )
    for parameter, value in wrapper.get_params().items():
        own = parameter.removeprefix("fit__")
        if own in _OF_THE_ESTIMATOR and value != _OF_THE_ESTIMATOR[own]:
            raise ValueError(
                f"{name}({parameter}={value!r}) has no effect here. Give "
                f"{'validation_fraction' if own == 'validation_split' else own} to "
                "the estimator instead."
            )


def _recording(model, said):
    """Wrap what builds a model, to learn how the wrapper would compile it."""
    build_model = model if _is_function(model) else lambda: model
    accepted = _arguments(build_model)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())

    def build_and_record(meta, compile_kwargs, params, **arguments):
        said.update(compile_kwargs)
        offered = {"meta": meta, "compile_kwargs": compile_kwargs, "params": params}
        for name, value in offered.items():
            if takes_all or name in accepted:
                arguments[name] = value
        try:
            inspect.signature(build_model).bind(**arguments)
        except TypeError as error:
            name = getattr(build_model, "__name__", repr(build_model))
            own = ", ".join(
                f"model__{name}" for name in accepted if name not in offered
            )
            raise ValueError(
                f"the build function {name!r} cannot be called: {error}. Its arguments "
                f"are set as {own or 'nothing: it has none'}."
            ) from error
        return build_model(**arguments)

    return build_and_record
