import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector
from skae._outliers._scores import make_score
from skae._outliers._thresholds import auto_threshold
from skae.architectures import ConvolutionalArchitecture, DenseArchitecture
from skae.inspection import OutlierScoreDisplay
from skae.metrics import outlier_roc_auc_scorer, reconstruction_error

SCORES = ["reconstruction", "residual", "code", "neighbors", "fused"]


def factor_rows(n_samples, random_state=0):
    """Rows near a plane in eight dimensions, of about unit variance."""
    plane = np.random.RandomState(1).normal(size=(2, 8))
    rng = np.random.RandomState(random_state)
    X = rng.normal(size=(n_samples, 2)) @ plane
    return X + rng.normal(scale=0.3, size=X.shape)


def plane_with_outliers(n_outliers, random_state=0):
    """400 rows near the plane, and some that are not."""
    outliers = np.random.RandomState(random_state + 1).normal(size=(n_outliers, 8)) * 3
    y = np.r_[np.ones(400), -np.ones(n_outliers)]
    return np.r_[factor_rows(400, random_state), outliers], y


def quick(**params):
    defaults = {
        "architecture": DenseArchitecture((16,)),
        "epochs": 3,
        "random_state": 0,
    }
    return AutoencoderOutlierDetector(**(defaults | params))


@pytest.fixture(scope="module")
def rows():
    return factor_rows(400)


@pytest.fixture(params=SCORES, scope="module")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def of_kind(kind, rows):
    """A detector with each score."""
    return quick(outlier_score=kind).fit(rows)


@pytest.fixture(scope="module")
def calibrated():
    """On many rows, so that the rate of false alarms is precise."""
    return quick(calibration=0.5, contamination=0.05).fit(factor_rows(8000))


# Scores


def expected_scores(detector, kind, X_train, X):
    """By the networks as Keras runs them, and PCA as scikit-learn does."""
    cuts = [detector.n_components_]
    if kind == "fused":
        cuts.insert(0, PCA(0.5).fit(X_train).n_components_)
    members = []
    for cut in cuts:
        triples = []
        for rows in (X_train, X):
            Z = detector.encoder_.predict(rows, verbose=0).astype(float)
            kept = np.where(np.arange(Z.shape[1]) < cut, Z, 0)
            X_hat = detector.decoder_.predict(kept, verbose=0).astype(float)
            triples.append((rows, X_hat, Z[:, :cut]))
        members.append(make_score(kind).fit(*triples[0]).anomaly(*triples[1]))
    return -np.mean(members, axis=0)


def test_scores_are_those_of_the_networks(of_kind, kind, rows):
    new = factor_rows(50, random_state=2)
    np.testing.assert_allclose(
        of_kind.score_samples(new), expected_scores(of_kind, kind, rows, new), rtol=1e-3
    )


def test_reconstruction_is_the_squared_error(X, small):
    """Also where the network was trained with another loss."""
    detector = AutoencoderOutlierDetector(
        loss="binary_crossentropy", outlier_score="reconstruction", **small
    ).fit(X)
    reconstruction = detector.autoencoder_.predict(X, verbose=0)
    np.testing.assert_allclose(
        detector.score_samples(X), -reconstruction_error(X, reconstruction), rtol=1e-4
    )


def test_auto_is_fused_and_two_cuts_of_one_code(rows):
    auto, fused = (quick(outlier_score=s).fit(rows) for s in ("auto", "fused"))
    np.testing.assert_array_equal(auto.score_samples(rows), fused.score_samples(rows))
    assert PCA(0.5).fit(rows).n_components_ < auto.n_components_


def test_one_cut_where_the_architecture_cannot_order_codes():
    images = load_digits().images[:60] / 16
    detector = AutoencoderOutlierDetector(
        4, architecture=ConvolutionalArchitecture(2), epochs=1, random_state=0
    ).fit(images)
    X = images.reshape(60, 64)
    Z = detector.encoder_.predict(images, verbose=0).astype(float)
    X_hat = detector.autoencoder_.predict(images, verbose=0).reshape(60, 64)
    expected = -make_score("fused").fit(X, X_hat, Z).anomaly(X, X_hat, Z)
    np.testing.assert_allclose(detector.score_samples(images), expected, rtol=1e-3)


