import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    StandardScaler,
)

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.inspection import ReconstructionDisplay
from skae.metrics import reconstruction_scorer


def drawn(images):
    return np.stack([image.get_array() for image in images])


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_originals_codes_and_reconstructions(digits, pca):
    display = ReconstructionDisplay.from_estimator(
        pca, digits, sample_shape=(8, 8), code_shape=(2, 4)
    )
    codes = pca.transform(digits[:10])
    assert list(display.images_) == ["Original", "Code", "Reconstruction"]
    assert labels(display.ax_) == list(display.images_)
    np.testing.assert_array_equal(
        drawn(display.images_["Original"]), digits[:10].reshape(-1, 8, 8)
    )
    np.testing.assert_allclose(
        drawn(display.images_["Code"]), codes.reshape(-1, 2, 4), rtol=1e-6
    )
    np.testing.assert_allclose(
        drawn(display.images_["Reconstruction"]),
        pca.inverse_transform(codes).reshape(-1, 8, 8),
        rtol=1e-6,
    )
    assert display.ax_.get_title() == "Images and their reconstructions by PCA"
    assert display.figure_ is display.ax_.figure


def test_images_share_the_range_of_the_originals(digits, pca):
    display = ReconstructionDisplay.from_estimator(pca, digits, sample_shape="square")
    for label in ("Original", "Reconstruction"):
        for image in display.images_[label]:
            assert image.get_clim() == (0, digits[:10].max())


def test_images_do_not_overlap(digits, pca):
    display = ReconstructionDisplay.from_estimator(
        pca, digits, sample_shape="square", n_samples=100
    )
    edges = [i.get_extent() for row in display.images_.values() for i in row]
    assert len(edges) == 300
    for i, (left, right, bottom, top) in enumerate(edges):
        assert top < bottom
        for left2, right2, bottom2, top2 in edges[:i]:
            apart = right <= left2 or right2 <= left or bottom <= top2
            assert apart or bottom2 <= top


def test_several_estimators_and_errors(digits, pca):
    small = PCA(2).fit(digits)
    display = ReconstructionDisplay.from_estimator(
        {"large": pca, "small": small},
        digits,
        sample_shape="square",
        show_codes=False,
        show_errors=True,
    )
    assert list(display.images_) == [
        "Original",
        "large: reconstruction",
        "large: absolute error",
        "small: reconstruction",
        "small: absolute error",
    ]
    errors = {
        name: np.abs(digits[:10] - e.inverse_transform(e.transform(digits[:10])))
        for name, e in (("large", pca), ("small", small))
    }
    limit = max(error.max() for error in errors.values())
    for label, images in display.images_.items():
        if "error" in label:
            expected = errors[label[:5]].reshape(-1, 8, 8)
            np.testing.assert_allclose(drawn(images), expected, atol=1e-9)
            assert images[0].get_clim() == (0, limit)
    assert labels(display.ax_)[-1] == f"small: absolute error\n(0 to {limit:.2g})"


def test_a_list_is_named_by_classes(digits, pca):
    scaled = make_pipeline(MinMaxScaler(), PCA(2)).fit(digits)
    display = ReconstructionDisplay.from_estimator([pca, scaled], digits)
    assert list(display.reconstructions) == ["PCA 1", "PCA 2"]


def test_pipeline_is_in_the_units_of_X(digits):
    X = digits * 1000
    pipeline = make_pipeline(MinMaxScaler(), PCA(20)).fit(X)
    display = ReconstructionDisplay.from_estimator(pipeline, X, sample_shape="square")
    np.testing.assert_allclose(
        drawn(display.images_["Reconstruction"]).reshape(10, 64),
        pipeline.inverse_transform(pipeline.transform(X[:10])),
        rtol=1e-6,
        atol=1e-6,
    )


