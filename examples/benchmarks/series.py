"""Time series: scores of steps beside peers, explanations, speed and memory.

"nab": series of the Numenta Anomaly Benchmark, fitted on the first 40 %, and judged on
the other steps. How windows become steps, and the default window length, were chosen
with the results of all these series in view, and of generated ones: no half of them is
an unbiased estimate. Gains over each peer have a bootstrap interval over series.

"generated": series of five channels, with one kind of fault each. The share of faults
whose channel has the largest contribution is reported, too.

"speed": fit and score of 100,000 steps of 10 channels by windows of 100, and the peak
memory of the process, beside PyOD's AutoEncoder on windows where it is installed.

The series are read from the folder series in the folder named by SKAE_DATA, which holds
folders of CSV files with the columns value and label.
"""

import os
import resource
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np
from _paired import in_fresh_process, make_parser, write_json
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import lfilter
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.metrics import reconstruction_error
from skae.series import WindowedOutlierDetector

FIRST = 0.4
KINDS = ["spikes", "stuck", "drift", "correlation", "missing cycles"]
N_BOOTSTRAP = 10_000


class PCAError(OutlierMixin, BaseEstimator):
    """Squared error of a PCA that keeps 90 % of the variance."""

    def fit(self, X, y=None):
        self.pca_ = PCA(0.9).fit(X)
        return self

    def score_samples(self, X):
        X_back = self.pca_.inverse_transform(self.pca_.transform(X))
        return -reconstruction_error(X, X_back)


class Neighbors(OutlierMixin, BaseEstimator):
    """Mean distance to the five nearest training windows."""

    def fit(self, X, y=None):
        self.index_ = NearestNeighbors(n_neighbors=5).fit(X)
        return self

    def score_samples(self, X):
        return -self.index_.kneighbors(X)[0].mean(axis=1)


class AbsoluteZ(OutlierMixin, BaseEstimator):
    """Largest absolute value of a standardized step: for windows of one step."""

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return -np.abs(X).max(axis=1)


def detectors(seed, window_length):
    """Return detectors of steps by name, with windows of the same length."""

    def windowed(detector):
        return WindowedOutlierDetector(detector, window_length)

    return {
        "skae": windowed(AutoencoderOutlierDetector(random_state=seed)),
        "PCA": windowed(PCAError()),
        "IsolationForest": windowed(IsolationForest(random_state=seed)),
        "5 neighbours": windowed(Neighbors()),
        "absolute z": WindowedOutlierDetector(AbsoluteZ(), 1),
    }


def public_series(folder):
    """Yield series with labels of both kinds among the steps that are judged."""
    import pandas as pd

    for path in sorted(Path(folder).glob("*/*.csv")):
        table = pd.read_csv(path)
        X, label = table.value.to_numpy(float), table.label.to_numpy()
        if 0 < label[int(FIRST * len(X)) :].mean() < 1:
            yield X, label


def machine(rng, n_steps):
    """Return the courses that the channels of a machine are mixed of."""
    phase = 2 * np.pi * np.arange(n_steps) / 40
    phase += 0.3 * np.cumsum(rng.normal(0, 0.03, n_steps))
    load = lfilter([0.24], [1, -0.97], rng.normal(size=n_steps))
    size = 1 + 0.2 * np.tanh(load)
    waves = [size * np.sin(phase), size * np.cos(phase), size * np.sin(2 * phase)]
    return np.stack([*waves, load], axis=1)


def generated(kind, seed, n_steps=4000):
    """Return a series, labels, and the channel of the fault of each step, or -1."""
    rng = np.random.RandomState(seed)
    mixing = rng.normal(size=(4, 5))
    mixing /= np.linalg.norm(mixing, axis=0)
    courses, noise = machine(rng, n_steps), rng.normal(0, 0.15, (n_steps, 5))
    X = courses @ mixing + noise
    label, channel = np.zeros(n_steps, int), np.full(n_steps, -1)
    first = int(FIRST * n_steps)
    scale = X[:first].std(axis=0)
    for start in range(first + 60, n_steps - 120, 160):
        begin, c = start + rng.randint(60), rng.randint(5)
        length = {"spikes": 1, "missing cycles": 40}.get(kind, rng.randint(20, 50))
        steps, sign = slice(begin, begin + length), rng.choice([-1, 1])
        if kind == "spikes":
            X[steps, c] += sign * rng.uniform(3, 5) * scale[c]
        elif kind == "stuck":
            X[steps, c] = X[begin, c]
        elif kind == "drift":
            X[steps, c] += sign * np.linspace(0, 2.5, length) * scale[c]
        elif kind == "correlation":
            other = rng.randint(200, first - 100)
            X[steps, c] = X[other : other + length, c]
        else:
            X[steps] = courses[steps, 3:] @ mixing[3:] + noise[steps]
        label[steps] = 1
        channel[steps] = c if kind != "missing cycles" else -1
    return X, label, channel


