"""Keras autoencoders behind scikit-learn's estimator API."""

from ._outlier_detector import AutoencoderOutlierDetector
from ._show_versions import show_versions
from ._tensorflow_logs import hide_tensorflow_logs
from ._transformer import AutoencoderTransformer
from ._version import __version__ as __version__

# What a file of a fitted estimator has to be trusted to make, by the names of skops.
TRUSTED_TYPES = (
    "skae.AutoencoderOutlierDetector",
    "skae.AutoencoderTransformer",
    "skae.architectures.ConvolutionalArchitecture",
    "skae.architectures.DenseArchitecture",
    "skae.architectures.RecurrentArchitecture",
    "skae.architectures.VariationalArchitecture",
    "skae.impute.AutoencoderImputer",
    "skae.pipeline.Pipeline",
    "skae.preprocessing.TableScaler",
    "skae.series.WindowedOutlierDetector",
)

__all__ = [
    "AutoencoderOutlierDetector",
    "AutoencoderTransformer",
    "hide_tensorflow_logs",
    "show_versions",
]
