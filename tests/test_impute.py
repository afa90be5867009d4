import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import skae
from skae.architectures import DenseArchitecture
from skae.impute import AutoencoderImputer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def imputer(**params):
    small = {"architecture": DenseArchitecture((8,)), "epochs": 2, "random_state": 0}
    return AutoencoderImputer(**small | params)


@pytest.fixture(scope="module")
def table():
    """Numbers in several units, categories, missing cells and two empty columns."""
    rng = np.random.RandomState(0)
    x = rng.normal(size=80)
    table = pd.DataFrame(
        {
            "empty": np.full(80, np.nan),
            "price": 1e4 + 1e3 * x,
            "size": 1e-2 * x,
            "kind": pd.Categorical(np.where(x > 0, "u", "v")),
            "name": np.where(x > 1, "p", "q"),
            "rooms": pd.array(np.round(x + 5).astype(int), "Int64"),
        },
        index=np.arange(80) + 100,
    )
    hidden = rng.uniform(size=table.shape) < 0.2
    return table.mask(hidden)


@pytest.fixture(scope="module")
def fitted(table):
    return imputer().fit(table)


def of_library(table, library):
    if library == "pandas":
        return table
    return pytest.importorskip("polars").from_pandas(table)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_raw_table_comes_back_without_missing_cells(library, table):
    X = of_library(table, library)
    imputed = imputer().fit_transform(X)
    assert type(imputed) is type(X)
    if library == "polars":
        imputed = imputed.to_pandas().set_axis(table.index)
    assert list(imputed) == ["price", "size", "kind", "name", "rooms"]
    assert not imputed.isna().any(axis=None)
    for name in imputed:
        seen = table[name].notna()
        assert (imputed[name][seen] == table[name][seen]).all()
    assert imputed["price"].between(5e3, 15e3).all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicate", [False, True])
def test_columns_are_those_of_iterative_imputer(table, library, keep, indicate):
    X = of_library(table[["empty", "price", "size"]], library)
    options = {"add_indicator": indicate, "keep_empty_features": keep}
    ours = imputer(**options).fit(X)
    theirs = IterativeImputer(max_iter=1, **options).fit(X)
    names = list(theirs.get_feature_names_out())
    assert list(ours.get_feature_names_out()) == names
    imputed = ours.transform(X)
    assert list(imputed.columns) == names
    if keep:
        assert (np.asarray(imputed["empty"]) == 0).all()
    if indicate:
        expected = theirs.transform(X)[:, names.index("missingindicator_price")]
        np.testing.assert_array_equal(imputed["missingindicator_price"], expected)


def test_arrays(table):
    X = table[["empty", "price", "size"]].to_numpy("float32")
    imputed = imputer(add_indicator=True).fit_transform(X)
    assert imputed.dtype == "float32"
    assert imputed.shape == (80, 5)
    assert np.isfinite(imputed).all()
    as_frame = clone(imputer()).set_output(transform="pandas").fit_transform(X)
    assert list(as_frame) == ["x1", "x2"]


def test_units_do_not_matter(table):
    X = table[["price", "size"]].to_numpy()
    units = np.array([1024.0, 2.0**-10])
    imputed = imputer().fit_transform(X * units) / units
    np.testing.assert_allclose(imputed, imputer().fit_transform(X), rtol=1e-5)


@pytest.mark.parametrize("named", [["code"], [2], [False, False, True]])
def test_named_categories_beside_an_empty_column(table, named):
    rng = np.random.RandomState(0)
    X = table[["empty", "price"]].assign(code=rng.choice([10.0, 30.0], 80))
    X.iloc[:20, 2] = np.nan
    imputed = imputer(categorical_features=named).fit_transform(X)
    assert set(imputed["code"]) == {10.0, 30.0}


def test_all_columns_empty():
    X = np.full((10, 2), np.nan)
    assert imputer().fit_transform(X).shape == (10, 0)
    assert (imputer(keep_empty_features=True).fit_transform(X) == 0).all()


def test_files_and_searches(fitted, table):
    expected = fitted.transform(table)
    loaded = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(loaded.transform(table), expected)
    io = pytest.importorskip("skops.io")
    X = table[["price", "size"]].to_numpy()
    of_arrays = imputer().fit(X)
    loaded = io.loads(io.dumps(of_arrays), trusted=list(skae.TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.transform(X), of_arrays.transform(X))
    y = np.arange(80)
    scores = cross_val_score(make_pipeline(imputer(), LinearRegression()), X, y, cv=2)
    assert np.isfinite(scores).all()


def test_dask_is_imputed_lazily(fitted, table):
    dask = pytest.importorskip("dask.dataframe")
    lazy = fitted.transform(dask.from_pandas(table, npartitions=2))
    expected = fitted.transform(table)
    # Dask has a dtype of its own for texts.
    pd.testing.assert_frame_equal(lazy.compute(), expected, check_dtype=False)
