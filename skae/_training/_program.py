"""Compiled training: graph functions for one network, kept for the next fit like it."""

import math
from functools import cached_property

from .._backend import (
    import_keras,
    leaf_layers,
    read_values,
    write_network,
    write_values,
)

# Rows that are evaluated at a time: what convolutions give for a block would take GB.
EVALUATED_ROWS = 1024


class Program:
    """A network, its optimizer and loss, and the functions that train it on rows.

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
        Batches of a block, for XLA: blocks then have this size, whatever of it is
        in use. None compiles a plain graph, for blocks of any size.
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
        self.initial_optimizer_values = read_values(optimizer.variables)

    @property
    def n_values(self):
        """Numbers that the variables hold."""
        variables = [*self.autoencoder.variables, *self.optimizer.variables]
        return sum(math.prod(variable.shape) for variable in variables)

    def start_from(self, autoencoder, optimizer):
        """Take over the weights of a like network, and nothing from another fit."""
        weights = [variable.value for variable in autoencoder.variables]
        write_network(self.autoencoder, weights)
        write_values(self.optimizer.variables, self.initial_optimizer_values)
        learning_rate = optimizer.get_config().get("learning_rate")
        if isinstance(learning_rate, float):
            self.optimizer.learning_rate = learning_rate

    @cached_property
    def _train_block(self):
        import tensorflow as tf

        xla = self.block_batches is not None
        n_rows_in_block = self.block_batches * self.batch_size if xla else None
        sample_shape = self.autoencoder.input_shape[1:]
        variables = self.autoencoder.trainable_variables

        def static_batch(block, start, size):
            rest = [0] * len(sample_shape)
            x = tf.slice(block, [start, *rest], [self.batch_size, *sample_shape])
            x.set_shape([self.batch_size, *sample_shape])
            return x, tf.sequence_mask(size, self.batch_size)

        def batch_loss(block, start, size):
            """Loss of one batch; rows that fill it up to a fixed size do not count."""
            if not xla:
                x = block[start : start + size]
                return self.loss(x, self.autoencoder(x, training=True))
            x, in_use = static_batch(block, start, size)
            by_row = self.loss.by_row(x, self.autoencoder(x, training=True))
            by_row *= tf.cast(in_use, by_row.dtype)
            return tf.reduce_sum(by_row) / tf.cast(size, by_row.dtype)

        def learn(block, start, size):
            with tf.GradientTape() as tape:
                reconstruction = batch_loss(block, start, size)
                loss = self._with_penalties(reconstruction)
                scaled = self.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return self._sums(loss, reconstruction, size)

        @tf.function(
            input_signature=[self._rows(n_rows_in_block), tf.TensorSpec([], tf.int32)],
            autograph=False,
            jit_compile=xla,
        )
        def train_block(block, n_rows):
            def step(start, total):
                size = tf.minimum(self.batch_size, n_rows - start)
                return start + self.batch_size, total + learn(block, start, size)

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

        @tf.function(input_signature=[self._rows(None)], autograph=False)
        def evaluate_block(block):
            def step(start, sums):
                x = block[start : start + EVALUATED_ROWS]
                reconstruction = self.loss(x, self.autoencoder(x, training=False))
                loss = self._with_penalties(reconstruction)
                sums += self._sums(loss, reconstruction, tf.shape(x)[0])
                return start + EVALUATED_ROWS, sums

            _, sums = tf.while_loop(
                lambda start, _: start < tf.shape(block)[0],
                step,
                (tf.constant(0), tf.zeros(2, tf.float64)),
                parallel_iterations=1,
            )
            return sums

        return evaluate_block.get_concrete_function()

    def _with_penalties(self, loss):
        """Add what regularizers and layers of the network add to the loss."""
        import tensorflow as tf

        penalties = [tf.cast(p, loss.dtype) for p in self.autoencoder.losses]
        self._has_penalties |= bool(penalties)  # some are there in training only
        return tf.add_n([loss, *penalties])

    def _sums(self, loss, reconstruction, n_rows):
        """Give the sums over rows of the loss, and of it without penalties."""
        import tensorflow as tf

        means = tf.stack([loss, tf.cast(reconstruction, loss.dtype)])
        return tf.cast(means, tf.float64) * tf.cast(n_rows, tf.float64)

    def _rows(self, n_rows):
        """Signature of a block."""
        import tensorflow as tf

        sample_shape = self.autoencoder.input_shape[1:]
        return tf.TensorSpec([n_rows, *sample_shape], import_keras().config.floatx())

    def train_block(self, block, n_rows):
        """Train on the first rows of a block; sums of their losses, and weights."""
        sums, values = self._train_block(block, n_rows)
        return sums.numpy(), values

    def evaluate_block(self, block):
        """Give the sums of the losses of a block's rows."""
        return self._evaluate_block(block).numpy()

    def reset_metrics(self):
        """Begin new means of what layers measure."""
        for metric in self._metrics:
            metric.reset_state()

    def mean_losses(self, sums, n_rows):
        """Losses by name, from their sums over the rows of an epoch."""
        losses = {"loss": float(sums[0] / n_rows)}
        if self._has_penalties:
            losses["reconstruction_loss"] = float(sums[1] / n_rows)
        return losses | {m.name: float(m.result()) for m in self._metrics}
