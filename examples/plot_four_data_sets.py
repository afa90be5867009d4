"""
Explained variance on four data sets
====================================

A dense autoencoder is a linear map plus a nonlinear part. How much this increases the
explained variance of held-out samples over PCA depends on how nonlinear the structure
of the data is. Four data sets of scikit-learn, with the default network and 50 epochs.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_sample_image,
    make_swiss_roll,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import ShuffleSplit
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.inspection import ExplainedVarianceDisplay

hide_tensorflow_logs()
warnings.simplefilter("ignore", ConvergenceWarning)  # see below

rng = np.random.RandomState(0)
roll, _ = make_swiss_roll(1500, noise=0.1, random_state=0)
patches = extract_patches_2d(
    load_sample_image("flower.jpg") / 255, (8, 8), max_patches=1000, random_state=0
)

# %%
# The Swiss roll is a two-dimensional manifold, here embedded in 20 features by a random
# linear map; no plane approximates it well. The structure of the breast cancer data is
# nearly linear. Patches of a photograph are smooth, so that a few linear components
# explain most of their variance.

data_sets = {
    "Swiss roll in 20 features": (roll @ rng.standard_normal((3, 20)), [1, 2, 3]),
    "Handwritten digits": (load_digits().data / 16, [1, 2, 4, 8, 16]),
    "Breast cancer, standardized": (
        StandardScaler().fit_transform(load_breast_cancer().data),
        [1, 2, 4, 8],
    ),
    "Patches of a photograph": (patches.reshape(len(patches), -1), [1, 2, 4, 8]),
}
estimators = {
    "PCA": PCA(random_state=0),
    "Autoencoder": AutoencoderTransformer(epochs=50, random_state=0),
}

# %%
# The display fits a clone for each number of components, and scores it on a held-out
# quarter of the samples. Where training does not improve on PCA, PCA is restored, and
# both have the same score: the ConvergenceWarning that says so is ignored here.

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
fig.suptitle("Explained variance of held-out samples (R²)")
plt.show()

# %%
# To read next: :ref:`number_of_components` on how many components to take, and
# :ref:`which_estimator` on when PCA is enough.
