"""
Unusual clothes in Fashion-MNIST
================================

Nobody has said which articles of clothing are odd. A detector that has learnt what most
look like finds those that it cannot draw.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skae import AutoencoderOutlierDetector
from skae.datasets import fetch_fashion_mnist
from skae.inspection import OutlierScoreDisplay, ReconstructionDisplay

X_train, y_train = fetch_fashion_mnist(subset="train", return_X_y=True, as_images=True)
test = fetch_fashion_mnist(subset="test", as_images=True)
X_test, y_test = test.data[:3_000], test.target[:3_000]

# %%
# Without labels
# --------------
# One in a hundred training images may be taken for an outlier.

detector = AutoencoderOutlierDetector(
    n_components=32, contamination=0.01, epochs=10, random_state=0
).fit(X_train[:8_000])

scores = detector.score_samples(X_test)
print(f"{np.mean(detector.predict(X_test) == -1):.1%} of new images are outliers")
OutlierScoreDisplay.from_estimator(detector, X_test)

# %%
# The five strangest, and beside them the five most ordinary, with the error of each
# pixel: loud prints, holes and straps are what it cannot draw.

order = np.argsort(scores)
shown = np.r_[order[:5], order[-5:]]
print([test.target_names[label] for label in y_test[shown]])
ReconstructionDisplay.from_estimator(
    detector, X_test[shown], show_codes=False, show_errors=True
)

# %%
# One kind against all others
# ---------------------------
# With labels one can measure. Here all that is known is trousers: everything else is an
# outlier.

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
