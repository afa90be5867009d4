"""Time of training compared with Keras, PyOD, scikit-learn and NumPy.

First 50 epochs on scikit-learn's digits in a new process, then later fits, then epochs
on Fashion-MNIST. Peers that are not installed are left out.
"""

import contextlib
import io
import sys
import time
import warnings
from itertools import pairwise

import keras
import numpy as np
from _paired import (
    alternate,
    in_fresh_process,
    load_images,
    parse_arguments,
    report,
    write_json,
)
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from skae import AutoencoderTransformer
from skae.architectures import (
    BaseArchitecture,
    DenseArchitecture,
    Networks,
    NetworkSpec,
)

try:
    from pyod.models.auto_encoder import AutoEncoder
except ImportError:
    AutoEncoder = None


def fit_skae(X, hidden, n_components, batch_size, epochs, seed=0, **parameters):
    architecture = DenseArchitecture(hidden, "relu", code_activation="relu")
    parameters = {"architecture": architecture} | parameters
    return AutoencoderTransformer(
        n_components,
        epochs=epochs,
        batch_size=batch_size,
        validation_fraction=None,
        patience=None,
        random_state=seed,
        **parameters,
    ).fit(X)


def dense_in_keras(n_features, hidden, n_components):
    sizes = (*hidden, n_components, *hidden[::-1])
    model = keras.Sequential([keras.Input((n_features,))])
    for size in sizes:
        model.add(keras.layers.Dense(size, activation="relu"))
    model.add(keras.layers.Dense(n_features))
    model.compile("adam", loss="mse")
    return model


def fit_keras(X, hidden, n_components, batch_size, epochs):
    model = dense_in_keras(X.shape[1], hidden, n_components)
    return model.fit(X, X, batch_size=batch_size, epochs=epochs, verbose=0)


def matrix_products(X, sizes, batch_size, epochs):
    """The products of an epoch's forward and backward passes, and nothing else."""
    rng = np.random.default_rng(0)
    kernels = [rng.random(s, dtype="f4") for s in pairwise(sizes)]
    values = [rng.random((batch_size, size), dtype="f4") for size in sizes]
    for _ in range(epochs * (len(X) // batch_size)):
        for i, kernel in enumerate(kernels):
            values[i] @ kernel
            values[i].T @ values[i + 1]
            if i:
                values[i + 1] @ kernel.T


class SystemC(BaseArchitecture):
    """A tutorial's convolutional autoencoder, whose code is a feature map."""

    def build_networks(self, spec):
        sample_shape = spec.sample_shape
        layers = keras.layers
        options = {"padding": "same", "activation": "relu"}
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                layers.Conv2D(30, 3, **options),
                layers.MaxPooling2D(2, padding="same"),
                layers.Conv2D(15, 3, **options),
                layers.MaxPooling2D(2, padding="same"),
            ]
        )
        decoder = keras.Sequential(
            [
                keras.Input(encoder.output_shape[1:]),
                layers.Conv2D(15, 3, **options),
                layers.UpSampling2D(2),
                layers.Conv2D(30, 3, **options),
                layers.UpSampling2D(2),
                layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
            ]
        )
        return Networks.from_halves(encoder, decoder)


FIRST_FITS = {
    "skae": lambda X, epochs: fit_skae(X, (), 32, 32, epochs),
    "keras.Model.fit": lambda X, epochs: fit_keras(X, (), 32, 32, epochs),
    "skae, defaults": lambda X, _: AutoencoderTransformer(random_state=0).fit(X),
    "skae, short": lambda X, epochs: AutoencoderTransformer(epochs=epochs).fit(X),
    "keras.Model.fit, as wide": lambda X, epochs: fit_keras(
        X, (256, 128), 2, 32, epochs
    ),
}


def first_fit(which, epochs):
    """Run in a new process, with compilation but without imports."""
    X = (load_digits().data / 16).astype("f4")
    keras.ops.ones(1)  # TensorFlow's own start
    start = time.perf_counter()
    FIRST_FITS[which](X, epochs)
    print(time.perf_counter() - start)


def first_fits(names, epochs, repeats):
    """Median seconds of each, in new processes, in alternation."""
    seconds = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            seconds[name].append(in_fresh_process(__file__, "first", name, epochs))
    return {name: np.median(times) for name, times in seconds.items()}


def digits(quick):
    epochs, repeats = (2, 1) if quick else (50, 5)
    peers = ("skae", "keras.Model.fit")
    medians = first_fits(peers, epochs, repeats)
    title = f"digits, 64-32-64, {epochs} epochs"
    figures = [report(f"{title}: first fit of a process", medians)]
    X = (load_digits().data / 16).astype("f4")
    rows = iter(range(1000))

    def another(fit):
        i = next(rows)
        return fit(
            X[i % 7 :], (), 32, 32, epochs, **({"seed": i} if fit is fit_skae else {})
        )

    works = {"skae": lambda: another(fit_skae), peers[1]: lambda: another(fit_keras)}
    works["skae"]()
    figures.append(report(f"{title}: later fits", alternate(works, repeats)))
    return figures


