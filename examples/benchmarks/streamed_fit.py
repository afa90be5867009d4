"""Fit on a Parquet data set beside the same rows as a memory map.

Ten million rows of 30 features: seconds an epoch, R² of rows held out, and the largest
resident memory of the process, each in a process of its own. With ``--quick``, 50,000
rows, of which 10,000 are kept in memory.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
from _paired import make_parser, write_json
from pyarrow import dataset, parquet

from skae import AutoencoderTransformer
from skae._formats import _reading

N_FEATURES, ROW_GROUP = 30, 250_000


def make_rows(n_rows, seed):
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((n_rows, 3))
    mixing = np.random.default_rng(0).normal(size=(3, N_FEATURES))
    curved = np.tanh(codes @ mixing)
    return curved + 0.1 * rng.standard_normal((n_rows, N_FEATURES))


def write_rows(folder, n_rows):
    schema = pa.schema([(f"x{i}", pa.float64()) for i in range(N_FEATURES)])
    shape = (n_rows, N_FEATURES)
    array = np.lib.format.open_memmap(
        folder / "rows.npy", "w+", dtype=np.float64, shape=shape
    )
    with parquet.ParquetWriter(folder / "rows.parquet", schema) as writer:
        for start in range(0, n_rows, ROW_GROUP):
            rows = make_rows(min(ROW_GROUP, n_rows - start), 1 + start)
            array[start : start + len(rows)] = rows
            writer.write_table(pa.table(list(rows.T), schema=schema))
    array.flush()


class Clock(keras.callbacks.Callback):
    """Keeps when each epoch began and ended."""

    def __init__(self):
        super().__init__()
        self.times = []

    def __deepcopy__(self, memo):
        return self  # the fit's copy writes here

    def on_epoch_begin(self, epoch, logs=None):
        self.times.append(time.perf_counter())


def fit(kind, folder, n_kept):
    if n_kept:
        _reading.DRAWN_VALUES, _reading.MIN_DRAWN_SAMPLES = n_kept * N_FEATURES, 1
    if kind == "memmap":
        X = np.load(folder / "rows.npy", mmap_mode="r")
    else:
        X = dataset.dataset(folder / "rows.parquet")
    clock = Clock()
    transformer = AutoencoderTransformer(
        3, epochs=4, random_state=0, callbacks=[clock]
    ).fit(X)
    held_out = make_rows(100_000, 0)
    if kind == "parquet":
        import pandas as pd

        held_out = pd.DataFrame(held_out, columns=transformer.feature_names_in_)
    # The first epoch compiles.
    print(np.median(np.diff(clock.times)[1:]), transformer.score(held_out))
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


if __name__ == "__main__":
    if sys.argv[1] in ("memmap", "parquet"):
        fit(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
        sys.exit()
    arguments = make_parser(__doc__.splitlines()[0]).parse_args()
    n_rows, n_kept, n_repeats = 10_000_000, 0, 3
    if arguments.quick:
        n_rows, n_kept, n_repeats = 50_000, 10_000, 1
    runs = {"memmap": [], "parquet": []}
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), n_rows)
        for _ in range(n_repeats):
            for kind, results in runs.items():
                command = [sys.executable, __file__, kind, folder, str(n_kept)]
                ran = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True
                )
                results.append([float(value) for value in ran.stdout.split()])
    medians = {kind: np.median(results, axis=0) for kind, results in runs.items()}
    figures = {
        "rows": n_rows,
        "seconds an epoch, memory map": medians["memmap"][0],
        "seconds an epoch, Parquet": medians["parquet"][0],
        "time an epoch, Parquet by memory map": np.median(
            [p[0] / m[0] for m, p in zip(*runs.values(), strict=True)]
        ),
        "R² of held-out rows, memory map": medians["memmap"][1],
        "R² of held-out rows, Parquet": medians["parquet"][1],
        "resident megabytes, memory map": medians["memmap"][2],
        "resident megabytes, Parquet": medians["parquet"][2],
    }
    for name, value in figures.items():
        print(f"{name:38} {value:14,.4f}")
    write_json(arguments, figures)
