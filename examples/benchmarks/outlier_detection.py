"""Outlier detection on the classical data sets of ADBench, compared with peers.

"semi": fitted on a random half of the inliers, tested on the other samples. "unsup":
fitted and tested on all samples. At most 3,000 samples are used for fitting. The
defaults are the same for all data sets. They were chosen on 12 of the 36 tables, so
that 24 give an unbiased estimate. Each detector is run with StandardScaler alone and
with arcsinh between two scalers. The gain of skae over each peer with the same scaling
is reported, too: its median, sets won and lost, and its mean with a bootstrap interval
over sets, also for those with fewer than 1,000 samples and for the others.

``--cache FOLDER`` keeps the results of each set and seed, and a later run reads them.

``--embeddings`` uses features of images and texts by pretrained networks. ``--images``
uses images: 10,000 digits of MNIST against as many clothes of Fashion-MNIST, and each
class of Fashion-MNIST against the other nine.

The data sets are read from the folder adbench in the folder named by SKAE_DATA: the npz
files of https://github.com/Minqi824/ADBench (adbench/datasets/Classical), and of
embeddings in its folder embeddings.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from _paired import load_images, make_parser, write_json
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae._outliers._scores import draw_samples, make_score
from skae.metrics import reconstruction_error

try:
    from pyod.models.auto_encoder import AutoEncoder
except ImportError:
    AutoEncoder = None

hide_tensorflow_logs()

# Every other one of the 24 sets that there were first, in the order of their numbers.
CHOSEN_ON = [
    "2_annthyroid",
    "7_Cardiotocography",
    "18_Ionosphere",
    "21_Lymphography",
    "24_mnist",
    "27_PageBlocks",
    "29_Pima",
    "32_shuttle",
    "34_smtp",
    "39_vertebral",
    "42_WBC",
    "45_wine",
]
# Of 1,555 columns, nearly all 0 or 1. It is left out of most means that are published.
APART = ["17_InternetAds"]
MAX_TRAIN = 3000
# Sets with fewer samples are reported apart, too.
FEW_SAMPLES = 1000
N_BOOTSTRAP = 10_000


class PCADetector(OutlierMixin, BaseEstimator):
    """The detector with two PCAs in place of its networks."""

    def fit(self, X, y=None):
        self.members_ = []
        shares = np.cumsum(PCA().fit(X).explained_variance_ratio_)
        for share in (0.5, 0.9):
            n_components = min(np.searchsorted(shares, share) + 1, X.shape[1])
            pca = PCA(n_components).fit(X)
            drawn = X[draw_samples(*X.shape, 0)]
            score = make_score("fused").fit(*self._triple(pca, drawn))
            self.members_.append((pca, score))
        return self

    def score_samples(self, X):
        anomalies = [s.anomaly(*self._triple(pca, X)) for pca, s in self.members_]
        return -np.mean(anomalies, axis=0)

    @staticmethod
    def _triple(pca, X):
        Z = pca.transform(X)
        return X, pca.inverse_transform(Z), Z


class PCAError(OutlierMixin, BaseEstimator):
    """Squared error of a PCA that keeps 90 % of the variance."""

    def fit(self, X, y=None):
        self.pca_ = PCA(0.9).fit(X)
        return self

    def score_samples(self, X):
        X_back = self.pca_.inverse_transform(self.pca_.transform(X))
        return -reconstruction_error(X, X_back)


class NeighborsDetector(OutlierMixin, BaseEstimator):
    """Distance to the fifth neighbour, without the sample itself."""

    def fit(self, X, y=None):
        self.index_ = NearestNeighbors(n_neighbors=6).fit(X)
        return self

    def score_samples(self, X):
        distances, _ = self.index_.kneighbors(X)
        return -np.where(distances[:, 0] < 1e-6, distances[:, 5], distances[:, 4])


class MahalanobisDetector(OutlierMixin, LedoitWolf):
    """Distance from the mean in a shrunk covariance."""

    def score_samples(self, X):
        return -self.mahalanobis(X)


class PyODDetector(OutlierMixin, BaseEstimator):
    """PyOD's AutoEncoder with its defaults, which standardizes by itself."""

    def __init__(self, random_state):
        self.random_state = random_state

    def fit(self, X, y=None):
        self.model_ = AutoEncoder(random_state=self.random_state, verbose=0).fit(X)
        return self

    def score_samples(self, X):
        return -self.model_.decision_function(X)