def test_transformer_and_detector(X, transformer):
    scaler = StandardScaler().fit(X)
    plain = {"outlier_score": "reconstruction", "epochs": 1, "random_state": 0}
    detector = AutoencoderOutlierDetector(3, **plain).fit(X)
    pipeline = make_pipeline(
        StandardScaler(), AutoencoderOutlierDetector(3, **plain)
    ).fit(X)
    display = ReconstructionDisplay.from_estimator(
        [transformer, detector, pipeline], X, sample_shape=(8, 8), n_samples=3
    )
    results = display.reconstructions
    assert list(results) == [
        "AutoencoderTransformer",
        "AutoencoderOutlierDetector 1",
        "AutoencoderOutlierDetector 2",
    ]
    np.testing.assert_allclose(
        results["AutoencoderTransformer"].reshape(3, 64),
        transformer.inverse_transform(transformer.transform(X[:3])),
    )
    # The squared error is what the detector scores by.
    for name, one in zip(list(results)[1:], (detector, pipeline), strict=True):
        difference = X[:3] - results[name].reshape(3, 64)
        if one is pipeline:
            difference = difference / scaler.scale_
        np.testing.assert_allclose(
            -(difference**2).sum(axis=1), one.score_samples(X[:3]), rtol=1e-5
        )


class ForeignDetector(OutlierMixin, BaseEstimator):
    """Has the public names of skae's that Displays use, and nothing else of it."""

    def __init__(self, transformer=None):
        self.transformer = transformer

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def encode(self, X):
        return self.transformer.transform(X)

    def decode(self, codes):
        return self.transformer.inverse_transform(codes)

    def reconstruct(self, X):
        return self.decode(self.encode(X))


def test_detectors_of_others(X, transformer):
    detector = ForeignDetector(transformer)
    display = ReconstructionDisplay.from_estimator(
        [transformer, detector.fit(X)], X.reshape(-1, 8, 8)
    )
    ours, theirs = display.reconstructions.values()
    np.testing.assert_array_equal(theirs, ours)
    ours, theirs = display.codes.values()
    np.testing.assert_array_equal(theirs, ours)
    with pytest.raises(ValueError, match="X has 63 features"):
        ReconstructionDisplay.from_estimator(detector, X[:, 1:])


def test_searches(X, digits):
    search = GridSearchCV(
        make_pipeline(MinMaxScaler(), PCA()),
        {"pca__n_components": [3]},
        scoring=reconstruction_scorer,
        cv=2,
    ).fit(digits)
    display = ReconstructionDisplay.from_estimator(search, digits)
    assert display.reconstructions["PCA"].shape == (4, 64)
    search = GridSearchCV(
        AutoencoderOutlierDetector(epochs=1, random_state=0),
        {"n_components": [2]},
        scoring=lambda detector, X: detector.score_samples(X).mean(),
        cv=2,
    ).fit(X)
    display = ReconstructionDisplay.from_estimator(search, X)
    assert display.codes["AutoencoderOutlierDetector"].shape == (4, 2)


def test_search_within_a_pipeline(X):
    within = make_pipeline(
        MinMaxScaler(), AutoencoderOutlierDetector(epochs=1, random_state=0)
    )
    search = GridSearchCV(
        within,
        {"autoencoderoutlierdetector__n_components": [2]},
        scoring=lambda detector, X: detector.score_samples(X).mean(),
        cv=2,
    )
    pipeline = make_pipeline(StandardScaler(), search).fit(X)
    display = ReconstructionDisplay.from_estimator(pipeline, X)
    scaler, (min_max, detector) = pipeline[0], search.best_estimator_
    scaled = min_max.transform(scaler.transform(X[:4]))
    expected = scaler.inverse_transform(
        min_max.inverse_transform(detector.reconstruct(scaled))
    )
    (found,) = display.reconstructions.values()
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("shape", [(3, 6, 9), (3, 6, 9, 1), (3, 6, 9, 3), (3, 6, 9, 4)])
def test_shapes_of_images(shape):
    X = np.random.RandomState(0).uniform(size=shape)
    display = ReconstructionDisplay.from_predictions(X, X / 2, show_errors=True)
    original, reconstruction, error = display.images_.values()
    if shape[3:] == (1,):
        shape = shape[:3]
    assert drawn(original).shape == shape
    np.testing.assert_allclose(drawn(reconstruction), drawn(original) / 2)
    assert drawn(error).shape == shape[:3]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (-3, 2)])
