import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skae import AutoencoderOutlierDetector
from skae.inspection import DecodedCodesDisplay

GRID = {"kind": "grid", "sample_shape": (8, 8)}


def drawn(display):
    return [image.get_array() for image in display.images_]


def test_grid_is_what_codes_decode_to(digits, pca):
    display = DecodedCodesDisplay.from_estimator(
        pca, digits, components=(2, 1), n_steps=5, sample_shape="square"
    )
    codes = pca.transform(digits)
    low, high = np.percentile(codes, [2, 98], axis=0)
    grid = display.codes
    np.testing.assert_allclose(grid[0, :, 2], np.linspace(low[2], high[2], 5))
    np.testing.assert_allclose(grid[:, 0, 1], np.linspace(low[1], high[1], 5))
    others = [0, 3, 4, 5, 6, 7]
    medians = np.median(codes, axis=0)[others]
    np.testing.assert_allclose(grid[:, :, others], np.broadcast_to(medians, (5, 5, 6)))
    assert display.decoded.shape == (5, 5, 8, 8)
    # The lower left image is at the minimum of both.
    (image,) = drawn(display)
    corner = pca.inverse_transform(grid[0, 0][np.newaxis]).reshape(8, 8)
    np.testing.assert_allclose(image[-8:, :8], corner, atol=1e-6)
    corner = pca.inverse_transform(grid[0, 4][np.newaxis]).reshape(8, 8)
    np.testing.assert_allclose(image[-8:, -8:], corner, atol=1e-6)
    assert display.ax_.get_xlabel() == "Component 2"
    assert display.ax_.get_ylabel() == "Component 1"
    assert display.ax_.get_title() == "Decoded across components 2 and 1"


def test_grid_is_labelled_by_its_codes(digits, pca):
    display = DecodedCodesDisplay.from_estimator(pca, digits * 100, n_steps=3, **GRID)
    for axis, values in (
        (display.ax_.xaxis, display.codes[0, :, 0]),
        (display.ax_.yaxis, display.codes[:, 0, 1]),
    ):
        labels = [
            t.get_text().replace("\N{MINUS SIGN}", "-") for t in axis.get_ticklabels()
        ]
        assert not any("e" in label for label in labels)
        found = [float(label) for label in labels]
        np.testing.assert_allclose(found, values, rtol=0.05)


def test_interpolation_begins_and_ends_with_reconstructions(digits, pca):
    display = DecodedCodesDisplay.from_estimator(
        pca, digits, kind="interpolation", samples=(4, -1), sample_shape=(8, 8)
    )
    images = drawn(display)
    assert len(images) == 10
    ends = pca.inverse_transform(pca.transform(digits[[4, -1]])).reshape(2, 8, 8)
    np.testing.assert_allclose(images[0], ends[0], atol=1e-6)
    np.testing.assert_allclose(images[-1], ends[1], atol=1e-6)
    np.testing.assert_allclose(images[3], (2 * ends[0] + ends[1]) / 3, atol=1e-6)


def test_interpolation_of_a_table_in_the_units_of_X(digits):
    X = digits[:, 20:26] * 1000
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    display = DecodedCodesDisplay.from_estimator(
        pipeline, X, kind="interpolation", n_steps=3, standardize=False
    )
    expected = pipeline.inverse_transform(pipeline.transform(X[:2]))
    np.testing.assert_allclose(display.decoded[[0, 2]], expected)
    (heat_map,) = drawn(display)
    np.testing.assert_allclose(heat_map, display.decoded.T)
    assert display.ax_.get_yticklabels()[0].get_text() == "x0"


def test_table_in_standard_deviations(digits):
    X = digits[:, 20:26] * [1, 1000, 1, 1, 1, 0]
    params = {"kind": "interpolation", "samples": (3, 7), "n_steps": 2}
    pca = PCA(5).fit(X)
    plain = DecodedCodesDisplay.from_estimator(pca, X, standardize=False, **params)
    display = DecodedCodesDisplay.from_estimator(pca, X, **params)
    expected = (plain.decoded - X.mean(axis=0)) / [*X[:, :5].std(axis=0), 1]
    np.testing.assert_allclose(display.decoded, expected)
    assert "Standard deviations" in display.value_label
    (image,) = display.images_
    assert image.colorbar.ax.get_ylabel() == display.value_label


