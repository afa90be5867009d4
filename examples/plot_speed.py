"""
Computing time compared with Keras
==================================

The same network trained by skae and by Keras: 64 - 32 - 64 units on scikit-learn's
digits, 50 epochs with batches of 32. skae runs an epoch in one call of compiled code,
and uses the compiled program again for the next fit of the same network. It runs dense
layers in NumPy, without the overhead of TensorFlow.

The scripts in ``examples/benchmarks`` compare more, with repeats.
"""

from skae import hide_tensorflow_logs

hide_tensorflow_logs()

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture

X = (load_digits().data / 16).astype("float32")


def fit_skae(random_state=0):
    return AutoencoderTransformer(
        n_components=32,
        architecture=DenseArchitecture((), code_activation="relu"),
        epochs=50,
        batch_size=32,
        validation_fraction=None,
        random_state=random_state,
    ).fit(X)


def fit_keras():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(64),
        ]
    )
    model.compile("adam", loss="mse")
    model.fit(X, X, epochs=50, batch_size=32, verbose=0)
    return keras.Sequential(model.layers[:1])


def seconds(work, repeats=1):
    """Compute the median time of some repeats."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return np.median(times)


keras.ops.ones(1)  # starts TensorFlow, which is not measured
measured = {"First fit\n(with compilation)": (seconds(fit_skae), seconds(fit_keras))}
seeds = iter(range(1, 10))
measured["Later fits"] = (
    seconds(lambda: fit_skae(next(seeds)), 5),
    seconds(fit_keras),
)
autoencoder, encoder = fit_skae(), fit_keras()
for label, samples in (("Encode 1 sample", X[:1]), ("Encode 1,797 samples", X)):
    measured[label] = (
        seconds(lambda X=samples: autoencoder.transform(X), 20),
        seconds(lambda X=samples: encoder.predict(X, verbose=0), 5),
    )

for label, (skae, by_keras) in measured.items():
    name = label.replace("\n", " ")
    print(f"{name:30} skae {skae:.5f} s, Keras {by_keras:.5f} s")

# %%
# The speedup of skae for each task.

fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
for y, (skae, by_keras) in enumerate(measured.values()):
    ax.plot([skae, by_keras], [y, y], color="0.7", linewidth=3, zorder=1)
    ax.scatter(skae, y, s=90, color="black", label="skae" if y == 0 else None)
    ax.scatter(
        by_keras,
        y,
        s=90,
        facecolor="white",
        edgecolor="black",
        label="Keras" if y == 0 else None,
    )
    middle = np.sqrt(skae * by_keras)
    ax.annotate(
        f"{by_keras / skae:.0f} times faster",
        (middle, y),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
    )
ax.set_yticks(range(len(measured)), measured)
ax.set(xscale="log", xlabel="Seconds (less is better)", ylim=(3.6, -0.6))
ax.xaxis.set_major_formatter("{x:g}")
ax.grid(axis="x", alpha=0.3)
ax.set_axisbelow(True)
ax.margins(x=0.08)
ax.set_title("The same autoencoder on scikit-learn's digits")
ax.legend(loc="lower right")
plt.show()

# %%
# To read next: :ref:`speed` on what takes time and how to save it, and
# :ref:`sphx_glr_auto_examples_plot_deploy_onnx.py` on single samples.
