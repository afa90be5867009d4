import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer
from skae.inspection import TrainingHistoryDisplay

HISTORY = {"loss": [0.9, 0.5, 0.4, 0.3], "val_loss": [1.0, 0.6, 0.5, 0.55]}
VARIATIONAL = HISTORY | {
    "reconstruction_loss": [0.8, 0.4, 0.3, 0.2],
    "val_reconstruction_loss": [0.9, 0.5, 0.4, 0.45],
    "kl_loss": [0.1, 0.1, 0.1, 0.1],
    "val_kl_loss": [0.1, 0.1, 0.1, 0.1],
}


def legend(display):
    legends = [display.ax_.get_legend(), *display.figure_.legends]
    (legend,) = filter(None, legends)
    return [text.get_text() for text in legend.get_texts()]


def test_losses_by_epoch():
    display = TrainingHistoryDisplay.from_history(HISTORY, best_epoch=3)
    for key in HISTORY:
        line = display.lines_["", key]
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(line.get_ydata(), HISTORY[key])
    training, validation = display.lines_.values()
    assert training.get_linestyle() != validation.get_linestyle()
    (best,) = display.best_lines_[""]
    assert set(best.get_xdata()) == {3}
    assert legend(display) == ["Training", "Validation", "Best epoch: 3"]
    assert display.ax_.get_xlabel() == "Epoch"
    assert display.ax_.get_ylabel() == "Loss"


def test_best_at_the_start():
    display = TrainingHistoryDisplay.from_history(HISTORY, best_epoch=0)
    (best,) = display.best_lines_[""]
    assert set(best.get_xdata()) == {0}
    assert legend(display)[-1] == "Best epoch: 0 (the start)"
    low, high = display.ax_.get_xlim()
    assert low <= 0 < high


def test_without_a_best_epoch_and_validation():
    display = TrainingHistoryDisplay.from_history({"loss": [2, 1]})
    assert legend(display) == ["Training"]
    assert not display.best_lines_[""]


def test_parts_of_a_variational_loss_have_axes_of_their_own():
    display = TrainingHistoryDisplay.from_history(VARIATIONAL, best_epoch=3)
    assert [ax.get_ylabel() for ax in display.axes_] == [
        "Loss",
        "Reconstruction loss",
        "KL loss",
    ]
    for key in VARIATIONAL:
        expected = key.removeprefix("val_").replace("_", " ").capitalize()
        ax = display.lines_["", key].axes
        assert ax.get_ylabel().lower() == expected.lower()
    assert len(display.best_lines_[""]) == 3


def test_metrics_can_be_chosen():
    display = TrainingHistoryDisplay.from_history(VARIATIONAL, metrics="kl_loss")
    assert list(display.lines_) == [("", "kl_loss"), ("", "val_kl_loss")]
    mixed = {"plain": HISTORY, "variational": VARIATIONAL}
    display = TrainingHistoryDisplay.from_history(mixed, metrics=["kl_loss"])
    assert legend(display) == ["variational", "Training", "Validation"]


def test_several_fits():
    display = TrainingHistoryDisplay.from_history(
        {"a": HISTORY, "b": VARIATIONAL, "c": {"loss": [0.2]}},
        best_epoch={"a": 2, "b": 0},
    )
    assert set(display.lines_) == {
        ("c", "loss"),
        *(("a", key) for key in HISTORY),
        *(("b", key) for key in VARIATIONAL),
    }
    looks = {
        (line.get_color(), line.get_marker())
        for (_, key), line in display.lines_.items()
        if key == "loss"
    }
    assert len(looks) == 3
    assert set(display.best_lines_["a"][0].get_xdata()) == {2}
    assert legend(display) == [
        "a (best epoch: 2)",
        "b (best epoch: 0)",
        "c",
        "Training",
        "Validation",
        "Best epoch",
    ]


def test_nan_is_left_out():
    history = {"loss": [3, 2, 1], "val_loss": [3, 2, np.nan]}
    display = TrainingHistoryDisplay.from_history(history, yscale="log")
    assert np.isnan(display.lines_["", "val_loss"].get_ydata()[-1])
    assert display.ax_.get_yscale() == "log"


