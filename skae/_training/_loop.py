"""The loop over epochs: networks, data and options in, a frozen result out."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._backend import read_values, write_network, write_values
from ._callbacks import KerasCallbacks, ProgressLine
from ._engines import choose_engine
from ._optimizers import CosineSchedule, OptimizerState, current_learning_rate
from ._starts import choose_start
from ._time_limit import plan_for_time


@dataclass(frozen=True)
class TrainingResult:
    """What a training did; the best weights are in the network then.

    Parameters
    ----------
    history : dict of str to list of float
        One value per epoch.
    n_iter : int
        Number of epochs run.
    best_epoch : int
        The epoch whose weights stay; 0 if none was better than the start.
    interrupted : bool
        Whether Ctrl-C ended it.
    optimizer_state : OptimizerState or None
        State of the optimizer for further training. None if the weights kept are not
        those of the last step, to which moments and iterations belong.
    start : str or None
        Name of the start that was chosen, if there was one to choose.
    reference_loss, best_loss : float
        Validation loss of the network as it was given, and the loss of the weights that
        stay. The first is infinite without validation samples.
    """

    history: dict
    n_iter: int
    best_epoch: int
    interrupted: bool
    optimizer_state: OptimizerState | None
    start: str | None
    reference_loss: float
    best_loss: float


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; every choice is made.

    Parameters
    ----------
    loss : TrainingLoss
        What is minimized.
    optimizer : keras.optimizers.Optimizer
        A new one, which the training may use or copy.
    epochs, batch_size : int
        Maximum number of passes over the samples, and samples of a batch.
    patience : int or None
        Epochs without a better validation loss before stopping.
    optimizer_state : OptimizerState or None
        Moments and iterations to go on with. A constant learning rate is that of
        `optimizer`, whatever rate an earlier training ended with.
    peak_learning_rate : float or None
        That of a `CosineSchedule`. None leaves the learning rate to the optimizer and
        to callbacks.
    max_time : float or None
        Seconds that the training is planned for.
    epoch_samples : int or None
        Number of samples that an epoch draws; None for all of them.
    may_give_up : bool
        Whether to train for one short epoch only, where trials of starts find nothing
        to gain in long ones.
    callbacks : sequence of keras.callbacks.Callback
        They are copied.
    verbose : int
        Whether to print the progress of epochs.
    """

    loss: Any
    optimizer: Any
    epochs: int
    batch_size: int
    patience: int | None = None
    optimizer_state: OptimizerState | None = None
    peak_learning_rate: float | None = None
    max_time: float | None = None
    epoch_samples: int | None = None
    may_give_up: bool = False
    callbacks: Sequence = ()
    verbose: int = 0

    def make_schedule(self, optimizer):
        """Return what sets the learning rate of epochs; None leaves it as it is."""
        if self.peak_learning_rate is None:
            return None
        return CosineSchedule(optimizer, self.peak_learning_rate, self.epochs)


