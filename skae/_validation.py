"""Values that a network cannot take or cannot give."""

import numpy as np

# What the last layer can give at all, by the name of its activation.
_OUTPUT_RANGES = {
    "sigmoid": (0, 1),
    "hard_sigmoid": (0, 1),
    "softmax": (0, 1),
    "tanh": (-1, 1),
}


def check_floatx(X, floatx):
    """Refuse values beyond the range of the network's dtype.

    Parameters
    ----------
    X : ndarray
        Training rows.
    floatx : str
        The dtype.
    """
    if np.finfo(X.dtype).max <= np.finfo(floatx).max:
        return
    largest = max(X.max(), -X.min())
    if largest > np.finfo(floatx).max:
        raise ValueError(
            f"X holds {largest:.3g}, which is too large for the network's dtype "
            f"{floatx}. Put a scaler in front, such as StandardScaler."
        )


def check_reachable(X, decoder, loss):
    """Refuse data that the output layer or the loss cannot deal with.

    Parameters
    ----------
    X : ndarray
        Training rows.
    decoder : keras.Model
        Its last layer says which values it can give.
    loss : TrainingLoss
        What training minimizes.
    """
    activation = next(
        (
            layer.activation.__name__
            for layer in reversed(decoder.layers)
            if hasattr(layer, "activation")
        ),
        "linear",
    )
    low, high = _OUTPUT_RANGES.get(
        activation, (0, 1) if loss.is_cross_entropy() else (-np.inf, np.inf)
    )
    # A scaler's rounding is no reason to refuse.
    if X.min() >= low - 1e-6 and X.max() <= high + 1e-6:
        return
    cause = (
        f"The output activation {activation!r}"
        if activation in _OUTPUT_RANGES
        else "A cross-entropy loss"
    )
    scaler = "MinMaxScaler()" if low == 0 else "MinMaxScaler(feature_range=(-1, 1))"
    raise ValueError(
        f"{cause} needs data in [{low}, {high}], but X goes from {X.min():.6g} to "
        f"{X.max():.6g}. Put {scaler} of sklearn.preprocessing in front."
    )
