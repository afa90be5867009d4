"""The contract of formats: each kind of input, by each method, reached in each way.

A new kind of input is one more entry of `FORMATS`, a new method one of `METHODS`, and a
new way to get to a result one of `WAYS`.
"""

import copy
import functools
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.utils import _safe_indexing

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture

N_TRAIN, N_NEW = 100, 12
SMALL = {
    "n_components": 2,
    "architecture": DenseArchitecture((8,)),
    "epochs": 2,
    "random_state": 0,
}


def numbers(rng, n_samples):
    """Samples of five features near a plane."""
    return rng.normal(size=(n_samples, 2)) @ PLANE + 0.1 * rng.normal(
        size=(n_samples, 5)
    )


PLANE = np.random.RandomState(1).normal(size=(2, 5))


def incomplete(rng, n_samples):
    X = numbers(rng, n_samples)
    X[rng.uniform(size=X.shape) < 0.15] = np.nan
    return X


def repeated(rng, n_samples):
    return rng.randint(0, 2, (n_samples, 3)).astype(float)


def windows(rng, n_samples):
    return np.cumsum(rng.normal(size=(n_samples, 4, 2)), axis=1)


def images(rng, n_samples):
    return windows(rng, n_samples).reshape(n_samples, 4, 2, 1)


def pandas_table(rng, n_samples):
    z = rng.uniform(-2, 2, n_samples)
    grades = np.array(["A", "B", "C"])[np.digitize(-z, [-0.5, 1])]
    return pd.DataFrame(
        {
            "size": z + 0.1 * rng.normal(size=n_samples),
            "count": np.round(10 + 3 * z).astype("int16"),
            "level": np.array(["low", "middle", "high"])[np.digitize(z, [-0.7, 0.7])],
            "is_big": z > 0,
            "grade": pd.Categorical(grades, ["C", "B", "A"], ordered=True),
        },
        index=np.arange(n_samples)[::-1] + 100,
    )


def pandas_incomplete(rng, n_samples):
    table = pandas_table(rng, n_samples).astype({"is_big": "boolean", "count": "Int16"})
    return table.mask(rng.uniform(size=table.shape) < 0.15)


def arrow_table(rng, n_samples):
    table = pandas_incomplete(rng, n_samples).reset_index(drop=True)
    return table.convert_dtypes(dtype_backend="pyarrow")


def polars_table(rng, n_samples):
    return pl.from_pandas(pandas_table(rng, n_samples))


def polars_incomplete(rng, n_samples):
    return pl.from_pandas(pandas_incomplete(rng, n_samples))


FORMATS = {
    "float64": numbers,
    "float32": lambda rng, n_samples: numbers(rng, n_samples).astype(np.float32),
    "integers": lambda rng, n_samples: rng.poisson(5, (n_samples, 4)),
    "pandas numbers": lambda *args: pd.DataFrame(numbers(*args), columns=[*"abcde"]),
    "missing": incomplete,
    "repeated": repeated,
    "images": images,
    "windows": windows,
    "pandas table": pandas_table,
    "pandas table, missing": pandas_incomplete,
    "Arrow table, missing": arrow_table,
    "Polars table": polars_table,
    "Polars table, missing": polars_incomplete,
}
HAVE_CATEGORIES = [name for name in FORMATS if "table" in name]
HAVE_SHAPES = ["images", "windows"]


@functools.cache
def samples(name):
    """Return training samples and new ones."""
    rng = np.random.RandomState(0)
    return FORMATS[name](rng, N_TRAIN), FORMATS[name](rng, N_NEW)


# Estimators, by how they were fitted.


def fit_parts(estimator, X):
    estimator.fit(_safe_indexing(X, np.arange(60)))
    return estimator.partial_fit(_safe_indexing(X, np.arange(60, N_TRAIN)))


def fit_labels(estimator, X):
    labels = np.zeros(N_TRAIN, int)
    labels[:5], labels[5:20] = -1, 1
    return estimator.set_params(use_labels=True).fit(X, labels)