def test_a_function_as_score(rows):
    def largest_error(X, X_hat, Z):
        assert Z.shape == (len(X), 3)
        return np.abs(X - X_hat).max(axis=1)

    detector = quick(n_components=3, outlier_score=largest_error).fit(rows)
    expected = np.abs(rows - detector.autoencoder_.predict(rows, verbose=0)).max(axis=1)
    np.testing.assert_allclose(detector.score_samples(rows), -expected, rtol=1e-4)
    assert 0 < (detector.predict(rows) == -1).mean() + 0.01 < 0.1
    with pytest.raises(ValueError, match="largest_error is not known"):
        detector.explain(rows)


def test_many_rows_are_scored_as_few_are(calibrated):
    X = factor_rows(2500, random_state=3)
    few = [calibrated.score_samples(part) for part in np.split(X, 5)]
    np.testing.assert_allclose(
        calibrated.score_samples(X), np.concatenate(few), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_comes_back(of_kind, rows, dtype):
    rows = rows.astype(dtype)
    assert of_kind.score_samples(rows).dtype == dtype
    assert of_kind.decision_function(rows).dtype == dtype
    assert of_kind.explain(rows).dtype == dtype


def test_pickle_keeps_scores_and_thresholds(of_kind, calibrated, rows):
    for detector in (of_kind, calibrated):
        again = pickle.loads(pickle.dumps(detector))
        np.testing.assert_array_equal(again.explain(rows), detector.explain(rows))
        assert again.set_threshold(0.1).offset_ != again.set_threshold("auto").offset_
    np.testing.assert_array_equal(
        again.predict_pvalue(rows), calibrated.predict_pvalue(rows)
    )


def test_finds_outliers_better_than_the_error_alone():
    X, y = plane_with_outliers(40)
    fused, plain = (
        roc_auc_score(y, quick(outlier_score=s, epochs=10).fit(X).score_samples(X))
        for s in ("auto", "reconstruction")
    )
    assert fused > 0.97
    assert fused >= plain


@pytest.mark.parametrize(
    ("n_features", "n_components"), [(1, None), (2, None), (8, None), (8, 5)]
)
def test_default_n_components(rows, n_features, n_components):
    X = rows[:, :n_features]
    detector = quick(n_components=n_components, epochs=1).fit(X)
    needed = min(PCA(0.9).fit(X).n_components_, n_features - 1) or 1
    assert detector.n_components_ == (n_components or needed)


# Thresholds


def test_signs(of_kind, rows):
    scores = of_kind.score_samples(rows)
    decision = of_kind.decision_function(rows)
    np.testing.assert_allclose(decision, scores - of_kind.offset_)
    np.testing.assert_array_equal(of_kind.predict(rows), np.where(decision < 0, -1, 1))
    assert (scores <= 0).all()


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.25, 0.5])
def test_contamination_is_the_share_of_training_rows(of_kind, rows, contamination):
    moved = pickle.loads(pickle.dumps(of_kind))
    assert moved.set_threshold(contamination) is moved
    expected = pytest.approx(contamination * len(rows), abs=1)  # mutual neighbours
    assert (moved.predict(rows) == -1).sum() == expected
    fitted = moved.set_params(contamination=contamination).fit(rows)
    assert (fitted.predict(rows) == -1).sum() == expected


def test_auto_contamination_is_the_rule_on_training_scores(of_kind, rows):
    expected = auto_threshold(of_kind.score_samples(rows))
    assert of_kind.offset_ == pytest.approx(expected)


@pytest.mark.parametrize("n_outliers", [0, 4, 21, 100])
def test_auto_contamination_follows_the_data(n_outliers):
    """0, 1, 5 and 20 %."""
    X, y = plane_with_outliers(n_outliers)
    y_pred = quick().fit_predict(X)
    assert (y_pred[y == 1] == -1).mean() < 0.05
    assert (y_pred[y == -1] == -1).sum() >= 0.75 * n_outliers


def test_rate_of_false_alarms(calibrated):
    """It varies with 4,000 calibration rows and 8,000 new ones: by four deviations."""
    X = factor_rows(8000, random_state=5)
    assert (calibrated.predict(X) == -1).mean() == pytest.approx(0.05, abs=0.017)
    copied = pickle.loads(pickle.dumps(calibrated)).set_threshold(0.2)
    assert (copied.predict(X) == -1).mean() == pytest.approx(0.2, abs=0.031)
    assert calibrated.contamination == 0.05


def test_pvalues_of_normal_rows_are_uniform(calibrated):
    pvalues = calibrated.predict_pvalue(factor_rows(8000, random_state=5))
    expected = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(pvalues, expected), expected, atol=0.03)
    outliers = calibrated.predict_pvalue(np.eye(8) * 90)
    np.testing.assert_allclose(outliers, 1 / 4001)


