import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector
from skae._outliers._ensemble import TruncationScore
from skae._outliers._labels import LabelledScore, check_labels
from skae._outliers._scores import score_from_dict


def make_samples(n_samples=400, random_state=0):
    """Normally distributed samples, a tenth of which are shifted in feature 1."""
    rng = np.random.RandomState(random_state)
    X = rng.normal(size=(n_samples, 6))
    X[:, 3:] += X[:, :3]
    is_outlier = np.arange(n_samples) % 10 == 0
    X[is_outlier, 1] += 2
    X[is_outlier, 4] += 2
    return X, is_outlier


@pytest.fixture(scope="module")
def pca():
    return PCA(4).fit(make_samples()[0])  # in place of a network


def triple(pca, X, sizes=(2, 4)):
    Z = pca.transform(X)
    X_hat = [pca.inverse_transform(Z * (np.arange(4) < size)) for size in sizes]
    return X, X_hat, Z


def fit(pca, n_labelled, n_normal=0, kind="fused", **kwargs):
    X, is_outlier = make_samples()
    labelled = np.flatnonzero(is_outlier)[:n_labelled]
    rest = np.delete(np.arange(len(X)), labelled)
    is_normal = np.zeros(len(rest), bool)
    is_normal[np.flatnonzero(~is_outlier[rest])[:n_normal]] = True
    score = LabelledScore(TruncationScore(kind, [2, 4]))
    return score.fit(
        *triple(pca, X[rest]), is_normal, triple(pca, X[labelled]), random_state=0
    )


@pytest.fixture(scope="module")
def score(pca):
    return fit(pca, 8)


@pytest.mark.parametrize("kind", ["fused", "reconstruction", "neighbors"])
def test_labels_improve_the_order_of_new_samples(pca, kind):
    X, is_outlier = make_samples(random_state=1)
    score = fit(pca, 8, kind=kind)
    without = roc_auc_score(is_outlier, score.unlabelled.anomaly(*triple(pca, X)))
    assert roc_auc_score(is_outlier, score.anomaly(*triple(pca, X))) > without + 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contributions_sum_to_the_anomaly(pca, score, dtype):
    X, is_outlier = make_samples(random_state=1)
    arrays = triple(pca, X.astype(dtype))
    anomaly = score.anomaly(*arrays)
    features, codes = score.contributions(*arrays)
    assert anomaly.dtype == features.dtype == codes.dtype == dtype
    assert min(features.min(), codes.min()) >= 0
    np.testing.assert_allclose(features.sum(1) + codes.sum(1), anomaly, rtol=1e-5)
    # What labelled outliers have in common contributes most to others like them.
    assert set(np.argsort(features[is_outlier].mean(axis=0))[-2:]) == {1, 4}


def test_far_samples_of_another_kind_remain_outliers(pca, score):
    X, _ = make_samples(random_state=1)
    far = np.zeros((1, 6))
    far[0, [0, 5]] = [-100, 100]
    anomaly = score.anomaly(*triple(pca, np.vstack([X, far])))
    assert anomaly[-1] > np.median(anomaly)
    farther = score.anomaly(*triple(pca, 100 * far))
    assert farther > anomaly[-1]


@pytest.mark.filterwarnings("error")
def test_missing_and_overflowing_values(pca, score):
    X, _ = make_samples(50, random_state=1)
    for value in (np.nan, 1e30):
        arrays = triple(pca, X.astype(np.float32))
        arrays[0][:, 2] = value
        if not np.isnan(value):
            arrays[2][:, 0] = np.inf
            arrays[1][1][:, 1] = np.nan
        anomaly = score.anomaly(*arrays)
        parts = np.hstack(score.contributions(*arrays))
        assert np.isfinite(anomaly).all()
        assert (parts >= 0).all()
        np.testing.assert_allclose(parts.sum(axis=1), anomaly, rtol=1e-5)


def test_score_is_plain_data(pca, score):
    def check(value):
        if isinstance(value, (dict, list)):
            for part in value.values() if isinstance(value, dict) else value:
                check(part)
        else:
            assert isinstance(value, (int, float, str, bool, np.ndarray))

    check(score.to_dict())
    arrays = triple(pca, make_samples(random_state=1)[0])
    again = score_from_dict(score.to_dict())
    np.testing.assert_array_equal(again.anomaly(*arrays), score.anomaly(*arrays))


