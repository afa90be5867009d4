"""Time of a grid search over autoencoders compared with that through SciKeras.

Three values of n_components, ten folds, twenty epochs, refit, on scikit-learn's digits.
"""

import warnings

import keras
import numpy as np
from _paired import alternate, parse_arguments, report, write_json
from scikeras.wrappers import BaseWrapper
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture


class SciKerasAutoencoder(TransformerMixin, BaseWrapper):
    """An autoencoder through SciKeras's wrapper, as in its documentation."""

    def _keras_build_fn(self, n_components):
        n_features = self.n_features_in_
        self.encoder_ = keras.Sequential(
            [keras.Input((n_features,)), keras.layers.Dense(n_components, "relu")]
        )
        self.decoder_ = keras.Sequential(
            [keras.Input((n_components,)), keras.layers.Dense(n_features, "sigmoid")]
        )
        model = keras.Sequential([self.encoder_, self.decoder_])
        model.compile("adam", loss="binary_crossentropy")
        return model

    def fit(self, X, y=None):
        return super().fit(X=X, y=X)

    def transform(self, X):
        return self.encoder_.predict(X, verbose=0)

    def score(self, X, y=None):
        return -float(np.mean((X - self.model_.predict(X, verbose=0)) ** 2))

    def __sklearn_tags__(
        self,
    ):  # the wrapper's own fails with scikit-learn 1.7 and newer
        return BaseEstimator.__sklearn_tags__(self)


arguments = parse_arguments(__doc__)
warnings.simplefilter("ignore")
X = (load_digits().data / 16).astype("f4")
cv, epochs, repeats = (2, 1, 1) if arguments.quick else (10, 20, 3)
n_components = [8, 16, 32]
searches = {
    "skae": GridSearchCV(
        AutoencoderTransformer(
            architecture=DenseArchitecture((), code_activation="relu"),
            loss="binary_crossentropy",
            epochs=epochs,
            batch_size=32,
            validation_fraction=None,
            random_state=0,
        ),
        {"n_components": n_components},
        cv=cv,
    ),
    "SciKeras": GridSearchCV(
        SciKerasAutoencoder(n_components=8, epochs=epochs, batch_size=32, verbose=0),
        {"n_components": n_components},
        cv=cv,
    ),
    "PCA": GridSearchCV(PCA(), {"n_components": n_components}, cv=cv),
}
keras.ops.ones(1)  # TensorFlow's own start
works = {name: lambda search=search: search.fit(X) for name, search in searches.items()}
title = f"digits, grid search: 3 x {cv} folds, {epochs} epochs, refit"
write_json(arguments, [report(title, alternate(works, repeats))])
