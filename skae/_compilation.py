"""From the parameters ``loss`` and ``optimizer`` to Keras objects of one fit."""

import copy

from sklearn.utils._param_validation import InvalidParameterError

from ._backend import import_keras


def make_loss(loss):
    """Make the loss function of one fit.

    Parameters
    ----------
    loss : str, keras.losses.Loss, callable or None
        The parameter; None is mean squared error. A callable takes targets and
        outputs, and gives a loss per row or one for the batch.

    Returns
    -------
    callable
        Takes targets and outputs, and gives one number: a copied
        `keras.losses.Loss`, or the mean of what the callable gives.

    Raises
    ------
    InvalidParameterError
        If Keras has no loss of that name.
    """
    keras = import_keras()
    if isinstance(loss, keras.losses.Loss):
        return copy.deepcopy(loss)
    function = _look_up(
        "loss", keras.losses, "mean_squared_error" if loss is None else loss
    )
    if isinstance(function, keras.losses.Loss):
        return function

    def mean_loss(y_true, y_pred):
        return keras.ops.mean(function(y_true, y_pred))

    mean_loss.__name__ = function.__name__
    return mean_loss


def is_cross_entropy(loss):
    """Whether a loss takes its targets for probabilities.

    Raises
    ------
    ValueError
        If the loss wants logits, in which case reconstructions would not be data.
    """
    names = [
        getattr(candidate, "__name__", type(candidate).__name__)
        for candidate in (loss, getattr(loss, "fn", loss))
    ]
    if not any("crossentropy" in name.lower().replace("_", "") for name in names):
        return False
    if hasattr(loss, "get_config") and loss.get_config().get("from_logits"):
        raise ValueError(
            "A cross-entropy loss with from_logits=True makes the network's output "
            "logits instead of reconstructions. Use from_logits=False, the default of "
            "Keras: the output layer then gets a sigmoid."
        )
    return True


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
    template = _look_up(
        "optimizer", keras.optimizers, "adam" if optimizer is None else optimizer
    )
    config = template.get_config()
    if learning_rate is not None:
        config["learning_rate"] = learning_rate
    return type(template).from_config(config)


def _look_up(parameter, module, identifier):
    try:
        return module.get(identifier)
    except ValueError as error:
        known = ", ".join(name for name in dir(module) if name[0] != "_")
        raise InvalidParameterError(
            f"The {parameter!r} parameter names nothing in Keras: {identifier!r}. "
            f"Known there: {known}."
        ) from error
