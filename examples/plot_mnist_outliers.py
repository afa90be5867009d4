"""
Clothes among digits
====================

A detector that has only seen MNIST's digits is shown Fashion-MNIST's clothes. Whatever
it cannot reconstruct as a digit, it takes for an outlier.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import (
    accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from skae import AutoencoderOutlierDetector
from skae.architectures import ConvolutionalArchitecture
from skae.datasets import fetch_fashion_mnist, fetch_mnist
from skae.metrics import reconstruction_error

digits = fetch_mnist(subset="train").data[:10_000]
X_test = np.concatenate(
    [
        fetch_mnist(subset="test").data[:2_000],
        fetch_fashion_mnist(subset="test").data[:2_000],
    ]
)
y_test = np.repeat([1, -1], 2_000)

# %%
# A cross-entropy makes the output a sigmoid, which suits pixels in [0, 1]. One in a
# hundred digits may be taken for an outlier.

detector = AutoencoderOutlierDetector(
    n_components=32,
    loss="binary_crossentropy",
    contamination=0.01,
    epochs=30,
    random_state=0,
).fit(digits)

y_pred = detector.predict(X_test)
scores = detector.score_samples(X_test)
print(f"Accuracy   {accuracy_score(y_test, y_pred):.4f}")
print(f"Precision  {precision_score(y_test, y_pred, pos_label=-1):.4f}")
print(f"Recall     {recall_score(y_test, y_pred, pos_label=-1):.4f}")
print(f"ROC AUC    {roc_auc_score(y_test, scores):.4f}")

# %%
# The scores of the two hardly overlap; the line is at `offset_`.

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
bins = np.linspace(0, 200, 80)
ax.hist(-scores[y_test == 1], bins, label="Digits", color="0.15", alpha=0.9)
ax.hist(-scores[y_test == -1], bins, label="Clothes", color="tab:orange", alpha=0.7)
ax.axvline(-detector.offset_, color="black", linestyle="--", label="Threshold")
ax.set(
    xlabel="Squared reconstruction error of an image",
    ylabel="Images",
    title="Digits it has not seen, and clothes",
)
ax.legend()

# %%
# Beside it, a detector that is convolutional and PCA with as many components, by the
# area under the ROC curve. The convolutional one has fewer images and epochs here.

convolutional = AutoencoderOutlierDetector(
    n_components=32,
    architecture=ConvolutionalArchitecture((8, 16), input_shape=(28, 28)),
    loss="binary_crossentropy",
    batch_size=64,
    epochs=6,
    random_state=0,
).fit(digits[:4_000])
pca = PCA(32).fit(digits)
of_pca = -reconstruction_error(X_test, pca.inverse_transform(pca.transform(X_test)))
for name, scores_of in (
    ("Dense", scores),
    ("Convolutional", convolutional.score_samples(X_test)),
    ("PCA", of_pca),
):
    print(f"ROC AUC, {name:14} {roc_auc_score(y_test, scores_of):.4f}")

# %%
# What the detector sees: clothes come back as something made of strokes.

shown = np.r_[0:5, 2_000:2_005]
reconstructions = detector.autoencoder_.predict(X_test[shown], verbose=0)
fig, axes = plt.subplots(2, len(shown), figsize=(9, 2.3), layout="constrained")
for row, images, label in zip(
    axes, (X_test[shown], reconstructions), ("Original", "Reconstruction"), strict=True
):
    for ax, image in zip(row, images.reshape(-1, 28, 28), strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
