"""From scikit-learn's ``random_state`` to seeds, without global side effects."""

import random
import threading
from contextlib import contextmanager

import numpy as np

_lock = threading.Lock()


def draw_seed(rng):
    """Draw an int seed from a `numpy.random.RandomState`."""
    return int(rng.randint(np.iinfo(np.int32).max))


@contextmanager
def seeded_globals(seed):
    """Seed Python's and NumPy's global generators, and put them back afterwards.

    Keras takes the seed of each initializer, dropout or noise layer that was given
    none from Python's `random`. Inside this context such layers are reproducible,
    in a network of the user's own too, and nothing is seen from outside.
    """
    with _lock:
        python_state, numpy_state = random.getstate(), np.random.get_state()
        try:
            random.seed(seed)
            np.random.seed(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
