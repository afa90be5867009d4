"""Checks of values that a network cannot take or cannot give."""

import warnings

import numpy as np

from ._backend import import_keras
from ._layer_traits import passes_values
from ._missing import observed_means, observed_variances
from ._sampling import spread

# Values that an output layer can give, by the name of its activation.
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
    X = spread(X, _CHECKED_SAMPLES).astype(np.float64)
    means, deviation = observed_means(X), np.sqrt(observed_variances(X))
    # A constant feature has a deviation of rounding only.
    rounding = 1e-12 * np.fmax.reduce(np.abs(X), axis=0)
    far = (np.abs(means) > _LARGEST_RATIO * deviation) & (deviation > rounding)
    if far.any():
        warnings.warn(
            f"{far.sum()} of {X.shape[1]} features of {name} have a mean of more than "
            f"{_LARGEST_RATIO:.0e} standard deviations, which the network's dtype "
            f"{floatx} cannot resolve. Put a scaler in front, such as StandardScaler.",
            UserWarning,
            stacklevel=2,
        )


def warn_of_empty_features(n_observed, names):
    """Warn of features of which no training sample has a value.

    Parameters
    ----------
    n_observed : ndarray of shape (n_features,)
        Number of observed cells of each feature.
    names : ndarray of shape (n_features,)
        Names of the features, or their indices.
    """
    empty = np.flatnonzero(n_observed == 0)
    if not len(empty):
        return
    shown = ", ".join(str(name) for name in names[empty[:5]])
    warnings.warn(
        f"{len(empty)} of {len(names)} features of X have no observed cell: {shown}"
        f"{', ...' if len(empty) > 5 else ''}. They count as 0.",
        UserWarning,
        stacklevel=2,
    )


def warn_of_one_sample(n_samples, sample_shape):
    """Warn of a single window or image, as a series that was not cut into windows.

    Parameters
    ----------
    n_samples : int
        Number of training samples.
    sample_shape : tuple of int
        Shape of a sample.
    """
    if n_samples > 1 or len(sample_shape) < 2:
        return
    warnings.warn(
        f"X holds a single sample, of shape {tuple(sample_shape)}: there is nothing to "
        "learn from differences between samples. Cut a long series of shape (n_steps, "
        "n_features) into windows, numpy.lib.stride_tricks.sliding_window_view(series, "
        "length, axis=0).swapaxes(1, 2), or add an axis to X if its first one counts "
        "samples.",
        UserWarning,
        stacklevel=2,
    )


def check_floatx(value_range, dtype, floatx, name="X"):
    """Check that values fit into the network's dtype.

    Parameters
    ----------
    value_range : tuple of float
        Smallest and largest value of the data.
    dtype : dtype
        The dtype of the data.
    floatx : str
        The dtype of the network.
    name : str, default="X"
        What the data is called in the error message.

    Raises
    ------
    ValueError
        If the network's dtype cannot hold the values.
    """
    if np.finfo(dtype).max <= np.finfo(floatx).max:
        return
    low, high = value_range
    largest = max(high, -low)
    if largest > float(np.finfo(floatx).max):
        raise ValueError(
            f"{name} holds {largest:.3g}, which is too large for the network's dtype "
            f"{floatx}. Put a scaler in front, such as StandardScaler."
        )


def check_reachable(value_range, decoder, loss, name="X"):
    """Check that the output layer can give the data, and that the loss can take it.

    Parameters
    ----------
    value_range : tuple of float
        Smallest and largest value of the data.
    decoder : keras.Model
        Its output layer bounds the values that it can give.
    loss : TrainingLoss
        What training minimizes.
    name : str, default="X"
        What the data is called in the error message.

    Raises
    ------
    ValueError
        If the data goes beyond what the output layer or the loss allows.
    """
    activation = _output_activation(decoder)
    limits = []
    if activation in _OUTPUT_RANGES:
        cause = f"The output activation {activation!r}"
        limits.append((cause, *_OUTPUT_RANGES[activation]))
    if loss.is_cross_entropy():
        limits.append(("A cross-entropy loss", 0, 1))
    smallest, largest = value_range
    for cause, low, high in limits:
        # A scaler's rounding is no reason to refuse.
        if smallest >= low - 1e-6 and largest <= high + 1e-6:
            continue
        scaler = "MinMaxScaler()" if low == 0 else "MinMaxScaler(feature_range=(-1, 1))"
        raise ValueError(
            f"{cause} needs data in [{low}, {high}], but {name} goes from "
            f"{smallest:.6g} to {largest:.6g}. Put {scaler} of sklearn.preprocessing "
            "in front, or scale images and windows by their range, such as X / 255 "
            "for pixels in [0, 1]."
        )


def _output_activation(layer):
    """Find the name of the activation that a layer or model ends with; None if none."""
    keras = import_keras()
    if hasattr(layer, "layers"):
        if getattr(layer, "outputs", None) is None:
            return None  # a subclass, whose layers are in no known order
        computing = (part for part in reversed(layer.layers) if not passes_values(part))
        last = next(computing, None)
        return None if last is None else _output_activation(last)
    if isinstance(layer, keras.layers.Wrapper):  # as TimeDistributed is
        return _output_activation(layer.layer)
    if type(layer) is keras.layers.Softmax:
        return "softmax"
    activation = getattr(layer, "activation", None)
    if isinstance(activation, keras.layers.Layer):
        return _output_activation(activation)
    return getattr(activation, "__name__", None)
