"""From the parameter ``loss`` to the loss of one fit."""

import difflib
import inspect

from sklearn.utils._param_validation import InvalidParameterError

from .._backend import import_keras
from .._columns import SMALLEST_IN_TRAINING, membership, owners_of

DEFAULT_LOSS = "mean_squared_error"

# Keras's losses that have a value per sample, as opposed to one for the whole batch.
_PER_SAMPLE_LOSSES = (
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
# Those of single numbers, which may have any value.
_ELEMENTWISE_LOSSES = (
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
)
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class TrainingLoss:
    """The loss of a batch, and what is known about it.

    Parameters
    ----------
    loss : str, callable or keras.losses.Loss
        The estimator's parameter. A callable takes targets and outputs, and returns a
        loss per sample or one for the batch. A dict or list with a single entry, as
        `keras.Model.compile` takes them, stands for that entry.
    skips_missing : bool, default=False
        Whether targets may be NaN. Target and output are 0 for the loss there, which
        then is what observed cells contribute.
    groups : list of int, default=None
        For each feature, the number of its column of categories, or -1 for a number.
        The loss is that of numbers then; that of a category is the negative logarithm
        of its probability, times the square of the value that stands for it. The loss
        of a sample is the mean over its columns. None for numbers only.

    Attributes
    ----------
    for_keras : str, callable or keras.losses.Loss
        The loss in the form that `keras.Model.compile` saves.
    per_sample : callable or None
        Computes the loss of each sample, if the batch's loss is the mean of those.
    config : str, dict or None
        Describes the loss if it is Keras's own.

    Raises
    ------
    InvalidParameterError
        If Keras has no loss of that name, if there are several losses, or if the loss
        is not reduced to one number per batch.
    """

    def __init__(self, loss, *, skips_missing=False, groups=None):
        losses = import_keras().losses
        found = look_up("loss", _single(loss))
        self._skips_missing = skips_missing
        self._is_instance = isinstance(found, losses.Loss)
        self._function = found
        self.config, name = None, None
        if self._is_instance:
            _check_reduction(found)
            name = getattr(getattr(found, "fn", None), "__name__", None)
            if getattr(losses, type(found).__name__, None) is type(found):
                # Some of Keras's leave arguments out of their configuration.
                arguments = set(inspect.signature(type(found)).parameters) - {"dtype"}
                if arguments <= set(found.get_config()):
                    self.config = losses.serialize(found)
        elif getattr(losses, getattr(found, "__name__", ""), None) is found:
            self.config = name = found.__name__
        self.is_squared_error = self.config is not None and name == DEFAULT_LOSS
        # Name and class of a loss by Keras, or of a user's own.
        self.__name__ = name or getattr(found, "__name__", type(found).__name__)
        self.for_keras = self.config if isinstance(self.config, str) else found
        mean = getattr(found, "reduction", "mean") in _MEANS
        per_sample = self.config is not None and mean and name in _PER_SAMPLE_LOSSES
        self.per_sample = self._per_sample if per_sample else None
        if groups is not None:
            is_mean = mean and name in _ELEMENTWISE_LOSSES
            self._combine_with_categories(loss, found, groups, is_mean)

    def _combine_with_categories(self, loss, found, groups, is_mean):
        """Take the loss for columns of numbers, and cross-entropy for categories."""
        losses = import_keras().losses
        kind = type(found).__name__ if self._is_instance else self.__name__
        is_keras = getattr(losses, kind, None) in (type(found), found)
        if not (is_keras and is_mean):
            raise InvalidParameterError(
                f"loss={loss!r} cannot be combined with the cross-entropy of "
                "categories, which X has. It has to be a loss of single numbers: "
                f"one of {', '.join(_ELEMENTWISE_LOSSES)}."
            )
        call = found.call if self._is_instance else found
        self._function = self.for_keras = _ColumnLoss(call, groups)
        self._is_instance = False
        self.per_sample = self._per_sample
        if self.config is not None:
            self.config = {"numbers": self.config, "groups": groups}

    def as_function(self):
        """Return the loss as `keras.Model.compile` takes it to train with."""
        if not self._skips_missing:
            return self.for_keras

        def observed(y_true, y_pred):
            return self(y_true, y_pred)

        observed.__name__ = self.__name__
        return observed

    def __call__(self, y_true, y_pred):
        y_true, y_pred = self._observed(y_true, y_pred)
        if self._is_instance:
            return self._function(y_true, y_pred)
        keras = import_keras()
        # Under mixed precision too, a loss is computed in full precision.
        y_pred = keras.ops.cast(y_pred, keras.config.floatx())
        return keras.ops.mean(self._function(y_true, y_pred))

    def _observed(self, y_true, y_pred):
        """Return targets and outputs that are 0 where targets are missing."""
        if not self._skips_missing:
            return y_true, y_pred
        ops = import_keras().ops
        missing = ops.isnan(y_true)
        return tuple(
            ops.where(missing, ops.zeros((), values.dtype), values)
            for values in (y_true, y_pred)
        )

    def _per_sample(self, y_true, y_pred):
        y_true, y_pred = self._observed(y_true, y_pred)
        call = self._function.call if self._is_instance else self._function
        values = call(y_true, y_pred)
        return import_keras().ops.mean(values, axis=tuple(range(1, len(values.shape))))

    def is_cross_entropy(self):
        """Return whether the loss takes its targets for probabilities.

        Raises
        ------
        ValueError
            If the loss expects logits, in which case reconstructions would not be data.
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


class _ColumnLoss:
    """Mean over the columns of a table: a loss of numbers, cross-entropy of categories.

    Parameters
    ----------
    loss : callable
        From targets and outputs of shape (..., 1) to losses.
    groups : list of int
        As for `TrainingLoss`.
    """

    def __init__(self, loss, groups):
        self.loss = loss
        self.groups = groups
        self.__name__ = "column_loss"

    def __call__(self, y_true, y_pred):
        ops = import_keras().ops
        members = ops.convert_to_tensor(membership(self.groups), y_pred.dtype)
        is_number = ops.convert_to_tensor([group < 0 for group in self.groups])
        zero = ops.zeros((), y_pred.dtype)
        y_true = ops.cast(y_true, y_pred.dtype)
        numbers = self.loss(y_true[..., None], y_pred[..., None])
        numbers = ops.sum(ops.where(is_number, numbers, zero), axis=-1)
        # Both the target, one-hot, and the output sum to the value of a category.
        value = ops.matmul(ops.matmul(y_true, members), ops.transpose(members))
        value_hat = ops.matmul(ops.matmul(y_pred, members), ops.transpose(members))
        share = ops.where(is_number, zero + 1, y_pred)
        share = share / ops.where(value_hat > 0, value_hat, zero + 1)
        logs = ops.log(ops.maximum(share, SMALLEST_IN_TRAINING))
        categories = ops.where(is_number, zero, -value * y_true * logs)
        n_columns = owners_of(self.groups)[-1] + 1
        return (numbers + ops.sum(categories, axis=-1)) / n_columns


def _single(loss):
    """Return the loss of the only output, out of a dict or list by output."""
    is_config = isinstance(loss, dict) and "class_name" in loss
    if is_config or not isinstance(loss, (dict, list, tuple)):
        return loss
    entries = list(loss.values() if isinstance(loss, dict) else loss)
    if len(entries) != 1:
        raise InvalidParameterError(
            f"An autoencoder has one output and one loss, got {len(entries)} losses: "
            f"{loss!r}. Give the loss of the reconstruction alone."
        )
    return entries[0]


def _check_reduction(loss):
    if getattr(loss, "reduction", "mean") in (None, "none"):
        raise InvalidParameterError(
            f"The loss {type(loss).__name__} has reduction={loss.reduction!r}, but "
            "training needs one number per batch. Use "
            "reduction='sum_over_batch_size', the default of Keras, or 'sum'."
        )


def look_up(parameter, identifier):
    """Return Keras's object for a parameter.

    Parameters
    ----------
    parameter : {"loss", "optimizer"}
        What is looked up.
    identifier : str, dict, callable or object
        What ``keras.losses.get`` or ``keras.optimizers.get`` takes.

    Returns
    -------
    object
        A loss function, or an instance of a loss or an optimizer.

    Raises
    ------
    InvalidParameterError
        If Keras has nothing of that name.
    """
    keras = import_keras()
    module = keras.losses if parameter == "loss" else keras.optimizers
    try:
        return module.get(identifier)
    except ValueError as error:
        given = identifier["class_name"] if isinstance(identifier, dict) else identifier
        classes, functions = _names(module)
        message = f"Unknown {parameter} {given!r}."
        known = {name.lower(): name for name in classes} | {n: n for n in functions}
        near = difflib.get_close_matches(str(given).lower(), known, n=1)
        if near:
            message += f" Did you mean {known[near[0]]!r}?"
        message += f" Choose one of: {', '.join(classes)}."
        raise InvalidParameterError(message) from error


def _names(module):
    """Return the names of Keras's losses or optimizers: classes, functions."""
    base = getattr(module, "Loss", None) or module.Optimizer
    public = {name: part for name, part in vars(module).items() if name[0] != "_"}
    classes = [
        name
        for name, part in public.items()
        if inspect.isclass(part) and issubclass(part, base) and part is not base
    ]
    tools = ("deserialize", "get", "serialize")
    functions = [
        name
        for name, part in public.items()
        if inspect.isfunction(part) and name not in tools
    ]
    return sorted(classes), sorted(functions)
