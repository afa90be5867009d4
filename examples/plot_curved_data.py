"""
Data on a curved surface
========================

The S-curve is a rectangle that is bent in three dimensions. Two numbers determine each
point, but no plane approximates the surface: PCA with two components projects its parts
onto each other. The default autoencoder follows the surface.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_s_curve
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.metrics import reconstruction_scorer

hide_tensorflow_logs()

X, position = make_s_curve(2000, noise=0.05, random_state=0)
X = StandardScaler().fit_transform(X)
X_train, X_test, _, position_test = train_test_split(X, position, random_state=0)

# %%
# Both reduce three features to two components. ``start_`` shows from which initial
# weights the autoencoder was trained. Gradient descent from PCA does not leave the
# plane here; the default therefore tries random weights too.

pca = PCA(2).fit(X_train)
autoencoder = AutoencoderTransformer(2, random_state=0).fit(X_train)
print("start:", autoencoder.start_)

# %%
# Reconstructions of held-out samples: those of PCA lie in a plane, those of the
# autoencoder on the curved surface. The color is the position along the curve, and R²
# is the share of the variance that the reconstruction explains.

reconstructions = {
    "Held-out samples": X_test,
    f"PCA, R² = {reconstruction_scorer(pca, X_test):.2f}": pca.inverse_transform(
        pca.transform(X_test)
    ),
    f"Autoencoder, R² = {autoencoder.score(X_test):.2f}": (
        autoencoder.reconstruct(X_test)
    ),
}
fig, axes = plt.subplots(
    1, 3, figsize=(11, 4), subplot_kw={"projection": "3d"}, layout="constrained"
)
for ax, (title, points) in zip(axes, reconstructions.items(), strict=True):
    drawn = ax.scatter(*points.T, c=position_test, s=8)
    ax.view_init(elev=12, azim=-60)
    ax.set(title=title, xticks=[], yticks=[], zticks=[])
fig.colorbar(drawn, ax=axes, label="position along the curve", shrink=0.7)
plt.show()

# %%
# To read next: :ref:`initial_weights` tells how the initial weights are chosen, and
# :ref:`sphx_glr_auto_examples_plot_four_data_sets.py` compares with PCA on more data.
