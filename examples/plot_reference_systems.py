"""
Autoencoders of well-known tutorials
====================================

Six autoencoders that public tutorials train with Keras, each as one estimator with the
same network, hyperparameters and number of parameters. They are compared with
``keras.Model.fit`` of the same network.

This page uses 2,000 images and a fifth of the epochs. For the numbers on all 60,000
images, with three seeds each (about half an hour, most of it for system C)::

    python examples/plot_reference_systems.py --full

:ref:`Another example <sphx_glr_auto_examples_plot_reference_figures.py>` reproduces the
figures of the tutorials.
"""

from skae import hide_tensorflow_logs

hide_tensorflow_logs()

import argparse
import math
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from keras import layers

from skae import AutoencoderTransformer
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    KerasArchitecture,
)

parser = argparse.ArgumentParser()
parser.add_argument("--full", action="store_true", help="all images, three seeds")
full = parser.parse_known_args()[0].full
n_images, n_seeds, share_of_epochs = (60_000, 3, 1) if full else (2_000, 1, 0.2)
n_val = 10_000 if full else 500

# %%
# The networks in Keras
# ---------------------
# System A is a subclass of ``keras.Model``, C is convolutional, and the others are
# dense.


class SubclassedAutoencoder(keras.Model):
    def __init__(self, n_components=64, sample_shape=(28, 28)):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Flatten(),
                layers.Dense(n_components, activation="relu"),
            ]
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((n_components,)),
                layers.Dense(math.prod(sample_shape), activation="sigmoid"),
                layers.Reshape(sample_shape),
            ]
        )

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))


def convolutional():
    options = {"kernel_size": 3, "padding": "same"}
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(30, activation="relu", **options),
            layers.MaxPooling2D(),
            layers.Conv2D(15, activation="relu", **options),
            layers.MaxPooling2D(),
            layers.Conv2D(15, activation="relu", **options),
            layers.UpSampling2D(),
            layers.Conv2D(30, activation="relu", **options),
            layers.UpSampling2D(),
            layers.Conv2D(1, activation="sigmoid", **options),
        ]
    )


def dense(*units):
    hidden = [layers.Dense(n, activation="relu") for n in units]
    output = layers.Dense(784, activation="sigmoid")
    return keras.Sequential([keras.Input((784,)), *hidden, output])


# %%
# The same in skae
# ----------------
# A uses the class. The code of C is its last feature map, 7 x 7 x 15. The others are
# given by the sizes of their hidden layers. With "binary_crossentropy" the output layer
# has a sigmoid activation.


def dense_system(data, n_components, hidden=(), **others):
    units = (*hidden, n_components, *hidden[::-1])
    architecture = DenseArchitecture(hidden, "relu", code_activation="relu")
    return {
        "data": data,
        "shape": (784,),
        "by_hand": lambda: dense(*units),
        "architecture": architecture,
        "n_components": n_components,
        "loss": "binary_crossentropy",
        "batch_size": 256,
        **others,
    }


systems = {
    "A": {
        "data": "fashion_mnist",
        "shape": (28, 28),
        "by_hand": SubclassedAutoencoder,
        "architecture": KerasArchitecture(SubclassedAutoencoder()),
        "loss": "mean_squared_error",
        "batch_size": 32,
        "epochs": 10,
        "n_parameters": 101_200,
        "published": 0.0088,
    },
    "B": dense_system("mnist", 15, epochs=15, n_parameters=24_319, published=0.1327),
    "C": {
        "data": "mnist",
        "shape": (28, 28, 1),
        "by_hand": convolutional,
        "architecture": ConvolutionalArchitecture(filters=(30, 15)),
        "loss": "binary_crossentropy",
        "batch_size": 128,
        "epochs": 15,
        "n_parameters": 10_756,
        "published": 0.0676,
    },
    "D": dense_system(
        "mnist",
        32,
        optimizer="adadelta",
        learning_rate=1.0,
        epochs=50,
        n_parameters=50_992,
        published=np.nan,
    ),
    "E": dense_system(
        "fashion_mnist", 32, epochs=20, n_parameters=50_992, published=0.2842
    ),
    "F": dense_system(
        "fashion_mnist",
        32,
        hidden=(128, 64),
        epochs=50,
        n_parameters=222_384,
        published=0.2774,
    ),
}