def squashed(detector):
    """Put scalers before a detector, with arcsinh for heavy tails."""
    squash = FunctionTransformer(np.arcsinh)
    return make_pipeline(StandardScaler(), squash, StandardScaler(), detector)


def scaled(detector):
    return make_pipeline(StandardScaler(), detector)


SCALINGS = {"StandardScaler": scaled, "arcsinh": squashed}
DETECTORS = {
    "skae": lambda seed: AutoencoderOutlierDetector(random_state=seed),
    "PCA with skae's scores": lambda seed: PCADetector(),
    "PyOD AutoEncoder": PyODDetector,
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
    "5 nearest neighbours": lambda seed: NeighborsDetector(),
    "Mahalanobis, Ledoit-Wolf": lambda seed: MahalanobisDetector(),
}


def split(y, setting, seed):
    """Choose the indices of training and test samples."""
    rng = np.random.RandomState(seed)
    if setting == "unsup":
        return rng.permutation(len(y))[:MAX_TRAIN], np.arange(len(y))
    normal = rng.permutation(np.flatnonzero(y == 0))
    half = len(normal) // 2
    test = np.r_[normal[half:], np.flatnonzero(y == 1)]
    return normal[:half][:MAX_TRAIN], test


def measure(detector, X, y, train, test):
    """ROC AUC x 100, average precision x 100, and seconds to fit and score."""
    start = time.perf_counter()
    scores = detector.fit(X[train]).score_samples(X[test])
    seconds = time.perf_counter() - start
    auc = roc_auc_score(y[test], -scores)
    precision = average_precision_score(y[test], -scores)
    return 100 * auc, 100 * precision, seconds


def compare(X, y, setting, seed):
    """Measure each detector with each scaling: {"detector, scaling": measures}."""
    rows = split(y, setting, seed)
    return {
        f"{detector}, {scaling}": measure(scale(make(seed)), X, y, *rows)
        for scaling, scale in SCALINGS.items()
        for detector, make in DETECTORS.items()
    }


def compare_on_set(path, seed, cache):
    """Results of one set and seed: {setting: {"detector, scaling": measures}}."""
    kept = cache and Path(cache) / f"{path.stem}-{seed}.json"
    if kept and kept.exists():
        return json.loads(kept.read_text())
    with np.load(path) as data:
        X, y = data["X"].astype(float), data["y"]
    found = {setting: compare(X, y, setting, seed) for setting in ("semi", "unsup")}
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return found


def report(results, names, setting, title):
    """Print and return each detector's means over some sets, and its spread."""
    print(f"\n{setting}, {title} ({len(names)} sets)")
    print(f"  {'':40}  ROC AUC  +- seeds  aver. precision  seconds")
    means = {}
    for detector, by_set in results[setting].items():
        values = np.array([by_set[name] for name in names])  # sets, seeds, measures
        auc, precision, seconds = values.mean(axis=(0, 1))
        spread = values[..., 0].mean(axis=0).std()
        means[detector] = {
            "roc_auc": auc,
            "spread": spread,
            "average_precision": precision,
            "seconds": seconds,
        }
        print(
            f"  {detector:40} {auc:8.2f} {spread:9.2f} {precision:16.2f} {seconds:8.2f}"
        )
    return {"setting": setting, "title": title, "sets": names, "means": means}


def report_gains(results, names, setting, title):
    """Print and return the gains of skae over peers as scaled, over some sets."""
    print(f"\n{setting}, {title} ({len(names)} sets): gain of skae, x 100")
    print(f"  {'':40}  measure  median   mean  interval of mean  won  lost")
    rng = np.random.RandomState(0)
    by_detector, gains = results[setting], []
    for peer, by_set in by_detector.items():
        own = by_detector[f"skae, {peer.rsplit(', ')[-1]}"]
        if peer == "skae, StandardScaler":
            own = by_detector["skae, arcsinh"]
        elif by_set is own:
            continue
        # Means over seeds, of ROC AUC and average precision.
        differences = np.array(
            [
                np.mean(own[n], axis=0)[:2] - np.mean(by_set[n], axis=0)[:2]
                for n in names
            ]
        )
        for measure, gain in zip(("ROC AUC", "AP"), differences.T, strict=True):
            drawn = rng.randint(len(gain), size=(N_BOOTSTRAP, len(gain)))
            low, high = np.percentile(gain[drawn].mean(axis=1), [2.5, 97.5])
            won, lost = int((gain > 0.05).sum()), int((gain < -0.05).sum())
            print(
                f"  {peer:40}  {measure:7} {np.median(gain):7.2f} {gain.mean():6.2f}"
                f"  [{low:6.2f}, {high:6.2f}] {won:4} {lost:5}"
            )
            gains.append(
                {"peer": peer, "measure": measure, "gains": gain.tolist()}
                | {"interval": [low, high]}
            )
    return {"setting": setting, "title": title, "sets": names, "gains": gains}


