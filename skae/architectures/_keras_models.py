"""Cutting, copying and pickling Keras models, which stay as they are."""

import math
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any

import numpy as np

from .._backend import import_keras, leaf_layers, read_values, write_values

# Layers without weights whose output is their input in another form: of a run of
# equally narrow layers that ends with these, the last one gives the code.
_FINISHING = ("Activation", "ELU", "Flatten", "LeakyReLU", "ReLU", "Reshape", "Softmax")


def has_own_step(model):
    keras = import_keras()
    return (
        isinstance(model, keras.Model)
        and type(model).train_step is not keras.Model.train_step
    )


def _is_graph(model):
    """Whether layers are all that a model is made of."""
    sequential = import_keras().Sequential
    return isinstance(model, sequential) or getattr(model, "outputs", None) is not None


def halves(model, code_layer, shape=None, *, in_place=False):
    """Find encoder and decoder in what the user gave."""
    keras = import_keras()
    if isinstance(model, (tuple, list)) and len(model) == 2:
        for half in model:
            if not isinstance(half, keras.Model):
                raise ValueError(
                    f"a pair (encoder, decoder) has to hold two Keras models, got "
                    f"{half!r}."
                )
        return model
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        _check_is_chain(model)
        return model.encoder, model.decoder
    if isinstance(model, keras.Model):
        if _is_graph(model):
            return _cut(model, code_layer, shape, in_place=in_place)
        raise ValueError(
            f"{type(model).__name__} is a subclass of keras.Model, and needs the "
            "attributes 'encoder' and 'decoder'."
        )
    raise ValueError(
        "model has to be a Keras model, a pair of them, a function that builds one, or "
        f"a SciKeras wrapper, got {model!r}."
    )


def _check_is_chain(model):
    """Refuse a subclass whose own call does more than run both halves."""
    shape = getattr(model.encoder, "input_shape", None)
    if not model.built or not isinstance(shape, tuple) or has_own_step(model):
        return
    shape = [1, *(size or 1 for size in shape[1:])]
    x = np.linspace(0, 1, math.prod(shape), dtype=np.float32).reshape(shape)
    expected = np.asarray(model.decoder(model.encoder(x)))
    given = np.asarray(model(x))
    if given.shape != expected.shape or not np.allclose(given, expected, atol=1e-4):
        raise ValueError(
            f"{type(model).__name__} gives something else than its decoder makes of "
            "what its encoder gives. Give it a train_step of its own, or pass the pair "
            "(encoder, decoder)."
        )


def _cut(model, code_layer, shape, *, in_place):
    """Cut a Sequential or functional model where its code is."""
    keras = import_keras()
    _check_has_one_of_each(model, f"{model.name!r}")
    # Cutting leaves marks in the layers.
    work = model if in_place else _clone(model, shape)
    if model.built and not in_place:
        work.set_weights(model.get_weights())
    layer = _find_code(work, code_layer)
    if layer.output is work.outputs[0]:
        raise ValueError(
            f"the code cannot be the output of {layer.name!r}, which is the last layer "
            f"of {model.name!r}. Name another one as code_layer."
        )
    try:
        encoder = keras.Model(work.inputs[0], layer.output, name="encoder")
        decoder = keras.Model(layer.output, work.outputs[0], name="decoder")
        keras.models.clone_model(decoder)  # older versions notice only here
        return encoder, decoder
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{model.name!r} cannot be cut after {layer.name!r}: other layers bypass "
            "it, so its output is not the whole code."
        ) from error


def _check_has_one_of_each(model, name):
    n_inputs, n_outputs = (
        len(getattr(model, ends, None) or [None]) for ends in ("inputs", "outputs")
    )
    if (n_inputs, n_outputs) != (1, 1):
        raise ValueError(
            f"{name} has {n_inputs} {'input' if n_inputs == 1 else 'inputs'} and "
            f"{n_outputs} {'output' if n_outputs == 1 else 'outputs'}, but each "
            "network of an autoencoder has one of each."
        )


def _clone(model, shape):
    """Make a graph like another one, for inputs of some shape, with new weights."""
    keras = import_keras()
    for layer in leaf_layers(model):
        if isinstance(layer, keras.layers.Lambda):
            raise ValueError(
                f"{layer.name!r} is a Lambda layer, which Keras does not copy. Write a "
                "subclass of keras.layers.Layer in its place."
            )
    # A Sequential that was built by a call has the batch size of that call.
    is_complete = model.built and None not in model.input_shape[1:]
    if is_complete and model.input_shape[0] is None:
        return keras.models.clone_model(model)
    shape = model.input_shape[1:] if is_complete else shape
    return keras.models.clone_model(model, input_tensors=keras.Input(shape))