def test_colours_of_any_range(low, high):
    unit = np.random.RandomState(0).uniform(size=(2, 4, 4, 3))
    unit[0, 0, 0] = [0, 1, 0.5]
    X = low + unit * (high - low)
    display = ReconstructionDisplay.from_predictions(X, X + high)
    np.testing.assert_allclose(drawn(display.images_["Original"]), unit, atol=1e-6)
    assert drawn(display.images_["Reconstruction"]).max() <= 1


def test_images_go_to_pca_as_rows(digits, pca):
    display = ReconstructionDisplay.from_estimator(pca, digits.reshape(-1, 8, 8))
    assert display.reconstructions["PCA"].shape == (10, 8, 8)


def test_images_of_an_autoencoder_of_images():
    X = np.random.RandomState(0).uniform(size=(40, 4, 6))
    autoencoder = AutoencoderTransformer(2, epochs=1, random_state=0).fit(X)
    display = ReconstructionDisplay.from_estimator(autoencoder, X, n_samples=1)
    np.testing.assert_allclose(
        drawn(display.images_["Reconstruction"]),
        autoencoder.inverse_transform(autoencoder.transform(X[:1])),
    )


def test_bars_of_a_table():
    X = pd.DataFrame(
        np.random.RandomState(0).normal(size=(6, 3)), columns=["a", "b", "c"]
    )
    display = ReconstructionDisplay.from_predictions(
        X, {"half": X / 2, "double": 2 * X}
    )
    assert len(display.axes_) == 4
    assert labels(display.axes_[0]) == ["a", "b", "c"]
    for label, factor in (
        ("Value", 1),
        ("Reconstruction by half", 0.5),
        ("Reconstruction by double", 2),
    ):
        for row, bars in enumerate(display.bars_[label]):
            np.testing.assert_allclose(
                [bar.get_width() for bar in bars], X.iloc[row] * factor
            )
            assert bars[0].axes is display.axes_[row]
    (legend,) = display.figure_.legends
    assert [t.get_text() for t in legend.get_texts()] == list(display.bars_)


def test_standardized_by_all_rows():
    X = np.random.RandomState(0).normal(size=(50, 3)) * [1, 100, 0] + 7
    display = ReconstructionDisplay.from_predictions(
        X, np.add(X, [1, 100, 1]), standardize=True
    )
    expected = (X - X.mean(0)) / [*X.std(0)[:2], 1]
    np.testing.assert_allclose(display.X, expected[:4], atol=1e-9)
    assert "Standard deviations" in display.ax_.get_xlabel()
    np.testing.assert_allclose(
        display.reconstructions["Reconstruction"] - display.X,
        np.tile([1 / X[:, 0].std(), 100 / X[:, 1].std(), 1], (4, 1)),
    )


def test_the_worst_features_are_drawn():
    X = np.zeros((2, 100))
    error = np.arange(100.0)
    error[[3, 50]] = 1000
    display = ReconstructionDisplay.from_predictions(X, X + error, max_features=3)
    assert labels(display.ax_) == ["x3", "x50", "x99"]
    assert "3 of 100 features" in display.figure_.get_suptitle().replace("\n", " ")


def test_categories_and_numbers_are_ranked_in_standard_deviations():
    """A category counts as if it were one-hot encoded, whatever the units."""
    odd = np.arange(40) % 2
    X = pd.DataFrame(
        {
            "price": 5000.0 * odd,
            "share": 0.001 * odd,
            "kind": np.where(odd, "one", "two"),
            "rare": np.where(np.arange(40) == 39, "yes", "no"),
            "weight": 2.0 * odd,
        }
    )
    guessed = X.assign(
        price=X["price"] + 1000,  # 0.4 standard deviations
        share=X["share"] + 0.0015,  # 3
        kind=np.where(np.arange(40) == 0, "one", X["kind"]),  # 2 in one of 4 samples
        rare="no",
        weight=X["weight"] + 0.45,  # 0.45
    )

    def drawn_features(**kwargs):
        display = ReconstructionDisplay.from_predictions(X, guessed, **kwargs)
        return labels(display.ax_)

    for standardize in (False, True):
        kwargs = {"standardize": standardize}
        assert drawn_features(max_features=1, **kwargs) == ["share"]
        assert drawn_features(max_features=2, **kwargs) == ["share", "kind"]
        assert drawn_features(max_features=3, **kwargs) == ["share", "kind", "weight"]


