"""
What each component keeps, on four data sets
============================================

An autoencoder starts training where PCA ends, so it should keep at least as much of
rows that neither has seen. How much more depends on how much the data bend: here are
four kinds, all of which come with scikit-learn, each with the default autoencoder.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_sample_image,
    make_swiss_roll,
)
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import ShuffleSplit
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae.inspection import ExplainedVarianceDisplay

rng = np.random.RandomState(0)
roll, _ = make_swiss_roll(1500, noise=0.1, random_state=0)
patches = extract_patches_2d(
    load_sample_image("flower.jpg") / 255, (8, 8), max_patches=2000, random_state=0
)

# %%
# A roll of paper needs two numbers once it is unrolled, which no plane can do. It is
# hidden here in 20 columns by a random rotation. Digits are drawn by one hand movement
# each; measurements of cells are nearly linear; patches of a photograph are smooth, so
# a few linear maps hold most of them already.

data_sets = {
    "Swiss roll in 20 columns": (roll @ rng.standard_normal((3, 20)), [1, 2, 3]),
    "Handwritten digits": (load_digits().data / 16, [1, 2, 4, 8, 16]),
    "Breast cancer, standardized": (
        StandardScaler().fit_transform(load_breast_cancer().data),
        [1, 2, 4, 8],
    ),
    "Patches of a photograph": (patches.reshape(len(patches), -1), [1, 2, 4, 8]),
}
estimators = {
    "PCA": PCA(random_state=0),
    "Autoencoder": AutoencoderTransformer(random_state=0),
}

# %%
# The display fits a clone for each number of components, and scores it on the quarter
# of the rows that is held out.

fig, axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
for ax, (name, (X, n_components)) in zip(axes.flat, data_sets.items(), strict=True):
    ExplainedVarianceDisplay.from_estimator(
        estimators,
        X,
        n_components=n_components,
        cv=ShuffleSplit(1, test_size=0.25, random_state=0),
        ax=ax,
    )
    ax.set_title(name)
fig.suptitle("Share of the variance of held-out rows that is kept (R²)")
plt.show()
