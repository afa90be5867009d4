import warnings

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA

from skae._outliers import _whitening
from skae._outliers._scores import draw_samples, make_score
from skae._outliers._whitening import Whitening

KINDS = ["reconstruction", "residual", "code", "neighbors", "fused"]


def autoencode(X_train, n_components, *others):
    """PCA in place of a network: triples of rows, reconstructions and codes."""
    pca = PCA(n_components).fit(X_train)
    triples = []
    for X in (X_train, *others):
        Z = pca.transform(X)
        triples.append((X, pca.inverse_transform(Z), Z))
    return triples


def factor_rows(n_samples, n_features, n_factors=3, random_state=0):
    """Normally distributed rows near a plane; the same plane for any n_samples."""
    plane = np.random.RandomState(1).normal(size=(n_factors, n_features))
    rng = np.random.RandomState(random_state)
    noise = rng.normal(size=(n_samples, n_features)) * np.linspace(0.2, 1, n_features)
    return rng.normal(size=(n_samples, n_factors)) @ plane + noise


@pytest.fixture(scope="module")
def triples():
    return autoencode(factor_rows(400, 8), 3, factor_rows(100, 8, random_state=2))


@pytest.fixture(params=KINDS, scope="module")
def score(request, triples):
    return make_score(request.param).fit(*triples[0])


def test_contributions_sum_to_the_anomaly(score, triples):
    for X, X_hat, Z in triples:
        anomaly = score.anomaly(X, X_hat, Z)
        features, codes = score.contributions(X, X_hat, Z)
        assert anomaly.shape == (len(X),)
        assert features.shape == X.shape
        assert codes.shape == Z.shape
        assert (features >= 0).all()
        assert (codes >= 0).all()
        np.testing.assert_allclose(features.sum(1) + codes.sum(1), anomaly, rtol=1e-12)


def test_rows_are_judged_one_by_one(score, triples):
    for X, X_hat, Z in triples:
        whole = score.anomaly(X, X_hat, Z)
        single = [score.anomaly(X[[i]], X_hat[[i]], Z[[i]]) for i in range(20)]
        np.testing.assert_allclose(np.concatenate(single), whole[:20], rtol=1e-9)


def test_dtype_comes_back(score, triples):
    X, X_hat, Z = triples[1]
    single = score.anomaly(*(part.astype(np.float32) for part in triples[1]))
    assert score.anomaly(X, X_hat, Z).dtype == np.float64
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, score.anomaly(X, X_hat, Z), rtol=1e-3)


def test_new_rows_score_as_training_rows_do(score, triples):
    """No score takes training rows for normal because it was fitted on them."""
    train, new = (score.anomaly(*triple).mean() for triple in triples)
    assert new == pytest.approx(train, rel=0.25)


def test_reconstruction_is_the_squared_error(triples):
    X, X_hat, Z = triples[1]
    score = make_score("reconstruction").fit(*triples[0])
    expected = ((X - X_hat) ** 2).sum(axis=1)
    np.testing.assert_allclose(score.anomaly(X, X_hat, Z), expected)


def test_residual_and_code_are_mahalanobis_distances(monkeypatch):
    monkeypatch.setattr(_whitening, "REWEIGHTING_ROUNDS", 0)
    X = factor_rows(500, 6)
    X_hat = np.zeros_like(X)
    covariance, _ = ledoit_wolf(X)
    centred = X - X.mean(axis=0)
    expected = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
    residual = make_score("residual").fit(X, X_hat, X[:, :1])
    np.testing.assert_allclose(residual.anomaly(X, X_hat, X[:, :1]), expected)
    code = make_score("code").fit(X, X_hat, X)
    np.testing.assert_allclose(code.anomaly(X, X_hat, X), expected)


def test_whitening_whitens_and_keeps_columns_apart():
    X = factor_rows(5000, 6)
    white = Whitening().fit(X).transform(X)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=0.05)
    correlations = np.corrcoef(X.T, white.T)[:6, 6:]
    assert (correlations.argmax(axis=0) == np.arange(6)).all()


def test_neighbors_leave_the_row_itself_out(triples):
    X, X_hat, Z = triples[0]
    score = make_score("neighbors").fit(X, X_hat, Z)
    white = Whitening().fit(Z).transform(Z)
    distances = np.linalg.norm(white[:, None] - white, axis=2)
    np.testing.assert_allclose(
        score.anomaly(X, X_hat, Z), np.sort(distances, axis=1)[:, 5]
    )
    new = white[0] + [0.01, 0, 0]
    Z_new = new @ np.linalg.inv(score._whitening.matrix_.T)
    Z_new += score._whitening.mean_
    distances = np.linalg.norm(new - white, axis=1)
    np.testing.assert_allclose(
        score.anomaly(X[:1], X_hat[:1], Z_new[None]), np.sort(distances)[4]
    )


