"""Planted contradictions in tables: the default anomaly score and squared errors.

Half of the test rows get values of other rows, each of which is common by itself: in
one column, in one of the two columns that depend most on each other, or in half of the
columns. ROC AUC and average precision (one such row for ten others) of detectors that
were fitted on up to 3,000 rows as they are, mean of three seeds.

The tables are read from the folder tables in the folder named by SKAE_DATA: CSV files,
in which columns of texts are categories.
"""

import os
import sys
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import parse_arguments, write_json
from sklearn.metrics import (
    average_precision_score,
    normalized_mutual_info_score,
    roc_auc_score,
)
from sklearn.pipeline import make_pipeline

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.preprocessing import TableScaler

hide_tensorflow_logs()

NAMES = [
    "credit_g",
    "hypothyroid",
    "adult",
    "diamonds",
    "soybean",
    "breast_cancer_categorical",
    "titanic",
    "penguins",
]
SCORES = ["fused", "reconstruction"]
MAX_TRAIN, MAX_TEST = 3000, 1000


def read(path):
    table = pd.read_csv(path).dropna(axis=1, how="all")
    texts = table.select_dtypes(exclude="number").columns
    return table.astype(dict.fromkeys(texts, "category"))


def most_dependent_pair(table):
    """Two columns with the largest mutual information, one at least of categories."""
    texts = set(table.select_dtypes("category").columns)
    binned = {}
    for name, column in table.items():
        if name not in texts and column.nunique() > 10:
            column = pd.qcut(column, 8, duplicates="drop")
        binned[name] = [str(value) for value in column]
    pairs = (pair for pair in combinations(table.columns, 2) if texts & set(pair))
    return max(
        pairs, key=lambda p: normalized_mutual_info_score(binned[p[0]], binned[p[1]])
    )


def plant(rows, draw_columns, rng):
    """Put values of another row into some columns of each row."""
    planted = rows.copy()
    for i in range(len(rows)):
        columns = draw_columns()
        for _ in range(50):
            donor = rows.iloc[rng.randint(len(rows))]
            if (donor[columns] != rows.iloc[i][columns]).any():
                break
        for name in columns:
            planted.iloc[i, planted.columns.get_loc(name)] = donor[name]
    return planted


def compare(table, seed):
    """ROC AUC and average precision: {kind: {score: (..., ...)}}."""
    rng = np.random.RandomState(seed)
    names, pair = list(table.columns), most_dependent_pair(table)
    kinds = {
        "one column": lambda: [names[rng.randint(len(names))]],
        "one of the most dependent pair": lambda: [pair[rng.randint(2)]],
        "half of the columns": lambda: list(
            rng.permutation(names)[: max(len(names) // 2, 1)]
        ),
    }
    table = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
    n_test = min(MAX_TEST, len(table) // 3)
    normal, others = table[: n_test // 2], table[n_test // 2 : n_test]
    train = table[n_test : n_test + MAX_TRAIN]
    planted = {kind: plant(others, draw, rng) for kind, draw in kinds.items()}
    figures = {kind: {} for kind in kinds}
    for score in SCORES:
        detector = AutoencoderOutlierDetector(outlier_score=score, random_state=seed)
        pipeline = make_pipeline(TableScaler("squash"), detector).fit(train)
        of_normal = -pipeline.score_samples(normal)
        for kind, rows in planted.items():
            of_planted = -pipeline.score_samples(rows)
            few = of_planted[: max(len(rows) // 10, 1)]
            figures[kind][score] = (
                roc_auc_score(*labelled(of_normal, of_planted)),
                average_precision_score(*labelled(of_normal, few)),
            )
    return figures


def labelled(of_normal, of_planted):
    y = np.repeat([0, 1], [len(of_normal), len(of_planted)])
    return y, np.concatenate([of_normal, of_planted])


arguments = parse_arguments(__doc__)
folder = Path(os.environ.get("SKAE_DATA", ".")) / "tables"
names = [name for name in NAMES if (folder / f"{name}.csv").exists()]
seeds = range(3)
if arguments.quick:
    names, seeds = [name for name in names if name == "penguins"], range(1)
if not names:
    print(f"Nothing measured: {folder} does not hold the tables. Set SKAE_DATA.")
    sys.exit()
warnings.simplefilter("ignore")

results = {}
for name in names:
    table = read(folder / f"{name}.csv")
    runs = [compare(table, seed) for seed in seeds]
    results[name] = {
        kind: {s: np.mean([run[kind][s] for run in runs], axis=0) for s in SCORES}
        for kind in runs[0]
    }
    for kind, by_score in results[name].items():
        figures = "  ".join(
            f"{s}: ROC AUC {auc:.3f} AP {precision:.3f}"
            for s, (auc, precision) in by_score.items()
        )
        print(f"{name:26} {kind:31} {figures}", flush=True)
for kind in results[names[0]]:
    values = np.array([[r[kind][s] for s in SCORES] for r in results.values()])
    gains = values[:, 1, 0] - values[:, 0, 0]
    print(
        f"{kind}: mean ROC AUC {values[:, 0, 0].mean():.3f} by default, "
        f"{values[:, 1, 0].mean():.3f} by reconstruction, which is better on "
        f"{(gains > 0.005).sum()} tables and worse on {(gains < -0.005).sum()}"
    )
figures = {
    name: {k: {s: v.tolist() for s, v in b.items()} for k, b in by_kind.items()}
    for name, by_kind in results.items()
}
write_json(arguments, figures)
