"""
Outliers in Fashion-MNIST
=========================

A detector is fitted to images of clothing without labels, and detects those that differ
from most others.
"""

import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.inspection import OutlierScoreDisplay, ReconstructionDisplay

hide_tensorflow_logs()

(X_train, y_train), (X_test, y_test) = load_images("fashion_mnist")
X_train = X_train.reshape(-1, 28, 28)
X_test, y_test = X_test[:3_000].reshape(-1, 28, 28), y_test[:3_000]

# %%
# Without labels
# --------------
# The decision threshold is set such that 1 % of the training images are outliers.

detector = AutoencoderOutlierDetector(
    n_components=32, contamination=0.01, epochs=10, random_state=0
).fit(X_train[:8_000])

scores = detector.score_samples(X_test)
print(f"{np.mean(detector.predict(X_test) == -1):.1%} of new images are outliers")
OutlierScoreDisplay.from_estimator(detector, X_test)

# %%
# The five most and the five least anomalous images, with the error of each pixel.
# Errors are large at prints, holes and straps.

order = np.argsort(scores)
shown = np.r_[order[:5], order[-5:]]
names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
names += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
print([names[label] for label in y_test[shown]])
ReconstructionDisplay.from_estimator(
    detector, X_test[shown], show_codes=False, show_errors=True
)

# %%
# One class as inliers
# --------------------
# With labels, detectors can be evaluated. Here trousers are the inliers, and all other
# classes are outliers.

is_trouser = np.where(y_test == 1, 1, -1)
trousers = X_train[y_train == 1][:2_000]
detector.fit(trousers)
forest = IsolationForest(random_state=0).fit(trousers.reshape(len(trousers), -1))
for name, scores in (
    ("AutoencoderOutlierDetector", detector.score_samples(X_test)),
    ("IsolationForest", forest.score_samples(X_test.reshape(len(X_test), -1))),
):
    print(f"{name:27} ROC AUC {roc_auc_score(is_trouser, scores):.3f}")

OutlierScoreDisplay.from_estimator(detector, X_test, is_trouser)
# sphinx_gallery_thumbnail_number = 2
plt.show()

# %%
# To read next: :ref:`outlier_detection` on scores, thresholds and training samples, and
# :ref:`sphx_glr_auto_examples_plot_mnist_outliers.py` on samples of another kind.
