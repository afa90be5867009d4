import os
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
from _helpers import outputs

from skae import AutoencoderTransformer
from skae.architectures import BaseArchitecture, Networks


class Unseeded(BaseArchitecture):
    """What a user writes who does not think of seeds."""

    def build_networks(self, sample_shape, n_components, output_activation):
        encoder = keras.Sequential(
            [
                keras.Input(sample_shape),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(n_components, kernel_initializer="he_normal"),
            ]
        )
        decoder = keras.Sequential(
            [keras.Input((n_components,)), keras.layers.Dense(*sample_shape)]
        )
        return Networks.from_halves(encoder, decoder)


@pytest.mark.parametrize("architecture", [None, Unseeded()])
def test_same_seed_same_model(X, Estimator, architecture):
    parameters = {"n_components": 3, "architecture": architecture, "epochs": 2}
    first = Estimator(random_state=7, **parameters).fit(X)
    other = Estimator(random_state=8, **parameters).fit(X)
    again = Estimator(random_state=7, **parameters).fit(X)
    assert again.history_ == first.history_
    np.testing.assert_array_equal(outputs(again, X), outputs(first, X))
    assert other.history_ != first.history_


def test_random_state_instance(X, small):
    parameters = small | {"random_state": np.random.RandomState(3)}
    first, second = (AutoencoderTransformer(**parameters).fit(X) for _ in range(2))
    again = AutoencoderTransformer(
        **small | {"random_state": np.random.RandomState(3)}
    ).fit(X)
    np.testing.assert_array_equal(outputs(first, X), outputs(again, X))
    assert not np.array_equal(outputs(first, X), outputs(second, X))


def test_none_follows_numpys_seed(X, small):
    parameters = small | {"random_state": None}
    fits = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        fits.append(outputs(AutoencoderTransformer(**parameters).fit(X), X))
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


@pytest.mark.parametrize("architecture", [None, Unseeded()])
def test_global_state_is_untouched(X, Estimator, small, architecture):
    parameters = small | {"architecture": architecture}
    environment = dict(os.environ)
    python, (_, numpy, *_) = random.getstate(), np.random.get_state()
    estimator = Estimator(**parameters).fit(X).partial_fit(X)
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)
    assert dict(os.environ) == environment
    assert estimator.n_iter_ == 4


def test_keras_global_generator_is_untouched():
    """In fresh processes: older versions of Keras cannot seed it twice."""
    code = """
import sys, keras, numpy as np
from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
keras.utils.set_random_seed(5)
if sys.argv[1] == "fit":
    architecture = DenseArchitecture((4,), start="random")
    AutoencoderTransformer(1, architecture=architecture, epochs=2).fit(np.eye(8))
print(np.array(keras.random.normal((3,))))
"""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, what], stdout=subprocess.PIPE, text=True
        )
        for what in ("fit", "nothing")
    ]
    after_fit, after_nothing = (run.communicate()[0] for run in runs)
    assert "[" in after_fit
    assert after_fit == after_nothing
