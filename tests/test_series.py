import copy
import inspect
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import TRUSTED_TYPES, AutoencoderOutlierDetector
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    RecurrentArchitecture,
)
from skae.metrics import outlier_roc_auc_scorer
from skae.series import WindowedOutlierDetector

N_TRAIN = 400
ROWS_MATTER = "a step is scored with the steps before and after it"
# Why some of scikit-learn's common checks do not hold for time series.
NOT_FOR_SERIES = {
    "check_methods_sample_order_invariance": ROWS_MATTER,
    "check_methods_subset_invariance": ROWS_MATTER,
    "check_fit1d": "an array of one dimension is a series of one channel",
}


def flat_forest():
    return IsolationForest(n_estimators=10, random_state=0)


def small_autoencoder(architecture=None, **parameters):
    return AutoencoderOutlierDetector(
        architecture=architecture, epochs=3, random_state=0, **parameters
    )


def machine(n_steps, seed=0):
    """Three channels of a machine that repeats itself every 20 steps."""
    rng = np.random.RandomState(seed)
    angle = 2 * np.pi * np.arange(n_steps) / 20
    courses = [np.sin(angle), np.cos(angle), np.sin(angle) + np.cos(angle)]
    return np.array([1, 10, 100]) * (
        np.stack(courses, axis=1) + rng.normal(0, 0.1, (n_steps, 3))
    )


@pytest.fixture(scope="module")
def series():
    return machine(N_TRAIN)


@pytest.fixture(scope="module")
def faulty():
    """A new series, with a channel out of step in 100 to 139."""
    X = machine(300, seed=1)
    X[100:140, 1] = X[90:130, 1]
    return X


@pytest.fixture(scope="module")
def detector(series):
    """Fitted; a test that changes it takes a copy."""
    return WindowedOutlierDetector(small_autoencoder(), window_length=16).fit(series)


@pytest.fixture(scope="module")
def forest(series):
    return WindowedOutlierDetector(flat_forest(), window_length=16).fit(series)


@pytest.fixture
def frame(series):
    index = pd.date_range("2024-01-01", periods=len(series), freq="min")
    return pd.DataFrame(series, columns=["a", "b", "c"], index=index)


