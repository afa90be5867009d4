"""
Impute missing cells
====================

Cells of a table are missing, of the samples to fit as of new ones, and are to be
replaced. In this example a third of the pixels of scikit-learn's digits is missing. The
autoencoder learns from the observed pixels, and ``impute`` replaces the missing ones.
It is compared with the mean of each pixel and with the five nearest images.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, hide_tensorflow_logs

hide_tensorflow_logs()

complete = load_digits().data / 16
hidden = np.random.RandomState(0).uniform(size=complete.shape) < 1 / 3
incomplete = np.where(hidden, np.nan, complete)
X_train, X_test, _, true, _, was_hidden = train_test_split(
    incomplete, complete, hidden, random_state=0
)

# %%
# NaN is a missing cell in each method of both estimators.

autoencoder = AutoencoderTransformer(16, epochs=40, random_state=0).fit(X_train)
print(f"R² of observed test pixels: {autoencoder.score(X_test):.3f}")

imputed = {
    "Mean": SimpleImputer().fit(X_train).transform(X_test),
    "5 nearest": KNNImputer().fit(X_train).transform(X_test),
    "Autoencoder": autoencoder.impute(X_test),
}

# %%
# Some test images, and the root of the mean squared error of the missing pixels. The
# nearest images are as good here, but are searched among all training images for each
# new one.

rows = {"Complete": true, "Incomplete": X_test, **imputed}
colors = plt.get_cmap("gray_r").with_extremes(bad="tab:orange")
fig, axes = plt.subplots(len(rows), 8, figsize=(8, 6), layout="constrained")
for (name, images), row in zip(rows.items(), axes, strict=True):
    for image, ax in zip(images, row, strict=False):
        ax.imshow(image.reshape(8, 8), cmap=colors, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    if name in imputed:
        error = np.sqrt(np.square(images - true)[was_hidden].mean())
        name += f"\n{error:.3f}"
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
fig.suptitle("Missing pixels (orange) and what replaces them")
plt.show()

# %%
# To read next: :ref:`missing_cells` tells how it works, and what it assumes, and
# :ref:`sphx_glr_auto_examples_plot_mixed_table.py` imputes categories, too.