def fit_with_skae(system, X, X_val, epochs, seed):
    """Fit the estimator; validation loss by epoch, and the number of parameters."""
    autoencoder = AutoencoderTransformer(
        system.get("n_components"),
        architecture=system["architecture"],
        loss=system["loss"],
        optimizer=system.get("optimizer", "adam"),
        learning_rate=system.get("learning_rate"),
        batch_size=system["batch_size"],
        epochs=epochs,
        patience=None,
        random_state=seed,
    ).fit(X, X_val=X_val)
    n_parameters = autoencoder.autoencoder_.count_params()
    return autoencoder.history_["val_loss"], n_parameters


def fit_with_keras(system, X, X_val, epochs, seed):
    """Fit the network written by hand with ``keras.Model.fit``."""
    keras.utils.set_random_seed(seed)
    model = system["by_hand"]()
    optimizer = keras.optimizers.get(system.get("optimizer", "adam"))
    if "learning_rate" in system:
        optimizer.learning_rate = system["learning_rate"]
    model.compile(optimizer, loss=system["loss"])
    history = model.fit(
        X,
        X,
        validation_data=(X_val, X_val),
        epochs=epochs,
        batch_size=system["batch_size"],
        verbose=0,
    )
    return history.history["val_loss"], model.count_params()


# %%
# Validation loss
# ---------------

curves, table = {}, []
for name, system in systems.items():
    (X, _), (X_val, _) = load_images(system["data"])
    X = X[:n_images].reshape(-1, *system["shape"])
    X_val = X_val[:n_val].reshape(-1, *system["shape"])
    epochs = max(1, round(system["epochs"] * share_of_epochs))
    curves[name] = {"skae": [], "Keras": []}
    seconds = {"skae": [], "Keras": []}
    for seed in range(n_seeds):
        for peer, fit in (("skae", fit_with_skae), ("Keras", fit_with_keras)):
            start = time.perf_counter()
            losses, n_parameters = fit(system, X, X_val, epochs, seed)
            seconds[peer].append(time.perf_counter() - start)
            curves[name][peer].append(losses)
            assert n_parameters == system["n_parameters"], (name, peer, n_parameters)
    skae, by_hand = (np.array(c)[:, -1] for c in curves[name].values())
    table.append(
        f"{name}  {n_parameters:10,}  {epochs:6}"
        f"  {skae.mean():.4f} ± {skae.std():.4f}"
        f"  {by_hand.mean():.4f} ± {by_hand.std():.4f}"
        f"  {system['published']:9.4f}"
        f"  {np.median(seconds['skae']):7.1f} s"
        f"  {np.median(seconds['Keras']):7.1f} s"
    )

print(f"{n_images:,} images, {n_seeds} seed(s), mean ± standard deviation")
print(
    "   parameters  epochs             skae  keras.Model.fit  published"
    "       skae      Keras"
)
print(*table, sep="\n")

# %%
# The validation losses of both, epoch by epoch.

fig, axes = plt.subplots(2, 3, figsize=(9, 5), layout="constrained")
for (name, peers), ax in zip(curves.items(), axes.flat, strict=True):
    for (peer, runs), style in zip(peers.items(), ("-", "--"), strict=True):
        mean = np.mean(runs, axis=0)
        marker = "o" if len(mean) < 5 else None
        ax.plot(np.arange(1, len(mean) + 1), mean, style, label=peer, marker=marker)
    ax.set(title=f"System {name}", xlabel="Epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
for ax in axes[:, 0]:
    ax.set_ylabel("Validation loss")
axes[0, 0].legend()
fig.suptitle("The same network trained by skae and by keras.Model.fit")
plt.show()

# %%
# To read next: :doc:`/coming_from/keras_tutorial` has the code of tutorials beside that
# of skae, and :ref:`architectures` tells which networks there are.
