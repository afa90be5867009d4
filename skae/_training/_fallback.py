"""Whether training gained enough on validation samples to replace its start."""

import numpy as np
from scipy import stats

# The least mean gain, as a share of the variance of one sample among all of them. Few
# samples do not show how a network extrapolates, where one can cost more than all
# others gain.
LEAST_GAIN = 0.5
# Significance level of the t-test.
LEVEL = 0.05


def gain_is_significant(errors_before, errors_after, variance):
    """Check that squared errors became smaller by more than chance.

    A better mean over few samples may be luck. So the mean gain has to be above 0 in a
    one-sided paired t-test at 5 % and, summed over all samples, exceed half the
    variance of one.

    Parameters
    ----------
    errors_before, errors_after : ndarray of shape (n_samples,)
        Squared errors of the same samples.
    variance : float
        Total variance of the samples.

    Returns
    -------
    bool
        Whether the gain is significant; never for a single sample.
    """
    gain = errors_before - errors_after
    n_samples = len(gain)
    if n_samples < 2:
        return False
    error = gain.std(ddof=1) / np.sqrt(n_samples)
    by_chance = stats.t.ppf(1 - LEVEL, n_samples - 1) * error
    return bool(gain.mean() > max(by_chance, LEAST_GAIN * variance / n_samples))
