"""From the parameter ``optimizer`` to a Keras optimizer of one fit."""

from dataclasses import dataclass

from .._backend import import_keras, read_values, write_values
from ._losses import look_up


@dataclass(frozen=True)
class OptimizerState:
    """Where an optimizer stands, for the next `partial_fit`.

    Parameters
    ----------
    config : dict
        What kind of optimizer it is.
    values : list of ndarray
        Its variables.
    """

    config: dict
    values: list

    @classmethod
    def of(cls, optimizer, config):
        """Read an optimizer's state."""
        return cls(config, read_values(optimizer.variables))

    def restore(self, optimizer, config):
        """Put it into a built optimizer, if that one is of the same kind."""
        if self.config == config:
            write_values(optimizer.variables, self.values)
        elif _but_learning_rate(self.config) == _but_learning_rate(config):
            learning_rate = config["learning_rate"]
            write_values(optimizer.variables, self.values)
            optimizer.learning_rate = learning_rate


def _but_learning_rate(config):
    rate = config.get("learning_rate")
    return config | {"learning_rate": isinstance(rate, float) or rate}


def make_optimizer(optimizer, learning_rate):
    """Make the optimizer of one fit.

    Parameters
    ----------
    optimizer : str, keras.optimizers.Optimizer or None
        The parameter; None is Adam. An instance is copied by its config.
    learning_rate : float or None
        Replaces the optimizer's own.

    Returns
    -------
    keras.optimizers.Optimizer
        A new one.

    Raises
    ------
    InvalidParameterError
        If Keras has no optimizer of that name.
    """
    keras = import_keras()
    # Names that are the same each time: TensorFlow never forgets one.
    config = {"name": "optimizer"}
    if learning_rate is not None:
        config["learning_rate"] = float(learning_rate)
    if optimizer is None or isinstance(optimizer, str):
        described = {"class_name": optimizer or "adam", "config": config}
        made = look_up("optimizer", keras.optimizers, described)
    else:
        look_up("optimizer", keras.optimizers, optimizer)  # is it one?
        made = type(optimizer).from_config(optimizer.get_config() | config)
    if keras.config.dtype_policy().name == "mixed_float16":
        # As Keras's own `compile` does: float16 gradients would vanish.
        made = keras.optimizers.LossScaleOptimizer(made, name="scaled_optimizer")
    return made
