import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae.inspection import LatentSpaceDisplay

ALL = "All samples"


def points(artists):
    return np.concatenate([artist.get_offsets() for artist in artists])


def test_codes_by_class(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, components=(1, 3))
    codes = pca.transform(digits)
    assert list(display.scatters_) == [str(i) for i in range(10)]
    for i, artists in enumerate(display.scatters_.values()):
        np.testing.assert_allclose(points(artists), codes[y == i][:, [1, 3]])
    assert display.histograms_ == {}
    legend = display.ax_.get_legend()
    assert [t.get_text() for t in legend.get_texts()] == list(display.scatters_)
    assert display.ax_.get_xlabel() == "Component 1"
    assert display.ax_.get_ylabel() == "Component 3"
    assert display.ax_.get_title() == "Codes: components 1 and 3"


def test_classes_differ_in_grey_and_in_shape(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, components=(0, 1))
    artists = [artist for (artist,) in display.scatters_.values()]
    looks = {
        (to_hex(a.get_facecolor()[0]), len(a.get_paths()[0].vertices)) for a in artists
    }
    lightness = sorted(
        np.dot(a.get_facecolor()[0, :3], [0.299, 0.587, 0.114]) for a in artists
    )
    assert len(looks) == 10
    assert np.diff(lightness).min() > 0.02
    assert lightness[-1] < 0.75


def test_numbers_have_a_colour_bar(digits, pca):
    y = digits.mean(axis=1)
    display = LatentSpaceDisplay.from_estimator(pca, digits, y, components=(0, 1))
    (artist,) = display.scatters_[ALL]
    np.testing.assert_array_equal(artist.get_array(), y)
    assert artist.colorbar is not None
    assert display.ax_.get_legend() is None


def test_many_classes_have_a_colour_bar(digits, pca):
    names = np.array([f"class {i % 50:02}" for i in range(300)])
    display = LatentSpaceDisplay.from_estimator(pca, digits, names, components=(0, 1))
    (artist,) = display.scatters_[ALL]
    np.testing.assert_array_equal(artist.get_array(), np.arange(300) % 50)
    ticks = artist.colorbar.ax.get_yticklabels()
    assert [t.get_text() for t in ticks][:2] == ["class 00", "class 04"]
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, np.arange(300), components=(0, 1)
    )
    (artist,) = display.scatters_[ALL]
    np.testing.assert_array_equal(artist.get_array(), np.arange(300))


def test_without_y(digits, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, components=(0, 1))
    np.testing.assert_allclose(
        points(display.scatters_[ALL]), pca.transform(digits)[:, :2]
    )
    assert display.ax_.get_legend() is None
    assert len(display.figure_.axes) == 1


def test_pairs(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y % 2)
    codes = pca.transform(digits)
    assert display.axes_.shape == (5, 5)
    pairs = list(zip(*np.tril_indices(5, -1), strict=True))
    for name, members in (("0", y % 2 == 0), ("1", y % 2 == 1)):
        for (i, j), artist in zip(pairs, display.scatters_[name], strict=True):
            assert artist.axes is display.axes_[i, j]
            np.testing.assert_allclose(artist.get_offsets(), codes[members][:, [j, i]])
        for i, artist in enumerate(display.histograms_[name]):
            assert artist.axes is display.axes_[i, i]
            assert artist.get_data().values.sum() == members.sum()
    for i, j in zip(*np.triu_indices(5, 1), strict=True):
        assert display.axes_[i, j] is None
    assert [ax.get_xlabel() for ax in display.axes_[-1]] == [
        f"Component {i}" for i in range(5)
    ]


def test_pairs_of_many_classes_have_common_histograms(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y)
    assert list(display.scatters_) == [str(i) for i in range(10)]
    assert list(display.histograms_) == [ALL]
    for artist in display.histograms_[ALL]:
        assert artist.get_data().values.sum() == len(digits)


def test_histograms_of_one_component(digits, y, pca):
    display = LatentSpaceDisplay.from_estimator(pca, digits, y % 3, components=2)
    assert display.scatters_ == {}
    assert {
        name: artist.get_data().values.sum()
        for name, (artist,) in display.histograms_.items()
    } == {str(i): np.sum(y % 3 == i) for i in range(3)}
    assert display.ax_.get_title() == "Codes: component 2"


def test_one_component_against_numbers(digits):
    y = digits.mean(axis=1)
    display = LatentSpaceDisplay.from_codes(digits[:, 20:21], y)
    assert display.histograms_ == {}
    np.testing.assert_allclose(points(display.scatters_[ALL]), np.c_[digits[:, 20], y])
    assert display.ax_.get_ylabel() == "y"


def test_scatter_kwargs(digits, pca):
    display = LatentSpaceDisplay.from_estimator(
        pca, digits, components=(0, 1), scatter_kwargs={"c": "red", "s": 3}
    )
    (artist,) = display.scatters_[ALL]
    assert isinstance(artist, PathCollection)
    assert to_hex(artist.get_facecolor()[0]) == "#ff0000"
    assert artist.get_sizes() == [3]


def test_codes_of_an_autoencoder_and_of_a_detector(X, y, transformer, detector):
    display = LatentSpaceDisplay.from_estimator(transformer, X, y)
    np.testing.assert_array_equal(display.codes, transformer.transform(X))
    display = LatentSpaceDisplay.from_estimator(detector, X)
    codes = detector.encoder_.predict(X, verbose=0)
    np.testing.assert_allclose(display.codes, codes, rtol=1e-5)
    # The steps before are applied.
    halved = make_pipeline(MinMaxScaler((0, 0.5)).fit(np.eye(64)), detector)
    display = LatentSpaceDisplay.from_estimator(halved, 2 * X)
    np.testing.assert_allclose(display.codes, codes, rtol=1e-5, atol=1e-6)


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
        ({"components": (1, 1)}, r"components must be distinct, got \(1, 1\)"),
        ({"components": ()}, "a tuple of ints was expected"),
        ({"components": "ab"}, "a tuple of ints was expected"),
        ({"y": np.arange(7)}, "y has 7 values, but there are 300 codes"),
        ({"y": np.ones((300, 2))}, "(?i)should be a 1d array"),
        ({"y": np.array([None] * 300)}, "y is missing for 300 of 300 samples"),
        ({"y": [None, "a"] * 150}, "y is missing for 150 .*a class of their own"),
        ({"y": np.repeat([0.5, np.nan], [299, 1])}, "y is missing for 1 of 300"),
    ],
)
def test_bad_parameters(digits, pca, params, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_estimator(pca, digits, **params)


def test_bad_arrays():
    with pytest.raises(ValueError, match="codes contains NaN"):
        LatentSpaceDisplay.from_codes(np.full((5, 2), np.nan))


class _OneWay(PCA):
    inverse_transform = property()


def test_estimators_without_inverse_transform(digits):
    one_way = _OneWay(2).fit(digits)
    for estimator in (one_way, make_pipeline(MinMaxScaler(), one_way).fit(digits)):
        display = LatentSpaceDisplay.from_estimator(estimator, digits)
        np.testing.assert_array_equal(display.codes, estimator.transform(digits))
    plt.close("all")
