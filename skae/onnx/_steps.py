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


def write_step(writer, step, x):
    """Add what a step computes.

    Parameters
    ----------
    writer : GraphWriter
        Where to.
    step : estimator
        Fitted, with `transform`.
    x : str
        Name of its input.

    Returns
    -------
    str
        Name of its output.

    Raises
    ------
    ValueError
        If the step cannot be exported; it tells the reason alone.
    """
    check_is_fitted(step)
    if isinstance(step, AutoencoderTransformer):
        return step._write_onnx(writer, x, ["transform"])["transform"]
    if isinstance(step, TableScaler):
        if not step.numeric_features_.all():
            raise ValueError(
                "an ONNX graph takes numbers, but not all columns of its table are "
                "numeric. Encode categories in front, by OneHotEncoder of "
                "sklearn.preprocessing, or save the Pipeline by joblib."
            )
        for part in _parts(step):
            x = write_step(writer, part, x)
        return x
    if type(step) is preprocessing.FunctionTransformer:
        if not _is_known(step.func):
            known = ", ".join(f"numpy.{function.__name__}" for function in _FUNCTIONS)
            raise ValueError(
                f"it calls {getattr(step.func, '__name__', step.func)}, but the "
                f"functions that can be exported are {known}."
            )
        return _write_function(writer, step.func, x)
    affine = _affine(step)
    if affine is None:
        model = _convert(step)
        return writer.write_model(model, x, _find_output(model, step))
    shift, factor = affine
    if (np.abs(factor) < np.finfo(np.float32).tiny).any():
        raise ValueError(
            f"it divides by {np.abs(factor).min():.3g}, which is too small for "
            "float32, in which ONNX computes. Use other units."
        )
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
    return [] if scaler.scaler_ is None else [step for _, step in scaler.scaler_.steps]


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


def _convert(step):
    """Convert a step by skl2onnx."""
    if not hasattr(step, "n_features_in_"):
        raise ValueError("it has no attribute n_features_in_, which fit has to set.")
    import_package("skl2onnx", f"to export the step {type(step).__name__}")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    try:
        return convert_sklearn(
            step,
            initial_types=[("X", FloatTensorType([None, step.n_features_in_]))],
            target_opset=OPSET,
        )
    except Exception as error:  # of many kinds
        raise ValueError(f"skl2onnx raises {_first_line(error)}") from error


def _find_output(model, step):
    """Return which output of a converted step is what `transform` returns."""
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # X has no names of features
        X, expected = _try_out(step)
        outputs = []
        if not model.functions:
            with suppress(Exception):  # what it cannot compute is not exported
                outputs = ReferenceEvaluator(model).run(None, {"X": X})
    scale = np.nanmax(np.abs(expected), initial=1e-30)
    for i, output in enumerate(outputs):
        if np.shape(output) == expected.shape and np.asarray(output).dtype.kind == "f":
            same = np.isclose(output, expected, 1e-3, 1e-3 * scale, equal_nan=True)
            if same.all():
                return i
    raise ValueError(
        "what skl2onnx makes of it does not compute what its transform does."
    )


def _try_out(step):
    """Return samples that are made up, and what a step makes of them."""
    X = np.random.RandomState(0).normal(size=(8, step.n_features_in_))
    X = X.astype(np.float32)
    for samples in (X, np.abs(X)):  # Box and Cox transform positive numbers only
        try:
            return samples, np.asarray(step.transform(samples))
        except Exception as error:  # noqa: BLE001, of many kinds
            refusal = error
    raise ValueError(
        "its transform does not take the numbers that the conversion by skl2onnx is "
        f"tested with: {_first_line(refusal)}"
    ) from refusal


def _first_line(error):
    text = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {text}."
