"""The stages of `fit` and `partial_fit`: what learns, what judges, what stays."""

import copy
import warnings

import keras
import numpy as np
import pytest
from _helpers import weights
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import (
    BaseArchitecture,
    DenseArchitecture,
    Networks,
    VariationalArchitecture,
)
from skae.metrics import reconstruction_r2_score, reconstruction_scorer


@pytest.fixture(scope="module")
def digits():
    """100 training and 500 test samples, standardized."""
    X = load_digits().data[np.random.RandomState(0).permutation(1797)]
    scaler = StandardScaler().fit(X[:100])
    return scaler.transform(X[:100]), scaler.transform(X[100:600])


def linear(**parameters):
    """Where training cannot improve on PCA."""
    return AutoencoderTransformer(
        3, architecture=DenseArchitecture(()), epochs=2, random_state=0, **parameters
    )


class TestTheStart:
    def test_few_samples_are_enough_to_beat_pca(self, digits):
        X, X_test = digits
        gain = AutoencoderTransformer(5, random_state=0).fit(X).score(X_test)
        assert gain > reconstruction_scorer(PCA(5).fit(X), X_test) + 0.05

    def test_its_score_is_that_of_pca_on_samples_it_has_not_seen(self, digits):
        X, X_test = digits
        autoencoder = linear().fit(X, X_val=X_test)
        expected = reconstruction_scorer(PCA(3).fit(X), X_test)
        assert autoencoder.start_validation_score_ == pytest.approx(expected, abs=1e-4)
        held_out = linear().fit(X)
        assert (
            held_out.start_validation_score_
            < PCA(3).fit(X).explained_variance_ratio_.sum()
        )

    def test_where_it_is_kept_it_is_the_pca_of_all_samples(self, X):
        autoencoder = linear(learning_rate=1e-12).fit(X)
        assert autoencoder.best_epoch_ == 0
        assert autoencoder.validation_score_ == autoencoder.start_validation_score_
        pca = PCA(3).fit(X)
        expected = pca.inverse_transform(pca.transform(X))
        np.testing.assert_allclose(autoencoder.reconstruct(X), expected, atol=1e-4)

    def test_samples_to_validate_on_that_a_user_gives_are_not_learned(self, digits):
        X, X_test = digits
        autoencoder = linear(learning_rate=1e-12).fit(X, X_val=X_test)
        pca = PCA(3).fit(X)
        expected = pca.inverse_transform(pca.transform(X))
        np.testing.assert_allclose(autoencoder.reconstruct(X), expected, atol=1e-4)

    @pytest.mark.parametrize(
        "architecture",
        [DenseArchitecture((8,), start="random"), VariationalArchitecture((8,))],
    )
    def test_there_is_none_without_data(self, X, architecture):
        autoencoder = AutoencoderTransformer(
            2, architecture=architecture, epochs=2, random_state=0
        ).fit(X)
        assert autoencoder.start_validation_score_ is None
        assert isinstance(autoencoder.validation_score_, float)

    def test_of_an_architecture_of_ones_own(self, X):
        class FromData(BaseArchitecture):
            calls = []

            def __init__(self, report=None):
                self.report = report

            def build_networks(self, spec):
                sample_shape, n_components = spec.sample_shape, spec.n_components
                encoder = keras.Sequential(
                    [keras.Input(sample_shape), keras.layers.Dense(n_components)]
                )
                decoder = keras.Sequential(
                    [keras.Input((n_components,)), keras.layers.Dense(*sample_shape)]
                )
                return Networks.from_halves(encoder, decoder)

            def initialize(self, networks, X):
                self.calls.append(len(X))
                return self.report

        for report, calls in (("zeros", [270, 300]), (None, [270])):
            FromData.calls.clear()
            autoencoder = AutoencoderTransformer(
                2,
                architecture=FromData(report),
                epochs=1,
                learning_rate=1e-12,
                random_state=0,
            ).fit(X)
            has_start = autoencoder.start_validation_score_ is not None
            assert has_start == (report is not None)
            assert autoencoder.start_ == report
            assert FromData.calls == calls
        with pytest.raises(TypeError, match=r"initialize.*a str, or None, got True"):
            AutoencoderTransformer(2, architecture=FromData(True)).fit(X)


