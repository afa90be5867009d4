import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skae.inspection import LatentSpaceDisplay


def points(artists):
    return np.concatenate([artist.get_offsets() for artist in artists.values()])


def test_codes_by_class(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, components=(1, 3))
    artists = display.artists_[1, 3]
    codes = pca.transform(digits)
    assert list(artists) == [str(i) for i in range(10)]
    for i, artist in enumerate(artists.values()):
        np.testing.assert_allclose(artist.get_offsets(), codes[y == i][:, [1, 3]])
    legend = display.ax_.get_legend()
    assert [t.get_text() for t in legend.get_texts()] == list(artists)
    assert display.ax_.get_xlabel() == "Component 1"
    assert display.ax_.get_ylabel() == "Component 3"
    assert display.ax_.get_title() == "Codes: components 1 and 3"


def test_classes_differ_in_grey_and_in_shape(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, components=(0, 1))
    looks = {
        (to_hex(a.get_facecolor()[0]), len(a.get_paths()[0].vertices))
        for a in display.artists_[0, 1].values()
    }
    lightness = sorted(
        np.dot(a.get_facecolor()[0, :3], [0.299, 0.587, 0.114])
        for a in display.artists_[0, 1].values()
    )
    assert len(looks) == 10
    assert np.diff(lightness).min() > 0.02
    assert lightness[-1] < 0.75


def test_numbers_have_a_colour_bar(digits, pca):
    y = digits.mean(axis=1)
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, components=(0, 1))
    (artist,) = display.artists_[0, 1].values()
    np.testing.assert_array_equal(artist.get_array(), y)
    assert artist.colorbar is not None
    assert display.ax_.get_legend() is None


def test_many_classes_have_a_colour_bar(digits, pca):
    names = np.array([f"class {i % 50:02}" for i in range(300)])
    display = LatentSpaceDisplay.from_estimator(pca, digits, names, components=(0, 1))
    (artist,) = display.artists_[0, 1].values()
    np.testing.assert_array_equal(artist.get_array(), np.arange(300) % 50)
    ticks = artist.colorbar.ax.get_yticklabels()
    assert [t.get_text() for t in ticks][:2] == ["class 00", "class 04"]
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, np.arange(300), components=(0, 1)
    )
    (artist,) = display.artists_[0, 1].values()
    np.testing.assert_array_equal(artist.get_array(), np.arange(300))


def test_without_y(digits, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, components=(0, 1))
    np.testing.assert_allclose(
        points(display.artists_[0, 1]), pca.transform(digits)[:, :2]
    )
    assert display.ax_.get_legend() is None
    assert len(display.figure_.axes) == 1


def test_pairs(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y % 2)
    codes = pca.transform(digits)
    assert display.axes_.shape == (5, 5)
    for i in range(5):
        for j in range(5):
            if j > i:
                assert display.axes_[i, j] is None
            elif j < i:
                found = points(display.artists_[j, i])
                expected = np.concatenate([codes[y % 2 == k] for k in (0, 1)])
                np.testing.assert_allclose(found, expected[:, [j, i]])
            else:
                counts = sum(
                    artist.get_data().values
                    for artist in display.artists_[i, i].values()
                )
                assert counts.sum() == len(codes)
    assert [ax.get_xlabel() for ax in display.axes_[-1]] == [
        f"Component {i}" for i in range(5)
    ]


def test_one_component(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y % 3, components=2)
    histograms = display.artists_[2, 2]
    assert [a.get_data().values.sum() for a in histograms.values()] == [
        np.sum(y % 3 == i) for i in range(3)
    ]
    display = LatentSpaceDisplay.from_codes(digits[:, 20:21], digits.mean(axis=1))
    np.testing.assert_allclose(
        points(display.artists_[0, 0]), np.c_[digits[:, 20], digits.mean(axis=1)]
    )


def test_scatter_kwargs(digits, pca):
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, components=(0, 1), scatter_kwargs={"c": "red", "s": 3}
    )
    (artist,) = display.artists_[0, 1].values()
    assert isinstance(artist, PathCollection)
    assert to_hex(artist.get_facecolor()[0]) == "#ff0000"
    assert artist.get_sizes() == [3]


def test_grid_is_what_codes_decode_to(digits, pca):
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, kind="grid", components=(2, 1), n_steps=5, image_shape="square"
    )
    codes = pca.transform(digits)
    low, high = np.percentile(codes, [2, 98], axis=0)
    grid = display.decoded_codes
    np.testing.assert_allclose(grid[0, :, 2], np.linspace(low[2], high[2], 5))
    np.testing.assert_allclose(grid[:, 0, 1], np.linspace(low[1], high[1], 5))
    others = [0, 3, 4, 5, 6, 7]
    medians = np.median(codes, axis=0)[others]
    np.testing.assert_allclose(grid[:, :, others], np.broadcast_to(medians, (5, 5, 6)))
    # The lower left image is at the least of both.
    image = display.artists_["decoded"][0]
    corner = pca.inverse_transform(grid[0, 0][np.newaxis]).reshape(8, 8)
    np.testing.assert_allclose(image.get_array()[-8:, :8], corner, atol=1e-6)
    corner = pca.inverse_transform(grid[0, 4][np.newaxis]).reshape(8, 8)
    np.testing.assert_allclose(image.get_array()[-8:, -8:], corner, atol=1e-6)
    assert display.ax_.get_xlabel() == "Component 2"
    assert display.ax_.get_ylabel() == "Component 1"


