import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.metrics import (
    outlier_roc_auc_scorer,
    reconstruction_error,
    reconstruction_r2_score,
    reconstruction_scorer,
    synthetic_outlier_roc_auc_scorer,
)


@pytest.fixture
def pair():
    X = np.random.RandomState(0).normal(size=(20, 12)) * np.arange(1, 13)
    return X, X + np.random.RandomState(1).normal(size=X.shape)


def test_error_is_a_sum_over_features(pair):
    expected = ((pair[0] - pair[1]) ** 2).sum(axis=1)
    np.testing.assert_allclose(reconstruction_error(*pair), expected)
    images = [X.reshape(-1, 3, 4) for X in pair]
    np.testing.assert_allclose(reconstruction_error(*images), expected)


def test_error_of_float32_is_float32(pair):
    assert reconstruction_error(*[X.astype("f4") for X in pair]).dtype == np.float32


def test_r2_is_scikit_learns_weighted_by_variance(pair):
    assert reconstruction_r2_score(*pair) == pytest.approx(
        r2_score(*pair, multioutput="variance_weighted")
    )


@pytest.mark.parametrize("n_components", [1, 2, 4])
def test_r2_of_pca_is_its_explained_variance(n_components):
    X = load_iris().data
    pca = PCA(n_components).fit(X)
    assert reconstruction_scorer(pca, X) == pytest.approx(
        pca.explained_variance_ratio_.sum()
    )


def test_r2_of_a_constant():
    constant = np.full((5, 2), 3.0)
    assert reconstruction_r2_score(constant, constant) == 1
    assert reconstruction_r2_score(constant, constant + 1) == 0


def test_r2_counts_errors_in_constant_columns():
    X = np.c_[np.arange(4.0), np.zeros(4)]
    assert reconstruction_r2_score(X, np.add(X, [0, 1])) == pytest.approx(1 - 4 / 5)


def test_r2_of_one_sample_is_undefined():
    with pytest.warns(UndefinedMetricWarning, match="fewer than two samples"):
        assert np.isnan(reconstruction_r2_score([[1.0]], [[1.0]]))


@pytest.mark.parametrize("metric", [reconstruction_error, reconstruction_r2_score])
def test_bad_pairs(pair, metric):
    with pytest.raises(
        ValueError, match=r"\(20, 12\), but X_pred has shape \(20, 11\)"
    ):
        metric(pair[0], pair[1][:, 1:])
    with pytest.raises(ValueError, match="X_pred contains NaN"):
        metric(pair[0], np.full_like(pair[0], np.nan))


def test_scorer_undoes_a_pipelines_scaling():
    X = load_iris().data * [1, 100, 1, 1]
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    kept = pipeline.inverse_transform(pipeline.transform(X))
    assert reconstruction_scorer(pipeline, X) == pytest.approx(
        reconstruction_r2_score(X, kept)
    )
    scores = cross_val_score(pipeline, X, scoring=reconstruction_scorer, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()


class Depth(BaseEstimator):
    """Says that the rows nearest to the line x0 = x1 are the most normal."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        X = np.asarray(X).reshape(len(X), -1)
        return -np.abs(X[:, 0] - X[:, 1])


@pytest.fixture
def diagonal():
    """100 rows on the diagonal, and 20 beside it."""
    rng = np.random.RandomState(0)
    X = np.repeat(rng.normal(size=(120, 1)), 2, axis=1)
    X[100:, 1] += rng.normal(size=20)
    X += rng.normal(scale=0.05, size=X.shape)
    return X, np.repeat([1, -1], [100, 20])


def test_roc_auc_with_either_labels(diagonal):
    X, y = diagonal
    expected = roc_auc_score(y, Depth().score_samples(X))
    assert 0.9 < expected < 1
    assert outlier_roc_auc_scorer(Depth(), X, y) == expected
    expected = pytest.approx(expected)
    assert outlier_roc_auc_scorer(Depth(), X, (y == -1).astype(int)) == expected
    assert outlier_roc_auc_scorer(Depth(), X, y == -1) == expected


def test_synthetic_outliers_have_permuted_features(diagonal):
    X = diagonal[0][:100]
    score = synthetic_outlier_roc_auc_scorer(Depth(), X)
    assert 0.9 < score < 1
    assert synthetic_outlier_roc_auc_scorer(Depth(), X, np.ones(100)) == score
    assert synthetic_outlier_roc_auc_scorer(Depth(), X.reshape(-1, 1, 2)) == score
    alone = np.random.RandomState(1).normal(size=(300, 2))
    found = synthetic_outlier_roc_auc_scorer(Depth(), alone)
    assert found == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_synthetic_outliers_of_a_frame(diagonal, frame):
    """Feature names stay, so that scikit-learn has nothing to warn of."""
    values = diagonal[0][:100]
    X = frame({"first": values[:, 0], "second": values[:, 1], "kind": ["a"] * 100})
    seen = []

    class Spy(Depth):
        def score_samples(self, X):
            seen.append(X)
            return super().score_samples(X[["first", "second"]])

    score = synthetic_outlier_roc_auc_scorer(Spy(), X)
    assert score == synthetic_outlier_roc_auc_scorer(Depth(), values)
    for part in seen:
        assert isinstance(part, frame)
        assert list(part.columns) == ["first", "second", "kind"]
        assert list(part.dtypes) == list(X.dtypes)
    for name in ("first", "second"):
        assert sorted(seen[1][name]) == sorted(X[name])
    np.testing.assert_array_equal(np.asarray(X)[:, :2].astype(float), values)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_scorers_of_a_pipeline_do_not_warn_of_names(diagonal, frame):
    X = frame({"first": diagonal[0][:, 0], "second": diagonal[0][:, 1]})
    pipeline = make_pipeline(StandardScaler(), Depth()).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outlier_roc_auc_scorer(pipeline, X, diagonal[1])
        synthetic_outlier_roc_auc_scorer(pipeline, X)


class ScoresByNoise(BaseEstimator):
    """Gives all samples the same score, but for rounding that favours the last."""

    def score_samples(self, X):
        return -3 * (1 - 1e-9 * np.arange(len(X)))


def test_scores_that_are_equal_but_for_rounding_are_ties():
    X, y = np.zeros((40, 2)), np.repeat([-1, 1], 20)
    assert outlier_roc_auc_scorer(ScoresByNoise(), X, y) == 0.5
    assert synthetic_outlier_roc_auc_scorer(ScoresByNoise(), X) == 0.5


def test_roc_auc_in_a_search(diagonal):
    X, y = diagonal
    cv = StratifiedKFold(2, shuffle=True, random_state=0)
    pipeline = make_pipeline(StandardScaler(), Depth())
    for labels in (y, (y == -1).astype(int)):
        scores = cross_val_score(
            pipeline, X, labels, cv=cv, scoring=outlier_roc_auc_scorer
        )
        assert (scores > 0.8).all()


def test_roc_auc_of_other_labels(diagonal):
    with pytest.raises(ValueError, match=r"y holds \[1, 2\], but 1 for inliers and -1"):
        outlier_roc_auc_scorer(Depth(), diagonal[0], np.repeat([1, 2], 60))
    with pytest.raises(ValueError, match="Without labels, use synthetic_outlier"):
        outlier_roc_auc_scorer(Depth(), diagonal[0], None)


@pytest.mark.parametrize("value", [0.1, 7.3])
def test_r2_of_constant_samples_whose_mean_is_rounded(value):
    X = np.full((50, 4), value)
    assert reconstruction_r2_score(X, X + 1e-7) == 0
    assert reconstruction_r2_score(X, X) == 1