class TestValidationScore:
    def test_is_that_of_the_final_network(self, digits):
        X, X_test = digits
        for n_components, ordered, X_val in (
            (4, False, X_test),
            (4, True, X_test),
            (0.5, False, X),
        ):
            autoencoder = AutoencoderTransformer(
                n_components,
                ordered=ordered,
                architecture=DenseArchitecture((16,)),
                epochs=20,
                random_state=0,
            ).fit(X, X_val=X_val)
            score = autoencoder.score(X_val)
            assert autoencoder.validation_score_ == pytest.approx(score)

    def test_is_none_where_nothing_was_held_out(self, X, small):
        autoencoder = AutoencoderTransformer(**small | {"validation_fraction": None})
        assert autoencoder.fit(X).validation_score_ is None
        autoencoder = AutoencoderTransformer(**small).fit(X)
        assert autoencoder.validation_score_ is not None
        autoencoder.partial_fit(X)
        assert autoencoder.validation_score_ is None
        assert autoencoder.start_validation_score_ is None

    def test_is_none_after_truncate(self, X):
        autoencoder = AutoencoderTransformer(3, ordered=True, epochs=2, random_state=0)
        truncated = autoencoder.fit(X).truncate(2)
        assert truncated.validation_score_ is None
        assert autoencoder.validation_score_ is not None