def test_samples_labelled_as_normal_lower_their_kind(pca):
    X, is_outlier = make_samples()
    arrays = triple(pca, X[~is_outlier][:5])
    with_normal, without = (fit(pca, 8, n_normal=n) for n in (5, 0))
    assert with_normal.anomaly(*arrays).mean() < without.anomaly(*arrays).mean()


def test_constant_features_and_a_single_label(pca):
    X, is_outlier = make_samples()
    X[:, 5] = 3
    X[:, 2] = X[:, 2] > 0
    rest = X[1:]
    score = LabelledScore(TruncationScore("fused", [2, 4])).fit(
        *triple(pca, rest), np.zeros(len(rest), bool), triple(pca, X[:1])
    )
    arrays = triple(pca, rest)
    labelled, without = score.anomaly(*arrays), score.unlabelled.anomaly(*arrays)
    aucs = [roc_auc_score(is_outlier[1:], a) for a in (labelled, without)]
    assert aucs[0] > aucs[1]


def test_labels_are_checked():
    X = np.zeros((4, 2))
    assert check_labels([1.0, 0.0, -1.0, 0.0], X).tolist() == [1, 0, -1, 0]
    for y, message in [
        (None, "needs labels, but y is None"),
        ([1, 0, -1], "inconsistent numbers of samples"),
        ([1, 0, 2, 3], r"it contains \[2, 3\]"),
        ([1, 0, np.nan, 0], r"it contains \[nan\]"),
        (["good", "bad", "bad", "bad"], "it contains"),
        # Is it an outlier, or is it normal?
        ([True, False, False, False], "are booleans"),
        (np.array([True, False, None, 0], object), "are booleans"),
        ([-1] * 4, "All 4 samples are labelled as outliers"),
        ([[1, 0]] * 4, "1d"),
        (np.ma.masked_equal([0, -1, 9, 0], 9), r"y is a masked .*\.filled\(0\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_labels(y, X)


# The detector.

SMALL = {"n_components": 3, "epochs": 2, "random_state": 0}


def labelled_samples():
    X, is_outlier = make_samples()
    y = np.zeros(len(X), int)
    y[np.flatnonzero(is_outlier)[:8]] = -1
    y[np.flatnonzero(~is_outlier)[:5]] = 1
    return X, is_outlier, y


@pytest.fixture(scope="module")
def detector():
    X, _, y = labelled_samples()
    return AutoencoderOutlierDetector(use_labels=True, **SMALL).fit(X, y)


@pytest.fixture(scope="module")
def plain():
    return AutoencoderOutlierDetector(**SMALL).fit(make_samples()[0])


def test_labels_are_ignored_by_default(plain):
    X, _, y = labelled_samples()
    ignoring = clone(plain).fit(X, y)
    np.testing.assert_array_equal(ignoring.score_samples(X), plain.score_samples(X))
    assert ignoring.offset_ == plain.offset_


def test_without_outliers_among_the_labels_nothing_changes(plain):
    X = make_samples()[0]
    labelled = AutoencoderOutlierDetector(use_labels=True, **SMALL)
    with pytest.warns(
        UserWarning, match=r"none of the 400 labels is -1.*np.where\(y == 1"
    ):
        labelled.fit(X, np.arange(len(X)) % 2)
    np.testing.assert_array_equal(labelled.score_samples(X), plain.score_samples(X))
    assert labelled.offset_ == plain.offset_


def test_network_does_not_learn_from_labelled_outliers(detector):
    X, _, y = labelled_samples()
    rest = AutoencoderOutlierDetector(**SMALL).fit(X[y != -1])
    np.testing.assert_array_equal(detector.reconstruct(X), rest.reconstruct(X))


def test_detector_gains_from_labels(detector, plain):
    X, is_outlier = make_samples(random_state=1)
    with_labels, without = (
        roc_auc_score(~is_outlier, d.decision_function(X)) for d in (detector, plain)
    )
    assert with_labels > without + 0.05
    found = detector.predict(X) == -1
    assert found[is_outlier].mean() > 0.5
    assert found[~is_outlier].mean() < 0.2


def test_a_labelled_outlier_that_is_absurd_does_not_move_the_threshold(detector):
    X, is_outlier, y = labelled_samples()
    new = make_samples(random_state=1)[0]
    found = []
    for value in (20.0, 1e100):
        X_more = np.vstack([X, [[0, 0, value, 0, 0, 0]]])
        d = clone(detector).fit(X_more, np.append(y, -1))
        assert d.predict(X_more[-1:]) == -1
        found.append(d.predict(new) == -1)
    assert found[1].sum() == pytest.approx(found[0].sum(), abs=8)
    assert found[1][is_outlier].mean() > 0.5


def test_explanations_sum_to_the_score(detector):
    X = make_samples(random_state=1)[0]
    contributions = detector.explain(X)
    assert contributions.min() >= 0
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(X), rtol=1e-6
    )


def test_copies_score_alike(detector):
    X = make_samples(random_state=1)[0]
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    again.set_threshold(0.1)
    assert again.offset_ != detector.offset_
    again.set_threshold("auto")
    assert again.offset_ == detector.offset_


def test_onnx(detector, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from skae.onnx import export_onnx

    X = make_samples(random_state=1)[0].astype(np.float32)
    export_onnx(detector, tmp_path / "detector.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "detector.onnx"))
    names = ["score_samples", "predict"]
    scores, predicted = session.run(names, {session.get_inputs()[0].name: X})
    np.testing.assert_allclose(scores.ravel(), detector.score_samples(X), atol=1e-4)
    assert (predicted.ravel() == detector.predict(X)).mean() > 0.99


@pytest.mark.parametrize("calibration", [0.25, 3])
def test_calibration_without_labelled_outliers(calibration):
    X, is_outlier, y = labelled_samples()
    calibrated = AutoencoderOutlierDetector(
        use_labels=True, calibration=calibration, contamination=0.1, **SMALL
    ).fit(X, y)
    X_new, is_outlier = make_samples(random_state=1)
    assert np.mean(calibrated.predict(X_new[~is_outlier]) == -1) < 0.15
    pvalues = calibrated.predict_pvalue(X_new)
    assert pvalues[is_outlier].mean() < pvalues[~is_outlier].mean() - 0.2


def test_fit_predict_passes_labels(detector):
    X, _, y = labelled_samples()
    np.testing.assert_array_equal(
        clone(detector).fit_predict(X, y), detector.predict(X)
    )


def test_cross_validation_and_search():
    X, _, y = labelled_samples()
    y = np.where(y == -1, -1, 1)
    pipeline = make_pipeline(
        StandardScaler(), AutoencoderOutlierDetector(use_labels=True, **SMALL)
    )
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    kwargs = {"scoring": "roc_auc", "cv": folds, "error_score": "raise"}
    scores = cross_validate(pipeline, X, y, **kwargs)["test_score"]
    assert scores.min() > 0.7
    grid = {"autoencoderoutlierdetector__use_labels": [False, True]}
    search = GridSearchCV(pipeline, grid, **kwargs).fit(X, y)
    assert search.best_params_ == {"autoencoderoutlierdetector__use_labels": True}


def test_tables():
    pandas = pytest.importorskip("pandas")
    X, is_outlier, y = labelled_samples()
    table = pandas.DataFrame(X, columns=list("abcdef"))
    table["kind"] = np.where(np.arange(len(X)) % 3 == 0, "one", "two")
    detector = AutoencoderOutlierDetector(use_labels=True, calibration=2, **SMALL)
    detector.fit(table, pandas.Series(y))
    contributions = detector.explain(table)
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(table), rtol=1e-6
    )
    unknown = y == 0
    scores = detector.score_samples(table)[unknown]
    assert roc_auc_score(~is_outlier[unknown], scores) > 0.7


def test_warm_start_takes_new_labels(detector):
    X, is_outlier, y = labelled_samples()
    warm = clone(detector).set_params(warm_start=True)
    few = np.where(np.cumsum(y == -1) <= 2, y, 0)
    warm.fit(X, few)
    warm.fit(X, y)
    unknown = y == 0
    assert roc_auc_score(~is_outlier[unknown], warm.score_samples(X)[unknown]) > 0.8


def test_refused_input_leaves_the_detector_as_it_was(detector):
    X, _, y = labelled_samples()
    before = detector.score_samples(X)
    with pytest.raises(ValueError, match="y is None"):
        detector.fit(X)
    with pytest.raises(ValueError, match="All 400 samples"):
        detector.fit(X, np.full(len(X), -1))
    with pytest.raises(ValueError, match="partial_fit does not take labels"):
        detector.partial_fit(X, y)
    function = clone(detector).set_params(outlier_score=lambda X, X_hat, Z: Z[:, 0])
    with pytest.raises(ValueError, match="function as outlier_score"):
        function.fit(X, y)
    np.testing.assert_array_equal(detector.score_samples(X), before)
