"""
Detect Fashion-MNIST among MNIST
================================

A detector is fitted to the digits of MNIST, and tested on digits and on the clothes of
Fashion-MNIST, which are outliers.
"""

import matplotlib.pyplot as plt
import numpy as np
from _data import load_images
from sklearn.decomposition import PCA
from sklearn.metrics import (
    accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.architectures import ConvolutionalArchitecture
from skae.inspection import OutlierScoreDisplay, ReconstructionDisplay
from skae.metrics import reconstruction_error

hide_tensorflow_logs()

(digits, _), (new_digits, _) = load_images("mnist")
_, (new_clothes, _) = load_images("fashion_mnist")
digits = digits[:10_000]
X_test = np.concatenate([new_digits[:2_000], new_clothes[:2_000]])
y_test = np.repeat([1, -1], 2_000)

# %%
# With a cross-entropy as the loss, the output has a sigmoid activation, for pixels in
# [0, 1]. The score is the squared reconstruction error, as in many tutorials. The
# expected false-positive rate is 1 %: the threshold is estimated from a tenth of the
# digits, which are held out from training.

detector = AutoencoderOutlierDetector(
    n_components=32,
    loss="binary_crossentropy",
    outlier_score="reconstruction",
    contamination=0.01,
    calibration=0.1,
    epochs=15,
    random_state=0,
).fit(digits)

y_pred = detector.predict(X_test)
scores = detector.score_samples(X_test)
print(f"Accuracy   {accuracy_score(y_test, y_pred):.4f}")
print(f"Precision  {precision_score(y_test, y_pred, pos_label=-1):.4f}")
print(f"Recall     {recall_score(y_test, y_pred, pos_label=-1):.4f}")
print(f"ROC AUC    {roc_auc_score(y_test, scores):.4f}")

# %%
# The scores of held-out digits, the inliers, and of the clothes hardly overlap. The
# decision threshold is `offset_`.

OutlierScoreDisplay.from_estimator(detector, X_test, y_test, xscale="log")

# %%
# Compare the ROC AUC with that of a convolutional detector, here trained with fewer
# images and epochs, and of PCA with the same number of components.

convolutional = AutoencoderOutlierDetector(
    n_components=32,
    architecture=ConvolutionalArchitecture((8, 16), sample_shape=(28, 28)),
    loss="binary_crossentropy",
    batch_size=64,
    epochs=6,
    random_state=0,
).fit(digits[:4_000])
pca = PCA(32).fit(digits)
of_pca = -reconstruction_error(X_test, pca.inverse_transform(pca.transform(X_test)))
for name, scores_of in (
    ("Dense", scores),
    ("Convolutional", convolutional.score_samples(X_test)),
    ("PCA", of_pca),
):
    print(f"ROC AUC, {name:14} {roc_auc_score(y_test, scores_of):.4f}")

# %%
# Clothes are reconstructed from the strokes of digits.

shown = np.r_[0:5, 2_000:2_005]
ReconstructionDisplay.from_estimator(
    detector, X_test[shown], sample_shape=(28, 28), show_codes=False, cmap="gray_r"
)
plt.show()

# %%
# To read next: :ref:`decision_threshold` on calibration, and
# :ref:`sphx_glr_auto_examples_plot_few_clean_rows.py` on few samples.
