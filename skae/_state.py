"""The state of an estimator: what is copied, pickled, and kept on errors."""

import functools
import inspect
import zlib
from contextlib import contextmanager
from pickle import PicklingError, UnpicklingError

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from ._backend import PickledLoss, unpickle_empty
from ._inference import FittedNetworks
from ._show_versions import installed_version
from ._training import OptimizerRecipe, OptimizerState
from ._version import __version__

# Number of the format of pickled states. Version 0.1 wrote no number.
FORMAT = 1
# Parameters that may be Keras objects, which nothing changes: clones share them.
_SHARED = ("loss", "optimizer")


def _pickled_optimizer(optimizer):
    """Return what an optimizer is made again from, and make sure that it can be."""
    recipe = OptimizerRecipe.of(optimizer)
    try:
        recipe.make()
    except InvalidParameterError as error:
        raise PicklingError(str(error)) from error
    return recipe


class StateMixin:
    """Pickles arrays and how to build the Keras models, but not the models.

    The estimator has parameters `loss` and `optimizer`; if it is fitted, `_fitted`,
    and `architecture_`, which builds Keras models for it, and `_optimizer_state`.
    """

    # Attributes that have a method `to_dict`, and functions that make them again, given
    # what it returned and the estimator with the attributes before them.
    _from_dicts: dict = {"_optimizer_state": lambda state, _: OptimizerState(**state)}

    def __sklearn_clone__(self):
        # Keras cannot copy a loss or an optimizer of an unregistered class, and loses
        # arguments of some of its own.
        shared = {
            name: getattr(self, name)
            for name in self.get_params(deep=False)
            if name in _SHARED
        }
        bare = object.__new__(type(self))
        vars(bare).update(vars(self), **dict.fromkeys(shared))
        cloned = super(StateMixin, bare).__sklearn_clone__()
        vars(cloned).update(shared)
        return cloned

    @contextmanager
    def _restored_on_error(self):
        """Put attributes and weights back as they were, should a fit fail."""
        before = vars(self).copy()
        rng, fitted = before.get("_rng"), before.get("_fitted")
        rng_state = None if rng is None else rng.get_state()
        values = None if fitted is None else fitted.values()
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if rng is not None:
                rng.set_state(rng_state)
            if fitted is not None:
                fitted.set_values(values)
            raise

    def __reduce__(self):
        arguments = (type(self), _needs_keras(self))
        return unpickle_empty, arguments, self.__getstate__()

    def __getstate__(self):
        state = dict(super().__getstate__())
        if hasattr(self.loss, "get_config"):
            state["loss"] = PickledLoss.of(self.loss)
        if hasattr(self.optimizer, "get_config"):
            state["optimizer"] = _pickled_optimizer(self.optimizer)
        if "_fitted" in state:
            state["_fitted"] = self._fitted.get_state()
            for name in self._from_dicts:
                if state.get(name) is not None:
                    state[name] = state[name].to_dict()
            state["_rng"] = self._rng.get_state(legacy=False)
            state["_checksum"] = _checksum(state)
        state["_written_by"] = {
            "format": FORMAT,
            "skae": __version__,
            **_versions(),
        }
        return state

    def __setstate__(self, state):
        state = dict(state)
        written_by = state.pop("_written_by", {"format": 0, "skae": "0.1"})
        if written_by["format"] != FORMAT:
            raise UnpicklingError(
                f"This {type(self).__name__} was written by skae {written_by['skae']}, "
                f"but skae {__version__} reads files of format {FORMAT} only, and this "
                f"is format {written_by['format']}. Load it with skae "
                f"{written_by['skae']}, or fit again."
            )
        for name in _SHARED:
            if isinstance(state[name], (PickledLoss, OptimizerRecipe)):
                state[name] = state[name].make()
        # A parameter that is newer than a file has its default.
        parameters = inspect.signature(type(self).__init__).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        if "_fitted" not in state:
            super().__setstate__(defaults | state)
            return
        if state.pop("_checksum", None) != _checksum(state):
            raise UnpicklingError(
                f"The contents of this {type(self).__name__} are not those that were "
                "written: the file is damaged or was changed."
            )
        # NumPy's own pickles of a generator cannot be read by older versions.
        state = defaults | state
        rng = np.random.RandomState()
        rng.set_state(state["_rng"])
        state["_rng"] = rng
        fitted = state.pop("_fitted")
        super().__setstate__(state)
        try:
            self._fitted = FittedNetworks.from_state(self.architecture_, fitted)
            for name, make in self._from_dicts.items():
                if state.get(name) is not None:
                    setattr(self, name, make(state[name], self))
        except ValueError as error:
            raise UnpicklingError(
                f"This {type(self).__name__} cannot be loaded: {error}."
            ) from error


@functools.cache
def _versions():
    """Return the versions of what is installed: scoring does not need Keras."""
    names = ("keras", "numpy", "scikit-learn")
    versions = {name: installed_version(name) for name in names}
    return {name: version for name, version in versions.items() if version is not None}


def _needs_keras(estimator):
    """Check whether unpickling parameters makes Keras objects.

    Parameters
    ----------
    estimator : object
        An estimator.

    Returns
    -------
    bool or str
        The name of a parameter that holds a Keras object, or else whether one may.
    """
    known = {"builtins", "numpy", "sklearn", "skae"}
    may = False
    for name, value in estimator.get_params().items():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if "keras" in map(_library, [part, *type(part).__mro__]):
                return name
            may |= _library(type(part)) not in known or name == "architecture__model"
    return may


def _library(thing):
    return (getattr(thing, "__module__", None) or "").split(".")[0]


def _checksum(values):
    """Compute a checksum of numbers and texts in nested dicts and lists."""
    total = 0

    def add(value):
        nonlocal total
        if isinstance(value, dict):
            for name in sorted(value, key=str):
                add(value[name])
        elif isinstance(value, (list, tuple)):
            for part in value:
                add(part)
        elif isinstance(value, np.ndarray) and value.dtype.hasobject:
            add(value.tolist())  # names of features
        elif isinstance(value, np.ndarray):
            total = zlib.crc32(np.ascontiguousarray(value).view(np.uint8).data, total)
        elif isinstance(value, (int, float)):
            total = zlib.crc32(float(value).hex().encode(), total)
        elif isinstance(value, str):
            total = zlib.crc32(value.encode(errors="surrogatepass"), total)

    add(values)
    return total