class TestShareOfVariance:
    @pytest.mark.parametrize("offset", [5e4, 5e5])
    def test_counts_components_of_data_with_a_large_mean(self, offset):
        """Centred data of float32 precision; PCA needs as many."""
        rng = np.random.RandomState(0)
        X = 3 * rng.normal(size=(500, 10)) @ rng.normal(size=(10, 20)) + offset
        autoencoder = AutoencoderTransformer(
            0.95, epochs=1, validation_fraction=None, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            autoencoder.fit(X)
        assert autoencoder.n_components_ == PCA(0.95).fit(X).n_components_

    def test_is_searched_by_the_first_fit_with_warm_start(self, X):
        cold, warm = (
            AutoencoderTransformer(
                0.6, epochs=5, random_state=0, warm_start=warm_start
            ).fit(X, X_val=X)
            for warm_start in (False, True)
        )
        assert warm.n_components_ == cold.n_components_
        assert warm.fit(X, X_val=X).n_components_ == cold.n_components_

    def test_that_is_not_reached_is_said(self):
        noise = np.random.RandomState(0).normal(size=(60, 100))
        autoencoder = AutoencoderTransformer(0.95, epochs=2, random_state=0)
        with pytest.warns(ConvergenceWarning, match=r"asks for 0\.95 .* keep 0\.\d"):
            autoencoder.fit(noise)

    def test_of_so_few_samples_that_one_is_held_out(self):
        X = np.random.RandomState(0).normal(size=(8, 5))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            autoencoder = AutoencoderTransformer(0.5, epochs=2, random_state=0).fit(X)
        assert autoencoder.n_components_ <= PCA(0.5).fit(X).n_components_
        assert np.isfinite(autoencoder.explained_variance_ratio_).all()


class TestWarmStartAndPartialFit:
    @pytest.mark.parametrize(
        ("changed", "match"),
        [
            ({"ordered": True}, "built for ordered=False.*ordered=True"),
            ({"n_components": 4}, "built for n_components=3.*n_components=4"),
            ({"n_components": 0.5}, "built for n_components=3.*n_components=0.5"),
            ({"architecture": DenseArchitecture((9,))}, r"of DenseArch.*\(9,\)"),
            ({"loss": "binary_crossentropy"}, "output is linear.*cross-entropy"),
        ],
    )
    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_other_networks_are_refused(self, transformer, X, changed, match, method):
        autoencoder = copy.deepcopy(transformer).set_params(warm_start=True, **changed)
        before = weights(autoencoder)
        with pytest.raises(ValueError, match=match):
            getattr(autoencoder, method)(X)
        np.testing.assert_equal(weights(autoencoder), before)

    def test_a_size_written_otherwise_is_the_same(self, X):
        autoencoder = AutoencoderTransformer(
            2, architecture=DenseArchitecture((8,)), epochs=1, warm_start=True
        ).fit(X)
        autoencoder.set_params(architecture__hidden_layer_sizes=[8]).fit(X)
        assert autoencoder.n_iter_ == 1

    def test_weights_are_restored_where_what_follows_fails(self, X):
        """The network is trained already when the score fails."""

        class Fails:
            calls = 0

            def __call__(self, X, X_hat, Z):
                Fails.calls += 1
                if Fails.calls > self.allowed:
                    raise RuntimeError("no score")
                return ((X - X_hat) ** 2).sum(axis=1)

        score = Fails()
        score.allowed = 10**6
        detector = AutoencoderOutlierDetector(
            2, outlier_score=score, epochs=2, random_state=0, warm_start=True
        ).fit(X)
        before, scores = dict(vars(detector)), detector.score_samples(X)
        codes = detector.encode(X)
        score.allowed = Fails.calls
        for method in ("fit", "partial_fit"):
            with pytest.raises(RuntimeError, match="no score"):
                getattr(detector, method)(X[:100])
        score.allowed = 10**6
        np.testing.assert_array_equal(detector.score_samples(X), scores)
        assert vars(detector).keys() == before.keys()
        assert detector.history_ == before["history_"]
        by_keras = detector.encoder_.predict(X, verbose=0)
        np.testing.assert_allclose(by_keras, codes, rtol=1e-4, atol=1e-5)
        assert detector.offset_ == before["offset_"]
        # The next batches are in the order that they would have been in.
        state = detector._rng.get_state()[1]
        np.testing.assert_array_equal(state, before["_rng"].get_state()[1])

    @pytest.mark.parametrize("method", ["fit", "first fit"])
    def test_an_error_while_training_loses_nothing(self, X, small, method):
        class Fails(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 1:
                    raise RuntimeError("in the second epoch")

        autoencoder = AutoencoderTransformer(warm_start=True, **small)
        if method == "fit":
            autoencoder.fit(X)
            before, history = weights(autoencoder), autoencoder.history_
        autoencoder.set_params(callbacks=[Fails()], epochs=3)
        with pytest.raises(RuntimeError, match="second epoch"):
            autoencoder.fit(X)
        if method == "fit":
            np.testing.assert_equal(weights(autoencoder), before)
            assert autoencoder.history_ == history
        else:
            assert not hasattr(autoencoder, "autoencoder_")


class TestOneRandomState:
    def test_with_any_number_of_jobs(self):
        """joblib gives workers a memory map of more than 1 MB."""
        X = np.random.RandomState(0).normal(size=(3000, 60))
        union = FeatureUnion(
            [
                (f"of {k}", AutoencoderTransformer(k, epochs=2, random_state=0))
                for k in (2, 3)
            ]
        )
        alone = clone(union).fit_transform(X)
        together = clone(union).set_params(n_jobs=2).fit_transform(X)
        np.testing.assert_array_equal(alone, together)


class TestValues:
    def test_those_to_validate_on_are_checked_too(self, X):
        pipeline = make_pipeline(
            MinMaxScaler(), AutoencoderTransformer(2, loss="binary_crossentropy")
        )
        with pytest.raises(ValueError, match=r"X_val goes from 0 to 255"):
            pipeline.fit(X, autoencodertransformer__X_val=X * 255)

    def test_a_mean_beyond_the_precision_of_the_network_is_said(self, X, small):
        far = np.random.RandomState(0).normal([0, 0, 3e7, 1e8], size=(100, 4))
        with pytest.warns(UserWarning, match=r"2 of 4 features of X .*StandardScaler"):
            AutoencoderTransformer(1, epochs=1).fit(far)

    def test_nested_lists_of_images(self, X, small):
        images = X[:40].reshape(-1, 8, 8)
        expected = AutoencoderTransformer(**small).fit(images)
        autoencoder = AutoencoderTransformer(**small).fit(images.tolist())
        np.testing.assert_array_equal(
            autoencoder.transform(images.tolist()), expected.transform(images)
        )


def test_reconstruct(transformer, detector, X):
    for estimator in (transformer, detector):
        back = estimator.reconstruct(X)
        expected = estimator.autoencoder_.predict(X, verbose=0)
        np.testing.assert_allclose(back, expected, atol=1e-5)
    score = reconstruction_r2_score(X, transformer.reconstruct(X))
    assert score == pytest.approx(transformer.score(X))


def test_a_single_validation_sample_does_not_replace_the_start():
    X = np.random.RandomState(0).normal(size=(10, 5))
    autoencoder = AutoencoderTransformer(2, epochs=20, random_state=0).fit(X)
    assert autoencoder.best_epoch_ == 0