@pytest.mark.no_cover
@parametrize_with_checks(
    [WindowedOutlierDetector(flat_forest(), window_length=3)],
    expected_failed_checks=lambda _: NOT_FOR_SERIES,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# Where does a score of a step come from?


class DistanceFromStart(OutlierMixin, BaseEstimator):
    """Scores a window by its first value: what it is made of can be told."""

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return -X[:, 0]


def by_hand(series, window_length, stride):
    """Mean of what the windows that hold a step score."""
    starts = list(range(0, len(series) - window_length + 1, stride))
    if starts[-1] != len(series) - window_length:
        starts.append(len(series) - window_length)
    scaled = (series - series.mean()) / series.std()
    return [
        np.mean([-scaled[s] for s in starts if s <= step < s + window_length])
        for step in range(len(series))
    ]


@pytest.mark.parametrize("stride", [1, 3, 4, 50])
def test_step_has_mean_of_its_windows(stride):
    series = np.random.RandomState(0).normal(size=30)
    meta = WindowedOutlierDetector(DistanceFromStart(), 4, stride).fit(series)
    expected = by_hand(series, 4, min(stride, 4))
    np.testing.assert_allclose(meta.score_samples(series), expected)


def test_step_has_window_that_ends_with_it():
    series = np.random.RandomState(0).normal(size=30)
    meta = WindowedOutlierDetector(DistanceFromStart(), 4, aggregation="last")
    scaled = (series - series.mean()) / series.std()
    expected = -np.concatenate([np.repeat(scaled[0], 3), scaled[:-3]])
    np.testing.assert_allclose(meta.fit(series).score_samples(series), expected)


def test_parts_of_windows_are_scored_as_the_whole(detector, faulty, monkeypatch):
    whole = detector.score_samples(faulty), detector.explain(faulty)
    monkeypatch.setattr("skae.series._PART_SIZE", 16 * 3 * 40)
    parts = detector.score_samples(faulty), detector.explain(faulty)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_fit_takes_windows_evenly_where_there_are_many(series, monkeypatch):
    class Recorder(DistanceFromStart):
        def fit(self, X, y=None):
            self.taken_ = X
            return self

    def taken(stride):
        meta = WindowedOutlierDetector(Recorder(), 10, stride).fit(series)
        return meta.detector_.taken_

    every, distant = taken(1), taken(30)
    assert every.shape == (391, 30)
    np.testing.assert_array_equal(distant, every[::30])
    monkeypatch.setattr("skae.series._MAX_TRAINING_WINDOWS", 50)
    np.testing.assert_array_equal(taken(1), every[::8])


def test_faults_score_lowest(detector, forest, faulty):
    inside = np.isin(np.arange(300), range(95, 145))
    for meta in (detector, forest):
        scores = meta.score_samples(faulty)
        assert scores.shape == (300,)
        assert scores[105:135].max() < np.median(scores[~inside])
        decisions = meta.decision_function(faulty)
        np.testing.assert_array_equal(decisions, scores - meta.offset_)
        np.testing.assert_array_equal(
            meta.predict(faulty), np.where(decisions < 0, -1, 1)
        )


def test_a_spike_is_found_at_its_step(detector):
    new = machine(100, seed=2)
    new[50, 2] += 800
    assert detector.score_samples(new).argmin() == 50
    assert detector.explain(new)[50].argmax() == 2


@pytest.mark.parametrize("factor", [1e-9, 1e6])
def test_units_do_not_matter(forest, series, faulty, factor):
    scaled = clone(forest).fit(series * factor)
    np.testing.assert_allclose(
        scaled.score_samples(faulty * factor), forest.score_samples(faulty)
    )


@pytest.mark.parametrize(
    "inner",
    [
        OneClassSVM(),
        LocalOutlierFactor(novelty=True),
        small_autoencoder(ConvolutionalArchitecture((4,), rank=1)),
        small_autoencoder(RecurrentArchitecture(units=4)),
        small_autoencoder(outlier_score=lambda X, X_hat, Z: ((X - X_hat) ** 2).sum(1)),
    ],
    ids=["svm", "lof", "convolutional", "recurrent", "callable"],
)
def test_any_detector_of_windows(inner, series, faulty):
    meta = WindowedOutlierDetector(inner, window_length=16).fit(series)
    assert np.isfinite(meta.score_samples(faulty)).all()
    assert not hasattr(inner, "offset_")  # it was cloned


def test_default_detector_is_an_autoencoder(series):
    meta = WindowedOutlierDetector(window_length=4).fit(series[:60])
    assert isinstance(meta.detector_, AutoencoderOutlierDetector)


# Kinds of series.


def test_containers_of_one_channel():
    values = np.random.RandomState(0).normal(size=60)
    meta = WindowedOutlierDetector(flat_forest(), 5).fit(values)
    expected = meta.score_samples(values)
    for kind in (
        values[:, np.newaxis],
        values.tolist(),
        pd.Series(values),
        pl.Series(values),
    ):
        np.testing.assert_array_equal(meta.score_samples(kind), expected)
    named = clone(meta).fit(pd.Series(values, name="speed"))
    assert list(named.feature_names_in_) == ["speed"]
    np.testing.assert_array_equal(
        named.score_samples(pl.Series("speed", values)), expected
    )


def test_containers_of_channels(forest, series, frame):
    expected = forest.score_samples(series)
    fitted = clone(forest).fit(frame)
    for kind in (frame, pl.from_pandas(frame), frame.reset_index(drop=True)):
        np.testing.assert_array_equal(fitted.score_samples(kind), expected)
    np.testing.assert_array_equal(forest.score_samples(series.tolist()), expected)


def test_explanations_are_tables_as_series_are(series, frame):
    meta = WindowedOutlierDetector(small_autoencoder(), 8).fit(frame[:200])
    explained = meta.explain(frame[:50])
    pd.testing.assert_index_equal(explained.index, frame.index[:50])
    assert list(explained.columns) == ["a", "b", "c"]
    assert meta.explain(pl.from_pandas(frame[:50])).columns == ["a", "b", "c"]


def test_windows_do_not_cross_from_one_series_to_the_next(series):
    whole = WindowedOutlierDetector(flat_forest(), 10)
    one, two = series[:150], series[250:]
    time = pd.date_range("2024", periods=400, freq="min")
    with_gap = pd.DataFrame(np.concatenate([one, two])).set_axis(
        np.delete(time, range(150, 250))
    )
    scores = whole.fit([one, two]).score_samples(one)
    with pytest.warns(UserWarning, match=r"1 gap\(s\)"):
        split = clone(whole).fit(with_gap)
    np.testing.assert_array_equal(split.score_samples(one), scores)
    np.testing.assert_array_equal(
        clone(whole).fit((one, two)).score_samples(one), scores
    )


def test_list_of_tables(frame):
    meta = WindowedOutlierDetector(flat_forest(), 10)
    parts = [frame[:150], frame[200:]]
    scores = meta.fit(parts).score_samples(frame)
    assert list(meta.feature_names_in_) == ["a", "b", "c"]
    meta.fit([pl.from_pandas(part) for part in parts])
    np.testing.assert_array_equal(meta.score_samples(frame), scores)
    speeds = [part.a for part in parts]
    assert list(meta.fit(speeds).feature_names_in_) == ["a"]


def test_nullable_numbers(frame):
    meta = WindowedOutlierDetector(flat_forest(), 10).fit(frame)
    holes = frame.copy()
    holes.iloc[5:8, 0] = np.nan
    np.testing.assert_array_equal(
        meta.score_samples(holes.convert_dtypes()), meta.score_samples(holes)
    )


def test_dtype_is_kept(forest, series):
    assert forest.score_samples(series).dtype == np.float64
    assert forest.score_samples(series.astype("float32")).dtype == np.float32


def test_list_of_series_is_for_fit_alone(forest, series):
    with pytest.raises(ValueError, match="list of 2 series, but one series"):
        forest.score_samples([series, series])


# Window length.


@pytest.mark.parametrize(("period", "expected"), [(20, 32), (50, 50), (None, 96)])
def test_window_length_is_the_period(period, expected):
    noise = np.random.RandomState(0).normal(size=600)
    course = 5 * np.sin(2 * np.pi * np.arange(600) / period) if period else 0
    meta = WindowedOutlierDetector(flat_forest(), stride=50)
    assert meta.fit(course + noise).window_length_ == expected


def test_window_length_of_few_steps():
    few = WindowedOutlierDetector(flat_forest())
    assert few.fit(np.arange(10.0)).window_length_ == 2
    assert few.fit(np.ones(60)).window_length_ == 12
    assert few.fit([5.0]).window_length_ == 1


def test_series_shorter_than_a_window(forest, series):
    with pytest.raises(ValueError, match="longest series has n_samples=5 steps, but a"):
        forest.score_samples(series[:5])
    with pytest.raises(ValueError, match="longest series has n_samples=5 steps, but a"):
        clone(forest).fit(series[:5])
    with pytest.warns(UserWarning, match="5 steps are in runs shorter than a window"):
        clone(forest).fit([series, series[:5]])


def test_changed_channels(forest, series, frame):
    with pytest.raises(ValueError, match=r"2 features, but .* expecting 3"):
        forest.score_samples(series[:, :2])
    with pytest.raises(ValueError, match=r"2 features, but .* expecting 3"):
        clone(forest).fit([series, series[:, :2]])
    fitted = clone(forest).fit(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="'time'"):
        clone(forest).fit(frame.rename_axis("time").reset_index())


def test_failed_fit_leaves_the_detector_as_it_was(forest, series, faulty):
    meta = copy.deepcopy(forest)
    with pytest.raises(ValueError, match="longest series has n_samples=5"):
        meta.fit(series[:5, :2])
    np.testing.assert_array_equal(
        meta.score_samples(faulty), forest.score_samples(faulty)
    )


# Streams.


@pytest.mark.parametrize("inner", [flat_forest(), small_autoencoder()])
def test_next_steps_score_as_in_the_series(inner, series, faulty):
    meta = WindowedOutlierDetector(inner, 16, stride=5, aggregation="last").fit(series)
    scores = meta.score_samples(faulty)
    for n_new in (1, 7):
        stream = np.concatenate(
            [
                meta.score_next(faulty[i - 15 : i + n_new])
                for i in range(15, 300 - n_new, n_new)
            ]
        )
        np.testing.assert_allclose(stream, scores[15 : 15 + len(stream)], rtol=1e-4)


def test_next_steps_need_the_last_window(forest, series):
    with pytest.raises(ValueError, match="aggregation='last', but it is 'mean'"):
        forest.score_next(series)
    last = clone(forest).set_params(aggregation="last").fit(series)
    with pytest.raises(ValueError, match="n_samples=15 steps, but a window has 16"):
        last.score_next(series[:15])


# Thresholds.


def test_threshold_on_training_steps(series):
    meta = WindowedOutlierDetector(flat_forest(), 10, contamination=0.1).fit(series)
    assert np.mean(meta.predict(series) == -1) == pytest.approx(0.1, abs=0.01)


def test_threshold_on_later_steps(series):
    """The later block is not fitted on, and sets the threshold alone."""
    changed = series.copy()
    changed[300:] += 100
    parameters = {"contamination": 0.1, "calibration": 0.25}
    meta = WindowedOutlierDetector(flat_forest(), 10, **parameters).fit(changed)
    np.testing.assert_allclose(meta.scaler_.mean_, series[:300].mean(axis=0))
    later = meta.predict(changed[300:])
    assert np.mean(later == -1) == pytest.approx(0.1, abs=0.02)
    assert meta.offset_ < meta.score_samples(series[:300]).min()


def test_too_few_later_steps(series):
    meta = WindowedOutlierDetector(
        flat_forest(), 10, contamination=0.01, calibration=0.1
    )
    with pytest.raises(ValueError, match="contamination"):
        meta.fit(series)


# Intervals.


def test_intervals_are_runs_of_outliers(detector, faulty):
    found = detector.find_intervals(faulty)
    assert list(found.columns) == ["start", "end", "peak", "score", "channel"]
    is_outlier = np.zeros(len(faulty), bool)
    decisions = detector.decision_function(faulty)
    for row in found.itertuples():
        assert row.start <= row.peak <= row.end
        assert row.score == decisions[row.start : row.end + 1].min()
        assert not is_outlier[max(row.start - 1, 0)]
        is_outlier[row.start : row.end + 1] = True
    np.testing.assert_array_equal(is_outlier, decisions < 0)
    longest = found.loc[(found.end - found.start).idxmax()]
    assert longest.channel == 1
    assert 90 <= longest.peak < 150


def test_intervals_have_the_time_index(frame):
    meta = WindowedOutlierDetector(flat_forest(), 8, contamination=0.05).fit(frame)
    found = meta.find_intervals(frame)
    assert found[["start", "end", "peak"]].isin(frame.index).all(axis=None)
    assert found.channel.isna().all()  # a forest explains nothing
    speed = frame[["a"]]
    assert set(clone(meta).fit(speed).find_intervals(speed).channel) == {"a"}


def test_no_intervals(forest, series):
    quiet = copy.deepcopy(forest)
    quiet.offset_ = -1e9
    assert quiet.find_intervals(series).shape == (0, 5)


def test_contributions_sum_to_the_anomaly(detector, faulty):
    contributions = detector.explain(faulty)
    assert contributions.shape == faulty.shape
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(faulty), rtol=1e-6
    )
    assert contributions[110:130].sum(axis=0).argmax() == 1


