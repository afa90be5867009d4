"""What runs during training: verbose, Keras's callbacks and scikit-learn's."""

import io
import re
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import sklearn
from _helpers import output_of
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture, custom_objects

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
    expected = [autoencoder.history_[name][-1] for name in ("loss", "val_loss")]
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


def hook(name):
    def record(self, *args, logs=None):
        self.calls.append((name, *(arg for arg in args if isinstance(arg, int))))

    return record


class EveryHook(keras.callbacks.Callback):
    """Notes each hook, with the number of the epoch or batch."""

    calls = []


HOOKS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_test_end",
    "on_epoch_end",
    "on_train_end",
]
for name in HOOKS:
    setattr(EveryHook, name, hook(name))


class StopsInBatch(EveryHook):
    """Asks to stop after the second batch of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("on_train_batch_end", batch))
        second_epoch = ("on_epoch_begin", 1) in self.calls
        self.model.stop_training = second_epoch and batch == 1


@pytest.mark.parametrize("Hooks", [EveryHook, StopsInBatch])
def test_hooks_run_as_in_keras(X, small, Hooks):
    """In the same order, and a request to stop is heard after the batch."""
    parameters = small | {"batch_size": 32, "patience": None}
    EveryHook.calls.clear()
    autoencoder = AutoencoderTransformer(callbacks=[Hooks()], **parameters)
    autoencoder.fit(X[:100], X_val=X[100:150])
    found = list(EveryHook.calls)
    EveryHook.calls.clear()
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    model.compile("adam", "mse")
    model.fit(
        X[:100],
        X[:100],
        validation_data=(X[100:150], X[100:150]),
        batch_size=32,
        epochs=3,
        callbacks=[Hooks()],
        verbose=0,
    )
    assert found == EveryHook.calls
    assert autoencoder.n_iter_ == (2 if Hooks is StopsInBatch else 3)


def test_hooks_of_an_instance_run(X, small):
    """LambdaCallback sets them so."""
    batches, losses = [], []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(batch),
        on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]),
    )
    parameters = small | {"batch_size": 32, "validation_fraction": None}
    autoencoder = AutoencoderTransformer(callbacks=[callback], **parameters)
    autoencoder.fit(X[:100])
    assert batches == [0, 1, 2, 3] * 3
    assert losses == autoencoder.history_["loss"]


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
    for name in ("loss", "val_loss"):
        assert [logs[name] for *_, logs in ends] == autoencoder.history_[name]


def halve(epoch, learning_rate):
    return learning_rate / 2 if epoch else learning_rate


class AddsToLogs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch:
            logs["half"] = np.float32(logs["loss"]) / 2
            logs["text"] = "no number"


@pytest.mark.parametrize("batch_hook", [False, True])
def test_history_has_what_callbacks_add_to_the_logs(X, small, batch_hook):
    added = AddsToLogs()
    if batch_hook:  # batch by batch, not compiled
        added.on_train_batch_end = lambda batch, logs=None: None
    callbacks = [keras.callbacks.LearningRateScheduler(halve), added]
    parameters = small | {"learning_rate": 0.01, "callbacks": callbacks}
    autoencoder = AutoencoderTransformer(**parameters).fit(X)
    history = autoencoder.history_
    assert history["learning_rate"] == pytest.approx([0.01, 0.005, 0.0025])
    half = [np.nan, *(loss / 2 for loss in history["loss"][1:])]
    np.testing.assert_allclose(history["half"], half, rtol=1e-6)
    assert set(history) == {"loss", "val_loss", "learning_rate", "half"}
    history = autoencoder.partial_fit(X).history_  # without callbacks
    assert {len(values) for values in history.values()} == {4}
    assert np.isnan(history["half"][3])
    assert history["learning_rate"][3] == pytest.approx(0.01)


def test_history_has_the_learning_rates_of_the_default_schedule(X, small):
    history = AutoencoderTransformer(**small | {"epochs": 12}).fit(X).history_
    rates = history["learning_rate"]
    assert np.argmax(rates) == 1
    assert rates[-1] < 0.05 * max(rates) < 0.05 * 0.0031
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.5, staircase=True)
    optimizer = keras.optimizers.SGD(schedule)
    parameters = small | {"optimizer": optimizer, "batch_size": 32}
    history = AutoencoderTransformer(**parameters).fit(X).history_  # 9 batches
    assert history["learning_rate"] == pytest.approx([0.1, 0.05, 0.025])


def test_callbacks_that_wait_for_validation_samples_warn(X, small):
    stop = keras.callbacks.EarlyStopping()
    parameters = small | {"epochs": 1, "validation_fraction": None, "callbacks": [stop]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        AutoencoderOutlierDetector(**parameters).fit(X)
    messages = [str(warning.message) for warning in caught]
    assert any(
        "EarlyStopping does nothing: it monitors val_loss" in m for m in messages
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        AutoencoderOutlierDetector(**parameters).fit(X[:200], X_val=X[200:])
        loss = keras.callbacks.EarlyStopping(monitor="loss")
        AutoencoderOutlierDetector(**parameters | {"callbacks": [loss]}).fit(X)


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


LOADS = """
import sys
import keras
import numpy as np
X = np.load(sys.argv[1])
for path in sys.argv[2:]:
    model = keras.saving.load_model(path)
    losses = model.evaluate(X, X, verbose=0, return_dict=True)
    np.savez(path + ".npz", output=model(X.astype("f4")), loss=losses["loss"])
