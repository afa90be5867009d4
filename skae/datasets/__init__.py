"""Loaders of the data sets that autoencoders are usually shown on."""

from ._mnist import fetch_fashion_mnist, fetch_mnist

__all__ = ["fetch_fashion_mnist", "fetch_mnist"]
