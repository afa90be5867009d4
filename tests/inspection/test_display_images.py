"""Displays look as they did when someone last looked at them.

Texts and the layout that makes room for them are taken away, since fonts and layouts
differ from machine to machine and from version to version: what is left is the data.
It is compared in blocks of 4 x 4 pixels, since antialiasing differs too.

To renew the pictures after a change that is meant, run this file, and look at them:
``python tests/inspection/test_display_images.py``.
"""

import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.ticker import NullFormatter

from skae.inspection import (
    DecodedCodesDisplay,
    ExplainedVarianceDisplay,
    LatentSpaceDisplay,
    OutlierExplanationDisplay,
    OutlierScoreDisplay,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
)

FOLDER = Path(__file__).parent / "expected_images"
# Of values from 0 to 1. matplotlib 3.8 and 3.11 differ by about half of it: they round
# the edges of images to other pixels.
IMAGES = ("reconstruction_of_images", "decoded_grid")


def tolerance(name):
    return 0.06 if name in IMAGES else 0.01


# Smooth data, the same on every machine: sums of sines.
ROWS = np.arange(24.0)
X = np.sin(np.outer(ROWS + 1, np.linspace(0.1, 0.5, 64))) / 2 + 0.5
CODES = np.sin(np.outer(ROWS + 1, [1, 2, 3]))
EPOCHS = np.arange(1, 31)
HISTORY = {"loss": 1 / EPOCHS, "val_loss": 1 / EPOCHS + EPOCHS / 300}
VARIATIONAL = HISTORY | {"kl_loss": 0.2 / EPOCHS, "val_kl_loss": 0.3 / EPOCHS}
SCORES = -np.concatenate([1.1 ** np.arange(30), 300 + ROWS])
GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 4), [0])[:2], -1)


def reconstruction_of_images():
    return ReconstructionDisplay.from_predictions(
        X, X**2, codes=CODES, sample_shape=(8, 8), n_samples=13, show_errors=True
    )


def reconstruction_of_a_table():
    return ReconstructionDisplay.from_predictions(
        X[:, :6], {"a": X[:, :6] * 0.8, "b": -X[:, :6]}
    )


def codes_of_classes():
    return LatentSpaceDisplay.from_codes(
        CODES, ROWS % 4, components=(0, 1), scatter_kwargs={"s": 300}
    )


def pairs_of_components():
    return LatentSpaceDisplay.from_codes(CODES, CODES[:, 0])


def decoded_grid():
    grid = GRID.reshape(4, 4, 2)
    decoded = np.sin(grid.sum(axis=-1)[:, :, np.newaxis] + np.linspace(0, 1, 64))
    return DecodedCodesDisplay.from_decoded(decoded, grid, sample_shape=(8, 8))


def interpolation_of_a_table():
    return DecodedCodesDisplay.from_decoded(X[:5, :6], CODES[:5])


def training_history():
    return TrainingHistoryDisplay.from_history(VARIATIONAL, best_epoch=9)


def several_histories():
    return TrainingHistoryDisplay.from_history(
        {"a": HISTORY, "b": {"loss": 2 / EPOCHS}}, best_epoch={"a": 9, "b": 30}
    )


def outlier_scores():
    return OutlierScoreDisplay.from_predictions(
        SCORES, np.repeat([1, -1], [30, 24]), threshold=-50, bins=20
    )


def contributions():
    return OutlierExplanationDisplay.from_predictions(CODES.T, max_features=8)


def explained_variance():
    return ExplainedVarianceDisplay.from_scores(
        [1, 2, 4, 8],
        {"a": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]], "b": [0, 0.4, 0.8, 1]},
    )


DRAW = {
    function.__name__: function
    for function in (
        reconstruction_of_images,
        reconstruction_of_a_table,
        codes_of_classes,
        pairs_of_components,
        decoded_grid,
        interpolation_of_a_table,
        training_history,
        several_histories,
        outlier_scores,
        contributions,
        explained_variance,
    )
}


def picture(draw):
    """PNG of a display without its texts and legends."""
    with mpl.rc_context(mpl.rcParamsDefault):
        figure = draw().figure_
        figure.suptitle("")
        for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes)]:
            if legend is not None:
                legend.remove()
        figure.set_layout_engine("none")
        children = [child for ax in figure.axes for child in ax.child_axes]
        for ax in [*figure.axes, *children]:
            ax.set(title="", xlabel="", ylabel="")
            ax.set_title("", loc="left")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(NullFormatter())
                axis.set_minor_formatter(NullFormatter())
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=40)
        plt.close(figure)
    buffer.seek(0)
    return buffer


def blocks(image):
    """Means of blocks of 4 x 4 pixels, without what is left at the edges."""
    height, width = (n // 4 for n in image.shape[:2])
    image = image[: height * 4, : width * 4, :3]
    return image.reshape(height, 4, width, 4, 3).mean(axis=(1, 3))


def difference(image, other):
    # Versions round the size of a figure up or down.
    assert np.abs(np.subtract(image.shape, other.shape)).max() <= 1
    height, width = np.minimum(image.shape, other.shape)[:2]
    image, other = image[:height, :width], other[:height, :width]
    return np.sqrt(np.mean((blocks(image) - blocks(other)) ** 2))


@pytest.mark.parametrize("name", DRAW)
def test_looks_as_before(name):
    found = plt.imread(picture(DRAW[name]))
    expected = plt.imread(FOLDER / f"{name}.png")
    assert difference(found, expected) < tolerance(name)


@pytest.mark.parametrize("name", DRAW)
def test_pictures_show_something(name):
    """The comparison would see it if nothing were drawn, or all were upside down."""
    expected = plt.imread(FOLDER / f"{name}.png")
    assert difference(expected, np.ones_like(expected)) > 2 * tolerance(name)
    assert difference(expected, expected[::-1]) > 2 * tolerance(name)


def test_another_picture_is_noticed():
    def other():
        return LatentSpaceDisplay.from_codes(
            CODES, ROWS % 3, components=(0, 1), scatter_kwargs={"s": 300}
        )

    expected = plt.imread(FOLDER / "codes_of_classes.png")
    assert difference(plt.imread(picture(other)), expected) > 2 * tolerance(
        "codes_of_classes"
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, draw in DRAW.items():
        (FOLDER / f"{name}.png").write_bytes(picture(draw).getvalue())
