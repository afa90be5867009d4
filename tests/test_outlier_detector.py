import copy
import pickle
import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from _helpers import output_of, weights
from scipy.stats import false_discovery_control
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version
from threadpoolctl import threadpool_limits

from skae import AutoencoderOutlierDetector
from skae._outliers import _reservoir
from skae.architectures import ConvolutionalArchitecture, DenseArchitecture
from skae.inspection import OutlierExplanationDisplay
from skae.metrics import (
    outlier_roc_auc_scorer,
    reconstruction_error,
    synthetic_outlier_roc_auc_scorer,
)

SCORES = ["reconstruction", "residual", "code", "neighbors", "fused"]


def factor_rows(n_samples, random_state=0):
    """Rows near a plane in eight dimensions, of about unit variance."""
    plane = np.random.RandomState(1).normal(size=(2, 8))
    rng = np.random.RandomState(random_state)
    X = rng.normal(size=(n_samples, 2)) @ plane
    return X + rng.normal(scale=0.3, size=X.shape)


def plane_with_outliers(n_outliers, random_state=0):
    """400 rows near the plane, and some that are not."""
    outliers = np.random.RandomState(random_state + 1).normal(size=(n_outliers, 8)) * 3
    y = np.r_[np.ones(400), -np.ones(n_outliers)]
    return np.r_[factor_rows(400, random_state), outliers], y


def quick(**params):
    defaults = {
        "architecture": DenseArchitecture((16,)),
        "epochs": 3,
        "random_state": 0,
    }
    return AutoencoderOutlierDetector(**(defaults | params))


@pytest.fixture(scope="module")
def rows():
    return factor_rows(400)


@pytest.fixture(params=SCORES, scope="module")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def of_kind(kind, rows):
    """A detector with each score."""
    return quick(outlier_score=kind).fit(rows)


@pytest.fixture(scope="module")
def calibrated():
    """On many rows, so that the rate of false alarms is precise."""
    return quick(calibration=0.5, contamination=0.05).fit(factor_rows(8000))


# Scores


def distances(train, new, kind):
    """What a score measures, as scikit-learn has it, for data without outliers."""
    (X, X_hat, Z), (X_new, X_hat_new, Z_new) = train, new
    if kind == "reconstruction":
        return ((X_new - X_hat_new) ** 2).sum(axis=1)
    if kind == "residual":
        scale = (X - X_hat).std(axis=0)
        covariance = LedoitWolf().fit((X - X_hat) / scale)
        return covariance.mahalanobis((X_new - X_hat_new) / scale)
    if kind == "code":
        return LedoitWolf().fit(Z).mahalanobis(Z_new)
    white = PCA(whiten=True).fit(Z)
    index = NearestNeighbors(n_neighbors=6).fit(white.transform(Z))
    found = index.kneighbors(white.transform(Z_new))[0]
    fifth = np.where(found[:, 0] < 1e-6, 5, 4)  # beside the sample itself
    return found[np.arange(len(found)), fifth]


