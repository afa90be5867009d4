"""
Compress images for a classifier
================================

A classifier is to be smaller and faster, with little loss of accuracy. This example
compares an autoencoder and PCA in front of nearest neighbours, which store all training
samples and compare each new sample with them: 784 pixels are reduced to a few latent
components.

The transformer needs no labels, so that it learns from all images, and the classifier
from the few that are labelled.
"""

import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.architectures import DenseArchitecture

hide_tensorflow_logs()

(X, y), (X_test, y_test) = load_images("mnist")
X, y = X[:5_000], y[:5_000]
X_test, y_test = X_test[:2_000], y_test[:2_000]
N_LABELLED = 1_000


def accuracy(encode):
    """Compute the accuracy of a classifier on the latent representation."""
    classifier = KNeighborsClassifier(n_neighbors=3)
    classifier.fit(encode(X[:N_LABELLED]), y[:N_LABELLED])
    return classifier.score(encode(X_test), y_test)


# %%
# Both are fitted on the same 5,000 images without their labels.

N_COMPONENTS = (2, 8)
accuracies = {"PCA": [], "Autoencoder": []}
for n_components in N_COMPONENTS:
    pca = PCA(n_components, random_state=0).fit(X)
    autoencoder = AutoencoderTransformer(
        n_components,
        architecture=DenseArchitecture((128, 64)),
        epochs=10,
        random_state=0,
    ).fit(X)
    accuracies["PCA"].append(accuracy(pca.transform))
    accuracies["Autoencoder"].append(accuracy(autoencoder.transform))
all_pixels = accuracy(np.asarray)

print("Accuracy on held-out images, one fit each")
print(f"{'Components':14}" + "".join(f"{n:8}" for n in N_COMPONENTS))
for name, values in accuracies.items():
    print(f"{name:14}" + "".join(f"{value:8.3f}" for value in values))
print(f"{'All 784 pixels':14}{all_pixels:8.3f}")

# %%
# The fewer components there are, the larger is the difference. With 8 components, the
# autoencoder is about as accurate as all pixels.

figure, ax = plt.subplots(layout="constrained")
for (name, values), style in zip(accuracies.items(), ("s--", "o-"), strict=True):
    ax.plot(N_COMPONENTS, values, style, label=name)
ax.axhline(all_pixels, color="black", linestyle=":", label="All 784 pixels")
ax.set(xlabel="Latent components", ylabel="Accuracy of 3 nearest neighbours")
ax.set(title="Classification of held-out digits", xticks=N_COMPONENTS)
ax.legend()

# %%
# To read next: :ref:`sphx_glr_auto_examples_plot_grid_search.py` chooses the number of
# components by cross-validation, and
# :ref:`sphx_glr_auto_examples_plot_four_data_sets.py` compares reconstructions.

plt.show()
