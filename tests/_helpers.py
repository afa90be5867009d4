"""What several test modules need."""

import keras
import numpy as np


class EachBatch(keras.callbacks.Callback):
    """Sends training through Keras, batch by batch.

    Few batches run without a graph, which would take longer to make.
    """

    def on_train_begin(self, logs=None):
        if self.params["epochs"] * self.params["steps"] < 20:
            self.model.run_eagerly = True

    def on_train_batch_end(self, batch, logs=None):
        pass


def weights(estimator):
    """Copy the values of an estimator's variables."""
    return [variable.numpy() for variable in estimator.autoencoder_.variables]


def output_of(model, X):
    """Return what a Keras model computes of X; unlike `predict`, without a graph."""
    return np.asarray(model(X.astype("float32"), training=False)).astype(float)


def outputs(estimator, X):
    """Return what an estimator computes of X."""
    method = "transform" if hasattr(estimator, "transform") else "score_samples"
    return getattr(estimator, method)(X)
