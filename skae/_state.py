"""The state of an estimator: what is copied, pickled, and kept on errors."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass

from ._backend import read_values, unpickle_empty, write_values

NETWORKS = ("encoder_", "decoder_", "autoencoder_")
_UNPICKLED = ("_networks", "_run_encoder", "_run_decoder", *NETWORKS)


@dataclass(frozen=True)
class _PickledLoss:
    """A Keras loss with all of its attributes: Keras's own pickling drops some.

    Parameters
    ----------
    kind : type
        Its class.
    attributes : dict
        What it holds.
    """

    kind: type
    attributes: dict

    def restore(self):
        """Make the loss again."""
        loss = self.kind.__new__(self.kind)
        vars(loss).update(self.attributes)
        return loss


class StateMixin:
    """Pickles how to build the networks, and the values of their variables.

    The estimator has `_networks`, which `_rebuild` makes from `architecture_` and
    `_build_arguments`, and the parameter `loss`.
    """

    def __sklearn_clone__(self):
        cloned = super().__sklearn_clone__()
        # Nothing changes a loss, and Keras loses arguments of some that it copies.
        cloned.loss = self.loss
        return cloned

    @contextmanager
    def _restored_on_error(self):
        """Put attributes and weights back as they were, should a fit fail."""
        before = vars(self).copy()
        rng = copy.deepcopy(before.get("_rng"))
        variables = self.autoencoder_.variables if "autoencoder_" in before else []
        values = read_values(variables)
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if rng is not None:
                self._rng = rng
            write_values(variables, values)
            raise

    def __reduce__(self):
        return unpickle_empty, (type(self),), self.__getstate__()

    def __getstate__(self):
        state = dict(super().__getstate__())
        if hasattr(self.loss, "get_config"):
            state["loss"] = _PickledLoss(type(self.loss), dict(vars(self.loss)))
        if "autoencoder_" in state:
            for name in _UNPICKLED:
                del state[name]
            state["_values"] = read_values(self.autoencoder_.variables)
        return state

    def __setstate__(self, state):
        state = dict(state)
        if isinstance(state["loss"], _PickledLoss):
            state["loss"] = state["loss"].restore()
        values = state.pop("_values", None)
        if values is None:
            super().__setstate__(state)
            return
        super().__setstate__(state)
        self._rebuild()
        write_values(self.autoencoder_.variables, values)
