"""What `test_deployment` runs where neither Keras nor TensorFlow is installed.

``python _scoring.py NAME FOLDER`` calls a function of this module. The folder holds
``models.joblib``, which is a dict of models, and their samples.
"""

import copy
import io
import multiprocessing
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import clone

import skae

# Seconds after which a process is taken to hang.
PATIENCE = 60
TRAINING = ("keras", "scikeras", "tensorflow")


def last_of(model):
    """Return the last step of a Pipeline, or the estimator itself."""
    return model[-1] if hasattr(model, "steps") else model


def computed(model, X):
    """Return what a model computes of X by each of its methods."""
    methods = ("score_samples", "decision_function", "predict", "transform", "score")
    found = [getattr(model, name)(X) for name in methods if hasattr(model, name)]
    last = last_of(model)
    if last is not model:
        X = model[0].transform(X)
    methods = (
        "predict_pvalue",
        "select_outliers",
        "explain",
        "encode",
        "reconstruct",
        "impute",
    )
    found += [getattr(last, name)(X) for name in methods if hasattr(last, name)]
    names = ("encode", "decode", "transform", "inverse_transform")
    there, back = [name for name in names if hasattr(last, name)][:2]
    found.append(getattr(last, back)(getattr(last, there)(X)))
    if hasattr(last, "sample"):
        found.append(last.sample(3, random_state=0))
    return list(map(np.asarray, found))


def ways_to_copy(model):
    """Yield copies of a model."""
    yield copy.copy(model)
    yield copy.deepcopy(model)
    yield pickle.loads(pickle.dumps(model))
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    yield joblib.load(file)


def arrays(folder):
    """Use models of arrays in each way that does not train them."""
    for name in (*TRAINING, "matplotlib", "pandas"):
        assert find_spec(name) is None, name
    import skae.architectures
    import skae.inspection
    import skae.metrics
    import skae.model_selection
    import skae.onnx
    import skae.parallel
    import skae.preprocessing

    skae.hide_tensorflow_logs()
    skae.show_versions()
    models = joblib.load(folder / "models.joblib")
    X = np.load(folder / "X.npy")
    for name, model in models.items():
        repr(model), model._repr_html_(), model.get_params(), joblib.hash(model)
        clone(model)
        found = computed(model, X)
        np.savez(folder / f"{name}.npz", *found)
        for copied in ways_to_copy(model):
            for one, other in zip(computed(copied, X), found, strict=True):
                np.testing.assert_array_equal(one, other)
        last = last_of(model).set_params(verbose=0)
        if name != "truncated":
            last.summary(print_fn=str)
        if name == "ordered":
            copy.deepcopy(last.truncate(2)).transform(X)
    models["pipeline"][-1].test_drift(models["pipeline"][0].transform(X))
    models["pipeline"][-1].set_threshold(0.1)
    copy.deepcopy(clone(models["pipeline"]))
    joblib.dump(models, folder / "again.joblib")
    transformer = models["transformer"]
    for needs_keras in (
        lambda: clone(transformer).fit(X),
        lambda: transformer.partial_fit(X),
        lambda: transformer.encoder_,
        lambda: models["truncated"].summary(),
        lambda: joblib.load(folder / "convolutional.joblib").transform(X),
    ):
        message = error_of(needs_keras, ModuleNotFoundError)
        assert "Training" in message, message
        assert "pip install keras tensorflow" in message, message
    message = error_of(lambda: joblib.load(folder / "loss.joblib"), ModuleNotFoundError)
    assert "The parameter loss of this AutoencoderTransformer holds" in message, message
    assert "by set_params before" in message, message


def error_of(call, kind):
    """Return the message of the error that a call raises."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def tables(folder):
    """Use a model of a table, from files of skops and from the command line."""
    import pandas as pd
    import skops.io

    from skae._command_line import main

    assert not any(map(find_spec, TRAINING))
    trusted = list(skae.TRUSTED_TYPES)
    table = pd.read_parquet(folder / "table.parquet")
    with open(folder / "table.skops", "rb") as file:
        model = skops.io.loads(file.read(), trusted=trusted)
    scores = model.score_samples(table)
    np.save(folder / "scores.npy", scores)
    for copied in (
        *ways_to_copy(model),
        skops.io.loads(skops.io.dumps(model), trusted=trusted),
    ):
        np.testing.assert_array_equal(copied.score_samples(table), scores)
    joblib.dump(model, folder / "table.joblib")
    files = ("table.joblib", "table.parquet", "out.parquet")
    assert not main(["score", "--quiet", *(str(folder / name) for name in files)])
    found = pd.read_parquet(folder / "out.parquet")
    np.testing.assert_allclose(found["score"], scores, rtol=1e-6)


def displays(folder):
    """Draw what a model computes."""
    import matplotlib

    matplotlib.use("Agg")
    from skae import inspection

    X = np.load(folder / "X.npy")
    models = joblib.load(folder / "models.joblib")
    for model in (models["labels"], models["transformer"]):
        inspection.ReconstructionDisplay.from_estimator(model, X)
        inspection.LatentSpaceDisplay.from_estimator(model, X)
        inspection.TrainingHistoryDisplay.from_estimator(model)
    inspection.OutlierScoreDisplay.from_estimator(models["labels"], X)
    inspection.DecodedCodesDisplay.from_estimator(
        models["labels"], X, sample_shape=(8, 8)
    )
    assert not any(map(find_spec, TRAINING))


def check_parts(parts, model, X):
    found = np.concatenate(parts)
    np.testing.assert_allclose(found, model.score_samples(X), rtol=1e-6)


def workers(folder):
    """Score parts of the samples in processes of joblib."""
    models = joblib.load(folder / "models.joblib")
    X = np.load(folder / "X.npy")
    with joblib.parallel_config("loky", n_jobs=2):
        for name in ("pipeline", "folds"):
            score = joblib.delayed(models[name].score_samples)
            check_parts(
                joblib.Parallel(timeout=PATIENCE)(map(score, np.split(X, 4))),
                models[name],
                X,
            )


def answer(rows):
    return served.score_samples(rows)


def forks(folder):
    """Score in two forks of a service that has answered a request already."""
    global served
    models = joblib.load(folder / "models.joblib")
    X = np.load(folder / "X.npy")
    for name in ("pipeline", "folds"):
        served = models[name]
        computed(served, X)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for rows in (X, X[:4]):
                answers = pool.map_async(answer, np.split(rows, 4))
                check_parts(answers.get(PATIENCE), served, rows)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
