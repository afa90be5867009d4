"""Pickle Keras models."""

from collections import Counter
from dataclasses import dataclass
from pickle import PicklingError
from types import FunctionType
from typing import Any

from .._backend import (
    PickledLoss,
    has_own_step,
    import_keras,
    leaf_layers,
    read_values,
    write_network,
)
from ._keras_models import chain, is_chain, is_subclass, own_objects


@dataclass(frozen=True)
class PickledModel:
    """Contents of a pickled Keras model.

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
        if is_subclass(model) and not has_own_step(model) and is_chain(model):
            described = chain(model)
        check_nothing_shared(described)
        for part in [*leaf_layers(described), described]:
            for own in own_objects(part):
                _check_is_registered(own, part)
        config = keras.saving.serialize_keras_object(described)
        config.pop("compile_config", None)
        loss = optimizer = None
        if model.compiled:
            loss = model.loss
            if isinstance(loss, keras.losses.Loss):
                loss = PickledLoss.of(loss)
            if model.optimizer is not None:
                optimizer = keras.optimizers.serialize(model.optimizer)
        registered = {
            name: keras.saving.get_registered_object(name)
            for name in _registered_names(config)
        }
        values = read_values(described.variables)
        return cls(config, values, registered, loss, optimizer)

    def restore(self):
        """Return the model that was described."""
        keras = import_keras()
        # A pickle is trusted, or it would not be loaded at all.
        model = keras.saving.deserialize_keras_object(
            self.config, custom_objects=self.registered, safe_mode=False
        )
        if self.values:
            write_network(model, self.values)
        if self.optimizer is not None or self.loss is not None:
            optimizer = self.optimizer and keras.optimizers.deserialize(self.optimizer)
            is_taken_apart = isinstance(self.loss, PickledLoss)
            loss = self.loss.make() if is_taken_apart else self.loss
            model.compile(optimizer, loss=loss)
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


def _check_is_registered(own, layer):
    """Refuse a class or function that Keras could not find when it is loaded."""
    keras = import_keras()
    name, module = own.__name__, own.__module__.split(".")[0]
    kind = "function" if isinstance(own, FunctionType) else "class"
    # TensorFlow's activations are loaded as Keras's of the same name.
    known = module == "keras" or (
        module == "tensorflow" and hasattr(keras.activations, name)
    )
    if known or keras.saving.get_registered_name(own) != name:
        return
    given = f"is a {name}" if own is type(layer) else f"holds the {kind} {name}"
    raise PicklingError(
        f"{layer.name!r} {given}, which is not registered with Keras, so what is "
        "pickled could not be loaded. Put the decorator "
        f"@keras.saving.register_keras_serializable() above {kind} {name}."
    )


def check_nothing_shared(*models):
    """Refuse layers that several models share: each of them is pickled by itself."""
    leaves = [layer for model in models for layer in leaf_layers(model)]
    counts = Counter(map(id, leaves))
    for layer in leaves:
        if counts[id(layer)] > 1:
            raise PicklingError(
                f"{layer.name!r} is part of several models, which are pickled one by "
                "one. Use it in one functional model, or pass a function that builds "
                "the model."
            )