def test_explain_needs_contributions(forest):
    assert not hasattr(forest, "explain")
    assert hasattr(WindowedOutlierDetector(), "explain")
    callable_score = small_autoencoder(outlier_score=lambda X, X_hat, Z: X[:, 0])
    assert not hasattr(WindowedOutlierDetector(callable_score), "explain")


# Time.


def test_gaps_are_not_crossed(frame):
    meta = WindowedOutlierDetector(DistanceFromStart(), 10)
    meta.fit(frame)
    parts = frame[:100], frame[150:]
    with pytest.warns(UserWarning, match=r"has 1 gap\(s\): no window crosses them"):
        scores = meta.score_samples(pd.concat(parts))
    alone = np.concatenate([meta.score_samples(part) for part in parts])
    np.testing.assert_array_equal(scores, alone)


def test_runs_shorter_than_a_window_have_no_score(frame, forest):
    fitted = clone(forest).fit(frame)
    holes = frame.drop(frame.index[[100, 105]])
    with pytest.warns(UserWarning, match="4 steps are in runs shorter than a window"):
        scores = fitted.score_samples(holes)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [100, 101, 102, 103]
    with pytest.warns(UserWarning, match=r"2 gap\(s\)"):
        assert (fitted.predict(holes)[100:104] == 1).all()
    with pytest.warns(UserWarning, match=r"2 gap\(s\)"):
        found = fitted.find_intervals(holes)
    assert (found.start != holes.index[101]).all()


