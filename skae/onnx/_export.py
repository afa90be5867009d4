"""One ONNX file of a fitted estimator or Pipeline."""

import json
import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._base import _BaseAutoencoder
from .._version import __version__
from ._packages import import_package
from ._runtime import run_model
from ._steps import is_invertible, write_inverse, write_step
from ._writer import OPSET, GraphWriter


def export_onnx(estimator, path, *, outputs=None):
    """Write a fitted estimator, or a Pipeline that ends in one, to an ONNX file.

    ONNX Runtime and other programs compute its outputs without Python, scikit-learn or
    Keras [1]_. Dense networks need the package ``onnx`` only; other architectures also
    need ``tf2onnx``. Steps before the estimator may be TableScaler, StandardScaler,
    MinMaxScaler, RobustScaler, MaxAbsScaler, or FunctionTransformer with functions of
    NumPy such as `numpy.arcsinh`; others need ``skl2onnx``, and a ColumnTransformer has
    to choose its columns by indices, since the file takes a matrix of numbers. The
    extra ``onnx`` of skae installs these packages.

    Parameters
    ----------
    estimator : AutoencoderTransformer, AutoencoderOutlierDetector or Pipeline
        Fitted. A search counts as its `best_estimator_`.
    path : str or path-like
        File to write; one that exists is replaced once the new one is complete.
    outputs : sequence of str, default=None
        Methods whose results the file computes, which name its outputs. None is all:
        of a transformer "transform" and "reconstruct", of a detector "encode",
        "reconstruct", "score_samples", "decision_function" and "predict". The
        reconstruction is in the units of the input of the Pipeline; it is left out
        where a step has no inverse that is known.

    Raises
    ------
    ImportError
        If a package is missing.
    TypeError
        If the last step is no estimator of skae.
    ValueError
        If an output is unknown, if a step, an architecture or a callable
        `outlier_score` cannot be exported, or if what was written does not run.

    See Also
    --------
    register_converters : Makes ``skl2onnx.to_onnx`` accept such estimators.

    Notes
    -----
    The input is called "X", of float32, of shape (n_samples, n_features) or of that of
    the images that the estimator was fitted on: of a DataFrame with the columns of
    `fit`, ``frame.to_numpy("float32")``. Everything is computed in float32, so that
    outputs agree with those of the estimator to about 1e-6 relative to their scale, and
    less closely where X is far from unit scale and no scaler is in front. Missing cells
    are NaN, as in the estimator. What the estimator refuses by an error, such as
    infinity, is an outlier with the lowest score. Recurrent layers need at least one
    sample: ONNX Runtime ends the process if there is none. Before the file is written,
    ONNX Runtime runs it on one sample, or the reference implementation of ONNX does if
    ``onnxruntime`` is not installed. The
    distances to all reference samples of the anomaly score are computed at once, so
    that scores of more than some thousand samples are better computed in parts.

    The metadata of the file hold the version of skae ("skae_version"), the class
    ("estimator"), names of features if there are any ("feature_names", a JSON list) and
    the threshold of a detector ("offset").

    References
    ----------
    .. [1] ONNX, "Open Neural Network Exchange", https://onnx.ai.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AutoencoderOutlierDetector
    >>> from skae.onnx import export_onnx
    >>> X = load_iris().data
    >>> detector = make_pipeline(StandardScaler(), AutoencoderOutlierDetector(epochs=1))
    >>> path = Path(tempfile.mkdtemp()) / "detector.onnx"
    >>> export_onnx(detector.fit(X), path, outputs=["predict"])  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(path)  # doctest: +SKIP
    >>> session.run(["predict"], {"X": X.astype("float32")})  # doctest: +SKIP
    """
    onnx = import_package("onnx", "to export an estimator")
    path = Path(path).resolve()  # of a link, the file that it leads to
    _check_path(path)
    if isinstance(estimator, BaseSearchCV):
        check_is_fitted(estimator)
        estimator = estimator.best_estimator_
    named, last = [], estimator
    if isinstance(estimator, Pipeline):
        *named, (_, last) = estimator.steps
    if not isinstance(last, _BaseAutoencoder):
        raise TypeError(
            "export_onnx takes an AutoencoderTransformer, an "
            "AutoencoderOutlierDetector or a Pipeline that ends in one, but got "
            f"{type(last).__name__}. For an estimator of skae in other places, call "
            "register_converters and use skl2onnx.to_onnx."
        )
    check_is_fitted(last)
    last._format.check_export(type(last).__name__)
    named = [
        (place, name, step)
        for place, (name, step) in enumerate(named)
        if step not in (None, "passthrough")
    ]
    steps = [step for _, _, step in named]
    outputs = _choose_outputs(last, steps, outputs)
    writer = GraphWriter()
    x = "X"
    for place, name, step in named:
        with _naming_step(place, name, step):
            x = write_step(writer, step, x)
    written = last._write_onnx(writer, x, outputs)
    for step in reversed(steps):
        if "reconstruct" in written:
            written["reconstruct"] = write_inverse(writer, step, written["reconstruct"])
    shape = [steps[0].n_features_in_] if steps else last._format.shape
    shapes = {name: [] for name in outputs} | {"X": shape, "reconstruct": shape}
    shapes["transform"] = shapes["encode"] = [last.n_components_]
    model = _make_model(onnx, writer, shapes, outputs, written)
    metadata = {"skae_version": __version__, "estimator": type(last).__name__}
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        metadata["feature_names"] = json.dumps(list(map(str, names)))
    if hasattr(last, "offset_"):
        metadata["offset"] = repr(float(last.offset_))
    onnx.helper.set_model_props(model, metadata)
    _check_model(onnx, model, type(last).__name__, shape)
    _replace_file(path, model.SerializeToString())


