"""Dask collections are computed block by block, when they are computed."""

import os
import signal
import subprocess
import sys

import dask
import dask.array as da
import dask.bag
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.parallel import map_blocks

SMALL = {"architecture": DenseArchitecture((8,)), "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    rng = np.random.RandomState(0)
    z = rng.normal(size=200)
    return pd.DataFrame(
        {
            "size": z,
            "count": np.round(3 * z).astype(int),
            "kind": np.where(z > 0, "a", "b"),
        },
        index=3 * np.arange(200),
    )


@pytest.fixture(scope="module")
def X(table):
    return table[["size", "count"]].to_numpy()


@pytest.fixture(scope="module")
def lazy_X(X):
    return da.from_array(X, chunks=(60, 1))


@pytest.fixture(scope="module")
def lazy_table(table):
    return dd.from_pandas(table, npartitions=3)


@pytest.fixture(scope="module")
def transformer(X):
    return AutoencoderTransformer(1, **SMALL).fit(X)


@pytest.fixture(scope="module")
def detector(X):
    return AutoencoderOutlierDetector(1, calibration=0.3, **SMALL).fit(X)


@pytest.fixture(scope="module")
def of_table(table):
    return AutoencoderTransformer(1, **SMALL).fit(table)


class CountsCalls(BaseEstimator):
    """Fitted without `fit`; it counts what is computed."""

    n_calls = 0

    def predict(self, X):
        type(self).n_calls += 1
        return X[:, 0] > 0


@pytest.mark.parametrize("method", ["transform", "reconstruct", "impute"])
def test_arrays_of_a_transformer(transformer, X, lazy_X, method):
    call = getattr(transformer, method)
    found = call(lazy_X)
    expected = call(X)
    assert found.chunks[0] == (60, 60, 60, 20)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6, atol=1e-12)


def test_it_goes_back(transformer, X, lazy_X):
    found = transformer.inverse_transform(transformer.transform(lazy_X))
    expected = transformer.inverse_transform(transformer.transform(X))
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "method", ["score_samples", "decision_function", "predict", "predict_pvalue"]
)
def test_arrays_of_a_detector(detector, X, lazy_X, method):
    call = getattr(detector, method)
    found, expected = call(lazy_X), call(X)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6)


def test_a_selection_is_computed(detector, X, lazy_X):
    X_new = X + [[5, -5]] * (np.arange(200) < 50)[:, np.newaxis]
    lazy_new = da.from_array(X_new, chunks=(60, 1))
    selected = detector.select_outliers(lazy_new)
    assert isinstance(selected, np.ndarray)
    assert selected.any()
    np.testing.assert_array_equal(selected, detector.select_outliers(X_new))
    found, expected = (detector.test_drift(samples) for samples in (lazy_X, X))
    np.testing.assert_allclose(
        [found.statistic, found.pvalue], [expected.statistic, expected.pvalue]
    )


def test_codes_by_keyword(detector, lazy_X):
    codes = detector.encode(X=lazy_X)
    assert detector.decode(codes=codes).compute().shape == (200, 2)


def test_images():
    images = np.random.RandomState(0).uniform(size=(30, 4, 4))
    transformer = AutoencoderTransformer(2, **SMALL).fit(images)
    lazy = da.from_array(images, chunks=(10, 2, 4))
    codes = transformer.transform(lazy)
    assert codes.shape == (30, 2)
    assert transformer.inverse_transform(codes).shape == (30, 4, 4)
    found = transformer.reconstruct(lazy).compute()
    np.testing.assert_allclose(found, transformer.reconstruct(images), rtol=1e-5)


def test_tables_stay_tables(of_table, table, lazy_table):
    codes = of_table.transform(lazy_table)
    assert list(codes.columns) == ["autoencodertransformer0"]
    computed = codes.compute()
    pd.testing.assert_index_equal(computed.index, table.index)
    np.testing.assert_allclose(computed, of_table.transform(table), rtol=1e-6)
    back = of_table.inverse_transform(codes)
    assert list(back.columns) == list(table.columns)
    expected = of_table.reconstruct(table)
    pd.testing.assert_frame_equal(back.compute(), expected, check_dtype=False)
    assert back.dtypes["count"] == back.compute().dtypes["count"] == "int64"


def test_scores_of_a_table_are_a_series(table, lazy_table):
    detector = AutoencoderOutlierDetector(1, **SMALL).fit(table)
    found = detector.score_samples(lazy_table)
    assert isinstance(found, dd.Series)
    expected = pd.Series(detector.score_samples(table), table.index)
    pd.testing.assert_series_equal(found.compute(), expected)