IMAGE_DETECTORS = {
    "skae": lambda: AutoencoderOutlierDetector(random_state=0),
    "skae, plain error": lambda: AutoencoderOutlierDetector(
        outlier_score="reconstruction", random_state=0
    ),
    "PCA with skae's scores": PCADetector,
    "PCA, plain error": PCAError,
    "IsolationForest": lambda: IsolationForest(random_state=0),
}


def image_splits():
    """Name, training images, test images and labels of each task."""
    (digits, _), (new_digits, _) = load_images("mnist")
    (clothes, kinds), (new_clothes, new_kinds) = load_images("fashion_mnist")
    X_test = np.concatenate([new_digits, new_clothes])
    yield "digits", digits[:10_000], X_test, np.repeat([0, 1], 10_000)
    for k in range(10):
        yield f"clothes {k}", clothes[kinds == k], new_clothes, new_kinds != k


def compare_images():
    """ROC AUC x 100 of each detector on each task."""
    figures = []
    for task, X, X_test, y_test in image_splits():
        figures.append({"task": task})
        for detector, make in IMAGE_DETECTORS.items():
            scores = make().fit(X).score_samples(X_test)
            figures[-1][detector] = 100 * roc_auc_score(y_test, -scores)
        line = "  ".join(f"{name} {figures[-1][name]:.2f}" for name in IMAGE_DETECTORS)
        print(f"{task:10} {line}", flush=True)
    for name in IMAGE_DETECTORS:
        mean = np.mean([f[name] for f in figures[1:]])
        print(f"mean over classes of clothes: {name} {mean:.2f}")
    return figures


images, embeddings = "--images" in sys.argv, "--embeddings" in sys.argv
sys.argv = [a for a in sys.argv if a not in ("--images", "--embeddings")]
parser = make_parser(__doc__)
parser.add_argument("--cache", metavar="FOLDER", help="keep results there, and resume")
arguments = parser.parse_args()
if images:
    write_json(arguments, compare_images())
    sys.exit()
folder = Path(os.environ.get("SKAE_DATA", "../shared/data")) / "adbench"
if embeddings:
    folder = folder / "embeddings"
names = sorted(path.stem for path in folder.glob("*.npz"))
seeds = range(3)
if arguments.quick:
    names = [name for name in names if name in ("14_glass", "45_wine")]
    seeds = range(1)
if not names:
    print(
        f"Nothing measured: {folder} does not hold data sets of ADBench. Set SKAE_DATA "
        "to a folder in which adbench/ holds them."
    )
    sys.exit()
warnings.simplefilter("ignore")
if AutoEncoder is None:
    del DETECTORS["PyOD AutoEncoder"]
    print("PyOD is not installed, so its AutoEncoder is left out.")

results = {"semi": {}, "unsup": {}}
sizes = {}
for seed in seeds:
    for name in names:
        path = folder / f"{name}.npz"
        for setting, found in compare_on_set(path, seed, arguments.cache).items():
            for detector, measures in found.items():
                by_set = results[setting].setdefault(detector, {})
                by_set.setdefault(name, []).append(measures)
            line = "  ".join(f"{d} {found[d][0]:.1f}" for d in found)
            print(f"{setting:6} {name:18} {line}", flush=True)
        with np.load(path) as data:
            sizes[name] = len(data["y"])

in_means = [name for name in names if name not in APART]
groups = {
    "all but InternetAds": in_means,
    "not chosen on": [name for name in in_means if name not in CHOSEN_ON],
    "fewer than 1,000 samples": [n for n in in_means if sizes[n] < FEW_SAMPLES],
    "1,000 samples or more": [n for n in in_means if sizes[n] >= FEW_SAMPLES],
}
groups = {title: group for title, group in groups.items() if group}
tables = [
    write(results, group, setting, title)
    for setting in results
    for title, group in groups.items()
    for write in (report, report_gains)
]
write_json(arguments, {"tables": tables, "results": results})