@contextmanager
def _naming_step(place, name, step):
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"The step {name!r} ({type(step).__name__}) cannot be exported: {error} "
            f"Export pipeline[{place + 1}:] alone, and transform samples by the steps "
            "before it."
        ) from error


def _choose_outputs(estimator, steps, outputs):
    known = estimator._onnx_outputs
    if outputs is None:
        if all(map(is_invertible, steps)):
            return known
        return [name for name in known if name != "reconstruct"]
    outputs = [outputs] if isinstance(outputs, str) else list(outputs)
    unknown = [name for name in outputs if name not in known]
    if unknown or not outputs or len(set(outputs)) < len(outputs):
        raise ValueError(
            f"outputs of {type(estimator).__name__} are {', '.join(known)}, each at "
            f"most once, but got {outputs!r}."
        )
    return outputs


def _make_model(onnx, writer, shapes, outputs, written):
    """Make a model whose outputs have the names of methods."""
    helper, types = onnx.helper, onnx.TensorProto
    for name in outputs:
        writer.add_identity(written[name], name)

    def info(name, kind):
        dimensions = ["n_samples", *map(int, shapes[name])]
        return helper.make_tensor_value_info(name, kind, dimensions)

    infos = [
        info(name, types.INT64 if name == "predict" else types.FLOAT)
        for name in outputs
    ]
    graph = helper.make_graph(
        writer.nodes,
        "skae",
        [info("X", types.FLOAT)],
        infos,
        writer.constants,
    )
    return helper.make_model(
        graph,
        producer_name="skae",
        producer_version=__version__,
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid("ai.onnx.ml", 3),
        ],
        ir_version=9,
    )


def _check_model(onnx, model, name, shape):
    """Check that a model can be loaded, and takes a sample."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(
            f"{name} cannot be exported: {str(error).splitlines()[0]}"
        ) from error
    try:
        outputs = run_model(model, {"X": np.zeros((1, *shape), np.float32)})
    except ValueError as error:
        raise ValueError(f"{name} cannot be exported: {error}") from error
    for info, output in zip(model.graph.output, outputs, strict=True):
        n_dimensions = len(info.type.tensor_type.shape.dim)
        if np.ndim(output) != n_dimensions or len(output) != 1:
            raise ValueError(
                f"{name} cannot be exported: {info.name!r} of one sample has the shape "
                f"{np.shape(output)}."
            )


def _check_path(path):
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Give the path of a file.")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no regular file, so it cannot be replaced.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write into.")


def _replace_file(path, content):
    """Write a file at once: nobody sees half of it, whatever happens."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
