"""A search on a cluster of two worker processes beside one process.

24 fits of GridSearchCV: seconds of either, in alternation, the largest difference of a
mean test score, and resident memory of the workers after each of the searches. With
``--quick``, six fits, once.
"""

import os
import time

import numpy as np
from _paired import make_parser, write_json
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer

# Two workers share two cores; one process has them all.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
CLUSTER = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}


def make_search(quick):
    components = [2, 8] if quick else [2, 4, 8, 16]
    rates = [0.003] if quick else [0.001, 0.003]
    return GridSearchCV(
        AutoencoderTransformer(random_state=0, epochs=5 if quick else 40),
        {"n_components": components, "learning_rate": rates},
        cv=3,
    )


def run(search, X):
    start = time.perf_counter()
    search.fit(X)
    return time.perf_counter() - start


def resident():
    """Return the megabytes of the process that calls it."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main():
    arguments = make_parser(__doc__.splitlines()[0]).parse_args()
    X = load_digits().data / 16
    if arguments.quick:
        X = X[:300]
    search = make_search(arguments.quick)
    ratios, memory, differences = [], [], []
    with LocalCluster(**CLUSTER, env=ONE_THREAD) as cluster, Client(cluster) as client:
        # Start TensorFlow in all processes.
        warm = make_search(quick=True)
        run(warm, X[:300])
        with parallel_config("dask"):
            run(warm, X[:300])
        for _ in range(1 if arguments.quick else 3):
            alone = run(search, X)
            expected = search.cv_results_["mean_test_score"]
            with parallel_config("dask"):
                ratios.append(alone / run(search, X))
            found = search.cv_results_["mean_test_score"]
            differences.append(float(np.abs(found - expected).max()))
            memory.append(max(client.run(resident).values()))
    figures = {
        "fits": search.n_splits_ * len(search.cv_results_["params"]),
        "times as fast as one process": float(np.median(ratios)),
        "largest difference of a mean score": max(differences),
        "resident megabytes of a worker, search by search": memory,
    }
    for name, value in figures.items():
        print(f"{name:50} {value}")
    write_json(arguments, figures)


if __name__ == "__main__":
    main()