def train(networks, data, options, *, rng, starts=(), observers=()):
    """Train an autoencoder to reconstruct its input.

    The weights of the epoch with the best validation loss stay, or without validation
    samples those of the last epoch. On error the weights are left as trained so far;
    the caller restores them.

    Parameters
    ----------
    networks : Networks
        The autoencoder is trained in place.
    data : FitData
        Training samples, and validation samples if there are any.
    options : TrainingOptions
        How to train.
    rng : numpy.random.RandomState
        Shuffles the samples before each epoch.
    starts : sequence of Start
        What to choose from if there are several; the network has the first of them.
    observers : sequence of Observer
        Run during training.

    Returns
    -------
    TrainingResult
        Also after Ctrl-C.
    """
    began = perf_counter()
    autoencoder = networks.autoencoder
    keras_callbacks = None
    if options.callbacks:
        keras_callbacks = KerasCallbacks(options.callbacks, autoencoder)
        if data.val is None:
            keras_callbacks.warn_of_missing_validation()
    if not autoencoder.trainable_variables:
        warnings.warn(
            "No weight of the network is trainable, so training changes nothing.",
            UserWarning,
            stacklevel=2,
        )
    engine = choose_engine(networks, data.trained_on, options, keras_callbacks)
    deadline = math.inf
    if options.max_time is not None:
        deadline = began + options.max_time
        options = plan_for_time(engine, data, options, len(starts), began)
    if options.optimizer_state is not None:
        options.optimizer_state.restore(engine.optimizer)
    reference_loss = np.inf
    if data.val is not None:
        reference_loss = engine.evaluate(data.val, silent=True)["loss"]
    start = starts[0].name if starts else None
    if len(starts) > 1:
        chosen, options = choose_start(engine, data, starts, options, rng)
        write_network(autoencoder, chosen.values)
        start = chosen.name
    observers = list(observers)
    if options.verbose:
        observers.append(ProgressLine(options.epochs))
    if keras_callbacks is not None:
        n_samples = options.epoch_samples or len(data.trained_on)
        keras_callbacks.set_plan(options.epochs, -(-n_samples // options.batch_size))
        observers.append(keras_callbacks)
    run = _Run(engine, autoencoder, data, options, deadline)
    run.train(rng, observers)
    write_values(autoencoder.variables, run.final_values())
    result = run.result(start, reference_loss)
    engine.close()
    for observer in observers:
        observer.on_train_end(run.logs)
    return result


class _Run:
    """The epochs of one training, and the best weights so far."""

    def __init__(self, engine, autoencoder, data, options, deadline):
        self.engine = engine
        self.autoencoder = autoencoder
        self.data = data
        self.options = options
        self.deadline = deadline
        self.history = {"loss": []} | ({} if data.val is None else {"val_loss": []})
        self.history["learning_rate"] = []
        self.logs = {}
        self.interrupted = False
        self.epoch = self.best_epoch = 0
        self.best_loss = np.inf
        self.best_values = read_values(autoencoder.variables)

    def train(self, rng, observers):
        """Run epochs until one of the reasons to stop."""
        patience, n_epochs = self.options.patience, self.options.epochs
        schedule = self.options.make_schedule(self.engine.optimizer)
        try:
            for observer in observers:
                observer.on_train_begin(self._show_weights)
            if self.data.val is not None:
                start = self.engine.evaluate(self.data.val, silent=True)
                self.best_loss = start["loss"]
            for self.epoch in range(1, n_epochs + 1):
                began = perf_counter()
                if schedule is not None:
                    schedule.begin_epoch(self.epoch)
                for observer in observers:
                    observer.on_epoch_begin(self.epoch)
                self.learning_rate = current_learning_rate(self.engine.optimizer)
                finite = self._run_epoch(rng, observers)
                # Each hook runs, also after one that asked to stop.
                wishes = [o.on_epoch_end(self.epoch, self.logs) for o in observers]
                for observer in observers:
                    self._record(observer.added())
                if not finite:
                    self._warn_of_divergence()
                waited = self.epoch - self.best_epoch
                if not finite or any(wishes) or (patience and waited >= patience):
                    break
                now = perf_counter()
                if self.epoch < n_epochs and now + (now - began) > self.deadline:
                    self._warn_of_time()
                    break
        except KeyboardInterrupt:
            self.interrupted = True

    def _run_epoch(self, rng, observers):
        """Run one epoch and keep its weights if they are better; False after NaN."""
        epoch = self.data.trained_on.epoch(rng, self.options.epoch_samples)

        def report():
            for observer in observers:
                observer.on_part_end(epoch)

        logs = self.engine.run_epoch(epoch, report=report)
        if self.data.val is not None:
            losses_val = self.engine.evaluate(self.data.val)
            logs |= {f"val_{name}": value for name, value in losses_val.items()}
        self.logs = logs
        for values in self.history.values():
            values.append(np.nan)
        self._record(logs | {"learning_rate": self.learning_rate})
        if not np.isfinite(list(logs.values())).all():
            return False
        if self.data.val is not None:
            # Anything finite is better than a start whose loss is NaN.
            if not self.best_loss <= logs["val_loss"]:
                self._keep(logs["val_loss"], self.engine.snapshot())
            return True
        # The loss is a mean over the epoch: its last step may have left NaN behind.
        values = self.engine.snapshot()
        finite = all(np.isfinite(value).all() for value in values)
        if finite:
            self._keep(logs["loss"], values)
        return finite

    def _record(self, logs):
        """Set values of the last epoch; those of epochs that had none are NaN."""
        n_epochs = len(self.history["loss"])
        for name, value in logs.items():
            self.history.setdefault(name, [np.nan] * n_epochs)[-1] = value

    def _keep(self, loss, values):
        self.best_epoch, self.best_loss, self.best_values = self.epoch, loss, values

    @property
    def _keeps_last_epoch(self):
        return not self.interrupted and self.best_epoch == self.epoch

    def result(self, start, reference_loss):
        """Return what the training did, once it has ended."""
        state = None
        if self._keeps_last_epoch:
            state = OptimizerState.of(self.engine.optimizer)
        return TrainingResult(
            self.history,
            len(self.history["loss"]),
            self.best_epoch,
            self.interrupted,
            state,
            start,
            reference_loss,
            self.best_loss,
        )

    def final_values(self):
        """Return the values of the weights that stay."""
        if not self._keeps_last_epoch:
            return self.best_values
        # The moving average of the weights, for an optimizer that keeps one.
        trained = self.engine.autoencoder
        self.engine.optimizer.finalize_variable_values(trained.trainable_variables)
        return read_values(trained.variables)

    def _show_weights(self):
        """Bring the estimator's network up to date with the one that trains."""
        trained = [variable.value for variable in self.engine.autoencoder.variables]
        write_values(self.autoencoder.variables, trained)

    def _warn_of_time(self):
        warnings.warn(
            f"max_time={self.options.max_time:g} was over after epoch {self.epoch} of "
            f"{self.options.epochs} that were planned. Batches took longer than those "
            "that were measured; the first fit of a network also compiles it, which "
            "takes seconds. Set a larger max_time.",
            ConvergenceWarning,
            stacklevel=2,
        )

    def _warn_of_divergence(self):
        kept = f"epoch {self.best_epoch}" if self.best_epoch else "the start"
        rate = current_learning_rate(self.engine.optimizer)
        warnings.warn(
            f"The loss became NaN or infinite in epoch {self.epoch} at a learning rate "
            f"of {rate:.3g}; the weights of {kept} are kept. A lower learning_rate, or "
            "scaling the features of X, usually cures this.",
            ConvergenceWarning,
            stacklevel=2,
        )
