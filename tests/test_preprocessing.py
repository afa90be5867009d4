"""Tables are scaled and scaled back."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.preprocessing import TableScaler

METHODS = ["standard", "squash", "quantile", "minmax"]


@parametrize_with_checks([TableScaler()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def table():
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "size": np.where(rng.uniform(size=80) < 0.2, np.nan, rng.normal(size=80)),
            "kind": pd.Categorical(rng.choice(["a", "b"], 80)),
            "count": rng.poisson(50, 80),
            "name": rng.choice(["x", "y"], 80),
            "known": rng.uniform(size=80) < 0.5,
            "small": rng.normal(size=80).astype("float32"),
        },
        index=np.arange(80) + 10,
    )


def as_polars(table):
    return pl.from_pandas(table, nan_to_null=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("convert", [lambda X: X, as_polars], ids=["pandas", "polars"])
def test_there_and_back(table, method, convert):
    frame = convert(table)
    scaler = TableScaler(method).fit(frame)
    scaled = scaler.transform(frame)
    back = scaler.inverse_transform(scaled)
    assert type(scaled) is type(back) is type(frame)
    assert list(back.columns) == list(frame.columns)
    assert list(back.dtypes) == list(frame.dtypes)
    assert list(scaler.get_feature_names_out()) == list(frame.columns)
    for name in frame.columns:
        one, other = (list(part[name]) for part in (frame, back))
        if name in ("size", "small"):
            one, other = (np.array(part, float) for part in (one, other))
            assert_allclose(other, one, rtol=1e-4, atol=1e-5)
        else:
            assert one == other
    assert list(scaled["kind"]) == list(frame["kind"])
    numbers = np.array(list(scaled["count"]), float)
    assert numbers.std() < 3


def test_pandas_keep_their_index(table):
    scaler = TableScaler().fit(table)
    scaled = scaler.transform(table)
    assert scaled.index.equals(table.index)
    assert scaler.inverse_transform(scaled).index.equals(table.index)
    assert table["count"].dtype == "int64"  # as it was


def test_it_scales_as_scikit_learn_does(table):
    names = ["size", "count"]
    numbers = table[names]
    expected = ColumnTransformer([("scale", StandardScaler(), names)])
    scaled = TableScaler().fit_transform(table)[names]
    assert_allclose(scaled, expected.fit_transform(numbers))


def test_squash_tames_extremes():
    X = np.random.RandomState(0).lognormal(sigma=2, size=(200, 1))
    scaled = TableScaler("squash").fit_transform(X)
    assert scaled.max() < StandardScaler().fit_transform(X).max() / 1.5
    back = TableScaler("squash").fit(X).inverse_transform(scaled)
    assert_allclose(back, X, rtol=1e-6, atol=1e-6)


def test_bad_tables(table):
    scaler = TableScaler().fit(table)
    with pytest.raises(ValueError, match="'count' had numbers in fit, but has dtype"):
        scaler.transform(table.assign(count="many"))
    with pytest.raises(ValueError, match=r"(?s)feature names.*size"):
        scaler.transform(table.drop(columns="size"))
    with pytest.raises(ValueError, match=r"(?s)feature names.*new"):
        scaler.transform(table.assign(new=1))
    with pytest.raises(ValueError, match="infinity"):
        scaler.transform(table.assign(size=np.inf))
    with pytest.raises(ValueError, match="has to be a DataFrame"):
        scaler.transform(np.zeros((3, 6)))
    with pytest.raises(ValueError, match="'method' parameter"):
        TableScaler("log").fit(table)


def test_no_numbers(table):
    texts = table[["kind", "name"]]
    scaled = TableScaler().fit_transform(texts)
    pd.testing.assert_frame_equal(scaled, texts)


def test_a_column_without_observed_cells(table):
    scaler = TableScaler().fit(table.assign(size=np.nan))
    scaled = scaler.transform(table.assign(size=np.nan))
    assert scaled["size"].isna().all()


def test_a_pipeline_from_table_to_table(table):
    numbers = table[["size", "count", "small"]]
    architecture = DenseArchitecture((8,))
    transformer = AutoencoderTransformer(
        2, architecture=architecture, epochs=3, random_state=0
    )
    pipeline = make_pipeline(TableScaler(), transformer).fit(numbers)
    scaler = pipeline[0]
    imputed = scaler.inverse_transform(transformer.impute(scaler.transform(numbers)))
    assert not imputed.isna().any().any()
    assert list(imputed.dtypes) == list(numbers.dtypes)
    observed = numbers.notna().to_numpy()
    assert_allclose(imputed.to_numpy()[observed], numbers.to_numpy()[observed])


@pytest.mark.parametrize("method", ["standard", "squash", "minmax"])
def test_onnx(tmp_path, table, method):
    onnxruntime = pytest.importorskip("onnxruntime")
    from skae.onnx import export_onnx

    X = table[["size", "count", "small"]].to_numpy("float32")
    transformer = AutoencoderTransformer(
        2, architecture=DenseArchitecture((8,)), epochs=2, random_state=0
    )
    pipeline = make_pipeline(TableScaler(method), transformer).fit(X)
    export_onnx(pipeline, tmp_path / "table.onnx", outputs=["transform", "reconstruct"])
    session = onnxruntime.InferenceSession(tmp_path / "table.onnx")
    codes, R = session.run(
        ["transform", "reconstruct"], {session.get_inputs()[0].name: X}
    )
    assert_allclose(codes, pipeline.transform(X), rtol=1e-3, atol=1e-3)
    expected = pipeline.inverse_transform(pipeline.transform(X))
    assert_allclose(R, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_input_does_not_matter(method, dtype):
    """Not where equal values make a step of a quantile, either."""
    codes = np.repeat([0.1, 1000.1, 2000.3, 5000.7], 20)[:, np.newaxis]
    scaler = TableScaler(method).fit(codes.astype(dtype))
    one, other = (scaler.transform(codes.astype(t)) for t in ("float32", "float64"))
    assert one.dtype == "float32"
    assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_quantiles_tell_values_beyond_from_the_extremes():
    X = np.repeat([1.0, 2.0, 5.0], 20)[:, np.newaxis]
    scaler = TableScaler("quantile").fit(X)
    low, high = scaler.transform([[1.0], [5.0]]).ravel()
    beyond = scaler.transform([[-1e9], [0.0], [6.0], [1e9]]).ravel()
    assert low - 1 <= beyond[0] < beyond[1] < low - 0.1
    assert high + 0.1 < beyond[2] < beyond[3] <= high + 1
    back = scaler.inverse_transform(beyond[:, np.newaxis])
    np.testing.assert_array_equal(back.ravel(), [1, 1, 5, 5])


def test_columns_without_dtypes_of_numpy():
    """Empty and dictionary columns of Arrow, sparse ones, and a table of pyarrow."""
    pa = pytest.importorskip("pyarrow")
    columns = {"x": [1.0, 2.0, 6.0], "kind": pa.array(list("aba")).dictionary_encode()}
    empty = pd.arrays.ArrowExtensionArray(pa.nulls(3))
    kind = pd.arrays.ArrowExtensionArray(columns["kind"])
    frame = pd.DataFrame({**columns, "kind": kind, "empty": empty})
    frame["count"] = pd.arrays.SparseArray([0, 3, 0])
    scaler = TableScaler().fit(frame)
    scaled = scaler.transform(frame)
    assert_allclose(scaled["x"], StandardScaler().fit_transform(frame[["x"]]).ravel())
    pd.testing.assert_frame_equal(scaler.inverse_transform(scaled), frame)
    table = pa.table(columns)
    scaled = TableScaler().fit(table).transform(table)
    assert scaled["kind"].tolist() == list("aba")
    assert scaled["x"].mean() == pytest.approx(0)


def test_dask_collections(table):
    dd, da = pytest.importorskip("dask.dataframe"), pytest.importorskip("dask.array")
    scaler = TableScaler().fit(table)
    lazy = dd.from_pandas(table, npartitions=3)
    expected = scaler.transform(table)
    scaled = scaler.transform(lazy)
    restored = scaler.inverse_transform(scaled)
    # Dask has a dtype of its own for texts.
    pd.testing.assert_frame_equal(scaled.compute(), expected, check_dtype=False)
    pd.testing.assert_frame_equal(
        restored.compute(), scaler.inverse_transform(expected), check_dtype=False
    )
    cure = "Fit on a part of it in memory; transform takes Dask collections"
    for blocks in (lazy, da.from_array(np.ones((9, 2)), chunks=3), [table, table]):
        with pytest.raises(TypeError, match=f"X has to be in memory, but .* {cure}"):
            TableScaler().fit(blocks)


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_partial_fit_on_parts_is_fit_on_all(method):
    rng = np.random.RandomState(0)
    table = pd.DataFrame({"a": rng.normal(size=60), "kind": ["u", "v", None] * 20})
    table.loc[::7, "a"] = np.nan
    scaler = TableScaler(method)
    for part in (table[:10], table[10:]):
        scaler.partial_fit(part)
    expected = TableScaler(method).fit(table).transform(table)
    pd.testing.assert_frame_equal(scaler.transform(table), expected)
    with pytest.raises(ValueError, match="order"):
        scaler.partial_fit(table[["kind", "a"]])


@pytest.mark.parametrize("method", ["squash", "quantile"])
def test_partial_fit_needs_moments_or_limits_only(method):
    assert not hasattr(TableScaler(method), "partial_fit")
