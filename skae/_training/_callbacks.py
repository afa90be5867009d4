"""Callbacks run during training: the progress line, Keras's and scikit-learn's.

Each is an `Observer`. Returning True from `on_epoch_end` asks the training to stop.
"""

import copy
import shutil
import sys
import time
import warnings

from sklearn.utils._param_validation import InvalidParameterError

from .._backend import import_keras

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:
        """Stands in for scikit-learn's mixin where there are no callbacks."""

        def _init_callback_context(self, **_):
            return None


class Observer:
    """Base class of what runs during training; its hooks do nothing."""

    def on_train_begin(self, show_weights):
        """Run before the first epoch.

        Parameters
        ----------
        show_weights : callable
            Copies the weights in training into the estimator's network. Training may
            use a copy of that network.
        """

    def on_epoch_begin(self, epoch):
        """Run before an epoch, the first being 1."""

    def on_part_end(self, data):
        """Run now and then within an epoch; `data` is the pass over the samples."""

    def on_epoch_end(self, epoch, logs):
        """Run after an epoch, with its losses by name; True stops the training."""

    def added(self):
        """Return the numbers that were added to the logs of the last epoch, by name."""
        return {}

    def on_train_end(self, logs):
        """Run after the last epoch, the best weights in place."""


class ProgressLine(Observer):
    """Prints epoch, losses and time.

    In a terminal or a notebook one line is rewritten, at most ten times a second;
    anywhere else, as in a log file, each epoch has a line. A terminal cannot rewrite a
    line that it has wrapped, so losses are cut to its width there.

    Parameters
    ----------
    epochs : int
        Maximum number of epochs.
    """

    SECONDS_BETWEEN = 0.1

    def __init__(self, epochs):
        self.epochs = epochs
        in_notebook = type(sys.stdout).__module__.startswith("ipykernel")
        in_terminal = sys.stdout.isatty() and not in_notebook
        self.rewrites = in_notebook or in_terminal
        self.is_narrow = in_terminal

    def on_train_begin(self, show_weights):
        """Start the clock."""
        self.start = time.perf_counter()
        self.next = self.start
        self.epoch = self.width = 0

    def on_part_end(self, data):
        """Print the number of blocks read, where samples are read block by block."""
        n_blocks = getattr(data, "n_blocks", None)
        if n_blocks and self.rewrites and time.perf_counter() >= self.next:
            seconds = time.perf_counter() - self.start
            self._rewrite(
                f"Epoch {self.epoch + 1}/{self.epochs} - block {data.n_read}/{n_blocks}"
                f" - {seconds:.1f}s"
            )

    def on_epoch_end(self, epoch, logs):
        """Print the epoch's losses."""
        self.epoch = epoch
        if not self.rewrites:
            print(self._line(logs))
        elif time.perf_counter() >= self.next:
            self._rewrite(self._line(logs))

    def on_train_end(self, logs):
        """Print the last epoch's line."""
        if self.rewrites and self.epoch:
            self._rewrite(self._line(logs, ended=True), end="\n")

    def _line(self, logs, ended=False):
        losses = "".join(f" - {name}: {value:.6g}" for name, value in logs.items())
        seconds = time.perf_counter() - self.start
        epoch = f"Epoch {self.epoch}/{self.epochs}"
        times = f" - {seconds:.1f}s"
        if self.rewrites and not ended:
            # An upper bound: early stopping may end the training before.
            left = seconds / self.epoch * (self.epochs - self.epoch)
            times += f", at most {left:.0f}s left"
            if self.is_narrow:
                room = shutil.get_terminal_size().columns - 1 - len(epoch) - len(times)
                if len(losses) > room:
                    losses = losses[: max(room - 3, 0)] + "..."
        return epoch + losses + times

    def _rewrite(self, line, end=""):
        print("\r" + line.ljust(self.width), end=end, flush=True)
        self.width = len(line)
        self.next = time.perf_counter() + self.SECONDS_BETWEEN


def set_learning_rate(callbacks):
    """Check whether some of Keras's callbacks set the learning rate."""
    if not callbacks:
        return False
    kinds = import_keras().callbacks
    setters = (kinds.LearningRateScheduler, kinds.ReduceLROnPlateau)
    return any(isinstance(callback, setters) for callback in callbacks)


