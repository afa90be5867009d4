"""
Figures of well-known tutorials
===============================

Well-known tutorials plot codes as images, compute losses by hand, classify
reconstructions, reconstruct images of another data set, and detect outliers. This
example does the same with skae. The systems are those of :ref:`another example
<sphx_glr_auto_examples_plot_reference_systems.py>`, which compares their losses.
"""

from skae import hide_tensorflow_logs

hide_tensorflow_logs()

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from keras import layers
from sklearn.metrics import accuracy_score, precision_score, recall_score
from sklearn.neural_network import MLPClassifier

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    KerasArchitecture,
)
from skae.inspection import OutlierScoreDisplay, ReconstructionDisplay

(digits, labels), (digits_test, labels_test) = load_images("mnist")
(clothes, _), (clothes_test, _) = load_images("fashion_mnist")
n_images = 10_000

# %%
# Systems D and E: codes as images
# --------------------------------
# 784 pixels are compressed to 32 numbers, a compression factor of 24.5. The codes are
# plotted as images of 8 x 4 pixels. Here the networks are trained for a few epochs
# only.


def through_32_numbers(X, epochs, **optimizer):
    return AutoencoderTransformer(
        n_components=32,
        architecture=DenseArchitecture((), code_activation="relu"),
        loss="binary_crossentropy",
        batch_size=256,
        epochs=epochs,
        random_state=0,
        **optimizer,
    ).fit(X)


system_d = through_32_numbers(digits, 15, optimizer="adadelta", learning_rate=1.0)
system_e = through_32_numbers(clothes, 6)
system_e.summary()

# %%
# Digits and clothes:

options = {"sample_shape": (28, 28), "code_shape": (4, 8), "cmap": "gray_r"}
ReconstructionDisplay.from_estimator(system_d, digits_test, **options)

# %%

ReconstructionDisplay.from_estimator(system_e, clothes_test, **options)

# %%
# System D: losses of one image
# -----------------------------
# The cross-entropy is a mean over pixels, and the Kullback-Leibler divergence is a sum.
# Keras clips probabilities to [1e-7, 1 - 1e-7].

x = digits_test[:1]
reconstruction = system_d.inverse_transform(system_d.transform(x))
p, q = x[0], np.clip(reconstruction[0], 1e-7, 1 - 1e-7)
by_hand = {
    "binary_crossentropy": -np.mean(p * np.log(q) + (1 - p) * np.log(1 - q)),
    "kl_divergence": np.sum(
        np.clip(p, 1e-7, 1) * np.log(np.clip(p, 1e-7, 1) / np.clip(q, 1e-7, 1))
    ),
}
for name, expected in by_hand.items():
    by_keras = float(keras.losses.get(name)(x, reconstruction)[0])
    print(f"{name:20} Keras {by_keras:9.4f}, by hand {expected:9.4f}")
    assert np.isclose(by_keras, expected, rtol=1e-3)

# %%
# System D: classification of reconstructions
# -------------------------------------------
# A classifier that was fitted to originals is tested on reconstructions.

classifier = MLPClassifier((64,), early_stopping=True, random_state=0)
classifier.fit(digits[:n_images], labels[:n_images])
X_test, y_test = digits_test[:2_000], labels_test[:2_000]
reconstructions = system_d.inverse_transform(system_d.transform(X_test))
for name, X in (("originals", X_test), ("reconstructions", reconstructions)):
    accuracy = accuracy_score(y_test, classifier.predict(X))
    print(f"Accuracy of the classifier on {name:15} {accuracy:.3f}")

# %%
# System C: clothes, reconstructed by a network for digits
# --------------------------------------------------------
# The convolutional network is trained on digits only. Its code is a large feature map,
# so that clothes are reconstructed as well, with a larger error.

system_c = AutoencoderTransformer(
    architecture=ConvolutionalArchitecture(filters=(30, 15)),
    loss="binary_crossentropy",
    batch_size=128,
    epochs=3,
    random_state=0,
).fit(digits[:4_000].reshape(-1, 28, 28, 1))
for name, test in (("Digits", digits_test), ("Clothes", clothes_test)):
    images = test[:500].reshape(-1, 28, 28, 1)
    reconstructions = system_c.inverse_transform(system_c.transform(images))
    error = np.mean((images - reconstructions) ** 2)
    print(f"System C, mean squared error: {name:7} {error:.4f}")
both = np.concatenate([digits_test[:5], clothes_test[:5]])
ReconstructionDisplay.from_estimator(
    system_c, both.reshape(-1, 28, 28, 1), show_codes=False, cmap="gray_r"
)

# %%
# System A: outliers
# ------------------
# A detector with a subclass of ``keras.Model`` is fitted to clothes. Half of the test
# images are digits. The threshold of the tutorials is the mean error of the training
# images plus one standard deviation; that of `predict` is `offset_`.


class SubclassedAutoencoder(keras.Model):
    def __init__(self, n_components=64, sample_shape=(28, 28)):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Flatten(),
                layers.Dense(n_components, activation="relu"),
            ]
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((n_components,)),
                layers.Dense(math.prod(sample_shape), activation="sigmoid"),
                layers.Reshape(sample_shape),
            ]
        )

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))


X_train = clothes[:n_images].reshape(-1, 28, 28)
X_mixed = np.concatenate([clothes_test[:2_000], digits_test[:2_000]])
X_mixed = X_mixed.reshape(-1, 28, 28)
is_outlier = np.repeat([False, True], 2_000)

system_a = AutoencoderOutlierDetector(
    architecture=KerasArchitecture(SubclassedAutoencoder()),
    outlier_score="reconstruction",
    batch_size=32,
    epochs=10,
    random_state=0,
).fit(X_train)
errors_train, errors = (-system_a.score_samples(X) / 784 for X in (X_train, X_mixed))
threshold = errors_train.mean() + errors_train.std()
found = {
    "the tutorials'": errors > threshold,
    "predict": system_a.predict(X_mixed) == -1,
}
print("Threshold       accuracy  precision  recall, of digits as outliers")
for name, said in found.items():
    scores = (
        score(is_outlier, said)
        for score in (accuracy_score, precision_score, recall_score)
    )
    print(f"{name:14}  {next(scores):8.3f}  {next(scores):9.3f}  {next(scores):6.3f}")

# %%
# The threshold of the tutorials, with the sign of a score:

OutlierScoreDisplay.from_predictions(
    -errors, np.where(is_outlier, -1, 1), threshold=-threshold
)
plt.show()

# %%
# To read next: :doc:`/coming_from/keras_tutorial` has the code of tutorials beside that
# of skae, and :ref:`keras_models` is the guide on Keras models.
