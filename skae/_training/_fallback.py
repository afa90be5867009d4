"""Whether training gained enough on validation samples to replace its start."""

import numpy as np

# The least mean gain, as a share of the variance of one sample among all of them. Few
# samples do not show how a network extrapolates, where one can cost more than all
# others gain.
LEAST_GAIN = 1.0


def gain_is_significant(errors_before, errors_after, variance):
    """Check that squared errors became smaller by more than chance.

    A better mean over few samples may be luck. So the mean gain has to exceed its
    standard error and, summed over all samples, the variance of one.

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
    least = max(gain.std() / np.sqrt(n_samples), LEAST_GAIN * variance / n_samples)
    return bool(gain.mean() > least)