def test_interpolation_begins_and_ends_with_reconstructions(digits, pca):
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, kind="interpolation", samples=(4, -1), image_shape=(8, 8)
    )
    images = [image.get_array() for image in display.artists_["decoded"]]
    assert len(images) == 10
    ends = pca.inverse_transform(pca.transform(digits[[4, -1]])).reshape(2, 8, 8)
    np.testing.assert_allclose(images[0], ends[0], atol=1e-6)
    np.testing.assert_allclose(images[-1], ends[1], atol=1e-6)
    np.testing.assert_allclose(images[3], (2 * ends[0] + ends[1]) / 3, atol=1e-6)


def test_interpolation_of_a_table_in_the_units_of_X(digits):
    X = digits[:, 20:26] * 1000
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    display = LatentSpaceDisplay.from_estimator(
        pipeline, X, kind="interpolation", n_steps=3
    )
    expected = pipeline.inverse_transform(pipeline.transform(X[:2]))
    np.testing.assert_allclose(display.decoded[[0, 2]], expected)
    np.testing.assert_allclose(
        display.artists_["decoded"][0].get_array(), display.decoded.T
    )
    assert display.ax_.get_yticklabels()[0].get_text() == "x0"


def test_autoencoder_and_detector(X, y, transformer, detector):
    display = LatentSpaceDisplay.from_estimator(transformer, X, y)
    np.testing.assert_array_equal(display.codes, transformer.transform(X))
    display = LatentSpaceDisplay.from_estimator(
        detector, X, kind="grid", image_shape=(8, 8), n_steps=2
    )
    assert display.codes.shape == (len(X), 3)
    assert display.decoded.shape == (2, 2, 8, 8)


def test_colour_images_decoded():
    codes = np.random.RandomState(0).normal(size=(4, 2))
    decoded = np.random.RandomState(0).uniform(size=(4, 5, 6, 3))
    display = LatentSpaceDisplay.from_codes(codes, decoded=decoded, decoded_codes=codes)
    np.testing.assert_allclose(display.artists_["decoded"][2].get_array(), decoded[2])


def test_a_decoded_display_shows_codes_too(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, y, kind="grid", components=(0, 1), image_shape=(8, 8), n_steps=2
    )
    display.plot(kind="scatter")
    assert points(display.artists_[0, 1]).shape == (300, 2)


def test_in_axes_of_the_user(digits, y, pca, beside):
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, y, components=(0, 1), ax=beside
    )
    assert display.ax_ is beside
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, ax=beside)
    assert display.figure_ is beside.figure
    assert not beside.axison


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"components": (0, 8)}, r"components=\(0, 8\), but .* 0 to 7"),
        ({"components": (1, 1)}, "names one twice"),
        ({"components": ()}, "ints were expected"),
        ({"components": "ab"}, "ints were expected"),
        ({"kind": "tree"}, "kind='tree', but"),
        ({"kind": "grid"}, r"Give image_shape=\(height, width\)"),
        ({"kind": "grid", "components": (0, 1, 2)}, "there are 3"),
        ({"kind": "grid", "n_steps": 1}, "n_steps=1, but an int of 2"),
        ({"kind": "interpolation", "samples": (0, 300)}, r"\(0, 300\).*300 rows"),
        ({"kind": "interpolation", "samples": 3}, "samples=3, but two row"),
        ({"y": np.arange(7)}, "y has 7 values, but there are 300 codes"),
        ({"y": np.ones((300, 2))}, "(?i)should be a 1d array"),
        ({"y": np.array([None] * 300)}, "y is unknown, but classes or numbers"),
    ],
)
def test_bad_parameters(digits, pca, params, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_estimator(pca, digits, **params)


def test_bad_arrays():
    codes = np.zeros((5, 2))
    draw = LatentSpaceDisplay.from_codes
    with pytest.raises(ValueError, match="together, or neither"):
        draw(codes, decoded=np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"\(5, 3\), but .*\(n_steps, 2\)"):
        draw(codes, decoded=np.zeros((5, 3)), decoded_codes=np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"decoded has shape \(4, 3\)"):
        draw(codes, decoded=np.zeros((4, 3)), decoded_codes=codes)
    with pytest.raises(ValueError, match="no decoded samples of that kind"):
        draw(codes, kind="grid")
    with pytest.raises(ValueError, match="codes contains NaN"):
        draw(codes * np.nan)


def test_estimators_that_cannot_decode(digits):
    projection = GaussianRandomProjection(2, random_state=0).fit(digits)
    one_way = make_pipeline(PolynomialFeatures(1), PCA(2)).fit(digits)
    for estimator in (one_way, _OneWay().fit(digits)):
        LatentSpaceDisplay.from_estimator(estimator, digits)
        with pytest.raises(TypeError, match=r"has no inverse_transform .*'scatter'"):
            LatentSpaceDisplay.from_estimator(
                estimator, digits, kind="interpolation", image_shape=(8, 8)
            )
    LatentSpaceDisplay.from_estimator(projection, digits)
    plt.close("all")


class _OneWay(PCA):
    inverse_transform = property()
