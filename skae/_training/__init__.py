"""Training as a function: networks, data and options in, a frozen result out."""

from ._batches import FitData, RowEpoch, RowSource, Summary
from ._callbacks import CallbackSupportMixin, SklearnCallbacks, set_learning_rate
from ._fallback import gain_is_significant
from ._loop import TrainingOptions, TrainingResult, train
from ._losses import DEFAULT_LOSS, TrainingLoss
from ._optimizers import OptimizerRecipe, OptimizerState, make_optimizer
from ._starts import Start
from ._stream import SampleStream

__all__ = [
    "DEFAULT_LOSS",
    "CallbackSupportMixin",
    "FitData",
    "OptimizerRecipe",
    "OptimizerState",
    "RowEpoch",
    "RowSource",
    "SampleStream",
    "SklearnCallbacks",
    "Start",
    "Summary",
    "TrainingLoss",
    "TrainingOptions",
    "TrainingResult",
    "gain_is_significant",
    "make_optimizer",
    "set_learning_rate",
    "train",
]
