"""
Error against time
==================

Reconstruction error of held-out digits against the duration of a fit: an autoencoder of
skae, the same network trained by Keras, and scikit-learn's MLPRegressor. Each point is
a fit of its own; the numbers are its epochs. All networks have 64 - 256 - 128 - 8 -
128 - 256 - 64 units, and are trained by Adam with batches of 32 samples.

First fits, which import and compile, are not counted; Keras compiles every new model.
skae starts from PCA, or from random weights if these are clearly better after some
batches, and its learning rate falls to zero over the epochs that it is given.
"""

from skae import hide_tensorflow_logs

hide_tensorflow_logs()

import time
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor

from skae import AutoencoderTransformer

X = (load_digits().data / 16).astype("float32")
X_train, X_test = train_test_split(X, random_state=0)
N_COMPONENTS, EPOCHS = 8, (2, 5, 15, 50)


def fit_skae(epochs):
    autoencoder = AutoencoderTransformer(
        N_COMPONENTS, epochs=epochs, batch_size=32, patience=None, random_state=0
    )
    return autoencoder.fit(X_train).reconstruct


def fit_keras(epochs):
    keras.utils.set_random_seed(0)
    sizes = (256, 128, N_COMPONENTS, 128, 256)
    model = keras.Sequential([keras.Input((64,))])
    for size in sizes:
        activation = None if size == N_COMPONENTS else "silu"
        model.add(keras.layers.Dense(size, activation=activation))
    model.add(keras.layers.Dense(64))
    model.compile("adam", loss="mse")
    model.fit(X_train, X_train, epochs=epochs, batch_size=32, verbose=0)
    return lambda X: model.predict(X, verbose=0)


def fit_mlp(epochs):
    # It has one activation for all layers, the code among them.
    model = MLPRegressor(
        hidden_layer_sizes=(256, 128, N_COMPONENTS, 128, 256),
        activation="tanh",
        batch_size=32,
        max_iter=epochs,
        random_state=0,
    )
    return model.fit(X_train, X_train).predict


def fit_pca(epochs):
    pca = PCA(N_COMPONENTS, random_state=0).fit(X_train)
    return lambda X: pca.inverse_transform(pca.transform(X))


methods = {
    "AutoencoderTransformer": fit_skae,
    "keras.Model.fit": fit_keras,
    "MLPRegressor": fit_mlp,
}
error_of_pca = np.mean((fit_pca(1)(X_test) - X_test) ** 2)
curves = {}
for name, fit in methods.items():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs
        for epochs in (EPOCHS[0], EPOCHS[2]):  # short and long fits compile apart
            fit(epochs)
        curves[name] = []
        for epochs in EPOCHS:
            start = time.perf_counter()
            reconstruct = fit(epochs)
            seconds = time.perf_counter() - start
            error = np.mean((reconstruct(X_test) - X_test) ** 2)
            curves[name].append((seconds, error / error_of_pca))

# %%
fig, ax = plt.subplots(layout="constrained")
for (name, points), marker in zip(curves.items(), "osD", strict=True):
    seconds, errors = zip(*points, strict=True)
    ax.plot(seconds, errors, marker=marker, label=name)
    for epochs, second, error in zip(EPOCHS, seconds, errors, strict=True):
        ax.annotate(
            f"{epochs}",
            (second, error),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize="small",
        )
ax.axhline(1, color="0.4", linestyle="--", label="PCA")
ax.set(
    xscale="log",
    xlabel="seconds of a fit (numbers: epochs)",
    ylabel="squared error of held-out digits / that of PCA",
    title=f"Digits, {N_COMPONENTS} components",
)
ax.set_ylim(0, 1.1 * max(error for points in curves.values() for _, error in points))
ax.legend()
plt.show()
for name, points in curves.items():
    print(name, [f"{seconds:.2f} s: {share:.2f}" for seconds, share in points])

# %%
# To read next: :ref:`speed` on what takes time, and
# :ref:`sphx_glr_auto_examples_plot_speed.py` on the time of fits and predictions.
