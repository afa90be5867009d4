"""Values that a network cannot take or cannot give."""

import warnings

import numpy as np

# What the last layer can give at all, by the name of its activation.
_OUTPUT_RANGES = {
    "sigmoid": (0, 1),
    "hard_sigmoid": (0, 1),
    "softmax": (0, 1),
    "tanh": (-1, 1),
}


# A feature's mean over its standard deviation, from which on float32 loses digits that
# matter.
_LARGEST_RATIO = 1e6
_CHECKED_SAMPLES = 1000


def check_scale(X, floatx, name):
    """Warn of features whose mean is so large that the network cannot see them vary.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training or validation samples; some of them are looked at.
    floatx : str
        The network's dtype.
    name : str
        What X is called.
    """
    if floatx == "float64":
        return
    X = X[:: -(-len(X) // _CHECKED_SAMPLES)].astype(np.float64)
    deviation = X.std(axis=0)
    # A constant feature has a deviation of rounding only.
    rounding = 1e-12 * np.abs(X).max(axis=0)
    far = (np.abs(X.mean(axis=0)) > _LARGEST_RATIO * deviation) & (deviation > rounding)
    if far.any():
        warnings.warn(
            f"{far.sum()} of {X.shape[1]} features of {name} have a mean of more than "
            f"{_LARGEST_RATIO:.0e} standard deviations, which the network's dtype "
            f"{floatx} cannot resolve. Put a scaler in front, such as StandardScaler.",
            UserWarning,
            stacklevel=2,
        )


def check_floatx(value_range, dtype, floatx, name):
    """Refuse values beyond the range of the network's dtype.

    Parameters
    ----------
    value_range : tuple of float
        Smallest and largest value of the samples.
    dtype : dtype
        Their dtype.
    floatx : str
        The network's dtype.
    name : str
        What the samples are called.
    """
    if np.finfo(dtype).max <= np.finfo(floatx).max:
        return
    largest = max(value_range[1], -value_range[0])
    if largest > np.finfo(floatx).max:
        raise ValueError(
            f"{name} holds {largest:.3g}, which is too large for the network's dtype "
            f"{floatx}. Put a scaler in front, such as StandardScaler."
        )


def check_reachable(value_range, decoder, loss, name):
    """Refuse data that the output layer or the loss cannot deal with.

    Parameters
    ----------
    value_range : tuple of float
        Smallest and largest value of the samples.
    decoder : keras.Model
        Its last layer says which values it can give.
    loss : TrainingLoss
        What training minimizes.
    name : str
        What the samples are called.
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
    smallest, largest = value_range
    if smallest >= low - 1e-6 and largest <= high + 1e-6:
        return
    cause = (
        f"The output activation {activation!r}"
        if activation in _OUTPUT_RANGES
        else "A cross-entropy loss"
    )
    scaler = "MinMaxScaler()" if low == 0 else "MinMaxScaler(feature_range=(-1, 1))"
    raise ValueError(
        f"{cause} needs data in [{low}, {high}], but {name} goes from "
        f"{smallest:.6g} to {largest:.6g}. Put {scaler} of sklearn.preprocessing in "
        "front."
    )
