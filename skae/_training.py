"""Training as a function: networks and arrays in, a frozen result out."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._backend import read_values, write_values
from ._engines import make_engine
from ._observers import KerasCallbacks, ProgressLine


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
    """

    history: dict
    n_iter: int
    best_epoch: int
    interrupted: bool


def train(
    autoencoder,
    X,
    X_val,
    *,
    loss,
    optimizer,
    epochs,
    batch_size,
    patience,
    rng,
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
    X, X_val : ndarray of shape (n_samples, *sample_shape)
        Training and validation rows, of the network's dtype; X_val may be None.
    loss : keras.losses.Loss or callable
        See `resolve_loss`.
    optimizer : keras.optimizers.Optimizer
        It is not copied: its state goes on from where it is.
    epochs, batch_size : int
        The most passes over X, and the rows of a batch.
    patience : int or None
        Epochs without a better validation loss before stopping.
    rng : numpy.random.RandomState
        Shuffles the rows before each epoch.
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
    optimizer.build(autoencoder.trainable_variables)
    # Keras's callbacks and its own training find optimizer and loss in the model.
    autoencoder.compile(optimizer, loss=loss)
    keras_callbacks = None
    if callbacks:
        steps = -(-len(X) // batch_size)
        keras_callbacks = KerasCallbacks(
            callbacks, autoencoder, epochs=epochs, steps=steps
        )
        observers.append(keras_callbacks)
    engine = make_engine(
        autoencoder,
        loss=loss,
        optimizer=optimizer,
        batch_size=batch_size,
        callbacks=keras_callbacks,
    )
    best = _Best(autoencoder, validated=X_val is not None)
    history = {"loss": []} | ({} if X_val is None else {"val_loss": []})
    logs, epoch, interrupted = {}, 0, False
    try:
        data = engine.put(X)
        if X_val is not None:
            data_val = engine.put(X_val)
            best.loss = engine.evaluate(data_val)
        for observer in observers:
            observer.on_train_begin()
        for epoch in range(1, epochs + 1):
            for observer in observers:
                observer.on_epoch_begin(epoch)
            logs = {"loss": engine.run_epoch(data, rng.permutation(len(X)))}
            if X_val is not None:
                logs["val_loss"] = engine.evaluate(data_val)
            for name, value in logs.items():
                history[name].append(value)
            finite = best.offer(epoch, logs)
            # All of them hear of the epoch before any one's wish to stop counts.
            wishes = [observer.on_epoch_end(epoch, logs) for observer in observers]
            if not finite:
                _warn_of_divergence(epoch, optimizer, best.epoch)
            out_of_patience = patience is not None and epoch - best.epoch >= patience
            if not finite or any(wishes) or out_of_patience:
                break
    except KeyboardInterrupt:
        interrupted = True
    except BaseException:
        best.restore_start()
        raise
    if not interrupted and best.epoch == epoch:
        # The moving average of the weights, for an optimizer that keeps one.
        optimizer.finalize_variable_values(autoencoder.trainable_variables)
    else:
        best.restore()
    for observer in observers:
        observer.on_train_end(logs)
    n_iter = len(history["loss"])
    return TrainingResult(history, n_iter, best.epoch, interrupted)


class _Best:
    """Keeps the weights of the best epoch so far, the start being epoch 0."""

    def __init__(self, autoencoder, validated):
        self.variables = autoencoder.variables
        self.validated = validated
        self.epoch, self.loss = 0, np.inf
        self.start = self.values = read_values(self.variables)

    def offer(self, epoch, logs):
        """Take an epoch's weights if they are better; whether its losses are finite."""
        if not np.isfinite(list(logs.values())).all():
            return False
        if self.validated:
            if logs["val_loss"] < self.loss or not np.isfinite(self.loss):
                self.epoch, self.loss, self.values = (
                    epoch,
                    logs["val_loss"],
                    read_values(self.variables),
                )
            return True
        # The loss is a mean over the epoch: its last step may have left NaN behind.
        values = read_values(self.variables)
        if not all(np.isfinite(value).all() for value in values):
            return False
        self.epoch, self.values = epoch, values
        return True

    def restore(self):
        write_values(self.variables, self.values)

    def restore_start(self):
        write_values(self.variables, self.start)


def _warn_of_divergence(epoch, optimizer, best_epoch):
    kept = f"epoch {best_epoch}" if best_epoch else "the start"
    warnings.warn(
        f"The loss became NaN or infinite in epoch {epoch} at a learning rate of "
        f"{float(optimizer.learning_rate):.3g}; the weights of {kept} are kept. A "
        "lower learning_rate, or scaling the columns of X, usually cures this.",
        ConvergenceWarning,
        stacklevel=2,
    )
