"""
Compare PCA and an autoencoder
==============================

PCA is the best linear dimensionality reduction; an autoencoder is nonlinear. Both are
fitted to scikit-learn's digits in the same pipeline, and compared by the same score,
the fraction of the variance of held-out samples that the reconstruction explains (R²).
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.inspection import (
    ExplainedVarianceDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
)

hide_tensorflow_logs()

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

pipelines = {
    "PCA": make_pipeline(MinMaxScaler(), PCA()),
    "Autoencoder": make_pipeline(
        MinMaxScaler(), AutoencoderTransformer(epochs=50, random_state=0)
    ),
}

# %%
# Explained variance
# ------------------
# The display fits a clone for each number of components, and scores it on held-out
# samples. The gain over PCA is largest for few components.

ExplainedVarianceDisplay.from_estimator(
    pipelines,
    X,
    n_components=[1, 2, 4, 8, 16],
    cv=ShuffleSplit(1, test_size=0.25, random_state=0),
)

# %%
# Latent space
# ------------
# The codes of held-out samples, coloured by digit. The labels were not used in
# training.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
for ax, (name, pipeline) in zip(axes, pipelines.items(), strict=True):
    pipeline.set_params(**{f"{pipeline.steps[-1][0]}__n_components": 2})
    pipeline.fit(X_train)
    LatentSpaceDisplay.from_estimator(pipeline, X_test, y_test, ax=ax)
    neighbors = KNeighborsClassifier().fit(pipeline.transform(X_train), y_train)
    accuracy = neighbors.score(pipeline.transform(X_test), y_test)
    ax.set_title(f"{name}: {accuracy:.0%} accuracy of nearest neighbours")
    ax.get_legend().remove()
fig.legend(*ax.get_legend_handles_labels(), loc="outside right center")

# %%
# Reconstructions
# ---------------
# Held-out digits, reconstructed from two components.

ReconstructionDisplay.from_estimator(
    pipelines, X_test, sample_shape=(8, 8), show_codes=False
)
# sphinx_gallery_thumbnail_number = 2
plt.show()

# %%
# To read next: :ref:`dimensionality_reduction` on what else replaces PCA,
# :ref:`number_of_components`, and :ref:`sphx_glr_auto_examples_plot_four_data_sets.py`.
