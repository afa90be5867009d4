"""A network, its optimizer and loss, as a program that later fits use again."""

import math

from .._backend import (
    import_keras,
    leaf_layers,
    read_values,
    write_network,
    write_values,
)
from ._optimizers import constant_learning_rate


class Program:
    """A network, its optimizer and loss; subclasses compile what trains them.

    Parameters
    ----------
    autoencoder : keras.Model
        Trained in place.
    loss : TrainingLoss
        What is minimized.
    optimizer : keras.optimizers.Optimizer
        Not yet built.
    batch_size : int
        Rows of a batch.
    block_batches : int or None
        Batches of a block, for XLA: blocks then have this size, whatever part of it
        is in use. None compiles a plain graph, for blocks of any size.
    """

    # Whether blocks have this size where losses are evaluated, too.
    pads_evaluation = False

    def __init__(self, autoencoder, loss, optimizer, batch_size, block_batches):
        self.autoencoder = autoencoder
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.block_batches = block_batches
        self._has_penalties = False
        self._metrics = [m for part in leaf_layers(autoencoder) for m in part.metrics]
        optimizer.build(autoencoder.trainable_variables)
        self.initial_optimizer_values = read_values(optimizer.variables)
        self.learning_rate = constant_learning_rate(optimizer)

    @property
    def n_values(self):
        """Number of values that the variables hold."""
        variables = [*self.autoencoder.variables, *self.optimizer.variables]
        return sum(math.prod(variable.shape) for variable in variables)

    def restart(self, values):
        """Go back to a new optimizer, and to given values of the network's variables.

        Parameters
        ----------
        values : list
            One for each variable of the autoencoder.
        """
        write_network(self.autoencoder, values)
        write_values(self.optimizer.variables, self.initial_optimizer_values)
        if self.learning_rate is not None:
            self.optimizer.learning_rate = self.learning_rate

    def start_from(self, autoencoder, optimizer):
        """Take over weights and learning rate, and nothing from an earlier fit.

        Parameters
        ----------
        autoencoder : keras.Model
            A like network.
        optimizer : keras.optimizers.Optimizer
            A like optimizer, not yet used.
        """
        self.learning_rate = constant_learning_rate(optimizer)
        self.restart([variable.value for variable in autoencoder.variables])

    def put(self, samples, n_rows):
        """Copy a block of samples, and how many of them are in use, to the device."""
        raise NotImplementedError

    def train_block(self, block, n_rows):
        """Train on the first samples of a block; return sums of losses, and weights."""
        raise NotImplementedError

    def evaluate_block(self, block, targets, n_rows):
        """Return the sums of the losses of the first samples of a block."""
        raise NotImplementedError

    def _padded_loss(self, x, output, in_use, n_rows):
        """Return the loss of a batch of fixed size, in which some samples count."""
        ops = import_keras().ops
        values = self.loss.per_sample(x, output)
        values = values * ops.cast(in_use, values.dtype)
        return ops.sum(values) / ops.cast(n_rows, values.dtype)

    def reset_metrics(self):
        """Reset the metrics of layers."""
        for metric in self._metrics:
            metric.reset_state()

    def mean_losses(self, sums, n_rows):
        """Return losses by name, from their sums over the samples of an epoch."""
        losses = {"loss": float(sums[0] / n_rows)}
        if self._has_penalties:
            losses["reconstruction_loss"] = float(sums[1] / n_rows)
        return losses | {m.name: float(m.result()) for m in self._metrics}