def test_empty_partitions(of_table, lazy_table, lazy_X, transformer):
    few = lazy_table[lazy_table["size"] > 2.2]
    assert of_table.transform(few).compute().shape[1] == 1
    none = lazy_table[lazy_table["size"] > 100]
    assert list(of_table.reconstruct(none).compute().columns) == list(few.columns)
    assert transformer.transform(lazy_X[lazy_X[:, 0] > 100]).compute().shape == (0, 1)


def test_set_output(X, lazy_X, lazy_table):
    numbers = lazy_table[["size", "count"]]
    transformer = AutoencoderTransformer(1, **SMALL).fit(numbers.compute())
    transformer.set_output(transform="pandas")
    for lazy in (lazy_X, numbers):
        found = transformer.transform(lazy)
        assert isinstance(found, dd.DataFrame)
        assert list(found.columns) == ["autoencodertransformer0"]
        assert len(found.compute()) == 200


def test_a_pipeline(X, lazy_X, lazy_table):
    pipeline = make_pipeline(StandardScaler(), AutoencoderTransformer(1, **SMALL))
    pipeline.fit(X)
    found = map_blocks(pipeline.transform, lazy_X).compute()
    np.testing.assert_allclose(found, pipeline.transform(X), rtol=1e-5)


def test_nothing_is_computed_before():
    CountsCalls.n_calls = 0
    lazy = map_blocks(CountsCalls().predict, da.ones((10, 2), chunks=(2, 2)))
    assert CountsCalls.n_calls == 1  # two samples that were made up
    assert lazy.dtype == bool
    lazy.compute(scheduler="synchronous")
    assert CountsCalls.n_calls == 6


def test_the_estimator_is_in_the_graph_once(transformer, lazy_X):
    graph = dict(transformer.transform(lazy_X).__dask_graph__())
    keys = {str(key) for key in graph}
    assert sum("_Call" in key for key in keys) <= 1
    assert len(graph) < 4 * lazy_X.npartitions + 2


def test_later_changes_count(detector, lazy_X):
    """Two graphs of one estimator that changed in between are not mixed up."""
    before = detector.predict(lazy_X)
    changed = AutoencoderOutlierDetector(1, **SMALL).fit(lazy_X.compute() * 0.01)
    after = changed.predict(lazy_X)
    first, second = da.compute(before, after)
    np.testing.assert_array_equal(second, changed.predict(lazy_X.compute()))
    np.testing.assert_array_equal(first, detector.predict(lazy_X.compute()))


@pytest.mark.parametrize("method", ["partial_fit", "score"])
def test_what_needs_all_samples_is_refused(transformer, lazy_X, method):
    with pytest.raises(TypeError, match="has to be in memory, but is of type Array"):
        getattr(transformer, method)(lazy_X)


def test_wrong_arguments(transformer, X, lazy_X):
    with pytest.raises(TypeError, match="method of a fitted estimator"):
        map_blocks(len, lazy_X)
    with pytest.raises(TypeError, match="Dask array or DataFrame, but got a ndarray"):
        map_blocks(transformer.transform, X)
    with pytest.raises(ValueError, match="3 features"):
        transformer.transform(da.ones((4, 3)))


