"""Time of `transform` and `score_samples` compared with Keras and PCA."""

import numpy as np
from _paired import alternate, load_images, parse_arguments, report, write_json
from sklearn.decomposition import PCA

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture

arguments = parse_arguments(__doc__)
X = load_images("fashion_mnist")[0][0][: 200 if arguments.quick else 10_000]
repeats = 2 if arguments.quick else 15
shared = {
    "n_components": 32,
    "architecture": DenseArchitecture((), code_activation="relu"),
    "epochs": 1,
    "random_state": 0,
}
transformer = AutoencoderTransformer(**shared).fit(X)
detector = AutoencoderOutlierDetector(**shared).fit(X)
pca = PCA(32).fit(X)
figures = []


def often(work, n):
    def works():
        for _ in range(n):
            work()

    return works


def measure(title, works, unit="ms", scale=1e3, times=1):
    for work in works.values():
        work()
    medians = alternate({k: often(w, times) for k, w in works.items()}, repeats)
    medians = {name: seconds / times for name, seconds in medians.items()}
    figures.append(report(title, medians, unit, scale))


one = X[:1]
measure(
    "transform of one row, 784-32-784",
    {
        "skae": lambda: transformer.transform(one),
        "encoder.predict": lambda: transformer.encoder_.predict(one, verbose=0),
        "PCA.transform": lambda: pca.transform(one),
    },
    times=2 if arguments.quick else 20,
)
measure(
    f"transform of {len(X):,} x 784",
    {
        "skae": lambda: transformer.transform(X),
        "encoder.predict": lambda: transformer.encoder_.predict(X, verbose=0),
        "encoder.predict, batch 4096": lambda: transformer.encoder_.predict(
            X, batch_size=4096, verbose=0
        ),
        "PCA.transform": lambda: pca.transform(X),
    },
)


def squared_error(reconstruction):
    return np.square(X - reconstruction).sum(axis=1)


measure(
    f"score_samples of {len(X):,} x 784",
    {
        "skae": lambda: detector.score_samples(X),
        "predict and error": lambda: squared_error(
            detector.autoencoder_.predict(X, verbose=0)
        ),
        "predict and error, batch 4096": lambda: squared_error(
            detector.autoencoder_.predict(X, batch_size=4096, verbose=0)
        ),
        "PCA.transform": lambda: pca.transform(X),
    },
)
write_json(arguments, figures)
