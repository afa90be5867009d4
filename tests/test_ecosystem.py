"""Where scikit-learn's users put estimators: pipelines, searches, data frames."""

import os
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from _helpers import outputs
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.metrics import reconstruction_scorer

# Other tests cover these lines; coverage makes TensorFlow's tracing slow.
pytestmark = pytest.mark.no_cover


def test_pipeline(X, small):
    pipeline = make_pipeline(MinMaxScaler((0, 5)), AutoencoderTransformer(**small))
    codes = pipeline.fit_transform(X)
    np.testing.assert_allclose(pipeline.transform(X), codes)
    assert pipeline.inverse_transform(codes).shape == X.shape
    assert pipeline.score(X) == pytest.approx(
        pipeline[-1].score(pipeline[0].transform(X))
    )
    expected = [f"autoencodertransformer{i}" for i in range(3)]
    assert list(pipeline.get_feature_names_out()) == expected


SMALL = DenseArchitecture((16,), start="random")
SIZES = {"architecture__hidden_layer_sizes": [(1,), (32,)]}


def test_column_transformer_and_feature_union(X, small):
    both = FeatureUnion([("pca", PCA(2)), ("ae", AutoencoderTransformer(**small))])
    assert both.fit_transform(X).shape == (300, 5)
    columns = ColumnTransformer(
        [("ae", AutoencoderTransformer(**small), slice(0, 60))], remainder="passthrough"
    )
    assert columns.fit_transform(X).shape == (300, 7)
    assert list(columns.get_feature_names_out()[:2]) == [
        "ae__autoencodertransformer0",
        "ae__autoencodertransformer1",
    ]


@pytest.mark.parametrize(
    ("architecture", "grid", "expected"),
    [
        (SMALL, {"n_components": [1, 8]}, {"n_components": 8}),
        (SMALL, {"learning_rate": [1e-9, 1e-2]}, {"learning_rate": 1e-2}),
        (SMALL, SIZES, {"architecture__hidden_layer_sizes": (32,)}),
        (None, SIZES, {"architecture__hidden_layer_sizes": (32,)}),
    ],
)
def test_grid_search(X, architecture, grid, expected):
    autoencoder = AutoencoderTransformer(
        4, architecture=architecture, epochs=20, random_state=0
    )
    search = GridSearchCV(autoencoder, grid, cv=2).fit(X)
    assert search.best_params_ == expected
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] < scores[1] == search.best_score_
    assert autoencoder.architecture is architecture


def test_html_shows_the_network(X, small):
    autoencoder = AutoencoderTransformer(**small)
    assert "Network:" not in autoencoder._repr_html_()
    html = autoencoder.fit(X)._repr_html_()
    count = autoencoder.autoencoder_.count_params()
    assert f"<summary>Network: {count:,} parameters, 3 components</summary>" in html
    assert "hidden_1 (Dense)" in html
    with config_context(display="text"):
        assert not hasattr(autoencoder, "_repr_html_")


def test_grid_search_over_architectures(X):
    sizes = [(16,), (4,), ()]
    grid = {"architecture": [DenseArchitecture(s, start="random") for s in sizes]}
    search = GridSearchCV(AutoencoderTransformer(epochs=2, random_state=0), grid, cv=2)
    search.fit(X)
    assert np.unique(search.cv_results_["mean_test_score"]).size == 3


def test_cross_val_score(X, small):
    autoencoder = AutoencoderTransformer(**small)
    by_score = cross_val_score(autoencoder, X, cv=3)
    by_scorer = cross_val_score(autoencoder, X, cv=3, scoring=reconstruction_scorer)
    np.testing.assert_allclose(by_score, by_scorer)


def test_early_stopping_stays_inside_the_fold(X, small):
    """What the held-out fold holds has no influence on the fit."""
    other = X.copy()
    other[:100] = 0
    fits = [AutoencoderTransformer(**small).fit(data[100:]) for data in (X, other)]
    assert fits[0].history_ == fits[1].history_
    scores = cross_val_score(AutoencoderTransformer(**small), X, cv=3)
    assert scores[0] == pytest.approx(fits[0].score(X[:100]))


def test_y_is_ignored(X, Estimator, small):
    y = np.arange(len(X)) % 2
    expected = outputs(Estimator(**small).fit(X), X)
    estimator = Estimator(**small).fit(X, y)
    np.testing.assert_array_equal(outputs(estimator, X), expected)
    estimator.partial_fit(X, y)
    if Estimator is AutoencoderTransformer:
        assert estimator.score(X, y) == estimator.score(X)
    else:
        assert set(Estimator(**small).fit_predict(X, y)) <= {-1, 1}


