"""Score a Parquet file that is larger than memory should be.

``python -m skae score`` of 20 million rows of 30 features: rows a second beside
`score_samples` of rows in memory, with one process and with two, and the largest
resident memory of the process. With ``--quick``, 100,000 rows.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from _paired import make_parser, write_json
from pyarrow import parquet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector

N_FEATURES, ROW_GROUP = 30, 250_000


def make_rows(n_rows, seed):
    rng = np.random.RandomState(seed)
    codes = rng.standard_normal((n_rows, 5))
    mixing = np.random.RandomState(0).normal(size=(5, N_FEATURES))
    return codes @ mixing + 0.3 * rng.standard_normal((n_rows, N_FEATURES))


def write_file(path, n_rows):
    names = [f"x{i}" for i in range(N_FEATURES)]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with parquet.ParquetWriter(path, schema, compression="none") as writer:
        for start in range(0, n_rows, ROW_GROUP):
            rows = make_rows(min(ROW_GROUP, n_rows - start), start)
            writer.write_table(pa.table(list(rows.T), schema=schema))
    return names


# The command, and the largest resident memory that its process had (of Linux).
COMMAND = """
import sys
from skae._command_line import main
if __name__ == "__main__":
    assert main(["score", *sys.argv[1:]]) == 0
    status = open("/proc/self/status").read()
    print(status.split("VmHWM:")[1].split()[0])
"""


def run_command(*arguments):
    """Run the command; return seconds, and megabytes of its process."""
    start = time.perf_counter()
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - start, int(ran.stdout.split()[-1]) / 1024


if __name__ == "__main__":
    arguments = make_parser(__doc__.splitlines()[0]).parse_args()
    n_rows = 100_000 if arguments.quick else 20_000_000
    with tempfile.TemporaryDirectory() as folder:
        source, model = Path(folder, "in.parquet"), Path(folder, "model.joblib")
        names = write_file(source, n_rows)
        train = pd.DataFrame(make_rows(5_000, 1), columns=names)
        detector = AutoencoderOutlierDetector(
            random_state=0, epochs=2 if arguments.quick else "auto"
        )
        pipeline = make_pipeline(StandardScaler(), detector).fit(train)
        joblib.dump(pipeline, model)
        output = Path(folder, "out.parquet")
        seconds, megabytes = run_command(model, source, output)
        in_workers, _ = run_command(model, source, output, "--workers", 2)
        head = next(parquet.ParquetFile(source).iter_batches(min(n_rows, 1_000_000)))
        head = head.to_pandas()
        start = time.perf_counter()
        scores = pipeline.score_samples(head)
        rate = len(head) / (time.perf_counter() - start)
        found = parquet.read_table(output, columns=["score"])
        assert len(found) == n_rows
        np.testing.assert_allclose(found["score"].slice(0, len(head)), scores, 1e-6)
    figures = {
        "rows": n_rows,
        "rows a second, beside memory": n_rows / seconds / rate,
        "two workers beside one": seconds / in_workers,
        "resident megabytes": megabytes,
        "seconds": seconds,
    }
    for name, value in figures.items():
        print(f"{name:30} {value:12,.2f}")
    write_json(arguments, figures)