def test_gaps_are_missing_cells(frame):
    meta = WindowedOutlierDetector(flat_forest(), 10, gaps="missing").fit(frame)
    filled = frame.copy()
    filled.iloc[100:105] = np.nan
    expected = np.delete(meta.score_samples(filled), range(100, 105))
    with pytest.warns(UserWarning, match=r"1 gap\(s\): steps within those shorter"):
        scores = meta.score_samples(frame.drop(frame.index[100:105]))
    np.testing.assert_array_equal(scores, expected)


def test_long_gaps_are_never_filled(frame):
    meta = WindowedOutlierDetector(flat_forest(), 10, gaps="missing").fit(frame)
    parts = frame[:100], frame[110:]
    with pytest.warns(UserWarning, match=r"1 gap\(s\)"):
        scores = meta.score_samples(pd.concat(parts))
    alone = np.concatenate([meta.score_samples(part) for part in parts])
    np.testing.assert_array_equal(scores, alone)


@pytest.mark.parametrize("kind", ["dates", "zone", "periods", "durations"])
def test_kinds_of_time_index(frame, kind):
    index = {
        "dates": frame.index,
        "zone": frame.index.tz_localize("Europe/Berlin"),
        "periods": frame.index.to_period("min"),
        "durations": frame.index - frame.index[0],
    }[kind]
    meta = WindowedOutlierDetector(flat_forest(), 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meta.fit(frame.set_axis(index))
    with pytest.warns(UserWarning, match=r"1 gap\(s\)"):
        meta.score_samples(frame.set_axis(index).drop(index[50:60]))
    with pytest.raises(ValueError, match="is not sorted"):
        meta.predict(frame.set_axis(index)[::-1])


def test_time_index_has_to_increase(frame):
    meta = WindowedOutlierDetector(flat_forest(), 10)
    with pytest.raises(ValueError, match=r"is not sorted: .*pass X.sort_index"):
        meta.fit(frame.iloc[[1, 0, *range(2, 100)]])
    with pytest.raises(ValueError, match=r"has duplicates: .*duplicated\(\)"):
        meta.fit(frame.iloc[[0, 0, *range(1, 100)]])
    with pytest.raises(ValueError, match="missing times"):
        meta.fit(frame.set_axis([pd.NaT, *frame.index[1:]]))
    meta.fit(frame.reset_index(drop=True)[::-1])  # numbers are no times


def test_missing_cells(series, detector, forest):
    holes = series.copy()
    holes[100:110, 1] = np.nan
    for meta in (detector, forest):
        assert np.isfinite(meta.score_samples(holes)).all()
        assert np.isfinite(clone(meta).fit(holes).score_samples(series)).all()
    with pytest.raises(ValueError, match="NaN"):
        WindowedOutlierDetector(OneClassSVM(), 10).fit(holes)
    with pytest.raises(ValueError, match="infinity"):
        forest.score_samples(np.where(np.isnan(holes), np.inf, holes))


# As other estimators of scikit-learn.


def test_pickle_and_copy(detector, faulty):
    expected = detector.score_samples(faulty)
    for other in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):
        np.testing.assert_array_equal(other.score_samples(faulty), expected)
        assert other.offset_ == detector.offset_


