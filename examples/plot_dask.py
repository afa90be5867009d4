"""
Fit and score blocks of a Dask array
====================================

The samples do not fit into memory, but a detector is to be fitted to all of them and
to score each. This example fits to a Dask array block by block, finds rare faults by
scores that are computed lazily, and spreads the fits of a search over the workers of a
Dask cluster.

The extra ``dask`` of skae installs what is needed.
"""

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skae import (
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    hide_tensorflow_logs,
)
from skae.inspection import OutlierScoreDisplay
from skae.parallel import map_blocks

hide_tensorflow_logs()

# %%
# The array
# ---------
# 150,000 readings of 60 sensors, in six blocks. Four quantities determine the readings.
# In one reading of a thousand, five sensors show what they showed at another time. Here
# the blocks are generated; they could as well be read from files, by
# ``dask.dataframe.read_parquet``.

N_BLOCKS, N_ROWS, N_SENSORS = 6, 25_000, 60
mixing = np.random.RandomState(0).normal(size=(2, 4, N_SENSORS))


def make_block(seed):
    """Generate readings, and whether each is a fault, as the last column."""
    rng = np.random.RandomState(seed)
    hidden = rng.uniform(-1, 1, size=(N_ROWS, 4))
    X = np.sin(hidden @ mixing[0]) + hidden @ mixing[1]
    X += rng.normal(scale=0.1, size=X.shape)
    faults = rng.choice(N_ROWS, N_ROWS // 1_000, replace=False)
    for i, j in zip(faults, rng.choice(N_ROWS, len(faults)), strict=True):
        sensors = rng.choice(N_SENSORS, 5, replace=False)
        X[i, sensors] = X[j, sensors]
    return np.column_stack([X, np.isin(np.arange(N_ROWS), faults)])


blocks = [
    da.from_delayed(
        dask.delayed(make_block)(seed), (N_ROWS, N_SENSORS + 1), dtype=float
    )
    for seed in range(N_BLOCKS)
]
table = da.concatenate(blocks)
X, is_fault = table[:, :-1], table[:, -1]
print(f"{X.shape[0]:,} x {X.shape[1]} values, {X.nbytes / 1e6:.0f} MB if computed")

# %%
# Fit
# ---
# The scaler is fitted in parts. The scaled array is lazy: each epoch of the detector
# computes it again, block by block. Blocks are read in a new order in each epoch. With
# so many samples, few epochs are enough.

scaler = StandardScaler()
for block in X.blocks:
    scaler.partial_fit(block.compute())
scaled = map_blocks(scaler.transform, X)

detector = AutoencoderOutlierDetector(
    4, contamination=0.001, epochs=3, random_state=0
).fit(scaled)

# %%
# Score
# -----
# ``score_samples`` returns a Dask array, and nothing is computed before it is needed.
# One pass over the blocks computes the scores, and which readings are faults; only
# these stay in memory.

scores, was_fault = dask.compute(detector.score_samples(scaled), is_fault)
y = np.where(was_fault == 1, -1, 1)
lowest = np.argsort(scores)[:150]
print(f"Faults among the 150 lowest scores: {np.sum(y[lowest] == -1)}")
print(f"ROC AUC {roc_auc_score(y, scores):.3f}")
OutlierScoreDisplay.from_predictions(scores, y, threshold=detector.offset_)

# %%
# Search on a cluster
# -------------------
# A search needs samples in memory: a part of the array is enough to choose parameters.
# Each fit is done by one worker, with the result that it has in one process. The
# workers of this cluster are threads of one process. With
# ``Client("scheduler-address:8786")`` they are those of a cluster of machines. A script
# that starts processes by ``LocalCluster(processes=True)`` has to do so below
# ``if __name__ == "__main__":``.

sample = scaled.blocks[0][:3_000].compute()
search = GridSearchCV(
    AutoencoderTransformer(epochs=20, random_state=0),
    {"n_components": [2, 4, 8]},
    cv=2,
)
cluster = LocalCluster(
    processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None
)
with cluster, Client(cluster), parallel_config("dask"):
    search.fit(sample)
results = search.cv_results_
for n, score in zip(
    results["param_n_components"], results["mean_test_score"], strict=True
):
    print(f"{n} latent components: R² = {score:.3f}")
plt.show()

# %%
# To read next: :ref:`large_data` tells how blocks are read and mixed, what else `fit`
# reads, and how Parquet files are scored from the command line; :ref:`decisions` tells
# which samples to look at.
