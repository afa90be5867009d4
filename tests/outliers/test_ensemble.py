import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae._outliers._ensemble import TruncationScore, truncate
from skae._outliers._scores import make_score

KINDS = ["reconstruction", "residual", "code", "neighbors", "fused"]
SIZES = [1, 3]


@pytest.fixture(scope="module")
def arrays():
    """PCA in place of a network: samples, reconstructions by truncation, and codes."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 6)) + rng.normal(size=(300, 6))
    pca = PCA(3).fit(X)
    Z = pca.transform(X)
    return X, [pca.inverse_transform(truncate(Z, size)) for size in SIZES], Z


def test_truncate():
    Z = np.arange(6.0).reshape(2, 3) + 1
    np.testing.assert_array_equal(truncate(Z, 1), [[1, 0, 0], [4, 0, 0]])
    assert truncate(Z, 3) is Z
    assert Z.min() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_mean_over_truncations(arrays, kind):
    X, X_hat, Z = arrays
    score = TruncationScore(kind, SIZES).fit(*arrays)
    features, codes = score.contributions(*arrays)
    expected = 0
    for size, part in zip(SIZES, X_hat, strict=True):
        triple = X, part, Z[:, :size]
        member = make_score(kind).fit(*triple)
        expected = expected + member.anomaly(*triple) / 2
        parts = member.contributions(*triple)
        features = features - parts.features / 2
        codes[:, :size] -= parts.codes / 2
    np.testing.assert_allclose(score.anomaly(*arrays), expected)
    np.testing.assert_allclose(features, 0, atol=1e-12)
    np.testing.assert_allclose(codes, 0, atol=1e-12)
    assert score.uses_codes == (kind in ("code", "neighbors", "fused"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, "largest"])
def test_overflow_is_the_largest_anomaly(arrays, kind, dtype, bad):
    X, X_hat, Z = arrays
    largest = np.finfo(dtype).max
    bad = largest if bad == "largest" else bad
    X, Z = X.astype(dtype), Z.astype(dtype)
    X_hat = [part.astype(dtype) for part in X_hat]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = TruncationScore(kind, SIZES).fit(X, X_hat, Z)
        few = X[:4], [part[:4].copy() for part in X_hat], Z[:4].copy()
        for array in (*few[1], few[2]):
            array[1, 0] = bad
        anomaly = score.anomaly(*few)
        features, codes = score.contributions(*few)
        sums = features.sum(axis=1) + codes.sum(axis=1)
    # A length, unlike a square, may be just within the range.
    assert anomaly[1] > 0.1 * largest
    assert np.isfinite(anomaly).all()
    np.testing.assert_allclose(sums, anomaly, rtol=1e-5)
    clean = score.anomaly(X, X_hat, Z)
    np.testing.assert_allclose(anomaly[[0, 2, 3]], clean[[0, 2, 3]], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_overflow_does_not_disturb_the_fit(arrays, kind):
    X, X_hat, Z = arrays
    X_hat, spoiled = [part.copy() for part in X_hat], Z.copy()
    X_hat[0][0], spoiled[1, 2] = np.inf, np.nan
    score = TruncationScore(kind, SIZES).fit(X, X_hat, spoiled)
    few = X[2:], [part[2:] for part in arrays[1]], Z[2:]
    clean = TruncationScore(kind, SIZES).fit(*few)
    np.testing.assert_allclose(score.anomaly(*few), clean.anomaly(*few))
    with pytest.raises(ValueError, match="of all training samples overflow in float64"):
        TruncationScore(kind, SIZES).fit(X, arrays[1], Z * np.nan)


def test_tiny_scores_of_float32():
    """The weights that bring them to one unit are beyond float32."""
    rng = np.random.RandomState(0)
    X = (1e-21 * rng.normal(size=(50, 3))).astype(np.float32)
    triple = X, [np.zeros_like(X)], X[:, :1]
    score = TruncationScore("fused", [1]).fit(*triple)
    anomaly = score.anomaly(*triple)
    assert np.isfinite(anomaly).all()
    assert np.median(anomaly) < 100
