"""
Denoise images
==============

Images are noisy, and the noise is to be reduced; clean images of the same kind are at
hand. This example trains a denoising autoencoder to reconstruct digits from noisy
copies of them, and compares it on held-out digits with PCA and with an autoencoder that
is trained without noise.

The noise is a parameter of the architecture: X itself is without noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.architectures import DenseArchitecture

hide_tensorflow_logs()

NOISE = 0.3  # standard deviation; pixels are in [0, 1]
N_SEEDS = 2

(X_train, _), (X_test, _) = load_images("mnist")
X_train, X_test = X_train[:5_000], X_test[:1_000]
X_noisy = X_test + np.random.RandomState(0).normal(0, NOISE, X_test.shape)
X_noisy = X_noisy.astype("float32")


def mean_squared_error(X):
    """Compute the error with respect to the clean images."""
    return np.mean((X - X_test) ** 2)


def denoise(estimator):
    return estimator.inverse_transform(estimator.transform(X_noisy))


# %%
# PCA removes the noise outside of the principal subspace. The plain autoencoder is not
# trained on noise, and is no better than PCA here; the denoising one is.

denoised = {"PCA": [denoise(PCA(32).fit(X_train))]}
for name, noise in (("Plain autoencoder", 0.0), ("Denoising autoencoder", NOISE)):
    denoised[name] = [
        denoise(
            AutoencoderTransformer(
                n_components=32,
                architecture=DenseArchitecture((256,), noise=noise),
                loss="binary_crossentropy",
                batch_size=128,
                epochs=12,
                random_state=seed,
            ).fit(X_train)
        )
        for seed in range(N_SEEDS)
    ]

print("Mean squared error against the clean image, of 1,000 held-out digits,")
print(f"mean and standard deviation of {N_SEEDS} seeds")
print(f"{'Noisy input':22} {mean_squared_error(X_noisy):.4f}")
for name, runs in denoised.items():
    errors = [mean_squared_error(run) for run in runs]
    spread = f" ± {np.std(errors):.4f}" if len(runs) > 1 else ""
    print(f"{name:22} {np.mean(errors):.4f}{spread}")

# %%
# The first digits of the test set.

rows = {"Clean": X_test, "Noisy input": X_noisy}
rows |= {name.replace(" ", "\n"): runs[0] for name, runs in denoised.items()}
n_shown = 10
fig, axes = plt.subplots(len(rows), n_shown, figsize=(9, 5), layout="constrained")
for (label, images), row in zip(rows.items(), axes, strict=True):
    for ax, image in zip(row, images.reshape(-1, 28, 28), strict=False):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(label, rotation=0, ha="right", va="center")
fig.suptitle(f"Noise with a standard deviation of {NOISE} on pixels in [0, 1]")
plt.show()

# %%
# To read next: :ref:`denoising` on the choice of the noise, and
# :ref:`sphx_glr_auto_examples_plot_missing_cells.py` on values that are missing rather
# than noisy.
