"""Networks: what an autoencoder is made of, apart from data and training."""

from ._base import BaseArchitecture, Networks
from ._convolutional import ConvolutionalArchitecture
from ._dense import DenseArchitecture
<<<<<<< HEAD
from ._keras import KerasArchitecture

__all__ = ["BaseArchitecture", "DenseArchitecture", "KerasArchitecture", "Networks"]
=======
from ._recurrent import RecurrentArchitecture

__all__ = [
    "BaseArchitecture",
    "ConvolutionalArchitecture",
    "DenseArchitecture",
    "Networks",
    "RecurrentArchitecture",
]
>>>>>>> conv
