"""Networks: what an autoencoder is made of, apart from data and training."""

from ._base import BaseArchitecture, Networks
from ._dense import DenseArchitecture
from ._keras import KerasArchitecture

__all__ = ["BaseArchitecture", "DenseArchitecture", "KerasArchitecture", "Networks"]
