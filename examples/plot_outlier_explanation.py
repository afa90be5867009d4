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
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.inspection import OutlierExplanationDisplay
from skae.preprocessing import TableScaler

hide_tensorflow_logs()

# %%
# The detector learns from the measurements of benign tumours. The columns depend on
# each other: perimeter and area follow from the radius, for example.

data = load_breast_cancer(as_frame=True)
benign = data.data[data.target == 1].iloc[:, :10]
train, test = train_test_split(benign, random_state=0)
detector = make_pipeline(TableScaler(), AutoencoderOutlierDetector(random_state=0))
detector.fit(train)

# %%
# In each of 60 further samples that are normal, one value is replaced by another one
# from the same column, more than two standard deviations away.

rng = np.random.RandomState(0)
rows = test[detector.predict(test) == 1][:60].reset_index(drop=True)
changed = np.full(len(rows), None)
for i in range(len(rows)):
    name = rng.choice(rows.columns)
    far = train[name][(train[name] - rows.at[i, name]).abs() > 2 * train[name].std()]
    rows.at[i, name], changed[i] = rng.choice(far), name

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
# :ref:`outlier_detection` tells more about scores and thresholds.
