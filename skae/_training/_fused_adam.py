"""Adam's update as one operation of TensorFlow for each variable.

Keras composes it of a dozen operations, which are half of what is traced and much of
what is compiled for a small network. The arithmetic is the same.
"""

from .._backend import import_keras

# What Keras's optimizers do beside the update itself, by the names of arguments.
_EXTRAS = {
    "amsgrad": False,
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


def fused_adam(optimizer, variables):
    """Return a function that takes a step of Adam.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Built for the variables; its variables are updated too.
    variables : list of keras.Variable
        What it trains.

    Returns
    -------
    callable or None
        It takes gradients, one for each variable, within a graph. None if `optimizer`
        is not Adam, or does more than its update.
    """
    config = optimizer.get_config()
    if type(optimizer) is not import_keras().optimizers.Adam or any(
        config.get(name, default) != default for name, default in _EXTRAS.items()
    ):
        return None
    if any(v.constraint is not None or v.dtype != "float32" for v in variables):
        return None
    moments = _moments(optimizer, variables)
    if moments is None:
        return None

    def step(gradients):
        import tensorflow as tf

        n_steps = tf.cast(optimizer.iterations.value, tf.float32) + 1.0
        rates = {
            "beta1_power": tf.pow(optimizer.beta_1, n_steps),
            "beta2_power": tf.pow(optimizer.beta_2, n_steps),
            "lr": tf.cast(optimizer.learning_rate, tf.float32),
            "beta1": optimizer.beta_1,
            "beta2": optimizer.beta_2,
            "epsilon": optimizer.epsilon,
        }
        for variable, (first, second), gradient in zip(
            variables, moments, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=first.value.handle,
                v=second.value.handle,
                grad=tf.convert_to_tensor(gradient),
                **rates,
            )
        optimizer.iterations.assign_add(1)

    return step


def _moments(optimizer, variables):
    """Find the two moments of each variable among the optimizer's variables.

    Keras orders them by variable or by kind, depending on its version.

    Returns
    -------
    list of tuple of keras.Variable or None
        None if their shapes do not tell.
    """
    shapes, n = [tuple(v.shape) for v in variables], len(variables)
    rest = optimizer.variables[len(optimizer.variables) - 2 * n :]
    fits = [
        (first, second)
        for first, second in ((rest[::2], rest[1::2]), (rest[:n], rest[n:]))
        if [tuple(v.shape) for v in first + second] == 2 * shapes
    ]
    if not fits or (len(fits) == 2 and n > 1):
        return None
    return list(zip(*fits[0], strict=True))