def test_what_keras_gives():
    class History:
        history = HISTORY

    display = TrainingHistoryDisplay.from_history(History())
    assert set(display.lines_) == {("", "loss"), ("", "val_loss")}
    display = TrainingHistoryDisplay.from_history({"a": History(), "b": History()})
    assert len(display.lines_) == 4


def test_of_estimators(transformer, detector):
    display = TrainingHistoryDisplay.from_estimator(transformer)
    (name,) = display.histories
    assert name == "AutoencoderTransformer"
    assert display.ax_.get_title() == f"Training history of {name}"
    line = display.lines_[name, "val_loss"]
    np.testing.assert_array_equal(line.get_ydata(), transformer.history_["val_loss"])
    assert display.best_epochs == {name: transformer.best_epoch_}
    # A Pipeline around a fitted step.
    pipeline = make_pipeline(MinMaxScaler(), detector)
    display = TrainingHistoryDisplay.from_estimator({"a": transformer, "b": pipeline})
    assert display.best_epochs["b"] == detector.best_epoch_


def test_in_axes_of_the_user(beside):
    display = TrainingHistoryDisplay.from_history(HISTORY, ax=beside)
    assert display.ax_ is beside
    two = {"a" * 100 + "b": HISTORY, "a" * 100 + "c": HISTORY}
    display = TrainingHistoryDisplay.from_history(
        two, best_epoch=dict.fromkeys(two, 2), ax=beside
    )
    # Names are shortened so that they differ.
    assert [label[-1] for label in legend(display)[:2]] == ["b", "c"]
    display = TrainingHistoryDisplay.from_history(VARIATIONAL, ax=beside)
    assert display.figure_ is beside.figure
    assert not beside.axison


def test_line_kwargs():
    display = TrainingHistoryDisplay.from_history(HISTORY, line_kwargs={"lw": 5})
    assert {line.get_linewidth() for line in display.lines_.values()} == {5}


def test_estimators_that_cannot(X):
    with pytest.raises(TypeError, match="PCA has no attribute history_"):
        TrainingHistoryDisplay.from_estimator(PCA().fit(X))
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(AutoencoderTransformer())


@pytest.mark.parametrize(
    ("history", "params", "message"),
    [
        ({}, {}, "history={}, but a dict"),
        ([0.3, 0.2], {}, r"history=\[0.3, 0.2\], but a dict"),
        ({"loss": 0.3}, {}, "loss=0.3, but a list of numbers"),
        ({"loss": ["a"]}, {}, r"loss=\['a'\], but a list of numbers"),
        ({"loss": []}, {}, r"loss=\[\], but"),
        (HISTORY, {"best_epoch": 5}, "best_epoch=5, but the history has 4 epochs"),
        ({"a": HISTORY}, {"best_epoch": 2}, r"several histories.*\['a'\]"),
        ({"a": HISTORY}, {"best_epoch": {"b": 2}}, "best_epoch has the name 'b', but"),
        (HISTORY, {"metrics": ["mae"]}, r"contains 'mae', but .* \['loss'\]"),
        (HISTORY, {"metrics": []}, "metrics is empty"),
        (HISTORY, {"metrics": 3}, "metrics=3, but a list of names"),
        (HISTORY, {"best_epoch": "last"}, "best_epoch='last', but .* an int"),
        (HISTORY, {"best_epoch": 1.5}, "best_epoch=1.5, but .* an int"),
        (HISTORY, {"yscale": "cubic"}, "yscale='cubic'"),
    ],
)
def test_bad_input(history, params, message):
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay.from_history(history, **params)


def test_the_last_epoch_where_nothing_is_held_out():
    alone = {"loss": [2, 1]}
    display = TrainingHistoryDisplay.from_history(alone, best_epoch=2)
    assert legend(display) == ["Training", "Last epoch: 2"]
    display = TrainingHistoryDisplay.from_history(
        {"a": alone, "b": HISTORY}, best_epoch={"a": 2, "b": 3}
    )
    assert legend(display)[:2] == ["a (last epoch: 2)", "b (best epoch: 3)"]


def test_one_epoch_is_seen():
    display = TrainingHistoryDisplay.from_history({"loss": [0.5], "val_loss": [0.6]})
    for line in display.lines_.values():
        assert line.get_marker() not in ("None", None)
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    assert [x for x in display.ax_.get_xticks() if low <= x <= high] == [1]
