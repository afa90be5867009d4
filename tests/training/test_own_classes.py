"""Losses and optimizers of classes that are not registered with Keras."""

import copy
import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer

MODULE = """
import keras


class MyLoss(keras.losses.Loss):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


class MySchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01

    def get_config(self):
        return {}


class MyOptimizer(keras.optimizers.Adam):
    pass


class Forgetful(keras.optimizers.Adam):
    def __init__(self, learning_rate):
        super().__init__(learning_rate)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Importable module of a user's own classes."""
    (tmp_path / "own_keras_classes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("own_keras_classes")
    del sys.modules["own_keras_classes"]


NAMES = ["loss", "optimizer", "schedule", "scaled"]


@pytest.fixture
def estimators(own, small):
    """Estimators with an object of such a class, by what it is."""
    optimizers = keras.optimizers
    given = {
        "loss": {"loss": own.MyLoss(2.0)},
        "optimizer": {"optimizer": own.MyOptimizer(0.01, beta_1=0.8)},
        "schedule": {"optimizer": optimizers.SGD(own.MySchedule())},
        "scaled": {"optimizer": optimizers.LossScaleOptimizer(own.MyOptimizer(0.01))},
    }
    return {name: AutoencoderTransformer(**small | given[name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_clones_share_them(estimators, name):
    estimator = estimators[name]
    cloned = clone(clone(estimator))
    assert cloned.loss is estimator.loss
    assert cloned.optimizer is estimator.optimizer
    assert cloned.architecture is not estimator.architecture
    assert estimator.loss is not None or estimator.optimizer is not None


@pytest.mark.parametrize("name", NAMES)
def test_search(estimators, name, X):
    pipeline = make_pipeline(MinMaxScaler(), estimators[name])
    search = GridSearchCV(
        pipeline,
        {"autoencodertransformer__n_components": [2]},
        cv=2,
        error_score="raise",
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(search.transform(X)).all()


FRESH_PROCESS = """
import sys
import joblib
import numpy as np
X = np.load("X.npy")
for name, estimator in joblib.load("estimators.joblib").items():
    np.save(name + "-codes.npy", estimator.transform(X))
    np.save(name + "-further.npy", estimator.partial_fit(X).transform(X))
"""


def test_copies_and_pickles(estimators, X, tmp_path):
    for estimator in estimators.values():
        estimator.fit(X)
    joblib.dump(estimators, tmp_path / "estimators.joblib")
    np.save(tmp_path / "X.npy", X)
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS],
        check=True,
        cwd=tmp_path,  # where the user's module is
        env=os.environ | {"PYTHONPATH": path},
    )
    for name, estimator in estimators.items():
        copied = copy.deepcopy(estimator)
        codes = estimator.transform(X)
        np.testing.assert_array_equal(copied.transform(X), codes)
        loaded, loaded_further = (
            np.load(tmp_path / f"{name}-{what}.npy") for what in ("codes", "further")
        )
        np.testing.assert_array_equal(loaded, codes)
        further = copied.partial_fit(X).transform(X)
        assert not np.array_equal(further, codes)
        np.testing.assert_allclose(loaded_further, further, rtol=1e-5)


def test_an_optimizer_that_does_not_say_what_makes_it(own, X, small):
    """Its __init__ does not take what get_config returns."""
    estimator = AutoencoderTransformer(optimizer=own.Forgetful(0.01), **small)
    message = "Forgetful cannot be made from what its get_config.. returns.*__init__"
    with pytest.raises(ValueError, match=message):
        estimator.fit(X)
    with pytest.raises(pickle.PicklingError, match=message):
        pickle.dumps(estimator)


class Grouped(keras.optimizers.Adam):
    """It holds what Keras replaces by lists, dicts and sets of its own."""

    def __init__(self, groups=(), rates=None, learning_rate=0.01, **rest):
        super().__init__(learning_rate=learning_rate, **rest)
        self.groups = groups
        self.rates = rates

    def get_config(self):
        return super().get_config() | {"groups": self.groups, "rates": self.rates}


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Muon(exclude_layers=["code"]),
        Grouped(["a", ("b", {"c": [1]})], {"kinds": [1, {2}]}),
    ],
    ids=["Muon", "own"],
)
def test_optimizers_that_hold_lists(X, small, optimizer):
    estimator = AutoencoderTransformer(optimizer=optimizer, **small)
    for model in (estimator, estimator.fit(X)):
        loaded = pickle.loads(pickle.dumps(model))
        config = loaded.optimizer.get_config()
        assert config == optimizer.get_config()
        assert copy.deepcopy(model).optimizer.get_config() == config
    codes = loaded.transform(X)
    np.testing.assert_array_equal(codes, estimator.transform(X))
    further = estimator.partial_fit(X).transform(X)
    np.testing.assert_allclose(loaded.partial_fit(X).transform(X), further, rtol=1e-5)
