"""Detection among samples that repeat a few patterns, through the public methods."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skae import AutoencoderOutlierDetector
from skae.inspection import OutlierScoreDisplay

N_SAMPLES, N_NEW = 400, 600


def draw(patterns, shares, noise=0.0):
    """Draw samples to fit on, and new ones."""
    rng = np.random.RandomState(0)
    owners = rng.choice(len(patterns), N_SAMPLES + N_NEW, p=shares)
    X = np.asarray(patterns, float)[owners]
    X = X + noise * rng.normal(size=X.shape)
    return X[:N_SAMPLES], X[N_SAMPLES:]


def vectors(noise):
    return draw(
        np.random.RandomState(1).normal(size=(5, 4)),
        [0.5, 0.3, 0.12, 0.05, 0.03],
        noise,
    )


def bits(noise):
    patterns = (np.arange(16)[:, None] >> np.arange(4)) & 1
    return draw(patterns, np.prod(np.where(patterns, 0.3, 0.7), axis=1), noise)


def windows(noise):
    keys = np.random.RandomState(0).randint(10, size=(3, 6, 2))
    return draw(keys, [0.6, 0.25, 0.15], noise)


def table(noise):
    patterns = [(i, j) for i in range(2) for j in range(3)]
    parts = draw(patterns, [0.4, 0.2, 0.15, 0.1, 0.1, 0.05])
    return [
        pd.DataFrame(part.astype(int).astype(str), columns=["a", "b"]) for part in parts
    ]


@pytest.fixture(
    scope="module",
    params=[
        (vectors, 0.0),
        (vectors, 1e-6),
        (bits, 0.0),
        (windows, 0.0),
        (windows, 1e-6),
        (table, 0.0),
    ],
    ids=lambda case: f"{case[0].__name__}-{case[1]}",
)
def fitted(request):
    make, noise = request.param
    X, X_new = make(noise)
    return AutoencoderOutlierDetector(random_state=0).fit(X), X, X_new


def test_few_samples_that_repeat_patterns_are_reported(fitted):
    detector, X, X_new = fitted
    assert (detector.predict(X) == -1).mean() <= 0.1
    assert (detector.predict(X_new) == -1).mean() <= 0.1


def test_what_is_no_pattern_is_found(fitted):
    detector, X, _ = fitted
    if isinstance(X, pd.DataFrame):
        pytest.skip("each combination is a pattern")
    far = X[:20].copy()
    far.reshape(20, -1)[:, 0] += 10 * X.std()
    assert (detector.predict(far) == -1).all()


def test_a_share_is_the_most_that_is_reported(fitted):
    detector, X, _ = fitted
    for contamination in (0.02, 0.1, 0.3):
        detector.set_threshold(contamination)
        assert (detector.predict(X) == -1).mean() <= contamination
    detector.set_threshold("auto")


def test_contributions_sum_to_the_anomaly(fitted):
    detector, X, _ = fitted
    contributions = np.asarray(detector.explain(X[:20]))
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(X[:20]), rtol=1e-4
    )


@pytest.mark.parametrize("calibration", [None, 0.5])
def test_one_pattern(calibration):
    X = np.tile([1.0, 0.0, 3.0], (60, 1))
    far = X + np.array([0, 1, 0])
    detector = AutoencoderOutlierDetector(
        random_state=0, epochs=2, calibration=calibration
    )
    detector.fit(X)
    assert (detector.predict(X) == 1).all()
    assert (detector.predict(far) == -1).all()
    contributions = detector.explain(far[:3])
    assert (contributions.argmax(axis=1) == 1).all()
    OutlierScoreDisplay.from_estimator(detector, X)
    plt.close("all")


def test_labels_among_few_patterns():
    X, X_new = bits(0.0)
    y = np.where(X.sum(axis=1) == 4, -1, 1)
    detector = AutoencoderOutlierDetector(random_state=0, epochs=2, use_labels=True)
    detector.fit(X, y)
    is_outlier = X_new.sum(axis=1) == 4
    predicted = detector.predict(X_new) == -1
    assert predicted[is_outlier].all()
    assert predicted[~is_outlier].mean() <= 0.1


@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_a_rare_pattern_is_found_in_the_training_samples(noise):
    rng = np.random.RandomState(3)
    owners = np.r_[rng.choice(3, 998, p=[0.6, 0.3, 0.1]), 3, 3]
    X = rng.normal(size=(4, 5))[owners] + noise * rng.normal(size=(1000, 5))
    detector = AutoencoderOutlierDetector(random_state=0, epochs=2)
    is_reported = detector.fit_predict(X) == -1
    assert is_reported[998:].all()
    assert is_reported[:998].mean() <= 0.03
