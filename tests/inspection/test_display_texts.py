"""What is written can be read: no text is over another, or cut off."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skae.inspection import (
    DecodedCodesDisplay,
    ExplainedVarianceDisplay,
    LatentSpaceDisplay,
    OutlierExplanationDisplay,
    OutlierScoreDisplay,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
)

pytestmark = pytest.mark.no_cover

RNG = np.random.RandomState(0)
CODES = RNG.normal(size=(120, 6)) * [100, 10, 1, 0.1, 1e-3, 1e3]
IMAGES = RNG.uniform(size=(100, 8, 8))
LONG = "a name that is much longer than those that people have in mind, number"
TABLE = pd.DataFrame(
    RNG.normal(size=(8, 30)), columns=[f"{LONG} {i}" for i in range(30)]
)
EPOCHS = np.arange(1, 60)
LOSSES = {"loss": 1 / EPOCHS, "val_loss": 1 / EPOCHS + 0.1}
VARIATIONAL = LOSSES | {
    f"{prefix}{name}": LOSSES[f"{prefix}loss"] / 2
    for name in ("reconstruction_loss", "kl_loss")
    for prefix in ("", "val_")
}
SCORES = -np.concatenate([RNG.gamma(3, 2, 200), RNG.gamma(4, 90, 20)])
LABELS = np.repeat([0, 1], [200, 20])


def reconstruction(X, n_estimators=1, n_components=8, **params):
    made = {
        f"{LONG} {i}" if n_estimators > 1 else "PCA": X * 0.9
        for i in range(n_estimators)
    }
    codes = dict.fromkeys(made, RNG.normal(size=(len(X), n_components)))
    return lambda ax=None: ReconstructionDisplay.from_predictions(
        X, made, codes=codes, n_samples=len(X), ax=ax, **params
    )


def latent(y=None, **params):
    return lambda ax=None: LatentSpaceDisplay.from_codes(CODES, y, ax=ax, **params)


def decoded(samples, codes):
    return lambda ax=None: DecodedCodesDisplay.from_decoded(samples, codes, ax=ax)


def grid(n_rows, n_columns, height, width):
    codes = np.zeros((n_rows, n_columns, 6))
    codes[:, :, 0] = np.linspace(-1234.5, 1234.5, n_columns)
    codes[:, :, 1] = np.linspace(-1e-5, 1e-5, n_rows)[:, np.newaxis]
    return decoded(RNG.uniform(size=(n_rows, n_columns, height, width)), codes)


def between(samples):
    return decoded(samples, CODES[: len(samples)])


def history(history, best_epoch=None, **params):
    return lambda ax=None: TrainingHistoryDisplay.from_history(
        history, best_epoch=best_epoch, ax=ax, **params
    )


def outliers(*args, **params):
    return lambda ax=None: OutlierScoreDisplay.from_predictions(*args, ax=ax, **params)


def explanation(contributions, **params):
    return lambda ax=None: OutlierExplanationDisplay.from_predictions(
        contributions, ax=ax, **params
    )


def variance(n_components, scores, **params):
    return lambda ax=None: ExplainedVarianceDisplay.from_scores(
        n_components, scores, ax=ax, **params
    )


MANY = {f"{LONG} {i}": LOSSES for i in range(6)}
NAMED_60 = [f"{LONG} {i % 60:02}" for i in range(120)]
WINDOWS = IMAGES[:24].reshape(6, 32, 8)
CASES = {
    "1 image": reconstruction(IMAGES[:1], show_errors=True),
    "1 image, tall code": reconstruction(IMAGES[:1], code_shape=(8, 1)),
    "10 images": reconstruction(IMAGES[:10], show_errors=True),
    "10 images, 3 long names": reconstruction(IMAGES[:10], 3, show_errors=True),
    "13 images": reconstruction(IMAGES[:13]),
    "100 images, 2 estimators": reconstruction(IMAGES, 2, show_errors=True),
    "flat images": reconstruction(IMAGES[:10, :1]),
    "tall images": reconstruction(IMAGES[:10].reshape(10, 32, 2)[:, :, [0] * 9], 2),
    "windows, 2 long names": reconstruction(IMAGES[:10, :, :1], 2),
    "windows of 8 series": reconstruction(WINDOWS),
    "windows, errors": reconstruction(WINDOWS[:3, :, :3], show_errors=True),
    "windows, errors, long names": reconstruction(
        WINDOWS, 2, show_errors=True, feature_names=list(TABLE)[:8]
    ),
    "1 row of 2 features": reconstruction(IMAGES[:1, 0, :2]),
    "4 rows": reconstruction(IMAGES[:4, 0]),
    "4 rows, 2 long names": reconstruction(IMAGES[:4, 0], 2),
    "30 features, long names": reconstruction(TABLE, 3),
    "64 features": reconstruction(IMAGES[:7].reshape(7, 64)),
    "codes": latent(components=(0, 1)),
    "codes, 10 classes": latent(np.arange(120) % 10, components=(0, 1)),
    "codes, 20 long classes": latent(
        [f"{LONG} {i % 20}" for i in range(120)], components=(0, 1)
    ),
    "codes, 60 long classes": latent(NAMED_60, components=(0, 1)),
    "codes, numbers": latent(CODES[:, 0], components=(0, 1)),
    "one component": latent(np.arange(120) % 3, components=0),
    "one component, numbers": latent(CODES[:, 0], components=0),
    "3 components, 10 classes": latent(np.arange(120) % 10, components=(0, 1, 2)),
    "5 components, numbers": latent(CODES[:, 0]),
    "4 components, 20 classes": latent(np.arange(120) % 20, components=(0, 1, 2, 5)),
    "5 components, 60 long classes": latent(NAMED_60),
    "grid": grid(15, 15, 8, 8),
    "grid of wide images": grid(4, 4, 2, 8),
    "grid of tall images": grid(4, 4, 8, 2),
    "interpolation of images": between(IMAGES[:10]),
    "interpolation, 2 steps": between(IMAGES[:2]),
    "interpolation of a table": between(TABLE.to_numpy()),
    "history": history(LOSSES, 20),
    "history, best at the start": history(LOSSES, 0, yscale="log"),
    "history of a variational one": history(VARIATIONAL, 20),
    "histories": history(MANY, dict.fromkeys(MANY, 59)),
    "variational histories": history({"a": VARIATIONAL, "b": VARIATIONAL}),
    "scores": outliers(SCORES, threshold=-40.0),
    "scores and labels": outliers(SCORES, LABELS, threshold=-40.0),
    "linear scores": outliers(SCORES, LABELS, threshold=-40.0, xscale="linear"),
    "scores around zero": outliers(CODES[:, 1]),
    "contributions": explanation(TABLE, observed=TABLE, expected=TABLE, sample=3),
    "few contributions": explanation(CODES[:, :2], sample=3),
    "heat map": explanation(TABLE.abs(), kind="heat_map"),
    "maps of images": explanation(IMAGES[:10], observed=IMAGES[:10]),
    "contributions to windows": explanation(WINDOWS, observed=WINDOWS),
    "variance": variance(np.arange(1, 65), np.linspace(0, 1, 64)),
    "variance, log": variance(
        np.arange(1, 1001), np.linspace(0, 1, 1000), xscale="log"
    ),
    "variance, long names": variance(
        [1, 2, 4, 8], {name: [0.1, 0.2, 0.3, 0.4] for name in MANY}
    ),
}


# Those that are meant to share a figure with others.
SMALL = [
    "1 image",
    "10 images",
    "4 rows",
    "windows, errors",
    "codes, 10 classes",
    "codes, numbers",
    "3 components, 10 classes",
    "grid",
    "interpolation of images",
    "interpolation of a table",
    "history",
    "history of a variational one",
    "scores and labels",
    "few contributions",
    "maps of images",
    "variance",
]


@pytest.mark.parametrize("case", SMALL)
def test_in_axes_of_the_user(case, beside, assert_texts_apart):
    figure = beside.figure
    n_figures = len(plt.get_fignums())
    display = CASES[case](ax=beside)
    assert len(plt.get_fignums()) == n_figures
    assert display.figure_ is figure
    assert_texts_apart(figure, inside=False)
    other = figure.axes[1].get_window_extent()
    for axes in display.axes_.flat if hasattr(display, "axes_") else [display.ax_]:
        assert axes is None or axes.get_window_extent().x1 < other.x0


@pytest.mark.parametrize("case", CASES)
def test_in_a_figure_of_its_own(case, assert_texts_apart):
    """With title and labels, where it is one that may share a figure."""
    display = CASES[case]()
    figure = display.figure_
    found = assert_texts_apart(figure)
    if case in SMALL:
        title = figure._suptitle or display.ax_.title
        assert title in found
        if "image" not in case:
            assert any(ax.get_xlabel() for ax in figure.axes)


@pytest.mark.parametrize("layout", [None, "tight"])
@pytest.mark.parametrize("case", ["4 rows", "history of a variational one"])
def test_in_axes_without_constrained_layout(case, layout, assert_texts_apart):
    """Title and legend have room above and below the axes."""
    _, ax = plt.subplots(figsize=(9, 5), layout=layout)
    assert_texts_apart(CASES[case](ax=ax).figure_)


# Long names, which have to fit into a place that cannot grow.
LONG_NAMES = [
    "10 images, 3 long names",
    "4 rows, 2 long names",
    "codes, 60 long classes",
    "histories",
    "variance, long names",
]


@pytest.mark.parametrize("case", LONG_NAMES)
def test_long_names_in_axes_of_the_user(case, beside, assert_texts_apart):
    display = CASES[case](ax=beside)
    assert_texts_apart(display.figure_)