def test_fused_counts_each_term_in_units_of_most_rows(triples):
    expected = 0
    for kind in KINDS[1:4]:
        term = make_score(kind).fit(*triples[0])
        lowest = np.sort(term.anomaly(*triples[0]))[:300]
        expected = expected + term.anomaly(*triples[1]) / lowest.mean()
    fused = make_score("fused").fit(*triples[0])
    np.testing.assert_allclose(fused.anomaly(*triples[1]), expected)


def test_outliers_do_not_lower_the_weight_of_the_term_that_tells_them():
    X = factor_rows(500, 8)
    X[:100] += 20 * np.random.RandomState(0).normal(size=(100, 8))
    X_hat, Z = np.zeros_like(X), np.random.RandomState(1).normal(size=(500, 2))
    anomaly = make_score("fused").fit(X, X_hat, Z).anomaly(X, X_hat, Z)
    assert np.median(anomaly[:100]) > 5 * np.quantile(anomaly[100:], 0.99)


@pytest.mark.parametrize("kind", ["reconstruction", "residual", "fused"])
def test_a_changed_feature_ranks_first(kind):
    train, (X, _, _) = autoencode(factor_rows(1000, 12), 3, factor_rows(300, 12))
    changed = np.random.RandomState(3).randint(12, size=len(X))
    X = X.copy()
    X[np.arange(len(X)), changed] += 5 * train[0].std(axis=0)[changed]
    planted = autoencode(train[0], 3, X)[1]
    features = make_score(kind).fit(*train).contributions(*planted).features
    assert (features.argmax(axis=1) == changed).mean() > 0.9


def test_a_residual_off_the_pattern_counts_for_more():
    """As small as the others, but in columns that never err independently."""
    rng = np.random.RandomState(0)
    common = rng.normal(size=(300, 1))
    residuals = np.hstack([common, common]) + rng.normal(scale=0.05, size=(300, 2))
    zeros, codes = np.zeros_like(residuals), residuals[:, :1]
    with_pattern, against = np.array([[1.0, 1.0]]), np.array([[1.0, -1.0]])
    arguments = zeros[:1], codes[:1]
    plain = make_score("reconstruction").fit(residuals, zeros, codes)
    assert plain.anomaly(with_pattern, *arguments) == plain.anomaly(against, *arguments)
    score = make_score("residual").fit(residuals, zeros, codes)
    usual = score.anomaly(with_pattern, *arguments)
    assert score.anomaly(against, *arguments) > 100 * usual


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_components"),
    [(1, 3, 1), (2, 3, 2), (4, 5, 1), (10, 60, 4), (50, 1, 1)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_or_columns(kind, n_samples, n_features, n_components):
    rng = np.random.RandomState(0)
    X, X_hat = rng.normal(size=(2, n_samples, n_features))
    Z = rng.normal(size=(n_samples, n_components))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = make_score(kind).fit(X, X_hat, Z)
        anomaly = score.anomaly(X + 1, X_hat, Z + 1)
    assert np.isfinite(anomaly).all()
    assert (anomaly > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_in_a_constant_column_stands_out(kind):
    X = factor_rows(200, 5)
    X[:, 2] = 7.0
    train = autoencode(X, 2)[0]
    score = make_score(kind).fit(*train)
    assert np.isfinite(score.anomaly(*train)).all()
    X_new = X[:50].copy()
    X_new[:, 2] += 10
    X_hat = train[1][:50]
    if kind in ("code", "neighbors"):
        np.testing.assert_allclose(
            score.anomaly(X_new, X_hat, train[2][:50]), score.anomaly(*train)[:50]
        )
        return
    features = score.contributions(X_new, X_hat, train[2][:50]).features
    assert (features.argmax(axis=1) == 2).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_perfect_reconstructions_and_equal_codes(kind, value):
    X, Z = np.full((30, 4), value), np.zeros((30, 2))
    score = make_score(kind).fit(X, X, Z)
    np.testing.assert_array_equal(score.anomaly(X, X, Z), 0)
    assert (score.anomaly(X, X + 1, Z + 1) > 1).all()


def test_rounding_of_perfect_reconstructions_is_no_anomaly():
    X = factor_rows(200, 5)
    rng = np.random.RandomState(0)
    X_hat = X + rng.normal(scale=1e-12, size=X.shape)
    score = make_score("residual").fit(X, X_hat, X)
    assert score.anomaly(X, X_hat, X).max() < 0.1


def test_only_variances_of_many_features(monkeypatch):
    monkeypatch.setattr(_whitening, "MAX_FEATURES", 6)
    X = factor_rows(400, 8)
    white = Whitening().fit(X).transform(X)
    # Each feature is divided by its deviation alone, and correlations stay.
    np.testing.assert_allclose(np.corrcoef(white.T), np.corrcoef(X.T))
    np.testing.assert_allclose(white.std(axis=0), 1, rtol=0.1)


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_drawn"),
    [
        (10, 5, 10),
        (10_000, 400, 10_000),
        (50_000, 400, 10_000),
        (50_000, 800, 5_000),
        (50_000, 100_000, 2_000),
        (1_500, 100_000, 1_500),
    ],
)
def test_draw_samples(n_samples, n_features, n_drawn):
    rows = draw_samples(n_samples, n_features, random_state=0)
    assert len(rows) == n_drawn
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, draw_samples(n_samples, n_features, 0))
    other = draw_samples(n_samples, n_features, 1)
    assert np.array_equal(rows, other) == (n_drawn == n_samples)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("most_columns", [4, 256])
