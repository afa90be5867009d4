"""Whether explanations name the wrong cell first, beside peers, and what they cost.

A detector is fitted on 70 % of a table without changes. In 200 samples of the others,
none of which it predicts as an outlier, one cell is changed each: a number beyond the
range of its column; a number within it, more than 2 standard deviations away; or a
category exchanged for another one. Of the samples that the detector then predicts as
outliers, the share is printed whose changed column has the largest contribution, by
kind of change, over all seeds.

Methods: ``explain``; the largest absolute residual of the same detector; SHAP's
TreeExplainer on an IsolationForest of ordinal codes, with samples that are not
predicted as outliers before and are afterwards by that forest; and with ``--kernel N``
KernelSHAP of the same detector on N samples of each table of numbers, of which the
seconds per sample are printed. The latter two need shap (``pip install shap``).

Tables: those bundled with scikit-learn, and the CSV files in the folder ``tables`` of
the folder that ``SKAE_DATA`` names, at most 2,000 samples of each, and the inliers of
some sets in its folder ``adbench``. With ``--quick``, wine and a generated table with
categories, one seed, few epochs.
"""

import os
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import make_parser, write_json
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OrdinalEncoder

from skae import AutoencoderOutlierDetector
from skae.preprocessing import TableScaler

MAX_SAMPLES, N_CHANGED = 2000, 200
KINDS = ("beyond", "within", "category")
BUNDLED = {
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "iris": load_iris,
}
ADBENCH = ("6_cardio", "28_pendigits", "30_satellite", "38_thyroid", "25_musk")


def generated():
    """Return a table in which a hidden number determines most of each sample."""
    rng = np.random.RandomState(0)
    z = rng.normal(size=400)
    return pd.DataFrame(
        {
            "size": z + 0.1 * rng.normal(size=400),
            "weight": 10 + 3 * z + 0.3 * rng.normal(size=400),
            "level": np.digitize(z, [-1, 0, 1]).astype(str),
            "is_big": np.where(z > 0.5, "yes", "no"),
            "kind": np.where(z > -0.5, "a", "b"),
        }
    )


def tables(quick):
    """Yield names and tables."""
    if quick:
        yield "wine", load_wine(as_frame=True).data
        yield "generated", generated()
        return
    for name, load in BUNDLED.items():
        yield name, load(as_frame=True).data
    folder = Path(os.environ.get("SKAE_DATA", "."))
    for path in sorted((folder / "tables").glob("*.csv")):
        yield path.stem, pd.read_csv(path)
    for name in ADBENCH:
        path = folder / "adbench" / f"{name}.npz"
        if path.exists():
            with np.load(path) as file:
                X = file["X"][file["y"] == 0]
            yield name, pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def sample(table, seed):
    """Draw samples, and drop constant columns; booleans become strings."""
    table = table.sample(min(len(table), MAX_SAMPLES), random_state=seed)
    table = table.loc[:, table.nunique() > 1].reset_index(drop=True)
    return table.astype({c: str for c in table if table[c].dtype == bool})


def changed_cell(kind, column, old, rng):
    """Return another value for a cell, None if there is none."""
    observed = column.dropna()
    if kind == "category":
        others = observed[observed != old].unique()
        return rng.choice(others) if len(others) else None
    low, high = observed.min(), observed.max()
    if kind == "beyond":
        distance = rng.uniform(0.1, 1) * (high - low)
        return high + distance if rng.uniform() < 0.5 else low - distance
    far = observed[np.abs(observed - old) > 2 * observed.std()]
    return rng.choice(far) if len(far) else None


def change(table, train, seed):
    """Change a cell of some samples; return them, which column, which kind."""
    rng = np.random.RandomState(seed)
    numbers = list(table.select_dtypes("number"))
    categories = [name for name in table if name not in numbers]
    kinds = [k for k in KINDS if (categories if k == "category" else numbers)]
    rows = table.iloc[rng.randint(len(table), size=N_CHANGED)].reset_index(drop=True)
    rows = rows.astype(dict.fromkeys(numbers, float))
    column, kind = np.full(N_CHANGED, -1), np.resize(kinds, N_CHANGED)
    for i in range(N_CHANGED):
        name = rng.choice(categories if kind[i] == "category" else numbers)
        new = changed_cell(kind[i], train[name], rows.at[i, name], rng)
        if new is not None:
            rows.at[i, name] = new
            column[i] = list(rows).index(name)
    made = column >= 0
    return rows[made].reset_index(drop=True), column[made], kind[made]


def residuals(detector, X):
    """Return absolute residuals; 1 of a category that is not reconstructed."""
    X_hat, found = detector.reconstruct(X), np.zeros(X.shape)
    X_hat = pd.DataFrame(X_hat, columns=list(X))
    for j, name in enumerate(X):
        if pd.api.types.is_numeric_dtype(X[name]):
            found[:, j] = np.abs(X[name] - X_hat[name].to_numpy()).fillna(0)
        else:
            found[:, j] = X[name].to_numpy() != X_hat[name].to_numpy()
    return found


