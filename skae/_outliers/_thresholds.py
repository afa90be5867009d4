"""Decision thresholds and p-values, from scores alone.

All scores are as `score_samples` returns them: the higher, the more normal. Samples
that score below the threshold are outliers.
"""

import math
import warnings

import numpy as np
from scipy.stats import false_discovery_control, ks_2samp, kstwo

from .._rounding import lower_by_rounding, raise_by_rounding, tie
from ._whitening import upper_limit


def choose_threshold(scores, contamination, *, calibrated):
    """Choose the decision threshold.

    Parameters
    ----------
    scores : ndarray of shape (n_scores,)
        Scores of the training samples, or of calibration samples.
    contamination : "auto" or float
        Share of samples below the threshold: of these, or of new normal ones if
        `calibrated`.
    calibrated : bool
        Whether the scores are of samples that the detector was not fitted on.

    Returns
    -------
    float
        The threshold. It is finite, and lowered a little, so that samples whose scores
        are equal to it but for rounding are not below.
    """
    if contamination == "auto":
        threshold = auto_threshold(scores)
    elif calibrated:
        threshold = conformal_threshold(scores, contamination)
    else:
        threshold = share_threshold(scores, contamination)
    lowest = -float(np.finfo(scores.dtype).max)
    return max(float(lower_by_rounding(threshold)), lowest)


def auto_threshold(scores):
    """Choose a threshold from the bulk of the scores.

    The cube root of a sum of squares of normal variables is nearly normal itself, for
    any number of them [1]_. The threshold is where the cube root of the anomaly is 3
    standard deviations above its median: 0.13 % of a normal distribution are beyond.
    The standard deviation is estimated from the median absolute deviation, which a
    share of outliers below a half cannot dominate [2]_. Of samples whose scores are
    shared by others, few are below the threshold, see `upper_limit`.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training samples.

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
    >>> from skae._outliers._thresholds import auto_threshold
    >>> normal = np.random.RandomState(0).chisquare(6, size=1000)
    >>> outliers = np.full(50, 100.0)
    >>> threshold = auto_threshold(-np.r_[normal, outliers])
    >>> int((-normal < threshold).sum()), int((-outliers < threshold).sum())
    (0, 50)
    """
    limit = upper_limit(np.cbrt(-np.asarray(scores, np.float64)), n_deviations=3)
    with np.errstate(over="ignore"):
        return float(-(np.float64(limit) ** 3))


def share_threshold(scores, contamination):
    """Choose the threshold below which a share of the samples is.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training samples.
    contamination : float
        The share, in (0, 0.5].

    Returns
    -------
    float
        The threshold.
    """
    return float(np.percentile(scores, 100 * contamination))


def calibration_size(contamination):
    """Return how many calibration samples a rate of false positives needs.

    Parameters
    ----------
    contamination : "auto" or float
        The rate.

    Returns
    -------
    int
        Their smallest number.
    """
    if contamination == "auto":
        return 1
    return math.ceil(round(1 / contamination, 9)) - 1


def check_calibration_size(n_calibration, contamination):
    """Check that there are enough calibration samples for a rate of false positives.

    Parameters
    ----------
    n_calibration : int
        Number of calibration samples.
    contamination : "auto" or float
        The rate.

    Raises
    ------
    ValueError
        If there are too few.
    """
    if contamination != "auto" and _rank(n_calibration, contamination) == 0:
        raise ValueError(
            f"contamination={contamination} needs at least "
            f"{calibration_size(contamination)} calibration samples, but there are "
            f"{n_calibration}. Fit on more samples, in the first batch if by "
            "partial_fit, hold out a larger share of them for calibration, or raise "
            "contamination."
        )


def _rank(n_calibration, contamination):
    """Count the p-values that calibration samples can have up to a rate."""
    # Rounding must not cost a sample: 0.07 * 100 is more than 7, 0.29 * 100 less than
    # 29.
    return math.floor(round(contamination * (n_calibration + 1), 9))


def conformal_threshold(calibration_scores, contamination):
    """Choose a threshold that few new normal samples are below.

    That is where `conformal_pvalues` reach `contamination`. If new normal samples are
    exchangeable with the calibration samples, the expected share of them that is
    predicted as outliers is at most `contamination`, and less than
    ``1 / (n_calibration + 1)`` below it [1]_.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of samples that the detector was not fitted on.
    contamination : float
        The false-positive rate, in (0, 0.5].

    Returns
    -------
    float
        The threshold.

    Raises
    ------
    ValueError
        If there are too few scores for so low a rate.

    References
    ----------
    .. [1] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51 (2023), 149-178.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._outliers._thresholds import conformal_threshold
    >>> conformal_threshold(-np.arange(1.0, 100.0), 0.05)
    -95.0
    """
    n_calibration = len(calibration_scores)
    check_calibration_size(n_calibration, contamination)
    rank = _rank(n_calibration, contamination)
    return float(np.sort(calibration_scores)[rank - 1])


