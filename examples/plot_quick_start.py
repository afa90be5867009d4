"""
An autoencoder in place of PCA
==============================

Images are to be compressed to few numbers, with a smaller error than that of PCA. This
example compresses scikit-learn's digits, 64 pixels each, to 8 numbers: with PCA, and
with an autoencoder in place of PCA in the same pipeline. The score is the fraction of
the variance of held-out digits that the reconstruction explains (R²).
"""

import time

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.inspection import ReconstructionDisplay
from skae.metrics import reconstruction_scorer

X_train, X_test = train_test_split(load_digits().data, random_state=0)

pipelines = {
    "PCA": make_pipeline(MinMaxScaler(), PCA(n_components=8)),
    "Autoencoder": make_pipeline(
        MinMaxScaler(), AutoencoderTransformer(n_components=8, random_state=0)
    ),
}

# %%
# The first fit in a process imports TensorFlow, which takes some seconds. The times
# below do not include it.

start = time.perf_counter()
hide_tensorflow_logs()
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
# Held-out digits, their codes as images of 2 x 4 pixels, and their reconstructions.

display = ReconstructionDisplay.from_estimator(
    pipelines, X_test, sample_shape=(8, 8), code_shape=(2, 4)
)
display.figure_.savefig("digits_reconstruction.png", dpi=150)
print("\nSee digits_reconstruction.png")
plt.show()

# %%
# To read next: :ref:`sphx_glr_auto_examples_plot_pca.py` compares other numbers of
# components, and :ref:`dimensionality_reduction` is the guide.
