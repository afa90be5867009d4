"""A user's own Keras model as an architecture."""

import inspect
import math
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any

import numpy as np
from sklearn.base import clone

from .._backend import import_keras, leaf_layers, read_values, write_values
from ._base import BaseArchitecture, Networks

# Parameters of a SciKeras wrapper that the estimator has under the same name.
_OF_THE_ESTIMATOR = {
    "batch_size": None,
    "callbacks": None,
    "epochs": 1,
    "random_state": None,
    "validation_split": 0.0,
    "warm_start": False,
}

# Layers without weights whose output is their input in another form: of a run of
# equally narrow layers that ends with these, the last one gives the code.
_FINISHING = ("Activation", "ELU", "Flatten", "LeakyReLU", "ReLU", "Reshape", "Softmax")


class KerasArchitecture(BaseArchitecture):
    """A Keras model of your own, or what builds one.

    The model is never trained in place: each fit trains a copy. Samples whose shape
    differs from the model's input, but which hold as many numbers, are reshaped on
    their way in and out, so a model of images takes flat rows behind a scaler.

    Parameters
    ----------
    model : keras.Model, pair of keras.Model, callable or SciKeras wrapper
        What gives encoder and decoder:

        - a Sequential or functional autoencoder, which is cut at `code_layer`;
        - a subclass of `keras.Model` with attributes ``encoder`` and ``decoder``, which
          runs one after the other;
        - a pair (encoder, decoder);
        - a function that builds any of the first two, with arguments as in SciKeras:
          ``meta`` (a dict with ``n_features_in_`` and ``X_shape_``), ``compile_kwargs``,
          and any of its own, which are set as ``model__latent_dim`` and so on;
        - a SciKeras wrapper around such a function, like
          ``KerasRegressor(build, model__latent_dim=16, loss="mse")``.

        The loss and the optimizer of a compiled model, or of a wrapper, are used in
        training.
    code_layer : str, default=None
        Name of the layer whose output is the code. None is the layer with the smallest
        output, if it is the only one.
    pretrained : bool, default=False
        Whether training begins with the weights of the model. Otherwise they are drawn
        anew.

    See Also
    --------
    BaseArchitecture : Base class for architectures of your own.
    DenseArchitecture : Fully connected layers, without writing Keras.

    Notes
    -----
    Pickle holds how to build the model, and its weights. Layers of your own have to be
    registered by the decorator ``keras.saving.register_keras_serializable()``. A
    subclass of `keras.Model` is pickled as its two halves, unless it has a
    ``train_step`` of its own: then it has to be registered as well.

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

    brings_n_components = True

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
        """Tell whether something is a SciKeras wrapper.

        Parameters
        ----------
        candidate : object
            Anything.

        Returns
        -------
        bool
            Whether its class derives from SciKeras's.
        """
        # Whoever has a wrapper has imported SciKeras; nobody else needs to.
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
            This one.
        """
        own = {
            name: params.pop(name) for name in self._get_param_names() & params.keys()
        }
        super().set_params(**own)
        if not params:
            return self
        if not self.is_wrapper(self.model):
            if not _is_function(self.model):
                super().set_params(**params)  # its error names the parameter
            from scikeras.wrappers import KerasRegressor

            self.model = KerasRegressor(self.model)
        direct = self.model.get_params(deep=False)
        for name, value in params.items():
            # The parameter `model` is the wrapper, and the wrapper has one as well.
            inner = name.removeprefix("model__")
            self.model.set_params(**{inner if inner in direct else name: value})
        return self

    def __sklearn_clone__(self):
        # Nothing here changes a model, so that copies may share it.
        model = clone(self.model) if self.is_wrapper(self.model) else self.model
        return type(self)(model, code_layer=self.code_layer, pretrained=self.pretrained)

    def build_networks(self, sample_shape, n_components, output_activation):
        """Build the networks.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of one sample, without the batch axis.
        n_components : int or None
            Size of the code, if that is known; the model has the last word.
        output_activation : str
            Has no effect: the model has its own.

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If the model does not fit the samples, or if it is not clear where to cut.
        """
        model = self.model
        if self.is_wrapper(model) or _is_function(model):
            model = _build_by_scikeras(model, sample_shape)
        compiled = {}
        if getattr(model, "compiled", False):
            compiled = {"loss": model.loss, "optimizer": model.optimizer}
        if _has_own_step(model):
            whole = _copy(model, sample_shape, self.pretrained)
            return Networks(*_halves(whole, self.code_layer), whole, **compiled)
        encoder, decoder = _halves(model, self.code_layer)
        encoder = _copy(encoder, sample_shape, self.pretrained)
        decoder = _copy(decoder, encoder.output_shape[1:], self.pretrained)
        encoder = _reshaped(sample_shape, encoder, decoder.input_shape[1:])
        decoder = _reshaped(decoder.input_shape[1:], decoder, sample_shape)
        autoencoder = Networks.from_halves(encoder, decoder).autoencoder
        return Networks(encoder, decoder, autoencoder, **compiled)

    def __getstate__(self):
        state = dict(super().__getstate__())
        model = self.model
        if isinstance(model, (tuple, list)):
            state["model"] = tuple(_Pickled.of(half) for half in model)
        elif not (self.is_wrapper(model) or _is_function(model)):
            state["model"] = _Pickled.of(model)
        return state

    def __setstate__(self, state):
        model = state["model"]
        if isinstance(model, tuple):
            model = tuple(half.restore() for half in model)
        elif isinstance(model, _Pickled):
            model = model.restore()
        super().__setstate__(state | {"model": model})


