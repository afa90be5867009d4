"""Networks: what an autoencoder is made of, apart from data and training."""

from ._base import BaseArchitecture, Networks
from ._dense import DenseArchitecture
from ._variational import VariationalArchitecture

__all__ = [
    "BaseArchitecture",
    "DenseArchitecture",
    "Networks",
    "VariationalArchitecture",
]