@pytest.mark.no_cover
def test_without_dask():
    code = (
        "import sys; sys.modules['dask'] = None\n"
        "from sklearn.decomposition import PCA\n"
        "import skae.parallel\n"
        "class Lazy:\n    __dask_graph__ = None\n"
        "skae.parallel.map_blocks(PCA().transform, Lazy())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "skae[dask]"' in ran.stderr


@pytest.mark.no_cover
def test_searches_in_processes_of_dask(X):
    """The results of two workers are those of this process."""
    from distributed import Client, LocalCluster

    search = GridSearchCV(
        AutoencoderTransformer(**SMALL),
        {"n_components": [1, 2], "epochs": [1, 2]},
        cv=2,
    )
    expected = search.fit(X).cv_results_["mean_test_score"]
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, Client(cluster), parallel_config("dask"):
        found = clone(search).fit(X).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.no_cover
def test_a_lost_worker(transformer, X, lazy_X):
    """What a killed worker was computing is computed again."""
    from distributed import Client, LocalCluster, wait

    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        lazy = transformer.transform(lazy_X).persist()
        wait(lazy)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        found = lazy.compute()
    np.testing.assert_allclose(found, transformer.transform(X), rtol=1e-6)


def test_configuration_of_scikit_learn_is_that_of_the_call(transformer, X, lazy_X):
    """It is one of a thread, and blocks are computed by others."""
    with config_context(transform_output="pandas"):
        codes = transformer.transform(lazy_X)
        expected = transformer.transform(X)
    codes = codes.compute()
    assert list(codes) == list(expected)
    # In blocks of another size, the last digits may differ.
    np.testing.assert_allclose(codes, expected, rtol=1e-6)


def test_tables_of_polars_become_those_of_pandas(table, X, lazy_X, lazy_table):
    numbers = ["size", "count"]
    scaler = StandardScaler().fit(table[numbers]).set_output(transform="polars")
    scaled = map_blocks(scaler.transform, lazy_table[numbers]).compute()
    pd.testing.assert_index_equal(scaled.index, table.index)
    np.testing.assert_array_equal(scaled, scaler.transform(table[numbers]))
    scaler = StandardScaler().fit(X).set_output(transform="polars")
    found = map_blocks(scaler.transform, lazy_X).compute()
    assert isinstance(found, pd.DataFrame)
    np.testing.assert_array_equal(found, scaler.transform(X))


class OtherResults(BaseEstimator):
    def moments(self, X):
        return X.mean(axis=1), X.std(axis=1)

    def mean(self, X):
        return np.mean(X, axis=0)[:1]

    def total(self, X):
        return float(np.sum(np.asarray(X)))


@pytest.mark.parametrize("name", ["moments", "mean", "total"])
@pytest.mark.parametrize("kind", ["lazy_X", "lazy_table"])
def test_methods_with_other_results_are_refused(name, kind, request):
    X = request.getfixturevalue(kind)
    X = X[["size", "count"]] if kind == "lazy_table" else X
    with pytest.raises(TypeError, match=rf"row for each sample, but {name} of Other"):
        map_blocks(getattr(OtherResults(), name), X)


def test_sparse_results_for_a_table_are_refused(table, lazy_table):
    encoder = OneHotEncoder(handle_unknown="ignore").fit(table[["kind"]])
    with pytest.raises(TypeError, match="sparse_output=False"):
        map_blocks(encoder.transform, lazy_table[["kind"]])


@pytest.mark.parametrize(
    "make",
    [
        lambda X: dask.delayed(X),
        lambda X: dask.bag.from_sequence(X.tolist()),
        lambda X: da.from_array(X).sum(),
        lambda X: dd.from_pandas(pd.Series(X[:, 0]), npartitions=2),
    ],
)
def test_other_collections_are_refused(detector, X, make):
    for method in (detector.score_samples, clone(detector).fit):
        with pytest.raises(TypeError, match="does not hold samples as rows"):
            method(make(X))


def test_earlier_versions_of_dask_are_refused(transformer, lazy_X, monkeypatch):
    monkeypatch.setattr(dask, "__version__", "2025.7.0")
    with pytest.raises(ImportError, match=r"2025\.9 or newer is needed.*2025\.7\.0"):
        transformer.transform(lazy_X)


def test_steps_that_refuse_values_that_are_made_up(table, lazy_table, X, lazy_X):
    """Unknown categories, and logarithms of 0."""
    encoder = OneHotEncoder(sparse_output=False).fit(table[["kind"]])
    found = map_blocks(encoder.transform, lazy_table[["kind"]]).compute()
    np.testing.assert_array_equal(found, encoder.transform(table[["kind"]]))
    positive = make_pipeline(FunctionTransformer(np.log), StandardScaler()).fit(
        np.exp(X)
    )
    found = map_blocks(positive.transform, da.exp(lazy_X)).compute()
    np.testing.assert_allclose(found, positive.transform(np.exp(X)))


def test_errors_of_the_first_rows_are_raised(table, lazy_table):
    encoder = OneHotEncoder(sparse_output=False).fit(table[["kind"]])
    other = lazy_table[["kind"]].assign(kind="other")
    with pytest.raises(ValueError, match="unknown categories"):
        map_blocks(encoder.transform, other)
    with pytest.raises(NotFittedError):
        map_blocks(OneHotEncoder().transform, other)


class CountsThreads(BaseEstimator):
    def count(self, X):
        pools = [p for p in threadpool_info() if p["user_api"] == "blas"]
        return np.full(len(X), max(pool["num_threads"] for pool in pools))


def test_threads_of_dask_share_the_cores(lazy_X):
    """BLAS has one thread in each meanwhile, and as many as before afterwards."""
    before = CountsThreads().count([0])
    counts = map_blocks(CountsThreads().count, lazy_X)
    assert set(counts.compute(scheduler="threads")) == {1}
    assert CountsThreads().count([0]) == before
    with threadpool_limits(1, user_api="blas"):
        assert CountsThreads().count([0]) == 1
    assert CountsThreads().count([0]) == before
