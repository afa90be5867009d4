"""
Use a Keras model
=================

You have an autoencoder as a Keras model, and want to use it in a Pipeline. This example
passes two models to the estimator, a Sequential and a subclass, and compares their
reconstructions.

An estimator accepts a Keras model: a subclass of ``keras.Model`` with encoder and
decoder, a Sequential or functional model, which is split at its narrowest layer, or a
pair of models. It trains a copy of the model.
"""

from skae import hide_tensorflow_logs

hide_tensorflow_logs()

import keras
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer
from skae.architectures import KerasArchitecture
from skae.inspection import ReconstructionDisplay, TrainingHistoryDisplay

X_train, X_test = train_test_split(load_digits().data, random_state=0)

# %%
# A Sequential
# ------------
# The code is the output of the layer with the smallest output;
# ``code_layer="bottleneck"`` names it explicitly. The model determines the number of
# latent components, so `n_components` remains None.

sequential = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(8, name="bottleneck"),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(64, activation="sigmoid"),
    ]
)

# %%
# A subclass
# ----------
# In Keras's guides, autoencoders are subclasses with the attributes `encoder` and
# `decoder`. The input of this one has shape (8, 8, 1). X of shape (n_samples, 64) is
# reshaped for it, so that a scaler can precede it.


class ImageAutoencoder(keras.Model):
    def __init__(self, latent_dim):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(
                    16, 3, strides=2, padding="same", activation="relu"
                ),
                keras.layers.Conv2D(
                    32, 3, strides=2, padding="same", activation="relu"
                ),
                keras.layers.Flatten(),
                keras.layers.Dense(latent_dim),
            ]
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((latent_dim,)),
                keras.layers.Dense(2 * 2 * 32, activation="relu"),
                keras.layers.Reshape((2, 2, 32)),
                keras.layers.Conv2DTranspose(
                    16, 3, strides=2, padding="same", activation="relu"
                ),
                keras.layers.Conv2DTranspose(
                    1, 3, strides=2, padding="same", activation="sigmoid"
                ),
            ]
        )

    def call(self, x):
        return self.decoder(self.encoder(x))


subclass = ImageAutoencoder(latent_dim=8)

# %%
# Both in pipelines
# -----------------

pipelines = {
    name: make_pipeline(
        MinMaxScaler(),
        AutoencoderTransformer(
            architecture=KerasArchitecture(model), epochs=100, random_state=0
        ),
    ).fit(X_train)
    for name, model in (("Sequential", sequential), ("Convolutional", subclass))
}
for name, pipeline in pipelines.items():
    print(f"{name:14} R² on held-out digits: {pipeline.score(X_test):.3f}")

# %%
# The histories with the best epochs, whose weights are kept.

TrainingHistoryDisplay.from_estimator(pipelines, yscale="log")

# %%
# Held-out digits and their reconstructions.

ReconstructionDisplay.from_estimator(pipelines, X_test, sample_shape=(8, 8))

# %%
# The trained networks are Keras models; the model that was passed is unchanged.

encoder = pipelines["Sequential"][-1].encoder_
print(type(encoder).__name__, encoder.input_shape, encoder.output_shape)
pipelines["Sequential"][-1].summary()
# sphinx_gallery_thumbnail_number = 2
plt.show()

# %%
# To read next: :ref:`keras_models` on losses, optimizers, callbacks and saving, and
# :ref:`sphx_glr_auto_examples_plot_scikeras_model.py` on functions that build models.
