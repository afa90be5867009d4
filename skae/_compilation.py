"""From the parameters ``loss`` and ``optimizer`` to Keras objects of one fit."""

import inspect
from dataclasses import dataclass

from sklearn.utils._param_validation import InvalidParameterError

from ._backend import import_keras, read_values, write_values

DEFAULT_LOSS = "mean_squared_error"

# Keras's losses that give a value for each row, as opposed to one for the whole batch.
_ROW_WISE_LOSSES = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "cosine_similarity",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
)


class TrainingLoss:
    """The loss of a batch, and what is known about it.

    Parameters
    ----------
    loss : str, callable or keras.losses.Loss
        The estimator's parameter. A callable takes targets and outputs, and gives a
        loss per row or one for the batch.

    Attributes
    ----------
    by_row : callable or None
        Gives the loss of each row, if the batch's loss is the mean of those.
    config : str, dict or None
        Describes the loss if it is Keras's own.

    Raises
    ------
    InvalidParameterError
        If Keras has no loss of that name.
    """

    def __init__(self, loss):
        losses = import_keras().losses
        found = _look_up("loss", losses, loss)
        self._is_instance = isinstance(found, losses.Loss)
        self._function = found
        self.config, name = None, None
        if self._is_instance:
            name = getattr(getattr(found, "fn", None), "__name__", None)
            if getattr(losses, type(found).__name__, None) is type(found):
                # Some of Keras's leave arguments out of their configuration.
                arguments = set(inspect.signature(type(found)).parameters) - {"dtype"}
                if arguments <= set(found.get_config()):
                    self.config = losses.serialize(found)
        elif getattr(losses, getattr(found, "__name__", ""), None) is found:
            self.config = name = found.__name__
        # Name and class of a loss by Keras, or of a user's own.
        self.__name__ = name or getattr(found, "__name__", type(found).__name__)
        mean = getattr(found, "reduction", "mean") in ("sum_over_batch_size", "mean")
        row_wise = self.config is not None and mean and name in _ROW_WISE_LOSSES
        self.by_row = self._by_row if row_wise else None

    def __call__(self, y_true, y_pred):
        if self._is_instance:
            return self._function(y_true, y_pred)
        keras = import_keras()
        # Under mixed precision too, a loss is computed in full precision.
        y_pred = keras.ops.cast(y_pred, keras.config.floatx())
        return keras.ops.mean(self._function(y_true, y_pred))

    def _by_row(self, y_true, y_pred):
        call = self._function.call if self._is_instance else self._function
        values = call(y_true, y_pred)
        return import_keras().ops.mean(values, axis=tuple(range(1, len(values.shape))))

    def is_cross_entropy(self):
        """Whether the loss takes its targets for probabilities.

        Raises
        ------
        ValueError
            If the loss wants logits, in which case reconstructions would not be data.
        """
        names = (self.__name__, type(self._function).__name__)
        if not any("crossentropy" in name.lower().replace("_", "") for name in names):
            return False
        if self._is_instance and self._function.get_config().get("from_logits"):
            raise ValueError(
                "A cross-entropy loss with from_logits=True makes the network's output "
                "logits instead of reconstructions. Use from_logits=False, the default "
                "of Keras: the output layer then gets a sigmoid."
            )
        return True


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
        made = _look_up("optimizer", keras.optimizers, described)
    else:
        _look_up("optimizer", keras.optimizers, optimizer)  # is it one?
        made = type(optimizer).from_config(optimizer.get_config() | config)
    if keras.config.dtype_policy().name == "mixed_float16":
        # As Keras's own `compile` does: float16 gradients would vanish.
        made = keras.optimizers.LossScaleOptimizer(made, name="scaled_optimizer")
    return made


def _look_up(parameter, module, identifier):
    try:
        return module.get(identifier)
    except ValueError as error:
        given = identifier["class_name"] if isinstance(identifier, dict) else identifier
        known = ", ".join(name for name in dir(module) if name[0] != "_")
        raise InvalidParameterError(
            f"The {parameter!r} parameter names nothing in Keras: {given!r}. "
            f"Known there: {known}."
        ) from error
