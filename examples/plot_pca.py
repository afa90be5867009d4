"""
PCA and an autoencoder side by side
===================================

PCA is the best linear map to a few numbers. An autoencoder may bend. How much does that
gain, and for how many components? Both are asked on scikit-learn's digits, in the same
pipeline, with the same score: the share of the variance of held-out rows that is kept.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer
from skae.inspection import (
    ExplainedVarianceDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

pipelines = {
    "PCA": make_pipeline(MinMaxScaler(), PCA()),
    "Autoencoder": make_pipeline(
        MinMaxScaler(), AutoencoderTransformer(random_state=0)
    ),
}

# %%
# How much is kept
# ----------------
# The display fits a clone for each number of components, and scores it on rows held
# out. The gain is largest where components are few.

ExplainedVarianceDisplay.from_estimator(
    pipelines,
    X,
    n_components=[1, 2, 4, 8, 16],
    cv=ShuffleSplit(1, test_size=0.25, random_state=0),
)

# %%
# What two numbers say
# --------------------
# The codes of rows that neither has seen, by digit. Neither was told the digits.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
for ax, (name, pipeline) in zip(axes, pipelines.items(), strict=True):
    pipeline.set_params(**{f"{pipeline.steps[-1][0]}__n_components": 2})
    pipeline.fit(X_train)
    LatentSpaceDisplay.from_estimator(pipeline, X_test, y_test, ax=ax)
    neighbors = KNeighborsClassifier().fit(pipeline.transform(X_train), y_train)
    accuracy = neighbors.score(pipeline.transform(X_test), y_test)
    ax.set_title(f"{name}: nearest neighbours get {accuracy:.0%} right")
    ax.get_legend().remove()
fig.legend(*ax.get_legend_handles_labels(), loc="outside right center")

# %%
# What is lost
# ------------
# Through two numbers and back.

ReconstructionDisplay.from_estimator(
    pipelines, X_test, image_shape=(8, 8), show_codes=False
)
# sphinx_gallery_thumbnail_number = 2
plt.show()
