"""The two ways to run an epoch: in compiled blocks of batches, or batch by batch.

Both train on the batches that an order of samples makes, and compute the same losses
to rounding.
"""

from collections import Counter

from sklearn.utils import gen_batches

from .._backend import (
    has_own_step,
    ignores_training,
    import_keras,
    read_values,
    write_network,
    write_values,
)
from .._formats import read_ahead
from ._jax_program import JaxProgram
from ._program_cache import POOL, may_use_xla, program_key
from ._tensorflow_program import TensorFlowProgram

# Bytes of the samples that are in work at a time.
BLOCK_BYTES = 2**22
# No block that XLA compiles is smaller than this.
SMALL_BLOCK_BYTES = 2**19


def choose_engine(networks, samples, options, callbacks):
    """Choose how to train, the only place that does, and have it ready.

    The choice depends on network, options and the number of samples alone, so that one
    `random_state` gives one model, whatever was fitted before.

    Parameters
    ----------
    networks : Networks
        The autoencoder is what is trained.
    samples : RowSource or SampleStream
        What it will be trained on.
    options : TrainingOptions
        How to train.
    callbacks : KerasCallbacks or None
        The user's Keras callbacks. They see the network itself; without them, what
        trains is a copy that an earlier fit may have compiled.

    Returns
    -------
    CompiledEngine or KerasEngine
        The latter for callbacks with batch hooks, for a network with its own
        ``train_step``, within a `tf.distribute` strategy, on JAX where XLA does not
        compute the same or does not pay, and on other backends of Keras.
    """
    autoencoder = networks.autoencoder
    backend = import_keras().backend.backend()
    block_batches, xla = _choose_blocks(autoencoder, samples, options)
    compiled = backend == "tensorflow" or (backend == "jax" and xla)
    if not compiled or _needs_keras(autoencoder, callbacks):
        return KerasEngine(autoencoder, options, callbacks)
    Program = JaxProgram if backend == "jax" else TensorFlowProgram
    arguments = options.loss, options.optimizer, options.batch_size
    arguments += (block_batches if xla else None,)
    if callbacks is not None:
        program = Program(autoencoder, *arguments)
        # Callbacks look there for the optimizer, and may save the model.
        autoencoder.compile(options.optimizer, loss=options.loss.for_keras)
        return CompiledEngine(program, block_batches)
    key = program_key(autoencoder, *arguments)
    if key is None:
        return CompiledEngine(Program(autoencoder, *arguments), block_batches)
    program = POOL.take(key) or Program(networks.rebuild().autoencoder, *arguments)
    program.start_from(autoencoder, options.optimizer)
    return CompiledEngine(program, block_batches, key)


def _needs_keras(autoencoder, callbacks):
    return (
        has_own_step(autoencoder)
        or ignores_training(autoencoder)
        or _is_distributed()
        or (callbacks is not None and callbacks.any_batch_hook())
    )


def _is_distributed():
    if import_keras().backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy()


