"""Keras, imported when a network is needed and not before."""

import functools
import inspect
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ._tensorflow_logs import hold_to_log_level

_WITHOUT_PARAMETER = (
    " Or, since predictions do not need it, set it to None by set_params before the "
    "estimator is written."
)


@functools.cache
def import_keras():
    """Import Keras, with its threads limited as the environment asks.

    Returns
    -------
    module
        The ``keras`` package.

    Raises
    ------
    ModuleNotFoundError
        If Keras or its backend is not installed, as where models are only scored.
    """
    try:
        with hold_to_log_level():
            import keras
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. Training, the Keras models of an estimator, and networks that "
            "NumPy cannot compute, such as convolutional ones, need Keras and a "
            "backend: pip install keras tensorflow.",
            name=error.name,
        ) from error

    if keras.backend.backend() == "tensorflow":
        _limit_tensorflow_threads()
    return keras


def check_process():
    """Check that Keras can compute in this process.

    Raises
    ------
    RuntimeError
        If the process was forked from one in which TensorFlow had started: it would
        wait for ever for threads that it does not have.
    """
    if _Fork.lost_tensorflow:
        raise RuntimeError(
            "This needs TensorFlow, which had started before this process was forked "
            "and cannot compute in it. Start processes by "
            'multiprocessing.get_context("spawn"), or by joblib, or fork before '
            "anything is fitted or computed with TensorFlow. Estimators whose layers "
            "are all dense can score and transform in forked processes."
        )


class _Fork:
    """Whether this process was forked from one in which TensorFlow had started."""

    lost_tensorflow = False

    @classmethod
    def begin_in_child(cls):
        """Look once, before this process itself starts TensorFlow."""
        cls.lost_tensorflow = cls.lost_tensorflow or _tensorflow_has_started()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_Fork.begin_in_child)


def _tensorflow_has_started():
    """Check whether TensorFlow has its threads; importing it does not start them."""
    tensorflow = sys.modules.get("tensorflow")
    if not hasattr(tensorflow, "config"):
        return False
    threading = tensorflow.config.threading
    n_threads = threading.get_inter_op_parallelism_threads()
    try:
        threading.set_inter_op_parallelism_threads(n_threads + 1)
    except RuntimeError:  # their number cannot be changed any more
        return True
    threading.set_inter_op_parallelism_threads(n_threads)
    return False


def _limit_tensorflow_threads():
    """Apply ``OMP_NUM_THREADS`` to TensorFlow, as NumPy's BLAS does.

    joblib's loky sets this variable in each of its worker processes to its number of
    threads; TensorFlow would use all cores in each of them.
    """
    try:
        n_threads = int(os.environ["OMP_NUM_THREADS"].split(",")[0])
    except (KeyError, ValueError):
        return
    import tensorflow as tf

    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() == 0:  # nobody has chosen yet
        try:
            threading.set_intra_op_parallelism_threads(n_threads)
            threading.set_inter_op_parallelism_threads(n_threads)
        except RuntimeError:
            pass  # TensorFlow runs already, and its pools cannot be resized


def leaf_layers(layer):
    """List the layers within a model, without the models themselves."""
    if not hasattr(layer, "layers"):
        return [layer]
    return [leaf for part in layer.layers for leaf in leaf_layers(part)]


def view_value(variable):
    """Return a read-only view of the value of a Keras variable as an ndarray."""
    value = variable.value
    # A tensor of TensorFlow shares its memory; `numpy` would copy it.
    if not hasattr(value, "value") or not value.shape.rank:
        return np.asarray(variable.numpy())
    return np.asarray(value.value())


def read_values(variables):
    """Copy the values of Keras variables into a list of ndarrays."""
    return [np.array(view_value(variable)) for variable in variables]


def write_values(variables, values):
    """Assign to Keras variables the values that `read_values` returned."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def write_network(network, values):
    """Give a network the values that `read_values` returned for its variables."""
    write_values(network.variables, values)
    for layer in leaf_layers(network):
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def derives_constants(network):
    """Check whether layers compute with constants that are derived from variables.

    An adapted `keras.layers.Normalization` does.
    """
    return any(hasattr(layer, "finalize_state") for layer in leaf_layers(network))


def overrides(model, name):
    """Check whether a class that is not one of Keras defines a method of a model."""
    kinds = (kind for kind in type(model).__mro__ if name in vars(kind))
    definer = next(kinds, None)
    return definer is not None and definer.__module__.split(".")[0] != "keras"


def has_own_step(model):
    """Check whether the class of a model overrides how Keras trains or tests it."""
    steps = ("train_step", "test_step", "compute_loss")
    return any(overrides(model, name) for name in steps)


def ignores_training(model):
    """Check whether Keras trains a model as it runs outside training.

    It does so for a class whose `call` has no argument ``training``.
    """
    return overrides(model, "call") and not takes_training(model)


def takes_training(model):
    """Check whether `call` of a model has an argument ``training``."""
    return "training" in inspect.signature(type(model).call).parameters


def unpickle_empty(cls, needs_keras):
    """Return the object into which pickle then puts an estimator's state.

    The state may hold Keras objects, whose creation starts TensorFlow: a worker has
    to set its threads before that.

    Parameters
    ----------
    cls : type
        Class of the estimator.
    needs_keras : bool or str
        Whether the state may hold Keras objects; the name of a parameter that does.

    Returns
    -------
    object
        An instance without attributes.

    Raises
    ------
    ModuleNotFoundError
        If a parameter holds a Keras object, and Keras is not installed.
    """
    if find_spec("keras") is None:
        if isinstance(needs_keras, str):
            is_layer = needs_keras.startswith("architecture")
            raise ModuleNotFoundError(
                f"The parameter {needs_keras} of this {cls.__name__} holds an object "
                "of Keras, which is not installed: pip install keras tensorflow."
                + ("" if is_layer else _WITHOUT_PARAMETER),
                name="keras",
            )
    elif needs_keras and "OMP_NUM_THREADS" in os.environ:
        import_keras()
    return cls.__new__(cls)


@dataclass(frozen=True)
class PickledLoss:
    """A Keras loss with all of its attributes.

    Keras's own pickling drops some, and does not find unregistered classes again.

    Parameters
    ----------
    kind : type
        Its class.
    attributes : dict
        What it holds.
    """

    kind: type
    attributes: dict

    @classmethod
    def of(cls, loss):
        """Take a loss apart."""
        return cls(type(loss), dict(vars(loss)))

    def make(self):
        """Make the loss again."""
        loss = self.kind.__new__(self.kind)
        vars(loss).update(self.attributes)
        return loss
