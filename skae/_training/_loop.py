"""Training as a function: networks and arrays in, a frozen result out."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._backend import read_values, write_values
from ._callbacks import KerasCallbacks, ProgressLine
from ._engines import engine_for
from ._optimizers import OptimizerState

# Factor of the learning rate where it is lowered.
ANNEALING = 0.3


@dataclass(frozen=True)
class TrainingResult:
    """What a training did; the best weights are in the network.

    Parameters
    ----------
    history : dict of str to list of float
        One value an epoch.
    n_iter : int
        Epochs run.
    best_epoch : int
        The epoch whose weights stay; 0 if none was better than the start.
    interrupted : bool
        Whether Ctrl-C ended it.
    optimizer_state : OptimizerState
        Where the optimizer stands.
    """

    history: dict
    n_iter: int
    best_epoch: int
    interrupted: bool
    optimizer_state: OptimizerState


@dataclass(frozen=True)
class TrainingOptions:
    """How to train, with nothing left to be chosen.

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
        From where the optimizer goes on.
    anneal : bool
        Whether to lower the learning rate after half of the patience.
    callbacks : sequence of keras.callbacks.Callback
        They are copied.
    verbose : int
        Whether to show the progress of epochs.
    """

    loss: Any
    optimizer: Any
    epochs: int
    batch_size: int
    patience: int | None = None
    optimizer_state: OptimizerState | None = None
    anneal: bool = False
    callbacks: Sequence = ()
    verbose: int = 0


def train(networks, data, options, *, rng, observers=()):
    """Train an autoencoder to reconstruct its input.

    The weights of the epoch with the best validation loss stay, or without validation
    samples those of the last epoch.

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
    observers : sequence of Observer
        They are told of each epoch.

    Returns
    -------
    TrainingResult
        Also after Ctrl-C.
    """
    autoencoder = networks.autoencoder
    observers = list(observers)
    if options.verbose:
        observers.append(ProgressLine(options.epochs))
    keras_callbacks = None
    if options.callbacks:
        keras_callbacks = KerasCallbacks(
            options.callbacks,
            autoencoder,
            epochs=options.epochs,
            steps=-(-len(data.train) // options.batch_size),
        )
        observers.append(keras_callbacks)
    config = options.optimizer.get_config()
    start = read_values(autoencoder.variables)
    try:
        with engine_for(networks, data.train, options, keras_callbacks) as engine:
            if options.optimizer_state is not None:
                options.optimizer_state.restore(engine.optimizer, config)
            run = _Run(engine, autoencoder, data, options)
            run.train(rng, observers)
            write_values(autoencoder.variables, run.final_values())
            state = OptimizerState.of(engine.optimizer, config)
        for observer in observers:
            observer.on_train_end(run.logs)
    except BaseException:
        write_values(autoencoder.variables, start)
        raise
    return TrainingResult(
        run.history, len(run.history["loss"]), run.best_epoch, run.interrupted, state
    )


class _Run:
    """The epochs of one training, and the best weights so far."""

    def __init__(self, engine, autoencoder, data, options):
        self.engine = engine
        self.autoencoder = autoencoder
        self.data = data
        self.options = options
        self.history = {"loss": []} | ({} if data.val is None else {"val_loss": []})
        self.logs = {}
        self.interrupted = False
        self.epoch = self.best_epoch = self.last_annealed = 0
        self.best_loss = np.inf
        self.best_values = read_values(autoencoder.variables)

    def train(self, rng, observers):
        """Run epochs until one of the reasons to stop."""
        patience, n_epochs = self.options.patience, self.options.epochs
        try:
            if self.data.val is not None:
                self.best_loss = self.engine.evaluate(self.data.val)["loss"]
            for observer in observers:
                observer.on_train_begin(self._show_weights)
            for self.epoch in range(1, n_epochs + 1):
                for observer in observers:
                    observer.on_epoch_begin(self.epoch)
                finite = self._run_epoch(rng)
                # All of them hear of the epoch before any one's wish counts.
                wishes = [o.on_epoch_end(self.epoch, self.logs) for o in observers]
                if not finite:
                    self._warn_of_divergence()
                waited = self.epoch - self.best_epoch
                if self.options.anneal and patience and waited > 0:
                    self._anneal(patience)
                if not finite or any(wishes) or (patience and waited >= patience):
                    break
        except KeyboardInterrupt:
            self.interrupted = True

    def _run_epoch(self, rng):
        """Run one epoch and keep its weights if they are better; False after NaN."""
        logs = self.engine.run_epoch(self.data.train, self.data.train.shuffled(rng))
        if self.data.val is not None:
            losses_val = self.engine.evaluate(self.data.val)
            logs |= {f"val_{name}": value for name, value in losses_val.items()}
        self.logs = logs
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        if not np.isfinite(list(logs.values())).all():
            return False
        if self.data.val is not None:
            # A start whose loss is NaN is no match for anything finite.
            if not self.best_loss <= logs["val_loss"]:
                self._keep(logs["val_loss"], self.engine.snapshot())
            return True
        # The loss is a mean over the epoch: its last step may have left NaN behind.
        values = self.engine.snapshot()
        finite = all(np.isfinite(value).all() for value in values)
        if finite:
            self._keep(logs["loss"], values)
        return finite

    def _anneal(self, patience):
        """Lower the learning rate if it has not helped for half of the patience."""
        if self.epoch - max(self.best_epoch, self.last_annealed) >= patience / 2:
            self.last_annealed = self.epoch
            self.engine.optimizer.learning_rate *= ANNEALING

    def _keep(self, loss, values):
        self.best_epoch, self.best_loss, self.best_values = self.epoch, loss, values

    def final_values(self):
        """Values of the weights that stay."""
        if self.interrupted or self.best_epoch != self.epoch:
            return self.best_values
        # The moving average of the weights, for an optimizer that keeps one.
        trained = self.engine.autoencoder
        self.engine.optimizer.finalize_variable_values(trained.trainable_variables)
        return read_values(trained.variables)

    def _show_weights(self):
        """Bring the estimator's network up to date with the one that trains."""
        trained = [variable.value for variable in self.engine.autoencoder.variables]
        write_values(self.autoencoder.variables, trained)

    def _warn_of_divergence(self):
        kept = f"epoch {self.best_epoch}" if self.best_epoch else "the start"
        rate = float(self.engine.optimizer.learning_rate)
        warnings.warn(
            f"The loss became NaN or infinite in epoch {self.epoch} at a learning rate "
            f"of {rate:.3g}; the weights of {kept} are kept. A lower learning_rate, or "
            "scaling the columns of X, usually cures this.",
            ConvergenceWarning,
            stacklevel=2,
        )
