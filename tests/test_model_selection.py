"""Autoencoders beside PCA: in one search, in one table, as features."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import randint
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, PCA, FastICA, KernelPCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.inspection import ExplainedVarianceDisplay
from skae.metrics import (
    reconstruction_r2_score,
    reconstruction_scorer,
)
from skae.model_selection import compare_reconstruction


@pytest.fixture
def autoencoder():
    return AutoencoderTransformer(
        4, architecture=DenseArchitecture((16,)), epochs=3, random_state=0
    )


def test_one_search_over_pca_and_autoencoders(X, autoencoder):
    pipeline = Pipeline([("scale", StandardScaler()), ("reduce", PCA())])
    grid = {"reduce": [PCA(), autoencoder], "reduce__n_components": [2, 4]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring=reconstruction_scorer).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert np.unique(scores).size == 4
    # Anchored there, the autoencoder is no worse than PCA.
    assert (scores[2:] >= scores[:2] - 1e-3).all()


def test_other_searches(X, autoencoder):
    autoencoder.set_params(architecture__start="random")  # half the time of a fit
    halving = HalvingGridSearchCV(
        autoencoder,
        {"n_components": [2, 4, 6]},
        resource="epochs",
        min_resources=1,
        max_resources=3,
        cv=2,
    ).fit(X)
    assert set(halving.cv_results_["n_resources"]) == {1, 3}
    assert halving.best_estimator_.n_iter_ == 3
    randomized = RandomizedSearchCV(
        autoencoder, {"n_components": randint(2, 8)}, n_iter=2, cv=2, random_state=0
    ).fit(X)
    assert randomized.best_params_["n_components"] in range(2, 8)


def test_compare_reconstruction(X, autoencoder):
    estimators = {
        "PCA": PCA(),
        "scaled PCA": make_pipeline(StandardScaler(), PCA()),
        "ICA": FastICA(random_state=0, max_iter=1000),
        "NMF": NMF(init="random", random_state=0, max_iter=300, tol=1e-2),
        "kernel PCA": KernelPCA(kernel="rbf", fit_inverse_transform=True),
        "autoencoder": autoencoder,
    }
    table = compare_reconstruction(estimators, X, n_components=[2, 6], cv=2)
    assert list(table["estimator"]) == [name for name in estimators for _ in range(2)]
    assert list(table["n_components"]) == [2, 6] * len(estimators)
    assert (table["mean_test_score"] < 1).all()
    assert (table[["mean_fit_time", "mean_score_time", "mean_size"]] > 0).all(axis=None)
    halves = X[:150], X[150:]
    by_hand = [
        reconstruction_scorer(make_pipeline(StandardScaler(), PCA(6)).fit(A), B)
        for A, B in (halves, halves[::-1])
    ]
    row = table[(table["estimator"] == "scaled PCA") & (table["n_components"] == 6)]
    assert row["mean_test_score"].item() == pytest.approx(np.mean(by_hand))
    assert row["std_test_score"].item() == pytest.approx(np.std(by_hand))


def test_compare_reconstruction_errors(X):
    with pytest.raises(ValueError, match=r"StandardScaler.* has no parameter n_comp"):
        compare_reconstruction([StandardScaler()], X, n_components=[2], cv=2)
    with pytest.raises(ValueError, match=r"must be unique.*Pass a dict"):
        compare_reconstruction([PCA(2), PCA(3)], X, cv=2)


def test_codes_as_features():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    autoencoder = AutoencoderTransformer(8, epochs=15, random_state=0)
    accuracy = {}
    for name, reduce in (("PCA", PCA(8)), ("autoencoder", autoencoder)):
        classifier = make_pipeline(reduce, LogisticRegression(max_iter=1000))
        classifier.fit(X[::2], y[::2])
        accuracy[name] = classifier.score(X[1::2], y[1::2])
    assert accuracy["autoencoder"] > accuracy["PCA"] - 0.02
    clusters = make_pipeline(reduce, KMeans(10, n_init=1, random_state=0))
    labels = clusters.fit_predict(X[:300])
    assert np.unique(labels).size == 10


@pytest.fixture(scope="module")
def ordered(X):
    return AutoencoderTransformer(
        6,
        ordered=True,
        architecture=DenseArchitecture((32,)),
        epochs=30,
        random_state=0,
    ).fit(X)


class TestOrderedCodes:
    def test_shares_of_variance(self, ordered, X):
        ratio = ordered.explained_variance_ratio_
        assert ratio.shape == (6,)
        assert ratio.sum() == pytest.approx(ordered.score(X), abs=1e-4)
        assert ratio[:3].min() > ratio[3:].max()
        by_pca = np.cumsum(PCA(6).fit(X).explained_variance_ratio_)
        assert (np.cumsum(ratio) > by_pca - 0.02).all()

    @pytest.mark.parametrize("k", [1, 3, 6])
    def test_truncate(self, ordered, X, k):
        truncated = ordered.truncate(k)
        codes = ordered.transform(X)
        np.testing.assert_allclose(truncated.transform(X), codes[:, :k], atol=1e-6)
        codes[:, k:] = 0
        expected = ordered.inverse_transform(codes)
        back = truncated.inverse_transform(codes[:, :k])
        np.testing.assert_allclose(back, expected, atol=1e-5)
        assert truncated.n_components == truncated.n_components_ == k
        assert truncated.encoder_.output_shape == (None, k)
        assert ordered.n_components_ == 6
        score = np.cumsum(ordered.explained_variance_ratio_)[k - 1]
        assert reconstruction_r2_score(X, back) == pytest.approx(score, abs=1e-4)
        truncated.partial_fit(X)

    def test_truncate_errors(self, ordered, autoencoder, X):
        with pytest.raises(ValueError, match="n_components == 7, must be <= 6"):
            ordered.truncate(7)
        with pytest.raises(ValueError, match="ordered=True"):
            autoencoder.fit(X).truncate(2)

    @pytest.mark.parametrize("share", [0.6, 0.95])
    def test_share_of_variance_as_n_components(self, X, share):
        autoencoder = AutoencoderTransformer(
            share, architecture=DenseArchitecture((32,)), epochs=20, random_state=0
        ).fit(X, X_val=X)
        enough = PCA(share).fit(X).n_components_
        assert 1 <= autoencoder.n_components_ <= enough
        assert autoencoder.transform(X).shape == (300, autoencoder.n_components_)
        assert autoencoder.score(X) >= share - 1e-6
        fewer = autoencoder.truncate(autoencoder.n_components_ - 1)
        assert fewer.score(X) < share
        assert autoencoder.n_components == share

    def test_needs_an_architecture_that_can(self, X):
        from skae.architectures import VariationalArchitecture

        autoencoder = AutoencoderTransformer(
            ordered=True, architecture=VariationalArchitecture((8,))
        )
        with pytest.raises(ValueError, match="cannot order components; Dense"):
            autoencoder.fit(X)

    def test_size_stays_in_partial_fit(self, X):
        autoencoder = AutoencoderTransformer(
            0.6, architecture=DenseArchitecture((32,)), epochs=5, random_state=0
        ).fit(X, X_val=X)
        size = autoencoder.n_components_
        # One code would do for so little variety.
        autoencoder.partial_fit(np.repeat(X[:2], 20, axis=0))
        assert autoencoder.n_components_ == size
        assert autoencoder.explained_variance_ratio_.shape == (size,)

    def test_nothing_stays_of_an_earlier_fit(self, ordered, X):
        again = copy.deepcopy(ordered).set_params(ordered=False, epochs=1)
        again.set_params(validation_fraction=None).fit(X)
        assert again.explained_variance_ratio_ is None
        assert again.validation_score_ is None


@pytest.mark.parametrize(
    "cv",
    [
        lambda: ShuffleSplit(2),
        lambda: ((np.arange(20 + i, 60), np.arange(20)) for i in range(2)),
    ],
    ids=["random", "generator"],
)
def test_all_estimators_have_the_same_splits(X, cv):
    pca = PCA(2, random_state=0)
    table = compare_reconstruction(
        {"a": pca, "b": pca}, X, n_components=[2, 2], cv=cv()
    )
    assert table["mean_test_score"].nunique() == 1
    display = ExplainedVarianceDisplay.from_estimator(
        {"a": pca, "b": pca}, X, n_components=[2], cv=cv()
    )
    np.testing.assert_array_equal(display.scores["a"], display.scores["b"])
    plt.close(display.figure_)


def test_images_beside_estimators_of_flat_samples(autoencoder):
    images = load_digits().images[:120] / 16
    flat = images.reshape(120, -1)
    halved = make_pipeline(FunctionTransformer(np.array), StandardScaler(), PCA())
    table = compare_reconstruction(
        {"PCA": PCA(), "scaled": halved, "own": autoencoder},
        images,
        n_components=[3],
        cv=2,
    )
    expected = compare_reconstruction([PCA()], flat, n_components=[3], cv=2)
    scores = table["mean_test_score"]
    assert scores[0] == pytest.approx(expected["mean_test_score"][0])
    assert (scores[1:] > 0).all()
    display = ExplainedVarianceDisplay.from_estimator(
        PCA(), images, n_components=[3], cv=2
    )
    assert display.scores["PCA"].mean() == pytest.approx(scores[0])
    plt.close(display.figure_)
