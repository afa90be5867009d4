"""
Tune an autoencoder with GridSearchCV
=====================================

The network, and the number of latent components, are to be chosen by
cross-validation. This example searches for the layers with the best reconstruction, and
then for the step of a pipeline with the most accurate classifier.

The architecture is an estimator with parameters, which a search sets as
``architecture__hidden_layer_sizes`` and so on. A compiled program is used again by the
next fit of the same network, so that a search compiles each network once, not once for
each fold.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer, hide_tensorflow_logs
from skae.architectures import DenseArchitecture
from skae.inspection import ReconstructionDisplay, TrainingHistoryDisplay

hide_tensorflow_logs()

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# By explained variance
# ---------------------
# No labels are needed: `score` is the fraction of the variance of the test samples that
# the reconstruction explains (R²).

autoencoder = AutoencoderTransformer(
    4, architecture=DenseArchitecture(), epochs=40, random_state=0
)
search = GridSearchCV(
    Pipeline([("scale", MinMaxScaler()), ("encode", autoencoder)]),
    {
        "encode__architecture__hidden_layer_sizes": [(), (64,), (128, 64)],
        "encode__architecture__activation": ["silu", "tanh"],
    },
    cv=2,
).fit(X_train)

results = pd.DataFrame(search.cv_results_)
results["Hidden layers"] = results["param_encode__architecture__hidden_layer_sizes"]
results["Activation"] = results["param_encode__architecture__activation"]
print(
    results.pivot_table(
        "mean_test_score", results["Hidden layers"].astype(str), "Activation"
    ).round(3)
)

# %%
# The best estimator was refitted on all training samples.

TrainingHistoryDisplay.from_estimator(search, yscale="log")

# %%
# Held-out digits and their reconstructions:

ReconstructionDisplay.from_estimator(
    search.best_estimator_, X_test, sample_shape=(8, 8), show_errors=True
)

# %%
# By a downstream task
# --------------------
# If a classifier follows, its accuracy can select the number of components, and between
# PCA and an autoencoder: a step of a pipeline is a parameter like others.

pipeline = Pipeline(
    [
        ("scale", MinMaxScaler()),
        ("encode", PCA()),
        ("classify", LogisticRegression(max_iter=1000)),
    ]
)
search = GridSearchCV(
    pipeline,
    {
        "encode": [PCA(), AutoencoderTransformer(epochs=40, random_state=0)],
        "encode__n_components": [4, 8],
    },
    cv=2,
).fit(X_train, y_train)
table = pd.DataFrame(search.cv_results_)
table["encode"] = [type(step).__name__ for step in table["param_encode"]]
print(
    table.pivot_table("mean_test_score", "encode", "param_encode__n_components").round(
        3
    )
)
print(f"Accuracy on held-out digits: {search.score(X_test, y_test):.3f}")
# sphinx_gallery_thumbnail_number = 2
plt.show()

# %%
# To read next: :ref:`hyperparameter_search` on which parameters to search and on random
# search, and :ref:`large_data` on searches on a cluster.