def test_detector_in_a_pipeline(digits):
    pipeline = make_pipeline(
        StandardScaler(), AutoencoderOutlierDetector(3, epochs=1, random_state=0)
    ).fit(digits)
    display = DecodedCodesDisplay.from_estimator(
        pipeline,
        digits,
        kind="interpolation",
        samples=(0, 5),
        n_steps=2,
        standardize=False,
    )
    scaler, detector = pipeline[0], pipeline[-1]
    expected = scaler.inverse_transform(
        detector.reconstruct(scaler.transform(digits[[0, 5]]))
    )
    np.testing.assert_allclose(display.decoded, expected, rtol=1e-4, atol=1e-4)


def test_colour_images():
    codes = np.random.RandomState(0).normal(size=(4, 2))
    images = np.random.RandomState(0).uniform(size=(4, 5, 6, 3))
    display = DecodedCodesDisplay.from_decoded(images, codes)
    np.testing.assert_allclose(drawn(display), images)
    display = DecodedCodesDisplay.from_decoded(
        images.reshape(2, 2, 5, 6, 3), codes.reshape(2, 2, 2)
    )
    (mosaic,) = drawn(display)
    np.testing.assert_allclose(mosaic[:5, 6:], images[3])


def test_plot_again_with_other_colours(digits, pca):
    display = DecodedCodesDisplay.from_estimator(pca, digits, n_steps=2, **GRID)
    first = display.figure_
    assert display.plot(cmap="viridis") is display
    assert display.figure_ is not first
    assert display.images_[0].get_cmap().name == "viridis"


@pytest.mark.parametrize("kind", ["grid", "interpolation"])
def test_in_axes_of_the_user(digits, pca, beside, kind):
    display = DecodedCodesDisplay.from_estimator(
        pca, digits, ax=beside, **GRID | {"kind": kind}
    )
    assert display.ax_ is beside
    assert display.figure_ is beside.figure
    assert {image.axes for image in display.images_} == {beside}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "tree"}, "kind='tree', but"),
        ({"kind": "grid"}, r"Give sample_shape=\(height, width\)"),
        (GRID | {"components": (0, 1, 2)}, "there are 3"),
        (GRID | {"components": (0, 8)}, r"components=\(0, 8\), but .* 0 to 7"),
        (GRID | {"n_steps": 1}, "n_steps=1, but an int of 2"),
        ({"kind": "interpolation", "samples": (0, 300)}, r"\(0, 300\).*300 samples"),
        ({"kind": "interpolation", "samples": 3}, "samples=3, but the indices of two"),
    ],
)
def test_bad_parameters(digits, pca, params, message):
    with pytest.raises(ValueError, match=message):
        DecodedCodesDisplay.from_estimator(pca, digits, **params)


def test_one_component_has_no_grid(digits):
    with pytest.raises(ValueError, match="varies two components, but there are 1"):
        DecodedCodesDisplay.from_estimator(PCA(1).fit(digits), digits, **GRID)


@pytest.mark.parametrize(
    ("decoded", "codes", "message"),
    [
        ((4, 3), (5, 2), r"decoded has shape \(4, 3\), but \(5, '...'\)"),
        ((2, 2), (2, 2, 2), r"decoded has shape \(2, 2\), but"),
        ((1, 3), (1, 2), "at least two codes along each side"),
        ((2, 2, 2, 2, 4), (2, 2, 2, 2), r"codes has shape \(2, 2, 2, 2\), but"),
    ],
)
def test_bad_shapes(decoded, codes, message):
    with pytest.raises(ValueError, match=message):
        DecodedCodesDisplay.from_decoded(np.zeros(decoded), np.zeros(codes))


def test_bad_numbers():
    with pytest.raises(ValueError, match="decoded contains NaN"):
        DecodedCodesDisplay.from_decoded(np.full((3, 4), np.nan), np.zeros((3, 2)))


class _NoDecoder(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X[:, :2]


def test_estimators_that_cannot_decode(digits):
    for estimator in (
        _NoDecoder().fit(digits),
        make_pipeline(PolynomialFeatures(1), PCA(2)).fit(digits),
    ):
        with pytest.raises(TypeError, match=r"no inverse_transform to .*LatentSpace"):
            DecodedCodesDisplay.from_estimator(estimator, digits, **GRID)
