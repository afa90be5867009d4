"""Training as a function: networks and arrays in, a frozen result out."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._backend import read_values, write_values
from ._compilation import OptimizerState
from ._engines import engine_for
from ._observers import KerasCallbacks, ProgressLine

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


def train(
    autoencoder,
    rows,
    rows_val,
    *,
    loss,
    optimizer,
    build_like,
    optimizer_state=None,
    epochs,
    batch_size,
    patience,
    rng,
    anneal=False,
    callbacks=None,
    observers=(),
    verbose=0,
):
    """Train a network to give back its input.

    The weights of the epoch with the best validation loss stay, or without validation
    rows those of the last epoch.

    Parameters
    ----------
    autoencoder : keras.Model
        Trained in place.
    rows, rows_val : Rows
        Training and validation rows; the latter may be None.
    loss : TrainingLoss
        What is minimized.
    optimizer : keras.optimizers.Optimizer
        A new one, which the training may use or copy.
    build_like : callable
        Builds one more network like `autoencoder`.
    optimizer_state : OptimizerState, optional
        From where the optimizer goes on.
    epochs, batch_size : int
        The most passes over the rows, and the rows of a batch.
    patience : int or None
        Epochs without a better validation loss before stopping.
    rng : numpy.random.RandomState
        Shuffles the rows before each epoch.
    anneal : bool
        Whether to lower the learning rate after half of the patience.
    callbacks : list of keras.callbacks.Callback, optional
        They are copied.
    observers : sequence of Observer
        Further ones who watch.
    verbose : int
        Whether to print a line an epoch.

    Returns
    -------
    TrainingResult
        Also after Ctrl-C. Any other exception leaves the weights as they were.
    """
    observers = list(observers)
    if verbose:
        observers.append(ProgressLine(epochs))
    keras_callbacks = None
    if callbacks:
        steps = -(-len(rows) // batch_size)
        keras_callbacks = KerasCallbacks(
            callbacks, autoencoder, epochs=epochs, steps=steps
        )
        observers.append(keras_callbacks)
    config = optimizer.get_config()
    start = read_values(autoencoder.variables)
    try:
        with engine_for(
            autoencoder,
            rows,
            loss=loss,
            optimizer=optimizer,
            build_like=build_like,
            batch_size=batch_size,
            epochs=epochs,
            callbacks=keras_callbacks,
        ) as engine:
            if optimizer_state is not None:
                optimizer_state.restore(engine.optimizer, config)
            run = _Run(engine, autoencoder, rows, rows_val)
            run.train(epochs, patience, rng, observers, anneal)
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

    def __init__(self, engine, autoencoder, rows, rows_val):
        self.engine = engine
        self.autoencoder = autoencoder
        self.rows = rows
        self.rows_val = rows_val
        self.history = {"loss": []} | ({} if rows_val is None else {"val_loss": []})
        self.logs = {}
        self.interrupted = False
        self.epoch = self.best_epoch = self.last_annealed = 0
        self.best_loss = np.inf
        self.best_values = read_values(autoencoder.variables)

    def train(self, epochs, patience, rng, observers, anneal):
        """Run epochs until one of the reasons to stop."""
        try:
            if self.rows_val is not None:
                self.best_loss = self.engine.evaluate(self.rows_val)["loss"]
            for observer in observers:
                observer.on_train_begin(self._show_weights)
            for self.epoch in range(1, epochs + 1):
                for observer in observers:
                    observer.on_epoch_begin(self.epoch)
                finite = self._run_epoch(rng)
                # All of them hear of the epoch before any one's wish counts.
                wishes = [o.on_epoch_end(self.epoch, self.logs) for o in observers]
                if not finite:
                    self._warn_of_divergence()
                waited = self.epoch - self.best_epoch
                if anneal and patience and waited > 0:
                    self._anneal(patience)
                if not finite or any(wishes) or (patience and waited >= patience):
                    break
        except KeyboardInterrupt:
            self.interrupted = True

    def _run_epoch(self, rng):
        """Run one epoch and keep its weights if they are better; False after NaN."""
        logs = self.engine.run_epoch(self.rows, self.rows.shuffled(rng))
        if self.rows_val is not None:
            losses_val = self.engine.evaluate(self.rows_val)
            logs |= {f"val_{name}": value for name, value in losses_val.items()}
        self.logs = logs
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        if not np.isfinite(list(logs.values())).all():
            return False
        if self.rows_val is not None:
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