def _choose_blocks(autoencoder, samples, options):
    """Choose the batches of a block, and whether XLA compiles it."""
    batch_bytes = samples.row_bytes * options.batch_size
    n_batches = -(-len(samples) // options.batch_size)
    block_batches = max(1, BLOCK_BYTES // batch_bytes)
    if not may_use_xla(autoencoder, options.loss, options.epochs * n_batches):
        return block_batches, False
    # Data of about the same size share one compilation, and all small data do.
    small_batches = max(1, SMALL_BLOCK_BYTES // batch_bytes)
    xla_batches = 1 << (max(n_batches, small_batches) - 1).bit_length()
    return min(xla_batches, 1 << (block_batches.bit_length() - 1)), True


def _do_nothing():
    pass


class CompiledEngine:
    """Runs each epoch in blocks of batches, each one call of a compiled function.

    Parameters
    ----------
    program : Program
        Network, optimizer and the compiled functions.
    block_batches : int
        Batches of a block.
    key : str, default=None
        Under which the program goes back to the pool; None if it does not.
    """

    def __init__(self, program, block_batches, key=None):
        self.program = program
        self.autoencoder = program.autoencoder
        self.optimizer = program.optimizer
        self.batch_size = program.batch_size
        self.block_rows = block_batches * program.batch_size
        self.key = key

    def snapshot(self):
        """Return the values of the network's variables after the last epoch."""
        return self._values

    def restart(self, values):
        """Go back to a new optimizer, and to given values of the network."""
        self.program.restart(values)

    def run_epoch(self, epoch, *, report=_do_nothing, silent=False):
        """Train on all batches; return the epoch's mean losses by name.

        `report` is called without arguments, now and then.
        """
        pad = self.program.block_batches is not None
        arrays = epoch.arrays(self.block_rows, pad=pad)
        self.program.reset_metrics()
        sums = 0.0
        blocks = (self.program.put(*array) for array in arrays)
        for block in self._ahead(blocks, len(epoch)):
            block_sums, self._values = self.program.train_block(*block)
            sums = sums + block_sums
            report()
        return self.program.mean_losses(sums, len(epoch))

    def evaluate(self, samples, *, silent=False):
        """Return mean losses by name, without training; callbacks are not called."""
        size = self.block_rows if self.program.pads_evaluation else None
        self.program.reset_metrics()

        def read(part):
            targets = samples.take(part, size)
            shown = samples.hide(targets, part)
            put, n_rows = self.program.put(targets, len(part))
            if shown is targets:
                return put, put, n_rows
            return self.program.put(shown, len(part))[0], put, n_rows

        parts = gen_batches(len(samples), self.block_rows)
        blocks = (read(samples.indices[part]) for part in parts)
        sums = sum(
            self.program.evaluate_block(*block)
            for block in self._ahead(blocks, len(samples))
        )
        return self.program.mean_losses(sums, len(samples))

    def close(self):
        """Keep the program for a later fit.

        Not to be called after an error: the state of the program is undefined then.
        """
        if self.key is not None:
            POOL.put_back(self.key, self.program)

    def _ahead(self, blocks, n_rows):
        """Read the next block while one is in use, if there are several."""
        return read_ahead(blocks) if n_rows > self.block_rows else blocks


class KerasEngine:
    """Runs each batch through the network's own ``train_on_batch``.

    Parameters
    ----------
    autoencoder : keras.Model
        Compiled and trained in place.
    options : TrainingOptions
        How to train.
    callbacks : KerasCallbacks or None
        They hear of each batch.
    """

    def __init__(self, autoencoder, options, callbacks):
        keras = import_keras()
        self.autoencoder = autoencoder
        self.optimizer = options.optimizer
        self.batch_size = options.batch_size
        # A callback of the base class has all hooks, and does nothing in them.
        self.hooks = callbacks.list if callbacks else keras.callbacks.Callback()
        loss = options.loss.as_function()
        reconstruction = keras.metrics.MeanMetricWrapper(
            keras.losses.get(loss), name="reconstruction_loss"
        )
        self._has_penalties = None  # until there is a sample to find out with
        self.optimizer.build(autoencoder.trainable_variables)
        self._optimizer_values = read_values(self.optimizer.variables)
        autoencoder.compile(self.optimizer, loss=loss, metrics=[reconstruction])

    def snapshot(self):
        """Return the values of the network's variables after the last epoch."""
        return read_values(self.autoencoder.variables)

    def restart(self, values):
        """Go back to a new optimizer, and to given values of the network."""
        write_network(self.autoencoder, values)
        write_values(self.optimizer.variables, self._optimizer_values)

    def run_epoch(self, epoch, *, report=_do_nothing, silent=False):
        """Train on batches until a callback stops it; return mean losses by name.

        `report` is called without arguments after each batch.
        """
        hooks = import_keras().callbacks.Callback() if silent else self.hooks
        sums, n_seen = Counter(), 0
        for i, (x, _) in enumerate(epoch.arrays(self.batch_size)):
            hooks.on_train_batch_begin(i)
            logs = self._on_batch("train", x, x)
            sums.update({name: value * len(x) for name, value in logs.items()})
            n_seen += len(x)
            hooks.on_train_batch_end(i, logs)
            report()
            if self.autoencoder.stop_training:
                break
        return self._means(sums, n_seen)

    def evaluate(self, samples, *, silent=False):
        """Return mean losses by name; callbacks are called unless `silent`."""
        hooks = import_keras().callbacks.Callback() if silent else self.hooks
        sums = Counter()
        hooks.on_test_begin()
        for i, batch in enumerate(gen_batches(len(samples), self.batch_size)):
            indices = samples.indices[batch]
            x = samples.take(indices)
            hooks.on_test_batch_begin(i)
            logs = self._on_batch("test", samples.hide(x, indices), x)
            sums.update({name: value * len(x) for name, value in logs.items()})
            hooks.on_test_batch_end(i, logs)
        losses = self._means(sums, len(samples))
        hooks.on_test_end(losses)
        return losses

    def close(self):
        """Do nothing: the network is that of the estimator."""

    def _on_batch(self, phase, x, targets):
        """Train or test on a batch; return logs by name."""
        model = self.autoencoder
        if self._has_penalties is None:
            self._has_penalties = has_own_step(model) or _has_penalties(model, x[:1])
        model.reset_metrics()  # as newer versions of Keras do themselves
        if import_keras().backend.backend() == "torch":
            # Keras clears one gradient for each name, and halves share names of layers.
            for variable in model.trainable_variables:
                variable.value.grad = None
        if import_keras().backend.backend() != "tensorflow" or not has_own_step(model):
            return getattr(model, f"{phase}_on_batch")(x, targets, return_dict=True)
        # Keras's own would add a third value, which `x, y = data` has no place for.
        getattr(model, f"make_{phase}_function")()
        logs = getattr(model, f"{phase}_function")(iter([(x, targets)]))
        return {name: float(value) for name, value in logs.items()}

    def _means(self, sums, n_rows):
        means = {name: float(value / n_rows) for name, value in sums.items()}
        if "loss" not in means:
            raise ValueError(
                f"The train_step or test_step of {type(self.autoencoder).__name__} has "
                f"to return a dict with 'loss', got {sorted(means)}."
            )
        if not self._has_penalties:
            del means["reconstruction_loss"]  # it is the whole of the loss
        return means


def _has_penalties(model, x):
    """Return whether regularizers or layers of a model add to its loss.

    Some layers do in training only, and some backends keep no trace of it.
    """
    mode = {} if ignores_training(model) else {"training": True}
    *_, penalties = model.stateless_call(
        model.trainable_variables,
        model.non_trainable_variables,
        x,
        return_losses=True,
        **mode,
    )
    return bool(penalties)