def fit_blocks(estimator, X):
    blocks = [
        _safe_indexing(X, np.arange(60)),
        _safe_indexing(X, np.arange(60, N_TRAIN)),
    ]

    class Blocks:
        def __iter__(self):
            return iter(blocks)

    return estimator.fit(Blocks())


FITS = {
    "fit": lambda estimator, X: estimator.fit(X),
    "blocks": fit_blocks,
    "partial_fit": fit_parts,
    "share": lambda estimator, X: estimator.set_params(
        calibration=0.4, contamination=0.1
    ).fit(X),
    "share, partial_fit": lambda estimator, X: fit_parts(
        estimator.set_params(calibration=0.4, contamination=0.1), X
    ),
    "folds": lambda estimator, X: estimator.set_params(
        calibration=2, contamination=0.1
    ).fit(X),
    "labels": fit_labels,
}
OF_DETECTORS = ["share", "share, partial_fit", "folds", "labels"]


@functools.cache
def fitted(Estimator, fit, name):
    estimator = Estimator(**SMALL)
    return FITS[fit](estimator, samples(name)[0])


# Methods, and what holds for their results.


def round_trip(estimator, X):
    if isinstance(estimator, AutoencoderTransformer):
        return estimator.inverse_transform(estimator.transform(X))
    return estimator.decode(estimator.encode(X))


def explain_expected(estimator, X):
    return estimator.explain(X, return_expected=True)[1]


def is_like(result, X, has_index=True):
    """Check library, shape, names and index."""
    assert type(result) is type(X)
    assert np.shape(result) == np.shape(X)
    if hasattr(X, "columns"):
        assert list(result.columns) == list(X.columns)
    if hasattr(X, "index") and has_index:
        assert result.index.equals(X.index)


def holds_for_reconstructions(estimator, X, result, has_index=True):
    if not isinstance(X, np.ndarray) and "size" not in X.columns:
        result = np.asarray(result)  # reconstructions of numbers are arrays
        assert result.shape == X.shape
        return
    is_like(result, X, has_index)
    assert not np.asarray(missing_cells(result)).any()


def holds_for_decoded_codes(estimator, X, result):
    holds_for_reconstructions(estimator, X, result, has_index=False)


def holds_for_imputed(estimator, X, result):
    is_like(result, X)
    missing = missing_cells(X)
    assert not missing_cells(result).any()
    for column, before, holes in zip(
        cells(result).T, cells(X).T, missing.T, strict=True
    ):
        assert list(column[~holes]) == list(before[~holes])


def holds_for_contributions(estimator, X, result):
    values = np.asarray(result, float)
    assert (values >= 0).all()
    assert len(values) == len(X)
    anomaly = -estimator.score_samples(X)
    if estimator.use_labels:  # a probability has any sign
        return
    np.testing.assert_allclose(values.sum(axis=1), anomaly, rtol=1e-3)


def holds_for_predictions(estimator, X, result):
    below = estimator.score_samples(X) < estimator.offset_
    np.testing.assert_array_equal(result, np.where(below, -1, 1))


def holds_for_pvalues(estimator, X, result):
    assert ((result > 0) & (result <= 1)).all()
    if estimator.calibration == 0.4:
        outliers = estimator.predict(X) == -1
        np.testing.assert_array_equal(result <= estimator.contamination, outliers)


def holds_for_codes(estimator, X, result):
    assert result.shape == (len(X), 2)
    assert np.isfinite(result).all()


def holds_for_scores(estimator, X, result):
    assert result.shape == (len(X),)
    assert np.isfinite(result).all()


def holds_for_drift(estimator, X, result):
    assert result.pvalue > 1e-4  # the samples are those of the fit


