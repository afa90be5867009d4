import numpy as np
import pytest
from scipy.stats import ks_2samp

from skae._outliers._thresholds import (
    auto_threshold,
    check_calibration_size,
    choose_threshold,
    compare_distributions,
    conformal_pvalues,
    conformal_threshold,
    select_pvalues,
    share_threshold,
)
from skae._rounding import tie

# Sums of squares of 1 to 100 normal variables, some heavier of tail: the anomaly of
# normal rows, and the share of them that the automatic threshold may flag.
ANOMALIES = {
    "one square": (lambda rng, n: rng.chisquare(1, n), 0.004),
    "five squares": (lambda rng, n: rng.chisquare(5, n), 0.004),
    "a hundred squares": (lambda rng, n: rng.chisquare(100, n), 0.004),
    "mean of different ones": (
        lambda rng, n: sum(rng.chisquare(k, n) / k for k in (2, 5, 20)),
        0.01,
    ),
    "log-normal": (lambda rng, n: np.exp(0.5 * rng.normal(size=n)), 0.015),
    "heavy tails": (lambda rng, n: (rng.standard_t(5, (n, 5)) ** 2).sum(axis=1), 0.03),
}


@pytest.mark.parametrize("name", ANOMALIES)
def test_auto_flags_few_normal_rows(name):
    draw, most = ANOMALIES[name]
    scores = -draw(np.random.RandomState(0), 5000)
    assert (scores < auto_threshold(scores)).mean() <= most


@pytest.mark.parametrize("name", ["five squares", "a hundred squares", "log-normal"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_auto_finds_outliers_however_many(name, share):
    draw, most = ANOMALIES[name]
    rng = np.random.RandomState(0)
    normal = -draw(rng, 2000)
    n_outliers = int(2000 * share / (1 - share))
    outliers = -np.percentile(-normal, 75) * rng.uniform(8, 20, size=n_outliers)
    threshold = auto_threshold(np.r_[normal, outliers])
    assert (outliers < threshold).mean() > 0.95
    assert (normal < threshold).mean() <= most


def test_auto_does_not_depend_on_the_unit():
    scores = -np.random.RandomState(0).chisquare(5, 500)
    assert auto_threshold(1000 * scores) == pytest.approx(1000 * auto_threshold(scores))


def test_auto_with_scores_that_are_the_same():
    same = np.full(50, -2.0)
    assert not (same < auto_threshold(same)).any()
    assert not (np.zeros(5) < auto_threshold(np.zeros(5))).any()
    mostly = np.r_[np.zeros(60), -np.ones(39), -1e6]
    np.testing.assert_array_equal(
        mostly < auto_threshold(mostly), mostly == mostly.min()
    )


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.5])
def test_share(contamination):
    scores = -np.random.RandomState(0).chisquare(5, 500)
    below = scores < share_threshold(scores, contamination)
    assert below.sum() == 500 * contamination


@pytest.mark.parametrize("contamination", [0.01, 0.05, 0.07, 0.29, 0.5])
@pytest.mark.parametrize("n_calibration", [99, 100, 150, 1000])
def test_conformal_threshold_is_where_pvalues_cross(n_calibration, contamination):
    rng = np.random.RandomState(0)
    # Few different values: ties count.
    calibration = -rng.randint(40, size=n_calibration).astype(float)
    scores = -np.linspace(0, 50, 201)
    threshold = conformal_threshold(calibration, contamination)
    pvalues = conformal_pvalues([(calibration, scores)])
    np.testing.assert_array_equal(scores < threshold, pvalues <= contamination + 1e-12)


@pytest.mark.parametrize("contamination", [0.05, 0.2])
def test_conformal_coverage(contamination):
    """New rows of the same distribution are flagged as often as asked for."""
    rng = np.random.RandomState(0)
    rates, pvalues = [], []
    for _ in range(300):
        calibration, new = -rng.chisquare(4, (2, 119))
        rates.append((new < conformal_threshold(calibration, contamination)).mean())
        pvalues.append(
            (conformal_pvalues([(calibration, new)]) <= contamination).mean()
        )
    assert np.mean(rates) == pytest.approx(contamination, abs=0.01)
    np.testing.assert_allclose(rates, pvalues)