def test_codes_and_reconstructions_by_name(digits):
    with pytest.raises(ValueError, match="codes is a dict, but reconstructions is an"):
        ReconstructionDisplay.from_predictions(digits, digits, codes={"a": digits})
    with pytest.raises(ValueError, match="reconstructions is empty"):
        ReconstructionDisplay.from_predictions(digits, {})


def test_n_samples(digits, pca):
    assert len(ReconstructionDisplay.from_estimator(pca, digits[:3]).X) == 3
    for n_samples in (1, 7, 25):
        display = ReconstructionDisplay.from_estimator(
            pca, digits, sample_shape="square", n_samples=n_samples
        )
        assert len(display.images_["Original"]) == n_samples


def test_in_axes_of_the_user(digits, pca, beside):
    display = ReconstructionDisplay.from_estimator(
        pca, digits, sample_shape="square", ax=beside
    )
    assert display.ax_ is beside
    display = ReconstructionDisplay.from_estimator(pca, digits, ax=beside)
    assert display.figure_ is beside.figure
    assert not beside.axison


def test_in_axes_without_a_grid(digits, pca):
    figure = plt.figure()
    ax = figure.add_axes((0.5, 0.5, 0.4, 0.4))
    display = ReconstructionDisplay.from_estimator(pca, digits[:2, :], ax=ax)
    for axes in display.axes_:
        x0, y0, x1, y1 = axes.get_position().extents
        assert 0.499 < x0 < x1 < 0.901
        assert 0.499 < y0 < y1 < 0.901


def test_plot_again_with_other_parameters(digits, pca):
    display = ReconstructionDisplay.from_estimator(pca, digits, sample_shape="square")
    assert display.plot(show_codes=False) is display
    assert "Code" not in display.images_


def test_steps_that_cannot_be_undone(X, detector):
    with pytest.raises(TypeError, match="Normalizer before Autoenc"):
        ReconstructionDisplay.from_estimator(make_pipeline(Normalizer(), detector), X)


def test_reconstructions_of_another_shape(digits):
    cut = FunctionTransformer(lambda X: X[:, :5], inverse_func=lambda X: X)
    with pytest.raises(ValueError, match=r"samples of shape \(5,\), but X .* \(64,\)"):
        ReconstructionDisplay.from_estimator(cut, digits)


