import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from skae import AutoencoderOutlierDetector
from skae.metrics import reconstruction_error


def plane_with_outliers(n_outliers, random_state=0):
    """200 points near a plane in six dimensions, and some off it."""
    rng = np.random.RandomState(random_state)
    on_plane = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6))
    X = np.r_[on_plane, rng.normal(size=(n_outliers, 6)) * 2]
    return X + rng.normal(scale=0.1, size=X.shape), np.r_[
        np.ones(200), -np.ones(n_outliers)
    ]


def test_finds_points_off_a_plane():
    X, _ = plane_with_outliers(0)
    X_test, y_test = plane_with_outliers(20)
    detector = AutoencoderOutlierDetector(2, random_state=0).fit(X[:150])
    held_out = np.r_[150:220]
    scores = detector.score_samples(X_test[held_out])
    assert roc_auc_score(y_test[held_out], scores) > 0.95


def test_score_is_the_negative_squared_error(detector, X):
    reconstruction = detector.autoencoder_.predict(X, verbose=0)
    expected = -((X - reconstruction) ** 2).sum(axis=1)
    np.testing.assert_allclose(detector.score_samples(X), expected, rtol=1e-4)
    np.testing.assert_allclose(
        detector.score_samples(X), -reconstruction_error(X, reconstruction), rtol=1e-4
    )


def test_signs(detector, X):
    scores = detector.score_samples(X)
    decision = detector.decision_function(X)
    np.testing.assert_allclose(decision, scores - detector.offset_)
    np.testing.assert_array_equal(detector.predict(X), np.where(decision < 0, -1, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_comes_back(detector, X, dtype):
    X = X.astype(dtype)
    assert detector.score_samples(X).dtype == dtype
    assert detector.decision_function(X).dtype == dtype


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.25, 0.5])
def test_contamination_is_the_share_of_training_rows(X, small, contamination):
    detector = AutoencoderOutlierDetector(contamination=contamination, **small).fit(X)
    assert (detector.decision_function(X) < 0).sum() == round(contamination * len(X))
    assert (detector.predict(X) == -1).sum() == round(contamination * len(X))


def test_auto_contamination_is_tukeys_fence(detector, X):
    errors = np.sqrt(-detector.score_samples(X))
    lower, upper = np.percentile(errors, [25, 75])
    fence = upper + 1.5 * (upper - lower)
    np.testing.assert_array_equal(detector.predict(X) == -1, errors > fence)


@pytest.mark.parametrize("n_outliers", [0, 10])
def test_auto_contamination_follows_the_data(n_outliers):
    X, y = plane_with_outliers(n_outliers)
    y_pred = AutoencoderOutlierDetector(2, random_state=0).fit_predict(X)
    assert (y_pred[y == 1] == -1).mean() < 0.06
    assert (y_pred[y == -1] == -1).sum() >= n_outliers / 2


@pytest.mark.parametrize(
    ("n_features", "n_components"), [(1, 1), (2, 1), (3, 2), (9, 3), (64, 8)]
)
def test_default_n_components(n_features, n_components):
    X = np.random.RandomState(0).normal(size=(40, n_features))
    detector = AutoencoderOutlierDetector(epochs=1, random_state=0).fit(X)
    assert detector.n_components_ == n_components


def test_images(X, small):
    images = X.reshape(-1, 8, 8)
    flat = AutoencoderOutlierDetector(**small).fit(X)
    detector = AutoencoderOutlierDetector(**small).fit(images)
    np.testing.assert_allclose(detector.score_samples(images), flat.score_samples(X))


def test_a_cross_entropy_network_is_scored_by_squared_error(X, small):
    detector = AutoencoderOutlierDetector(loss="binary_crossentropy", **small).fit(X)
    reconstruction = detector.autoencoder_.predict(X, verbose=0)
    np.testing.assert_allclose(
        detector.score_samples(X), -reconstruction_error(X, reconstruction), rtol=1e-4
    )


def test_not_fitted(X):
    for method in ("predict", "score_samples", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(AutoencoderOutlierDetector(), method)(X)
