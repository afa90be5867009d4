"""Functions that several architectures build networks with."""

import math
from numbers import Integral

from .._backend import import_keras


def stack(input_shape, layers, name):
    """Chain layers into a functional model.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one input, without the batch axis.
    layers : list of keras.layers.Layer
        The layers, the first one first.
    name : str
        Name of the model.

    Returns
    -------
    keras.Model
        The model.
    """
    keras = import_keras()
    inputs = outputs = keras.Input(input_shape, name=f"{name}_input")
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=name)


def positive_ints(name, value, least=1):
    """Check a parameter that is a positive int or a sequence of them.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : int or array-like of int
        Its value.
    least : int, default=1
        How many there have to be.

    Returns
    -------
    tuple of int
        The ints.

    Raises
    ------
    ValueError
        If there are fewer, or anything else among them.
    """
    values = [value] if isinstance(value, Integral) else list(value)
    valid = all(isinstance(v, Integral) and v > 0 for v in values)
    if len(values) < least or not valid:
        number = "at least one positive int" if least else "positive ints only"
        raise ValueError(f"{name} has to hold {number}, got {value!r}.")
    return tuple(map(int, values))


def unflattened_shape(given, sample_shape):
    """Return the shape in which a network takes samples.

    Parameters
    ----------
    given : tuple of int
        Shape of one sample, as the estimator takes it.
    sample_shape : array-like of int or None
        Parameter of an architecture: the shape to which flat samples are reshaped.

    Returns
    -------
    tuple of int
        `sample_shape`, or `given` if that is None.

    Raises
    ------
    ValueError
        If samples of the one shape cannot be reshaped to the other.
    """
    if sample_shape is None:
        return given
    shape = positive_ints("sample_shape", sample_shape)
    if len(given) == 1 and math.prod(shape) != given[0]:
        raise ValueError(
            f"sample_shape={shape} is for samples of {math.prod(shape)} features, but "
            f"these have {given[0]}. Give the shape that each sample has before it is "
            "flattened."
        )
    if len(given) > 1 and shape != given:
        raise ValueError(
            f"sample_shape={shape} is for flat samples, but these samples have shape "
            f"{given} already. Leave sample_shape out."
        )
    return shape


def custom_objects():
    """Return the layers of skae, which Keras needs to load a saved network.

    Returns
    -------
    dict of str to type
        For ``keras.models.load_model("saved.keras", custom_objects=...)`` in a process
        that has not built such a network itself.

    See Also
    --------
    VariationalArchitecture : Has a layer that draws codes at random.

    Examples
    --------
    >>> from skae.architectures import custom_objects
    >>> sorted(custom_objects())
    ['skae>CategoryProbabilities', 'skae>Chain', 'skae>Clip',
     'skae>ContractivePenalty', 'skae>FillCells', 'skae>Gate', 'skae>GaussianNoise',
     'skae>GaussianSampling', 'skae>HiddenCells', 'skae>InferenceChain',
     'skae>MaskingNoise', 'skae>MissingIndicator', 'skae>NestedDropout',
     'skae>SparsityPenalty', 'skae>TransposedDense']
    """
    import_keras()
    from . import _layers

    return {
        f"skae>{name}": kind
        for name, kind in vars(_layers).items()
        if getattr(kind, "__module__", None) == _layers.__name__
    }
