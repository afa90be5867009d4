"""Training as a function: networks, data and options in, a frozen result out."""

from ._callbacks import CallbackSupportMixin, SklearnCallbacks, set_learning_rate
from ._loop import TrainingOptions, TrainingResult, train
from ._losses import DEFAULT_LOSS, TrainingLoss
from ._optimizers import OptimizerRecipe, OptimizerState, make_optimizer
from ._starts import Judgement, Start

__all__ = [
    "DEFAULT_LOSS",
    "CallbackSupportMixin",
    "Judgement",
    "OptimizerRecipe",
    "OptimizerState",
    "SklearnCallbacks",
    "Start",
    "TrainingLoss",
    "TrainingOptions",
    "TrainingResult",
    "make_optimizer",
    "set_learning_rate",
    "train",
]