def conformal_pvalues(folds):
    """Compute conformal p-values.

    The p-value of a sample is one plus the number of calibration scores that are no
    higher than its own, divided by one plus the number of calibration scores [1]_. With
    several folds, each of which is scored by a detector of its own, they are
    cross-conformal [2]_.

    Parameters
    ----------
    folds : iterable of (ndarray of shape (n_calibration,), \
            ndarray of shape (n_samples,))
        Of each fold, scores of its samples, and those of the samples to judge, both by
        a detector that was not fitted on the fold.

    Returns
    -------
    ndarray of shape (n_samples,), of float64
        In (0, 1]; the lower, the more anomalous.

    References
    ----------
    .. [1] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51 (2023), 149-178.
    .. [2] V. Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial
       Intelligence 74 (2015), 9-28.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._outliers._thresholds import conformal_pvalues
    >>> calibration, scores = np.array([-3.0, -2.0, -1.0, -0.5]), np.array([-5.0, -2.0])
    >>> conformal_pvalues([(calibration, scores)])
    array([0.2, 0.6])
    """
    n_no_higher = n_calibration = 1
    for calibration_scores, scores in folds:
        # Scores that are equal but for rounding count as equal.
        raised = raise_by_rounding(scores)
        ranks = np.searchsorted(np.sort(calibration_scores), raised, side="right")
        n_no_higher = n_no_higher + ranks
        n_calibration += len(calibration_scores)
    return n_no_higher / n_calibration


def select_pvalues(pvalues, fdr, *, n_calibration):
    """Select samples by their conformal p-values, with a false discovery rate.

    The procedure of Benjamini and Hochberg [1]_, which controls it for conformal
    p-values, although they depend on each other through the calibration samples [2]_.

    Parameters
    ----------
    pvalues : ndarray of shape (n_samples,)
        P-values.
    fdr : float
        The false discovery rate, in (0, 1).
    n_calibration : int
        Number of calibration samples that the p-values were computed with.

    Returns
    -------
    ndarray of shape (n_samples,), of bool
        Which samples are selected.

    Raises
    ------
    ValueError
        If there are too few calibration samples to select any sample.

    References
    ----------
    .. [1] Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate: a
       practical and powerful approach to multiple testing", Journal of the Royal
       Statistical Society B 57 (1995), 289-300.
    .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51 (2023), 149-178.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._outliers._thresholds import select_pvalues
    >>> select_pvalues(np.array([0.01, 0.5, 0.05, 0.9]), 0.1, n_calibration=99)
    array([ True, False,  True, False])
    """
    smallest = 1 / (n_calibration + 1)
    if _rank(n_calibration, fdr) == 0:
        raise ValueError(
            f"fdr={fdr} needs at least {calibration_size(fdr)} calibration "
            f"samples, but there are {n_calibration}, so that no p-value is below "
            f"{smallest:.3g}. Fit on more samples, calibrate with a larger share of "
            "them or with folds (calibration=5), or raise fdr."
        )
    # Rounding must not cost a sample.
    selected = false_discovery_control(pvalues) <= fdr * (1 + 1e-9)
    n_smallest = np.sum(pvalues <= smallest * (1 + 1e-9))
    # Of normal samples alone, so many are expected: no more of them are no news.
    n_expected = len(pvalues) * smallest
    if n_smallest >= max(2 * n_expected, 1) and not selected.any():
        needed = len(pvalues) / fdr
        warnings.warn(
            f"No sample is selected: {n_smallest} of {len(pvalues)} have the smallest "
            f"p-value that is possible with {n_calibration} calibration samples, "
            f"{smallest:.3g}, but fdr={fdr} needs "
            f"{math.ceil(round(needed * smallest, 9))}. Use at least "
            f"{math.ceil(round(needed / n_smallest, 9)) - 1} calibration samples, a "
            "larger fdr, or fewer samples per call.",
            UserWarning,
            stacklevel=3,
        )
    return selected


def compare_distributions(folds):
    """Test whether samples score as the calibration samples do.

    The two-sample test of Kolmogorov and Smirnov, for which scores that are equal but
    for rounding are ties: with many of them, p-values are too large rather than too
    small. With several folds, scores of different networks differ. The distribution
    of the calibration scores is a mixture of those of the folds, and each sample is
    scored by all networks, in the same proportions. What varies between samples thus
    varies no more than if each was scored by one network, drawn at random.

    Parameters
    ----------
    folds : sequence of (ndarray of shape (n_calibration,), \
            ndarray of shape (n_samples,))
        As `conformal_pvalues` takes them.

    Returns
    -------
    scipy.stats result
        As `scipy.stats.ks_2samp` returns it.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._outliers._thresholds import compare_distributions
    >>> calibration = -np.arange(100.0)
    >>> same = compare_distributions([(calibration, calibration[::5] * (1 + 1e-9))])
    >>> float(same.statistic), float(same.pvalue)
    (0.04, 1.0)
    """
    known, new = (np.concatenate(part) for part in zip(*folds, strict=True))
    tied = tie(np.concatenate([new, known]))
    if len(folds) == 1:
        return ks_2samp(tied[: len(new)], tied[len(new) :])
    n_samples = len(folds[0][1])
    shares = np.array([len(scores) for scores, _ in folds]) / len(known)
    weights = np.append(
        np.repeat(shares / n_samples, n_samples), np.full(len(known), -1 / len(known))
    )
    values, places = np.unique(tied, return_inverse=True)
    differences = np.cumsum(np.bincount(places.ravel(), weights))
    largest = np.argmax(np.abs(differences))
    statistic = min(np.abs(differences[largest]), np.float64(1))
    n_effective = round(n_samples * len(known) / (n_samples + len(known)))
    pvalue = np.clip(kstwo.sf(statistic, max(n_effective, 1)), 0, 1)
    return type(ks_2samp([0], [0]))(
        statistic,
        pvalue,
        statistic_location=values[largest],
        statistic_sign=np.int8(np.sign(differences[largest])),
    )
