"""Compiled training: graph functions for one network, kept for the next fit like it."""

import json
import math
import threading
from collections import OrderedDict
from functools import cached_property

from ._backend import import_keras, leaf_layers, read_values, write_values

# Idle programs that are kept, and numbers that their variables may hold together
# (200 MB in float32). The least recently used one goes first.
MAX_PROGRAMS = 64
MAX_VALUES = 50_000_000

# XLA never gives back the memory of what it compiled, about 5 MB a program. Later
# programs of a process run as plain TensorFlow graphs.
MAX_XLA_PROGRAMS = 64

# Rows that are evaluated at a time: what convolutions give for a block would take GB.
EVALUATED_ROWS = 1024

# Compiling with XLA takes some 0.4 s longer, and saves some 0.1 ms a batch.
MIN_BATCHES_FOR_XLA = 1000

# Layers that treat each row by itself, and whose arithmetic is matrix products: there
# XLA is faster than TensorFlow's kernels. For convolutions it is slower.
_ROW_WISE_LAYERS = (
    "Activation",
    "Add",
    "Clip",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "InputLayer",
    "LayerNormalization",
    "LeakyReLU",
    "MaskingNoise",
    "NestedDropout",
    "ReLU",
    "Reshape",
    "TransposedDense",
)


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
        write_values(self.autoencoder.variables, weights)
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


class ProgramPool:
    """Programs that no fit is using, by what they compute.

    A fit takes a program out and puts it back, so threads never share one.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._idle = OrderedDict()  # key -> programs, the last used key last
        self._n_xla = 0

    def take(self, key):
        """Take out a program; None if there is no such one."""
        with self._lock:
            programs = self._idle.get(key, [])
            program = programs.pop() if programs else None
            if not programs:
                self._idle.pop(key, None)
            return program

    def put_back(self, key, program):
        """Keep a program for the next fit, and forget what is too much."""
        with self._lock:
            self._idle.setdefault(key, []).append(program)
            self._idle.move_to_end(key)
            while self._n_idle() > MAX_PROGRAMS or self._n_values() > MAX_VALUES:
                oldest = next(iter(self._idle))
                self._idle[oldest].pop()
                if not self._idle[oldest]:
                    del self._idle[oldest]

    def count_xla_program(self):
        """Count one more program of XLA; False if there have been too many."""
        with self._lock:
            if self._n_xla >= MAX_XLA_PROGRAMS:
                return False
            self._n_xla += 1
            return True

    def _n_idle(self):
        return sum(map(len, self._idle.values()))

    def _n_values(self):
        return sum(p.n_values for programs in self._idle.values() for p in programs)


def may_use_xla(autoencoder, loss, n_batches):
    """Whether XLA computes the same, and pays."""
    return (
        n_batches >= MIN_BATCHES_FOR_XLA
        and loss.by_row is not None
        and all(_is_row_wise(layer) for layer in leaf_layers(autoencoder))
    )


def _is_row_wise(layer):
    return (
        type(layer).__name__ in _ROW_WISE_LAYERS
        and _is_known(type(layer).__module__)
        and getattr(layer, "activity_regularizer", None) is None
        and layer.compute_dtype in ("float32", "float64")
    )


def program_key(autoencoder, loss, optimizer, batch_size, block_batches):
    """Describe what a program computes; None if that cannot be told from outside.

    Weights, seeds and a plain learning rate are values that a fit brings along, and
    names do not matter. Whatever is neither Keras's nor skae's may compute anything.
    """
    try:
        network = autoencoder.get_config()
    except NotImplementedError:  # a subclassed model
        return None
    keras = import_keras()
    optimizer = keras.optimizers.serialize(optimizer)
    optimizer["config"].pop("name", None)
    if isinstance(optimizer["config"].get("learning_rate"), float):
        del optimizer["config"]["learning_rate"]
    parts = {
        "network": network,
        "optimizer": optimizer,
        "loss": loss.config,
        "batch_size": batch_size,
        "block_batches": block_batches,
        "floatx": keras.config.floatx(),
    }
    if loss.config is None:
        return None
    names = {name: f"layer {i}" for i, name in enumerate(_names(network))}
    try:
        return json.dumps(_normalized(parts, names), sort_keys=True)
    except (_Unknown, TypeError):
        return None


class _Unknown(Exception):
    """Something in a configuration is the user's own."""


def _is_known(module):
    return module.split(".")[0] in ("keras", "skae")


# Where a configuration names layers.
_LINKS = ("name", "keras_history", "input_layers", "output_layers", "tied_to")


def _names(config):
    for layer in config.get("layers", ()):
        yield layer["config"].get("name", layer.get("name"))
        yield from _names(layer["config"])


def _normalized(part, names, is_link=False):
    if isinstance(part, dict):
        own = ("__keras_tensor__", "__tuple__")  # how Keras writes what links layers
        name = part.get("class_name")
        if name not in (None, *own) and not _is_known(part.get("module") or ""):
            raise _Unknown
        return {
            key: _normalized(value, names, key in _LINKS)
            for key, value in part.items()
            if key != "seed" and not key.endswith("initializer")
        }
    if isinstance(part, (list, tuple)):
        return [_normalized(value, names, is_link) for value in part]
    # Elsewhere a name is something else: a layer may be called as its activation is.
    return names.get(part, part) if is_link and isinstance(part, str) else part


POOL = ProgramPool()
