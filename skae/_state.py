"""The state of an estimator: what is copied, pickled, and kept on errors."""

from contextlib import contextmanager
from pickle import PicklingError

from sklearn.utils._param_validation import InvalidParameterError

from ._backend import PickledLoss, read_values, unpickle_empty, write_network
from ._training import OptimizerRecipe

NETWORKS = ("encoder_", "decoder_", "autoencoder_")
_UNPICKLED = ("_networks", "_run_encoder", "_run_decoder", *NETWORKS)

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
    """Pickles how to build the networks, and the values of their variables.

    The estimator has parameters `loss` and `optimizer`, and `_networks`, which
    `_rebuild` makes from `architecture_` and `_build_arguments`.
    """

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
        rng = before.get("_rng")
        rng_state = None if rng is None else rng.get_state()
        network = before.get("autoencoder_")
        values = None if network is None else read_values(network.variables)
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if rng is not None:
                rng.set_state(rng_state)
            if network is not None:
                write_network(network, values)
            raise

    def __reduce__(self):
        return unpickle_empty, (type(self),), self.__getstate__()

    def __getstate__(self):
        state = dict(super().__getstate__())
        if hasattr(self.loss, "get_config"):
            state["loss"] = PickledLoss.of(self.loss)
        if hasattr(self.optimizer, "get_config"):
            state["optimizer"] = _pickled_optimizer(self.optimizer)
        if "autoencoder_" in state:
            for name in _UNPICKLED:
                del state[name]
            state["_values"] = read_values(self.autoencoder_.variables)
        return state

    def __setstate__(self, state):
        state = dict(state)
        for name in _SHARED:
            if isinstance(state[name], (PickledLoss, OptimizerRecipe)):
                state[name] = state[name].make()
        values = state.pop("_values", None)
        if values is None:
            super().__setstate__(state)
            return
        super().__setstate__(state)
        self._rebuild()
        write_network(self.autoencoder_, values)
