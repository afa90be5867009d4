"""Compiled training: graph functions for one network, optimizer and loss."""

import math
from functools import cached_property

from .._backend import (
    import_keras,
    leaf_layers,
    read_values,
    write_network,
    write_values,
)
from ._fused_adam import fused_adam
from ._optimizers import constant_learning_rate

# Samples that are evaluated at a time: feature maps of a whole block would take GB.
EVALUATED_ROWS = 1024


class Program:
    """A network, its optimizer and loss, and the functions that train it.

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

    def __init__(self, autoencoder, loss, optimizer, batch_size, block_batches):
        self.autoencoder = autoencoder
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.block_batches = block_batches
        self._has_penalties = False
        self._metrics = [m for part in leaf_layers(autoencoder) for m in part.metrics]
        optimizer.build(autoencoder.trainable_variables)
        self._fused_step = fused_adam(optimizer, autoencoder.trainable_variables)
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

    @cached_property
    def _train_block(self):
        import tensorflow as tf

        xla = self.block_batches is not None
        n_rows_in_block = self.block_batches * self.batch_size if xla else None
        batch_loss = self._padded_batch_loss if xla else self._batch_loss

        @tf.function(
            input_signature=[self._rows(n_rows_in_block), tf.TensorSpec([], tf.int32)],
            autograph=False,
            jit_compile=xla,
        )
        def train_block(block, n_rows):
            def step(start, total):
                size = tf.minimum(self.batch_size, n_rows - start)
                sums = self._learn(batch_loss, block, start, size)
                return start + self.batch_size, total + sums

            _, total = tf.while_loop(
                lambda start, _: start < n_rows,
                step,
                (tf.constant(0), tf.zeros(2, tf.float64)),
                parallel_iterations=1,
            )
            # A copy of the weights comes along: a call of its own would cost more.
            return total, [tf.identity(v.value) for v in self.autoencoder.variables]

        # A concrete function has no signature left to look up at each call.
        return train_block.get_concrete_function()

    @cached_property
    def _evaluate_block(self):
        import tensorflow as tf

        # A loss that is no mean over samples depends on the size of its batch.
        size = self.batch_size if self.loss.per_sample is None else EVALUATED_ROWS

        @tf.function(input_signature=[self._rows(None)], autograph=False)
        def evaluate_block(block):
            def step(start, sums):
                x = block[start : start + size]
                reconstruction = self.loss(x, self.autoencoder(x, training=False))
                loss = self._with_penalties(reconstruction)
                sums += self._sums(loss, reconstruction, tf.shape(x)[0])
                return start + size, sums

            _, sums = tf.while_loop(
                lambda start, _: start < tf.shape(block)[0],
                step,
                (tf.constant(0), tf.zeros(2, tf.float64)),
                parallel_iterations=1,
            )
            return sums

        return evaluate_block.get_concrete_function()

    def _batch_loss(self, block, start, size):
        """Return the loss of one batch."""
        x = block[start : start + size]
        return self.loss(x, self.autoencoder(x, training=True))

    def _padded_batch_loss(self, block, start, size):
        """Return the loss of one batch of fixed size, whose first samples count."""
        import tensorflow as tf

        shape = [self.batch_size, *self.autoencoder.input_shape[1:]]
        x = tf.slice(block, [start] + [0] * (len(shape) - 1), shape)
        x.set_shape(shape)
        in_use = tf.sequence_mask(size, self.batch_size)
        values = self.loss.per_sample(x, self.autoencoder(x, training=True))
        values *= tf.cast(in_use, values.dtype)
        return tf.reduce_sum(values) / tf.cast(size, values.dtype)

    def _learn(self, batch_loss, block, start, size):
        """Take one step of the optimizer; return sums of the batch's losses."""
        import tensorflow as tf

        variables = self.autoencoder.trainable_variables
        with tf.GradientTape() as tape:
            reconstruction = batch_loss(block, start, size)
            loss = self._with_penalties(reconstruction)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        if self._fused_step and not any(gradient is None for gradient in gradients):
            self._fused_step(gradients)
        elif variables:
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._sums(loss, reconstruction, size)

    def _with_penalties(self, loss):
        """Add the penalties of regularizers and layers to the loss."""
        import tensorflow as tf

        penalties = [tf.cast(p, loss.dtype) for p in self.autoencoder.losses]
        self._has_penalties |= bool(penalties)  # some are there in training only
        return tf.add_n([loss, *penalties])

    def _sums(self, loss, reconstruction, n_rows):
        """Return the sums over samples of the loss, and of it without penalties."""
        import tensorflow as tf

        means = tf.stack([loss, tf.cast(reconstruction, loss.dtype)])
        return tf.cast(means, tf.float64) * tf.cast(n_rows, tf.float64)

    def _rows(self, n_rows):
        """Return the signature of a block."""
        import tensorflow as tf

        sample_shape = self.autoencoder.input_shape[1:]
        return tf.TensorSpec([n_rows, *sample_shape], import_keras().config.floatx())

    def train_block(self, block, n_rows):
        """Train on the first samples of a block; return sums of losses, and weights."""
        sums, values = self._train_block(block, n_rows)
        return sums.numpy(), values

    def evaluate_block(self, block):
        """Return the sums of the losses of a block's samples."""
        return self._evaluate_block(block).numpy()

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
