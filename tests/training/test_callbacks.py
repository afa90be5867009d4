"""Those who watch: verbose, Keras's callbacks and scikit-learn's."""

import io
import re

import keras
import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skae import AutoencoderTransformer

needs_sklearn_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn has callbacks since 1.9",
)


def test_silent_by_default(X, small, capfd):
    capfd.readouterr()
    AutoencoderTransformer(**small).fit(X)
    assert capfd.readouterr().out == ""


def test_verbose_prints_a_line_an_epoch(X, small, capsys):
    autoencoder = AutoencoderTransformer(verbose=1, **small).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    pattern = r"Epoch 3/3 - loss: (\S+) - val_loss: (\S+) - \d+\.\ds"
    losses = [float(number) for number in re.fullmatch(pattern, lines[2]).groups()]
    expected = [values[-1] for values in autoencoder.history_.values()]
    assert losses == pytest.approx(expected, rel=1e-4)


class Terminal(io.StringIO):
    """A stream that goes back to the start of its line."""

    def isatty(self):
        return True


def test_verbose_rewrites_its_line_in_a_terminal(X, small, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    AutoencoderTransformer(verbose=1, **small).fit(X)
    *shown, last = terminal.getvalue().split("\r")[1:]
    assert terminal.getvalue().count("\n") == 1
    assert re.match(
        r"Epoch 1/3 - loss: \S+ - val_loss: .* at most \d+s left$", shown[0]
    )
    assert re.match(r"Epoch 3/3 - loss: \S+ - val_loss: \S+ - \d+\.\ds *\n", last)
    assert "left" not in last


def test_the_line_fits_a_narrow_terminal(X, small, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    AutoencoderTransformer(verbose=1, **small).fit(X)
    *shown, last = terminal.getvalue().split("\r")[1:]
    # A line that the terminal wraps could not be written over.
    assert max(map(len, shown)) < 60
    assert re.match(r"Epoch 1/3 - loss: .*\.\.\. - .*, at most \d+s left$", shown[0])
    assert re.match(r"Epoch 3/3 - loss: \S+ - val_loss: \S+ - \d+\.\ds *\n", last)


class Recorder(keras.callbacks.Callback):
    """Notes each call; the list is shared with the copies that fit makes."""

    calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("train_begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch_begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch_end", epoch, logs))

    def on_train_end(self, logs=None):
        self.calls.append("train_end")


class BatchRecorder(Recorder):
    calls = []

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("batch_begin", batch))

    def on_test_begin(self, logs=None):
        self.calls.append("test_begin")

    def on_test_end(self, logs=None):
        self.calls.append(("test_end", logs))


def test_keras_callbacks(X, small):
    Recorder.calls.clear()
    autoencoder = AutoencoderTransformer(callbacks=[Recorder()], **small).fit(X)
    calls = Recorder.calls
    assert (calls[0], calls[-1]) == ("train_begin", "train_end")
    ends = [call for call in calls if call[0] == "epoch_end"]
    assert [epoch for _, epoch, _ in ends] == [0, 1, 2]
    for name, values in autoencoder.history_.items():
        assert [logs[name] for *_, logs in ends] == values


def test_batch_hooks_run(X, small):
    BatchRecorder.calls.clear()
    parameters = small | {"epochs": 1, "batch_size": 32}
    autoencoder = AutoencoderTransformer(callbacks=[BatchRecorder()], **parameters)
    autoencoder.fit(X)  # 270 rows are learnt from
    batches = [call[1] for call in BatchRecorder.calls if call[0] == "batch_begin"]
    assert batches == list(range(9))
    tests = [call for call in BatchRecorder.calls if call[0] == "test_end"]
    assert tests[-1][1]["loss"] == autoencoder.history_["val_loss"][0]
    assert BatchRecorder.calls.count("test_begin") == len(tests)


def test_keras_callback_stops(X, small):
    stop = keras.callbacks.EarlyStopping(patience=1, min_delta=10, start_from_epoch=0)
    autoencoder = AutoencoderTransformer(callbacks=[stop], **small | {"epochs": 20})
    assert autoencoder.fit(X).n_iter_ == 2
    assert autoencoder.fit(X).n_iter_ == 2  # a second fit gets a new copy


def test_keras_callback_sees_and_sets_weights(X, small):
    class Reset(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert any(w.any() for w in self.model.get_weights())
            self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])

    parameters = small | {"validation_fraction": None, "callbacks": [Reset()]}
    autoencoder = AutoencoderTransformer(**parameters).fit(X)
    # From zero weights, only the last layer's bias ever learns.
    assert not autoencoder.transform(X).any()


@needs_sklearn_callbacks
def test_progress_bar(X, small, capsys):
    from sklearn.callback import ProgressBar

    autoencoder = AutoencoderTransformer(**small).set_callbacks(ProgressBar())
    autoencoder.fit(X)
    out = capsys.readouterr().out
    assert "AutoencoderTransformer - fit" in out
    assert "100%" in out


@needs_sklearn_callbacks
def test_progress_bar_nests_under_a_search(X, small, capsys):
    from sklearn.callback import ProgressBar

    pipeline = make_pipeline(StandardScaler(), AutoencoderTransformer(**small))
    search = GridSearchCV(
        pipeline, {"autoencodertransformer__n_components": [1, 2]}, cv=2
    )
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
    out = capsys.readouterr().out
    assert "GridSearchCV - fit" in out
    assert re.search(r" {4,}.*AutoencoderTransformer - fit", out)
    assert not hasattr(search.best_estimator_[-1], "_parent_callback_ctx")


@needs_sklearn_callbacks
def test_callbacks_see_each_epoch_as_a_task(X, small):
    class Watch:
        def __init__(self):
            self.calls, self.scores = [], []

        def setup(self, estimator, context):
            self.calls.append("setup")

        def on_fit_task_begin(self, estimator, context, *, X=None):
            self.calls.append(("begin", context.task_name, context.task_id))

        def on_fit_task_end(self, estimator, context, *, X, fitted_estimator=None):
            self.calls.append(("end", context.task_name, context.task_id))
            self.scores.append(fitted_estimator.score(X))
            return context.task_name == "epoch" and context.task_id == 1

        def teardown(self, estimator, context):
            self.calls.append("teardown")

    watch = Watch()
    autoencoder = AutoencoderTransformer(**small).set_callbacks(watch).fit(X)
    epochs = [(m, "epoch", i) for i in range(2) for m in ("begin", "end")]
    assert watch.calls == [
        "setup",
        ("begin", "fit", 0),
        *epochs,
        ("end", "fit", 0),
        "teardown",
    ]
    assert autoencoder.n_iter_ == 2  # it asked to stop after the second
    first, second, last = watch.scores
    assert first < second
    assert last == autoencoder.score(X)


@needs_sklearn_callbacks
def test_callbacks_are_torn_down_after_an_error(X, small):
    from sklearn.callback import ProgressBar

    autoencoder = AutoencoderTransformer(**small).set_callbacks(ProgressBar())
    with pytest.raises(ValueError, match="contains NaN"):
        autoencoder.fit(X * np.nan)
    assert not hasattr(autoencoder, "_callback_fit_ctx")
    autoencoder.fit(X)
