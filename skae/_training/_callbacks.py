"""Those who watch a training: the progress line, Keras's and scikit-learn's callbacks.

An observer has any of the hooks of `Observer`. Returning True from `on_epoch_end` asks
the training to stop.
"""

import copy
import shutil
import sys
import time

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
    """Watches a training and does nothing."""

    def on_train_begin(self, show_weights):
        """Run before the first epoch.

        Parameters
        ----------
        show_weights : callable
            Puts the weights that are in training, which may be a copy, into the
            estimator's network.
        """

    def on_epoch_begin(self, epoch):
        """Run before an epoch, the first being 1."""

    def on_epoch_end(self, epoch, logs):
        """Run after an epoch, with its losses by name; True stops the training."""

    def on_train_end(self, logs):
        """Run after the last epoch, the best weights in place."""


class ProgressLine(Observer):
    """Shows epoch, losses and time.

    In a terminal or a notebook it is one line that is written anew, at most ten times
    a second; anywhere else, as in a log file, each epoch has a line. A terminal cannot
    go back over a line that it has wrapped, so losses are cut to its width there.
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

    def on_epoch_end(self, epoch, logs):
        """Show the epoch's losses."""
        self.epoch = epoch
        if not self.rewrites:
            print(self._line(logs))
        elif time.perf_counter() >= self.next:
            self._rewrite(self._line(logs))

    def on_train_end(self, logs):
        """Leave the last epoch's line standing."""
        if self.rewrites and self.epoch:
            self._rewrite(self._line(logs, ended=True), end="\n")

    def _line(self, logs, ended=False):
        losses = "".join(f" - {name}: {value:.6g}" for name, value in logs.items())
        seconds = time.perf_counter() - self.start
        epoch = f"Epoch {self.epoch}/{self.epochs}"
        times = f" - {seconds:.1f}s"
        if self.rewrites and not ended:
            # Early stopping may come sooner.
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


class KerasCallbacks(Observer):
    """Runs copies of the user's Keras callbacks.

    Parameters
    ----------
    callbacks : list of keras.callbacks.Callback
        They stay as they are.
    model : keras.Model
        The model in training, compiled.
    epochs, steps : int
        Most epochs, and batches in each.
    """

    def __init__(self, callbacks, model, *, epochs, steps):
        keras = import_keras()
        if not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
            raise InvalidParameterError(
                "The 'callbacks' parameter has to hold instances of "
                f"keras.callbacks.Callback, got {callbacks}."
            )
        self.callbacks = copy.deepcopy(list(callbacks))
        self.model = model
        self.list = keras.callbacks.CallbackList(
            self.callbacks, model=model, epochs=epochs, steps=steps, verbose=0
        )

    def any_batch_hook(self):
        """Whether any of them wants to see each batch."""
        base = import_keras().callbacks.Callback
        hooks = [
            f"on_{phase}batch_{moment}"
            for phase in ("", "train_", "test_")
            for moment in ("begin", "end")
        ]
        return any(
            getattr(type(callback), hook) is not getattr(base, hook)
            for callback in self.callbacks
            for hook in [*hooks, "on_test_begin", "on_test_end"]
        )

    def on_train_begin(self, show_weights):
        """Tell the callbacks."""
        self.model.stop_training = False
        self.list.on_train_begin()

    def on_epoch_begin(self, epoch):
        """Tell the callbacks; Keras counts epochs from 0."""
        self.list.on_epoch_begin(epoch - 1)

    def on_epoch_end(self, epoch, logs):
        """Tell the callbacks, and hear whether one of them stops the training."""
        self.list.on_epoch_end(epoch - 1, dict(logs))
        return self.model.stop_training

    def on_train_end(self, logs):
        """Tell the callbacks."""
        self.list.on_train_end(dict(logs))


class SklearnCallbacks(Observer):
    """Reports each epoch as a task to the callbacks of scikit-learn 1.9 and newer.

    Parameters
    ----------
    estimator : estimator
        The one in fit.
    context : CallbackContext or None
        The task of the whole fit.
    fitted_attributes : callable
        Gives, as a dict, the attributes of an estimator whose fit ended here.
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
        """Remember how to see the weights."""
        self.show_weights = show_weights

    def _attributes_now(self):
        self.show_weights()
        return self.fitted_attributes()

    def on_epoch_begin(self, epoch):
        """Open the epoch's task."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.arguments)

    def on_epoch_end(self, epoch, logs):
        """Close the epoch's task."""
        return self.task.call_on_fit_task_end(**self.arguments)
