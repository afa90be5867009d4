"""Keras, imported when a network is needed and not before."""

import functools
import os

import numpy as np

from ._tensorflow_logs import hold_to_log_level


@functools.cache
def import_keras():
    """Import Keras, with its threads limited as the environment asks.

    Returns
    -------
    module
        The ``keras`` package.
    """
    with hold_to_log_level():
        import keras

    if keras.backend.backend() == "tensorflow":
        _limit_tensorflow_threads()
    return keras


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
    return np.asarray(value.value()) if hasattr(value, "value") else variable.numpy()


def read_values(variables):
    """Copy the values of Keras variables into a list of ndarrays."""
    return [np.array(view_value(variable)) for variable in variables]


def write_values(variables, values):
    """Assign to Keras variables the values that `read_values` returned."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def unpickle_empty(cls):
    """Return the object into which pickle then puts an estimator's state.

    The state may hold Keras objects, whose creation starts TensorFlow: a worker has
    to set its threads before that.
    """
    if "OMP_NUM_THREADS" in os.environ:
        import_keras()
    return cls.__new__(cls)
