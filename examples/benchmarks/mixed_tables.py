"""Tables with categories, beside one-hot encoding and scaling by hand.

Reconstruction: 5 components, held-out samples; R² of the numbers, standardized, and the
mean accuracy of the columns of categories, by PCA and by skae of one-hot encoded
columns, and by skae of the table. Time of ``fit``: CPU seconds of the latter two.
Detection: in 5 % of the samples, one cell is exchanged with that of another sample; ROC
AUC of IsolationForest of ordinal codes, of skae of one-hot encoded columns and of the
table, and how often ``explain`` names the exchanged column first, as a multiple of
chance.

Tables: the CSV files in the folder ``tables`` of the folder that ``SKAE_DATA`` names,
at most 2,000 samples of each, or a generated one without them. Default parameters, five
seeds. With ``--quick``, the generated table and few epochs.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import make_parser, write_json
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.preprocessing import TableScaler

MAX_SAMPLES = 2000
N_COMPONENTS = 5


def generated():
    """Return a table in which a hidden number determines most of each sample."""
    rng = np.random.RandomState(0)
    z = rng.normal(size=400)
    return pd.DataFrame(
        {
            "size": z + 0.1 * rng.normal(size=400),
            "count": np.round(10 + 3 * z),
            "level": np.digitize(z, [-1, 0, 1]).astype(str),
            "is_big": np.where(z > 0.5, "yes", "no"),
            "noise": rng.choice(list("abc"), 400),
        }
    )


def tables(quick):
    """Yield names and tables."""
    folder = Path(os.environ.get("SKAE_DATA", ".")) / "tables"
    if quick or not folder.is_dir():
        yield "generated", generated()
        return
    for path in sorted(folder.glob("*.csv")):
        yield path.stem, pd.read_csv(path)


def sample(table, seed):
    """Draw samples; booleans become strings, for all methods."""
    table = table.sample(min(len(table), MAX_SAMPLES), random_state=seed)
    table = table.loc[:, table.notna().any()].reset_index(drop=True)
    return table.astype({c: str for c in table if table[c].dtype == bool})


def split_columns(table):
    numbers = list(table.select_dtypes("number"))
    return numbers, [name for name in table if name not in numbers]


class ByHand:
    """One-hot encoding, scaling and imputation of a table."""

    def __init__(self, table):
        self.numbers, self.categories = split_columns(table)
        impute = SimpleImputer(keep_empty_features=True)
        often = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        one_hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
        self.encoder = make_column_transformer(
            (make_pipeline(impute, StandardScaler()), self.numbers),
            (make_pipeline(often, one_hot), self.categories),
        ).fit(table)
        self.labels = one_hot_of(self.encoder).categories_ if self.categories else []

    def encode(self, table):
        return self.encoder.transform(table)

    def decode(self, X):
        """Return standardized numbers, and categories."""
        stop = len(self.numbers)
        categories = {}
        for name, labels in zip(self.categories, self.labels, strict=True):
            start, stop = stop, stop + len(labels)
            categories[name] = np.asarray(labels)[X[:, start:stop].argmax(axis=1)]
        return X[:, : len(self.numbers)], categories

    def standardize(self, table):
        if not self.numbers:
            return np.empty((len(table), 0))
        scaler = self.encoder.named_transformers_["pipeline-1"][-1]
        return (table[self.numbers].to_numpy(float) - scaler.mean_) / scaler.scale_


def one_hot_of(encoder):
    return encoder.named_transformers_["pipeline-2"][-1]


def quality(table, by_hand, numbers, categories):
    """Return R² of the observed numbers, and mean accuracy of observed categories."""
    true = by_hand.standardize(table)
    found = {}
    if by_hand.numbers:
        total = np.nansum(np.square(true - np.nanmean(true, axis=0)))
        found["R2"] = float(1 - np.nansum(np.square(true - numbers)) / total)
    if by_hand.categories:
        shares = []
        for name in by_hand.categories:
            observed = table[name].notna().to_numpy()
            right = table[name].to_numpy() == np.asarray(categories[name])
            shares.append(right[observed].mean())
        found["accuracy"] = float(np.mean(shares))
    return found


def compare_reconstruction(table, seed, epochs):
    train, test = train_test_split(table, random_state=seed)
    by_hand = ByHand(train)
    encoded, encoded_test = by_hand.encode(train), by_hand.encode(test)
    pca = PCA(min(N_COMPONENTS, encoded.shape[1])).fit(encoded)
    make = {"random_state": seed, "epochs": epochs}
    start = time.process_time()
    one_hot = AutoencoderTransformer(N_COMPONENTS, **make).fit(encoded)
    seconds = time.process_time() - start
    found = {}
    for name, fitted in (("PCA", pca), ("one-hot, skae", one_hot)):
        X_hat = fitted.inverse_transform(fitted.transform(encoded_test))
        found[name] = quality(test, by_hand, *by_hand.decode(X_hat))
    start = time.process_time()
    pipeline = make_pipeline(
        TableScaler(), AutoencoderTransformer(N_COMPONENTS, **make)
    ).fit(train)
    ratio = (time.process_time() - start) / seconds
    decoded = pipeline.inverse_transform(pipeline.transform(test))
    decoded = pd.DataFrame(decoded, columns=list(test))  # an array without categories
    found["skae"] = quality(test, by_hand, by_hand.standardize(decoded), decoded)
    return {
        f"{measure} {name}": value
        for name, measures in found.items()
        for measure, value in measures.items()
    } | {"time": ratio}


def exchange(table, seed, share=0.05):
    """Exchange a cell of some samples; return table, labels and which column."""
    rng = np.random.RandomState(seed)
    rows = rng.choice(len(table), max(2, int(share * len(table))), replace=False)
    changed, column = table.copy(), np.full(len(table), -1)
    for i in rows:
        for _ in range(200):
            j, k = rng.randint(table.shape[1]), rng.randint(len(table))
            old, new = table.iat[i, j], table.iat[k, j]
            if pd.notna(old) and pd.notna(new) and old != new:
                changed.iat[i, j], column[i] = new, j
                break
    return changed, column


def compare_detection(table, seed, epochs):
    table, column = exchange(table, seed)
    is_changed = column >= 0
    numbers, categories = split_columns(table)
    ordinal = table[numbers].to_numpy(float)
    if categories:
        encoder = OrdinalEncoder(encoded_missing_value=-1)
        codes = encoder.fit_transform(table[categories].astype(object))
        ordinal = np.hstack([ordinal, codes])
    encoded, scaled = ByHand(table).encode(table), TableScaler().fit_transform(table)
    detectors = {
        "IsolationForest": (IsolationForest(random_state=seed), ordinal),
        "one-hot, skae": (AutoencoderOutlierDetector(epochs=epochs), encoded),
        "skae": (AutoencoderOutlierDetector(epochs=epochs), scaled),
    }
    found = {}
    for name, (detector, X) in detectors.items():
        scores = detector.set_params(random_state=seed).fit(X).score_samples(X)
        found[name] = float(roc_auc_score(~is_changed, scores))
    contributions = detectors["skae"][0].explain(scaled).to_numpy()
    first = contributions[is_changed].argmax(axis=1) == column[is_changed]
    return found | {"named first": float(first.mean() * table.shape[1])}


def means(records):
    """Return the means over seeds, by name."""
    return {name: float(np.mean([r[name] for r in records])) for name in records[0]}


def compare(title, measure, arguments):
    print(f"\n{title}")
    epochs, found = 2 if arguments.quick else "auto", {}
    for name, table in tables(arguments.quick):
        records = [
            measure(sample(table, seed), seed, epochs)
            for seed in range(arguments.seeds)
        ]
        found[name] = means(records)
        shown = (f"{key} {value:.3f}" for key, value in found[name].items())
        print(f"{name:26}", *shown, flush=True)
    return found


def show_wins(found, key, peer, other):
    both = [f for f in found.values() if f"{key} {peer}" in f]
    won = sum(f[f"{key} {peer}"] > f[f"{key} {other}"] for f in both)
    gain = np.median([f[f"{key} {peer}"] - f[f"{key} {other}"] for f in both])
    print(f"{key}: {peer} above {other} in {won} of {len(both)}, median {gain:+.3f}")


if __name__ == "__main__":
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds = 1
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)  # unknown categories by hand
    reconstruction = compare("Reconstruction", compare_reconstruction, arguments)
    for key in ("R2", "accuracy"):
        for other in ("PCA", "one-hot, skae"):
            show_wins(reconstruction, key, "skae", other)
    times = [found["time"] for found in reconstruction.values()]
    print(f"time of fit beside one-hot: median {np.median(times):.2f}")
    detection = compare("Exchanged cells: ROC AUC", compare_detection, arguments)
    print("mean:", means(list(detection.values())))
    write_json(arguments, {"reconstruction": reconstruction, "detection": detection})