assert "skae" not in sys.modules
"""


def test_checkpoints_load_without_skae(X, small, tmp_path, each_batch):
    """Compiled, in a fresh process: a network of Keras's layers, and Keras's loss."""
    np.save(tmp_path / "X.npy", X)
    given = {
        "default": (None, []),
        "name": ("binary_crossentropy", [each_batch]),
        "instance": (keras.losses.LogCosh(), [each_batch]),
    }
    fits = {}
    for name, (loss, callbacks) in given.items():
        path = str(tmp_path / f"{name}.keras")
        checkpoint = keras.callbacks.ModelCheckpoint(
            path, monitor="val_loss", save_best_only=True
        )
        fits[path] = AutoencoderTransformer(
            loss=loss, callbacks=[checkpoint, *callbacks], **small
        ).fit(X, X_val=X)
    subprocess.run([sys.executable, "-c", LOADS, tmp_path / "X.npy", *fits], check=True)
    for path, autoencoder in fits.items():
        assert autoencoder.best_epoch_ == 3
        loaded = np.load(f"{path}.npz")
        expected = output_of(autoencoder.autoencoder_, X)
        np.testing.assert_allclose(loaded["output"], expected, rtol=1e-4, atol=1e-6)
        loss = autoencoder.history_["val_loss"][-1]
        assert loaded["loss"] == pytest.approx(loss, rel=1e-4)


def test_a_saved_network_of_own_layers_loads(X, small, tmp_path):
    parameters = small | {"architecture": DenseArchitecture((16,))}
    autoencoder = AutoencoderTransformer(
        callbacks=[keras.callbacks.EarlyStopping()], **parameters
    ).fit(X)
    path = tmp_path / "model.keras"
    autoencoder.autoencoder_.save(path)
    loaded = keras.saving.load_model(path, custom_objects=custom_objects())
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), autoencoder.autoencoder_.predict(X, verbose=0)
    )
    loaded.fit(X, X, epochs=1, verbose=0)


def my_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def test_a_checkpoint_with_a_loss_of_ones_own(X, small, tmp_path):
    """As a checkpoint of keras.Model.fit, it wants to be told of the function."""
    path = tmp_path / "checkpoint.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path)
    AutoencoderTransformer(loss=my_loss, callbacks=[checkpoint], **small).fit(X)
    loaded = keras.saving.load_model(path, custom_objects={"my_loss": my_loss})
    assert np.isfinite(loaded.evaluate(X, X, verbose=0)).all()


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
def test_a_scoring_monitor_logs_each_epoch(X, small):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring=lambda fitted, X, y: {"score": fitted.score(X)})
    autoencoder = AutoencoderTransformer(**small).set_callbacks(monitor)
    autoencoder.fit(X, np.zeros(len(X)))
    logs = [log for log in monitor.get_logs().data if log["task_name"] == "epoch"]
    assert len(logs) == 3
    assert logs[0]["score"] < logs[-1]["score"]


@needs_sklearn_callbacks
def test_callbacks_are_torn_down_after_an_error(X, small):
    from sklearn.callback import ProgressBar

    autoencoder = AutoencoderTransformer(**small).set_callbacks(ProgressBar())
    with pytest.raises(ValueError, match="no observed cell"):
        autoencoder.fit(X * np.nan)
    assert not hasattr(autoencoder, "_callback_fit_ctx")
    autoencoder.fit(X)
