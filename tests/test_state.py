"""clone, copy, pickle and joblib, in this process and in a fresh one."""

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
from _helpers import output_of, outputs
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skae
from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture, VariationalArchitecture

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
        output_of(estimator.autoencoder_, X),
        output_of(estimator.decoder_, output_of(estimator.encoder_, X)),
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


NO_KERAS = """
import pickle, sys
import numpy as np


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "tensorflow", "scikeras"):
            raise ImportError(name)


sys.meta_path.insert(0, Refuse())
import matplotlib
matplotlib.use("Agg")
from skae import inspection

folder = sys.argv[1]
X = np.load(f"{folder}/X.npy")
with open(f"{folder}/models.pickle", "rb") as file:
    models = pickle.load(file)
for name, model in models.items():
    if name == "detector":
        found = [model.score_samples(X), model.predict(X), model.explain(X)]
        inspection.OutlierScoreDisplay.from_estimator(model, X)
        inspection.DecodedCodesDisplay.from_estimator(model, X, image_shape=(8, 8))
    else:
        codes = model.transform(X)
        found = [codes, model.inverse_transform(codes), np.array(model.score(X))]
    found.append(model.reconstruct(X))
    if name == "ordered":
        model = model.truncate(2)
        found += [model.transform(X), model.reconstruct(X)]
    np.savez(f"{folder}/{name}.npz", *found)
    inspection.ReconstructionDisplay.from_estimator(model, X)
    inspection.LatentSpaceDisplay.from_estimator(model, X)
    inspection.TrainingHistoryDisplay.from_estimator(model)
    model.set_params(verbose=0)
    repr(model), model._repr_html_()
    if name != "ordered":
        model.summary(print_fn=str)
    try:
        model.encoder_
    except ImportError:
        pass
    else:
        raise AssertionError("a Keras model without Keras")
"""


def test_no_keras_is_imported(X, small, tmp_path):
    """Loading and all that a dense network computes need neither it nor TensorFlow."""
    normalized = DenseArchitecture((8,), "gelu", normalization="batch", dropout=0.1)
    tied = DenseArchitecture((8,), tied_weights=True, normalization="layer")
    models = {
        "default": AutoencoderTransformer(2, epochs=2, random_state=0),
        "ordered": AutoencoderTransformer(3, ordered=True, epochs=2, random_state=0),
        "normalized": AutoencoderTransformer(**small | {"architecture": normalized}),
        "tied": AutoencoderTransformer(**small | {"architecture": tied}),
        "variational": AutoencoderTransformer(
            **small | {"architecture": VariationalArchitecture((8,))}
        ),
        "detector": AutoencoderOutlierDetector(epochs=2, random_state=0),
    }
    for model in models.values():
        model.fit(X)
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "models.pickle").write_bytes(pickle.dumps(models))
    # As joblib's workers have it.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", NO_KERAS, tmp_path]
    subprocess.run(command, check=True, env=environment)
    for name, model in models.items():
        found = list(np.load(tmp_path / f"{name}.npz").values())
        if name == "detector":
            expected = [model.score_samples(X), model.predict(X), model.explain(X)]
        else:
            codes = model.transform(X)
            expected = [codes, model.inverse_transform(codes), model.score(X)]
        expected.append(model.reconstruct(X))
        if name == "ordered":
            truncated = model.truncate(2)
            expected += [truncated.transform(X), truncated.reconstruct(X)]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_keras_models_are_built_when_asked_for(transformer, X):
    loaded = pickle.loads(pickle.dumps(transformer))
    assert "encoder_" not in dir(loaded)
    assert hasattr(loaded, "encoder_")
    assert {"encoder_", "decoder_", "autoencoder_"} <= set(dir(loaded))
    by_keras = loaded.encoder_.predict(X, verbose=0)
    np.testing.assert_allclose(by_keras, transformer.transform(X), rtol=1e-4, atol=1e-5)
    with pytest.raises(AttributeError, match="no attribute 'encoder_'"):
        AutoencoderTransformer().encoder_  # noqa: B018


def test_models_that_were_given_away_stay_those_in_use(transformer, X):
    """Also when training goes on: nothing is copied behind the user's back."""
    loaded = pickle.loads(pickle.dumps(transformer))
    encoder = loaded.encoder_
    loaded.partial_fit(X)
    assert loaded.encoder_ is encoder
    encoder.set_weights([np.zeros_like(w) for w in encoder.get_weights()])
    np.testing.assert_array_equal(loaded.transform(X), 0)


