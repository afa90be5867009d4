import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Text
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def digits():
    return load_digits().data[:300]


@pytest.fixture(scope="session")
def y():
    return load_digits().target[:300]


@pytest.fixture(scope="session")
def pca(digits):
    return PCA(8, random_state=0).fit(digits)


@pytest.fixture
def beside():
    """Axes of the user, with others at their right."""
    _, (ax, other) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    other.set_title("Something else")
    return ax


def texts(figure):
    """Text artists that are drawn."""
    figure.canvas.draw()
    hidden = set()
    axes = list(figure.axes)
    axes += [child for ax in axes for child in ax.child_axes]
    for ax in axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-6 * (high - low)
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if (
                    not ax.axison
                    or not low - slack <= tick.get_loc() <= high + slack
                    or not axis.get_visible()
                ):
                    hidden.update((tick.label1, tick.label2))
            if not ax.axison:
                hidden.add(axis.label)
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in hidden
    ]


def assert_texts_apart(figure, *, inside=True):
    """Return the texts: none is drawn over another, nor beyond the figure's edge."""
    found = texts(figure)
    assert found
    boxes = [text.get_window_extent() for text in found]
    width, height = figure.canvas.get_width_height()
    for i, (text, box) in enumerate(zip(found, boxes, strict=True)):
        if inside:
            assert box.x0 > -1, text
            assert box.y0 > -1, text
            assert box.x1 < width + 1, text
            assert box.y1 < height + 1, text
        for other, other_box in zip(found[:i], boxes[:i], strict=True):
            overlap = (
                min(box.x1, other_box.x1) - max(box.x0, other_box.x0) > 1
                and min(box.y1, other_box.y1) - max(box.y0, other_box.y0) > 1
            )
            assert not overlap, (text, other)
    return found


@pytest.fixture(name="assert_texts_apart", scope="session")
def _assert_texts_apart():
    return assert_texts_apart


@pytest.fixture(name="texts", scope="session")
def _texts():
    return texts
