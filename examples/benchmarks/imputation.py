"""AutoencoderImputer beside scikit-learn's imputers, on tables as people have them.

Observed cells are hidden at random, and imputed. Tables: those of scikit-learn and, if
``SKAE_DATA`` names a folder that has them, ``tables/*.csv``, with categories and
missing cells of their own, and those of ADBench that `tables.py` takes. Numbers: mean
squared error of hidden cells, in units of the variance of the column. Categories: share
of hidden cells with a wrong category. Peers are given standardized numbers and one-hot
categories, of which linear regressions find no more than means, as the categories of a
column are missing together; ours is given the raw table. Columns with more than 20
categories are left out.
With ``--quick``, one small table and few epochs.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import make_parser, write_json
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from tables import tables as complete_tables

from skae.impute import AutoencoderImputer

MAX_CATEGORIES = 20
OURS = "AutoencoderImputer"


def raw_tables(arguments):
    """Yield names and DataFrames of numbers and texts."""
    folder = Path(os.environ.get("SKAE_DATA", ".")) / "tables"
    if not arguments.quick:
        for path in sorted(folder.glob("*.csv")):
            table = pd.read_csv(path)
            texts = table.select_dtypes(exclude="number").columns
            many = [c for c in texts if table[c].nunique() > MAX_CATEGORIES]
            table = table.drop(columns=many)
            yield path.stem, table.loc[:, table.nunique() > 1]
    for name, X, _ in complete_tables(arguments.quick):
        table = pd.DataFrame(X).add_prefix("x")
        yield name, table.loc[:, table.std() > 0]


def peers(seed):
    forest = RandomForestRegressor(20, max_depth=10, random_state=seed)
    return {
        "mean": SimpleImputer(),
        "KNNImputer": KNNImputer(),
        "IterativeImputer": IterativeImputer(random_state=seed),
        "Iterative, forest": IterativeImputer(forest, max_iter=3, random_state=seed),
    }


class Encoded:
    """Standardized numbers and one-hot categories of a table, and the way back."""

    def __init__(self, table):
        self.numbers = list(table.select_dtypes("number").columns)
        self.texts = [c for c in table if c not in self.numbers]
        self.mean, self.std = table[self.numbers].mean(), table[self.numbers].std()
        self.std = self.std.replace(0, 1).fillna(1)
        self.levels = {c: sorted(table[c].dropna().unique()) for c in self.texts}

    def encode(self, table):
        parts = [((table[self.numbers] - self.mean) / self.std).to_numpy(float)]
        for name, levels in self.levels.items():
            part = (table[name].to_numpy()[:, np.newaxis] == levels).astype(float)
            part[table[name].isna()] = np.nan
            parts.append(part)
        return np.hstack(parts)

    def decode(self, X, table):
        start = len(self.numbers)
        values = X[:, :start] * self.std.to_numpy() + self.mean.to_numpy()
        result = pd.DataFrame(values, columns=self.numbers, index=table.index)
        for name, levels in self.levels.items():
            chosen = X[:, start : start + len(levels)].argmax(axis=1)
            result[name] = np.array(levels, object)[chosen]
            start += len(levels)
        return result[list(table.columns)]


def errors(imputed, table, hidden, encoded):
    """Return squared errors of numbers, and shares of wrong categories."""
    found = {}
    where = hidden & table.notna().to_numpy()
    columns = {name: i for i, name in enumerate(table.columns)}
    squares = [
        np.square((imputed[c] - table[c]) / encoded.std[c])[where[:, columns[c]]]
        for c in encoded.numbers
    ]
    wrong = [
        (imputed[c].astype(object) != table[c].astype(object))[where[:, columns[c]]]
        for c in encoded.texts
    ]
    if squares:
        found["numbers"] = float(np.concatenate(squares).mean())
    if wrong:
        found["categories"] = float(np.concatenate(wrong).mean())
    return found


def compare(table, rate, seed, arguments):
    rng = np.random.RandomState(seed)
    table = table.iloc[rng.permutation(len(table))[: arguments.max_samples]]
    hidden = rng.uniform(size=table.shape) < rate
    incomplete = table.mask(hidden)
    encoded, figures = Encoded(incomplete), {}
    X = encoded.encode(incomplete)
    empty = np.isnan(X).all(axis=0)
    X[:, empty] = 0
    for name, imputer in peers(seed).items():
        start = time.perf_counter()
        values = encoded.decode(imputer.fit_transform(X), table)
        seconds = time.perf_counter() - start
        figures[name] = errors(values, table, hidden, encoded) | {"seconds": seconds}
    epochs = 5 if arguments.quick else "auto"
    imputer = AutoencoderImputer(
        arguments.n_components,
        epochs=epochs,
        keep_empty_features=True,
        random_state=seed,
    )
    start = time.perf_counter()
    values = imputer.fit_transform(incomplete)
    seconds = time.perf_counter() - start
    figures[OURS] = errors(values, table, hidden, encoded) | {"seconds": seconds}
    return figures


def summarize(found, kind):
    """Print means over tables, and differences from each peer with intervals."""
    rows = [figures for figures in found.values() if kind in figures[OURS]]
    if not rows:
        return
    print(f"\n{kind}: mean over {len(rows)} tables")
    ours = np.array([row[OURS][kind] for row in rows])
    for name in rows[0]:
        theirs = np.array([row[name][kind] for row in rows])
        text = f"{name:20} {theirs.mean():.3f}"
        if name != OURS and len(rows) > 1:
            difference = ours - theirs
            half = 1.96 * difference.std(ddof=1) / np.sqrt(len(rows))
            text += (
                f"  ours less this {difference.mean():+.3f} ± {half:.3f}, "
                f"won on {(difference < 0).sum()}"
            )
        print(text)


def mean_of(records):
    return {
        name: {
            kind: float(np.mean([record[name][kind] for record in records]))
            for kind in records[0][name]
        }
        for name in records[0]
    }


if __name__ == "__main__":
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.4])
    parser.add_argument("--max-samples", type=int, default=1500)
    parser.add_argument("--n-components", type=int, default=None)
    parser.add_argument("--tables", nargs="+", default=None, help="names to take")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.rates = 1, [0.2]
    warnings.simplefilter("ignore")
    results = {}
    for rate in arguments.rates:
        found = {}
        print(f"\n{rate:.0%} hidden")
        for name, table in raw_tables(arguments):
            if arguments.tables and name not in arguments.tables:
                continue
            seeds = range(arguments.seeds)
            records = [compare(table, rate, seed, arguments) for seed in seeds]
            found[name] = mean_of(records)
            for kind in found[name][OURS]:
                figures = (f"{k} {v[kind]:.3f}" for k, v in found[name].items())
                print(f"{name:24} {kind:10}", *figures, flush=True)
        for kind in ("numbers", "categories", "seconds"):
            summarize(found, kind)
        results[str(rate)] = found
    write_json(arguments, {"imputation": results})