class KerasCallbacks(Observer):
    """Runs copies of the user's Keras callbacks.

    Parameters
    ----------
    callbacks : list of keras.callbacks.Callback
        The user's; they stay as they are.
    model : keras.Model
        The model in training.

    Raises
    ------
    InvalidParameterError
        If one of them is no Keras callback.
    """

    def __init__(self, callbacks, model):
        keras = import_keras()
        if not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
            raise InvalidParameterError(
                "The 'callbacks' parameter has to hold instances of "
                f"keras.callbacks.Callback, got {callbacks}. Callbacks of scikit-learn "
                "go to set_callbacks()."
            )
        self.callbacks = copy.deepcopy(list(callbacks))
        self.model = model
        # The last of them sees what those before have added to the logs.
        self._logs = {}
        seen = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: self._logs.update(logs)
        )
        self.list = keras.callbacks.CallbackList([*self.callbacks, seen], model=model)

    def set_plan(self, epochs, steps):
        """Set the maximum number of epochs, and the batches of each."""
        self.list.set_params({"verbose": 0, "epochs": epochs, "steps": steps})

    def any_batch_hook(self):
        """Return whether any of them has a hook for batches, or for tests."""
        hooks = [
            f"on_{phase}batch_{moment}"
            for phase in ("", "train_", "test_")
            for moment in ("begin", "end")
        ]
        return any(
            _overrides(callback, hook)
            for callback in self.callbacks
            for hook in [*hooks, "on_test_begin", "on_test_end"]
        )

    def on_train_begin(self, show_weights):
        """Call the hook of each callback."""
        self.model.stop_training = False
        self.list.on_train_begin()

    def on_epoch_begin(self, epoch):
        """Call the hook of each callback; Keras counts epochs from 0."""
        self.list.on_epoch_begin(epoch - 1)

    def on_epoch_end(self, epoch, logs):
        """Call the hook of each callback; return whether one stops the training."""
        self._logs = {}
        self.list.on_epoch_end(epoch - 1, dict(logs))
        return self.model.stop_training

    def added(self):
        """Return the numbers that callbacks added to the logs of the last epoch."""
        numbers = {name: _as_number(value) for name, value in self._logs.items()}
        return {name: value for name, value in numbers.items() if value is not None}

    def warn_of_missing_validation(self):
        """Warn of callbacks that wait for what only validation samples have."""
        for callback in self.callbacks:
            monitor = getattr(callback, "monitor", None)
            is_used = getattr(callback, "save_best_only", True)
            if is_used and isinstance(monitor, str) and monitor.startswith("val_"):
                name = type(callback).__name__
                warnings.warn(
                    f"{name} does nothing: it monitors {monitor}, but there are no "
                    "validation samples. Pass X_val to fit, set "
                    f"validation_fraction=0.1, or {name}(monitor='loss').",
                    UserWarning,
                    stacklevel=2,
                )

    def on_train_end(self, logs):
        """Call the hook of each callback."""
        self.list.on_train_end(dict(logs))


def _as_number(value):
    """Return a value of a callback as a float; None if it is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _overrides(callback, hook):
    """Return whether a callback's class, or the instance itself, overrides a hook."""
    default = getattr(import_keras().callbacks.Callback, hook)
    return getattr(getattr(callback, hook), "__func__", None) is not default


class SklearnCallbacks(Observer):
    """Reports each epoch as a task to the callbacks of scikit-learn 1.9 and newer.

    Parameters
    ----------
    estimator : estimator
        The one that is being fitted.
    context : CallbackContext
        The task of the whole fit.
    X, y : array-like
        What `fit` was given; a callback may score by them.
    fitted_attributes : callable
        Returns, as a dict, the attributes of an estimator whose fit ended here.
    """

    def __init__(self, estimator, context, X, y, fitted_attributes):
        self.context = context
        self.fitted_attributes = fitted_attributes
        self.arguments = {
            "estimator": estimator,
            "X": X,
            "y": y,
            "reconstruction_attributes": self._attributes_now,
        }

    def on_train_begin(self, show_weights):
        """Keep the function that copies the weights."""
        self.show_weights = show_weights

    def _attributes_now(self):
        self.show_weights()
        return self.fitted_attributes()

    def on_epoch_begin(self, epoch):
        """Open the epoch's task."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.arguments)

    def on_epoch_end(self, epoch, logs):
        """Close the epoch's task; return whether a callback stops the training."""
        return self.task.call_on_fit_task_end(**self.arguments)