def _find_code(model, code_layer):
    """Layer whose output is the code: the one of that name, or the narrowest one."""
    layers = [
        layer
        for layer in model.layers
        if hasattr(getattr(layer, "output", None), "shape")
    ]
    listed = "\n".join(f"  {layer.name}: {layer.output.shape[1:]}" for layer in layers)
    if code_layer is not None:
        for layer in layers:
            if layer.name == code_layer:
                return layer
        raise ValueError(f"no layer is called {code_layer!r}. There are:\n{listed}")
    if any(None in layer.output.shape[1:] for layer in layers):
        raise ValueError(
            "which layer is the narrowest is not known, as they take samples of any "
            f"size. Name the one of the code as code_layer. There are:\n{listed}"
        )
    sizes = [math.prod(layer.output.shape[1:]) for layer in layers]
    first = sizes.index(min(sizes))
    last = len(sizes) - 1 - sizes[::-1].index(min(sizes))
    tail = layers[first + 1 : last + 1]
    if not all(type(layer).__name__ in _FINISHING for layer in tail):
        raise ValueError(
            f"several layers are the narrowest. Name one as code_layer. There are:\n"
            f"{listed}"
        )
    return layers[last]


def copy_model(model, shape, pretrained):
    """Copy a model; its weights are new, or the same if they shall be kept."""
    if pretrained:
        check_has_weights(model)
    if _is_graph(model) and not has_own_step(model):
        copied = _clone(model, shape)
    else:
        try:
            copied = type(model).from_config(model.get_config())
        except (NotImplementedError, TypeError) as error:
            raise ValueError(
                f"{type(model).__name__} cannot be copied, since its from_config "
                "cannot make one from what its get_config gives. Implement get_config, "
                f"with {type(model).__name__}.__init__ taking all that it gives, or "
                "pass a function that builds the model."
            ) from error
    build(copied, shape)
    if pretrained:
        write_values(copied.variables, read_values(model.variables))
    return copied


def check_has_weights(model):
    if not model.built:
        raise ValueError(
            f"pretrained=True, but {model.name!r} has no weights yet. Call it on data "
            "once, or load its weights."
        )


def build(model, shape):
    """Let a model make its weights, if it has not done so."""
    if _is_graph(model):
        return
    try:
        model(import_keras().Input(shape))
    except NotImplementedError as error:
        raise ValueError(f"{type(model).__name__} has no call(): {error}") from error


def as_graph(model, shape, name):
    """See a model as a graph, which knows its shapes, with the same weights."""
    keras = import_keras()
    if not _is_graph(model) or model.input_shape[0] is not None:
        inputs = keras.Input(shape)
        model = keras.Model(inputs, model(inputs), name=name)
    _check_has_one_of_each(model, f"the {name}")
    return model


def reshaped(name, shape_in, model, shape_out):
    """Reshape what a model takes and gives, if it holds as many numbers."""
    keras = import_keras()
    takes, gives = model.input_shape[1:], model.output_shape[1:]
    for shape, other in ((shape_in, takes), (shape_out, gives)):
        if math.prod(shape) != math.prod(size or 0 for size in other):
            raise ValueError(
                f"the {name} goes from {takes} to {gives}, but should go from "
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
    return keras.Model(inputs, outputs, name=name)


@dataclass(frozen=True)
class PickledModel:
    """What pickle holds of a Keras model.

    Parameters
    ----------
    config : dict
        How to build it.
    values : list of ndarray
        Its weights, none if it is not built.
    registered : dict of str to object
        The layers and functions in it that are not Keras's own, so that pickle imports
        the modules where they are registered.
    loss, optimizer : object
        How it is compiled, if it is; the optimizer as a dict.
    """

    config: dict
    values: list
    registered: dict
    loss: Any
    optimizer: Any

    @classmethod
    def of(cls, model):
        """Describe a model."""
        keras = import_keras()
        described = model
        if not _is_graph(model) and not has_own_step(model):
            from ._layers import Chain

            described = Chain(*halves(model, None))
        for layer in [described, *leaf_layers(described)]:
            _check_is_registered(layer)
        config = keras.saving.serialize_keras_object(described)
        config.pop("compile_config", None)
        loss = optimizer = None
        if model.compiled:
            loss = model.loss
            if model.optimizer is not None:
                optimizer = keras.optimizers.serialize(model.optimizer)
        registered = {
            name: keras.saving.get_registered_object(name)
            for name in _registered_names(config)
        }
        values = read_values(described.variables)
        return cls(config, values, registered, loss, optimizer)

    def restore(self):
        """Make the model again."""
        keras = import_keras()
        # A pickle is trusted, or it would not be loaded at all.
        model = keras.saving.deserialize_keras_object(
            self.config, custom_objects=self.registered, safe_mode=False
        )
        if self.values:
            write_values(model.variables, self.values)
        if self.optimizer is not None or self.loss is not None:
            optimizer = self.optimizer and keras.optimizers.deserialize(self.optimizer)
            model.compile(optimizer, loss=self.loss)
        return model


def _registered_names(config):
    """Names, in a model's configuration, of what somebody registered with Keras."""
    if isinstance(config, dict):
        name = config.get("registered_name")
        if isinstance(name, str) and ">" in name:
            yield name
        config = config.values()
    if not isinstance(config, str) and hasattr(config, "__iter__"):
        for part in config:
            yield from _registered_names(part)


def _check_is_registered(layer):
    keras, kind = import_keras(), type(layer)
    registered = keras.saving.get_registered_name(kind) != kind.__name__
    if not registered and kind.__module__.split(".")[0] != "keras":
        raise PicklingError(
            f"{layer.name!r} is a {kind.__name__}, which is not registered with Keras, "
            "so what is pickled could not be loaded. Put the decorator "
            f"@keras.saving.register_keras_serializable() above class {kind.__name__}."
        )
