"""Keras autoencoders behind scikit-learn's estimator API."""

from ._outlier_detector import AutoencoderOutlierDetector
from ._transformer import AutoencoderTransformer

__all__ = ["AutoencoderOutlierDetector", "AutoencoderTransformer"]

__version__ = "0.1.0.dev0"