@pytest.mark.parametrize(
    ("name", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output(X, small, name, frame):
    columns = [f"pixel{i}" for i in range(64)]
    data = frame(dict(zip(columns, X.T, strict=True)))
    autoencoder = AutoencoderTransformer(**small).set_output(transform=name)
    codes = autoencoder.fit_transform(data)
    assert isinstance(codes, frame)
    assert list(codes.columns) == [f"autoencodertransformer{i}" for i in range(3)]
    assert list(autoencoder.feature_names_in_) == columns
    expected = AutoencoderTransformer(**small).fit_transform(X)
    np.testing.assert_array_equal(codes, expected)
    # A frame of codes decodes without a complaint about its names.
    assert autoencoder.inverse_transform(codes).shape == X.shape
    with pytest.raises(ValueError, match="feature names should match"):
        autoencoder.transform(frame(dict(zip(columns[::-1], X.T, strict=True))))


def test_html_repr(transformer):
    html = transformer._repr_html_()
    assert "AutoencoderTransformer" in html
    assert "DenseArchitecture" in html


def test_nested_parameters():
    detector = AutoencoderOutlierDetector()
    detector.set_params(architecture__hidden_layer_sizes=(4,), epochs=3)
    assert detector.architecture.hidden_layer_sizes == (4,)
    assert detector.get_params()["architecture__hidden_layer_sizes"] == (4,)
    detector.set_params(architecture=None)
    assert detector.architecture is None
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        detector.set_params(architecture__depth=3)


SCRIPT = """
import os
import keras, numpy as np, tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_validate
from skae import AutoencoderTransformer
from skae.architectures import BaseArchitecture, Networks

class Built(BaseArchitecture):
    def __init__(self, width=8):
        self.width = width

    def build_networks(self, spec):
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = keras.layers
        return Networks.from_halves(
            keras.Sequential(
                [
                    keras.Input(sample_shape),
                    layers.Dense(self.width, activation="relu"),
                    layers.Dense(n_components),
                ]
            ),
            keras.Sequential(
                [keras.Input((n_components,)), layers.Dense(*sample_shape)]
            ),
        )

def scorer(estimator, X, y=None):
    get = tf.config.threading.get_intra_op_parallelism_threads
    share = int(os.environ.get("OMP_NUM_THREADS", 0))
    return {"score": estimator.score(X), "share": share, "used": get()}

if __name__ == "__main__":
    X = load_digits().data[:200] / 16
    autoencoder = AutoencoderTransformer(
        2,
        architecture=Built(),
        optimizer=keras.optimizers.Adam(0.01),
        epochs=2,
        random_state=0,
    )
    results = [
        cross_validate(autoencoder, X, cv=2, scoring=scorer, n_jobs=n) for n in (1, 2)
    ]
    np.testing.assert_allclose(
        results[0]["test_score"], results[1]["test_score"], rtol=1e-4
    )
    assert (results[1]["test_share"] > 0).all()
    np.testing.assert_array_equal(results[1]["test_used"], results[1]["test_share"])
    grid = {"architecture__width": [4], "optimizer": [keras.optimizers.SGD(0.1)]}
    search = GridSearchCV(autoencoder, grid, cv=2, n_jobs=2, error_score="raise").fit(X)
    assert search.best_estimator_.transform(X).shape == (200, 2)
"""


def test_two_jobs_from_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script], check=True, timeout=300)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no os.fork")
def test_threads_that_the_user_chose_stay():
    """One process imports TensorFlow; copies of it each make one choice."""
    code = """
import os
import tensorflow as tf
from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
linear = DenseArchitecture(())
autoencoder = AutoencoderTransformer(1, architecture=linear, epochs=1)
cases = ("2,1", "fresh"), ("many", "fresh"), ("1", "set"), ("1", "running")
for environment, state in cases:
    if os.fork():
        assert os.wait()[1] == 0
        continue
    os.environ["OMP_NUM_THREADS"] = environment
    if state == "set":
        tf.config.threading.set_intra_op_parallelism_threads(3)
    elif state == "running":
        tf.constant(1) + 1
    autoencoder.fit([[0.0, 1.0], [1.0, 0.0]])
    print(tf.config.threading.get_intra_op_parallelism_threads(), flush=True)
    os._exit(0)
"""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, check=True, timeout=300, capture_output=True)
    assert ran.stdout.split() == [b"2", b"0", b"3", b"0"]


def test_keras_callback_in_a_search(X, small):
    search = GridSearchCV(
        AutoencoderTransformer(**small),
        {"callbacks": [None, [keras.callbacks.TerminateOnNaN()]]},
        cv=2,
    ).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)
