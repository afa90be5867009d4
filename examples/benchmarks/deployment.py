"""Loading and scoring compared with IsolationForest and PCA, and with ONNX Runtime.

A pickled Pipeline is loaded in a new process, which scores its first row: time and peak
of memory. Then rows are scored and transformed, one and many, each estimator with its
defaults, and one row also beside two processes that use the cores. Last,
ONNX Runtime computes the same from an exported file; how far its outputs are from those
of skae is printed too. ``--million skae`` and ``--million IsolationForest`` fit on a
million rows and score them.
"""

import pickle
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _paired import alternate, in_fresh_process, parse_arguments, report, write_json
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer


def make_rows(n_rows, n_features=30, seed=0):
    rng = np.random.RandomState(seed)
    maps = np.random.RandomState(0).normal(size=(8, n_features))
    X = np.empty((n_rows, n_features))
    for part in np.array_split(X, max(n_rows // 10_000, 1)):  # little memory
        part[:] = np.tanh(rng.normal(size=(len(part), 8))) @ maps
        part += 0.3 * rng.normal(size=part.shape)
    return X


def peak_memory():
    """Peak of resident memory of this process in MB."""
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def load_and_score(path):
    with open(path, "rb") as file:
        pipeline, X = pickle.load(file)
    pipeline.score_samples(X)
    print(peak_memory())


def measure_loading(repeats):
    X = make_rows(2_000)
    seconds, memory = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, detector in (
            ("skae", AutoencoderOutlierDetector(epochs=2, random_state=0)),
            ("IsolationForest", IsolationForest(random_state=0)),
        ):
            pipeline = make_pipeline(StandardScaler(), detector).fit(X)
            path = Path(folder, name)
            path.write_bytes(pickle.dumps((pipeline, X[:1])))

            def load(path=path, name=name):
                memory[name] = in_fresh_process(__file__, "load", path)

            seconds[name] = load
        medians = alternate(seconds, repeats)
    return [
        report("load a Pipeline and score one row, new process", medians),
        report("the same, peak of resident memory", memory, "MB"),
    ]


@contextmanager
def busy_processes(n_processes=2):
    """Let other processes use the cores."""
    work = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(work) for _ in range(n_processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure_rows(n_rows, n_features, repeats):
    X = make_rows(n_rows, n_features)
    training = X[: min(n_rows, 20_000)]
    detector = AutoencoderOutlierDetector(epochs=5, random_state=0).fit(training)
    forest = IsolationForest(random_state=0).fit(training)
    transformer = AutoencoderTransformer(10, epochs=2, random_state=0).fit(training)
    pca = PCA(10).fit(training)
    figures = []
    for n in (n_rows, 1):
        rows = X[:n]
        for title, works in (
            (
                f"score_samples of {n:,} x {n_features}",
                {
                    "skae": lambda rows=rows: detector.score_samples(rows),
                    "IsolationForest": lambda rows=rows: forest.score_samples(rows),
                },
            ),
            (
                f"transform of {n:,} x {n_features}",
                {
                    "skae": lambda rows=rows: transformer.transform(rows),
                    "PCA": lambda rows=rows: pca.transform(rows),
                },
            ),
        ):
            times = 50 if n == 1 else 1
            often = {
                name: lambda work=work, times=times: [work() for _ in range(times)]
                for name, work in works.items()
            }
            for work in works.values():
                work()
            medians = {k: v / times for k, v in alternate(often, repeats).items()}
            figures.append(report(title, medians, "ms", 1e3))
            if n == 1:
                with busy_processes():
                    medians = alternate(often, repeats)
                medians = {k: v / times for k, v in medians.items()}
                title += ", beside two busy processes"
                figures.append(report(title, medians, "ms", 1e3))
    return figures


def measure_onnx(n_rows, repeats):
    import onnxruntime

    from skae.onnx import export_onnx

    X = make_rows(n_rows)
    pipeline = make_pipeline(
        StandardScaler(), AutoencoderOutlierDetector(epochs=5, random_state=0)
    ).fit(X)
    X = X.astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pipeline.onnx")
        export_onnx(pipeline, path, outputs=["score_samples"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # more cost time where there is one row
        single = onnxruntime.InferenceSession(path, options)
        session = onnxruntime.InferenceSession(path)
    expected = pipeline.score_samples(X)
    (found,) = session.run(None, {"X": X[:10_000]})
    error = np.abs(found / expected[:10_000] - 1).max()
    print(f"\nONNX Runtime: scores of {len(found):,} rows agree to {error:.1e}")
    figures = [{"title": "largest relative difference of scores", "value": error}]
    for n, s, times in ((len(found), session, 1), (1, single, 100)):
        rows = X[:n]
        works = {
            "skae": lambda rows=rows: pipeline.score_samples(rows),
            "ONNX Runtime": lambda rows=rows, s=s: s.run(None, {"X": rows}),
        }
        often = {
            name: lambda work=work, times=times: [work() for _ in range(times)]
            for name, work in works.items()
        }
        medians = {k: v / times for k, v in alternate(often, repeats).items()}
        title = f"score_samples of {n:,} rows, StandardScaler in front"
        figures.append(report(title, medians, "ms", 1e3))
    return figures


def fit_and_score(library):
    """Fit on a million rows and score them; print seconds of both and MB."""
    X = make_rows(1_000_000)
    detector = {
        "skae": AutoencoderOutlierDetector(random_state=0),
        "IsolationForest": IsolationForest(random_state=0, n_jobs=-1),
    }[library]
    start = time.perf_counter()
    detector.fit(X)
    fitted = time.perf_counter()
    detector.score_samples(X)
    print(
        f"{library}: fit {fitted - start:.1f} s, score "
        f"{time.perf_counter() - fitted:.1f} s, {peak_memory():.0f} MB, of which the "
        f"data {X.nbytes / 2**20:.0f} MB"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load_and_score(sys.argv[2])
        sys.exit()
    if sys.argv[1:2] == ["--million"]:
        fit_and_score(sys.argv[2])
        sys.exit()
    arguments = parse_arguments(__doc__)
    few = arguments.quick
    figures = measure_loading(1 if few else 7)
    figures += measure_rows(2_000 if few else 100_000, 30, 1 if few else 5)
    if not few:
        figures += measure_rows(10_000, 784, 5)
    figures += measure_onnx(2_000 if few else 20_000, 1 if few else 5)
    write_json(arguments, figures)