def test_skops(detector, faulty):
    skops_io = pytest.importorskip("skops.io")
    dumped = skops_io.dumps(detector)
    assert set(skops_io.get_untrusted_types(data=dumped)) <= set(TRUSTED_TYPES)
    loaded = skops_io.loads(dumped, trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(
        loaded.decision_function(faulty), detector.decision_function(faulty)
    )


def test_search(series):
    y = np.where(np.arange(N_TRAIN) % 50 < 5, -1, 1)
    meta = WindowedOutlierDetector(
        small_autoencoder(DenseArchitecture((4,))), window_length=8
    )
    grid = {"detector__n_components": [1, 3], "window_length": [4, 8]}
    search = GridSearchCV(
        meta,
        grid,
        scoring=outlier_roc_auc_scorer,
        cv=TimeSeriesSplit(2),
        error_score="raise",
    ).fit(series, y)
    assert set(search.best_params_) == set(grid)
    assert search.predict(series).shape == (N_TRAIN,)


def test_same_seed_same_scores(detector, series, faulty):
    again = clone(detector).fit(series)
    np.testing.assert_array_equal(
        again.score_samples(faulty), detector.score_samples(faulty)
    )


def test_every_parameter_and_attribute_is_documented(forest, frame):
    text = inspect.cleandoc(WindowedOutlierDetector.__doc__)
    described = re.findall(r"^(\w+) :", text[: text.index("See Also")], re.MULTILINE)
    fitted = clone(forest).fit(frame)
    attributes = {a for a in vars(fitted) if a.endswith("_")}
    assert set(described) == {*fitted.get_params(deep=False), *attributes}
