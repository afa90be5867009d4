"""Plots of fitted autoencoders and outlier detectors, as scikit-learn's Displays."""

from ._decoded_codes import DecodedCodesDisplay
from ._explained_variance import ExplainedVarianceDisplay
from ._latent_space import LatentSpaceDisplay
from ._outlier_explanation import OutlierExplanationDisplay
from ._outlier_report import outlier_report
from ._outlier_score import OutlierScoreDisplay
from ._reconstruction import ReconstructionDisplay
from ._series_score import SeriesScoreDisplay
from ._training_history import TrainingHistoryDisplay

__all__ = [
    "DecodedCodesDisplay",
    "ExplainedVarianceDisplay",
    "LatentSpaceDisplay",
    "OutlierExplanationDisplay",
    "OutlierScoreDisplay",
    "ReconstructionDisplay",
    "SeriesScoreDisplay",
    "TrainingHistoryDisplay",
    "outlier_report",
]
