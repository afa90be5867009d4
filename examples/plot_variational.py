"""
Sample digits from a variational autoencoder
============================================

The latent representation of a variational autoencoder is trained to follow a standard
normal distribution. Codes that are drawn from this distribution decode to new digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from scipy.stats import norm

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.architectures import VariationalArchitecture

hide_tensorflow_logs()

(X, y), _ = load_images("mnist")
X, y = X[:10_000], y[:10_000]


def fit(n_components, epochs):
    """Fit with a cross-entropy, and so with a sigmoid output, for pixels in [0, 1]."""
    return AutoencoderTransformer(
        n_components,
        architecture=VariationalArchitecture(),
        loss="binary_crossentropy",
        batch_size=128,
        epochs=epochs,
        random_state=0,
    ).fit(X)


def tiled(images, n_columns):
    """Arrange images in one large image."""
    images = images.reshape(-1, n_columns, 28, 28)
    return images.swapaxes(1, 2).reshape(-1, n_columns * 28)


# %%
# Samples
# -------
# With 16 latent components.

autoencoder = fit(16, epochs=20)
history = autoencoder.history_
best = autoencoder.best_epoch_ - 1
for name in ("val_reconstruction_loss", "val_kl_loss", "val_loss"):
    print(f"{name:24} {784 * history[name][best]:7.2f} nats an image")

fig, ax = plt.subplots(figsize=(6, 6), layout="constrained")
samples = autoencoder.sample(100, random_state=0)
ax.imshow(tiled(samples, 10), cmap="gray_r", vmin=0, vmax=1)
ax.set_axis_off()
ax.set_title("Samples")

# %%
# Two latent components
# ---------------------
# The codes of training images, and the reconstructions from a grid of quantiles of the
# normal distribution.

planar = fit(2, epochs=15)
quantiles = norm.ppf(np.linspace(0.03, 0.97, 15))
grid = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)

fig, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
codes = planar.transform(X[:5_000])
points = axes[0].scatter(*codes.T, c=y[:5_000].astype(int), cmap="tab10", s=3)
axes[0].set(xlabel="Component 1", ylabel="Component 2", title="Codes", aspect="equal")
axes[0].legend(*points.legend_elements(), title="Digit", ncols=2, fontsize="small")
axes[1].imshow(tiled(planar.inverse_transform(grid), 15), cmap="gray_r")
axes[1].set_axis_off()
axes[1].set_title("Decoded grid of codes")
plt.show()

# %%
# To read next: :ref:`architectures` on when to choose a variational autoencoder, and
# :class:`~skae.inspection.DecodedCodesDisplay`, which draws decoded grids.
