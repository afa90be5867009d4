"""Memory of training compared with Keras, and over many fits in one process.

First the peak of resident memory of ten epochs on 60,000 samples of 784 features, each
in a new process; then resident memory over fits of varying numbers of samples and
layers.
"""

import gc
import resource
import sys

import keras
import numpy as np
from _paired import in_fresh_process, parse_arguments, report, write_json

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture


def fit(X, n_components=32, hidden=(), epochs=2, batch_size=256):
    return AutoencoderTransformer(
        n_components,
        architecture=DenseArchitecture(hidden),
        epochs=epochs,
        batch_size=batch_size,
        validation_fraction=None,
        random_state=0,
    ).fit(X)


def peak(library, n_rows):
    """Measure the peak of resident memory in MB, with that of the data."""
    X = np.random.default_rng(0).random((n_rows, 784), dtype="f4")
    if library == "skae":
        fit(X, 32, (), 10)  # so many batches that XLA compiles them
    else:
        model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(32)])
        model.add(keras.layers.Dense(784))
        model.compile("adam", loss="mse")
        model.fit(X, X, epochs=10, batch_size=256, verbose=0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def many_fits(n_fits):
    """Resident memory in MB by number of fits."""
    rng = np.random.default_rng(0)
    shapes = [(8 + 3 * i, 2 + i % 5, 8 + 2 * i) for i in range(20)]
    memory = {}
    print(f"\n{n_fits} fits, 20 networks in turn, 200 to 2,000 rows: resident memory")
    for i in range(1, n_fits + 1):
        n_features, n_components, hidden = shapes[i % len(shapes)]
        X = rng.random((rng.integers(200, 2000), n_features), dtype="f4")
        fit(X, n_components, (hidden,), 40, 32).transform(X)
        if i % 20 == 0 or i == n_fits:
            memory[i] = resident()
            print(f"  {i:4} fits  {memory[i]:7.1f} MB")
    return {"title": "resident memory by number of fits", "MB": memory}


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        peak(sys.argv[2], int(sys.argv[3]))
        sys.exit()
    arguments = parse_arguments(__doc__)
    n_rows, n_fits = (2_000, 3) if arguments.quick else (60_000, 200)
    medians = {
        library: in_fresh_process(__file__, "peak", library, n_rows)
        for library in ("skae", "keras.Model.fit")
    }
    figures = [report(f"peak memory of fit on {n_rows:,} x 784 float32", medians, "MB")]
    figures.append(many_fits(n_fits))
    write_json(arguments, figures)
