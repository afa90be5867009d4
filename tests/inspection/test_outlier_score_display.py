import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae.inspection import OutlierScoreDisplay

SCORES = np.array([-1.0, -2.0, -3.0, -4.0, -8.0, -9.0])


def counts(display):
    return {
        name: patch.get_data().values.sum()
        for name, patch in display.histograms_.items()
    }


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_one_sample():
    display = OutlierScoreDisplay.from_predictions(SCORES, threshold=-5, bins=4)
    assert counts(display) == {"All samples": 6}
    patch = display.histograms_["All samples"]
    values, edges, _ = patch.get_data()
    np.testing.assert_array_equal(values, np.histogram(SCORES, edges)[0])
    assert set(display.threshold_line_.get_xdata()) == {-5}
    assert legend(display) == [
        "All samples (6, 33.3% below the threshold)",
        "Threshold (\N{MINUS SIGN}5)",
    ]
    assert display.ax_.get_xlabel() == "Score (higher is more normal)"
    assert display.ax_.get_ylabel() == "Samples"


@pytest.mark.parametrize(
    "y", [[1, 1, 1, 1, -1, -1], [0, 0, 0, 0, 1, 1], np.arange(6) > 3]
)
def test_inliers_and_outliers(y):
    display = OutlierScoreDisplay.from_predictions(SCORES, y, threshold=-3.5)
    assert counts(display) == pytest.approx({"Inliers": 1, "Outliers": 1})
    patch = display.histograms_["Outliers"]
    values, edges, _ = patch.get_data()
    np.testing.assert_allclose(values, np.histogram(SCORES[4:], edges)[0] / 2)
    assert legend(display)[:2] == [
        "Inliers (4, 25.0% below the threshold)",
        "Outliers (2, 100.0% below the threshold)",
    ]


def test_kinds_differ_without_colour():
    display = OutlierScoreDisplay.from_predictions(SCORES, [1, 1, 1, 1, -1, -1])
    inliers, outliers = display.histograms_.values()
    assert not inliers.get_hatch()
    assert outliers.get_hatch()


def test_without_a_threshold():
    display = OutlierScoreDisplay.from_predictions(SCORES)
    assert display.threshold_line_ is None
    assert legend(display) == ["All samples (6)"]


def test_scale_of_scores():
    far = np.append(SCORES, -1000)
    assert OutlierScoreDisplay.from_predictions(SCORES).ax_.get_xscale() == "linear"
    display = OutlierScoreDisplay.from_predictions(far)
    assert display.ax_.get_xscale() == "symlog"
    assert counts(display) == {"All samples": 7}
    low, high = display.ax_.get_xlim()
    assert low <= -1000 < -1 <= high
    display.plot(xscale="linear")
    assert display.ax_.get_xscale() == "linear"
    assert OutlierScoreDisplay.from_predictions(-far).ax_.get_xscale() == "linear"
    with pytest.raises(ValueError, match="reach up to 1e\\+03"):
        OutlierScoreDisplay.from_predictions(-far, xscale="log")


def test_all_scores_alike():
    display = OutlierScoreDisplay.from_predictions(np.full(5, -3.0), threshold=-3)
    assert counts(display) == {"All samples": 5}


def test_detectors(X, y, detector):
    pipeline = make_pipeline(StandardScaler(), IsolationForest(random_state=0)).fit(X)
    for estimator, offset in (
        (detector, detector.offset_),
        (pipeline, pipeline[-1].offset_),
        (pipeline[-1], pipeline[-1].offset_),
        (GaussianMixture(random_state=0).fit(X[:, 18:24]), None),
    ):
        rows = X[:, 18:24] if offset is None else X
        display = OutlierScoreDisplay.from_estimator(estimator, rows, y == 0)
        np.testing.assert_array_equal(display.scores, estimator.score_samples(rows))
        assert display.threshold == offset
        assert counts(display) == pytest.approx({"Inliers": 1, "Outliers": 1})


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    "detector",
    [
        OneClassSVM(),  # offset_ is an array
        LocalOutlierFactor(novelty=True),
        EllipticEnvelope(random_state=0),
        IsolationForest(contamination=0.2, random_state=0),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_detectors_of_scikit_learn(X, detector, scaled):
    rows = X[:, 18:24]
    if scaled:
        detector = make_pipeline(StandardScaler(), detector)
    detector.fit(rows)
    display = OutlierScoreDisplay.from_estimator(detector, rows)
    below = display.scores < display.threshold
    np.testing.assert_array_equal(below, detector.predict(rows) == -1)
    assert legend(display)[0].startswith("All samples (300, ")


class HigherIsWorse(BaseEstimator):
    """A detector of PyOD's kind."""

    def fit(self, X, y=None):
        self.threshold_ = np.quantile(self.decision_function(X), 0.9)
        return self

    def decision_function(self, X):
        return np.abs(X).max(axis=1)


def test_detectors_of_pyod(X):
    pipeline = make_pipeline(StandardScaler(), HigherIsWorse())
    with pytest.raises(TypeError, match="threshold_ as PyOD's fitted detectors"):
        OutlierScoreDisplay.from_estimator(pipeline[-1], X)
    pipeline.fit(X)
    display = OutlierScoreDisplay.from_estimator(pipeline, X)
    np.testing.assert_array_equal(display.scores, -pipeline.decision_function(X))
    assert display.threshold == -pipeline[-1].threshold_
    outliers = pipeline.decision_function(X) > pipeline[-1].threshold_
    np.testing.assert_array_equal(display.scores < display.threshold, outliers)
    assert 25 < outliers.sum() <= 30


def test_in_axes_of_the_user(beside):
    display = OutlierScoreDisplay.from_predictions(SCORES, ax=beside)
    assert display.ax_ is beside
    assert display.figure_ is beside.figure


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"y": [1, 1, 1, 1, 2, 2]}, r"y holds \[1, 2\], but 1 for inliers and -1"),
        ({"y": [1] * 6}, r"y holds \[1\], but .* samples of both"),
        ({"y": [0] * 6}, "Leave y out"),
        ({"y": list("aabbab")}, r"y holds \['a', 'b'\]"),
        ({"y": [1, -1]}, "y has 2 labels, but there are 6 samples"),
        ({"xscale": "cubic"}, "xscale='cubic', but"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        OutlierScoreDisplay.from_predictions(SCORES, **params)


def test_estimators_that_cannot(X):
    class NoDetector(BaseEstimator):
        pass

    with pytest.raises(TypeError, match="NoDetector has no score_samples"):
        OutlierScoreDisplay.from_estimator(NoDetector(), X)


def test_pca_scores_too(X):
    # By likelihood, and without a threshold.
    display = OutlierScoreDisplay.from_estimator(PCA(5).fit(X), X)
    assert display.threshold is None
