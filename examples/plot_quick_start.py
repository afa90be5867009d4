"""
An autoencoder in place of PCA
==============================

Compress scikit-learn's digits, 64 pixels each, to 8 numbers: with PCA, and with an
autoencoder in the same place of the same pipeline. The score is the share of the
variance (R²) that each keeps of digits that neither has seen.
"""

import time

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer
from skae.metrics import reconstruction_scorer

X_train, X_test = train_test_split(load_digits().data, random_state=0)

pipelines = {
    "PCA": make_pipeline(MinMaxScaler(), PCA(n_components=8)),
    "Autoencoder": make_pipeline(
        MinMaxScaler(), AutoencoderTransformer(n_components=8, random_state=0)
    ),
}

# %%
# TensorFlow takes seconds to start, once in a process. That is not counted below.

start = time.perf_counter()
AutoencoderTransformer(epochs=1).fit(X_train[:32])
print(f"TensorFlow started in {time.perf_counter() - start:.1f} s\n")

print(f"{'':12}  {'held-out score':>14}  {'fit':>8}  {'transform':>9}")
for name, pipeline in pipelines.items():
    start = time.perf_counter()
    pipeline.fit(X_train)
    fitted = time.perf_counter()
    pipeline.transform(X_test)
    transformed = time.perf_counter()
    score = reconstruction_scorer(pipeline, X_test)
    print(
        f"{name:12}  {score:14.3f}  {fitted - start:6.2f} s"
        f"  {1000 * (transformed - fitted):6.1f} ms"
    )

# %%
# The codes, drawn as pictures of 2 x 4 pixels, and what becomes of them.

X_shown = X_test[:10]
rows = {"Original": X_shown.reshape(-1, 8, 8)}
for name, pipeline in pipelines.items():
    codes = pipeline.transform(X_shown)
    rows[f"{name}:\ncode"] = codes.reshape(-1, 2, 4)
    rows[f"{name}:\nreconstruction"] = pipeline.inverse_transform(codes).reshape(
        -1, 8, 8
    )

fig, axes = plt.subplots(
    len(rows),
    len(X_shown),
    figsize=(9, 5),
    height_ratios=[2, 1, 2, 1, 2],
    layout="constrained",
)
for (label, images), row in zip(rows.items(), axes, strict=True):
    is_code = label.endswith("code")
    for image, ax in zip(images, row, strict=True):
        if is_code:
            ax.imshow(image, cmap="cividis", vmin=images.min(), vmax=images.max())
        else:
            ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(label, rotation=0, ha="right", va="center")
fig.suptitle("Digits that neither has seen, through 8 numbers and back")
fig.savefig("digits_reconstruction.png", dpi=150)
print("\nSee digits_reconstruction.png")
plt.show()
