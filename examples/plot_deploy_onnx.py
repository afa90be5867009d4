"""
Deploy a detector to ONNX
=========================

A fitted detector is to run where neither scikit-learn nor skae is installed, and one
sample is to be judged in a fraction of a millisecond. This example writes a Pipeline
into one ONNX file, reads it with ONNX Runtime, and compares scores, labels and
computing time with those of the Pipeline.

The extra ``onnx`` of skae installs what is needed to write the file; to read it, the
package ``onnxruntime`` is enough.
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.onnx import export_onnx

hide_tensorflow_logs()

# %%
# Fit and export
# --------------
# The detector is fitted to benign tumours, and tested on further ones and on malignant
# ones. Scaler, network, anomaly score and threshold become one file. Its outputs are
# named after the methods.

X, is_benign = load_breast_cancer(return_X_y=True)
benign, benign_test = train_test_split(X[is_benign == 1], random_state=0)
X_test = np.concatenate([benign_test, X[is_benign == 0]])

pipeline = make_pipeline(
    StandardScaler(),
    AutoencoderOutlierDetector(contamination=0.05, random_state=0),
).fit(benign)

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "detector.onnx")
export_onnx(pipeline, path, outputs=["score_samples", "predict"])
print(f"The file has {path.stat().st_size / 1024:.0f} KiB")

# %%
# Predict without skae
# --------------------
# These lines are all that the other program needs. ONNX Runtime exists for C, C++, C#,
# Java and JavaScript, too.

session = onnxruntime.InferenceSession(path)
scores, labels = session.run(None, {"X": X_test.astype(np.float32)})

# %%
# Everything in the file is computed in float32, so that scores agree up to rounding. A
# sample whose score is as near to the threshold as that may get the other label.

expected = pipeline.score_samples(X_test)
difference = np.max(np.abs(scores - expected) / np.abs(expected))
print(f"Largest relative difference of a score: {difference:.0e}")
print(f"Different labels: {np.sum(labels != pipeline.predict(X_test))}")
print(f"Outliers among benign:    {np.mean(labels[: len(benign_test)] == -1):.0%}")
print(f"Outliers among malignant: {np.mean(labels[len(benign_test) :] == -1):.0%}")

# %%
# Computing time
# --------------
# The Pipeline checks its input and calls many functions of Python, which counts for
# single samples. For many samples at a time the arithmetic counts.


def milliseconds(work, repeats=30):
    """Compute the median time of some repeats."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * np.median(times)


n_samples = [1, 10, 100, 1_000]
measured = {"Pipeline": [], "ONNX Runtime": []}
for n in n_samples:
    rows = np.resize(X_test, (n, X.shape[1])).astype(np.float32)
    measured["Pipeline"].append(milliseconds(lambda X=rows: pipeline.score_samples(X)))
    measured["ONNX Runtime"].append(
        milliseconds(lambda X=rows: session.run(["score_samples"], {"X": X}))
    )
for name, times in measured.items():
    print(f"{name:12} {times[0]:.2f} ms for 1 sample, {times[-1]:.1f} ms for 1,000")

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (name, times), style in zip(measured.items(), ("s--", "o-"), strict=True):
    ax.plot(n_samples, times, style, color="black", label=name)
ax.set(xscale="log", yscale="log", title="Anomaly scores of 30 features")
ax.set(xlabel="Samples at a time", ylabel="Milliseconds (less is better)")
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.yaxis.set_major_formatter("{x:g}")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# To read next: :ref:`deploy` compares ONNX with pickle, skops and MLflow, and has a
# small web service; :func:`skae.onnx.register_converters` is for Pipelines in which
# skae is a step before a classifier.

folder.cleanup()
