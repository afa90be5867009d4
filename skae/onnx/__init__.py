"""Export of fitted estimators and Pipelines to ONNX, scores and threshold included."""

from ._converters import register_converters
from ._export import export_onnx

__all__ = ["export_onnx", "register_converters"]
