"""The two ways to run an epoch: compiled as a whole, or batch by batch through Keras.

Both train the network in place on the batches that a given order of rows makes, and
give the same losses to rounding.
"""

import numpy as np
from sklearn.utils import gen_batches

from ._backend import import_keras

# Rows of a batch where nothing is learnt, so that memory is the only limit.
EVALUATION_BATCH_SIZE = 1024


def make_engine(autoencoder, *, loss, optimizer, batch_size, callbacks=None):
    """Choose how to train.

    Parameters
    ----------
    autoencoder : keras.Model
        The network to train; for callbacks, it is compiled.
    loss : callable
        Takes targets and outputs of a batch, and gives the batch's loss.
    optimizer : keras.optimizers.Optimizer
        Built for the network's trainable variables.
    batch_size : int
        Rows of a batch.
    callbacks : KerasCallbacks or None
        The user's Keras callbacks.

    Returns
    -------
    CompiledEngine or KerasEngine
        The latter for callbacks that want to see each batch, for a network with its
        own train_step, and for backends of Keras other than TensorFlow.
    """
    keras = import_keras()
    whole_epochs = (
        keras.backend.backend() == "tensorflow"
        and type(autoencoder).train_step is keras.Model.train_step
        and not (callbacks and _any_batch_hook(callbacks.callbacks))
    )
    if whole_epochs:
        return CompiledEngine(autoencoder, loss, optimizer, batch_size)
    return KerasEngine(autoencoder, batch_size, callbacks)


def _any_batch_hook(callbacks):
    base = import_keras().callbacks.Callback
    hooks = [
        f"on_{phase}batch_{moment}"
        for phase in ("", "train_", "test_")
        for moment in ("begin", "end")
    ]
    hooks += ["on_test_begin", "on_test_end"]
    return any(
        getattr(type(callback), hook) is not getattr(base, hook)
        for callback in callbacks
        for hook in hooks
    )


class CompiledEngine:
    """Runs each epoch as one call of a TensorFlow graph that loops over the batches."""

    def __init__(self, autoencoder, loss, optimizer, batch_size):
        self.autoencoder = autoencoder
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self._make_functions()

    def put(self, X):
        """Move rows to the device."""
        import tensorflow as tf

        return tf.convert_to_tensor(X)

    def run_epoch(self, data, order):
        """Train on all batches; the epoch's mean loss."""
        return float(self._run_epoch(data, order.astype(np.int32)))

    def evaluate(self, data):
        """Mean loss, nothing learnt."""
        return float(self._evaluate(data))

    def _batch_loss(self, x, training):
        import tensorflow as tf

        loss = self.loss(x, self.autoencoder(x, training=training))
        return tf.add_n([loss, *self.autoencoder.losses])

    def _make_functions(self):
        import tensorflow as tf

        rows = tf.TensorSpec(
            [None, *self.autoencoder.input_shape[1:]], import_keras().config.floatx()
        )
        variables = self.autoencoder.trainable_variables

        def mean_over_batches(n_rows, batch_size, batch_loss):
            """Loop over the starts of the batches, the last of which may be short."""

            def step(start, total):
                stop = tf.minimum(start + batch_size, n_rows)
                loss = batch_loss(start, stop)
                return stop, total + loss * tf.cast(stop - start, loss.dtype)

            zero = tf.zeros((), import_keras().config.floatx())
            _, total = tf.while_loop(
                lambda start, _: start < n_rows, step, (0, zero), parallel_iterations=1
            )
            return total / tf.cast(n_rows, total.dtype)

        @tf.function(
            input_signature=[rows, tf.TensorSpec([None], tf.int32)], autograph=False
        )
        def run_epoch(data, order):
            def learn(start, stop):
                x = tf.gather(data, order[start:stop])
                with tf.GradientTape() as tape:
                    loss = self._batch_loss(x, training=True)
                    scaled = self.optimizer.scale_loss(loss)
                gradients = tape.gradient(scaled, variables)
                self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
                return loss

            return mean_over_batches(tf.size(order), self.batch_size, learn)

        @tf.function(input_signature=[rows], autograph=False)
        def evaluate(data):
            def look(start, stop):
                return self._batch_loss(data[start:stop], training=False)

            return mean_over_batches(
                tf.shape(data)[0], max(self.batch_size, EVALUATION_BATCH_SIZE), look
            )

        self._run_epoch, self._evaluate = run_epoch, evaluate


class KerasEngine:
    """Runs each batch through the network's own ``train_on_batch``."""

    def __init__(self, autoencoder, batch_size, callbacks):
        self.autoencoder = autoencoder
        self.batch_size = batch_size
        keras = import_keras()
        self.hooks = callbacks.list if callbacks else keras.callbacks.CallbackList()

    def put(self, X):
        """Keep rows where they are."""
        return X

    def run_epoch(self, data, order):
        """Train on all batches; the epoch's mean loss."""
        total = 0.0
        for i, rows in enumerate(gen_batches(len(order), self.batch_size)):
            x = data[order[rows]]
            self.hooks.on_train_batch_begin(i)
            self.autoencoder.reset_metrics()  # as newer versions of Keras do themselves
            logs = self.autoencoder.train_on_batch(x, x, return_dict=True)
            total += logs["loss"] * len(x)
            self.hooks.on_train_batch_end(i, logs)
        return float(total / len(order))

    def evaluate(self, data):
        """Mean loss, nothing learnt."""
        total = 0.0
        self.hooks.on_test_begin()
        for i, rows in enumerate(gen_batches(len(data), EVALUATION_BATCH_SIZE)):
            x = data[rows]
            self.hooks.on_test_batch_begin(i)
            self.autoencoder.reset_metrics()
            logs = self.autoencoder.test_on_batch(x, x, return_dict=True)
            total += logs["loss"] * len(x)
            self.hooks.on_test_batch_end(i, logs)
        loss = float(total / len(data))
        self.hooks.on_test_end({"loss": loss})
        return loss