METHODS = {
    "transform": (AutoencoderTransformer, holds_for_codes),
    "reconstruct": (AutoencoderTransformer, holds_for_reconstructions),
    "round_trip": (AutoencoderTransformer, holds_for_decoded_codes),
    "impute": (AutoencoderTransformer, holds_for_imputed),
    "score": (AutoencoderTransformer, lambda estimator, X, result: None),
    "encode": (AutoencoderOutlierDetector, holds_for_codes),
    "score_samples": (AutoencoderOutlierDetector, holds_for_scores),
    "decision_function": (AutoencoderOutlierDetector, holds_for_scores),
    "predict": (AutoencoderOutlierDetector, holds_for_predictions),
    "explain": (AutoencoderOutlierDetector, holds_for_contributions),
    "explain_expected": (
        AutoencoderOutlierDetector,
        lambda e, X, result: is_like(result, X),
    ),
    "predict_pvalue": (AutoencoderOutlierDetector, holds_for_pvalues),
    "select_outliers": (AutoencoderOutlierDetector, lambda e, X, result: None),
    "test_drift": (AutoencoderOutlierDetector, holds_for_drift),
}
FUNCTIONS = {"round_trip": round_trip, "explain_expected": explain_expected}
OF_BATCHES = ["score", "select_outliers", "test_drift"]
OF_CALIBRATION = ["predict_pvalue", "select_outliers", "test_drift"]


def apply(estimator, method, X):
    if method in FUNCTIONS:
        return FUNCTIONS[method](estimator, X)
    return getattr(estimator, method)(X)


def cells(table):
    """Return values as an array of numbers or objects; NaN for missing ones."""
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    if isinstance(table, pd.DataFrame):
        columns = [
            column.astype(object).to_numpy(copy=True) for _, column in table.items()
        ]
        for column in columns:
            column[pd.isna(column)] = np.nan
        return np.stack(columns, axis=1)
    return np.asarray(table)


def missing_cells(table):
    values = cells(table)
    return values != values


def assert_alike(result, expected, rtol=1e-4):
    """Compare two results that may differ by rounding."""
    if isinstance(expected, (float, np.floating)):
        assert result == pytest.approx(expected, rel=rtol, abs=rtol)
        return
    if hasattr(expected, "pvalue"):
        assert result.pvalue == pytest.approx(expected.pvalue, rel=rtol)
        return
    result, expected = cells(result), cells(expected)
    assert result.shape == expected.shape
    if expected.dtype != object:
        scale = np.abs(expected).max() if expected.size else 0
        np.testing.assert_allclose(
            result.astype(float), expected.astype(float), rtol, rtol * scale
        )
        return
    for column, like in zip(result.T, expected.T, strict=True):
        if any(isinstance(value, str) for value in like):
            assert list(column) == list(like)
        else:
            np.testing.assert_allclose(
                column.astype(float), like.astype(float), rtol, 1e-3
            )


# Ways to get to a result. Each takes an estimator, a method and samples, and returns
# what has to be alike to what the method returns.


def alone(estimator, method, X):
    """Each sample by itself."""
    parts = [apply(estimator, method, _safe_indexing(X, [i])) for i in range(len(X))]
    if isinstance(parts[0], pd.DataFrame):
        return pd.concat(parts)
    if isinstance(parts[0], pl.DataFrame):
        return pl.concat(parts)
    return np.concatenate(parts)


def backwards(estimator, method, X):
    reversed_ = np.arange(len(X))[::-1]
    result = apply(estimator, method, _safe_indexing(X, reversed_))
    return result if method in OF_BATCHES else _safe_indexing(result, reversed_)


def pickled(estimator, method, X):
    return apply(pickle.loads(pickle.dumps(estimator)), method, X)


def copied(estimator, method, X):
    return apply(copy.deepcopy(estimator), method, X)


def in_threads(estimator, method, X):
    with ThreadPoolExecutor(2) as executor:
        results = list(executor.map(lambda _: apply(estimator, method, X), range(2)))
    np.testing.assert_equal(*map(_comparable, results))
    return results[0]


def _comparable(result):
    return result.pvalue if hasattr(result, "pvalue") else cells(result)