def test_pvalues_and_threshold_agree(calibrated):
    X = factor_rows(1000, random_state=6)
    np.testing.assert_array_equal(
        calibrated.predict(X) == -1, calibrated.predict_pvalue(X) <= 0.05
    )


@pytest.mark.parametrize("params", [{"calibration": 0.3}, {"cv": 3}])
def test_few_rows_in_a_wide_code_are_not_judged_by_their_own_scores(params):
    """Training rows alone would promise fewer false alarms than there are."""
    rng = np.random.RandomState(0)
    X, new = rng.normal(size=(120, 10)), rng.normal(size=(3000, 10))
    plain = quick(contamination=0.1, epochs=60).fit(X)
    honest = quick(contamination=0.1, epochs=60, **params).fit(X)
    rates = [(detector.predict(new) == -1).mean() for detector in (plain, honest)]
    assert abs(rates[1] - 0.1) < 0.08
    assert rates[0] > 0.1


def test_cross_validation_leaves_the_final_network_all_rows(rows):
    detector = quick(cv=2, contamination=0.1).fit(rows[:100])
    assert detector.predict_pvalue(rows[:100]).min() >= 1 / 101
    means = detector.autoencoder_.predict(rows[:100], verbose=0).mean(axis=0)
    np.testing.assert_allclose(means, rows[:100].mean(axis=0), atol=0.2)


def test_calibration_rows_are_not_learnt_from():
    """A change in them changes the threshold, and not the scores."""
    X = factor_rows(100)
    parameters = {"calibration": 0.5, "contamination": 0.1, "epochs": 1}
    before = quick(**parameters).fit(X)
    changes = []
    for i in range(20):
        changed = X.copy()
        changed[i] += 50
        after = quick(**parameters).fit(changed)
        same = np.array_equal(after.score_samples(X), before.score_samples(X))
        changes.append((same, after.offset_ == before.offset_))
        if same:
            break
    assert changes[-1] == (True, False)


def test_partial_fit_judges_by_the_rows_of_the_last_call(calibrated, rows):
    detector = pickle.loads(pickle.dumps(calibrated)).partial_fit(rows)
    assert (detector.predict(rows) == -1).sum() == round(0.05 * len(rows))
    assert not hasattr(detector, "predict_pvalue")
    expected = expected_scores(detector, "fused", rows, rows)
    np.testing.assert_allclose(detector.score_samples(rows), expected, rtol=1e-3)


def test_warm_start_and_a_second_seed(rows):
    detector = quick(calibration=0.2, warm_start=True).fit(rows)
    first = detector.score_samples(rows)
    assert not np.array_equal(detector.fit(rows).score_samples(rows), first)
    again = quick(calibration=0.2).fit(rows)
    np.testing.assert_array_equal(again.score_samples(rows), first)
    assert detector.predict_pvalue(rows[:1]) > 0


def test_validation_rows_go_to_the_folds(rows):
    detector = quick(cv=2, epochs=2).fit(rows[:80], X_val=rows[80:])
    assert len(detector.history_["val_loss"]) == 2
    assert detector.predict_pvalue(rows[80:]).mean() > 0.1


# Explanations


def test_contributions_sum_to_the_score(of_kind, kind, rows):
    contributions = of_kind.explain(rows)
    n_codes = of_kind.n_components_ if kind in ("code", "neighbors", "fused") else 0
    assert contributions.shape == (400, 8 + n_codes)
    assert (contributions >= 0).all()
    np.testing.assert_allclose(
        contributions.sum(axis=1), -of_kind.score_samples(rows), rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["reconstruction", "residual", "fused"])
def test_the_changed_feature_ranks_first(kind):
    X, new = factor_rows(1000), factor_rows(200, random_state=4)
    changed = np.random.RandomState(0).randint(8, size=200)
    new[np.arange(200), changed] += 6
    detector = quick(n_components=2, outlier_score=kind).fit(X)
    contributions = detector.explain(new)[:, :8]
    assert (contributions.argmax(axis=1) == changed).mean() > 0.9


