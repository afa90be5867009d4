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


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
