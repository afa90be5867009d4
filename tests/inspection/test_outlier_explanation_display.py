import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import AutoencoderOutlierDetector
from skae.architectures import ConvolutionalArchitecture
from skae.inspection import OutlierExplanationDisplay
from skae.preprocessing import TableScaler


def labels(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def bars(display):
    widths = [float(bar.get_width()) for bar in display.bars_]
    return dict(zip(labels(display), widths, strict=True))


class Explainer(OutlierMixin, BaseEstimator):
    """Detector of values far from 0."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def explain(self, X, return_expected=False):
        X = np.asarray(X)
        self.n_explained_ = len(X)
        return (X**2, np.zeros_like(X)) if return_expected else X**2


@pytest.fixture(scope="module")
def table():
    rng = np.random.RandomState(0)
    z = rng.normal(size=200)
    noise = rng.normal(scale=0.1, size=(2, 200))
    return pd.DataFrame(
        {
            "length": 50 + 10 * (z + noise[0]),
            "width": 7 - 2 * (z + noise[1]),
            "kind": np.where(z > 0, "large", "small"),
        }
    )


@pytest.fixture(scope="module")
def pipeline(table):
    detector = AutoencoderOutlierDetector(1, epochs=20, random_state=0)
    return make_pipeline(TableScaler(), detector).fit(table)


def test_bars_of_a_sample():
    contributions = pd.DataFrame([[9, 9, 9, 9], [1, 5, 2, 0.5]], columns=list("abcd"))
    display = OutlierExplanationDisplay.from_predictions(contributions, sample=1)
    assert bars(display) == {"b": 5, "c": 2, "a": 1, "d": 0.5}
    title = display.ax_.get_title().replace("\n", " ")
    assert title == "Contributions to the anomaly (8.5) of sample 1"
    display.plot(sample=-1, max_features=1)
    assert bars(display) == {"b": 5, "3 others": 3.5}
    # Down from the largest.
    assert display.ax_.get_ylim()[0] > display.ax_.get_ylim()[1]


def test_observed_and_expected_values_are_labels(table, pipeline):
    strange = table[:3].copy()
    strange.loc[1, "kind"] = None
    strange.loc[1, "length"] = 130
    display = OutlierExplanationDisplay.from_estimator(pipeline, strange, sample=1)
    first = labels(display)[0]
    assert first.startswith("length\n130, expected ")
    expected = float(first.split()[-1])
    assert abs(expected - table.loc[1, "length"]) < 8
    assert any(
        label.startswith("kind\nmissing, expected ") for label in labels(display)
    )
    total = sum(bar.get_width() for bar in display.bars_)
    assert total == pytest.approx(-pipeline.score_samples(strange)[1], rel=1e-5)


def test_years_and_codes_are_not_rounded():
    observed = [[1987, -26781.4, 4198765, 2.7182818, 0.0012345, 3e12, np.inf]]
    display = OutlierExplanationDisplay.from_predictions(
        np.arange(7, 0, -1)[np.newaxis], observed=observed, max_features=6
    )
    values = [label.split("\n")[1] for label in labels(display)[:-1]]
    assert values == [
        "1987",
        "\N{MINUS SIGN}26781",
        "4198765",
        "2.72",
        "0.00123",
        "3e+12",
    ]
    assert labels(display)[-1] == "1 other"
    assert labels(display.plot(max_features=7))[-1] == "x6\ninf"


def test_more_digits_where_expected_values_would_read_the_same():
    observed = [[1, 1987, 2.5, 1, "a", np.nan, 1e12]]
    expected = [[1.0004, 1987.3, 2.5, 1 + 1e-12, "a", np.nan, 1.0004e12]]
    display = OutlierExplanationDisplay.from_predictions(
        np.arange(7, 0, -1)[np.newaxis],
        observed=np.array(observed, dtype=object),
        expected=np.array(expected, dtype=object),
    )
    assert [label.split("\n")[1] for label in labels(display)] == [
        "1, expected 1.0004",
        "1987, expected 1987.3",
        "2.5, expected 2.5",
        "1, expected 1",
        "a, expected a",
        "missing, expected missing",
        "1e+12, expected 1.0004e+12",
    ]


def test_polars(table, pipeline):
    names = list(table)
    frame = pl.from_pandas(table)
    detector = AutoencoderOutlierDetector(1, epochs=1, random_state=0)
    fitted = make_pipeline(TableScaler(), detector).fit(frame)
    display = OutlierExplanationDisplay.from_estimator(fitted, frame[:2])
    assert display.feature_names == names
    assert display.observed[0, 2] == table.loc[0, "kind"]


def test_units_are_those_of_X():
    X = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["length", "width"])
    pipeline = make_pipeline(StandardScaler(), Explainer()).fit(X)
    display = OutlierExplanationDisplay.from_estimator(pipeline, X, sample=2)
    scaled = pipeline[0].transform(X)[2]
    assert list(bars(display)) == ["length\n4, expected 2", "width\n5, expected 3"]
    assert list(bars(display).values()) == pytest.approx(scaled**2)


@pytest.mark.parametrize(
    ("before", "names"),
    [
        (PCA(2), ["pca0", "pca1"]),
        (FunctionTransformer(np.asarray), ["x0", "x1", "x2"]),
    ],
)
def test_names_are_those_that_the_detector_gets(before, names):
    X = pd.DataFrame(np.eye(4, 3), columns=["length", "width", "age"])
    pipeline = make_pipeline(before, Explainer()).fit(X)
    display = OutlierExplanationDisplay.from_estimator(pipeline, X)
    assert display.feature_names == names
    np.testing.assert_allclose(display.observed, pipeline[0].transform(X))


def test_heat_map_has_shares():
    contributions = np.array([[1.0, 3.0, 0.0], [10.0, 0.0, 0.0]])
    display = OutlierExplanationDisplay.from_predictions(
        contributions, feature_names=list("abc"), kind="heat_map", max_features=2
    )
    assert labels(display) == ["a", "b"]
    np.testing.assert_allclose(display.image_.get_array(), [[0.25, 1], [0.75, 0]])
    title = display.ax_.get_title().replace("\n", " ")
    assert "the 2 largest of 3 features" in title


def test_colours_of_a_heat_map_reach_to_the_largest_share():
    """Of many features, none has much of the whole."""
    contributions = np.random.RandomState(0).uniform(size=(20, 60))
    display = OutlierExplanationDisplay.from_predictions(contributions, kind="heat_map")
    largest = (contributions / contributions.sum(axis=1, keepdims=True)).max()
    assert display.image_.get_clim() == (0, pytest.approx(largest))


def test_no_anomaly():
    display = OutlierExplanationDisplay.from_predictions(np.zeros((2, 3)))
    assert display.ax_.get_xlim() == (0, 1)
    assert display.plot(kind="heat_map").image_.get_clim() == (0, 1)


@pytest.mark.filterwarnings("error")
def test_images_without_observed_values():
    display = OutlierExplanationDisplay.from_predictions(
        np.ones((2, 6, 5)), observed=np.full((2, 6, 5), np.nan)
    )
    assert len(display.images_["Observed"]) == 2


def test_maps_of_images():
    images = np.random.RandomState(0).uniform(size=(40, 6, 5))
    detector = AutoencoderOutlierDetector(
        2, architecture=ConvolutionalArchitecture(2), epochs=1, random_state=0
    ).fit(images)
    display = OutlierExplanationDisplay.from_estimator(detector, images[:4])
    assert list(display.images_) == ["Observed", "Expected", "Contribution"]
    maps = detector.explain(images[:4]).reshape(4, 6, 5)
    for drawn, image in zip(display.images_["Contribution"], maps, strict=True):
        np.testing.assert_allclose(drawn.get_array(), image / image.max())
    flat = OutlierExplanationDisplay.from_predictions(
        maps.reshape(4, 30), sample_shape=(6, 5)
    )
    assert list(flat.images_) == ["Contribution"]


def test_the_first_of_many_samples():
    maps = np.random.RandomState(0).uniform(size=(12, 6, 5))
    display = OutlierExplanationDisplay.from_predictions(maps, observed=maps)
    assert [len(row) for row in display.images_.values()] == [10, 10]
    title = display.ax_.get_title().replace("\n", " ")
    assert title == "Contributions to the anomaly of the first 10 of 12 samples"
    title = display.plot(n_samples=1).ax_.get_title().replace("\n", " ")
    assert title == "Contributions to the anomaly of the first of 12 samples"
    display.plot(n_samples=20)
    assert len(display.images_["Observed"]) == 12
    title = display.ax_.get_title().replace("\n", " ")
    assert title == "Contributions to the anomaly of samples"


def test_the_first_samples_in_a_heat_map():
    contributions = np.random.RandomState(0).uniform(size=(12, 2))
    display = OutlierExplanationDisplay.from_predictions(
        contributions, kind="heat_map", sample_names=list("abcdefghijkl")
    )
    assert display.image_.get_array().shape == (2, 12)
    display.plot(kind="heat_map", n_samples=3)
    shares = contributions[:3] / contributions[:3].sum(axis=1, keepdims=True)
    drawn = np.sort(display.image_.get_array(), axis=0)
    np.testing.assert_allclose(drawn, np.sort(shares.T, axis=0))
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["a", "b", "c"]
    assert "the first 3 of 12 samples" in display.ax_.get_title().replace("\n", " ")


@pytest.fixture
def windows():
    """Two sensors, of which one shows other values in some steps of each window."""
    steps = np.linspace(0, 9, 30)
    expected = np.tile(np.stack([np.sin(steps), 100 + steps], axis=1), (12, 1, 1))
    observed = expected.copy()
    observed[:, 10:15, 1] += np.arange(1, 13)[:, np.newaxis]
    return observed, expected


def test_windows_are_lines(windows):
    observed, expected = windows
    contributions = (observed - expected) ** 2
    display = OutlierExplanationDisplay.from_predictions(
        contributions.reshape(12, -1), observed=observed, expected=expected
    )
    assert list(display.lines_) == ["Observed", "Expected"]
    assert display.axes_.shape == (4, 2)
    assert display.ax_ is display.axes_[0, 0]
    assert display.images_ == {}
    for i, j in np.ndindex(4, 2):
        solid, dashed = (lines[i, j] for lines in display.lines_.values())
        np.testing.assert_array_equal(solid.get_ydata(), observed[i, :, j])
        np.testing.assert_array_equal(dashed.get_ydata(), expected[i, :, j])
        assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
        (shades,) = display.axes_[i, j].collections
        share = contributions[i, :, j] / contributions[i].max()
        np.testing.assert_allclose(shades.get_array().ravel(), share)
    # The background does not stretch the scale of a sensor far from 0.
    assert display.axes_[0, 1].get_ylim()[0] > 99
    title = display.figure_.get_suptitle().replace("\n", " ")
    assert title == "Contributions to the anomaly of the first 4 of 12 samples"
    assert display.plot(n_samples=2).axes_.shape == (2, 2)


def test_names_of_series(windows):
    observed, _ = windows
    names = ["speed", "load in $"]

    def titles(X, **kwargs):
        display = OutlierExplanationDisplay.from_predictions(X, **kwargs)
        return [ax.get_title() for ax in display.axes_[0]]

    assert titles(observed) == ["Series 0", "Series 1"]
    assert titles(observed, feature_names=names) == names
    assert titles(observed[:, :, :1]) == [""]
    assert titles(observed[:, :, :1], feature_names=names[:1]) == names[:1]
    with pytest.raises(ValueError, match="There are 2 series, but 1 feature_names"):
        titles(observed, feature_names=names[:1])
    # Names of the cells of flat windows name no series.
    flat = pd.DataFrame(observed.reshape(12, -1))
    assert titles(flat, sample_shape=(30, 2)) == ["Series 0", "Series 1"]
    assert titles(flat, sample_shape=(30, 2), feature_names=names) == names
    with pytest.raises(ValueError, match=r"Give sample_shape=\(30, 2\) too"):
        OutlierExplanationDisplay.from_predictions(flat, feature_names=names)


@pytest.mark.parametrize("flat", [False, True])
def test_only_windows_that_are_drawn_are_explained(windows, flat):
    observed, _ = windows
    explainer = Explainer().fit(observed)
    X, options = observed, {}
    if flat:
        X, options = pd.DataFrame(observed.reshape(12, -1)), {"sample_shape": (30, 2)}

    def draw(**kwargs):
        return OutlierExplanationDisplay.from_estimator(
            explainer, X, **options, **kwargs
        )

    display = draw(feature_names=["speed", "load"])
    assert explainer.n_explained_ == len(display.axes_) == 4
    np.testing.assert_array_equal(display.contributions, observed[:4] ** 2)
    assert display.axes_[0, 1].get_title() == "load"
    title = display.figure_.get_suptitle().replace("\n", " ")
    assert title == "Contributions to the anomaly of the first 4 of 12 samples"
    assert display.plot(n_samples=2).axes_.shape == (2, 2)
    with pytest.raises(ValueError, match=r"n_samples=5, but of 12 .* 4 were explained"):
        display.plot(n_samples=5)
    display = draw(n_samples=6)
    assert explainer.n_explained_ == len(display.axes_) == 6
    display = draw(n_samples=20)
    assert explainer.n_explained_ == len(display.axes_) == 12
    assert len(display.plot(n_samples=20).axes_) == 12
    display = draw(kind="images")
    assert explainer.n_explained_ == len(display.images_["Contribution"]) == 10


def test_all_samples_of_a_table_are_explained(windows):
    """Any of them can be drawn."""
    X = windows[0][:, :, 1]
    explainer = Explainer().fit(X)
    display = OutlierExplanationDisplay.from_estimator(explainer, X, n_samples=2)
    assert explainer.n_explained_ == 12
    display.plot(sample=11, max_features=30)
    assert sum(bars(display).values()) == pytest.approx((X[11] ** 2).sum())


def test_windows_without_values(windows):
    observed, _ = windows
    display = OutlierExplanationDisplay.from_predictions(
        observed[:2], sample_names=["a", "b"]
    )
    (lines,) = display.lines_.values()
    np.testing.assert_array_equal(lines[1, 0].get_ydata(), observed[1, :, 0])
    assert display.axes_[1, 0].get_ylabel() == "Sample\nb"


def test_lines_or_maps_by_choice(windows):
    observed, _ = windows
    display = OutlierExplanationDisplay.from_predictions(observed, kind="images")
    assert len(display.images_["Contribution"]) == 10
    assert display.lines_ == {}
    wide = OutlierExplanationDisplay.from_predictions(np.ones((3, 8, 8)), kind="lines")
    assert wide.axes_.shape == (3, 8)
    with pytest.raises(ValueError, match="contributions to images"):
        OutlierExplanationDisplay.from_predictions(np.ones((3, 8, 8, 3)), kind="lines")
    with pytest.raises(ValueError, match=r"kind='bars', but .* to windows.*'lines' or"):
        display.plot(kind="bars")


def test_windows_in_axes_of_the_user(beside, windows):
    display = OutlierExplanationDisplay.from_predictions(windows[0], ax=beside)
    assert display.figure_ is beside.figure
    assert not beside.axison


def test_colors():
    images = np.random.RandomState(0).uniform(size=(3, 4, 4, 3))
    display = OutlierExplanationDisplay.from_predictions(
        images.reshape(3, -1), observed=images
    )
    drawn = display.images_["Contribution"][0].get_array()
    expected = images[0].sum(axis=-1)
    np.testing.assert_allclose(drawn, expected / expected.max())


def test_in_axes_of_the_user(beside):
    display = OutlierExplanationDisplay.from_predictions([[1.0, 2.0]], ax=beside)
    assert display.ax_ is beside
    assert display.figure_ is beside.figure


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "pie"}, "kind='pie', but"),
        ({"kind": "images"}, "these are contributions to a table"),
        ({"kind": "bars", "sample_shape": (1, 2)}, "these are contributions to images"),
        ({"kind": "lines"}, "these are contributions to a table"),
        ({"kind": ["bars"]}, r"kind=\['bars'\], but"),
        ({"sample": 6}, "sample=6, but the index of one of 6 samples"),
        ({"sample": -7}, "sample=-7, but the index"),
        ({"sample": 1.5}, "sample=1.5, but the index"),
        ({"sample": "a"}, "sample='a', but the index"),
        ({"sample": None}, "sample=None, but the index"),
        ({"n_samples": 0}, "n_samples=0, but a positive int"),
        ({"max_features": 0}, "max_features=0, but a positive int"),
        ({"max_features": -1}, "max_features=-1, but a positive int"),
        ({"max_features": None}, "max_features=None, but a positive int"),
        ({"kind": "heat_map", "max_features": 0}, "max_features=0, but"),
        ({"feature_names": ["a"]}, "2 features, but 1 feature_names"),
        ({"feature_names": "ab"}, "feature_names='ab', but a list of 2 names"),
        ({"feature_names": 2}, "feature_names=2, but a list of 2 names"),
        ({"sample_names": ["a"]}, "6 samples, but 1 sample_names"),
        ({"sample_names": 6}, "sample_names=6, but a list of 6 names"),
        ({"observed": np.ones((6, 3))}, r"observed has shape \(6, 3\), but"),
        # As many values, but not of these samples.
        ({"observed": np.ones((2, 6))}, r"observed has shape \(2, 6\), but"),
        ({"expected": np.ones(12)}, r"expected has shape \(12,\), but"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        OutlierExplanationDisplay.from_predictions(np.ones((6, 2)), **params)


@pytest.mark.parametrize("kind", ["bars", "heat_map"])
def test_names_that_are_numbers(kind):
    display = OutlierExplanationDisplay.from_predictions(
        np.ones((6, 2)), sample_names=np.arange(10, 16), kind=kind, sample=1
    )
    assert display.sample_names[1] == "11"
    assert OutlierExplanationDisplay(np.ones((2, 2)), sample_names=np.arange(2)).plot(
        kind=kind
    )


def test_title_does_not_part_the_sample_and_its_name():
    contributions = pd.DataFrame(
        np.ones((2, 3)), index=["a", "Astrid, of a name that is much too long"]
    )
    for sample, name in ((0, "a"), (1, "Astrid, o… too long")):
        display = OutlierExplanationDisplay.from_predictions(
            contributions, sample=sample
        )
        first, second = display.ax_.get_title().split("\n")
        assert first == "Contributions to the anomaly (3)"
        assert second == f"of sample {name}"


def test_a_detector_without_explain(X):
    forest = IsolationForest(random_state=0).fit(X)
    with pytest.raises(TypeError, match="IsolationForest has no method explain"):
        OutlierExplanationDisplay.from_estimator(forest, X)
