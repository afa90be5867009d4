"""Keras autoencoders behind scikit-learn's estimator API."""

from ._outlier_detector import AutoencoderOutlierDetector
from ._tensorflow_logs import hide_tensorflow_logs
from ._transformer import AutoencoderTransformer

__all__ = [
    "AutoencoderOutlierDetector",
    "AutoencoderTransformer",
    "hide_tensorflow_logs",
]

__version__ = "0.2.0.dev0"
