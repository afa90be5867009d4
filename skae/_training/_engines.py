"""The two ways to run an epoch: in compiled blocks of batches, or batch by batch.

Both train on the batches that an order of rows makes, and give the same losses to
rounding.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sklearn.utils import gen_batches

from .._backend import has_own_step, ignores_training, import_keras, read_values
from ._program import Program
from ._program_cache import POOL, may_use_xla, program_key

# Bytes of the rows that are in work at a time.
BLOCK_BYTES = 2**24
# No block that XLA compiles is smaller than this.
SMALL_BLOCK_BYTES = 2**19


@contextmanager
def engine_for(networks, rows, options, callbacks):
    """Choose how to train, and have it ready.

    Parameters
    ----------
    networks : Networks
        The autoencoder is what is trained.
    rows : RowSource
        What it will be trained on.
    options : TrainingOptions
        How to train.
    callbacks : KerasCallbacks or None
        The user's Keras callbacks. They see the network itself; without them, what
        trains is a copy that an earlier fit may have compiled.

    Yields
    ------
    CompiledEngine or KerasEngine
        The latter for callbacks that want to see each batch, for a network with its
        own ``train_step``, within a `tf.distribute` strategy, and for backends of
        Keras other than TensorFlow.
    """
    autoencoder, batch_size = networks.autoencoder, options.batch_size
    loss, optimizer = options.loss, options.optimizer
    if _needs_keras(autoencoder, callbacks):
        yield KerasEngine(autoencoder, loss, optimizer, batch_size, callbacks)
        return
    n_batches = -(-len(rows) // batch_size)
    block_batches = max(1, BLOCK_BYTES // (rows.row_bytes * batch_size))
    xla_batches = None
    if may_use_xla(autoencoder, loss, options.epochs * n_batches):
        # Data of about the same size share one compilation, and all small data do.
        small_batches = max(1, SMALL_BLOCK_BYTES // (rows.row_bytes * batch_size))
        xla_batches = 1 << (max(n_batches, small_batches) - 1).bit_length()
        xla_batches = min(xla_batches, 1 << (block_batches.bit_length() - 1))
        block_batches = xla_batches
    key, program = None, None
    if callbacks is None:
        key = program_key(autoencoder, loss, optimizer, batch_size, xla_batches)
        program = POOL.take(key)
    if program is None:
        network = autoencoder if key is None else networks.rebuild().autoencoder
        if xla_batches and not POOL.count_xla_program():
            xla_batches = None
        program = Program(network, loss, optimizer, batch_size, xla_batches)
    if key is not None:
        program.start_from(autoencoder, optimizer)
    if callbacks is not None:
        autoencoder.compile(optimizer, loss=loss)  # callbacks look there for them
    yield CompiledEngine(program, block_batches)
    if key is not None:  # not after an error: nobody knows what it left
        POOL.put_back(key, program)


def _needs_keras(autoencoder, callbacks):
    if import_keras().backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    return (
        has_own_step(autoencoder)
        or ignores_training(autoencoder)
        or tf.distribute.has_strategy()
        or (callbacks is not None and callbacks.any_batch_hook())
    )


class CompiledEngine:
    """Runs each epoch in blocks of batches, each one call of a compiled function."""

    def __init__(self, program, block_batches):
        self.program = program
        self.autoencoder = program.autoencoder
        self.optimizer = program.optimizer
        self.block_rows = block_batches * program.batch_size

    def snapshot(self):
        """Values of the network's variables after the last epoch."""
        return self._values

    def run_epoch(self, rows, order):
        """Train on all batches; the epoch's mean losses by name."""
        size = self.block_rows if self.program.block_batches else None
        self.program.reset_metrics()
        sums = 0.0
        for block, n_rows in self._blocks(rows, order, size):
            block_sums, self._values = self.program.train_block(block, n_rows)
            sums = sums + block_sums
        return self.program.mean_losses(sums, len(order))

    def evaluate(self, rows):
        """Mean losses by name, nothing learnt."""
        self.program.reset_metrics()
        sums = sum(
            self.program.evaluate_block(block)
            for block, _ in self._blocks(rows, rows.indices)
        )
        return self.program.mean_losses(sums, len(rows))

    def _blocks(self, rows, indices, size=None):
        """Give one block of rows after the other, and read the next meanwhile."""
        import tensorflow as tf

        def read(part):
            return tf.constant(rows.take(part, size)), tf.constant(len(part))

        parts = [indices[p] for p in gen_batches(len(indices), self.block_rows)]
        if len(parts) == 1:
            yield read(parts[0])
            return
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, parts[0])
            for part in parts[1:]:
                block, coming = coming.result(), reader.submit(read, part)
                yield block
            yield coming.result()


class KerasEngine:
    """Runs each batch through the network's own ``train_on_batch``."""

    def __init__(self, autoencoder, loss, optimizer, batch_size, callbacks):
        keras = import_keras()
        self.autoencoder = autoencoder
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.hooks = callbacks.list if callbacks else keras.callbacks.CallbackList()
        optimizer.build(autoencoder.trainable_variables)
        reconstruction = keras.metrics.MeanMetricWrapper(
            loss, name="reconstruction_loss"
        )
        autoencoder.compile(optimizer, loss=loss, metrics=[reconstruction])

    def snapshot(self):
        """Values of the network's variables after the last epoch."""
        return read_values(self.autoencoder.variables)

    def run_epoch(self, rows, order):
        """Train on all batches; the epoch's mean losses by name."""
        sums = Counter()
        for i, batch in enumerate(gen_batches(len(order), self.batch_size)):
            x = rows.take(order[batch])
            self.hooks.on_train_batch_begin(i)
            self.autoencoder.reset_metrics()  # as newer versions of Keras do themselves
            logs = self._on_batch("train", x)
            sums.update({name: value * len(x) for name, value in logs.items()})
            self.hooks.on_train_batch_end(i, logs)
        return self._means(sums, len(order))

    def evaluate(self, rows):
        """Mean losses by name, nothing learnt."""
        sums = Counter()
        self.hooks.on_test_begin()
        for i, batch in enumerate(gen_batches(len(rows), self.batch_size)):
            x = rows.take(rows.indices[batch])
            self.hooks.on_test_batch_begin(i)
            self.autoencoder.reset_metrics()
            logs = self._on_batch("test", x)
            sums.update({name: value * len(x) for name, value in logs.items()})
            self.hooks.on_test_batch_end(i, logs)
        losses = self._means(sums, len(rows))
        self.hooks.on_test_end(losses)
        return losses

    def _on_batch(self, phase, x):
        """Train or test on a batch; logs by name."""
        model = self.autoencoder
        if import_keras().backend.backend() != "tensorflow" or not has_own_step(model):
            return getattr(model, f"{phase}_on_batch")(x, x, return_dict=True)
        # Keras's own would add a third value, which `x, y = data` has no place for.
        getattr(model, f"make_{phase}_function")()
        logs = getattr(model, f"{phase}_function")(iter([(x, x)]))
        return {name: float(value) for name, value in logs.items()}

    def _means(self, sums, n_rows):
        means = {name: float(value / n_rows) for name, value in sums.items()}
        if "loss" not in means:
            raise ValueError(
                f"The train_step or test_step of {type(self.autoencoder).__name__} has "
                f"to give a dict with 'loss', got {sorted(means)}."
            )
        if not self.autoencoder.losses and not has_own_step(self.autoencoder):
            del means["reconstruction_loss"]  # it is the whole of the loss
        return means
