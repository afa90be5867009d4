"""
What skae is for
================

Reduce dimensions where PCA is too linear, and find outliers in a table at a promised
rate of false alarms, with the reasons for each.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, make_s_curve
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import (
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    hide_tensorflow_logs,
)
from skae.pipeline import make_pipeline

hide_tensorflow_logs()

# %%
# The points of the S-curve lie on a surface that two numbers describe. PCA puts
# held-out points on a plane, the autoencoder on the curved surface.

X, position = make_s_curve(2000, noise=0.05, random_state=0)
X_train, X_test, _, position_test = train_test_split(X, position, random_state=0)
points = {}
for name, reducer in {
    "PCA": PCA(2),
    "Autoencoder": AutoencoderTransformer(2, random_state=0),
}.items():
    pipeline = make_pipeline(StandardScaler(), reducer).fit(X_train)
    points[name] = pipeline.inverse_transform(pipeline.transform(X_test))

# %%
# A detector learns from benign tumours. A part of them is held out for calibration, so
# that at most 5 % of new benign ones are expected to be reported.

data = load_breast_cancer(as_frame=True)
benign, malignant = (data.data[data.target == label] for label in (1, 0))
known, new = train_test_split(benign, test_size=0.3, random_state=0)
detector = make_pipeline(
    StandardScaler(),
    AutoencoderOutlierDetector(calibration=0.3, contamination=0.05, random_state=0),
).fit(known)
rates = {
    name: (detector.predict(rows) == -1).mean()
    for name, rows in {"new benign": new, "malignant": malignant}.items()
}
print({name: f"{rate:.0%}" for name, rate in rates.items()})

# %%
# The reasons for one sample: the share of its anomaly that each column has, and what
# would be expected there.

sample = malignant[:1]
shares, expected = detector.explain(sample, return_expected=True)
shares = (shares.iloc[0] / shares.iloc[0].sum()).nlargest(5)[::-1]
labels = [
    f"{name}\n{sample[name].item():,.4g}, expected {expected[name].item():,.4g}"
    for name in shares.index
]

# %%
# Top, the surface reconstructed from two numbers; bottom, scores and reasons.

fig, axes = plt.subplots(2, 2, figsize=(8, 6.6), layout="constrained")
for ax, (name, found) in zip(axes[0], points.items(), strict=True):
    ax.scatter(found[:, 0], found[:, 2], c=position_test, s=6)
    ax.set(title=f"{name}, 2 components", xticks=[], yticks=[], aspect="equal")
ax = axes[1, 0]
scores = [-detector.score_samples(rows) for rows in (new, malignant)]
bins = np.geomspace(min(map(np.min, scores)), max(map(np.max, scores)), 30)
for name, values, color in zip(rates, scores, ("tab:blue", "tab:orange"), strict=True):
    label = f"{name}, {rates[name]:.0%} reported"
    ax.hist(values, bins, label=label, color=color, alpha=0.7)
ax.axvline(-detector[-1].offset_, color="black", linestyle="--", label="threshold")
ax.set(xscale="log", xlabel="anomaly score", ylabel="number of samples")
ax.set_title("Promised: at most 5 % of the benign")
ax.set_ylim(top=1.4 * ax.get_ylim()[1])
ax.legend(fontsize="small")
ax = axes[1, 1]
ax.barh(labels, shares, color="tab:orange")
ax.tick_params(axis="y", labelsize="small")
ax.set(title="Reasons for one sample", xlabel="share of the anomaly")
plt.show()

# %%
# See :doc:`/user_guide/decide` for rates, and :doc:`/user_guide/find_outliers` for
# explanations.
