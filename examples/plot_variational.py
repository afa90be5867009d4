"""
Drawing new digits
==================

A variational autoencoder learns codes that look as if they came from a standard normal
distribution. So codes drawn from that distribution are codes of digits as well, and the
decoder draws digits that nobody wrote.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from skae import AutoencoderTransformer
from skae.architectures import VariationalArchitecture
from skae.datasets import fetch_mnist

mnist = fetch_mnist(subset="train")
X, y = mnist.data[:10_000], mnist.target[:10_000]


def fit(n_components, epochs):
    """A cross-entropy gives the network a sigmoid output, for pixels in [0, 1]."""
    return AutoencoderTransformer(
        n_components,
        architecture=VariationalArchitecture(),
        loss="binary_crossentropy",
        batch_size=128,
        epochs=epochs,
        random_state=0,
    ).fit(X)


def tiled(images, n_columns):
    """One picture of many, side by side."""
    images = images.reshape(-1, n_columns, 28, 28)
    return images.swapaxes(1, 2).reshape(-1, n_columns * 28)


# %%
# Samples
# -------
# With 16 numbers a code, digits are varied.

autoencoder = fit(16, epochs=30)
history = autoencoder.history_
best = autoencoder.best_epoch_ - 1
for name in ("val_reconstruction_loss", "val_kl_loss", "val_loss"):
    print(f"{name:24} {784 * history[name][best]:7.2f} nats an image")

fig, ax = plt.subplots(figsize=(6, 6), layout="constrained")
samples = autoencoder.sample(100, random_state=0)
ax.imshow(tiled(samples, 10), cmap="gray_r", vmin=0, vmax=1)
ax.set_axis_off()
ax.set_title("Digits that nobody wrote")

# %%
# The plane of codes
# ------------------
# Two numbers a code can be seen at once: where training images lie, and what the
# decoder makes of the quantiles of the normal distribution.

planar = fit(2, epochs=20)
quantiles = norm.ppf(np.linspace(0.03, 0.97, 15))
grid = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)

fig, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
codes = planar.transform(X[:5_000])
points = axes[0].scatter(*codes.T, c=y[:5_000].astype(int), cmap="tab10", s=3)
axes[0].set(
    xlabel="First number", ylabel="Second number", title="Codes", aspect="equal"
)
axes[0].legend(*points.legend_elements(), title="Digit", ncols=2, fontsize="small")
axes[1].imshow(tiled(planar.inverse_transform(grid), 15), cmap="gray_r")
axes[1].set_axis_off()
axes[1].set_title("What codes between them stand for")
plt.show()