def test_memory_maps_are_shared(tmp_path, X, small):
    """The weights of a loaded model are the file itself, also after inference."""
    architecture = DenseArchitecture((300,), start="random")
    transformer = AutoencoderTransformer(**small | {"architecture": architecture})
    transformer.fit(X)
    joblib.dump(transformer, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(loaded.transform(X), transformer.transform(X))
    values = loaded._fitted.values()
    assert all(isinstance(value.base, np.memmap) for value in values if value.size > 1)
    loaded.partial_fit(X)  # it does not write into the file
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(loaded.transform(X), transformer.transform(X))


def test_without_the_optimizer(X):
    autoencoder = AutoencoderTransformer(2, epochs=2, random_state=0).partial_fit(X)
    before = autoencoder.transform(X)
    size = len(pickle.dumps(autoencoder))
    assert autoencoder.drop_optimizer_state() is autoencoder
    assert len(pickle.dumps(autoencoder)) < 0.4 * size
    np.testing.assert_array_equal(autoencoder.transform(X), before)
    assert autoencoder.partial_fit(X).n_iter_ == 2


@pytest.mark.parametrize("name", ["default", "variational", "tied"])
def test_skops(X, small, name):
    skops_io = pytest.importorskip("skops.io")
    architecture = {
        "variational": VariationalArchitecture((8,)),
        "tied": DenseArchitecture((8,), tied_weights=True, normalization="batch"),
    }.get(name)
    calibration = 2 if name == "default" else 0.2
    parameters = small | {"architecture": architecture, "calibration": calibration}
    detector = AutoencoderOutlierDetector(**parameters)
    pipeline = make_pipeline(MinMaxScaler(), detector).fit(X)
    dumped = skops_io.dumps(pipeline)
    assert set(skops_io.get_untrusted_types(data=dumped)) <= set(skae.TRUSTED_TYPES)
    loaded = skops_io.loads(dumped, trusted=list(skae.TRUSTED_TYPES))
    scaled = pipeline[0].transform(X)
    for method in ("score_samples", "predict_pvalue", "explain", "predict"):
        one, other = (getattr(p[-1], method)(scaled) for p in (loaded, pipeline))
        np.testing.assert_array_equal(one, other)
    further = [
        p[-1].set_params(calibration=0.2).partial_fit(p[0].transform(X))
        for p in (loaded, pipeline)
    ]
    np.testing.assert_array_equal(*(d.score_samples(X) for d in further))


def test_names_of_features_are_kept(X, small):
    import pandas as pd

    frame = pd.DataFrame(X[:, :4], columns=["a", "ü", "c d", "0"])
    loaded = pickle.loads(pickle.dumps(AutoencoderTransformer(**small).fit(frame)))
    assert list(loaded.feature_names_in_) == list(frame.columns)
    state = loaded.__getstate__()
    state["feature_names_in_"] = state["feature_names_in_"][::-1]
    with pytest.raises(pickle.UnpicklingError, match="damaged or was changed"):
        loaded.__setstate__(state)


def test_trusted_types_are_public():
    assert len(skae.TRUSTED_TYPES) <= 6
    for path in skae.TRUSTED_TYPES:
        module, name = path.rsplit(".", 1)
        assert name in importlib.import_module(module).__all__


def test_mlflow(X, small, tmp_path):
    mlflow_sklearn = pytest.importorskip("mlflow.sklearn")
    pipeline = make_pipeline(MinMaxScaler(), AutoencoderOutlierDetector(**small)).fit(X)
    mlflow_sklearn.save_model(
        pipeline,
        tmp_path / "model",
        serialization_format="skops",
        skops_trusted_types=list(skae.TRUSTED_TYPES),
        pip_requirements=["skae"],
    )
    loaded = mlflow_sklearn.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.score_samples(X), pipeline.score_samples(X))


def damaged(state, place):
    """Change one number of a pickled state."""
    if place == "weights":
        state["_fitted"]["values"][0].flat[0] += 1
    elif place == "layers":
        state["_fitted"]["graphs"]["encoder"]["nodes"][-1]["kernel"] = 1
    elif place == "score":
        state["_anomaly_score"]["scores"][0]["weights_"][0] *= 2
    elif place == "threshold":
        state["offset_"] -= 1
    elif place == "parameter":
        state["contamination"] = 0.2
    elif place == "optimizer":
        state["_optimizer_state"]["values"][-1].flat[0] += 1
    return state


@pytest.mark.parametrize(
    "place", ["weights", "layers", "score", "threshold", "parameter", "optimizer"]
)
def test_damaged_files_are_refused(detector, place):
    state = pickle.loads(pickle.dumps(detector.__getstate__()))
    loaded = object.__new__(AutoencoderOutlierDetector)
    loaded.__setstate__(copy.deepcopy(state))  # as it was
    with pytest.raises(pickle.UnpicklingError, match="damaged or was changed"):
        loaded.__setstate__(damaged(state, place))


def test_other_formats_are_refused(transformer):
    state = transformer.__getstate__()
    loaded = object.__new__(AutoencoderTransformer)
    newer = state | {"_written_by": {"format": 99, "skae": "7.0"}}
    with pytest.raises(pickle.UnpicklingError, match=r"by skae 7\.0.*or fit again"):
        loaded.__setstate__(newer)
    del state["_written_by"]
    with pytest.raises(pickle.UnpicklingError, match=r"by skae 0\.1.*or fit again"):
        loaded.__setstate__(state)


def test_truncated_files_are_refused(transformer):
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        pickle.loads(pickle.dumps(transformer)[:-1000])


@pytest.mark.parametrize("name", ["transformer", "detector"])
def test_files_of_format_1(name):
    """They must load for ever. `tests/data/write_format.py` wrote them."""
    folder = Path(__file__).parent / "data"
    loaded = joblib.load(folder / f"format_1_{name}.joblib")
    with np.load(folder / "format_1.npz") as file:
        np.testing.assert_allclose(outputs(loaded, file["X"]), file[name], rtol=1e-6)
        # Parameters that are newer than the file have their defaults.
        assert repr(clone(loaded)) == repr(loaded)
        loaded.partial_fit(file["X"])
