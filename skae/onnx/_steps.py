"""Write the steps of a Pipeline that come before the autoencoder."""

import numpy as np
from sklearn import preprocessing

from ._packages import import_package
from ._writer import OPSET


def write_step(writer, step, x, n_features):
    """Add what a step computes.

    Parameters
    ----------
    writer : GraphWriter
        Where to.
    step : estimator
        Fitted, with `transform`.
    x : str
        Name of its input.
    n_features : int
        Number of features of its input.

    Returns
    -------
    str
        Name of its output.

    Raises
    ------
    ValueError
        If the step cannot be exported.
    """
    affine = _affine(step)
    if affine is None:
        return writer.write_model(_convert(step, n_features), x)
    shift, factor = affine
    x = writer.add("Div", writer.add("Sub", x, shift), factor)
    if isinstance(step, preprocessing.MinMaxScaler) and step.clip:
        x = writer.add("Clip", x, *(float(limit) for limit in step.feature_range))
    return x


def write_inverse(writer, step, x):
    """Add what `inverse_transform` of a step computes.

    Parameters
    ----------
    writer, step, x : GraphWriter, estimator, str
        As for `write_step`.

    Returns
    -------
    str
        Name of its output.

    Raises
    ------
    ValueError
        If the step is no scaler whose inverse is known.
    """
    affine = _affine(step)
    if affine is None:
        raise ValueError(
            f"The reconstruction cannot be exported: the inverse of "
            f"{type(step).__name__} is not known. Leave 'reconstruct' out of outputs."
        )
    shift, factor = affine
    return writer.add("Add", writer.add("Mul", x, factor), shift)


def is_invertible(step):
    """Check whether `write_inverse` knows a step."""
    return _affine(step) is not None


def _affine(step):
    """Return what a scaler subtracts, and then divides by; None for other steps."""
    kind = type(step)
    if kind is preprocessing.StandardScaler:
        shift = step.mean_ if step.with_mean else 0.0
        factor = step.scale_ if step.with_std else 1.0
    elif kind is preprocessing.MinMaxScaler:
        shift, factor = -step.min_ / step.scale_, 1 / step.scale_
    elif kind is preprocessing.RobustScaler:
        shift = step.center_ if step.with_centering else 0.0
        factor = step.scale_ if step.with_scaling else 1.0
    elif kind is preprocessing.MaxAbsScaler:
        shift, factor = 0.0, step.scale_
    else:
        return None
    return np.asarray(shift, float), np.asarray(factor, float)


def _convert(step, n_features):
    """Convert a step by skl2onnx."""
    import_package("skl2onnx", f"to export the step {type(step).__name__}")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    try:
        return convert_sklearn(
            step,
            initial_types=[("X", FloatTensorType([None, n_features]))],
            target_opset=OPSET,
        )
    except Exception as error:  # of many kinds, with long texts
        raise ValueError(
            f"The step {type(step).__name__} cannot be exported: skl2onnx raises "
            f"{type(error).__name__}. Export the steps after it alone, and apply it "
            "before."
        ) from error
