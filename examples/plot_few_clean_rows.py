"""
Detect outliers with few clean rows
===================================

Only 100 samples are known to be normal, and among new samples those that are not are to
be selected, such that few of the selected ones are false alarms. This example
calibrates the same detector in two ways: with a fifth of the samples held out, and with
all samples by cross-fitting. Only the second has samples enough for the selection.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs

hide_tensorflow_logs()

# %%
# The detector is fitted to 100 benign tumours. Of 300 new ones, 100 are malignant. The
# measurements are the ten means of each tumour. All of this is drawn three times.

N_CLEAN, N_BENIGN, N_MALIGNANT, N_SPLITS, FDR = 100, 200, 100, 3, 0.1
X, is_benign = load_breast_cancer(return_X_y=True)
benign, malignant = X[is_benign == 1, :10], X[is_benign == 0, :10]
is_outlier = np.repeat([False, True], [N_BENIGN, N_MALIGNANT])


def split(seed):
    """Draw clean and new samples, scaled by the clean ones."""
    rng = np.random.RandomState(seed)
    shuffled = rng.permutation(benign)
    clean, others = np.split(shuffled[: N_CLEAN + N_BENIGN], [N_CLEAN])
    new = np.concatenate([others, rng.permutation(malignant)[:N_MALIGNANT]])
    scaler = StandardScaler().fit(clean)
    return scaler.transform(clean), scaler.transform(new)


# %%
# ``select_outliers(X, fdr=0.1)`` selects samples such that, in expectation, at most a
# tenth of them are normal. It needs p-values. Those of ``calibration=0.2`` compare a
# sample with the 20 samples that were held out. With ``calibration=5``, five further
# networks are fitted, each without a fifth of the samples, and a sample is compared
# with all 100.

warnings.simplefilter("ignore", UserWarning)  # raised if nothing is selected

p_values = {}
print("Number of tumours that are selected")
print(f"{'calibration':12}{'split':>6}{'malignant':>11}{'benign':>8}")
for calibration in (0.2, 5):
    for seed in range(N_SPLITS):
        clean, new = split(seed)
        detector = AutoencoderOutlierDetector(
            calibration=calibration, random_state=seed
        ).fit(clean)
        selected = detector.select_outliers(new, fdr=FDR)
        if seed == 0:
            p_values[calibration] = np.sort(detector.predict_pvalue(new))
        right, wrong = selected[is_outlier].sum(), selected[~is_outlier].sum()
        print(f"{calibration:<12}{seed:6}{right:11}{wrong:8}")

# %%
# With 20 calibration samples nothing is ever selected: no p-value is below 1/21, and
# so low a p-value would have to be shared by 143 of the 300 samples. With 100
# calibration samples, the same takes 30. Where cross-fitting selects nothing either,
# too few tumours score below all 100 clean samples: a few unusual ones among so few
# decide. More clean samples are the remedy, or a larger ``fdr``.
#
# The figure shows why, for the first split. Samples are selected up to the last rank at
# which the p-value is below the line of Benjamini and Hochberg.

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
rank = np.arange(1, len(is_outlier) + 1)
for (calibration, values), style in zip(p_values.items(), ("--", "-"), strict=True):
    ax.step(rank, values, style, where="mid", label=f"calibration={calibration}")
ax.plot(
    rank,
    FDR * rank / len(rank),
    color="0.4",
    linestyle=":",
    label="Benjamini and Hochberg",
)
ax.set(yscale="log", xlabel="Samples, by ascending p-value", ylabel="p-value")
ax.set_title(f"Selection with fdr={FDR}")
ax.legend()
plt.show()

# %%
# To read next: :ref:`decisions` on p-values, budgets and drift, and
# :ref:`decision_threshold` on what `calibration` does to the threshold of `predict`.
# A few samples that are known to be outliers help, too: see :ref:`few_labels`.
