import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.inspection import SeriesScoreDisplay
from skae.series import WindowedOutlierDetector


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.RandomState(0)
    index = pd.date_range("2024-01-01", periods=120, freq="h")
    return pd.DataFrame(rng.normal(size=(120, 2)), index, ["speed", "load"])


@pytest.fixture(scope="module")
def detector(frame):
    forest = IsolationForest(n_estimators=5, random_state=0)
    return WindowedOutlierDetector(forest, 5, contamination=0.1).fit(frame)


def test_channels_scores_and_threshold(detector, frame):
    display = SeriesScoreDisplay.from_estimator(detector, frame)
    assert [ax.get_ylabel() for ax in display.axes_] == ["speed", "load", "Score"]
    scores = detector.score_samples(frame)
    np.testing.assert_array_equal(display.score_line_.get_ydata(), scores)
    np.testing.assert_array_equal(display.channel_lines_[1].get_ydata(), frame.load)
    assert set(display.threshold_line_.get_ydata()) == {detector.offset_}
    assert display.axes_[-1].get_xlabel() == "Time"
    texts = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert texts[1:] == ["Predicted outliers"]
    outliers = np.concatenate(
        [np.arange(first, last + 1) for first, last in display.intervals]
    )
    np.testing.assert_array_equal(
        outliers, np.flatnonzero(detector.predict(frame) == -1)
    )
    assert len(display.axes_[0].patches) == len(display.intervals) > 1


@pytest.mark.parametrize("kind", ["periods", "zone", "array", "polars", "letters"])
def test_kinds_of_series(detector, frame, kind):
    X = {
        "periods": frame.set_axis(frame.index.to_period("h")),
        "zone": frame.tz_localize("Europe/Berlin"),
        "array": frame.to_numpy(),
        "polars": pl.from_pandas(frame),
        "letters": frame.set_axis([f"step {i}" for i in range(120)]),
    }[kind]
    fitted = detector
    if kind == "array":
        fitted = WindowedOutlierDetector(detector.detector, 5, contamination=0.1).fit(X)
    display = SeriesScoreDisplay.from_estimator(fitted, X)
    expected = SeriesScoreDisplay.from_estimator(detector, frame)
    assert display.intervals == expected.intervals
    is_time = kind in ("periods", "zone")
    assert display.axes_[-1].get_xlabel() == ("Time" if is_time else "Step")
    display.figure_.canvas.draw()


def test_pipeline(detector, frame):
    pipeline = make_pipeline(StandardScaler(), clone(detector)).fit(frame)
    display = SeriesScoreDisplay.from_estimator(pipeline, frame)
    outliers = np.concatenate(
        [np.arange(first, last + 1) for first, last in display.intervals]
    )
    np.testing.assert_array_equal(
        outliers, np.flatnonzero(pipeline.predict(frame) == -1)
    )


def test_known_outliers_are_bars_at_the_edge():
    y = [1, 1, -1, -1, 1, -1]
    display = SeriesScoreDisplay.from_predictions(np.arange(6.0), -np.ones(6), y)
    for ax in display.axes_:
        assert len(ax.patches) == 2
        assert all(bar.get_y() == 0.93 for bar in ax.patches)
    assert display.threshold_line_ is None
    texts = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert texts == ["Known outliers"]


def test_nothing_is_marked():
    display = SeriesScoreDisplay.from_predictions(pd.Series([1, 2]), [-1, -2])
    assert not display.figure_.legends
    assert not display.axes_[0].patches


@pytest.mark.parametrize(
    ("lowest", "yscale", "expected"),
    [
        (-10, "auto", "linear"),
        (-1e4, "auto", "symlog"),
        (-1e4, "linear", "linear"),
        (-10, "symlog", "symlog"),
    ],
)
def test_scale_of_scores(lowest, yscale, expected):
    display = SeriesScoreDisplay.from_predictions(
        np.arange(4.0), [-1, lowest, -2, -1], threshold=-3, yscale=yscale
    )
    assert display.axes_[-1].get_yscale() == expected
    display.figure_.canvas.draw()


def test_the_first_channels_are_drawn():
    X = np.random.RandomState(0).normal(size=(10, 9))
    display = SeriesScoreDisplay.from_predictions(X, -(X[:, 0] ** 2), max_channels=2)
    assert [ax.get_ylabel() for ax in display.axes_] == ["x0", "x1", "Score"]
    assert "the first 2 of 9 channels" in display.figure_.get_suptitle()


def test_own_axes_are_divided(detector, frame):
    figure, ax = plt.subplots()
    display = SeriesScoreDisplay.from_estimator(detector, frame, ax=ax)
    assert display.figure_ is figure
    assert len(display.axes_) == 3


def test_steps_without_a_score():
    scores = [np.nan, -1, -2, np.nan]
    display = SeriesScoreDisplay.from_predictions(np.arange(4.0), scores)
    np.testing.assert_array_equal(display.score_line_.get_ydata(), scores)
    with pytest.raises(ValueError, match="all scores are NaN"):
        SeriesScoreDisplay.from_predictions(np.arange(2.0), [np.nan, np.nan])


def test_bad_input(frame):
    draw = SeriesScoreDisplay.from_predictions
    with pytest.raises(ValueError, match="3 scores, but 4 steps"):
        draw(np.arange(4.0), [1, 2, 3])
    with pytest.raises(ValueError, match="y has 3 labels"):
        draw(np.arange(2.0), [1, 2], [0, 1, 1])
    with pytest.raises(ValueError, match="threshold=nan"):
        draw(np.arange(2.0), [1, 2], threshold=np.nan)
    with pytest.raises(ValueError, match="max_channels=0"):
        draw(np.arange(2.0), [1, 2], max_channels=0)
    with pytest.raises(ValueError, match="yscale='log'"):
        draw(np.arange(2.0), [1, 2], yscale="log")
    with pytest.raises(TypeError, match="IsolationForest has no find_intervals"):
        SeriesScoreDisplay.from_estimator(IsolationForest().fit(frame), frame)
