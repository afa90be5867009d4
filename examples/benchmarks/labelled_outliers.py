"""Outlier detection with a few labels on ADBench's classical sets, beside peers.

Of each set at most 5,000 samples are drawn, with at least 30 outliers where there are
as many. Some of the outliers, at least 3, are labelled; all other samples count as
unknown. Detectors are fitted on all samples, contaminated as they are, and tested on
those without a label.

The method was chosen on every second set in alphabetical order, by 5 % labels, so that
the other half gives an unbiased estimate. ``--shares 0.01 0.1 0.5`` measures the curve.
``--no-peers`` leaves out XGBOD of PyOD, which needs xgboost, and DevNet, which needs
torch. DevNet (G. Pang, C. Shen and A. van den Hengel, "Deep anomaly detection with
deviation networks", KDD 2019) is written out here, with the settings of its paper: in
that of PyOD 3.6.7 the loss broadcasts labels against scores, so that it learns
nothing.

The data sets are read from the folder adbench in the folder named by SKAE_DATA: the npz
files of https://github.com/Minqi824/ADBench (adbench/datasets/Classical).
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from _paired import make_parser, write_json
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs

hide_tensorflow_logs()

MAX_SAMPLES, MIN_OUTLIERS, MIN_LABELLED = 5_000, 30, 3
# Of 1,555 columns, nearly all 0 or 1. It is left out of most means that are published.
APART = "17_InternetAds"
# Repeats of the bootstrap over data sets.
N_BOOTSTRAP = 2_000


def load(path, seed):
    """Read samples and whether they are outliers; draw some of them if many."""
    with np.load(path) as data:
        X, y = data["X"].astype(float), data["y"].astype(int)
    if len(X) <= MAX_SAMPLES:
        return X, y
    rng = np.random.RandomState(seed)
    outliers, normal = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    n_outliers = round(MAX_SAMPLES * len(outliers) / len(X))
    n_outliers = min(len(outliers), max(MIN_OUTLIERS, n_outliers))
    drawn = [
        rng.choice(outliers, n_outliers, replace=False),
        rng.choice(normal, MAX_SAMPLES - n_outliers, replace=False),
    ]
    rows = np.sort(np.concatenate(drawn))
    return X[rows], y[rows]


def label(y, share, seed):
    """Label some of the outliers by -1, all other samples by 0."""
    outliers = np.random.RandomState(1000 + seed).permutation(np.flatnonzero(y == 1))
    labels = np.zeros(len(y), int)
    labels[outliers[: max(MIN_LABELLED, round(share * len(outliers)))]] = -1
    return labels


def without_labels(X, labels, seed):
    detector = AutoencoderOutlierDetector(random_state=seed)
    return -detector.fit(X).score_samples(X)


def with_labels(X, labels, seed):
    detector = AutoencoderOutlierDetector(use_labels=True, random_state=seed)
    return -detector.fit(X, labels).score_samples(X)


def boosting(X, labels, seed):
    model = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
    return model.fit(X, labels == -1).decision_function(X)


def xgbod(X, labels, seed):
    model = XGBOD(random_state=seed, n_jobs=1)
    return model.fit(X, (labels == -1).astype(int)).decision_function(X)


def devnet(X, labels, seed):
    """Train 50 epochs of 20 batches, half of each of which are labelled outliers."""
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 20), torch.nn.ReLU(), torch.nn.Linear(20, 1)
    )
    # RMSprop, written out: the compiler that torch.optim loads crashes beside Keras.
    weights = list(model.parameters())
    squares = [torch.zeros_like(weight) for weight in weights]
    X = torch.tensor(X, dtype=torch.float32)
    unknown, outliers = np.flatnonzero(labels == 0), np.flatnonzero(labels == -1)
    for _ in range(50 * 20):
        rows = np.concatenate([rng.choice(unknown, 256), rng.choice(outliers, 256)])
        reference = torch.randn(5000)
        deviations = (model(X[rows])[:, 0] - reference.mean()) / reference.std()
        normal, anomalous = deviations.split(256)
        loss = normal.abs().mean() + (5 - anomalous).clamp(min=0).mean()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, square, gradient in zip(
                weights, squares, gradients, strict=True
            ):
                step = gradient + 0.01 * weight
                square.mul_(0.99).add_(0.01 * step**2)
                weight -= 1e-3 * step / (square.sqrt() + 1e-8)
    with torch.no_grad():
        return model(X)[:, 0].numpy()


def measure(detect, X, y, labels, seed):
    """ROC AUC x 100, average precision x 100, and seconds to fit and score."""
    start = time.perf_counter()
    scores = detect(X, labels, seed)
    seconds = time.perf_counter() - start
    test = labels == 0
    auc = roc_auc_score(y[test], scores[test])
    precision = average_precision_score(y[test], scores[test])
    return 100 * auc, 100 * precision, seconds


def report(results, names, title):
    """Print and return means, and the gains over the detector without labels."""
    print(f"\n{title} ({len(names)} sets)")
    print(
        f"  {'':24} ROC AUC +- seeds  aver. precision  seconds   gain in ROC AUC: "
        "mean [95 %]  median  worst  won/lost   in average precision"
    )
    figures = {}
    plain = np.array([results["skae without labels"][name] for name in names])
    resampled = np.random.RandomState(0).choice(len(names), (N_BOOTSTRAP, len(names)))
    for detector, by_set in results.items():
        values = np.array([by_set[name] for name in names])  # sets, seeds, measures
        auc, precision, seconds = values.mean(axis=(0, 1))
        spread = values[..., 0].mean(axis=0).std()
        gains = (values - plain).mean(axis=1)
        low, high = np.percentile(gains[resampled, 0].mean(axis=1), [2.5, 97.5])
        won, lost = (gains[:, 0] > 0.5).sum(), (gains[:, 0] < -0.5).sum()
        figures[detector] = {
            "roc_auc": auc,
            "spread": spread,
            "average_precision": precision,
            "seconds": seconds,
            "gain_roc_auc": gains[:, 0].mean(),
            "interval": [low, high],
            "median_gain": np.median(gains[:, 0]),
            "worst_gain": gains[:, 0].min(),
            "gain_average_precision": gains[:, 1].mean(),
        }
        print(
            f"  {detector:24} {auc:7.2f} {spread:8.2f} {precision:16.2f} {seconds:8.2f}"
            f"   {gains[:, 0].mean():+22.2f} [{low:+.2f}, {high:+.2f}]"
            f" {np.median(gains[:, 0]):+7.2f} {gains[:, 0].min():+6.2f}"
            f"  {won:3}/{lost:<3} {gains[:, 1].mean():+17.2f}"
        )
    return {"title": title, "sets": names, "figures": figures}


parser = make_parser(__doc__)
parser.add_argument("--shares", nargs="+", type=float, default=[0.05])
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--no-peers", action="store_true")
arguments = parser.parse_args()
folder = Path(os.environ.get("SKAE_DATA", "../shared/data")) / "adbench"
paths = {path.stem: path for path in folder.glob("*.npz") if path.stem != APART}
names = sorted(paths, key=lambda name: name.split("_", 1)[1].lower())
if not names:
    print(
        f"Nothing measured: {folder} does not hold any set. Set SKAE_DATA to a folder "
        "in which adbench/ holds ADBench's classical sets."
    )
    sys.exit()
seeds = range(arguments.seeds)
if arguments.quick:
    names, seeds = [name for name in names if name in ("14_glass", "45_wine")], range(1)
detectors = {
    "skae without labels": without_labels,
    "skae with labels": with_labels,
    "HistGradientBoosting": boosting,
}
if not arguments.no_peers:
    try:
        from pyod.models.xgbod import XGBOD

        detectors["PyOD XGBOD"] = xgbod
    except ImportError:
        print("PyOD or xgboost is not installed: XGBOD is left out.")
    try:
        import torch

        detectors["DevNet"] = devnet
    except ImportError:
        print("torch is not installed: DevNet is left out.")
warnings.simplefilter("ignore")

tables, all_results = [], {}
for share in arguments.shares:
    results = {detector: {name: [] for name in names} for detector in detectors}
    for name in names:
        for seed in seeds:
            X, y = load(paths[name], seed)
            labels = label(y, share, seed)
            squash = FunctionTransformer(np.arcsinh)
            scaler = make_pipeline(StandardScaler(), squash, StandardScaler())
            X = scaler.fit_transform(X)
            for detector, detect in detectors.items():
                figures = measure(detect, X, y, labels, seed)
                results[detector][name].append(figures)
        line = "  ".join(
            "{} {:.1f}/{:.1f}".format(detector, *np.mean(by_set[name], axis=0)[:2])
            for detector, by_set in results.items()
        )
        print(f"{share:.0%} {name:18} {line}", flush=True)
    title = f"{share:.0%} of the outliers labelled, "
    tables.append(report(results, names, title + "all sets"))
    if len(names) > 2:
        tables.append(report(results, names[::2], title + "the half chosen on"))
        tables.append(report(results, names[1::2], title + "the half not looked at"))
    all_results[str(share)] = results
write_json(arguments, {"tables": tables, "results": all_results})
