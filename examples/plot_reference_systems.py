"""
Autoencoders of well-known tutorials
====================================

Four autoencoders that public tutorials train with Keras, each as one estimator: the
same network, the same hyperparameters and exactly as many parameters. Beside each runs
``keras.Model.fit`` on the same network, written by hand.

This page uses 6,000 images and a fifth of the epochs. For the numbers on all 60,000
images, with three seeds each (about 10 minutes)::

    python examples/plot_reference_systems.py --full
"""

import argparse
import time

import keras
import matplotlib.pyplot as plt
import numpy as np

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.datasets import fetch_fashion_mnist, fetch_mnist

parser = argparse.ArgumentParser()
parser.add_argument("--full", action="store_true", help="all images, three seeds")
full = parser.parse_known_args()[0].full
n_images, n_seeds, share_of_epochs = (60_000, 3, 1) if full else (6_000, 1, 0.2)

# %%
# The systems
# -----------
# The architecture is told of hidden layers other than the code; "binary_crossentropy"
# makes the output layer a sigmoid.

systems = {
    "B": {
        "fetch": fetch_mnist,
        "hidden": (),
        "parameters": {
            "n_components": 15,
            "optimizer": "adam",
            "batch_size": 256,
            "epochs": 15,
        },
        "published": 0.1327,
    },
    "D": {
        "fetch": fetch_mnist,
        "hidden": (),
        "parameters": {
            "n_components": 32,
            "optimizer": "adadelta",
            "learning_rate": 1.0,
            "batch_size": 256,
            "epochs": 50,
        },
        "published": np.nan,
    },
    "E": {
        "fetch": fetch_fashion_mnist,
        "hidden": (),
        "parameters": {
            "n_components": 32,
            "optimizer": "adam",
            "batch_size": 256,
            "epochs": 20,
        },
        "published": 0.2842,
    },
    "F": {
        "fetch": fetch_fashion_mnist,
        "hidden": (128, 64),
        "parameters": {
            "n_components": 32,
            "optimizer": "adam",
            "batch_size": 256,
            "epochs": 50,
        },
        "published": 0.2774,
    },
}


def fit_with_skae(X, X_val, seed, hidden, epochs, **parameters):
    """Fit the estimator; validation loss by epoch, and the number of parameters."""
    autoencoder = AutoencoderTransformer(
        architecture=DenseArchitecture(hidden, latent_activation="relu"),
        loss="binary_crossentropy",
        epochs=epochs,
        patience=None,
        random_state=seed,
        **parameters,
    ).fit(X, X_val=X_val)
    n_parameters = autoencoder.autoencoder_.count_params()
    return autoencoder.history_["val_loss"], n_parameters


def fit_with_keras(X, X_val, seed, hidden, epochs, **parameters):
    """Write the same network by hand, and fit it with ``keras.Model.fit``."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((784,))])
    for units in (*hidden, parameters["n_components"], *hidden[::-1]):
        model.add(keras.layers.Dense(units, activation="relu"))
    model.add(keras.layers.Dense(784, activation="sigmoid"))
    optimizer = keras.optimizers.get(parameters["optimizer"])
    if "learning_rate" in parameters:
        optimizer.learning_rate = parameters["learning_rate"]
    model.compile(optimizer, loss="binary_crossentropy")
    history = model.fit(
        X,
        X,
        validation_data=(X_val, X_val),
        epochs=epochs,
        batch_size=parameters["batch_size"],
        verbose=0,
    )
    return history.history["val_loss"], model.count_params()


# %%
# Validation loss
# ---------------

curves, table = {}, []
for name, system in systems.items():
    X = system["fetch"](subset="train").data[:n_images]
    X_val = system["fetch"](subset="test").data
    parameters = dict(system["parameters"])
    epochs = max(1, round(parameters.pop("epochs") * share_of_epochs))
    curves[name] = {"skae": [], "Keras": []}
    seconds = {"skae": [], "Keras": []}
    counts = set()
    for seed in range(n_seeds):
        for peer, fit in (("skae", fit_with_skae), ("Keras", fit_with_keras)):
            start = time.perf_counter()
            losses, n_parameters = fit(
                X, X_val, seed, system["hidden"], epochs, **parameters
            )
            seconds[peer].append(time.perf_counter() - start)
            curves[name][peer].append(losses)
            counts.add(n_parameters)
    (n_parameters,) = counts  # both have the same
    skae, by_hand = (np.array(c)[:, -1] for c in curves[name].values())
    table.append(
        f"{name}  {n_parameters:10,}  {epochs:6}"
        f"  {skae.mean():.4f} ± {skae.std():.4f}"
        f"  {by_hand.mean():.4f} ± {by_hand.std():.4f}"
        f"  {system['published']:9.4f}"
        f"  {np.median(np.divide(seconds['Keras'], seconds['skae'])):12.1f}"
    )

print(f"{n_images:,} images, {n_seeds} seed(s), mean ± standard deviation")
print(
    "   parameters  epochs             skae  keras.Model.fit  published  times faster"
)
print(*table, sep="\n")

# %%
# Both learn alike, epoch for epoch.

fig, axes = plt.subplots(1, len(systems), figsize=(11, 3.2), layout="constrained")
for (name, peers), ax in zip(curves.items(), axes, strict=True):
    for (peer, runs), style in zip(peers.items(), ("-", "--"), strict=True):
        mean = np.mean(runs, axis=0)
        ax.plot(np.arange(1, len(mean) + 1), mean, style, label=peer)
    ax.set(title=f"System {name}", xlabel="Epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
axes[0].set_ylabel("Validation loss")
axes[0].legend()
fig.suptitle("The same network by skae and by keras.Model.fit")
plt.show()
