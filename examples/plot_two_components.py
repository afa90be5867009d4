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
fig = plt.figure(figsize=(13, 3.6), layout="constrained")
reducers = {"PCA": PCA(2), "Autoencoder": AutoencoderTransformer(2, random_state=0)}

# %%
# Neither of them sees the labels; they only color the points.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
for place, (name, reducer) in enumerate(reducers.items(), start=1):
    pipeline = make_pipeline(MinMaxScaler(), reducer).fit(X_train)
    codes = pipeline.transform(X_test)
    neighbor = KNeighborsClassifier(1).fit(pipeline.transform(X_train), y_train)
    right = neighbor.score(codes, y_test)
    print(f"{name}: {right:.0%} of the nearest neighbours are the same digit")
    ax = fig.add_subplot(1, 4, place)
    ax.scatter(*codes.T, c=y_test, cmap="tab10", s=8)
    ax.set_title(f"{name}: nearest neighbour\nright for {right:.0%}")
    ax.set(xticks=[], yticks=[])

# %%
# The points of the S-curve lie on a surface that two numbers describe. PCA reconstructs
# held-out points on a plane, the autoencoder on the curved surface.

X, position = make_s_curve(2000, noise=0.05, random_state=0)
X_train, X_test, _, position_test = train_test_split(X, position, random_state=0)
for place, (name, reducer) in enumerate(reducers.items(), start=3):
    pipeline = make_pipeline(StandardScaler(), reducer).fit(X_train)
    r2 = reconstruction_scorer(pipeline, X_test)
    print(f"{name}: R² = {r2:.2f}")
    points = pipeline.inverse_transform(pipeline.transform(X_test))
    ax = fig.add_subplot(1, 4, place, projection="3d")
    ax.scatter(*points.T, c=position_test, s=8)
    ax.view_init(elev=12, azim=-60)
    ax.set_title(f"{name}: curved surface\nreconstructed, R² = {r2:.2f}")
    ax.set(xticks=[], yticks=[], zticks=[])
plt.show()

# %%
# Next: :doc:`plot_pca` compares reconstructions of images, and :doc:`plot_curved_data`
# shows how the curved surface is found.
