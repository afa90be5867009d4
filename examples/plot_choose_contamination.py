"""
Choose the decision threshold
=============================

A detector ranks samples by its anomaly score; `contamination` determines how many of
them are predicted as outliers. The scores in ascending order show what each choice
leads to.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.inspection import OutlierScoreDisplay

hide_tensorflow_logs()

# %%
# The table holds 357 benign tumors and 20 malignant ones, of which the detector is not
# told.

table, is_benign = load_breast_cancer(return_X_y=True, as_frame=True)
benign, malignant = table[is_benign == 1], table[is_benign == 0]
rng = np.random.RandomState(0)
rows = np.r_[benign.index, rng.choice(malignant.index, 20, replace=False)]
X, y = table.loc[rows], np.repeat([1, -1], [len(benign), 20])

detector = AutoencoderOutlierDetector(random_state=0)
pipeline = make_pipeline(StandardScaler(), detector).fit(X)

# %%
# A sharp bend would separate outliers from the bulk. Here the scores decrease steadily:
# both kinds overlap, and the threshold depends on how many samples may be looked at.
# The share at which the curve crosses the dashed line is what is predicted as outliers
# with ``contamination="auto"``.

OutlierScoreDisplay.from_estimator(pipeline, X, kind="ranks")

# %%
# Who has time to look at 20 samples sets the threshold to this share. The network is
# not fitted again.

detector.set_threshold(20 / len(X))
OutlierScoreDisplay.from_estimator(pipeline, X, kind="ranks")
print((pipeline.predict(X) == -1).sum(), "samples are predicted as outliers")

# %%
# With labels, which are seldom at hand, outliers are marked. Some score as inliers do,
# so that no threshold finds all of them without false alarms.

OutlierScoreDisplay.from_estimator(pipeline, X, y, kind="ranks")
print(f"ROC AUC: {roc_auc_score(y, pipeline.score_samples(X)):.3f}")

# %%
# To read next: :ref:`decisions` on thresholds with a controlled rate of false alarms,
# and :ref:`sphx_glr_auto_examples_plot_outlier_explanation.py` on why a sample is an
# outlier.
