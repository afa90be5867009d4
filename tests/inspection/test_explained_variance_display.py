import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.model_selection import ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer
from skae.inspection import ExplainedVarianceDisplay
from skae.metrics import reconstruction_scorer


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_held_out_scores_of_estimators(digits):
    pipeline = make_pipeline(MinMaxScaler(), PCA(random_state=0))
    estimators = {"PCA": PCA(random_state=0), "scaled": pipeline}
    display = ExplainedVarianceDisplay.from_estimator(
        estimators, digits, n_components=[2, 5], cv=3
    )
    for name, estimator in estimators.items():
        for i, n in enumerate([2, 5]):
            key = "n_components" if name == "PCA" else "pca__n_components"
            expected = cross_val_score(
                estimator.set_params(**{key: n}),
                digits,
                scoring=reconstruction_scorer,
                cv=3,
            )
            np.testing.assert_allclose(display.scores[name][i], expected)
        line = display.lines_[name]
        np.testing.assert_array_equal(line.get_xdata(), [2, 5])
        np.testing.assert_allclose(line.get_ydata(), display.scores[name].mean(axis=1))
    assert legend(display) == ["PCA", "scaled"]
    assert list(display.bands_) == ["PCA", "scaled"]
    assert display.ax_.get_xlabel() == "Number of components"
    assert display.ax_.get_ylabel() == "Explained variance of test samples (R²)"


def test_autoencoder_beside_pca(X):
    display = ExplainedVarianceDisplay.from_estimator(
        [PCA(), AutoencoderTransformer(epochs=1, random_state=0)],
        X[:60],
        n_components=[1],
        cv=ShuffleSplit(1, random_state=0),
    )
    assert list(display.scores) == ["PCA", "AutoencoderTransformer"]
    assert not display.bands_
    styles = {line.get_linestyle() for line in display.lines_.values()}
    markers = {line.get_marker() for line in display.lines_.values()}
    assert len(styles) == len(markers) == 2


def test_scores_at_hand():
    display = ExplainedVarianceDisplay.from_scores(
        {"a": [8, 2], "b": [1, 2, 4]},
        {"a": [[0.7, 0.9], [0.1, 0.3]], "b": [0.1, 0.2, 0.3]},
        xscale="log",
        score_name="R²",
    )
    np.testing.assert_array_equal(display.lines_["a"].get_xdata(), [2, 8])
    np.testing.assert_allclose(display.lines_["a"].get_ydata(), [0.2, 0.8])
    assert list(display.bands_) == ["a"]
    edges = display.bands_["a"].get_paths()[0].vertices
    assert edges[:, 1].min() == pytest.approx(0.1)
    assert edges[:, 1].max() == pytest.approx(0.9)
    assert display.ax_.get_xscale() == "log"
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["1", "2", "4", "8"]
    assert display.ax_.get_ylabel() == "R²"


@pytest.mark.parametrize(
    ("sizes", "xscale", "ticks"),
    [
        ([1, 2, 5, 10], "linear", [1, 2, 5, 10]),
        ([3, 6, 9], "linear", [3, 6, 9]),
        ([2, 3, 100, 50], "linear", [2, 50, 100]),
        ([4], "linear", [4]),
        (range(1, 31), "linear", [1, 5, 10, 15, 20, 25, 30]),
        (range(1, 65), "linear", [1, 10, 20, 30, 40, 50, 64]),
        (range(2, 21, 2), "linear", [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
        ([1, 2, 4, 8, 16, 32], "log", [1, 2, 4, 8, 16, 32]),
        (range(1, 31), "log", [1, 2, 3, 5, 8, 12, 17, 30]),
    ],
)
def test_ticks_are_sizes_with_both_ends(sizes, xscale, ticks):
    display = ExplainedVarianceDisplay.from_scores(
        list(sizes), np.linspace(0, 1, len(sizes)), xscale=xscale
    )
    np.testing.assert_array_equal(display.ax_.get_xticks(), ticks)
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [str(tick) for tick in ticks]


def test_one_curve_needs_no_legend():
    display = ExplainedVarianceDisplay.from_scores([1, 2], [0.1, 0.2])
    assert display.ax_.get_legend() is None


def test_in_axes_of_the_user(beside):
    display = ExplainedVarianceDisplay.from_scores([1, 2], [0.1, 0.2], ax=beside)
    assert display.ax_ is beside
    assert display.figure_ is beside.figure


def test_estimators_stay_as_they_were(digits):
    pca = PCA(3)
    ExplainedVarianceDisplay.from_estimator(pca, digits, n_components=[1, 2], cv=2)
    assert pca.n_components == 3
    assert not hasattr(pca, "components_")


@pytest.mark.parametrize(
    ("n_components", "message"),
    [
        ([], "a list of ints was expected"),
        (3, "n_components=3, but a list of ints"),
        ([0.5], "a list of ints was expected"),
        ([0, 1], "n_components has 0, but at least 1"),
    ],
)
def test_bad_sizes(digits, n_components, message):
    with pytest.raises(ValueError, match=message):
        ExplainedVarianceDisplay.from_estimator(
            PCA(), digits, n_components=n_components
        )


def test_bad_input(digits):
    for estimator in (DBSCAN(), make_pipeline(MinMaxScaler())):
        with pytest.raises(ValueError, match="no parameter n_components"):
            ExplainedVarianceDisplay.from_estimator(estimator, digits, n_components=[1])
    draw = ExplainedVarianceDisplay.from_scores
    with pytest.raises(ValueError, match="'a' has 2 scores, but n_components has 1"):
        draw([1], {"a": [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"the names \['b'\], but scores has 'a'"):
        draw({"b": [1]}, {"a": [0.1]})
    with pytest.raises(ValueError, match="NaN"):
        draw([1], [np.nan])
    with pytest.raises(ValueError, match="xscale='cubic', but"):
        draw([1], [0.1], xscale="cubic")