def judge(meta, X, label):
    """Return ROC AUC and average precision of the later steps."""
    first = int(FIRST * len(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anomaly = -meta.fit(X[:first]).score_samples(X)[first:]
    rest = label[first:]
    return roc_auc_score(rest, anomaly), average_precision_score(rest, anomaly)


def interval(gains):
    """Return a bootstrap interval of 95 % of the mean."""
    rng = np.random.RandomState(0)
    drawn = rng.choice(gains, (N_BOOTSTRAP, len(gains)))
    return np.percentile(drawn.mean(axis=1), [2.5, 97.5]).tolist()


def compare(results, title):
    """Print means, spread over seeds, series won and lost, and mean gains.

    `results` are arrays of shape (n_series, n_seeds, 2) by name.
    """
    print(f"\n{title}\n{'':18}{'ROC AUC':>9}{'AP':>7}   gain of skae in ROC AUC | AP")
    figures = {}
    for name, values in results.items():
        auc, precision = values.mean(axis=(0, 1))
        spread = values.mean(axis=0).std(axis=0)
        figures[name] = {"mean": [auc, precision], "spread": spread.tolist()}
        text = f"{name:18}{auc:9.3f}{precision:7.3f}"
        if name != "skae":
            for measure in range(2):
                own, other = (
                    r.mean(axis=1)[:, measure] for r in (results["skae"], values)
                )
                gains = own - other
                low, high = interval(gains)
                won, lost = np.sum(gains > 0), np.sum(gains < 0)
                figures[name][f"gain {measure}"] = [gains.mean(), low, high]
                text += (
                    f"  {gains.mean():+.3f} [{low:+.3f}, {high:+.3f}] {won}:{lost} |"
                )
        print(f"{text}  +- {spread[0]:.3f}, {spread[1]:.3f}", flush=True)
    return figures


def compare_public(folder, seeds, window_length, step):
    results = {}
    for i, (X, label) in enumerate(public_series(folder)):
        if i % step:
            continue
        for seed in seeds:
            for name, meta in detectors(seed, window_length).items():
                scores = judge(meta, X, label)
                results.setdefault(name, {}).setdefault(i, []).append(scores)
    results = {name: np.array(list(r.values())) for name, r in results.items()}
    title = f"{len(results['skae'])} public series, windows of {window_length}"
    figures = {"all": compare(results, title)}
    if step == 1:
        for half, name in enumerate(["first, third, ...", "second, fourth, ..."]):
            of_half = {key: values[half::2] for key, values in results.items()}
            figures[name] = compare(of_half, f"The {name} series")
    return figures


def compare_generated(kinds, seeds, n_steps):
    figures = {}
    for kind in kinds:
        results, named = {}, []
        for seed in seeds:
            X, label, channel = generated(kind, seed, n_steps)
            for name, meta in detectors(seed, 40).items():
                results.setdefault(name, []).append([judge(meta, X, label)])
                if name == "skae" and kind != "missing cycles":
                    named += first_named(meta, X, channel)
        results = {name: np.array(values) for name, values in results.items()}
        figures[kind] = compare(results, f"Generated, {kind}")
        if named:
            figures[kind]["named"] = np.mean(named)
            print(f"channel named first: {np.mean(named):.1%} of {len(named)} faults")
    return figures


def first_named(meta, X, channel):
    """Return whether the channel of each fault has the largest contribution."""
    contributions = meta.explain(X)
    edges = np.flatnonzero(np.diff(np.concatenate([[-1], channel, [-1]])))
    faults = zip(edges[::2], edges[1::2], strict=True)
    return [
        contributions[start:stop].sum(axis=0).argmax() == channel[start]
        for start, stop in faults
    ]


def long_series(n_steps):
    rng = np.random.RandomState(0)
    mixing = rng.normal(size=(4, 10))
    return machine(rng, n_steps) @ mixing + rng.normal(0, 0.2, (n_steps, 10))


def fit_and_score(name, n_steps):
    """Fit and score, and return seconds and peak memory in MiB."""
    X, window_length = long_series(n_steps), 100
    start = time.perf_counter()
    if name == "skae":
        inner = AutoencoderOutlierDetector(random_state=0)
        WindowedOutlierDetector(inner, window_length).fit(X).score_samples(X)
    else:
        from pyod.models.auto_encoder import AutoEncoder

        windows = sliding_window_view(X, window_length, axis=0).astype("float32")
        windows = windows.reshape(len(windows), -1)
        AutoEncoder(random_state=0, verbose=0).fit(windows).decision_function(windows)
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare_speed(n_steps):
    figures = {}
    for name in ["skae", "PyOD"]:
        for i, what in enumerate(["seconds", "MiB"]):
            try:
                value = in_fresh_process(__file__, "--one", name, n_steps, i)
            except subprocess.CalledProcessError:
                print(f"{name}: not measured, is it installed?")
                break
            figures[f"{name}, {what}"] = value
            print(f"{name:8}{value:10.1f} {what}", flush=True)
    return figures


def main():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--part", choices=["nab", "generated", "speed"])
    parser.add_argument("--windows", nargs="+", default=["48", "auto"])
    parser.add_argument("--one", nargs=3, help="one measurement of a process")
    arguments = parser.parse_args()
    hide_tensorflow_logs()
    if arguments.one:
        name, n_steps, i = arguments.one
        print(fit_and_score(name, int(n_steps))[int(i)])
        return
    quick, figures = arguments.quick, {}
    seeds = range(1 if quick else 3)
    folder = Path(os.environ.get("SKAE_DATA", ".")) / "series"
    if arguments.part in (None, "nab") and folder.exists():
        for length in arguments.windows:
            length = length if length == "auto" else int(length)
            step = 10 if quick else 1
            figures[f"nab, {length}"] = compare_public(folder, seeds, length, step)
    if arguments.part in (None, "generated"):
        kinds, n_steps = (KINDS[:2], 1200) if quick else (KINDS, 4000)
        figures["generated"] = compare_generated(kinds, seeds, n_steps)
    if arguments.part in (None, "speed"):
        figures["speed"] = compare_speed(2_000 if quick else 100_000)
    write_json(arguments, figures)


if __name__ == "__main__":
    main()
