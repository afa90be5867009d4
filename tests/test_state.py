"""clone, copy, pickle and joblib, in this process and in a fresh one."""

import copy
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from _helpers import output_of, outputs
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import skae
import skae.impute
import skae.pipeline
import skae.series
from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture, VariationalArchitecture
from skae.preprocessing import TableScaler

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


def test_optimizer_is_kept_between_calls_of_partial_fit_only(X):
    fitted = AutoencoderTransformer(
        2,
        architecture=DenseArchitecture((16,), start="random"),
        learning_rate=0.01,
        batch_size=len(X),
        epochs=3,
        validation_fraction=None,
        random_state=0,
    ).fit(X)
    trained = copy.deepcopy(fitted).partial_fit(X)
    assert len(pickle.dumps(fitted)) < 0.5 * len(pickle.dumps(trained))

    def codes_after_a_step(estimator, method):
        """Of one batch, so that its order does not matter."""
        estimator = pickle.loads(pickle.dumps(estimator))
        estimator.set_params(warm_start=True, epochs=1)
        return getattr(estimator, method)(X).transform(X)

    # fit always begins with a new optimizer.
    for estimator, is_new in ((fitted, True), (trained, False)):
        steps = (codes_after_a_step(estimator, m) for m in ("fit", "partial_fit"))
        assert np.allclose(*steps, atol=1e-4) == is_new


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
    for path in skae.TRUSTED_TYPES:
        module, name = path.rsplit(".", 1)
        assert name in importlib.import_module(module).__all__


def test_trusted_types_are_all_that_is_public():
    """But for architectures of Keras models, which hold any layer."""
    modules = [skae, skae.architectures, skae.impute, skae.pipeline]
    modules += [skae.preprocessing, skae.series]
    names = [(module, name) for module in modules for name in module.__all__]
    public = {
        f"{module.__name__}.{name}"
        for module, name in names
        if isinstance(getattr(module, name), type)
        and issubclass(getattr(module, name), BaseEstimator)
    }
    any_layer = {"skae.architectures.KerasArchitecture"}
    abstract = {"skae.architectures.BaseArchitecture"}
    assert set(skae.TRUSTED_TYPES) == public - any_layer - abstract


@pytest.fixture(scope="module")
def of_tables():
    """Pipelines with each estimator and preprocessor, of arrays and of tables."""
    pa = pytest.importorskip("pyarrow")
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 3)).astype("float32")
    table = pd.DataFrame(X, columns=list("abc")).assign(
        count=pd.array([1, 2, None] * 20, dtype="Int64"),
        is_big=[True, False] * 30,
        kind=pd.Categorical(list("xyz") * 20, ordered=True),
        name=pd.array(list("uv") * 30, dtype=pd.ArrowDtype(pa.string())),
        code=pd.arrays.ArrowExtensionArray(pa.array([3, 4] * 30).dictionary_encode()),
    )
    small = {"n_components": 1, "epochs": 1, "random_state": 0}
    transformer = AutoencoderTransformer(**small)
    detector = AutoencoderOutlierDetector(calibration=0.2, **small)
    scalers = [TableScaler(m) for m in ("standard", "squash", "quantile", "minmax")]
    pairs = [
        *((scaler, transformer, table) for scaler in scalers),
        (TableScaler(), detector, table),
        (TableScaler(), detector, X),
        (StandardScaler(), detector, X),
        (StandardScaler(), transformer, X),
    ]
    return [(make_pipeline(s, clone(e)).fit(X), X) for s, e, X in pairs]


def test_skops_of_pipelines(of_tables):
    skops_io = pytest.importorskip("skops.io")
    for pipeline, X in of_tables:
        dumped = skops_io.dumps(pipeline)
        loaded = skops_io.loads(dumped, trusted=list(skae.TRUSTED_TYPES))
        method = "transform" if hasattr(pipeline, "transform") else "score_samples"
        one, other = (getattr(p, method)(X) for p in (loaded, pipeline))
        np.testing.assert_array_equal(one, other)


def test_mlflow(X, small, tmp_path):
    mlflow_sklearn = pytest.importorskip("mlflow.sklearn")
    pipeline = make_pipeline(TableScaler(), AutoencoderOutlierDetector(**small)).fit(X)
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
def test_damaged_files_are_refused(detector, X, place):
    if place == "optimizer":  # which `fit` does not keep
        detector = copy.deepcopy(detector).partial_fit(X)
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