def by_autoencoder(train, test, seed, epochs, figures):
    scaler = TableScaler().fit(train)
    detector = AutoencoderOutlierDetector(epochs=epochs, random_state=seed)
    detector.fit(scaler.transform(train))
    normal = test[detector.predict(scaler.transform(test)) == 1]
    rows, column, kind = change(normal, train, seed)
    X = scaler.transform(rows)
    start = time.perf_counter()
    contributions = np.asarray(detector.explain(X))
    figures["explain"].append((time.perf_counter() - start) / len(X))
    flagged = detector.predict(X) == -1
    firsts = {"explain": contributions.argmax(axis=1)}
    firsts["residual"] = residuals(detector, X).argmax(axis=1)
    found = {m: (first == column, flagged, kind) for m, first in firsts.items()}
    return detector, scaler.transform(train), X[flagged], column[flagged], found


def by_forest(train, test, seed, figures):
    import shap

    categories = [c for c in train if not pd.api.types.is_numeric_dtype(train[c])]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
    ).fit(train[categories].astype(object))

    def encode(table):
        numbers = table.drop(columns=categories).fillna(train.median(numeric_only=True))
        codes = encoder.transform(table[categories].astype(object))
        return pd.concat(
            [numbers, pd.DataFrame(codes, table.index, categories)], axis=1
        )[list(table)].to_numpy(float)

    if not categories:

        def encode(table):
            return table.fillna(train.median()).to_numpy(float)

    forest = IsolationForest(random_state=seed).fit(encode(train))
    rows, column, kind = change(test[forest.predict(encode(test)) == 1], train, seed)
    X = encode(rows)
    start = time.perf_counter()
    # Low values are outliers.
    values = -shap.TreeExplainer(forest).shap_values(X)
    figures["SHAP, IsolationForest"].append((time.perf_counter() - start) / len(X))
    return values.argmax(axis=1) == column, forest.predict(X) == -1, kind


def by_kernel(detector, train, X, column, n_samples, figures):
    import shap

    background = shap.kmeans(train.to_numpy(float), 20)
    names = list(train)

    def anomaly(values):
        return -detector.score_samples(pd.DataFrame(values, columns=names))

    explainer = shap.KernelExplainer(anomaly, background)
    X, column = X[:n_samples].to_numpy(float), column[:n_samples]
    start = time.perf_counter()
    values = explainer.shap_values(X, silent=True)
    figures["KernelSHAP"].append((time.perf_counter() - start) / len(X))
    return (values.argmax(axis=1) == column).sum(), len(X)


def has_shap():
    try:
        import shap  # noqa: F401
    except ImportError:
        return False
    return True


def show(name, found):
    for kind in KINDS:
        parts = []
        for method, by_kind in found.items():
            right, flagged, total = by_kind[kind]
            if flagged:
                parts.append(f"{method} {right / flagged:.3f} of {flagged}/{total}")
        if parts:
            print(f"{name:26} {kind:9}", "  ".join(parts), flush=True)


def main():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kernel", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)
    seeds, epochs = (1, 2) if arguments.quick else (arguments.seeds, "auto")
    with_shap = has_shap()
    if not with_shap:
        print("shap is not installed: without SHAP")
    total = defaultdict(lambda: defaultdict(lambda: np.zeros(3, int)))
    seconds, kernel = defaultdict(list), np.zeros(2, int)
    json = {}
    for name, table in tables(arguments.quick):
        own = defaultdict(lambda: defaultdict(lambda: np.zeros(3, int)))
        for seed in range(seeds):
            drawn = sample(table, seed)
            train, test = train_test_split(drawn, test_size=0.3, random_state=seed)
            detector, X_train, X, column, found = by_autoencoder(
                train, test, seed, epochs, seconds
            )
            if with_shap:
                found["SHAP, IsolationForest"] = by_forest(train, test, seed, seconds)
                numbers = X.shape[1] == len(list(X.select_dtypes("number")))
                if (
                    arguments.kernel
                    and numbers
                    and seed == 0
                    and not X.isna().to_numpy().any()
                ):
                    kernel += by_kernel(
                        detector, X_train, X, column, arguments.kernel, seconds
                    )
            for method, (right, flagged, kind) in found.items():
                for k in KINDS:
                    of_kind = kind == k
                    counts = [right & flagged & of_kind, flagged & of_kind, of_kind]
                    own[method][k] += [c.sum() for c in counts]
                    total[method][k] += [c.sum() for c in counts]
        show(name, own)
        json[name] = {m: {k: v.tolist() for k, v in d.items()} for m, d in own.items()}
    print()
    show("all", total)
    for method, by_kind in total.items():
        right, flagged, _ = sum(by_kind.values())
        print(f"{method}: {right} of {flagged} flagged, {right / max(flagged, 1):.4f}")
    if kernel[1]:
        print(f"KernelSHAP: {kernel[0]} of {kernel[1]}")
    for method, times in seconds.items():
        print(f"{method}: {1e3 * np.median(times):.3g} ms per sample, median of tables")
    write_json(arguments, json)


if __name__ == "__main__":
    main()
