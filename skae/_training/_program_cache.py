"""Compiled programs, kept for the next fit of the same network.

A program is identified by a key: the configurations of network, optimizer and loss, as
JSON. Two networks with one key have to compute the same. That rests on how
Keras writes `keras.Model.get_config` (`keras_history`, ``__keras_tensor__``), which it
does not document: a version of Keras that leaves out of it what a network computes
would let a fit train another network than its own, and one that writes links between
layers in another way would only keep programs from being found again. What is neither
Keras's nor skae's gets no key, nor do layers that hold state outside of variables.
"""

import json
import threading
from collections import OrderedDict

from .._backend import derives_constants, import_keras, leaf_layers
from .._layer_traits import is_row_wise
from ._optimizers import describe

# Idle programs that are kept, and values that their variables may hold together
# (200 MB in float32). The least recently used one goes first.
MAX_PROGRAMS = 64
MAX_VALUES = 50_000_000

# Compiling with XLA takes about a second longer, and saves about a millisecond a batch,
# in later fits too. XLA never frees what it compiled, about 5 MB a program: a network
# that is rebuilt each time leaves that much behind with each fit, about half of what
# TensorFlow leaves anyway.
MIN_BATCHES_FOR_XLA = 500


class ProgramPool:
    """Programs that no fit is using, by what they compute.

    A fit takes a program out and puts it back, so threads never share one.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._idle = OrderedDict()  # key -> programs, the last used key last

    def take(self, key):
        """Take out a program; return None if there is none with this key."""
        with self._lock:
            programs = self._idle.get(key, [])
            program = programs.pop() if programs else None
            if not programs:
                self._idle.pop(key, None)
            return program

    def put_back(self, key, program):
        """Keep a program for a later fit, and drop those beyond the limits."""
        with self._lock:
            self._idle.setdefault(key, []).append(program)
            self._idle.move_to_end(key)
            while self._n_idle() > MAX_PROGRAMS or self._n_values() > MAX_VALUES:
                oldest = next(iter(self._idle))
                self._idle[oldest].pop()
                if not self._idle[oldest]:
                    del self._idle[oldest]

    def clear(self):
        """Drop all idle programs."""
        with self._lock:
            self._idle.clear()

    def _n_idle(self):
        return sum(map(len, self._idle.values()))

    def _n_values(self):
        return sum(p.n_values for programs in self._idle.values() for p in programs)


def may_use_xla(autoencoder, loss, n_batches):
    """Return whether XLA computes the same, and pays."""
    return (
        n_batches >= MIN_BATCHES_FOR_XLA
        and loss.per_sample is not None
        and all(is_row_wise(layer) for layer in leaf_layers(autoencoder))
    )


def program_key(autoencoder, loss, optimizer, batch_size, block_batches):
    """Describe what a program computes.

    Weights, seeds and a constant learning rate are values that a fit brings along, and
    names do not matter. Whatever is neither Keras's nor skae's may compute anything.

    Parameters
    ----------
    autoencoder : keras.Model
        The network.
    loss : TrainingLoss
        The loss.
    optimizer : keras.optimizers.Optimizer
        The optimizer.
    batch_size : int
        Samples of a batch.
    block_batches : int or None
        As for `Program`.

    Returns
    -------
    str or None
        None if it cannot be told from outside.
    """
    if derives_constants(autoencoder):  # compiled code would keep those of one fit
        return None
    try:
        network = autoencoder.get_config()
    except (NotImplementedError, TypeError):  # a subclass, or what has no config
        return None
    if loss.config is None:
        return None
    parts = {
        "network": network,
        "optimizer": describe(optimizer),
        "loss": loss.config,
        "batch_size": batch_size,
        "block_batches": block_batches,
        "floatx": import_keras().config.floatx(),
    }
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
        if part.keys() == {"value"}:  # code of a lambda, without its globals
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
