"""From the parameter ``optimizer`` to a Keras optimizer of one fit."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from .._backend import import_keras, read_values, view_value, write_values
from ._losses import look_up

# Share of the epochs in which the learning rate rises to its peak.
WARM_UP = 0.1


@dataclass(frozen=True)
class OptimizerRecipe:
    """What it takes to make an optimizer again: its class and its arguments.

    Keras itself finds registered classes only again; here classes and schedules are
    objects, which pickle by reference.

    Parameters
    ----------
    kind : type
        Class of the optimizer.
    config : dict
        Its configuration; a learning rate schedule is the object itself.
    inner : OptimizerRecipe or None
        The optimizer that a `keras.optimizers.LossScaleOptimizer` wraps.
    """

    kind: type
    config: dict
    inner: Any = None

    @classmethod
    def of(cls, optimizer):
        """Return the recipe of an optimizer, which stays as it is."""
        config = _config_of(optimizer)
        if config.pop("inner_optimizer", None) is not None:
            return cls(type(optimizer), config, cls.of(optimizer.inner_optimizer))
        schedule = import_keras().optimizers.schedules.LearningRateSchedule
        held = vars(optimizer).values()
        schedules = [value for value in held if isinstance(value, schedule)]
        if isinstance(config.get("learning_rate"), dict) and schedules:
            config["learning_rate"] = schedules[0]
        return cls(type(optimizer), config)

    def make(self, **changes):
        """Make a new optimizer.

        Parameters
        ----------
        **changes : dict
            Arguments that replace those of the recipe.

        Returns
        -------
        keras.optimizers.Optimizer
            Not yet built.

        Raises
        ------
        InvalidParameterError
            If the class does not take what its `get_config` returns.
        """
        if self.inner is not None:
            return self.kind(self.inner.make(**changes), **self.config)
        try:
            return self.kind.from_config(self.config | changes)
        except TypeError as error:
            raise InvalidParameterError(
                f"An optimizer {self.kind.__name__} cannot be made from what its "
                f"get_config() returns: {error}. Its __init__ has to accept each of "
                "these arguments, and its get_config() to return all of its own."
            ) from error


@dataclass(frozen=True)
class OptimizerState:
    """The state of an optimizer, with which the next `partial_fit` goes on.

    Parameters
    ----------
    description : dict
        The kind of optimizer, see `describe`.
    values : list of ndarray
        Its variables.
    """

    description: dict
    values: list

    @classmethod
    def of(cls, optimizer):
        """Read the state of a built optimizer."""
        return cls(describe(optimizer), read_values(optimizer.variables))

    def to_dict(self):
        """Return the state as a dict."""
        return {"description": self.description, "values": self.values}

    def restore(self, optimizer):
        """Put moments and iterations into a built optimizer of the same kind.

        A constant learning rate stays as it is configured now, whatever rate the state
        was left at. An optimizer of another kind begins anew.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer
            Its learning rate is that of the configuration.
        """
        same_shapes = list(map(np.shape, self.values)) == [
            tuple(variable.shape) for variable in optimizer.variables
        ]
        if self.description != describe(optimizer) or not same_shapes:
            return
        learning_rate = constant_learning_rate(optimizer)
        write_values(optimizer.variables, self.values)
        if learning_rate is not None:
            optimizer.learning_rate = learning_rate


def describe(optimizer):
    """Describe what an optimizer computes.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        The optimizer.

    Returns
    -------
    dict
        Class and configuration, without its name and the value of a constant learning
        rate.
    """
    config = _config_of(optimizer)
    config.pop("name", None)
    if isinstance(config.get("learning_rate"), float):
        config["learning_rate"] = "constant"
    if config.get("inner_optimizer") is not None:
        config["inner_optimizer"] = describe(optimizer.inner_optimizer)
    kind = type(optimizer)
    return {
        "module": kind.__module__,
        "class_name": kind.__qualname__,
        "config": config,
    }


def _config_of(optimizer):
    """Return the configuration of an optimizer, which pickles."""
    return _untracked(optimizer.get_config())


def _untracked(value):
    """Copy lists, dicts and sets, in place of which optimizers hold Keras's own."""
    if isinstance(value, dict):
        return {key: _untracked(part) for key, part in value.items()}
    for kind in (list, set):
        if isinstance(value, kind):
            return kind(map(_untracked, value))
    if isinstance(value, tuple):
        parts = map(_untracked, value)
        return value._make(parts) if hasattr(value, "_make") else tuple(parts)
    return value


def constant_learning_rate(optimizer):
    """Return the learning rate of an optimizer; None where a schedule sets it."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    learning_rate = optimizer.get_config().get("learning_rate")
    return learning_rate if isinstance(learning_rate, float) else None


def current_learning_rate(optimizer):
    """Return the learning rate as it is, also within a `tf.distribute` strategy."""
    rate = optimizer.learning_rate
    return float(view_value(rate) if hasattr(rate, "value") else rate)


class CosineSchedule:
    """Set the learning rate of each epoch: a linear warm-up, then half a cosine to 0.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        One with a constant learning rate.
    peak : float
        The largest learning rate.
    epochs : int
        Number of epochs after which it is 0.
    """

    def __init__(self, optimizer, peak, epochs):
        self.optimizer = optimizer
        self.peak = peak
        self.epochs = epochs
        self._last = current_learning_rate(optimizer)

    def begin_epoch(self, epoch):
        """Set the rate of the middle of an epoch, the first being 1.

        Once something else has set it, as a callback may, it stays as it is.
        """
        if self._last != current_learning_rate(self.optimizer):
            self._last = None
            return
        progress = (epoch - 0.5) / self.epochs
        if progress < WARM_UP:
            factor = progress / WARM_UP
        else:
            angle = math.pi * (progress - WARM_UP) / (1 - WARM_UP)
            factor = (1 + math.cos(angle)) / 2
        self.optimizer.learning_rate = factor * self.peak
        self._last = current_learning_rate(self.optimizer)


def make_optimizer(optimizer, learning_rate):
    """Make the optimizer of one fit.

    Parameters
    ----------
    optimizer : str, keras.optimizers.Optimizer or None
        The parameter; None is Adam. An instance is copied by its configuration.
    learning_rate : float or None
        Replaces the optimizer's own.

    Returns
    -------
    keras.optimizers.Optimizer
        A new one.

    Raises
    ------
    InvalidParameterError
        If Keras has no optimizer of that name, or an instance cannot be copied.
    """
    keras = import_keras()
    # Names that are the same each time: TensorFlow never forgets one.
    changes = {"name": "optimizer"}
    if learning_rate is not None:
        changes["learning_rate"] = float(learning_rate)
    if optimizer is None or isinstance(optimizer, str):
        made = look_up(
            "optimizer", {"class_name": optimizer or "adam", "config": changes}
        )
    else:
        made = OptimizerRecipe.of(look_up("optimizer", optimizer)).make(**changes)
    scaled = keras.optimizers.LossScaleOptimizer
    mixed = keras.config.dtype_policy().name == "mixed_float16"
    if mixed and not isinstance(made, scaled):
        # As Keras's own `compile` does: float16 gradients would vanish.
        made = scaled(made, name="scaled_optimizer")
    return made