def test_frames_come_back_with_the_reconstruction(rows):
    X = pd.DataFrame(rows, columns=[f"sensor {i}" for i in range(8)])
    X.index += 100
    detector = quick(n_components=2).fit(X)
    contributions, reconstruction = detector.explain(X, return_reconstruction=True)
    assert [*contributions.columns] == [*X.columns, "code0", "code1"]
    assert contributions.index.equals(X.index)
    assert reconstruction.columns.equals(X.columns)
    expected = detector.autoencoder_.predict(rows, verbose=0)
    np.testing.assert_allclose(reconstruction, expected, atol=1e-5)
    np.testing.assert_allclose(contributions, detector.explain(X))


def test_map_of_the_error_of_images():
    images = load_digits().images[:200] / 16
    detector = AutoencoderOutlierDetector(
        8,
        architecture=ConvolutionalArchitecture(4),
        outlier_score="reconstruction",
        epochs=10,
        random_state=0,
    ).fit(images[:150])
    changed = images[150:].copy()
    changed[:, 0, 0] = 3  # a dead pixel
    contributions, reconstruction = detector.explain(
        changed, return_reconstruction=True
    )
    assert reconstruction.shape == changed.shape
    error_map = contributions.reshape(changed.shape)
    np.testing.assert_allclose(error_map, (changed - reconstruction) ** 2)
    assert (contributions.argmax(axis=1) == 0).all()


def test_display_of_an_explanation(rows):
    X = pd.DataFrame(rows, columns=list("abcdefgh"))
    pipeline = make_pipeline(StandardScaler(), quick(n_components=2)).fit(X)
    X.loc[0, "c"] += 9
    display = OutlierScoreDisplay.from_estimator(
        pipeline, X, kind="contributions", sample=0
    )
    total = sum(bar.get_width() for bar in display.bars_)
    assert total == pytest.approx(-pipeline.score_samples(X)[0], rel=1e-5)


# Searches


def test_search_with_and_without_labels():
    X, y = plane_with_outliers(40)
    grid = {"n_components": [1, 2], "outlier_score": ["code", "fused"]}
    for labels, scoring in [
        (y, "roc_auc"),
        (y, outlier_roc_auc_scorer),
        (y == -1, outlier_roc_auc_scorer),
        (None, outlier_roc_auc_scorer),
    ]:
        search = GridSearchCV(
            quick(), grid, cv=StratifiedKFold(2, shuffle=True, random_state=0)
        )
        cv = search.cv.split(X, y)
        search.set_params(cv=list(cv), scoring=scoring).fit(X, labels)
        assert search.best_params_["outlier_score"] == "fused"
        assert search.best_score_ > 0.7


# Errors


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"outlier_score": "residuals"}, "'outlier_score' parameter"),
        ({"calibration": 1}, "'calibration' parameter"),
        ({"calibration": 0}, "'calibration' parameter"),
        ({"cv": 1}, "'cv' parameter"),
        ({"cv": 0.2}, "'cv' parameter"),
        ({"cv": 5, "calibration": 0.2}, "Give one of them"),
        ({"cv": 500}, "n_splits=500"),
        ({"calibration": 0.2, "contamination": 0.01}, "at least 99 rows to calibrate"),
        ({"outlier_score": lambda X, X_hat, Z: 1}, r"gave shape \(\)"),
    ],
)
def test_errors_leave_the_fit_as_it_was(rows, params, message):
    detector = quick().fit(rows)
    before, state = detector.score_samples(rows), set(vars(detector))
    detector.set_params(**params)
    with pytest.raises(ValueError, match=message):
        detector.fit(rows)
    np.testing.assert_array_equal(detector.score_samples(rows), before)
    assert set(vars(detector)) == state
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(rows)


@pytest.mark.parametrize("contamination", [0, 0.6, "none", None])
def test_set_threshold_to_something_else(of_kind, contamination):
    offset = of_kind.offset_
    with pytest.raises(ValueError, match="'contamination' parameter of set_threshold"):
        of_kind.set_threshold(contamination)
    assert of_kind.offset_ == offset


def test_pvalues_need_calibration(of_kind, rows):
    assert not hasattr(of_kind, "predict_pvalue")
    with pytest.raises(AttributeError) as caught:
        of_kind.predict_pvalue(rows)
    assert "calibration=0.2 or cv=5" in str(caught.value.__cause__)


def test_not_fitted(rows):
    detector = AutoencoderOutlierDetector(cv=3)
    for method in (
        "predict",
        "score_samples",
        "decision_function",
        "explain",
        "predict_pvalue",
    ):
        with pytest.raises(NotFittedError):
            getattr(detector, method)(rows)
    with pytest.raises(NotFittedError):
        detector.set_threshold(0.1)