def _is_function(model):
    return callable(model) and not isinstance(model, import_keras().Model)


def _has_own_step(model):
    keras = import_keras()
    return (
        isinstance(model, keras.Model)
        and type(model).train_step is not keras.Model.train_step
    )


def _is_graph(model):
    """Whether layers are all that a model is made of."""
    sequential = import_keras().Sequential
    return isinstance(model, sequential) or getattr(model, "outputs", None) is not None


def _build_by_scikeras(model, sample_shape):
    """Let SciKeras call a build function with the arguments that it asks for."""
    from scikeras.wrappers import KerasRegressor

    wrapper = clone(model) if KerasArchitecture.is_wrapper(model) else None
    if wrapper is None:
        wrapper = KerasRegressor(model)
    for name, default in _OF_THE_ESTIMATOR.items():
        if getattr(wrapper, name, default) != default:
            raise ValueError(
                f"{type(wrapper).__name__}({name}={getattr(wrapper, name)!r}) has no "
                f"effect here. Give {name} to the estimator instead."
            )
    if wrapper.model is not None:
        wrapper.set_params(model=_CompilingBuilder(wrapper.model))
    # Values in between, so that they are not taken for classes.
    X = np.linspace(0.1, 0.9, 2 * math.prod(sample_shape), dtype=np.float32)
    y = X.reshape(2, -1)
    wrapper.initialize(y.reshape(2, *sample_shape), y)
    return wrapper.model_


class _CompilingBuilder:
    """A build function whose model is compiled as the wrapper's parameters say."""

    def __init__(self, build):
        self.build = build

    def __call__(self, meta, compile_kwargs, params, **arguments):
        offered = {"meta": meta, "compile_kwargs": compile_kwargs, "params": params}
        accepted = inspect.signature(self.build).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        for name, value in offered.items():
            if takes_all or name in accepted:
                arguments[name] = value
        model = self.build(**arguments)
        if not model.compiled and compile_kwargs.get("loss") is not None:
            model.compile(**compile_kwargs)
        return model


def _halves(model, code_layer):
    """Find encoder and decoder in what the user gave."""
    if isinstance(model, (tuple, list)) and len(model) == 2:
        return model
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        _check_is_chain(model)
        return model.encoder, model.decoder
    if isinstance(model, import_keras().Model):
        if _is_graph(model):
            return _cut(model, code_layer)
        raise ValueError(
            f"{type(model).__name__} is a subclass of keras.Model, and needs the "
            "attributes 'encoder' and 'decoder'."
        )
    raise ValueError(
        "model has to be a Keras model, a pair of them, a function that builds a model, "
        f"or a SciKeras wrapper, got {model!r}."
    )


def _check_is_chain(model):
    """Refuse a subclass whose own call does more than run both halves."""
    if not model.built or not model.encoder.built or _has_own_step(model):
        return
    shape = [1, *(size or 1 for size in model.encoder.input_shape[1:])]
    x = np.linspace(0, 1, math.prod(shape), dtype=np.float32).reshape(shape)
    expected = np.asarray(model.decoder(model.encoder(x)))
    given = np.asarray(model(x))
    if given.shape != expected.shape or not np.allclose(given, expected, atol=1e-4):
        raise ValueError(
            f"{type(model).__name__} gives something else than its decoder makes of "
            "what its encoder gives. Give it a train_step of its own, or pass the pair "
            "(encoder, decoder)."
        )


def _cut(model, code_layer):
    """Cut a Sequential or functional model where its code is."""
    keras = import_keras()
    work = keras.models.clone_model(model)  # cutting leaves marks in the layers
    if not work.built:
        raise ValueError(
            f"{model.name!r} does not know the shape of its input, so it cannot be cut. "
            "Put keras.Input(shape) first."
        )
    if len(work.inputs) != 1 or len(work.outputs) != 1:
        raise ValueError(
            f"{model.name!r} has {len(work.inputs)} inputs and {len(work.outputs)} "
            "outputs; an autoencoder has one of each."
        )
    work.set_weights(model.get_weights())
    code = _find_code(work, code_layer)
    try:
        return (
            keras.Model(work.inputs[0], code, name="encoder"),
            keras.Model(code, work.outputs[0], name="decoder"),
        )
    except ValueError as error:
        raise ValueError(
            f"{model.name!r} cannot be cut after {code_layer!r}: other layers bypass "
            f"it. {error}"
        ) from error


