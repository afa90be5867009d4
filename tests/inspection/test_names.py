"""Names of features, samples and targets come from DataFrames and Series."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector
from skae.inspection import (
    DecodedCodesDisplay,
    LatentSpaceDisplay,
    OutlierExplanationDisplay,
    ReconstructionDisplay,
)

NAMES = ["length", "width", "age", "price in $"]


@pytest.fixture(scope="module")
def table():
    values = np.random.RandomState(0).normal(size=(40, 4)) * [1, 10, 100, 1000]
    return pd.DataFrame(values, columns=NAMES, index=[f"fish {i}" for i in range(40)])


@pytest.fixture(scope="module")
def pipeline(table):
    detector = AutoencoderOutlierDetector(2, epochs=1, random_state=0)
    return make_pipeline(StandardScaler(), detector).fit(table)


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("as_array", [False, True])
def test_features_behind_a_scaler(table, pipeline, as_array):
    """The names are those of fit where X has none."""
    X = table.to_numpy() if as_array else table
    display = OutlierExplanationDisplay.from_estimator(pipeline, X)
    found = {label.split("\n")[0] for label in tick_labels(display.ax_.yaxis)}
    assert found == set(NAMES)
    display = ReconstructionDisplay.from_estimator(pipeline, X)
    assert display.feature_names == NAMES
    display = DecodedCodesDisplay.from_estimator(pipeline, X, kind="interpolation")
    assert tick_labels(display.ax_.yaxis) == NAMES


def test_samples_are_named_by_the_index(table, pipeline):
    last_first = table.iloc[::-1]
    display = OutlierExplanationDisplay.from_estimator(pipeline, last_first, sample=1)
    assert "of sample fish 38" in display.ax_.get_title().replace("\n", " ")
    display.plot(kind="heat_map")
    assert tick_labels(display.ax_.xaxis)[0] == "fish 39"
    display = ReconstructionDisplay.from_estimator(pipeline, last_first)
    titles = [ax.get_title(loc="left") for ax in display.axes_]
    assert titles == [f"Sample fish {i}" for i in (39, 38, 37, 36)]
    display = ReconstructionDisplay.from_estimator(
        PCA(2).fit(table.to_numpy()), table.to_numpy()
    )
    assert display.axes_[1].get_title(loc="left") == "Sample 1"


def test_names_of_samples_have_to_fit(table):
    with pytest.raises(ValueError, match="There are 40 samples, but 2 sample_names"):
        OutlierExplanationDisplay.from_predictions(table, sample_names=["a", "b"])


def test_many_samples_of_a_heat_map_have_room(assert_texts_apart):
    contributions = pd.DataFrame(np.random.RandomState(0).uniform(size=(200, 4)))
    contributions.index = [f"a sample with a long name {i}" for i in range(200)]
    display = OutlierExplanationDisplay.from_predictions(contributions, kind="heat_map")
    assert_texts_apart(display.figure_)


@pytest.mark.parametrize("n_samples", [1, 12, 20, 38])
@pytest.mark.parametrize("named", [False, True])
def test_all_samples_of_a_heat_map_are_labelled(n_samples, named, assert_texts_apart):
    contributions = np.random.RandomState(0).uniform(size=(n_samples, 4))
    names = [f"fish {i}" for i in range(n_samples)] if named else None
    display = OutlierExplanationDisplay.from_predictions(
        contributions, kind="heat_map", sample_names=names
    )
    labels = tick_labels(display.ax_.xaxis)
    assert labels == (names or list(map(str, range(n_samples))))
    assert_texts_apart(display.figure_)


def test_labels_of_many_samples_are_thinned_regularly(beside, assert_texts_apart):
    contributions = pd.DataFrame(np.random.RandomState(0).uniform(size=(60, 4)))
    contributions.index = [f"fish {i}" for i in range(60)]
    for ax in (None, beside):
        display = OutlierExplanationDisplay.from_predictions(
            contributions, kind="heat_map", ax=ax
        )
        labels = tick_labels(display.ax_.xaxis)
        places = [int(label.split()[1]) for label in labels]
        assert places == list(display.ax_.get_xticks())
        assert len(places) >= 12
        assert len(set(np.diff(places))) == 1
        assert_texts_apart(display.figure_)


def test_dates_are_names_of_samples():
    dates = pd.date_range("2024-03-01", periods=3)
    X = pd.DataFrame(np.eye(3), index=dates)
    display = OutlierExplanationDisplay.from_predictions(X, kind="heat_map")
    expected = ["2024-03-01", "2024-03-02", "2024-03-03"]
    assert tick_labels(display.ax_.xaxis) == expected
    X.index = X.index + pd.Timedelta("13h")
    display = OutlierExplanationDisplay.from_predictions(X, kind="heat_map")
    assert tick_labels(display.ax_.xaxis)[1] == "2024-03-02 13:00:00"
    windows = pd.DataFrame(np.ones((3, 40)), index=X.index)
    display = ReconstructionDisplay.from_predictions(
        windows, windows, sample_shape=(40, 1)
    )
    assert display.ax_.get_ylabel() == "Sample\n2024-03-01\n13:00:00"


def test_names_of_a_multi_index():
    X = pd.DataFrame(
        np.ones((2, 2)),
        columns=pd.MultiIndex.from_tuples([("fish", "length"), ("fish", 2)]),
        index=pd.MultiIndex.from_tuples([("lake", 1), ("sea", 7)]),
    )
    display = ReconstructionDisplay.from_predictions(X, X)
    assert tick_labels(display.ax_.yaxis) == ["fish, length", "fish, 2"]
    assert display.axes_[1].get_title(loc="left") == "Sample sea, 7"
    display = OutlierExplanationDisplay.from_predictions(X, kind="heat_map")
    assert tick_labels(display.ax_.yaxis) == ["fish, length", "fish, 2"]
    assert tick_labels(display.ax_.xaxis) == ["lake, 1", "sea, 7"]


def test_dollars_are_no_formulas(table):
    """They are prices: matplotlib refuses $x^$ as a formula."""
    price = "$x^$"
    X = table.rename(columns={"age": price})[[price, "length"]]
    pca = PCA(2).fit(X)
    codes = pca.transform(X)
    names = pd.Series([price, "other"] * 20, name=price)
    many = pd.Series([f"$x^{i}$" for i in range(40)], name=price)
    for display in (
        ReconstructionDisplay.from_estimator(pca, X),
        DecodedCodesDisplay.from_estimator(pca, X, kind="interpolation"),
        LatentSpaceDisplay.from_codes(codes, names),
        LatentSpaceDisplay.from_codes(codes, many),
        LatentSpaceDisplay.from_codes(codes, X[price]),
        LatentSpaceDisplay.from_codes(codes[:, :1], X[price]),
        LatentSpaceDisplay.from_codes(codes[:, [0, 1, 0]], X[price]),
    ):
        found = [text.get_text() for text in display.figure_.findobj(Text)]
        assert any(text.startswith("$x^") for text in found)
        display.figure_.canvas.draw()


def test_colour_bar_is_named_by_a_series(table):
    codes = table.to_numpy()[:, :2]
    display = LatentSpaceDisplay.from_codes(codes, table["age"])
    (points,) = display.scatters_["All samples"]
    assert points.colorbar.ax.get_ylabel() == "age"
    display = LatentSpaceDisplay.from_codes(codes[:, :1], table["age"])
    assert display.ax_.get_ylabel() == "age"
    display = LatentSpaceDisplay.from_codes(codes, table["age"].to_numpy())
    assert display.figure_.axes[1].get_ylabel() == "y"
