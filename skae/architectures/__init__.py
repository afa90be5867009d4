"""Architectures: from the shape of samples to the networks of an autoencoder."""

from ._base import BaseArchitecture, Networks, NetworkSpec
from ._building import custom_objects
from ._convolutional import ConvolutionalArchitecture
from ._dense import DenseArchitecture
from ._keras import KerasArchitecture
from ._recurrent import RecurrentArchitecture
from ._variational import VariationalArchitecture

__all__ = [
    "BaseArchitecture",
    "ConvolutionalArchitecture",
    "DenseArchitecture",
    "KerasArchitecture",
    "NetworkSpec",
    "Networks",
    "RecurrentArchitecture",
    "VariationalArchitecture",
    "custom_objects",
]
