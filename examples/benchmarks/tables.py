"""Tables with missing cells: imputation and outlier detection, beside scikit-learn's.

Cells are hidden at random from complete, standardized tables: those of scikit-learn
and, if ``SKAE_DATA`` names a folder that has them, of ADBench, of 300 samples or more
and at most 60 features. Imputation: mean squared error of the hidden cells. Detection:
ROC AUC on test samples, a fifth of the cells hidden in training and test samples.
Default parameters, five seeds, at most 4,000 samples. With ``--quick``, one small table
and few epochs; with ``--seeds 1 --rates 0.2`` a part of it.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from _paired import make_parser, write_json
from sklearn import datasets
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer

MAX_SAMPLES = 4000


def tables(quick):
    """Yield names, samples and labels, 1 for an outlier, or None."""
    yield "breast_cancer", datasets.load_breast_cancer().data, None
    if quick:
        return
    yield "diabetes", datasets.load_diabetes().data, None
    folder = Path(os.environ.get("SKAE_DATA", ".")) / "adbench"
    if not folder.is_dir():
        print(f"{folder} does not exist: ADBench's tables are left out")
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=True) as file:
            X, y = file["X"].astype(float), file["y"].ravel()
        if len(X) >= 300 and X.shape[1] <= 60:
            yield path.stem, X, y


def sample(X, y, rate, seed):
    """Standardize some samples; return them, labels, and which cells are hidden."""
    rng = np.random.RandomState(seed)
    rows = rng.permutation(len(X))[:MAX_SAMPLES]
    X = X[rows]
    X = StandardScaler().fit_transform(X[:, X.std(axis=0) > 0])
    return X, None if y is None else y[rows], rng.uniform(size=X.shape) < rate


def imputation_errors(X, hidden, seed, epochs):
    imputers = {
        "mean": SimpleImputer(),
        "KNNImputer": KNNImputer(),
        "IterativeImputer": IterativeImputer(random_state=seed),
    }
    incomplete = np.where(hidden, np.nan, X)
    imputed = {
        name: imputer.fit_transform(incomplete) for name, imputer in imputers.items()
    }
    transformer = AutoencoderTransformer(random_state=seed, epochs=epochs)
    imputed["skae"] = transformer.fit(incomplete).impute(incomplete)
    return {
        name: float(np.square(values - X)[hidden].mean())
        for name, values in imputed.items()
    }


def detection(X, y, hidden, seed):
    def detector():
        return AutoencoderOutlierDetector(random_state=seed)

    incomplete = np.where(hidden, np.nan, X)
    half = len(X) // 2
    cases = {
        "complete": (detector(), X),
        "skae": (detector(), incomplete),
        "IterativeImputer, skae": (
            make_pipeline(IterativeImputer(random_state=seed), detector()),
            incomplete,
        ),
        "mean, skae": (make_pipeline(SimpleImputer(), detector()), incomplete),
        "IsolationForest": (IsolationForest(random_state=seed), incomplete),
    }
    return {
        name: float(
            roc_auc_score(
                y[half:] == 0, estimator.fit(data[:half]).score_samples(data[half:])
            )
        )
        for name, (estimator, data) in cases.items()
    }


def means(records):
    """Return the means over seeds, by name."""
    return {name: float(np.mean([r[name] for r in records])) for name in records[0]}


def show(name, values):
    print(f"{name:22}", *(f"{key} {value:.3f}" for key, value in values.items()))


def compare_imputation(arguments):
    figures = {}
    for rate in arguments.rates:
        print(f"\nImputation, {rate:.0%} hidden: squared error")
        found = {}
        for name, X, y in tables(arguments.quick):
            records = []
            for seed in range(arguments.seeds):
                X_seed, _, hidden = sample(X, y, rate, seed)
                epochs = 5 if arguments.quick else "auto"
                records.append(imputation_errors(X_seed, hidden, seed, epochs))
            found[name] = means(records)
            show(name, found[name])
        for peer in ("mean", "KNNImputer", "IterativeImputer"):
            won = sum(errors["skae"] < errors[peer] for errors in found.values())
            print(f"skae below {peer}: {won} of {len(found)} tables")
        show("mean over tables", means(list(found.values())))
        figures[str(rate)] = found
    return figures


def compare_detection(arguments):
    print("\nOutliers, 20% hidden: ROC AUC")
    found = {}
    for name, X, y in tables(arguments.quick):
        if y is None:
            continue
        records = []
        for seed in range(arguments.seeds):
            X_seed, y_seed, hidden = sample(X, y, 0.2, seed)
            if 0 < y_seed[len(y_seed) // 2 :].sum() < len(y_seed) // 2:
                records.append(detection(X_seed, y_seed, hidden, seed))
        if records:
            found[name] = means(records)
            show(name, found[name])
    if found:
        show("mean over tables", means(list(found.values())))
    return found


if __name__ == "__main__":
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="*", default=[0.1, 0.2, 0.4])
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.rates = 1, [0.2]
    warnings.simplefilter("ignore", ConvergenceWarning)
    figures = {"imputation": compare_imputation(arguments)}
    figures["detection"] = compare_detection(arguments)
    write_json(arguments, figures)
