"""clone, copy, pickle and joblib, in this process and in a fresh one."""

import copy
import pickle
import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest
from _helpers import outputs
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer

ROUND_TRIPS = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
}


@pytest.fixture(params=ROUND_TRIPS)
def round_trip(request):
    return ROUND_TRIPS[request.param]


@pytest.fixture(scope="module")
def fitted(X, small):
    return {
        Estimator: Estimator(**small).fit(X)
        for Estimator in (AutoencoderTransformer, AutoencoderOutlierDetector)
    }


def test_unfitted(Estimator, small, round_trip):
    estimator = round_trip(Estimator(**small))
    assert repr(estimator) == repr(Estimator(**small))
    assert not hasattr(estimator, "autoencoder_")


def test_fitted(fitted, Estimator, X, round_trip):
    before = fitted[Estimator]
    after = round_trip(before)
    np.testing.assert_array_equal(outputs(after, X), outputs(before, X))
    assert after.history_ == before.history_
    assert after.encoder_ is not before.encoder_
    assert hasattr(before, "encoder_")


@pytest.mark.parametrize("name", ["deepcopy", "pickle"])
def test_training_goes_on(fitted, Estimator, X, name):
    """Weights, the optimizer's state and the order of rows: nothing is lost."""
    round_trip = ROUND_TRIPS[name]
    one, other = (round_trip(fitted[Estimator]) for _ in range(2))
    other = round_trip(other.partial_fit(X[:200])).partial_fit(X)
    one.partial_fit(X[:200]).partial_fit(X)
    np.testing.assert_array_equal(outputs(one, X), outputs(other, X))
    assert not np.array_equal(outputs(one, X), outputs(fitted[Estimator], X))


def test_weights_stay_shared(fitted, Estimator, X, round_trip):
    estimator = round_trip(fitted[Estimator]).partial_fit(X)
    shared = {id(v) for v in estimator.autoencoder_.trainable_variables}
    halves = estimator.encoder_.variables + estimator.decoder_.variables
    assert shared == {id(v) for v in halves}
    np.testing.assert_allclose(
        estimator.autoencoder_.predict(X, verbose=0),
        estimator.decoder_.predict(estimator.encoder_.predict(X, verbose=0), verbose=0),
        atol=1e-6,
    )


def test_clone_is_unfitted(fitted, Estimator):
    estimator = clone(fitted[Estimator])
    assert not hasattr(estimator, "autoencoder_")
    assert estimator.architecture is not fitted[Estimator].architecture


def test_keras_objects_as_parameters(X, small, round_trip):
    parameters = small | {
        "optimizer": keras.optimizers.Adam(0.01, clipnorm=1.0),
        "loss": keras.losses.Huber(0.5),
    }
    estimator = AutoencoderTransformer(**parameters).fit(X)
    assert not estimator.optimizer.built
    np.testing.assert_array_equal(
        outputs(round_trip(estimator), X), outputs(estimator, X)
    )
    again = round_trip(clone(estimator)).fit(X)
    np.testing.assert_array_equal(outputs(again, X), outputs(estimator, X))


def test_callbacks_are_copied(X, small):
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    callback.seen = []
    state = vars(callback).copy()
    AutoencoderTransformer(callbacks=[callback], **small).fit(X)
    assert vars(callback) == state


def test_fit_changes_no_parameter(fitted, Estimator, small):
    parameters = fitted[Estimator].get_params(deep=False)
    for name, value in small.items():
        assert parameters[name] is value
    assert parameters["loss"] is None


FRESH_PROCESS = """
import sys, joblib
import numpy as np
assert "tensorflow" not in sys.modules
X = np.load(sys.argv[2])
for name in ("transformer", "detector", "pipeline"):
    estimator = joblib.load(f"{sys.argv[1]}/{name}.joblib")
    method = "score_samples" if name == "detector" else "transform"
    before = getattr(estimator, method)(X)
    np.save(f"{sys.argv[1]}/{name}.npy", before)
    if name != "pipeline":
        estimator.partial_fit(X)
        np.save(f"{sys.argv[1]}/{name}-further.npy", getattr(estimator, method)(X))
"""


def test_fresh_process(fitted, X, small, tmp_path):
    estimators = {
        "transformer": fitted[AutoencoderTransformer],
        "detector": fitted[AutoencoderOutlierDetector],
        "pipeline": make_pipeline(MinMaxScaler(), AutoencoderTransformer(**small)).fit(
            X
        ),
    }
    for name, estimator in estimators.items():
        joblib.dump(estimator, tmp_path / f"{name}.joblib")
    np.save(tmp_path / "X.npy", X)
    subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, tmp_path, tmp_path / "X.npy"], check=True
    )
    for name, estimator in estimators.items():
        saved = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_array_equal(outputs(estimator, X), saved)
        if name != "pipeline":
            further = copy.deepcopy(estimator).partial_fit(X)
            np.testing.assert_allclose(
                outputs(further, X),
                np.load(tmp_path / f"{name}-further.npy"),
                rtol=1e-5,
            )
