"""skae's estimators as parts of what skl2onnx converts."""

from .._outlier_detector import AutoencoderOutlierDetector
from .._transformer import AutoencoderTransformer
from ._packages import import_package
from ._writer import OPSET, GraphWriter


def register_converters():
    """Make skl2onnx convert Pipelines and other estimators that hold those of skae.

    After that ``skl2onnx.to_onnx(pipeline, X)`` works wherever the other parts have
    converters, such as ColumnTransformer before an autoencoder, or a classifier after
    it. A transformer has one output, its codes; a detector has two, "label" and
    "scores", as skl2onnx names labels and `decision_function` of IsolationForest.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    export_onnx : Writes a Pipeline that ends in an estimator of skae, with any of its
        outputs.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import AutoencoderTransformer
    >>> from skae.onnx import register_converters
    >>> register_converters()  # doctest: +SKIP
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = make_pipeline(
    ...     AutoencoderTransformer(2, epochs=1), LogisticRegression()
    ... ).fit(X, y)
    >>> import skl2onnx  # doctest: +SKIP
    >>> model = skl2onnx.to_onnx(classifier, X.astype("float32"))  # doctest: +SKIP
    """
    skl2onnx = import_package("skl2onnx", "to register converters")
    skl2onnx.update_registered_converter(
        AutoencoderTransformer,
        "SkaeAutoencoderTransformer",
        _transformer_shape,
        _convert_transformer,
        parser=_parse_transformer,
    )
    skl2onnx.update_registered_converter(
        AutoencoderOutlierDetector,
        "SkaeAutoencoderOutlierDetector",
        _detector_shape,
        _convert_detector,
        parser=_parse_detector,
    )


def _operator(scope, model, inputs):
    operator = scope.declare_local_operator("Skae" + type(model).__name__, model)
    operator.inputs.extend(inputs)
    return operator


def _parse_transformer(scope, model, inputs, custom_parsers=None):
    from skl2onnx.common.data_types import FloatTensorType

    operator = _operator(scope, model, inputs)
    operator.outputs.append(
        scope.declare_local_variable(
            "variable", FloatTensorType([None, model.n_components_])
        )
    )
    return operator.outputs


def _parse_detector(scope, model, inputs, custom_parsers=None):
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator = _operator(scope, model, inputs)
    for name, kind in (("label", Int64TensorType), ("scores", FloatTensorType)):
        operator.outputs.append(scope.declare_local_variable(name, kind([None])))
    return operator.outputs


def _transformer_shape(operator):
    from skl2onnx.common.data_types import FloatTensorType

    n_components = operator.raw_operator.n_components_
    operator.outputs[0].type = FloatTensorType([None, n_components])


def _detector_shape(operator):
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type = FloatTensorType([None])


def _convert_transformer(scope, operator, container):
    _convert(scope, operator, container, ["transform"])


def _convert_detector(scope, operator, container):
    _convert(scope, operator, container, ["predict", "decision_function"])


def _convert(scope, operator, container, outputs):
    if container.target_opset < OPSET:
        raise ValueError(
            f"{type(operator.raw_operator).__name__} needs target_opset={OPSET} or "
            f"higher, but got {container.target_opset}."
        )
    writer = GraphWriter(scope.get_unique_variable_name)
    parts = [writer.add("Cast", part.full_name, to=1) for part in operator.inputs]
    x = parts[0] if len(parts) == 1 else writer.add("Concat", *parts, axis=1)
    written = operator.raw_operator._write_onnx(writer, x, outputs)
    for name, variable in zip(outputs, operator.outputs, strict=True):
        writer.add_identity(written[name], variable.full_name)
    container.initializers.extend(writer.constants)
    for node in writer.nodes:
        version = _version(node.op_type, container.target_opset)
        container.node_domain_version_pair_sets.add(("", version))
        container.nodes.append(node)


def _version(operator, target_opset):
    """Return the version in which an operator was last changed."""
    from onnx import defs

    return defs.get_schema(operator, target_opset).since_version