def test_estimators_that_cannot(digits):
    with pytest.raises(TypeError, match=r"KMeans has no inverse_transform\. Give a"):
        ReconstructionDisplay.from_estimator(KMeans(2).fit(digits), digits)
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(PCA(2), digits)
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(AutoencoderOutlierDetector(), digits)
    with pytest.raises(ValueError, match="at least one estimator"):
        ReconstructionDisplay.from_estimator({}, digits)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sample_shape": (7, 9)}, r"sample_shape=\(7, 9\) has 63 .* have 64"),
        ({"sample_shape": 8}, "sample_shape=8, but"),
        ({"sample_shape": "round"}, "sample_shape='round', but"),
        ({"sample_shape": (8, 8), "code_shape": (3, 3)}, "has 9 .* PCA have 8"),
        ({"sample_shape": (8, 8), "code_shape": 8}, "code_shape=8, but"),
        ({"sample_shape": (4, 8, 2)}, "no images.*1, 3 or 4 channels"),
        ({"n_samples": 0}, "n_samples=0, but a positive int"),
        ({"show_errors": True}, "show_errors=True needs images"),
        ({"feature_names": ["a"]}, "64 features, but 1 feature_names"),
        ({"feature_names": "a" * 64}, "feature_names='aaa.* but a list of 64 names"),
        ({"max_features": 0}, "max_features=0, but a positive int"),
        ({"max_features": None}, "max_features=None, but a positive int"),
    ],
)
def test_bad_parameters(digits, pca, params, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_estimator(pca, digits, **params)


def test_missing_cells_of_a_table_are_gaps(digits):
    X = digits[:20, :6].copy()
    X[0, 2] = np.nan
    display = ReconstructionDisplay.from_predictions(
        X, np.zeros_like(X), n_samples=2, standardize=True
    )
    assert np.isnan(display.X[0, 2])
    assert np.isfinite(np.delete(display.X.ravel(), 2)).all()


def test_bad_arrays(digits):
    draw = ReconstructionDisplay.from_predictions
    with pytest.raises(ValueError, match=r"shape \(300, 63\), but X has \(300, 64\)"):
        draw(digits, digits[:, 1:])
    with pytest.raises(ValueError, match=r"shape \(299, 64\), but X has"):
        draw(digits, digits[1:])
    with pytest.raises(ValueError, match="contains NaN"):
        draw(digits, digits * np.nan)
    with pytest.raises(ValueError, match=r"x\[np.newaxis\]"):
        draw(digits[0], digits[0])
    with pytest.raises(ValueError, match="63 features are not a square"):
        draw(digits[:, 1:], digits[:, 1:], sample_shape="square")
    with pytest.raises(ValueError, match="codes is an array"):
        draw(digits, {"a": digits}, codes=digits)
    with pytest.raises(ValueError, match=r"code by 'b' has no .* among \['a'\]"):
        draw(digits, {"a": digits}, codes={"b": digits})
    with pytest.raises(TypeError, match="matplotlib Axes was expected"):
        draw(digits, digits, ax=plt.subplots(1, 2)[1])


def test_windows_are_lines():
    X = np.random.RandomState(0).uniform(size=(6, 20, 3))
    display = ReconstructionDisplay.from_predictions(X, X.round(1))
    assert list(display.lines_) == ["Original", "Reconstruction"]
    assert display.images_ == {}
    assert display.axes_.shape == (4, 3)
    assert display.ax_ is display.axes_[0, 0]
    for label, values in zip(display.lines_, (X, X.round(1)), strict=True):
        drawn = [[line.get_ydata() for line in row] for row in display.lines_[label]]
        np.testing.assert_array_equal(np.swapaxes(drawn, 1, 2), values[:4])
    assert display.figure_.get_suptitle() == "Samples and their reconstructions"


def text_boxes(ax):
    ax.figure.canvas.draw()
    return {text.get_text().strip(): text.get_window_extent() for text in ax.texts}


def test_categories_stay_in_their_axes():
    kinds = [f"a kind with a long name {i}" for i in range(40)]
    X = pd.DataFrame({"kind": kinds, "size": np.arange(40.0)})
    others = {
        "a": X.assign(kind=[*kinds[1:], "another"]),
        "b": X.assign(kind="none that has a short name"),
    }
    for made, n_texts in ((others["a"], 2), (others, 3)):
        display = ReconstructionDisplay.from_predictions(X, made)
        for ax in display.axes_:
            boxes = text_boxes(ax)
            assert len(boxes) == n_texts
            inside = ax.get_window_extent()
            for text, box in boxes.items():
                assert inside.x0 < box.x0 < box.x1 < inside.x1, text
            assert inside.width > 200
    # Ends of names, which differ, are left.
    assert next(iter(boxes)).endswith(" 3")


def test_short_categories_are_not_shortened_in_small_axes():
    X = pd.DataFrame({"kind": ["small", "large"] * 2, "size": np.arange(4.0)})
    _, axes = plt.subplots(1, 3, layout="constrained")
    display = ReconstructionDisplay.from_predictions(
        X, X.assign(kind="large"), ax=axes[0]
    )
    assert [text.get_text() for text in display.ax_.texts] == ["small", " → large"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 4, 4, 3)])
