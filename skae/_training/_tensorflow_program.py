"""A program that TensorFlow runs: graph functions that train block by block."""

from functools import cached_property

from .._backend import import_keras
from ._fused_adam import fused_adam
from ._program import Program

# Samples that are evaluated at a time: feature maps of a whole block would take GB.
EVALUATED_ROWS = 1024


class TensorFlowProgram(Program):
    """Graph functions for one network, optimizer and loss; parameters as `Program`."""

    def __init__(self, autoencoder, *arguments):
        super().__init__(autoencoder, *arguments)
        self._fused_step = fused_adam(self.optimizer, autoencoder.trainable_variables)

    def put(self, samples, n_rows):
        """Copy a block of samples, and how many of them are in use, to the device."""
        import tensorflow as tf

        return tf.constant(samples), tf.constant(n_rows)

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

        @tf.function(input_signature=[self._rows(None)] * 2, autograph=False)
        def evaluate_block(block, targets):
            def step(start, sums):
                x = block[start : start + size]
                output = self.autoencoder(x, training=False)
                reconstruction = self.loss(targets[start : start + size], output)
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
        return self._padded_loss(x, self.autoencoder(x, training=True), in_use, size)

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

    def evaluate_block(self, block, targets, n_rows):
        """Return the sums of the losses of the samples of a block, all in use."""
        return self._evaluate_block(block, targets).numpy()
