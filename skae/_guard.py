"""A fit that starts from the data does not end worse than it started."""

import numpy as np

from ._backend import read_values, write_values
from ._training import DEFAULT_LOSS
from .architectures import BaseArchitecture
from .architectures._clipping import Bounds
from .metrics import reconstruction_error, reconstruction_r2_score

# Held-out rows that are compared at most.
MAX_ROWS = 10_000
# The least mean gain, as a share of the variance of one held-out row among all of them.
# Few rows do not show how a network goes on beyond them, where one row can cost more
# than all others gain.
LEAST_GAIN = 0.1


class Guard:
    """Compares a network with its start from the data, on held-out rows.

    A better mean over few rows may be luck. So the start stays unless what rows gain
    exceeds its standard error and, in all, a tenth of what one row varies.

    Parameters
    ----------
    estimator : estimator
        With networks that are not trained yet.
    rows_val : Rows
        The held-out rows.
    """

    def __init__(self, estimator, rows_val):
        indices = rows_val.indices[:: -(-len(rows_val) // MAX_ROWS)]
        self.X_val = rows_val.X[indices]
        self.values = read_values(estimator.autoencoder_.variables)
        self.errors, self.score = self._judge(estimator)

    @classmethod
    def of(cls, estimator, rows_val):
        """Make a guard, if there is a start from data and a loss to compare by."""
        initialize = type(estimator.architecture_).initialize
        from_data = initialize is not BaseArchitecture.initialize
        squared = estimator._training_loss().__name__ == DEFAULT_LOSS
        return cls(estimator, rows_val) if from_data and squared and rows_val else None

    def check(self, estimator):
        """Go back to the start if the end is no better, and note both scores."""
        errors, score = self._judge(estimator)
        gain = self.errors - errors
        variance = self.X_val.var(axis=0, dtype=np.float64).sum()
        luck = max(gain.std() / np.sqrt(len(gain)), LEAST_GAIN * variance / len(gain))
        if estimator.best_epoch_ and gain.mean() <= luck:
            bounds = Bounds(estimator._networks)
            closed = bounds.open()
            write_values(estimator.autoencoder_.variables, self.values)
            bounds.restore(closed)
            estimator.best_epoch_, score = 0, self.score
        estimator.held_out_scores_ = {"start": self.score, "end": score}

    def _judge(self, estimator):
        reconstruction = estimator._reconstruct(self.X_val)
        errors = reconstruction_error(self.X_val, reconstruction)
        if len(errors) < 2:
            return errors, float("nan")
        return errors, reconstruction_r2_score(self.X_val, reconstruction)
