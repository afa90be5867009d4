"""Keras autoencoders behind scikit-learn's estimator API."""

from ._outlier_detector import AutoencoderOutlierDetector
from ._tensorflow_logs import hide_tensorflow_logs
from ._transformer import AutoencoderTransformer
from ._version import __version__ as __version__

__all__ = [
    "AutoencoderOutlierDetector",
    "AutoencoderTransformer",
    "hide_tensorflow_logs",
]
