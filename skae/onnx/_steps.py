"""Write the steps of a Pipeline that come before the autoencoder."""

import warnings
from contextlib import suppress

import numpy as np
from sklearn import preprocessing
from sklearn.utils.validation import check_is_fitted

from .._transformer import AutoencoderTransformer
from ..preprocessing import TableScaler
from ._packages import import_package
from ._writer import OPSET

# ONNX's operators of functions of one array.
_FUNCTIONS = {
    np.abs: "Abs",
    np.arcsinh: "Asinh",
    np.exp: "Exp",
    np.log: "Log",
    np.sinh: "Sinh",
    np.sqrt: "Sqrt",
    np.tanh: "Tanh",
}


def write_step(writer, step, x, position):
    """Add what a step computes.

    Parameters
    ----------
    writer : GraphWriter
        Where to.
    step : estimator
        Fitted, with `transform`.
    x : str
        Name of its input.
    position : int
        Its place in the Pipeline.

    Returns
    -------
    str
        Name of its output.

    Raises
    ------
    ValueError
        If the step cannot be exported.
    """
    check_is_fitted(step)
    if isinstance(step, AutoencoderTransformer):
        return step._write_onnx(writer, x, ["transform"])["transform"]
    if isinstance(step, TableScaler):
        for part in _parts(step):
            x = write_step(writer, part, x, position)
        return x
    if type(step) is preprocessing.FunctionTransformer and _is_known(step.func):
        return _write_function(writer, step.func, x)
    affine = _affine(step)
    if affine is None:
        model = _convert(step, position)
        return writer.write_model(model, x, _find_output(model, step))
    shift, factor = affine
    x = writer.add("Div", writer.add("Sub", x, shift), factor)
    if getattr(step, "clip", False):
        low, high = getattr(step, "feature_range", (-1, 1))  # or of MaxAbsScaler
        x = writer.add("Clip", x, float(low), float(high))
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
    if not is_invertible(step):
        raise ValueError(
            f"The reconstruction cannot be exported: the inverse of "
            f"{type(step).__name__} is not known. Leave 'reconstruct' out of outputs."
        )
    if isinstance(step, TableScaler):
        for part in reversed(_parts(step)):
            x = write_inverse(writer, part, x)
        return x
    if type(step) is preprocessing.FunctionTransformer:
        return _write_function(writer, step.inverse_func, x)
    shift, factor = _affine(step)
    return writer.add("Add", writer.add("Mul", x, factor), shift)


def is_invertible(step):
    """Check whether `write_inverse` knows a step."""
    if isinstance(step, TableScaler):
        return all(map(is_invertible, _parts(step)))
    if type(step) is preprocessing.FunctionTransformer:
        has_inverse = step.inverse_func is not None or step.func is None
        return has_inverse and _is_known(step.inverse_func)
    return _affine(step) is not None


def _parts(scaler):
    """Return the scalers that a TableScaler consists of."""
    if not scaler.numeric_features_.all():
        raise ValueError(
            "The step TableScaler cannot be exported: an ONNX graph takes numbers, but "
            "not all columns of its table are numeric. Encode categories in front, by "
            "OneHotEncoder of sklearn.preprocessing, or save the Pipeline by joblib."
        )
    return [step for _, step in scaler.scaler_.steps]


def _is_known(function):
    is_ufunc = isinstance(function, np.ufunc)
    return function is None or (is_ufunc and function in _FUNCTIONS)


def _write_function(writer, function, x):
    return x if function is None else writer.add(_FUNCTIONS[function], x)


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


def _convert(step, position):
    """Convert a step by skl2onnx."""
    if not hasattr(step, "n_features_in_"):
        raise ValueError(
            f"The step {type(step).__name__} cannot be exported: it has no attribute "
            "n_features_in_."
        )
    import_package("skl2onnx", f"to export the step {type(step).__name__}")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    try:
        return convert_sklearn(
            step,
            initial_types=[("X", FloatTensorType([None, step.n_features_in_]))],
            target_opset=OPSET,
        )
    except Exception as error:  # of many kinds, with long texts
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(
            f"The step {type(step).__name__} cannot be exported: skl2onnx raises "
            f"{type(error).__name__}: {reason} Export pipeline[{position + 1}:] alone, "
            "and transform samples by the steps before."
        ) from error


def _find_output(model, step):
    """Return which output of a converted step is what `transform` returns."""
    from onnx.reference import ReferenceEvaluator

    X = np.random.RandomState(0).normal(size=(8, step.n_features_in_))
    X = X.astype(np.float32)
    expected, outputs = np.empty(0), []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # X has no names of features
        if not model.functions:
            with suppress(Exception):  # what it cannot compute is not exported
                expected = np.asarray(step.transform(X))
                outputs = ReferenceEvaluator(model).run(None, {"X": X})
    scale = np.nanmax(np.abs(expected), initial=1e-30)
    for i, output in enumerate(outputs):
        if np.shape(output) == expected.shape and np.asarray(output).dtype.kind == "f":
            same = np.isclose(output, expected, 1e-3, 1e-3 * scale, equal_nan=True)
            if same.all():
                return i
    raise ValueError(
        f"The step {type(step).__name__} cannot be exported: what skl2onnx makes of it "
        "does not compute what its transform does."
    )
