"""Seeds of layers and initializers that were given none.

Keras takes them from Python's global generator, which other threads of the process draw
from too. Here they come from a generator of their own.
"""

import inspect
import random
from contextlib import contextmanager

import numpy as np

from .._backend import import_keras
from .._random import seeded_globals


class LayerSeeds:
    """Draw the seeds of the layers and initializers of one set of networks.

    Parameters
    ----------
    seed : int
        Determines the seeds, and what else is drawn from the global generators of
        Python and NumPy while the networks are built.
    """

    def __init__(self, seed):
        self._seed = seed
        self._random = random.Random(seed)
        self._seeded = {}  # keeps the objects, so that no id is used twice

    @contextmanager
    def building(self):
        """Seed initializers that are named, in this thread alone.

        The context contains all of Keras's initializers with a seed as custom objects,
        which Keras creates from names ("glorot_uniform") and configurations.
        """
        kinds = _random_initializers()
        scope = import_keras().saving.custom_object_scope(
            {name: self._factory(kind) for name, kind in kinds.items()}
        )
        with seeded_globals(self._seed), scope:
            yield

    def reseed(self, model):
        """Give new seeds to what was created without a name, and draw again.

        These are the seed generators of layers, as those of dropout, and initializers
        that were passed as objects. Weights that no longer have the values of their
        initializer are left as they are.

        Parameters
        ----------
        model : keras.Model
            Built; changed in place.
        """
        keras = import_keras()
        kinds = tuple(set(_random_initializers().values()))
        redrawn = []
        for layer, item in _parts(model):
            if item.get_config().get("seed") is not None or id(item) in self._seeded:
                continue
            if isinstance(item, keras.random.SeedGenerator):
                self._seeded[id(item)] = item
                item.state.assign([self._draw(), 0])
            elif isinstance(item, kinds):
                redrawn += [(v, item) for v in layer.weights if _is_drawn(v, item)]
        for _, initializer in redrawn:
            if id(initializer) not in self._seeded:
                self._set_seed(initializer)
        for variable, initializer in redrawn:
            variable.assign(initializer(variable.shape, dtype=variable.dtype))

    def _draw(self):
        return self._random.randint(1, 10**9)  # as in Keras

    def _set_seed(self, initializer):
        initializer.seed = self._draw()
        self._seeded[id(initializer)] = initializer

    def _factory(self, kind):
        """Return a class that Keras creates an initializer by."""

        class Factory:
            @staticmethod
            def from_config(config):
                initializer = kind.from_config(config)
                if config.get("seed") is None:
                    self._set_seed(initializer)
                return initializer

        return Factory


def custom_object_scope(custom_objects):
    """Context in which Keras finds custom objects, beside those of `building`.

    A scope of Keras hides those around it.

    Parameters
    ----------
    custom_objects : dict of str to object
        What is to be found by name.

    Returns
    -------
    context manager
        The scope.
    """
    saving = import_keras().saving
    found = {
        name: saving.get_registered_object(name) for name in _random_initializers()
    }
    found = {name: kind for name, kind in found.items() if kind is not None}
    return saving.custom_object_scope(found | custom_objects)


def _random_initializers():
    """Return the initializers of Keras that draw numbers, by name."""
    initializers = import_keras().initializers
    kinds = {n: k for n, k in vars(initializers).items() if isinstance(k, type)}
    kinds |= {"normal": kinds["RandomNormal"], "uniform": kinds["RandomUniform"]}
    return {
        name: kind
        for name, kind in kinds.items()
        if issubclass(kind, initializers.Initializer)
        and "seed" in inspect.signature(kind).parameters
    }


def _parts(model):
    """Iterate over the initializers and seed generators of all layers of a model."""
    keras = import_keras()
    wanted = keras.initializers.Initializer, keras.random.SeedGenerator
    seen, layers = set(), [model]
    for layer in layers:
        values = list(vars(layer).values())
        for value in values:
            if isinstance(value, wanted):
                yield layer, value
            elif isinstance(value, keras.Layer | dict | list | tuple):
                if id(value) in seen:
                    continue
                seen.add(id(value))
                if isinstance(value, keras.Layer):
                    layers.append(value)
                else:
                    # Not +=, which lists of TensorFlow answer with a new list.
                    values.extend(value.values() if isinstance(value, dict) else value)


def _is_drawn(variable, initializer):
    """Return whether the values of a variable are those that an initializer draws."""
    try:
        drawn = initializer(variable.shape, dtype=variable.dtype)
    except ValueError:  # as of orthogonal vectors
        return False
    ops = import_keras().ops
    return np.array_equal(*map(ops.convert_to_numpy, (drawn, variable)))