def expected_scores(detector, kind, X_train, X):
    """By the networks as Keras runs them, and distances as scikit-learn has them."""
    sizes = [detector.n_components_]
    if kind == "fused":
        sizes.insert(0, PCA(0.5).fit(X_train).n_components_)
    total = 0
    for size in sizes:
        train, new = ((rows, *truncated(detector, rows, size)) for rows in (X_train, X))
        if kind != "fused":
            total = total + distances(train, new, kind)
            continue
        for term in ("residual", "code", "neighbors"):
            lowest = np.sort(distances(train, train, term))[: 3 * len(X_train) // 4]
            total = total + distances(train, new, term) / lowest.mean()
    return -total / len(sizes)


def truncated(detector, X, size):
    Z = output_of(detector.encoder_, X)
    kept = np.where(np.arange(Z.shape[1]) < size, Z, 0)
    return output_of(detector.decoder_, kept), Z[:, :size]


def assert_about_the_same(scores, expected):
    """The detector's own covariances leave out samples at the edge."""
    assert np.corrcoef(scores, expected)[0, 1] > 0.999
    np.testing.assert_allclose(scores, expected, rtol=0.15)


def test_scores_are_those_of_the_networks(of_kind, kind, rows):
    new = factor_rows(50, random_state=2)
    expected = expected_scores(of_kind, kind, rows, new)
    assert_about_the_same(of_kind.score_samples(new), expected)


def test_reconstruction_is_the_squared_error(X, small):
    """Also where the network was trained with another loss."""
    detector = AutoencoderOutlierDetector(
        loss="binary_crossentropy", outlier_score="reconstruction", **small
    ).fit(X)
    reconstruction = output_of(detector.autoencoder_, X)
    np.testing.assert_allclose(
        detector.score_samples(X), -reconstruction_error(X, reconstruction), rtol=1e-4
    )


def test_default_is_fused_and_two_truncations_of_one_code(rows):
    default, fused = quick().fit(rows), quick(outlier_score="fused").fit(rows)
    scores = default.score_samples(rows)
    np.testing.assert_array_equal(scores, fused.score_samples(rows))
    assert PCA(0.5).fit(rows).n_components_ < default.n_components_


def test_no_truncation_where_the_architecture_cannot_order_codes():
    images = load_digits().images[:60] / 16
    detector = AutoencoderOutlierDetector(
        4, architecture=ConvolutionalArchitecture(2), epochs=1, random_state=0
    ).fit(images)
    calls = []

    def spy(X, X_hat, Z):
        calls.append(Z.shape[1])
        return X[:, 0]

    fused = detector.explain(images)
    np.testing.assert_allclose(
        fused.sum(axis=1), -detector.score_samples(images), rtol=1e-5
    )
    detector.set_params(outlier_score=spy).fit(images)
    assert set(calls) == {4}
    reconstruction = output_of(detector.autoencoder_, images)
    np.testing.assert_allclose(
        detector.reconstruct(images), reconstruction, rtol=1e-4, atol=1e-6
    )


def test_a_function_as_score(rows):
    def largest_error(X, X_hat, Z):
        assert Z.shape == (len(X), 3)
        return np.abs(X - X_hat).max(axis=1)

    detector = quick(n_components=3, outlier_score=largest_error).fit(rows)
    expected = np.abs(rows - output_of(detector.autoencoder_, rows)).max(axis=1)
    np.testing.assert_allclose(detector.score_samples(rows), -expected, rtol=1e-4)
    assert 0 < (detector.predict(rows) == -1).mean() + 0.01 < 0.1
    with pytest.raises(ValueError, match=r"not available .* here largest_error"):
        detector.explain(rows)


def test_many_rows_are_scored_as_few_are(calibrated):
    X = factor_rows(2500, random_state=3)
    few = [calibrated.score_samples(part) for part in np.split(X, 5)]
    with threadpool_limits(2, user_api="blas"):
        many = calibrated.score_samples(X)
    np.testing.assert_allclose(many, np.concatenate(few), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_comes_back(of_kind, rows, dtype):
    rows = rows.astype(dtype)
    assert of_kind.score_samples(rows).dtype == dtype
    assert of_kind.decision_function(rows).dtype == dtype
    assert of_kind.explain(rows).dtype == dtype


def test_pickle_keeps_scores_and_thresholds(of_kind, calibrated, rows):
    for detector in (of_kind, calibrated):
        again = pickle.loads(pickle.dumps(detector))
        np.testing.assert_array_equal(again.explain(rows), detector.explain(rows))
        assert again.set_threshold(0.1).offset_ != again.set_threshold("auto").offset_
    np.testing.assert_array_equal(
        again.predict_pvalue(rows), calibrated.predict_pvalue(rows)
    )


def test_finds_outliers_better_than_the_error_alone():
    X, y = plane_with_outliers(40)
    fused, plain = (
        roc_auc_score(y, quick(outlier_score=s, epochs=10).fit(X).score_samples(X))
        for s in ("fused", "reconstruction")
    )
    assert fused > 0.97
    assert fused >= plain


@pytest.mark.parametrize(
    ("n_features", "n_components"), [(1, None), (2, None), (8, None), (8, 5)]
)
def test_default_n_components(rows, n_features, n_components):
    X = rows[:, :n_features]
    detector = quick(n_components=n_components, epochs=1).fit(X)
    needed = min(PCA(0.9).fit(X).n_components_, n_features - 1) or 1
    assert detector.n_components_ == (n_components or needed)


def test_share_of_variance_as_n_components(rows):
    default, same = quick(epochs=1).fit(rows), quick(n_components=0.9, epochs=1)
    same.fit(rows)
    np.testing.assert_array_equal(same.score_samples(rows), default.score_samples(rows))
    assert same.partial_fit(rows[:50]).n_components_ == default.n_components_
    with pytest.raises(ValueError, match=r"built for n_components=0\.9.*=0\.5"):
        same.set_params(n_components=0.5).partial_fit(rows)
    half = quick(n_components=0.5, epochs=1, calibration=2).fit(rows)
    assert half.n_components_ == PCA(0.5).fit(rows).n_components_
    assert half.n_components_ < default.n_components_
    # All features would be reconstructed by a copy.
    assert quick(n_components=0.9999, epochs=1).fit(rows).n_components_ == 7


# Thresholds


def test_signs(of_kind, rows):
    scores = of_kind.score_samples(rows)
    decision = of_kind.decision_function(rows)
    np.testing.assert_allclose(decision, scores - of_kind.offset_)
    np.testing.assert_array_equal(of_kind.predict(rows), np.where(decision < 0, -1, 1))
    assert (scores <= 0).all()


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.25, 0.5])
def test_contamination_is_the_share_of_training_rows(of_kind, rows, contamination):
    moved = pickle.loads(pickle.dumps(of_kind))
    assert moved.set_threshold(contamination) is moved
    expected = pytest.approx(contamination * len(rows), abs=1)  # mutual neighbours
    assert (moved.predict(rows) == -1).sum() == expected
    fitted = moved.set_params(contamination=contamination).fit(rows)
    assert (fitted.predict(rows) == -1).sum() == expected


def test_auto_contamination_is_the_rule_on_training_scores(of_kind, rows):
    roots = np.cbrt(-of_kind.score_samples(rows))
    median = np.median(roots)
    deviation = np.median(np.abs(roots - median)) / 0.6745
    expected = -((median + 3 * deviation) ** 3)
    assert of_kind.offset_ == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("n_outliers", [0, 4, 21, 100])
def test_auto_contamination_follows_the_data(n_outliers):
    """0, 1, 5 and 20 %."""
    X, y = plane_with_outliers(n_outliers)
    y_pred = quick().fit_predict(X)
    assert (y_pred[y == 1] == -1).mean() < 0.05
    assert (y_pred[y == -1] == -1).sum() >= 0.75 * n_outliers


def test_rate_of_false_alarms(calibrated):
    """It varies with 4,000 calibration rows and 8,000 new ones: by four deviations."""
    X = factor_rows(8000, random_state=5)
    assert (calibrated.predict(X) == -1).mean() == pytest.approx(0.05, abs=0.017)
    copied = pickle.loads(pickle.dumps(calibrated)).set_threshold(0.2)
    assert (copied.predict(X) == -1).mean() == pytest.approx(0.2, abs=0.031)
    assert calibrated.contamination == 0.05


def test_pvalues_of_normal_rows_are_uniform(calibrated):
    pvalues = calibrated.predict_pvalue(factor_rows(8000, random_state=5))
    expected = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(pvalues, expected), expected, atol=0.03)
    outliers = calibrated.predict_pvalue(np.eye(8) * 90)
    np.testing.assert_allclose(outliers, 1 / 4001)


def test_pvalues_and_threshold_agree(calibrated):
    X = factor_rows(1000, random_state=6)
    np.testing.assert_array_equal(
        calibrated.predict(X) == -1, calibrated.predict_pvalue(X) <= 0.05
    )


def with_outliers(n_normal, n_outliers):
    """New rows near the plane, then some that are far from it."""
    far = np.random.RandomState(8).normal(scale=4, size=(n_outliers, 8))
    return np.r_[factor_rows(n_normal, random_state=7), far]


def test_selection_follows_the_pvalues_of_all_samples(calibrated):
    X = with_outliers(950, 50)
    selected = calibrated.select_outliers(X)
    assert selected.dtype == bool
    assert selected[950:].sum() > 40
    assert selected[:950].sum() < 0.25 * selected.sum()
    adjusted = false_discovery_control(calibrated.predict_pvalue(X))
    np.testing.assert_array_equal(selected, adjusted <= 0.1)
    fewer = calibrated.select_outliers(X, fdr=0.02)
    assert fewer.sum() < selected.sum()
    assert not (fewer & ~selected).any()


