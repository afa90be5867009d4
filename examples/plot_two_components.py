"""
Two latent components
=====================

Digits of 64 pixels are reduced to two numbers by PCA and by an autoencoder. Titles of
the figure give the share of held-out images whose nearest neighbour among the training
images shows the same digit. A curved surface is reconstructed from two numbers.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, make_s_curve
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.metrics import reconstruction_scorer

hide_tensorflow_logs()
reducers = {"PCA": PCA(2), "Autoencoder": AutoencoderTransformer(2, random_state=0)}

# %%
# Neither of them sees the labels; they only color the points.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
codes, accuracy = {}, {}
for name, reducer in reducers.items():
    pipeline = make_pipeline(MinMaxScaler(), reducer).fit(X_train)
    codes[name] = pipeline.transform(X_test)
    neighbor = KNeighborsClassifier(1).fit(pipeline.transform(X_train), y_train)
    accuracy[name] = neighbor.score(codes[name], y_test)
    print(f"{name}: {accuracy[name]:.0%} of the nearest neighbours are the same digit")

# %%
# The points of the S-curve lie on a surface that two numbers describe. PCA reconstructs
# held-out points on a plane, the autoencoder on the curved surface.

X, position = make_s_curve(2000, noise=0.05, random_state=0)
X_train, X_test, _, position_test = train_test_split(X, position, random_state=0)
points, r2 = {}, {}
for name, reducer in reducers.items():
    pipeline = make_pipeline(StandardScaler(), reducer).fit(X_train)
    points[name] = pipeline.inverse_transform(pipeline.transform(X_test))
    r2[name] = reconstruction_scorer(pipeline, X_test)
    print(f"{name}: R² = {r2[name]:.2f}")

# %%
# Left, two components of the digits; right, the surface reconstructed from two.

fig = plt.figure(figsize=(13, 3.6), layout="constrained")
for place, name in enumerate(reducers, start=1):
    ax = fig.add_subplot(1, 4, place, xticks=[], yticks=[])
    ax.scatter(*codes[name].T, c=y_test, cmap="tab10", s=8)
    ax.set_title(f"{name}: nearest neighbour\nright for {accuracy[name]:.0%}")
    ax = fig.add_subplot(1, 4, place + 2, projection="3d")
    ax.scatter(*points[name].T, c=position_test, s=8)
    ax.view_init(elev=12, azim=-60)
    ax.set_title(f"{name}: curved surface\nreconstructed, R² = {r2[name]:.2f}")
    ax.set(xticks=[], yticks=[], zticks=[])
plt.show()

# %%
# Next: :doc:`plot_pca` compares reconstructions of images, and :doc:`plot_curved_data`
# shows how the curved surface is found.
