"""Decisions with a promise: p-values, selections and tests of drift, measured.

P-values of folds: share of new normal samples whose p-value after a fit with
``calibration=5`` is at most 0.05, 0.1 and 0.2, of fits on 40, 150 and 1,000 normal
samples. The largest share that p-values can have is the level rounded down to a
multiple of one over the number of samples plus one.

Selection: ``select_outliers(X, fdr=0.1)`` from up to 500 new samples of which 10 % are
outliers, with up to 1,000 calibration samples. Mean share of false ones among the
selected, and share of the outliers that are selected (power), beside the same procedure
on the scores of IsolationForest. 200 repetitions for each set: three fits of both, and
a new draw of calibration and test samples in each repetition.

Drift: how often `test_drift` has a p-value of at most 0.05, for batches of up to 300
normal samples as they are, and with one feature shifted by one standard deviation.

Default threshold: share of normal samples that ``contamination="auto"`` predicts as
outliers after a fit on half of them, at most 2,000: of those of the fit and of new
ones. On all sets of ADBench but InternetAds, with heavy tails shortened by arcsinh, and
on the tables of the folder tables, in which all samples count as normal.

The data sets are read from the folder adbench in the folder named by SKAE_DATA: the npz
files of https://github.com/Minqi824/ADBench (adbench/datasets/Classical); the table
adult, of which categories are one-hot encoded, from tables/adult.csv. With
``--quick``, or without them: generated data and scikit-learn's breast cancer data.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import parse_arguments, write_json
from scipy.stats import ks_2samp
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae._outliers._thresholds import conformal_pvalues, select_pvalues
from skae.preprocessing import TableScaler

hide_tensorflow_logs()

LEVELS = (0.05, 0.1, 0.2)
FDR = 0.1
OUTLIER_SHARE = 0.1
MAX_TRAIN, MAX_CALIBRATION, MAX_TEST, MAX_BATCH = 2000, 1000, 500, 300
SETS = [
    *("2_annthyroid", "6_cardio", "7_Cardiotocography", "20_letter"),
    *("23_mammography", "24_mnist", "26_optdigits", "28_pendigits"),
    *("30_satellite", "32_shuttle", "35_SpamBase", "41_Waveform"),
]
# With more than 1,300 normal samples.
FOLD_SETS = [
    *("6_cardio", "23_mammography", "24_mnist", "26_optdigits"),
    *("28_pendigits", "30_satellite", "35_SpamBase", "41_Waveform", "adult"),
]


def generated(n_samples=4000):
    """Return samples near a hyperplane, a tenth of them farther from it."""
    rng = np.random.RandomState(0)
    y = np.arange(n_samples) % 10 == 0
    X = rng.normal(size=(n_samples, 3)) @ rng.normal(size=(3, 10))
    noise = np.where(y, 2.0, 0.3)[:, np.newaxis]
    return X + noise * rng.normal(size=X.shape), y


def load(name):
    if name == "generated":
        return generated()
    if name == "breast cancer":
        X, y = load_breast_cancer(return_X_y=True)
        return X, y == 0
    if name == "adult":
        table = pd.read_csv(FOLDER.parent / "tables" / "adult.csv", nrows=10_000)
        X = pd.get_dummies(table, dtype=float).to_numpy()
        return X, np.zeros(len(X), bool)
    with np.load(FOLDER / f"{name}.npz") as data:
        return data["X"].astype(float), data["y"] == 1


def mean_and_error(values):
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def measure_folds(names, sizes, n_repetitions):
    """Count false alarms of the p-values after a fit with folds."""
    figures = []
    for size in sizes:
        alarms = {name: [] for name in names}
        for name in names:
            X, is_outlier = load(name)
            # Scaled by all samples: what is measured is the detector alone.
            normal = StandardScaler().fit_transform(X[~is_outlier])
            for seed in range(n_repetitions[size]):
                drawn = np.random.RandomState(seed).permutation(len(normal))
                detector = AutoencoderOutlierDetector(calibration=5, random_state=seed)
                detector.fit(normal[drawn[:size]])
                pvalues = detector.predict_pvalue(normal[drawn[size : size + 300]])
                alarms[name].append([np.mean(pvalues <= a + 1e-9) for a in LEVELS])
        for i, level in enumerate(LEVELS):
            by_set = [np.mean(alarms[name], axis=0)[i] for name in names]
            all_alarms = np.concatenate([alarms[name] for name in names])[:, i]
            mean, error = mean_and_error(all_alarms)
            highest = np.floor(level * (size + 1) + 1e-9) / (size + 1)
            print(
                f"  {size:5} samples, level {level:.2f} (at most {highest:.4f}): "
                f"{mean:.4f} +- {error:.4f}, sets {min(by_set):.3f} to "
                f"{max(by_set):.3f}",
                flush=True,
            )
            figures.append(
                {"size": size, "level": level, "mean": mean, "error": error}
                | dict(zip(names, by_set, strict=True))
            )
    return figures


DETECTORS = {
    "skae": lambda seed: AutoencoderOutlierDetector(random_state=seed),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
}


def fit_and_score(X, is_outlier, seed):
    """Fit on half of the normal samples, and score all others by each detector.

    Normal samples with a shifted feature are scored, too.
    """
    rng = np.random.RandomState(seed)
    normal = rng.permutation(np.flatnonzero(~is_outlier))
    half = len(normal) // 2
    train = normal[:half][:MAX_TRAIN]
    new = normal[half:][: 2 * MAX_TRAIN]
    shifted = X[new].copy()
    feature = rng.randint(X.shape[1])
    shifted[:, feature] += X[train, feature].std()
    return {
        name: tuple(
            detector.score_samples(part) for part in (X[new], X[is_outlier], shifted)
        )
        for name, make in DETECTORS.items()
        for detector in [make_pipeline(StandardScaler(), make(seed)).fit(X[train])]
    }


def draw_and_select(scores, rng):
    """Draw calibration and test samples; return false shares and powers."""
    results = {}
    n_new, n_outliers = (len(part) for part in scores["skae"][:2])
    n_calibration = min(n_new // 2, MAX_CALIBRATION)
    n_false = min(n_new - n_calibration, round(MAX_TEST * (1 - OUTLIER_SHARE)))
    n_true = min(n_outliers, round(n_false * OUTLIER_SHARE / (1 - OUTLIER_SHARE)))
    new = rng.permutation(n_new)[: n_calibration + n_false]
    outliers = rng.permutation(n_outliers)[:n_true]
    for name, (of_new, of_outliers, of_shifted) in scores.items():
        calibration = of_new[new[:n_calibration]]
        test = new[n_calibration:]
        of_test = np.r_[of_new[test], of_outliers[outliers]]
        selected = select_pvalues(
            conformal_pvalues([(calibration, of_test)]),
            FDR,
            n_calibration=n_calibration,
        )
        n_selected, n_wrong = selected.sum(), selected[:n_false].sum()
        batch = test[:MAX_BATCH]
        results[name] = [
            n_wrong / max(n_selected, 1),
            selected[n_false:].mean(),
            ks_2samp(of_new[batch], calibration).pvalue <= 0.05,
            ks_2samp(of_shifted[batch], calibration).pvalue <= 0.05,
        ]
    return results


def measure_selection(names, seeds, n_repetitions):
    """Measure false shares and power of the selection, and the test of drift."""
    measures = ("false share", "power", "drift, none", "drift, shifted")
    figures = []
    for set_name in names:
        X, is_outlier = load(set_name)
        results = {name: [] for name in DETECTORS}
        for seed in seeds:
            scores = fit_and_score(X, is_outlier, seed)
            rng = np.random.RandomState(seed)
            for _ in range(-(-n_repetitions // len(seeds))):
                for name, values in draw_and_select(scores, rng).items():
                    results[name].append(values)
        figures.append({"set": set_name})
        for name, values in results.items():
            pairs = [mean_and_error(column) for column in np.transpose(values)]
            figures[-1][name] = dict(zip(measures, pairs, strict=True))
            line = ", ".join(
                f"{measure} {mean:.3f} +- {error:.3f}"
                for measure, (mean, error) in figures[-1][name].items()
            )
            print(f"  {set_name:18} {name:15} {line}", flush=True)
    for name in DETECTORS:
        means = [
            np.mean([row[name][measure][0] for row in figures]) for measure in measures
        ]
        line = ", ".join(
            f"{measure} {mean:.3f}"
            for measure, mean in zip(measures, means, strict=True)
        )
        print(f"  {'mean':18} {name:15} {line}")
    return figures


def shares_of_auto(X, seed):
    """Return shares of samples predicted as outliers: of the fit, and of new ones."""
    X = X.sample(frac=1, random_state=seed)
    half = len(X) // 2
    train, new = X[:half][:MAX_TRAIN], X[half:][: 2 * MAX_TRAIN]
    detector = make_pipeline(
        TableScaler("squash"), AutoencoderOutlierDetector(random_state=seed)
    ).fit(train)
    return [np.mean(detector.predict(part) == -1) for part in (train, new)]


def measure_auto(groups, seeds):
    """Measure the rate of false alarms of the default threshold."""
    figures = []
    for title, tables in groups.items():
        shares = np.array(
            [
                np.mean([shares_of_auto(X, seed) for seed in seeds], axis=0)
                for X in tables
            ]
        )
        for name, column in zip(("fitted on", "new"), shares.T, strict=True):
            low, high = np.quantile(column, [0.1, 0.9])
            print(
                f"  {title}, samples {name}: mean {column.mean():.3f}, median "
                f"{np.median(column):.3f}, 80 % of {len(column)} sets in {low:.3f} to "
                f"{high:.3f}",
                flush=True,
            )
        figures.append({"title": title, "shares": shares.tolist()})
    return figures


def normal_tables(quick):
    """Return normal samples as DataFrames, by what they are."""
    if quick:
        X, is_outlier = generated()
        return {"generated": [pd.DataFrame(X[~is_outlier])]}
    names = [path.stem for path in sorted(FOLDER.glob("*.npz"))]
    loaded = (load(name) for name in names if "InternetAds" not in name)
    tables = map(pd.read_csv, sorted((FOLDER.parent / "tables").glob("*.csv")))
    return {
        "ADBench": (pd.DataFrame(X[~is_outlier]) for X, is_outlier in loaded),
        "tables": (X.loc[:, X.notna().any()] for X in tables),
    }


arguments = parse_arguments(__doc__)
FOLDER = Path(os.environ.get("SKAE_DATA", "../shared/data")) / "adbench"
warnings.simplefilter("ignore")
quick = arguments.quick or not FOLDER.is_dir()
if quick:
    sets, fold_sets, seeds, n_selections = ["generated", "breast cancer"], [], (0,), 20
    n_fits = {40: 4, 150: 4}
else:
    sets, fold_sets, seeds, n_selections = SETS, FOLD_SETS, (0, 1, 2), 200
    n_fits = {40: 20, 150: 20, 1000: 5}
print("False alarms of p-values after a fit with calibration=5")
folds = measure_folds(["generated", *fold_sets], list(n_fits), n_fits)
print(f"\nselect(X, fdr={FDR}), and test_drift(X).pvalue <= 0.05")
selections = measure_selection(sets, seeds, n_selections)
print('\nPredicted as outliers by contamination="auto"')
autos = measure_auto(normal_tables(quick), seeds)
write_json(arguments, {"folds": folds, "selections": selections, "auto": autos})
