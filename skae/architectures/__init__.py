"""Networks: what an autoencoder is made of, apart from data and training."""

from ._base import BaseArchitecture, Networks
from ._dense import DenseArchitecture

__all__ = ["BaseArchitecture", "DenseArchitecture", "Networks"]
