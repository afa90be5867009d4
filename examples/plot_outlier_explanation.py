"""
Why is a sample an outlier?
===========================

A wrong value in one column changes how an autoencoder reconstructs all columns. So the
largest difference from the reconstruction is often in another column than the wrong
value. ``explain`` hides each value in turn and scores the sample again: the wrong value
is the one without which the sample is normal.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.inspection import OutlierExplanationDisplay
from skae.preprocessing import TableScaler

hide_tensorflow_logs()

# %%
# The detector learns from chemical analyses of wines of three kinds. The columns depend
# on each other and on the kind.

wine = load_wine(as_frame=True)
train, test = train_test_split(wine.data, stratify=wine.target, random_state=0)
detector = make_pipeline(TableScaler(), AutoencoderOutlierDetector(random_state=0))
detector.fit(train)

# %%
# In each of 60 samples, drawn from further ones that are normal, one value is wrong by
# 4 standard deviations of its column.

rng = np.random.RandomState(0)
normal = test[detector.predict(test) == 1]
rows = normal.sample(60, replace=True, random_state=0, ignore_index=True)
rows = rows.astype(float)
changed = rng.choice(rows.columns, len(rows))
for i, name in enumerate(changed):
    rows.at[i, name] += rng.choice([-4, 4]) * train[name].std()

flagged = detector.predict(rows) == -1
print(f"{flagged.sum()} of {len(rows)} are predicted as outliers")

# %%
# Which column is named first
# ---------------------------
#
# ``explain`` is a method of the last step; the scaler hands on the names.

scaler, autoencoder = detector
scaled = scaler.transform(rows[flagged])
contributions = autoencoder.explain(scaled)
residuals = np.abs(scaled - autoencoder.reconstruct(scaled))
for name, values in (("explain", contributions), ("residuals", residuals)):
    right = values.idxmax(axis=1) == changed[flagged]
    print(f"{name}: {right.mean():.0%} right")

# %%
# One sample, and many
# --------------------
#
# The most anomalous of these samples: the observed values stand beside those that are
# expected by the other columns.

worst = rows.iloc[detector.score_samples(rows).argsort()]
print("changed:", changed[worst.index[0]])
OutlierExplanationDisplay.from_estimator(detector, worst)

# %%
# Dark cells are the values without which samples would be normal.

OutlierExplanationDisplay.from_estimator(detector, worst[:30], kind="heat_map")
plt.show()

# %%
# To read next: :ref:`outlier_detection` on scores and thresholds, and :ref:`decisions`
# on how many samples to look at.