def test_selection_indexes_a_frame(calibrated):
    X = pd.DataFrame(with_outliers(95, 5), index=np.arange(100) + 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fitted without names
        selected = X[calibrated.select_outliers(X)]
    assert set(selected.index) >= set(range(102, 107))


def test_selection_among_normal_samples_is_mostly_empty(calibrated):
    n_selected = [
        calibrated.select_outliers(factor_rows(200, random_state=20 + seed)).sum()
        for seed in range(30)
    ]
    # In a tenth of the batches on average, some are: 9 or more have a chance of 0.2 %.
    assert np.count_nonzero(n_selected) < 9


def test_selection_after_a_fit_with_folds(rows):
    detector = quick(calibration=3).fit(rows)
    selected = detector.select_outliers(with_outliers(90, 10))
    assert selected[90:].sum() > 5
    assert selected[:90].sum() < 5


def test_selection_with_too_few_calibration_samples(rows):
    detector = quick(calibration=20 / 300).fit(rows[:300])
    with pytest.raises(ValueError, match=r"fdr=0.04 needs at least 24 .* there are 20"):
        detector.select_outliers(rows[300:], fdr=0.04)
    X = with_outliers(360, 40)
    with pytest.warns(UserWarning, match=r"No sample is selected: \d+ of 400"):
        assert not detector.select_outliers(X).any()
    for fdr in (0, 1, None, "0.1"):
        with pytest.raises(ValueError, match="'fdr' parameter of select_outliers"):
            detector.select_outliers(X, fdr=fdr)


def test_drift(calibrated):
    X = factor_rows(1000, random_state=9)
    same = calibrated.test_drift(X)
    assert same.pvalue > 0.01
    drifted = calibrated.test_drift(X + np.eye(8)[0])
    assert drifted.pvalue < 1e-6
    assert drifted.statistic > same.statistic
    assert drifted.statistic_sign == 1  # more of low scores
    # Single outliers are no drift.
    assert calibrated.test_drift(with_outliers(990, 10)).pvalue > 0.01


@pytest.mark.parametrize("calibration", [0.5, 4])
def test_no_drift_of_repeated_rows(calibration):
    """Rounding depends on how many are scored at once, and folds have own scores."""

    def draw(n_samples, share=0.3):
        X = rng.uniform(size=(n_samples, 3)) < [0.5, share, 0.1]
        return pd.DataFrame(X, columns=list("abc")).assign(d=X[:, 0] ^ X[:, 2])

    rng = np.random.RandomState(0)
    detector = quick(calibration=calibration, epochs=1).fit(draw(300))
    for n_samples in (1, 5, 50):
        pvalues = [detector.test_drift(draw(n_samples)).pvalue for _ in range(40)]
        assert np.mean(np.array(pvalues) < 0.05) <= 0.1
    assert detector.test_drift(draw(200, share=0.7)).pvalue < 0.001
    batch = draw(20)
    assert detector.test_drift(batch) == detector.test_drift(batch[::-1])


@pytest.mark.parametrize("params", [{"calibration": 0.3}, {"calibration": 3}])
def test_few_rows_in_a_wide_code_are_not_judged_by_their_own_scores(params):
    """Training rows alone would promise fewer false alarms than there are."""
    rng = np.random.RandomState(0)
    X, new = rng.normal(size=(120, 10)), rng.normal(size=(3000, 10))
    plain = quick(contamination=0.1, epochs=60).fit(X)
    honest = quick(contamination=0.1, epochs=60, **params).fit(X)
    rates = [(detector.predict(new) == -1).mean() for detector in (plain, honest)]
    assert abs(rates[1] - 0.1) < 0.08
    assert rates[0] > 0.1


def test_cross_validation_leaves_the_final_network_all_rows(rows):
    detector = quick(calibration=2, contamination=0.1).fit(rows[:100])
    assert detector.predict_pvalue(rows[:100]).min() >= 1 / 101
    means = output_of(detector.autoencoder_, rows[:100]).mean(axis=0)
    np.testing.assert_allclose(means, rows[:100].mean(axis=0), atol=0.2)


def test_pvalues_of_folds_are_those_of_their_own_networks():
    """Few samples and many features: networks of half of them score lower."""
    pvalues, by_final = [], []
    for seed in range(3):
        X = np.random.RandomState(seed).normal(size=(440, 10))
        detector = quick(calibration=2, epochs=1, random_state=seed).fit(X[:40])
        pvalues.append(detector.predict_pvalue(X[40:]))
        known = detector._reference.scores[:, np.newaxis]
        scores = detector.score_samples(X[40:])
        by_final.append((1 + (known <= scores).sum(axis=0)) / 41)
    assert abs(np.mean(pvalues) - 0.5) < 0.08
    assert np.mean(by_final) > np.mean(pvalues) + 0.05


def test_folds_are_kept_with_the_detector(rows):
    X = pd.DataFrame(rows[:90], columns=list("abcdefgh"))
    X["kind"] = np.where(rows[:90, 0] > 0, "high", "low")
    detector = quick(calibration=3, epochs=1).fit(X)
    expected = detector.predict_pvalue(X)
    np.testing.assert_array_equal(copy.deepcopy(detector).predict_pvalue(X), expected)
    loaded = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(loaded.predict_pvalue(X), expected)
    np.testing.assert_array_equal(loaded.predict_pvalue(X[:1]), expected[:1])
    again = loaded.set_params(calibration=0.3).fit(X)
    assert again.predict_pvalue(X).min() >= 1 / 28


def test_each_sample_is_scored_without_its_fold(rows):
    """Far samples are outliers to networks and scores that do not know them."""
    X = rows[:80].copy()
    X[:10] += 100 * np.random.RandomState(0).normal(size=(10, 8))
    detector = quick(calibration=KFold(8), contamination=0.2).fit(X)
    again = quick(calibration=KFold(8), contamination=0.2).fit(X)
    assert detector.offset_ == again.offset_
    # New samples are further out than the 10, or among the other 70.
    assert detector.predict_pvalue(X[:10] * 1e6) == pytest.approx(1 / 81)
    assert detector.predict_pvalue(rows[80:]).mean() == pytest.approx(0.56, abs=0.1)


def test_leave_one_out(rows):
    detector = quick(epochs=1, calibration=LeaveOneOut()).fit(rows[:5])
    assert detector.predict_pvalue(rows[:1] * 1e6).item() == pytest.approx(1 / 6)


def test_a_splitter_of_ones_own_stays_as_it_is(rows):
    splitter = KFold(2, shuffle=True, random_state=np.random.RandomState(0))
    before = splitter.random_state.get_state()[1].copy()
    quick(epochs=1, calibration=splitter).fit(rows[:60])
    np.testing.assert_array_equal(splitter.random_state.get_state()[1], before)


def test_splitters_that_need_more_than_samples_are_refused(rows):
    X, y = rows[:40], np.arange(40) % 2
    for splitter in (StratifiedKFold(2), GroupKFold(2)):
        with pytest.raises(ValueError, match=r"given X only.*PredefinedSplit") as error:
            quick(calibration=splitter).fit(X, y)
        assert type(splitter).__name__ in str(error.value)
    # The cure that is named.
    detector = quick(calibration=PredefinedSplit(y)).fit(X)
    assert len(detector.predict_pvalue(X)) == 40


class Folds:
    """A splitter of given pairs of training and test samples."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def split(self, X, y=None, groups=None):
        yield from self.pairs

    def get_n_splits(self, X=None, y=None, groups=None):
        return len(self.pairs)


def test_folds_of_ones_own(rows):
    is_first = np.arange(40) < 20
    first, second = np.flatnonzero(is_first), np.flatnonzero(~is_first)
    X = rows[:40]
    masks = Folds((is_first, ~is_first), (~is_first, is_first))
    indices = Folds((first, second), (second, first))
    pvalues = [
        quick(calibration=folds, epochs=1).fit(X).predict_pvalue(X)
        for folds in (masks, indices)
    ]
    np.testing.assert_array_equal(*pvalues)
    with pytest.raises(ValueError, match="trains on samples of the test fold"):
        quick(calibration=Folds((np.arange(40), first), (first, second))).fit(X)
    with pytest.raises(ValueError, match=r"of 30 samples .* the largest index is 39"):
        quick(calibration=indices).fit(X[:30])


@pytest.mark.parametrize(
    ("folds", "found"),
    [
        (
            Folds((np.arange(20), np.arange(20, 40)), (np.arange(0), np.arange(20))),
            "has 0 training and 20 test samples in fold 1",
        ),
        (Folds((np.arange(40), np.arange(0))), "has 40 training and 0 test samples in"),
        (Folds((np.zeros(40, bool), np.ones(40, bool))), "has 0 training and 40 test"),
        (PredefinedSplit(np.full(40, -1)), "makes no fold of 40 samples"),
    ],
)
def test_empty_folds_are_refused(rows, folds, found):
    with pytest.raises(ValueError, match=found):
        quick(calibration=folds).fit(rows[:40])


@pytest.mark.parametrize("use_labels", [False, True])
def test_a_single_fold_is_held_out(rows, use_labels):
    """As a later period, by which a detector of an earlier one is calibrated."""
    is_later = np.arange(400) >= 300
    y = np.where(np.arange(410) < 400, 0, -1)
    X = rows if not use_labels else np.vstack([rows, rows[:10] + 5])
    y = y if use_labels else None
    parameters = {"contamination": 0.1, "use_labels": use_labels}
    splitter = PredefinedSplit(np.where(is_later, 0, -1))
    detector = quick(calibration=splitter, **parameters).fit(X, y)
    scores = np.sort(detector.score_samples(rows[is_later]))
    assert (scores < detector.offset_).sum() == 9
    pvalues = np.sort(detector.predict_pvalue(rows[is_later]))
    np.testing.assert_allclose(pvalues, np.arange(2, 102) / 101)
    # The network has not seen the period, nor what is between the two.
    gap = Folds((np.arange(250), np.flatnonzero(is_later)))
    other = X.copy()
    other[250:400] = other[250:400][::-1]
    one, two = (
        quick(calibration=gap, **parameters).fit(part, y) for part in (X, other)
    )
    np.testing.assert_array_equal(one.encode(rows), two.encode(rows))
    assert one.offset_ != two.offset_
    with pytest.raises(ValueError, match="needs at least 199 calibration samples"):
        detector.set_params(contamination=0.005).fit(X, y)


def test_networks_of_folds_are_not_trained_on_them(rows):
    seen = []

    class Steps(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.params["steps"])

    quick(calibration=2, batch_size=5, epochs=1, callbacks=[Steps()]).fit(rows[:20])
    assert sorted(seen) == [2, 2, 4]


@pytest.mark.parametrize("calibration", [0.4, 2])
def test_calibration_of_images(calibration):
    images = load_digits().images[:60] / 16
    detector = AutoencoderOutlierDetector(
        4,
        architecture=ConvolutionalArchitecture(2),
        calibration=calibration,
        epochs=1,
        random_state=0,
    ).fit(images[:50])
    assert detector.predict_pvalue(images[50:]).mean() > 0.2


def test_scores_are_fitted_to_a_part_of_many_samples(monkeypatch):
    from skae._outliers import _scores

    monkeypatch.setattr(_scores, "MIN_SAMPLES", 20)
    monkeypatch.setattr(_scores, "MAX_SAMPLES", 50)
    X = factor_rows(400)
    bounded = quick(outlier_score="neighbors").fit(X)
    again = quick(outlier_score="neighbors").fit(X)
    np.testing.assert_array_equal(bounded.score_samples(X), again.score_samples(X))
    # Each sample of the few is its own nearest neighbour, and those are far apart.
    monkeypatch.undo()
    all_of_them = quick(outlier_score="neighbors").fit(X)
    ratio = bounded.score_samples(X).mean() / all_of_them.score_samples(X).mean()
    assert ratio > 1.5


def test_calibration_rows_are_not_learnt_from():
    """A change in them changes the threshold, and not the scores."""
    X = factor_rows(100)
    parameters = {"calibration": 0.5, "contamination": 0.1, "epochs": 1}
    before = quick(**parameters).fit(X)
    changes = []
    for i in range(20):
        changed = X.copy()
        changed[i] += 50
        after = quick(**parameters).fit(changed)
        same = np.array_equal(after.score_samples(X), before.score_samples(X))
        changes.append((same, after.offset_ == before.offset_))
        if same:
            break
    assert changes[-1] == (True, False)


@pytest.fixture(scope="module")
def continued():
    """By three batches after a fit, with a pickle between them."""
    detector = quick(calibration=0.3, contamination=0.1, epochs=1)
    detector.fit(factor_rows(400))
    for seed in (11, 12, 13):
        detector = pickle.loads(pickle.dumps(detector))
        detector.partial_fit(factor_rows(300, random_state=seed))
    return detector


class TestPartialFitCalibrates:
    def test_rate_and_pvalues_are_those_promised(self, continued):
        """390 calibration samples: three deviations are 0.046."""
        X = factor_rows(4000, random_state=5)
        assert len(continued._reference.scores) == pytest.approx(390, abs=1)
        pvalues = continued.predict_pvalue(X)
        np.testing.assert_array_equal(continued.predict(X) == -1, pvalues <= 0.1)
        assert (pvalues <= 0.1).mean() == pytest.approx(0.1, abs=0.046)
        assert continued.test_drift(X[:200]).pvalue > 0.01
        assert continued.select_outliers(with_outliers(90, 10))[90:].sum() > 5

    def test_scores_of_calibration_samples_are_those_of_the_present_network(
        self, continued
    ):
        kept = continued._calibration_reservoir.rows
        expected = np.sort(continued.score_samples(kept))
        np.testing.assert_allclose(continued._reference.scores, expected, rtol=1e-6)
        assert not np.isin(kept[:, 0], continued._reservoir.rows[:, 0]).any()
        copied = copy.deepcopy(continued).set_threshold(0.3)
        X = factor_rows(1000, random_state=5)
        assert (copied.predict(X) == -1).mean() == pytest.approx(0.3, abs=0.08)

    def test_samples_that_are_held_out_are_not_learnt_from(self):
        X = factor_rows(120)
        detector = quick(calibration=0.5, contamination=0.1).partial_fit(X)
        kept = detector._calibration_reservoir.rows
        changed = X.copy()
        changed[np.flatnonzero(X[:, 0] == kept[0, 0])] += 50
        other = quick(calibration=0.5, contamination=0.1).partial_fit(changed)
        for one, another in zip(weights(detector), weights(other), strict=True):
            np.testing.assert_array_equal(one, another)
        assert not np.array_equal(other._reference.scores, detector._reference.scores)

    def test_small_batches_are_held_out_on_average(self):
        detector = quick(calibration=0.25, contamination=0.1)
        detector.partial_fit(factor_rows(60))
        for i in range(40):
            detector.partial_fit(factor_rows(3, random_state=20 + i))
        assert len(detector._reference.scores) == pytest.approx(15 + 30, abs=12)
        n_kept = len(detector._reservoir.rows) + len(detector._reference.scores)
        assert n_kept == 60 + 120
        before = len(detector._reference.scores)
        detector.partial_fit(factor_rows(1))  # learned from, as it has to be
        assert len(detector._reference.scores) == before

    def test_too_few_samples_to_begin_with(self, rows):
        detector = quick(calibration=0.2, contamination=0.05)
        with pytest.raises(ValueError, match=r"at least 19 .* there are 10.*batch"):
            detector.partial_fit(rows[:50])
        assert not hasattr(detector, "autoencoder_")
        detector.partial_fit(rows[:100]).partial_fit(rows[100:105])
        assert detector._reference.is_calibrated

    @pytest.mark.parametrize("calibration", [3, KFold(3), PredefinedSplit([0, -1])])
    def test_folds_are_refused(self, rows, calibration):
        detector = quick(calibration=calibration)
        with pytest.raises(ValueError, match="Set calibration to a share such as"):
            detector.partial_fit(rows)
        assert not hasattr(detector, "autoencoder_")

    def test_a_share_after_folds(self, rows):
        detector = quick(calibration=2, epochs=1).fit(rows[:100])
        with pytest.raises(ValueError, match="to a share such as"):
            detector.partial_fit(rows[100:])
        assert hasattr(detector._reference, "folds")
        detector.set_params(calibration=0.5).partial_fit(rows[100:])
        assert len(detector._reference.scores) == 150
        assert not hasattr(detector._reference, "folds")
        detector.set_params(calibration=None).partial_fit(rows)
        assert not hasattr(detector, "predict_pvalue")

    def test_as_many_samples_are_kept_as_the_rate_needs(self, monkeypatch):
        for name in ("MAX_ROWS", "MAX_ROWS_OF_FIT", "MIN_ROWS"):
            monkeypatch.setattr(_reservoir, name, 20)
        detector = quick(calibration=0.5, contamination=0.02, epochs=1)
        detector.fit(factor_rows(200)).partial_fit(factor_rows(100, 1))
        assert len(detector._reservoir.rows) == 20
        assert len(detector._reference.scores) == 49


def test_warm_fits_that_hold_out_other_samples_warn(rows):
    def fitted(random_state=0, X=rows, **params):
        params = {"calibration": 0.5, "warm_start": True, "epochs": 1} | params
        return quick(random_state=random_state, **params).fit(X)

    fitted().fit(rows)  # with an int, the same samples are held out
    fitted(calibration=2, X=rows[:60]).fit(rows[:60])
    for detector in (
        fitted(None),
        fitted(X=rows[:300]),
        fitted(calibration=None).set_params(calibration=0.5),
        fitted().partial_fit(rows),
    ):
        with pytest.warns(UserWarning, match="may have been trained on"):
            detector.fit(rows)


def test_partial_fit_judges_by_the_rows_of_all_calls(rows):
    detector = quick(contamination=0.05)
    for part in np.array_split(rows, 2):
        detector.partial_fit(part)
    assert (detector.predict(rows) == -1).sum() == round(0.05 * len(rows))
    expected = expected_scores(detector, "fused", rows, rows)
    assert_about_the_same(detector.score_samples(rows), expected)


def test_warm_start_and_a_second_seed(rows):
    detector = quick(calibration=0.2, warm_start=True).fit(rows)
    first = detector.score_samples(rows)
    assert not np.array_equal(detector.fit(rows).score_samples(rows), first)
    again = quick(calibration=0.2).fit(rows)
    np.testing.assert_array_equal(again.score_samples(rows), first)
    assert detector.predict_pvalue(rows[:1]) > 0


def test_validation_rows_go_to_the_folds(rows):
    detector = quick(calibration=2, epochs=2).fit(rows[:80], X_val=rows[80:])
    assert len(detector.history_["val_loss"]) == 2
    assert detector.predict_pvalue(rows[80:]).mean() > 0.1


# Values at the edge


@pytest.mark.parametrize(
    ("dtype", "values"),
    [(np.float32, [1e38, 3e38]), (np.float64, [1e160, 1.7e308])],
)
def test_overflow_is_an_outlier(kind, rows, dtype, values):
    rows = rows.astype(dtype)
    detectors = [
        quick(outlier_score=kind, epochs=1, **params).fit(rows)
        for params in ({}, {"contamination": 0.1, "calibration": 0.5})
    ]
    for value in values:
        extreme = np.full((3, 8), value, dtype)
        extreme[1, ::2] *= -1
        extreme[2, 1:] = 0
        assert_extreme(detectors, kind, rows, extreme)


def assert_extreme(detectors, kind, rows, extreme):
    lowest = -np.finfo(rows.dtype).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for detector in detectors:
            scores = detector.score_samples(extreme)
            assert np.isfinite(scores).all()
            assert (detector.predict(extreme) == -1).all()
            # A length of float32 codes, unlike squares, may be within the range.
            if kind != "neighbors" or rows.dtype == np.float64:
                np.testing.assert_array_equal(scores, lowest)
            assert (scores < -1e36).all()
            mixed = detector.score_samples(np.concatenate([rows[:50], extreme]))
            alone = detector.score_samples(rows[:50])
            np.testing.assert_allclose(mixed[:50], alone, rtol=1e-2)
        contributions, _ = detectors[0].explain(extreme, return_expected=True)
        sums = contributions.sum(axis=1)
    assert (contributions >= 0).all()
    alone = detectors[0].score_samples(extreme)
    np.testing.assert_allclose(sums, -alone, rtol=1e-5)
    assert (detectors[1].predict_pvalue(extreme) <= 1 / 201).all()


def test_overflow_with_a_compiled_network_and_with_a_function():
    images = load_digits().images[:60] / 16
    extreme = np.full((2, 8, 8), 1e200)
    detector = AutoencoderOutlierDetector(
        4, architecture=ConvolutionalArchitecture(2), epochs=1, random_state=0
    ).fit(images)
    plain = quick(outlier_score=lambda X, X_hat, Z: ((X - X_hat) ** 2).sum(axis=1))
    plain.fit(images.reshape(60, 64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fitted, X in ((detector, extreme), (plain, extreme.reshape(2, 64))):
            lowest = np.finfo(np.float64).min
            np.testing.assert_array_equal(fitted.score_samples(X), lowest)
            np.testing.assert_array_equal(fitted.predict(X), -1)


@pytest.mark.filterwarnings("ignore:The loss became NaN", "ignore:invalid value")
def test_overflow_among_the_training_samples(rows):
    X = rows[:100].astype(np.float32)
    X[0] = 3e38  # of which scikit-learn's own validation warns
    detector = quick(calibration=0.3).fit(X)
    np.testing.assert_array_equal(detector.predict(X[:1]), -1)
    assert np.isfinite(detector.score_samples(X)).all()
    with pytest.raises(ValueError, match=r"overflow in float32\. Put a scaler"):
        quick().fit(np.float32(3e38) * np.sign(rows[:50]).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"contamination": 0.1},
        {"contamination": 0.5, "calibration": 0.5},
        {"contamination": 0.5, "calibration": 2},
    ],
)
def test_equal_samples_are_no_outliers(kind, params, dtype):
    X = np.full((80, 4), 0.1, dtype)  # halves have whole batches, too
    detector = quick(outlier_score=kind, epochs=1, **params).fit(X)
    np.testing.assert_array_equal(detector.predict(X), 1)
    np.testing.assert_array_equal(detector.predict(X[:1]), 1)
    if "calibration" in params:
        np.testing.assert_array_equal(detector.predict_pvalue(X[:3]), 1)


def test_two_samples_are_no_outliers():
    X = np.random.RandomState(0).normal(size=(2, 4))
    assert (AutoencoderOutlierDetector(random_state=0).fit_predict(X) == 1).all()


# Failures and interruptions


class Fails:
    """A score that raises from some call on."""

    def __init__(self, error, first):
        self.error = error
        self.calls_left = first - 1

    def __call__(self, X, X_hat, Z):
        if self.calls_left == 0:
            raise self.error
        self.calls_left -= 1
        return ((X - X_hat) ** 2).sum(axis=1)

    def __deepcopy__(self, memo):
        return self


def state_of(detector, X):
    return [
        *weights(detector),
        detector.score_samples(X),
        detector.explain(X),
        np.array([detector.offset_, detector.n_iter_, detector.best_epoch_]),
        np.array(detector.history_["loss"]),
    ]


@pytest.mark.parametrize("error", [RuntimeError("no score"), KeyboardInterrupt()])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("warm_start", [False, True])
def test_failure_of_a_score_leaves_the_fit_as_it_was(rows, error, method, warm_start):
    detector = quick(warm_start=warm_start).fit(rows)
    before = state_of(detector, rows)
    fails = Fails(error, 1)
    detector.set_params(outlier_score=fails)
    with pytest.raises(type(error)):
        getattr(detector, method)(rows)
    detector.set_params(outlier_score="fused")
    for now, then in zip(state_of(detector, rows), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_score_that_fails_on_its_second_use_in_partial_fit(rows):
    fails = Fails(RuntimeError("no score"), 2)
    detector = quick(outlier_score=fails).fit(rows)
    before = weights(detector), dict(detector.history_), detector.offset_
    with pytest.raises(RuntimeError, match="no score"):
        detector.partial_fit(rows)
    for now, then in zip(weights(detector), before[0], strict=True):
        np.testing.assert_array_equal(now, then)
    assert (detector.history_, detector.offset_) == before[1:]
    fails.calls_left = -1
    detector.partial_fit(rows)
    assert detector.n_iter_ == 4


class InterruptsSecondFit(keras.callbacks.Callback):
    fits = 0

    def on_train_begin(self, logs=None):
        type(self).fits += 1

    def on_epoch_begin(self, epoch, logs=None):
        if self.fits == 2:
            raise KeyboardInterrupt


class InterruptsSecondEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_a_fit_that_is_interrupted_before_its_folds_is_not_calibrated(rows):
    detector = quick(calibration=3, callbacks=[InterruptsSecondEpoch()])
    with (
        pytest.warns(UserWarning, match="interrupted before calibration=3"),
        pytest.raises(KeyboardInterrupt),
    ):
        detector.fit(rows)
    assert detector.n_iter_ == 1
    assert not hasattr(detector, "predict_pvalue")
    share = quick(calibration=0.5, callbacks=[InterruptsSecondEpoch()])
    with pytest.raises(KeyboardInterrupt):
        share.fit(rows)
    assert (share.predict_pvalue(rows) > 0).all()


def test_interrupted_folds_leave_the_fit_as_it_was(rows):
    new = quick(calibration=3, callbacks=[InterruptsSecondFit()])
    with pytest.raises(KeyboardInterrupt):
        new.fit(rows)
    assert not hasattr(new, "autoencoder_")
    InterruptsSecondFit.fits = 0
    fitted = quick().fit(rows)
    before = state_of(fitted, rows)
    fitted.set_params(calibration=3, callbacks=[InterruptsSecondFit()])
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(rows)
    for now, then in zip(state_of(fitted, rows), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn has callbacks since 1.9",
)
@pytest.mark.parametrize("calibration", [None, 0.3, 2])
def test_callbacks_are_given_a_detector_that_works(rows, calibration):
    class Watch:
        def __init__(self):
            self.setups, self.seen = 0, []

        def setup(self, estimator, context):
            self.setups += 1

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, X, fitted_estimator=None):
            self.seen.append(
                (
                    context.task_name,
                    fitted_estimator.score_samples(X),
                    fitted_estimator.predict(X),
                    fitted_estimator.explain(X).sum(axis=1),
                )
            )

        def teardown(self, estimator, context):
            pass

    watch = Watch()
    detector = quick(calibration=calibration).set_callbacks(watch).fit(rows)
    assert watch.setups == 1  # folds are no fits of the user's
    assert [name for name, *_ in watch.seen] == ["epoch"] * 3 + ["fit"]
    for _, scores, labels, sums in watch.seen:
        np.testing.assert_allclose(sums, -scores, rtol=1e-9)
        assert set(labels) <= {-1, 1}
    np.testing.assert_array_equal(watch.seen[-1][1], detector.score_samples(rows))
    assert (watch.seen[0][1] != watch.seen[1][1]).all()
    # Looking changes nothing.
    alone = quick(calibration=calibration).fit(rows)
    np.testing.assert_array_equal(alone.score_samples(rows), watch.seen[-1][1])
    assert alone.offset_ == detector.offset_


# Explanations


def test_contributions_sum_to_the_score(of_kind, rows):
    contributions = of_kind.explain(rows)
    assert contributions.shape == (400, 8)
    assert (contributions >= 0).all()
    np.testing.assert_allclose(
        contributions.sum(axis=1), -of_kind.score_samples(rows), rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["reconstruction", "residual", "fused"])
def test_the_changed_feature_ranks_first(kind):
    X, new = factor_rows(1000), factor_rows(200, random_state=4)
    changed = np.random.RandomState(0).randint(8, size=200)
    new[np.arange(200), changed] += 6
    detector = quick(n_components=2, outlier_score=kind).fit(X)
    contributions = detector.explain(new)
    assert (contributions.argmax(axis=1) == changed).mean() > 0.9


def test_frames_come_back(rows):
    X = pd.DataFrame(rows, columns=[f"sensor {i}" for i in range(8)])
    X.index += 100
    detector = quick(n_components=2).fit(X)
    contributions, expected = detector.explain(X, return_expected=True)
    for frame in (contributions, expected):
        assert frame.columns.equals(X.columns)
        assert frame.index.equals(X.index)
    np.testing.assert_array_equal(contributions, detector.explain(X))


def test_polars_frames_come_back(rows):
    columns = [f"sensor {i}" for i in range(8)]
    X = pl.DataFrame(rows, schema=columns)
    detector = quick(n_components=2).fit(X)
    contributions, expected = detector.explain(X, return_expected=True)
    assert isinstance(contributions, pl.DataFrame)
    assert contributions.columns == expected.columns == columns
    np.testing.assert_allclose(
        contributions, quick(n_components=2).fit(rows).explain(rows), rtol=1e-9
    )


def test_a_pipeline_hands_names_on(rows):
    X = pd.DataFrame(rows, columns=list("abcdefgh"))
    pipeline = make_pipeline(StandardScaler(), quick(n_components=2))
    pipeline.set_output(transform="pandas").fit(X)
    contributions = pipeline[-1].explain(pipeline[:-1].transform(X))
    assert contributions.columns.equals(X.columns)


def test_expected_values_do_not_depend_on_the_value(rows):
    X = factor_rows(1000)
    detector = quick(n_components=2).fit(X)
    found = []
    for wrong in (10.0, -30.0):
        changed = rows[:50].copy()
        changed[:, 3] = wrong
        _, expected = detector.explain(changed, return_expected=True)
        found.append(expected[:, 3])
        assert np.corrcoef(expected[:, 3], rows[:50, 3])[0, 1] > 0.8
    np.testing.assert_allclose(*found, rtol=1e-6)


@pytest.mark.parametrize("kind", ["array", "table"])
def test_expected_values_are_in_the_range_of_training(kind):
    X = np.exp(2 * factor_rows(300))
    new = X[:100].copy()
    new[:, 3] = -1e3  # to which networks extrapolate
    if kind == "table":
        X, new = (
            pd.DataFrame(part, columns=list("abcdefgh")).assign(kind="a")
            for part in (X, new)
        )
    detector = quick(n_components=2).fit(X)
    contributions, expected = detector.explain(new, return_expected=True)
    found, known = (np.asarray(part)[..., :8].astype(float) for part in (expected, X))
    tolerance = 1e-6 * known.max()
    assert (found >= known.min(axis=0) - tolerance).all()
    assert (found <= known.max(axis=0) + tolerance).all()
    np.testing.assert_allclose(
        np.asarray(contributions).sum(axis=1), -detector.score_samples(new), rtol=1e-6
    )


def test_partial_fit_widens_the_range_of_expected_values(rows):
    detector = quick(n_components=2).fit(rows[:200])
    detector.partial_fit(rows[200:] + 50)
    _, expected = detector.explain(rows[200:] + 50, return_expected=True)
    assert (expected.max(axis=0) > rows.max(axis=0) + 5).any()
    assert (expected <= rows[200:].max(axis=0) + 50).all()


def test_many_features():
    """Of more than 8, those with the largest parts are hidden."""
    rng = np.random.RandomState(0)
    Z, mixing = rng.normal(size=(500, 3)), rng.normal(size=(3, 100))
    X = Z @ mixing + 0.3 * rng.normal(size=(500, 100))
    detector = quick(n_components=3).fit(X[:400])
    changed = rng.randint(100, size=100)
    X[np.arange(400, 500), changed] += 6
    contributions = detector.explain(X[400:])
    assert (contributions.argmax(axis=1) == changed).mean() > 0.9
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(X[400:]), rtol=1e-9
    )


def test_map_of_the_error_of_images():
    images = load_digits().images[:200] / 16
    detector = AutoencoderOutlierDetector(
        8,
        architecture=ConvolutionalArchitecture(4),
        outlier_score="reconstruction",
        epochs=10,
        random_state=0,
    ).fit(images[:150])
    changed = images[150:].copy()
    changed[:, 0, 0] = 3  # a dead pixel
    contributions, reconstruction = detector.explain(changed, return_expected=True)
    assert reconstruction.shape == changed.shape
    error_map = contributions.reshape(changed.shape)
    np.testing.assert_allclose(error_map, (changed - reconstruction) ** 2)
    assert (contributions.argmax(axis=1) == 0).all()


def test_display_of_an_explanation(rows):
    X = pd.DataFrame(rows, columns=list("abcdefgh"))
    pipeline = make_pipeline(StandardScaler(), quick(n_components=2)).fit(X)
    X.loc[0, "c"] += 9
    display = OutlierExplanationDisplay.from_estimator(pipeline, X)
    total = sum(bar.get_width() for bar in display.bars_)
    assert total == pytest.approx(-pipeline.score_samples(X)[0], rel=1e-5)


# Searches


@pytest.mark.parametrize(
    ("labels", "scoring"),
    [
        ("signs", "roc_auc"),
        ("signs", outlier_roc_auc_scorer),
        ("bool", outlier_roc_auc_scorer),
        (None, synthetic_outlier_roc_auc_scorer),
    ],
)
def test_search_with_and_without_labels(labels, scoring):
    X, y = plane_with_outliers(40)
    labels = {"signs": y, "bool": y == -1, None: None}[labels]
    folds = StratifiedKFold(2, shuffle=True, random_state=0).split(X, y)
    grid = {"n_components": [1, 2], "outlier_score": ["code", "fused"]}
    search = GridSearchCV(quick(), grid, cv=list(folds), scoring=scoring)
    search.fit(X, labels)
    assert search.best_params_["outlier_score"] == "fused"
    assert search.best_score_ > 0.7


# Errors


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"outlier_score": "residuals"}, "'outlier_score' parameter"),
        ({"calibration": 1}, "'calibration' parameter"),
        ({"calibration": 0}, "'calibration' parameter"),
        ({"calibration": 1.5}, "'calibration' parameter"),
        ({"calibration": True}, "'calibration' parameter"),
        ({"calibration": "auto"}, "'calibration' parameter"),
        ({"calibration": 500}, "n_splits=500"),
        (
            {"calibration": ShuffleSplit(2, test_size=0.5, random_state=0)},
            "of 400 samples [0-9]+ are in none and [0-9]+ in several",
        ),
        ({"calibration": TimeSeriesSplit(3)}, "100 are in none and 0 in several"),
        ({"calibration": 0.2, "contamination": 0.01}, "at least 99 calibration sam"),
        ({"calibration": 2, "contamination": 1e-3}, "at least 999 calibration sam"),
        ({"outlier_score": lambda X, X_hat, Z: 1}, r"returned an array of shape \(\)"),
    ],
)
def test_errors_leave_the_fit_as_it_was(rows, params, message):
    detector = quick().fit(rows)
    before, state = detector.score_samples(rows), set(vars(detector))
    detector.set_params(**params)
    with pytest.raises(ValueError, match=message):
        detector.fit(rows)
    np.testing.assert_array_equal(detector.score_samples(rows), before)
    assert set(vars(detector)) == state
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(rows)


def test_partial_fit_chooses_the_threshold_by_the_parameter(rows):
    detector, other = (quick(contamination=0.1).fit(rows[:200]) for _ in range(2))
    detector.set_threshold(0.3).partial_fit(rows[200:])
    assert detector.offset_ == other.partial_fit(rows[200:]).offset_


@pytest.mark.parametrize("contamination", [0, 0.6, "none", None])
def test_set_threshold_to_something_else(of_kind, contamination):
    offset = of_kind.offset_
    with pytest.raises(ValueError, match="'contamination' parameter of set_threshold"):
        of_kind.set_threshold(contamination)
    assert of_kind.offset_ == offset


def test_drift_by_folds_is_none_of_networks():
    """Networks of few samples score them lower than the final network does."""
    rng = np.random.RandomState(0)
    X, X_new = rng.normal(size=(60, 20)), rng.normal(size=(1000, 20))
    detector = quick(n_components=10, calibration=2).fit(X)
    assert detector.test_drift(X_new).pvalue > 0.05
    assert detector.test_drift(X_new * 1.2).pvalue < 1e-6
    da = pytest.importorskip("dask.array")
    lazy = da.from_array(X_new, chunks=(400, -1))
    assert detector.test_drift(lazy).pvalue > 0.05


@pytest.mark.parametrize("method", ["predict_pvalue", "select_outliers", "test_drift"])
def test_pvalues_need_calibration(of_kind, rows, method):
    assert not hasattr(of_kind, method)
    with pytest.raises(AttributeError) as caught:
        getattr(of_kind, method)(rows)
    assert "calibration=0.2 or calibration=5" in str(caught.value.__cause__)


def test_not_fitted(rows):
    detector = AutoencoderOutlierDetector(calibration=3)
    for method in (
        "predict",
        "score_samples",
        "decision_function",
        "explain",
        "predict_pvalue",
        "select_outliers",
        "test_drift",
    ):
        with pytest.raises(NotFittedError):
            getattr(detector, method)(rows)
    with pytest.raises(NotFittedError):
        detector.set_threshold(0.1)


def test_a_callable_score_cannot_change_the_samples(rows):
    def score(X, X_hat, Z):
        X -= X_hat
        return (X**2).sum(axis=1)

    samples = rows.copy()
    quick(outlier_score=score).fit(samples).score_samples(samples)
    np.testing.assert_array_equal(samples, rows)


def test_a_shuffled_splitter_without_a_seed_follows_random_state(rows):
    before = np.random.get_state()[1].copy()
    offsets = [
        quick(calibration=KFold(2, shuffle=True), random_state=0).fit(rows).offset_
        for _ in range(2)
    ]
    assert offsets[0] == offsets[1]
    np.testing.assert_array_equal(np.random.get_state()[1], before)
