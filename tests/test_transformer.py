import re

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from skae import AutoencoderTransformer


def test_learns_a_curve_that_no_line_fits():
    rng = np.random.RandomState(0)
    angle = rng.uniform(0, 1.5 * np.pi, size=600)
    X = np.c_[np.cos(angle), np.sin(angle)]
    autoencoder = AutoencoderTransformer(1, random_state=0).fit(X[:400])
    assert autoencoder.score(X[400:]) > 0.95
    pca = PCA(1).fit(X[:400])
    kept_by_pca = pca.inverse_transform(pca.transform(X[400:]))
    assert autoencoder.score(X[400:]) > r2_score(X[400:], kept_by_pca) + 0.2


def test_fitted_attributes(transformer, X):
    assert transformer.n_components_ == 3
    assert transformer.n_features_in_ == 64
    assert transformer.architecture_ is not transformer.architecture
    assert transformer.encoder_.output_shape == (None, 3)
    assert transformer.decoder_.output_shape == (None, 64)
    assert transformer.n_iter_ == 3
    assert 1 <= transformer.best_epoch_ <= 3
    assert set(transformer.history_) == {"loss", "val_loss", "learning_rate"}
    assert all(len(values) == 3 for values in transformer.history_.values())
    assert all(type(v) is float for v in transformer.history_["loss"])


def test_transform_is_what_the_encoder_gives(transformer, X):
    np.testing.assert_allclose(
        transformer.transform(X), transformer.encoder_.predict(X, verbose=0), atol=1e-5
    )


def test_inverse_transform_is_what_the_decoder_gives(transformer):
    codes = np.random.RandomState(0).normal(size=(5, 3))
    np.testing.assert_allclose(
        transformer.inverse_transform(codes),
        transformer.decoder_.predict(codes, verbose=0),
        atol=1e-5,
    )


def test_score_is_the_share_of_variance(transformer, X):
    reconstruction = transformer.inverse_transform(transformer.transform(X))
    residual = ((X - reconstruction) ** 2).sum()
    expected = 1 - residual / ((X - X.mean(axis=0)) ** 2).sum()
    assert transformer.score(X) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_comes_back(transformer, X, dtype):
    codes = transformer.transform(X.astype(dtype))
    assert codes.dtype == dtype
    assert transformer.inverse_transform(codes).dtype == dtype


def test_integers_become_float64(transformer):
    assert transformer.transform(np.ones((2, 64), dtype=int)).dtype == np.float64


def test_two_components_by_default(X):
    assert AutoencoderTransformer(epochs=1).fit(X).n_components_ == 2


@pytest.mark.parametrize("sample_shape", [(8, 8), (8, 4, 2)])
def test_images_keep_their_shape(X, small, sample_shape):
    images = X.reshape(-1, *sample_shape)
    flat = AutoencoderTransformer(**small).fit(X)
    autoencoder = AutoencoderTransformer(**small).fit(images)
    codes = autoencoder.transform(images)
    assert codes.shape == (300, 3)
    assert autoencoder.inverse_transform(codes).shape == images.shape
    assert autoencoder.n_features_in_ == 64
    assert autoencoder.score(images) == pytest.approx(flat.score(X))
    assert autoencoder.autoencoder_.input_shape == (None, *sample_shape)
    with pytest.raises(
        ValueError, match=r"\(16, 4\).*fitted on.*" + re.escape(str(sample_shape))
    ):
        autoencoder.transform(X.reshape(-1, 16, 4))


def test_inverse_transform_wants_codes(transformer, X):
    with pytest.raises(ValueError, match=r"X has 64 columns.* have 3"):
        transformer.inverse_transform(X)


def test_not_fitted(X):
    for method in ("transform", "inverse_transform", "score"):
        with pytest.raises(NotFittedError):
            getattr(AutoencoderTransformer(), method)(X)
    with pytest.raises(NotFittedError):
        AutoencoderTransformer().get_feature_names_out()
