"""
Detect faults in windows of time series
=======================================

A machine is watched by sensors, and faults are to be found by the course of the
readings in time. In this example, each sample is a window of 30 readings of three
sensors on a rotating machine. A recurrent autoencoder is fitted to windows without
faults, and tested on windows with three kinds of faults. Each single reading of the
faulty windows is within the usual range; only their course in time differs.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.architectures import RecurrentArchitecture
from skae.inspection import OutlierScoreDisplay, TrainingHistoryDisplay

hide_tensorflow_logs()

rng = np.random.RandomState(0)
n_steps = 30
sensors = ["vibration", "current", "temperature"]


def windows(n_windows):
    """Readings of shape (n_windows, n_steps, 3), each with its phase and load."""
    phase = rng.uniform(0, 2 * np.pi, (n_windows, 1))
    load = rng.uniform(0.5, 1.0, (n_windows, 1))
    angle = phase + np.linspace(0, 4 * np.pi, n_steps)
    clean = [load * np.sin(angle), load * np.cos(angle), load * np.sin(angle / 2) ** 2]
    return np.stack(clean, axis=2) + rng.normal(0, 0.05, (n_windows, n_steps, 3))


normal = windows(1_500)

faults = {name: windows(100) for name in ("stuck", "phase shift", "swapped in time")}
faults["stuck"][:, 15:, 0] = faults["stuck"][:, 14:15, 0]
faults["phase shift"][:, :, 1] *= -1
faults["swapped in time"][:, 10:20] = faults["swapped in time"][:, 10:20][:, ::-1]

# %%
# Three latent components are enough for the three parameters of a window: the sine and
# cosine of its phase, and its load. The threshold is set such that 1 % of the training
# windows are outliers.

detector = AutoencoderOutlierDetector(
    n_components=3,
    architecture=RecurrentArchitecture(units=32, cell="gru"),
    learning_rate=0.005,
    batch_size=64,
    epochs=40,
    contamination=0.01,
    random_state=0,
).fit(normal)
TrainingHistoryDisplay.from_estimator(detector, yscale="log")

# %%
# Test on new windows without and with faults.

X_test = np.concatenate([windows(300), *faults.values()])
y_test = np.repeat([1, -1], 300)
kinds = np.repeat(["no fault", *faults], [300, 100, 100, 100])
alarms = detector.predict(X_test) == -1
for kind in ["no fault", *faults]:
    print(f"{kind:16} {alarms[kinds == kind].mean():6.1%} predicted as outliers")
print(f"ROC AUC {roc_auc_score(y_test, detector.score_samples(X_test)):.3f}")

OutlierScoreDisplay.from_estimator(detector, X_test, y_test)

# %%
# One window of each kind and its reconstruction. They differ where the fault is.

shown = [int(np.flatnonzero(kinds == kind)[0]) for kind in ["no fault", *faults]]
reconstructions = detector.reconstruct(X_test[shown])
fig, axes = plt.subplots(
    len(sensors),
    len(shown),
    figsize=(10, 5.5),
    sharex=True,
    sharey=True,
    layout="constrained",
)
for column, i, window in zip(axes.T, shown, reconstructions, strict=True):
    column[0].set_title(kinds[i])
    for ax, readings, course in zip(column, X_test[i].T, window.T, strict=True):
        ax.plot(readings, color="black", label="measured")
        ax.plot(course, "--", color="tab:orange", linewidth=2, label="reconstructed")
for ax, sensor in zip(axes[:, 0], sensors, strict=True):
    ax.set_ylabel(sensor)
fig.supxlabel("Reading within the window")
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower right", ncols=2)
# sphinx_gallery_thumbnail_number = 3
plt.show()

# %%
# To read next: :ref:`sensors` on how to cut a long series into windows,
# :ref:`architectures` on networks for windows, :ref:`decision_threshold` on false
# alarms, and :ref:`decisions` on drift.
