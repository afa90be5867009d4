"""Pictures of what an autoencoder does, to scikit-learn's Display convention."""

from ._explained_variance import ExplainedVarianceDisplay
from ._latent_space import LatentSpaceDisplay
from ._outlier_score import OutlierScoreDisplay
from ._reconstruction import ReconstructionDisplay
from ._training_history import TrainingHistoryDisplay

__all__ = [
    "ExplainedVarianceDisplay",
    "LatentSpaceDisplay",
    "OutlierScoreDisplay",
    "ReconstructionDisplay",
    "TrainingHistoryDisplay",
]
