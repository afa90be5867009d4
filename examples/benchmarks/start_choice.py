"""The default start beside each start alone, and beside PCA, on held-out samples.

R² by the default (``start="auto"``), by networks that start from PCA or from random
weights, and by PCA, over several seeds. Swiss roll, S-curve and closed curve are
curved, the other tables are real ones. With ``--quick``, two small ones, one seed and
few epochs.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from _paired import parse_arguments, write_json
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.metrics import reconstruction_scorer

TRAINING_ROWS = 10_000
ADBENCH = ("12_fault", "20_letter", "25_musk", "28_pendigits", "30_satellite")
ADBENCH += ("40_vowels", "14_glass")
# Duration of the trials and margin of the choice were chosen on these.
CHOSEN_ON = ("Swiss roll", "S-curve", "closed curve", "wine", "breast_cancer")


def swiss_roll():
    rng = np.random.RandomState(0)
    X, _ = datasets.make_swiss_roll(4000, noise=0.05, random_state=0)
    return X @ rng.normal(size=(3, 20)) + 0.1 * rng.normal(size=(4000, 20))


def closed_curve():
    rng = np.random.RandomState(0)
    t = rng.uniform(0, 2 * np.pi, 2000)
    X = np.column_stack([np.cos(t), np.sin(t), np.cos(2 * t), np.sin(2 * t)])
    return X + 0.05 * rng.normal(size=X.shape)


def tables(quick):
    n_samples = 400 if quick else 4000
    yield "S-curve", datasets.make_s_curve(n_samples, noise=0.05, random_state=0)[0]
    yield "wine", datasets.load_wine().data
    if quick:
        return
    yield "Swiss roll", swiss_roll()
    yield "closed curve", closed_curve()
    yield "breast_cancer", datasets.load_breast_cancer().data
    yield "digits", datasets.load_digits().data
    for name in ADBENCH:
        path = Path(os.environ.get("SKAE_DATA", ".")) / "adbench" / f"{name}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=True) as file:
                yield name, file["X"].astype(float)
        else:
            print(f"{path} does not exist: left out")


def scores(X, n_components, seed, epochs):
    """R² on test samples by each way, and the start that the default chose."""
    X_train, X_test = train_test_split(X, test_size=0.25, random_state=seed)
    scaler = StandardScaler().fit(X_train[:TRAINING_ROWS])
    X_train, X_test = map(scaler.transform, (X_train[:TRAINING_ROWS], X_test))
    pca = PCA(n_components, random_state=seed).fit(X_train)
    result = {"PCA": reconstruction_scorer(pca, X_test)}
    for start in ("pca", "random", "auto"):
        autoencoder = AutoencoderTransformer(
            n_components,
            architecture=DenseArchitecture(start=start),
            epochs=epochs,
            random_state=seed,
        ).fit(X_train)
        result[start] = reconstruction_scorer(autoencoder, X_test)
    return result | {"chosen": autoencoder.start_}


def compare(quick):
    figures = []
    print("mean R² on held-out samples (smallest, largest of the default)")
    print("                       k     PCA  pca start  random  default")
    for name, X in tables(quick):
        for n_components in (2,) if quick else (1, 2, 5):
            if n_components >= X.shape[1]:
                continue
            runs = [
                scores(X, n_components, seed, epochs=10 if quick else "auto")
                for seed in range(1 if quick else 5)
            ]
            means = {
                way: float(np.mean([run[way] for run in runs]))
                for way in ("PCA", "pca", "random", "auto")
            }
            spread = [run["auto"] for run in runs]
            print(
                f"  {name:18} {n_components:3}  {means['PCA']:.4f}   "
                f"{means['pca']:.4f}  {means['random']:.4f}   {means['auto']:.4f}  "
                f"({min(spread):.4f}, {max(spread):.4f})  "
                + " ".join(run["chosen"] for run in runs),
                flush=True,
            )
            figures.append({"table": name, "k": n_components, "runs": runs, **means})
    for chosen_on in (True, False):
        cells = [f for f in figures if (f["table"] in CHOSEN_ON) is chosen_on]
        if cells:
            behind = [max(f["pca"], f["random"]) - f["auto"] for f in cells]
            print(
                f"{'chosen on' if chosen_on else 'judged on'}: {len(cells)} cells; "
                "mean of PCA start, random start, default: "
                + ", ".join(
                    f"{np.mean([f[way] for f in cells]):.4f}"
                    for way in ("pca", "random", "auto")
                )
                + f"; behind the better start by at most {max(behind):.4f}, by more "
                f"than .005 in {sum(b > 0.005 for b in behind)}"
            )
    return figures


if __name__ == "__main__":
    arguments = parse_arguments(__doc__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where PCA is kept
        write_json(arguments, compare(arguments.quick))