def test_outliers_hardly_change_the_covariance(share, most_columns, monkeypatch):
    monkeypatch.setattr(_whitening, "MAX_REESTIMATED_FEATURES", most_columns)
    X = factor_rows(1000, 6)
    outliers = 10 * np.random.RandomState(0).normal(size=(int(1000 * share), 6))
    clean, mixed = Whitening().fit(X), Whitening().fit(np.r_[X, outliers])
    distances = [(w.transform(outliers) ** 2).sum(axis=1) for w in (clean, mixed)]
    assert np.median(distances[1]) > 0.5 * np.median(distances[0])


def test_a_function_as_score(triples):
    def largest_error(X, X_hat, Z):
        return np.abs(X - X_hat).max(axis=1)

    X, X_hat, Z = triples[1]
    score = make_score(largest_error).fit(*triples[0])
    np.testing.assert_array_equal(
        score.anomaly(X, X_hat, Z), np.abs(X - X_hat).max(axis=1)
    )
    with pytest.raises(ValueError, match=r"not available .* largest_error.*'fused'"):
        score.contributions(X, X_hat, Z)


def test_a_function_that_gives_something_else(triples):
    errors = make_score(lambda X, X_hat, Z: X - X_hat).fit(*triples[0])
    with pytest.raises(ValueError, match=r"shape \(100, 8\) .* of shape \(100,\)"):
        errors.anomaly(*triples[1])
    not_a_number = make_score(lambda X, X_hat, Z: X[:, 0] * np.nan).fit(*triples[0])
    with pytest.raises(ValueError, match="-infinity for 100 of 100 samples"):
        not_a_number.anomaly(*triples[1])


@pytest.mark.parametrize("noise", [0, 1e-6])
def test_whitening_keeps_patterns_of_many_samples(noise):
    rng = np.random.RandomState(0)
    patterns, shares = rng.normal(size=(4, 5)), np.array([0.6, 0.2, 0.15, 0.05])
    owners = np.repeat(np.arange(4), (400 * shares).astype(int))
    X = patterns[owners] + noise * rng.normal(size=(400, 5))
    whitening = Whitening().fit(X)
    distances = np.square(whitening.transform(X)).sum(axis=1)
    # As with the covariance of all samples.
    assert (distances <= 1.1 / shares[owners]).all()
    far = np.square(whitening.transform(X[:1] + np.array([0, 0, 5, 0, 0]))).sum()
    assert far > 50 * distances.max()


def test_rounding_is_not_divided_by_its_own_size():
    patterns = np.array([[0.0, 0.0], [1.0, 2.0]])[np.arange(300) % 3 // 2]
    X_hat = patterns + 1e-7 * np.random.RandomState(0).normal(size=(300, 2))
    Z = patterns[:, :1]
    score = make_score("fused").fit(patterns, X_hat, Z)
    again = patterns - (X_hat - patterns)[::-1]  # other rounding
    np.testing.assert_allclose(
        score.anomaly(patterns, again, Z),
        score.anomaly(patterns, X_hat, Z),
        atol=1e-3,
    )


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-11), (np.float32, 1e-4)])
@pytest.mark.parametrize("n_samples", [5, 300])
@pytest.mark.parametrize("missing", [0, 0.05])
def test_squared_distances_are_those_of_whitened_samples(
    dtype, rtol, n_samples, missing
):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 260))
    X += 0.01 * rng.normal(size=X.shape)
    whitening = Whitening().fit(X)
    X[rng.uniform(size=X.shape) < missing] = np.nan
    X = X[:n_samples].astype(dtype)
    distances = whitening.squared_distances(X)
    assert distances.dtype == dtype
    expected = np.square(whitening.transform(X)).sum(axis=1)
    np.testing.assert_allclose(distances, expected, rtol=rtol)
    assert "_made_triangle" not in whitening.to_dict()