def test_missing_pixels(shape):
    X = np.random.RandomState(0).uniform(size=shape)
    X[0, :2] = np.nan
    made = np.full(shape, 0.5)
    display = ReconstructionDisplay.from_predictions(X, made, show_errors=True)
    largest = np.nanmax(np.abs(X - made).reshape(3, 4, 4, -1).mean(-1))
    for image in display.images_["Absolute error"]:
        assert image.get_clim() == (0, largest)
    display = ReconstructionDisplay.from_predictions(
        np.full(shape, np.nan), made, show_errors=True
    )
    assert len(display.images_["Original"]) == 3


def test_errors_of_windows_are_beneath():
    X = np.random.RandomState(0).uniform(size=(3, 20, 2))
    made = {"a": X + np.array([0.5, 7]), "b": X * [2, 1]}
    display = ReconstructionDisplay.from_predictions(
        X, made, show_errors=True, feature_names=["speed", "load"]
    )
    assert display.axes_.shape == (3, 2)
    for name, reconstruction in made.items():
        errors = display.lines_[f"{name}: absolute error"]
        for i, j in np.ndindex(3, 2):
            line, above = errors[i, j], display.lines_[f"{name}: reconstruction"][i, j]
            expected = np.abs(reconstruction - X)[i, :, j]
            np.testing.assert_allclose(line.get_ydata(), expected)
            assert line.get_linestyle() == above.get_linestyle()
            boxes = [x.axes.get_position() for x in (line, above)]
            assert boxes[0].y1 < boxes[1].y0
            assert (boxes[0].x0, boxes[0].x1) == (boxes[1].x0, boxes[1].x1)
            assert line.axes.get_ylim()[0] == 0
            # Samples share a scale, series do not.
            assert line.axes.get_ylim() == errors[0, j].axes.get_ylim()
    with pytest.raises(ValueError, match=r"X is a table.*\(n_steps, n_series\)"):
        ReconstructionDisplay.from_predictions(X[:, 0], X[:, 0], show_errors=True)


@pytest.mark.parametrize("flat", [False, True])
def test_names_of_series(flat):
    X = np.random.RandomState(0).uniform(size=(3, 20, 2))
    given, options = X, {}
    if flat:
        columns = [f"{name} {i}" for i in range(20) for name in "ab"]
        given = pd.DataFrame(X.reshape(3, 40), columns=columns)
        options = {"sample_shape": (20, 2)}
    pca = PCA(2).fit(given if flat else X.reshape(3, 40))

    def titles(**kwargs):
        display = ReconstructionDisplay.from_estimator(pca, given, **options, **kwargs)
        return [ax.get_title() for ax in display.axes_[0]]

    assert titles() == ["Series 0", "Series 1"]
    assert titles(feature_names=["speed", "load in $"]) == ["speed", "load in $"]
    n_figures = len(plt.get_fignums())
    with pytest.raises(ValueError, match="There are 2 series, but 3 feature_names"):
        titles(feature_names=list("abc"))
    assert len(plt.get_fignums()) == n_figures
    with pytest.raises(ValueError, match="feature_names='ab', but a list of 2 names"):
        titles(feature_names="ab")


def test_names_of_series_for_flat_samples():
    X = np.random.RandomState(0).uniform(size=(3, 40))
    message = r"40 features, but 2 feature_names. Give sample_shape=\(20, 2\) too"
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_predictions(X, X, feature_names=["speed", "load"])


def test_flat_windows_of_several_estimators():
    X = np.random.RandomState(0).uniform(size=(6, 20, 3))
    flat = X.reshape(6, 60)
    display = ReconstructionDisplay.from_predictions(
        flat, {"a": flat.round(1), "b": flat.round()}, sample_shape=(20, 3)
    )
    assert list(display.lines_) == [
        "Original",
        "a: reconstruction",
        "b: reconstruction",
    ]
    assert display.axes_.shape == (4, 3)
    styles = {lines[0, 0].get_linestyle() for lines in display.lines_.values()}
    assert len(styles) == 3