def test_pvalues_stay_above_zero():
    calibration = -np.arange(9.0)
    pvalues = conformal_pvalues([(calibration, np.array([-100.0, -8.0, 0.0, 100.0]))])
    np.testing.assert_allclose(pvalues, [0.1, 0.2, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("contamination", "calibrated"),
    [("auto", False), ("auto", True), (0.1, False), (0.5, False), (0.1, True)],
)
def test_rounding_makes_no_outliers(contamination, calibrated, dtype):
    for score in (-3.0, -0.1, -1e-17, 0.0, 2.0, np.finfo(dtype).min):
        scores = np.full(50, score, dtype)
        threshold = choose_threshold(scores, contamination, calibrated=calibrated)
        assert np.isfinite(threshold)
        rounding = np.finfo(dtype).eps * np.minimum(np.abs(scores), 1e30)
        again = scores - rounding
        assert not (scores - threshold < 0).any()
        assert not (again - threshold < 0).any()
        assert (conformal_pvalues([(scores, again)]) == 1).all()


def test_threshold_is_of_calibration_or_of_training_samples():
    scores = -np.random.RandomState(0).chisquare(5, 199)
    chosen = {
        calibrated: choose_threshold(scores, 0.1, calibrated=calibrated)
        for calibrated in (False, True)
    }
    assert chosen[False] == pytest.approx(share_threshold(scores, 0.1), rel=1e-5)
    assert chosen[True] == pytest.approx(conformal_threshold(scores, 0.1), rel=1e-5)
    assert chosen[False] != chosen[True]


def test_too_few_samples_to_calibrate_with():
    check_calibration_size(98, "auto")
    check_calibration_size(99, 0.01)
    scores = -np.arange(98.0)
    with pytest.raises(ValueError, match=r"at least 99 calib.* there are 98"):
        conformal_threshold(scores, 0.01)
    assert conformal_threshold(-np.arange(99.0), 0.01) == -98


@pytest.mark.parametrize("n_outliers", [0, 20])
def test_false_discovery_rate(n_outliers):
    rng = np.random.RandomState(0)
    false_shares, found = [], []
    is_outlier = np.arange(200) < n_outliers
    for _ in range(400):
        calibration, new = -rng.chisquare(4, 999), -rng.chisquare(4, 200)
        new[is_outlier] -= 20
        pvalues = conformal_pvalues([(calibration, new)])
        selected = select_pvalues(pvalues, 0.2, n_calibration=999)
        false_shares.append(selected[~is_outlier].sum() / max(1, selected.sum()))
        found.extend(selected[is_outlier])
    # Benjamini and Hochberg's is the level times the share of normal samples.
    error = np.std(false_shares) / np.sqrt(len(false_shares))
    level = 0.2 * (1 - n_outliers / 200)
    assert np.mean(false_shares) <= level + 2 * error
    assert np.mean(false_shares) >= level / 2
    assert not n_outliers or np.mean(found) > 0.9


def test_too_few_samples_to_select_with():
    with pytest.raises(ValueError, match=r"fdr=0.1 needs at least 9 .* there are 8"):
        select_pvalues(np.full(3, 1 / 9), 0.1, n_calibration=8)
    assert select_pvalues(np.full(3, 1 / 10), 0.1, n_calibration=9).all()


def test_what_a_selection_would_need():
    pvalues = np.r_[np.full(2, 0.01), np.full(98, 0.5)]
    with pytest.warns(UserWarning, match="needs 10[.]") as caught:
        assert not select_pvalues(pvalues, 0.1, n_calibration=99).any()
    assert "at least 499 calibration samples" in str(caught[0].message)
    # As many as it says are enough, and no fewer.
    pvalues[:10] = 0.01
    assert select_pvalues(pvalues, 0.1, n_calibration=99).sum() == 10
    pvalues[2:] = 0.5
    pvalues[:2] = 1 / 500
    assert select_pvalues(pvalues, 0.1, n_calibration=499).sum() == 2
    # Nothing is unusual: nothing to say.
    assert not select_pvalues(np.full(100, 0.5), 0.1, n_calibration=99).any()
    pvalues = np.r_[0.01, np.full(99, 0.5)]
    assert not select_pvalues(pvalues, 0.1, n_calibration=99).any()


def rounded(scores, rng):
    """Return scores that differ by rounding, as those of other calls do."""
    return scores * (1 + 1e-9 * rng.normal(size=scores.shape))


def test_scores_that_are_equal_but_for_rounding_are_ties():
    rng = np.random.RandomState(0)
    levels = np.array([-1e30, -7.0, -0.5, 0.0, 3.0])
    scores = rng.choice(levels, 200)
    tied = tie(rounded(scores, rng))
    assert len(np.unique(tied)) == 5
    np.testing.assert_allclose(tied, scores, rtol=1e-7)
    apart = np.array([np.nan, -np.inf, -np.finfo(float).max, -1.0, -1.00001, np.inf])
    np.testing.assert_array_equal(tie(apart), apart)
    assert len(tie(np.empty(0))) == 0


def test_distributions_of_one_network_are_compared_as_scipy_does():
    rng = np.random.RandomState(0)
    calibration, new = -rng.chisquare(4, 300), -rng.chisquare(5, 80)
    found = compare_distributions([(calibration, new)])
    expected = ks_2samp(new, calibration)
    assert found == expected
    assert found.statistic_location == expected.statistic_location
    # So they are with several networks that do not differ.
    parts = [(part, new) for part in np.array_split(calibration, 3)]
    several = compare_distributions(parts)
    assert several.statistic == pytest.approx(expected.statistic)
    assert several.pvalue == pytest.approx(expected.pvalue, rel=0.2)
    assert several.statistic_location == expected.statistic_location
    assert several.statistic_sign == expected.statistic_sign


@pytest.mark.parametrize("n_folds", [1, 5, 40])
@pytest.mark.parametrize("n_samples", [1, 5, 50])
def test_no_drift_of_repeated_rows(n_folds, n_samples):
    """Each pattern has a level of its own with each network."""
    rng = np.random.RandomState(0)
    frequencies = [0.04, 0.06, 0.4, 0.3, 0.1, 0.05, 0.05]
    folds = np.arange(400) % n_folds
    pvalues, drifted = [], []
    for _ in range(150):
        levels = -rng.chisquare(5, (n_folds, 7))
        patterns = rng.choice(7, 400, p=frequencies)
        known = [
            rounded(level[patterns[folds == i]], rng) for i, level in enumerate(levels)
        ]
        for kept, p in ((pvalues, frequencies), (drifted, frequencies[::-1])):
            batch = rng.choice(7, n_samples, p=p)
            new = [rounded(level[batch], rng) for level in levels]
            kept.append(
                compare_distributions(list(zip(known, new, strict=True))).pvalue
            )
    assert np.mean(np.array(pvalues) < 0.05) <= 0.07
    if n_folds == 1 and n_samples == 50:
        assert np.mean(np.array(drifted) < 0.05) > 0.3


# Shares of patterns, and the anomaly of each.
PATTERNS = {
    "two": ([0.5, 0.5], [1, 9]),
    "one of few samples": ([0.75, 0.25], [0, 150]),
    "a far one": ([0.52, 0.28, 0.12, 0.05, 0.03], [1.6, 3.2, 3e7, 7e7, 2e7]),
    "many": (np.full(64, 1 / 64), [1] * 40 + [9] * 24),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("noise", [0, 1e-6])
@pytest.mark.parametrize("n_samples", [500, 5000])
def test_auto_reports_no_pattern_of_many_samples(name, noise, n_samples):
    shares, anomalies = PATTERNS[name]
    rng = np.random.RandomState(0)
    scores = -rng.choice(np.asarray(anomalies, float), n_samples, p=shares)
    scores *= 1 + noise * rng.normal(size=n_samples)
    far = -100 * max(anomalies)
    threshold = choose_threshold(np.append(scores, far), "auto", calibrated=False)
    assert (scores < threshold).mean() <= 0.03
    assert far < threshold


def test_auto_finds_repeated_outliers_among_others_that_are_not():
    scores = np.r_[-np.random.RandomState(0).chisquare(5, 900), np.full(100, -100.0)]
    assert (scores[900:] < auto_threshold(scores)).all()


def test_share_is_the_most_that_is_reported_of_patterns():
    scores = -np.repeat([1.0, 2.0, 3.0], [400, 60, 40])
    for share, reported in ((0.05, 0), (0.1, 0.08), (0.3, 0.2)):
        threshold = choose_threshold(scores, share, calibrated=False)
        assert (scores < threshold).mean() == reported
