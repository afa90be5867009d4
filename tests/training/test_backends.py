"""Backends of Keras other than TensorFlow, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys

import pytest

SCRIPT = """
import pickle

import keras
import numpy as np

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import VariationalArchitecture


class Batches(keras.callbacks.Callback):
    seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)


def outputs(estimator):
    scores = isinstance(estimator, AutoencoderOutlierDetector)
    return estimator.score_samples(X) if scores else estimator.transform(X)


rng = np.random.RandomState(0)
X = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(80, 5))
parameters = {"epochs": 2, "validation_fraction": 0.1, "random_state": 0}
for Estimator in (AutoencoderTransformer, AutoencoderOutlierDetector):
    estimator = Estimator(2, **parameters).fit(X)
    assert len(estimator.history_["val_loss"]) == 2
    assert np.isfinite(estimator.history_["loss"]).all()
    again = pickle.loads(pickle.dumps(estimator))
    before = outputs(estimator)
    np.testing.assert_array_equal(outputs(again), before)
    for one in (estimator, again):
        one.partial_fit(X)
    np.testing.assert_array_equal(outputs(again), outputs(estimator))
    assert not np.array_equal(outputs(estimator), before)
callbacks = [keras.callbacks.TerminateOnNaN(), Batches()]
watched = AutoencoderTransformer(2, callbacks=callbacks, **parameters).fit(X)
plain = AutoencoderTransformer(2, **parameters).fit(X)
assert Batches.seen == [0, 1, 2] * 2
np.testing.assert_array_equal(outputs(watched), outputs(plain))
variational = AutoencoderTransformer(
    2, architecture=VariationalArchitecture(), **parameters
).fit(X)
assert variational.history_["loss"][0] > variational.history_["reconstruction_loss"][0]
"""


COMPILED = """
import keras
import numpy as np

from skae import AutoencoderTransformer
from skae._training import _program_cache
from skae.architectures import DenseArchitecture

# As where batches are many.
_program_cache.MIN_BATCHES_FOR_XLA = 1


class EachBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


rng = np.random.RandomState(0)
X = rng.normal(size=(199, 2)) @ rng.normal(size=(2, 5))
X += 0.1 * rng.normal(size=X.shape)
for parameters in (
    {"architecture": DenseArchitecture((8,), start="random", kernel_l2=0.01)},
    {"architecture": DenseArchitecture((8,)), "loss": "huber"},
    {"architecture": DenseArchitecture((8,), start="pca"), "optimizer": "adamw"},
):
    parameters |= {"epochs": 3, "batch_size": 30, "random_state": 0}
    used, again = (AutoencoderTransformer(2, **parameters).fit(X) for _ in range(2))
    assert again.history_ == used.history_
    by_keras = AutoencoderTransformer(2, callbacks=[EachBatch()], **parameters).fit(X)
    assert by_keras.history_.keys() == used.history_.keys()
    for name, losses in used.history_.items():
        np.testing.assert_allclose(by_keras.history_[name], losses, rtol=1e-3)
    for one, other in zip(
        used.autoencoder_.variables, by_keras.autoencoder_.variables, strict=True
    ):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0.01, atol=1e-4)
# What XLA draws are other numbers.
noisy = DenseArchitecture((8,), start="random", dropout=0.2, noise=0.1)
fits = [
    AutoencoderTransformer(2, architecture=noisy, epochs=3, random_state=seed).fit(X)
    for seed in (0, 0, 1)
]
assert fits[0].history_ == fits[1].history_ != fits[2].history_
"""


@pytest.mark.parametrize(
    ("backend", "script"), [("jax", SCRIPT), ("jax", COMPILED), ("torch", SCRIPT)]
)
def test_backend(backend, script):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
