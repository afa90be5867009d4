"""Where the line is between outliers and the rest.

All scores are as `score_samples` gives them: the higher, the more normal, and none
above 0. Rows that score less than the threshold are outliers.
"""

import math

import numpy as np

from ._whitening import median_and_deviation


def auto_threshold(scores):
    """Choose a threshold from the bulk of the scores.

    The cube root of a sum of squares of normal variables is nearly normal itself,
    however many they are [1]_. So cube roots are taken; the threshold is where the root
    is 3 standard deviations from the median, which 0.13 % of a normal distribution
    are. The standard deviation comes from the median absolute deviation, which a share
    of outliers below a half cannot carry away [2]_.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training rows.

    Returns
    -------
    float
        The threshold.

    References
    ----------
    .. [1] E. B. Wilson and M. M. Hilferty, "The distribution of chi-square",
       Proceedings of the National Academy of Sciences 17 (1931), 684-688.
    .. [2] B. Iglewicz and D. C. Hoaglin, "How to detect and handle outliers", ASQC
       Quality Press (1993).

    Examples
    --------
    >>> import numpy as np

    from ._whitening import median_and_deviation
    >>> from skae._outliers._thresholds import auto_threshold
    >>> normal = np.random.RandomState(0).chisquare(6, size=1000)
    >>> outliers = np.full(50, 100.0)
    >>> threshold = auto_threshold(-np.r_[normal, outliers])
    >>> int((-normal < threshold).sum()), int((-outliers < threshold).sum())
    (0, 50)
    """
    median, deviation = median_and_deviation(np.cbrt(-np.asarray(scores, np.float64)))
    return float(-((median + 3 * deviation) ** 3))


def share_threshold(scores, contamination):
    """Choose a threshold so that a share of the rows is below.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training rows.
    contamination : float
        The share, in (0, 0.5].

    Returns
    -------
    float
        The threshold.
    """
    return float(np.percentile(scores, 100 * contamination))


def conformal_threshold(calibration_scores, contamination):
    """Choose a threshold that few new normal rows are below.

    That is where `conformal_pvalues` are no more than `contamination`. If new normal
    rows are exchangeable with those of the calibration, the share of them that are
    taken for outliers is at most `contamination` in the mean over calibrations, and
    less than ``1 / (n_calibration + 1)`` below it [1]_.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of rows that no part of the detector was fitted on.
    contamination : float
        The share of false alarms, in (0, 0.5].

    Returns
    -------
    float
        The threshold.

    Raises
    ------
    ValueError
        If there are too few scores for so small a share.

    References
    ----------
    .. [1] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51 (2023), 149-178.

    Examples
    --------
    >>> import numpy as np

    from ._whitening import median_and_deviation
    >>> from skae._outliers._thresholds import conformal_threshold
    >>> conformal_threshold(-np.arange(1.0, 100.0), 0.05)
    -95.0
    """
    n_calibration = len(calibration_scores)
    # Rounding must not cost a row: 0.07 * 100 is more than 7, 0.29 * 100 less than 29.
    n_below = math.floor(round(contamination * (n_calibration + 1), 9))
    if n_below == 0:
        raise ValueError(
            f"contamination={contamination} needs at least "
            f"{math.ceil(round(1 / contamination, 9)) - 1} rows to calibrate with, but "
            f"there are {n_calibration}. Fit on more rows, hold out a larger share of "
            "them for calibration, or raise contamination."
        )
    return float(np.sort(calibration_scores)[n_below - 1])


def conformal_pvalues(calibration_scores, scores):
    """Say how likely a normal row is to score as low as each of some rows.

    The p-value of a score is one plus the number of calibration scores that are no
    higher, over one plus the number of them all [1]_.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of rows that no part of the detector was fitted on.
    scores : ndarray of shape (n_samples,)
        Scores of the rows to judge.

    Returns
    -------
    ndarray of shape (n_samples,), of float64
        In (0, 1]; the lower, the more anomalous.

    References
    ----------
    .. [1] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51 (2023), 149-178.

    Examples
    --------
    >>> import numpy as np

    from ._whitening import median_and_deviation
    >>> from skae._outliers._thresholds import conformal_pvalues
    >>> conformal_pvalues(np.array([-3.0, -2.0, -1.0, -0.5]), np.array([-5.0, -2.0]))
    array([0.2, 0.6])
    """
    calibration = np.sort(calibration_scores)
    no_higher = np.searchsorted(calibration, scores, side="right")
    return (1 + no_higher) / (1 + len(calibration))


class ReferenceScores:
    """Scores that others are compared with, and thresholds from them.

    Parameters
    ----------
    scores : ndarray of shape (n_scores,)
        As `score_samples` gives them.
    calibrated : bool
        Whether they are of rows that no part of the detector was fitted on.
    """

    def __init__(self, scores, calibrated):
        self.scores = np.sort(scores)
        self.calibrated = calibrated

    def threshold(self, contamination):
        """Choose a threshold.

        Parameters
        ----------
        contamination : "auto" or float
            The share of rows below it: of these, or of new normal ones if calibrated.

        Returns
        -------
        float
            Rows that score less are outliers.
        """
        if contamination == "auto":
            return auto_threshold(self.scores)
        choose = conformal_threshold if self.calibrated else share_threshold
        return choose(self.scores, contamination)
