import matplotlib.pyplot as plt
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

from skae import AutoencoderOutlierDetector
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
    assert display.ax_.get_xscale() == "function"
    assert counts(display) == {"All samples": 7}
    low, high = display.ax_.get_xlim()
    assert low <= -1000 < -1 <= high
    display.plot(xscale="linear")
    assert display.ax_.get_xscale() == "linear"
    # A threshold may be as far away, and scores of any sign.
    for scores, threshold in ((SCORES, -1e6), (-far, None)):
        display = OutlierScoreDisplay.from_predictions(scores, threshold=threshold)
        assert display.ax_.get_xscale() == "function"
    forced = OutlierScoreDisplay.from_predictions(SCORES, xscale="log")
    assert forced.ax_.get_xscale() == "function"


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
        ({"y": [None] * 6}, r"y holds \[None\]"),
        ({"xscale": "cubic"}, "xscale='cubic', but"),
        ({"bins": 0}, "bins=0, but a positive int was expected"),
        ({"bins": "sqrt"}, "bins='sqrt', but a positive int"),
        ({"bins": [1, 2]}, r"bins=\[1, 2\], but a positive int"),
        ({"threshold": np.nan}, "threshold=nan, but a finite number"),
        ({"threshold": "low"}, "threshold='low', but a finite number"),
        ({"pvalues": [2.0] * 6}, r"pvalues are from 2 to 2, but .* \[0, 1\]"),
        ({"pvalues": [np.nan] * 6}, "pvalues contains NaN"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        OutlierScoreDisplay.from_predictions(SCORES, **params)


@pytest.mark.parametrize("n_samples", [4, 12, 20])
def test_counts_are_whole_numbers(n_samples):
    scores = np.sin(np.arange(n_samples))
    display = OutlierScoreDisplay.from_predictions(scores)
    ticks = display.ax_.get_yticks()
    np.testing.assert_array_equal(ticks, ticks.round())


@pytest.mark.parametrize("kind", ["histogram", "ranks"])
def test_legend_hides_no_scores_in_small_axes(kind):
    scores = np.sort(np.random.RandomState(0).normal(size=100))
    _, axes = plt.subplots(2, 2, figsize=(9, 5), layout="constrained")
    for ax in axes.flat:
        display = OutlierScoreDisplay.from_predictions(
            scores, threshold=-1.0, kind=kind, ax=ax
        )
    display.figure_.canvas.draw()
    ax = display.ax_
    if kind == "histogram":
        highest = display.histograms_["All samples"].get_data().values.max()
    else:
        highest = scores.max()
    top = ax.transData.transform((0.5, highest))[1]
    assert ax.get_legend().get_window_extent().y0 > top


def test_estimators_that_cannot(X):
    class NoDetector(BaseEstimator):
        pass

    with pytest.raises(TypeError, match="NoDetector has no score_samples"):
        OutlierScoreDisplay.from_estimator(NoDetector(), X)


def test_pca_scores_too(X):
    # By likelihood, and without a threshold.
    display = OutlierScoreDisplay.from_estimator(PCA(5).fit(X), X)
    assert display.threshold is None


# The bulk of the scores, and outliers a million times as far away.
BULK = -np.random.RandomState(0).gamma(3, 2, 400)
FAR = {
    "anomalies": np.append(BULK, -1e6 * np.arange(1, 9)),
    "log-likelihoods": np.append(BULK / 10 - 30, -1e6 * np.arange(1, 9)),
    "many far": np.append(BULK, -1e6 * np.arange(1, 161)),
    "float32": np.append(BULK, -1e6 * np.arange(1, 9)).astype(np.float32),
}


@pytest.mark.parametrize("name", FAR)
def test_the_bulk_is_seen_beside_far_outliers(name):
    scores = FAR[name]
    display = OutlierScoreDisplay.from_predictions(scores)
    values, edges, _ = display.histograms_["All samples"].get_data()
    assert values.sum() == len(scores)
    assert (values[edges[:-1] > -1e4] > 0).sum() >= 5
    low, high = display.ax_.get_xlim()
    ticks = display.ax_.get_xticks()
    assert ((low <= ticks) & (ticks <= high)).sum() >= 4
    assert (ticks > -1e3).any()
    assert (ticks < -1e3).any()


@pytest.mark.parametrize("kind", ["histogram", "ranks"])
@pytest.mark.parametrize("xscale", ["auto", "linear", "log"])
@pytest.mark.filterwarnings("error")
def test_scores_of_very_different_size(kind, xscale):
    for scores in (
        np.append(BULK, -1e30),
        np.append(BULK, [-1e200, 1e200]),
        -(10.0 ** np.linspace(-150, 150, 100)),
        1e-305 * BULK,
        np.array([0, 5e-324]),
    ):
        display = OutlierScoreDisplay.from_predictions(
            scores, kind=kind, xscale=xscale, threshold=-4e-300
        )
        display.figure_.canvas.draw()
        limits = display.ax_.get_xlim() if kind == "histogram" else ()
        assert np.isfinite([*limits, *display.ax_.get_ylim()]).all()


def test_the_bulk_is_seen_beside_an_outlier_beyond_all_bounds():
    display = OutlierScoreDisplay.from_predictions(np.append(BULK, -1e30))
    values, edges, _ = display.histograms_["All samples"].get_data()
    assert (values[edges[:-1] > -1e3] > 0).sum() >= 2
    assert (display.ax_.get_xticks() > -1e3).any()


@pytest.mark.parametrize("kind", ["histogram", "ranks"])
@pytest.mark.filterwarnings("error")
def test_scores_that_are_too_large(kind):
    message = "are as large as 1e\\+308 in absolute value, but at most 1e\\+200"
    for scores, threshold in (
        (np.append(SCORES, -1e308), None),
        (np.append(SCORES, [1e308, -1e308]), None),
        (SCORES, -1e308),
    ):
        with pytest.raises(ValueError, match=message):
            OutlierScoreDisplay.from_predictions(scores, threshold=threshold, kind=kind)


@pytest.mark.parametrize("value", [0.0, -1e-9, 3e5])
def test_equal_scores_have_a_range_of_their_size(value):
    display = OutlierScoreDisplay.from_predictions([value] * 3, threshold=value)
    assert counts(display) == {"All samples": 3}
    low, high = display.ax_.get_xlim()
    assert low < value < high
    assert high - low < (abs(value) or 3)


@pytest.mark.parametrize("kind", ["histogram", "ranks"])
def test_equal_scores_beside_a_threshold(kind):
    display = OutlierScoreDisplay.from_predictions(
        [-2.0] * 5, threshold=-3.0, kind=kind
    )
    axis = display.ax_.xaxis if kind == "histogram" else display.ax_.yaxis
    assert axis.get_scale() == "linear"


def test_number_of_bins():
    def n_bins(scores, **params):
        display = OutlierScoreDisplay.from_predictions(scores, **params)
        return len(display.histograms_["All samples"].get_data().values)

    assert n_bins(SCORES) == 10
    assert n_bins(BULK) == 29
    assert n_bins(np.arange(5000.0)) == 40
    assert n_bins(SCORES, bins=7) == 7


def test_scores_in_ascending_order():
    display = OutlierScoreDisplay.from_predictions(BULK, threshold=-12.0, kind="ranks")
    (line,) = display.rank_lines_.values()
    np.testing.assert_array_equal(line.get_ydata(), np.sort(BULK))
    np.testing.assert_allclose(line.get_xdata(), np.arange(1, 401) / 400)
    assert set(display.threshold_line_.get_ydata()) == {-12}
    # The share at which the curve crosses the threshold is the one in the legend.
    below = line.get_xdata()[line.get_ydata() < -12].max()
    assert below == np.mean(BULK < -12)
    assert f"{below:.1%} below the threshold" in legend(display)[0]
    assert not display.histograms_
    assert display.ax_.get_xlabel() == "Share of samples that score no higher"
    assert display.ax_.get_title() == "Outlier scores in ascending order"


def test_classes_in_ascending_order():
    y = np.array([1, 1, -1, 1, 1, -1])
    display = OutlierScoreDisplay.from_predictions(SCORES, y, kind="ranks")
    inliers, outliers = display.rank_lines_.values()
    np.testing.assert_array_equal(outliers.get_xdata(), [1 / 6, 4 / 6])
    np.testing.assert_array_equal(outliers.get_ydata(), [-9, -3])
    assert inliers.get_marker() != outliers.get_marker()


def test_far_outliers_in_ascending_order(assert_texts_apart):
    display = OutlierScoreDisplay.from_predictions(FAR["anomalies"], kind="ranks")
    assert display.ax_.get_yscale() == "function"
    assert_texts_apart(display.figure_)


def test_p_values(X):
    detector = AutoencoderOutlierDetector(
        3, epochs=1, calibration=0.5, contamination=0.1, random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), detector).fit(X)
    display = OutlierScoreDisplay.from_estimator(pipeline, X)
    p_values = pipeline[-1].predict_pvalue(pipeline[0].transform(X))
    np.testing.assert_array_equal(display.pvalues, p_values)
    axis = display.pvalue_ax_
    assert axis.get_xlabel() == "P-value"
    assert axis.get_xlim() == pytest.approx(display.ax_.get_xlim())
    labels = [float(label.get_text()) for label in axis.get_xticklabels()]
    assert 0.5 in labels
    for place, level in zip(axis.get_xticks(), labels, strict=True):
        np.testing.assert_array_equal(display.scores <= place, p_values <= level)
    assert OutlierScoreDisplay.from_predictions(SCORES).pvalue_ax_ is None
    with pytest.raises(ValueError, match="There are 1 pvalues, but 6 scores"):
        OutlierScoreDisplay.from_predictions(SCORES, pvalues=[0.5])


def test_p_values_have_room(assert_texts_apart):
    ranks = BULK.argsort().argsort()
    for scores in (BULK, np.append(BULK[:-1], -1e5)):
        display = OutlierScoreDisplay.from_predictions(
            scores, threshold=-12, pvalues=(ranks + 1) / 400
        )
        assert_texts_apart(display.figure_)


def test_kind_is_checked():
    with pytest.raises(ValueError, match="kind='rank', but 'histogram' or 'ranks'"):
        OutlierScoreDisplay.from_predictions(SCORES, kind="rank")