def from_dask(estimator, method, X):
    in_memory = (*OF_BATCHES, "round_trip", "explain", "explain_expected")
    if method in in_memory or isinstance(X, pl.DataFrame):  # of which Dask has none
        return apply(estimator, method, X)
    if isinstance(X, pd.DataFrame):
        import dask.dataframe as dd

        return apply(
            estimator, method, dd.from_pandas(X, npartitions=2, sort=False)
        ).compute()
    import dask.array as da

    return apply(
        estimator, method, da.from_array(X, chunks=(10, *X.shape[1:]))
    ).compute()


def other_dtype(estimator, method, X):
    """As float32 or float64, whichever it is not, or with other dtypes of columns."""
    if isinstance(X, np.ndarray):
        other = np.float64 if X.dtype == np.float32 else np.float32
        return apply(estimator, method, X.astype(other))
    if isinstance(X, pl.DataFrame):
        return apply(estimator, method, X.cast({pl.Int16: pl.Float64}))
    change = {"count": "Float64"} if "count" in X.columns else "float32"
    return apply(estimator, method, X.astype(change))


def fortran_order(estimator, method, X):
    if not isinstance(X, np.ndarray):
        return apply(estimator, method, X)
    return apply(estimator, method, np.asfortranarray(X))


WAYS = {
    "alone": alone,
    "backwards": backwards,
    "pickle": pickled,
    "deepcopy": copied,
    "threads": in_threads,
    "Dask": from_dask,
    "other dtype": other_dtype,
    "Fortran order": fortran_order,
}


def estimators_of(fit, method):
    Estimator, _ = METHODS[method]
    if fit in OF_DETECTORS and Estimator is AutoencoderTransformer:
        return None
    if method in OF_CALIBRATION and fit not in ("share", "share, partial_fit", "folds"):
        return None
    return Estimator


FITTED_METHODS = [
    (fit, method) for fit in FITS for method in METHODS if estimators_of(fit, method)
]


# After the simplest fit, each format meets each way; after the others, some do.
AFTER_EACH_FIT = ["alone", "pickle"]
FORMATS_OF_EACH_FIT = [
    *("float64", "missing", "repeated", "images"),
    *("pandas table, missing", "Polars table"),
]
PROMISES = [
    (name, fit, method)
    for fit, method in FITTED_METHODS
    for name in (FORMATS if fit == "fit" else FORMATS_OF_EACH_FIT)
]
METHODS_BY_WAYS = [
    (name, fit, method, way)
    for name, fit, method in PROMISES
    for way in (WAYS if fit == "fit" else AFTER_EACH_FIT)
    if not (way == "alone" and method in OF_BATCHES)
]


@pytest.mark.parametrize(("name", "fit", "method"), PROMISES)
def test_what_a_method_promises(name, fit, method):
    Estimator, holds = METHODS[method]
    _, X = samples(name)
    estimator = fitted(Estimator, fit, name)
    holds(estimator, X, apply(estimator, method, X))


@pytest.mark.parametrize(("name", "fit", "method", "way"), METHODS_BY_WAYS)
def test_ways_to_a_result(name, fit, method, way):
    Estimator, _ = METHODS[method]
    _, X = samples(name)
    estimator = fitted(Estimator, fit, name)
    expected = apply(estimator, method, X)
    assert_alike(WAYS[way](estimator, method, X), expected)


def apply_all(fit, name):
    """Return what each method returns after a fit, by its name."""
    _, X = samples(name)
    return {
        method: apply(fitted(METHODS[method][0], fit, name), method, X)
        for other, method in FITTED_METHODS
        if other == fit
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
@pytest.mark.parametrize("fit", ["fit", "folds"])
@pytest.mark.parametrize(
    "name", [name for name in FORMATS_OF_EACH_FIT if "Polars" not in name]
)
def test_forked_processes(name, fit):
    """TensorFlow has computed before the fork. Polars itself survives none."""
    expected = apply_all(fit, name)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        results = pool.apply_async(apply_all, (fit, name)).get(timeout=60)
    for method, result in results.items():
        assert_alike(result, expected[method])