def defaults(quick):
    """A fit with defaults and early stopping, compared with 20 epochs of Keras."""
    epochs, repeats = (2, 1) if quick else (20, 5)
    names = ("skae, short" if quick else "skae, defaults", "keras.Model.fit, as wide")
    of_skae = f"for {epochs} epochs" if quick else "with defaults"
    title = f"digits, first fit: skae {of_skae}, Keras for {epochs} epochs"
    own, peer = first_fits(names, epochs, repeats).values()
    return [report(title, {"skae": own, "keras.Model.fit": peer})]


def fashion_mnist(quick):
    (X, _), _ = load_images("fashion_mnist")
    X, epochs, repeats = (X[:2000], 1, 1) if quick else (X, 8, 3)
    return [dense_epoch(X, hidden, epochs, repeats) for hidden in ((), (128, 64))]


def dense_epoch(X, hidden, epochs, repeats):
    inner = (*hidden, 32, *hidden[::-1])
    sizes = (784, *inner, 784)
    model = dense_in_keras(784, hidden, 32)
    works = {
        "skae": lambda: fit_skae(X, hidden, 32, 256, epochs),
        "keras.Model.fit": lambda: model.fit(
            X, X, batch_size=256, epochs=epochs, verbose=0
        ),
        "MLPRegressor": lambda: MLPRegressor(
            hidden_layer_sizes=inner,
            batch_size=256,
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
        ).fit(X, X),
        "matrix products alone (NumPy)": lambda: matrix_products(X, sizes, 256, epochs),
    }
    if AutoEncoder is not None:
        works["PyOD AutoEncoder"] = lambda: AutoEncoder(
            hidden_neuron_list=[*hidden, 32],
            batch_norm=False,
            dropout_rate=0,
            batch_size=256,
            epoch_num=epochs,
            preprocessing=False,
            verbose=0,
        ).fit(X)
    works["skae"]()  # compilation is not an epoch's time
    model.fit(X, X, batch_size=256, epochs=1, verbose=0)
    medians = alternate(works, repeats)
    medians = {name: seconds / epochs for name, seconds in medians.items()}
    title = f"Fashion-MNIST, {'-'.join(map(str, sizes))}, batch 256: an epoch"
    return report(title, medians)


def convolutional(quick):
    X = load_images("mnist")[0][0].reshape(-1, 28, 28, 1)
    X, epochs, repeats = (X[:500], 1, 1) if quick else (X[:10_000], 2, 3)
    model = SystemC().build(NetworkSpec((28, 28, 1), 7 * 7 * 15)).autoencoder
    model.compile("adam", loss="binary_crossentropy")

    def fit():
        return fit_skae(
            X,
            (),
            7 * 7 * 15,
            128,
            epochs,
            architecture=SystemC(),
            loss="binary_crossentropy",
        )

    model.fit(X, X, batch_size=128, epochs=1, verbose=0)
    fit()
    works = {
        "skae": fit,
        "keras.Model.fit": lambda: model.fit(
            X, X, batch_size=128, epochs=epochs, verbose=0
        ),
    }
    medians = {name: s / epochs for name, s in alternate(works, repeats).items()}
    return [
        report(f"MNIST, convolutional system C, {len(X):,} images: an epoch", medians)
    ]


def growing_rows(quick):
    """Seconds of a further epoch for each 10,000 samples, by the number of samples."""
    rng = np.random.default_rng(0)
    sizes = (1_000, 3_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    figures = {}
    print("\n64 columns, 64-32-64, batch 256: seconds an epoch for 10,000 rows")
    for n in sizes:
        X = rng.random((n, 64), dtype="f4")
        epochs = 2 if quick else max(2, min(400, 2_000_000 // n))
        # What a fit takes apart from its epochs is in both, and goes out.
        works = {
            times: lambda times=times: fit_skae(X, (), 32, 256, times * epochs)  # noqa: B023
            for times in (1, 2)
        }
        works[2]()
        seconds = alternate(works, 3)
        figures[n] = (seconds[2] - seconds[1]) / epochs / n * 10_000
        print(f"  {n:10,} rows  {figures[n]:.4f}")
    return [{"title": "growing rows", "seconds for 10,000 rows": figures}]


def progress_line(quick):
    """The fraction of the time of a fit that `verbose=1` takes."""
    X = (load_digits().data / 16).astype("f4")
    epochs, repeats = (2, 1) if quick else (200, 11)
    works = {
        "skae": lambda: fit_skae(X, (), 32, 32, epochs),
        "skae, verbose=1": lambda: fit_skae(X, (), 32, 32, epochs, verbose=1),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        works["skae"]()
        medians = alternate(works, repeats)
    return [report(f"digits, 64-32-64, {epochs} epochs: the progress line", medians)]


if __name__ == "__main__":
    if sys.argv[1:2] == ["first"]:
        first_fit(sys.argv[2], int(sys.argv[3]))
        sys.exit()
    arguments = parse_arguments(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)  # MLPRegressor, at max_iter
    parts = (
        digits,
        defaults,
        fashion_mnist,
        convolutional,
        growing_rows,
        progress_line,
    )
    write_json(arguments, [f for part in parts for f in part(arguments.quick)])
