"""MNIST and Fashion-MNIST, which several examples use."""

import os
from pathlib import Path

import numpy as np


def load_images(name):
    """Load "mnist" or "fashion_mnist": training and test images, each with labels.

    Images are rows of 784 pixels in [0, 1]. They are read from ``<name>.npz`` in the
    folder that the environment variable SKAE_DATA names. If there is no such file,
    ``keras.datasets`` downloads them once.
    """
    folder = os.environ.get("SKAE_DATA")
    if folder and (path := Path(folder, f"{name}.npz")).exists():
        with np.load(path) as file:
            parts = [(file[f"x_{s}"], file[f"y_{s}"]) for s in ("train", "test")]
    else:
        import keras

        parts = getattr(keras.datasets, name).load_data()
    return [
        (images.reshape(len(images), -1).astype("float32") / 255, labels.astype(int))
        for images, labels in parts
    ]
