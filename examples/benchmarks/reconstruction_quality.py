"""Reconstruction of held-out samples compared with PCA, defaults only, several seeds.

First tables: those of scikit-learn and, if ``SKAE_DATA`` names a folder that has them,
of ADBench, standardized, with at most 10,000 training samples. The first half was used
to choose the defaults. The second half was not, except that clipping was added after a
failure on one of them, shuttle.

``--quick`` uses two small tables, two components and one seed; ``--images`` uses MNIST
and Fashion-MNIST in full in place of tables, with one seed, which takes hours: several
numbers of components, the network of Hinton and Salakhutdinov (Science 313 (2006),
504-507), and truncated ordered components.
"""

import os
import sys
from pathlib import Path

import numpy as np
from _paired import load_images, parse_arguments, write_json
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.metrics import reconstruction_error, reconstruction_scorer

TRAINING_ROWS, TEST_ROWS = 10_000, 20_000

# Used to choose the defaults.
FIRST_HALF = (
    "iris",
    "wine",
    "breast_cancer",
    "diabetes",
    "digits",
    "14_glass",
    "18_Ionosphere",
    "21_Lymphography",
    "28_pendigits",
    "29_Pima",
    "30_satellite",
    "40_vowels",
    "45_wine",
    "46_WPBC",
)


def tables(quick):
    for name in ("iris", "wine", "breast_cancer", "diabetes", "digits"):
        if not quick or name in ("iris", "wine"):
            yield name, getattr(datasets, f"load_{name}")().data
    folder = Path(os.environ.get("SKAE_DATA", ".")) / "adbench"
    if not folder.is_dir():
        print(f"{folder} does not exist: ADBench's tables are left out")
    for path in sorted(folder.glob("*.npz")):
        if not quick:
            with np.load(path, allow_pickle=True) as file:
                yield path.stem, file["X"].astype(float)


def gains(X, n_components, n_seeds):
    """R² of PCA on test samples, and the gain of the autoencoder, by seed."""
    by_pca, by_skae = [], []
    for seed in range(n_seeds):
        X_train, X_test = train_test_split(X, test_size=0.25, random_state=seed)
        X_train, X_test = X_train[:TRAINING_ROWS], X_test[:TEST_ROWS]
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
        for estimator, scores in (
            (PCA(n_components, random_state=seed), by_pca),
            (AutoencoderTransformer(n_components, random_state=seed), by_skae),
        ):
            scores.append(reconstruction_scorer(estimator.fit(X_train), X_test))
    return np.array(by_pca), np.array(by_skae) - by_pca


def compare_tables(quick):
    n_seeds, figures = 1 if quick else 5, []
    print(f"held-out R², {n_seeds} seed(s): PCA, and what the autoencoder adds")
    for name, X in tables(quick):
        for n_components in (2,) if quick else (1, 2, 5, 10):
            if n_components < X.shape[1]:
                by_pca, gain = gains(X, n_components, n_seeds)
                figures.append(
                    {
                        "table": name,
                        "rows": len(X),
                        "n_components": n_components,
                        "first half": name in FIRST_HALF,
                        "PCA": by_pca.mean(),
                        "gain": gain.mean(),
                        "spread": gain.std(),
                        "worst": gain.min(),
                    }
                )
                print(
                    f"  {name:18} {len(X):7,} x {X.shape[1]:<5} {n_components:2}  "
                    f"{by_pca.mean():7.4f}  {gain.mean():+.4f} ± {gain.std():.4f}",
                    flush=True,
                )
    for half in (True, False):
        cells = [f for f in figures if f["first half"] is half]
        large = [f["gain"] > 0 for f in cells if f["rows"] > 500]
        if cells:
            print(
                f"{'first' if half else 'second'} half: {len(cells)} cells, least mean "
                f"gain {min(f['gain'] for f in cells):+.4f}, mean "
                f"{np.mean([f['gain'] for f in cells]):+.4f}; above PCA in "
                f"{np.mean(large) if large else np.nan:.0%} of cells of > 500 rows"
            )
    return figures


def fit_images(X, with_ordered):
    """Name, size and fitted estimator of each network that is compared."""
    for n_components in (2, 8, 10, 16, 32) if with_ordered else (10, 32):
        autoencoder = AutoencoderTransformer(n_components, random_state=0)
        yield "default", n_components, autoencoder.fit(X)
    if not with_ordered:
        return
    ordered = AutoencoderTransformer(32, ordered=True, random_state=0).fit(X)
    for n_components in (2, 8, 16, 32):
        yield "ordered, cut", n_components, ordered.truncate(n_components)
    deep = AutoencoderTransformer(
        30, architecture=DenseArchitecture((1000, 500, 250)), random_state=0
    )
    yield "784-1000-500-250-30", 30, deep.fit(X)


def compare_images():
    """Squared error of a test image divided by that of PCA."""
    figures = []
    print("squared error of a test image: PCA, autoencoder, and its share")
    for data, name in (("MNIST", "mnist"), ("Fashion", "fashion_mnist")):
        (X, _), (X_test, _) = load_images(name)
        for network, k, autoencoder in fit_images(X, with_ordered=data == "MNIST"):
            by_pca = test_error(PCA(k, random_state=0).fit(X), X_test)
            error = test_error(autoencoder, X_test)
            print(
                f"  {data:8} {network:20} {k:2}  {by_pca:6.3f}  {error:6.3f}  "
                f"{error / by_pca:.3f}",
                flush=True,
            )
            figures.append(
                {
                    "data": data,
                    "network": network,
                    "n_components": k,
                    "PCA": by_pca,
                    "error": error,
                }
            )
    return figures


def test_error(estimator, X):
    X_back = estimator.inverse_transform(estimator.transform(X))
    return float(reconstruction_error(X, X_back).mean())


if __name__ == "__main__":
    images = "--images" in sys.argv
    sys.argv = [a for a in sys.argv if a != "--images"]
    arguments = parse_arguments(__doc__)
    write_json(
        arguments, compare_images() if images else compare_tables(arguments.quick)
    )
