"""
Use a SciKeras wrapper
======================

SciKeras wraps functions that build Keras models, and routes parameters to them. Such a
wrapper can be passed as architecture: the autoencoder is trained with its optimizer and
loss, and a search can set its parameters.
"""

from skae import hide_tensorflow_logs

hide_tensorflow_logs()

import keras
import matplotlib.pyplot as plt
import pandas as pd
from scikeras.wrappers import KerasRegressor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from skae import AutoencoderTransformer
from skae.architectures import KerasArchitecture
from skae.inspection import ReconstructionDisplay, TrainingHistoryDisplay

X_train, X_test = train_test_split(load_digits().data / 16, random_state=0)


# %%
# The function that builds the model. SciKeras passes `meta`, which has the number of
# features.


def build(meta, latent_dim=8, activation="relu"):
    n_features = meta["n_features_in_"]
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(64, activation=activation),
            keras.layers.Dense(latent_dim, name="code"),
            keras.layers.Dense(64, activation=activation),
            keras.layers.Dense(n_features, activation="sigmoid"),
        ]
    )


wrapper = KerasRegressor(
    build,
    model__latent_dim=8,
    optimizer="adam",
    optimizer__learning_rate=1e-3,
    loss="mse",
)

# %%
# Parameters of the function are ``architecture__model__...``, those of the optimizer
# ``architecture__optimizer__...``.

autoencoder = AutoencoderTransformer(
    architecture=KerasArchitecture(wrapper, code_layer="code"),
    epochs=60,
    random_state=0,
)
search = GridSearchCV(
    autoencoder,
    {
        "architecture__model__latent_dim": [4, 16],
        "architecture__optimizer__learning_rate": [1e-3, 1e-2],
    },
    cv=2,
).fit(X_train)

results = pd.DataFrame(search.cv_results_)
results = results.rename(columns=lambda name: name.removeprefix("param_architecture__"))
print(
    results.pivot_table(
        "mean_test_score", "model__latent_dim", "optimizer__learning_rate"
    ).round(3)
)
print(f"R² on held-out digits: {search.score(X_test):.3f}")

# %%
# The best estimator was refitted on all training samples.

TrainingHistoryDisplay.from_estimator(search, yscale="log")

# %%
# Held-out digits and their reconstructions.

ReconstructionDisplay.from_estimator(
    search.best_estimator_, X_test, sample_shape=(8, 8)
)
# sphinx_gallery_thumbnail_number = 2
plt.show()

# %%
# To read next: :doc:`/coming_from/scikeras`, and
# :ref:`sphx_glr_auto_examples_plot_keras_model.py` on models without a wrapper.
