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

    Inside this context, what the code of a user draws from them is reproducible, unless
    other threads draw from them at the same time. Nothing is seen from outside.
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