def _find_code(model, code_layer):
    """Output of the code's layer: the one of that name, or the narrowest one."""
    layers = [layer for layer in model.layers if hasattr(layer, "output")]
    listed = "\n".join(f"  {layer.name}: {layer.output.shape[1:]}" for layer in layers)
    if code_layer is not None:
        for layer in layers:
            if layer.name == code_layer:
                return layer.output
        raise ValueError(f"no layer is called {code_layer!r}. There are:\n{listed}")
    sizes = [math.prod(layer.output.shape[1:]) for layer in layers]
    first = sizes.index(min(sizes))
    last = len(sizes) - 1 - sizes[::-1].index(min(sizes))
    tail = layers[first + 1 : last + 1]
    if not all(type(layer).__name__ in _FINISHING for layer in tail):
        raise ValueError(
            f"several layers are the narrowest. Name one as code_layer. There are:\n"
            f"{listed}"
        )
    return layers[last].output


def _copy(model, shape, pretrained):
    """Copy a model; its weights are new, or the same if they shall be kept."""
    keras = import_keras()
    try:
        if _is_graph(model) and not _has_own_step(model):
            copy = keras.models.clone_model(model)
        else:
            copy = type(model).from_config(model.get_config())
    except (NotImplementedError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__} cannot be copied: {error}. Implement its "
            "get_config, or build it in a function and pass that."
        ) from error
    if pretrained and not model.built:
        raise ValueError(f"pretrained=True, but {model.name!r} has no weights yet.")
    if not copy.built:
        copy(keras.ops.zeros((1, *shape)))
    if not _is_graph(copy) and not _has_own_step(copy):
        inputs = keras.Input(shape)
        copy = keras.Model(inputs, copy(inputs), name=copy.name)
    if pretrained:
        write_values(copy.variables, read_values(model.variables))
    return copy


def _reshaped(shape_in, model, shape_out):
    """Reshape what a model takes and gives, if it holds as many numbers."""
    keras = import_keras()
    takes, gives = model.input_shape[1:], model.output_shape[1:]
    for shape, other in ((shape_in, takes), (shape_out, gives)):
        if math.prod(shape) != math.prod(size or 0 for size in other):
            raise ValueError(
                f"the {model.name} goes from {takes} to {gives}, but should go from "
                f"{tuple(shape_in)} to {tuple(shape_out)}."
            )
    if (takes, gives) == (tuple(shape_in), tuple(shape_out)):
        return model
    inputs = outputs = keras.Input(shape_in)
    if takes != tuple(shape_in):
        outputs = keras.layers.Reshape(takes)(outputs)
    outputs = model(outputs)
    if gives != tuple(shape_out):
        outputs = keras.layers.Reshape(shape_out)(outputs)
    return keras.Model(inputs, outputs, name=model.name)


@dataclass(frozen=True)
class _Pickled:
    """What pickle holds of a Keras model.

    Parameters
    ----------
    config : dict
        How to build it.
    values : list of ndarray
        Its weights, none if it is not built.
    loss, optimizer : object
        How it is compiled, if it is; the optimizer as a dict.
    """

    config: dict
    values: list
    loss: Any
    optimizer: Any

    @classmethod
    def of(cls, model):
        """Describe a model."""
        keras = import_keras()
        described = model
        if not _is_graph(model) and not _has_own_step(model):
            from ._layers import Chain

            described = Chain(*_halves(model, None))
        for layer in [described, *leaf_layers(described)]:
            _check_is_registered(layer)
        config = keras.saving.serialize_keras_object(described)
        config.pop("compile_config", None)
        loss = optimizer = None
        if model.compiled:
            loss = model.loss
            optimizer = keras.optimizers.serialize(model.optimizer)
        return cls(config, read_values(model.variables), loss, optimizer)

    def restore(self):
        """Make the model again."""
        keras = import_keras()
        # A pickle is trusted, or it would not be loaded at all.
        model = keras.saving.deserialize_keras_object(self.config, safe_mode=False)
        if self.values:
            write_values(model.variables, self.values)
        if self.optimizer is not None:
            model.compile(keras.optimizers.deserialize(self.optimizer), loss=self.loss)
        return model


def _check_is_registered(layer):
    keras, kind = import_keras(), type(layer)
    registered = keras.saving.get_registered_name(kind) != kind.__name__
    if not registered and kind.__module__.split(".")[0] != "keras":
        raise PicklingError(
            f"{layer.name!r} is a {kind.__name__}, which is not registered with Keras, "
            "so what is pickled could not be loaded. Put the decorator "
            f"@keras.saving.register_keras_serializable() above class {kind.__name__}."
        )
