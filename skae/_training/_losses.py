"""From the parameters ``loss`` and ``optimizer`` to Keras objects of one fit."""

import inspect

from sklearn.utils._param_validation import InvalidParameterError

from .._backend import import_keras

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
        found = look_up("loss", losses, loss)
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


def look_up(parameter, module, identifier):
    try:
        return module.get(identifier)
    except ValueError as error:
        given = identifier["class_name"] if isinstance(identifier, dict) else identifier
        known = ", ".join(name for name in dir(module) if name[0] != "_")
        raise InvalidParameterError(
            f"The {parameter!r} parameter names nothing in Keras: {given!r}. "
            f"Known there: {known}."
        ) from error
