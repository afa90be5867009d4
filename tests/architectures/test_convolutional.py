import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import ConvolutionalArchitecture, NetworkSpec


@pytest.fixture(scope="module")
def images(X):
    return X.reshape(-1, 8, 8)


@pytest.fixture(scope="module")
def fitted(images):
    """Fitted; a test that changes it takes a copy."""
    return AutoencoderTransformer(
        6,
        architecture=ConvolutionalArchitecture(16),
        learning_rate=0.01,
        epochs=20,
        random_state=0,
    ).fit(images)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def build(shape, n_components=None, **parameters):
    parameters = {"filters": (4, 3), **parameters}
    return ConvolutionalArchitecture(**parameters).build(
        NetworkSpec(shape, n_components), random_state=0
    )


def test_reference_system_c():
    X = np.random.RandomState(0).uniform(size=(20, 28, 28, 1))
    fitted = AutoencoderTransformer(
        architecture=ConvolutionalArchitecture((30, 15)),
        loss="binary_crossentropy",
        epochs=1,
    ).fit(X)
    encoder, decoder = fitted.encoder_, fitted.decoder_
    assert fitted.autoencoder_.count_params() == 10_756
    assert kinds(encoder) == ["InputLayer", *2 * ["Conv2D", "MaxPooling2D"]]
    assert kinds(decoder) == ["InputLayer", *2 * ["Conv2D", "UpSampling2D"], "Conv2D"]
    convolutions = [
        layer for layer in (*encoder.layers, *decoder.layers) if "Conv" in str(layer)
    ]
    assert [layer.filters for layer in convolutions] == [30, 15, 15, 30, 1]
    names = [layer.activation.__name__ for layer in convolutions]
    assert names == [*4 * ["relu"], "sigmoid"]
    assert encoder.output_shape == (None, 7, 7, 15)
    assert fitted.n_components_ == 735
    assert fitted.transform(X).shape == (20, 735)
    assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize(
    ("downsampling", "layers"),
    [
        ("max_pooling", ["Conv2D", "MaxPooling2D"]),
        ("average_pooling", ["Conv2D", "AveragePooling2D"]),
        ("strides", ["Conv2D"]),
    ],
)
def test_sampling(downsampling, layers, upsampling):
    options = {"downsampling": downsampling, "upsampling": upsampling}
    networks = build((9, 14, 2), 5, filters=(4, 3, 2), **options)
    assert kinds(networks.encoder)[1:-2] == 3 * layers
    transposed = upsampling == "transposed"
    assert kinds(networks.decoder).count("Conv2DTranspose") == (3 if transposed else 0)
    assert kinds(networks.decoder).count("UpSampling2D") == (0 if transposed else 3)
    maps = [layer.output.shape[1:3] for layer in networks.decoder.layers[2:]]
    assert (maps[0], maps[-1]) == ((2, 2), (9, 14))
    x = np.random.RandomState(0).normal(size=(2, 9, 14, 2))
    assert networks.autoencoder.predict(x, verbose=0).shape == x.shape


@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize(
    ("sample_shape", "rank"),
    [
        ((5, 5), 2),
        ((27, 31), 2),
        ((8, 8, 3), 2),
        ((6, 5, 2), 2),
        ((17,), 1),
        ((16, 2), 1),
        ((19, 3), 1),
    ],
)
def test_samples_come_back_in_their_size(sample_shape, rank, upsampling, n_components):
    networks = build(sample_shape, n_components, rank=rank, upsampling=upsampling)
    assert networks.encoder.input_shape == (None, *sample_shape)
    assert networks.decoder.output_shape == (None, *sample_shape)
    kernels = [v for v in networks.autoencoder.variables if "kernel" in v.path]
    convolution = kernels[0].shape
    channels = sample_shape[rank] if len(sample_shape) > rank else 1
    assert tuple(convolution) == (*rank * [3], channels, 4)


def test_decoder_goes_through_the_sizes_of_the_encoder():
    networks = build((27, 31), filters=(4, 3, 2))
    down = [
        layer.output.shape[1:3]
        for layer in networks.encoder.layers
        if layer.name.startswith(("conv_1", "downsample"))
    ]
    up = [
        layer.output.shape[1:3]
        for layer in networks.decoder.layers
        if layer.name.startswith(("crop", "upsample"))
    ]
    assert down == [(27, 31), (14, 16), (7, 8), (4, 4)]
    assert [size for size in up if size in down] == [(7, 8), (14, 16), (27, 31)]


def test_dense_code():
    networks = build((28, 28), 10, filters=(8, 4), code_activation="tanh")
    assert networks.code_shape == (10,)
    code, hidden = (
        next(layer for layer in half.layers if type(layer) is keras.layers.Dense)
        for half in (networks.encoder, networks.decoder)
    )
    assert (code.units, code.activation.__name__) == (10, "tanh")
    assert (hidden.units, hidden.activation.__name__) == (7 * 7 * 4, "relu")


@pytest.mark.parametrize(
    ("n_components", "latent", "expected"),
    [
        (None, "auto", "elu"),
        (None, "linear", "linear"),
        (2, "auto", "linear"),
        (2, "relu", "relu"),
    ],
)
def test_code_activation(n_components, latent, expected):
    networks = build(
        (8, 8), n_components, activation="elu", code_activation=latent
    ).encoder
    names = [
        layer.activation.__name__
        for layer in networks.layers
        if hasattr(layer, "activation")
    ]
    assert names[-1] == expected
    assert set(names[:-1]) == {"elu"}


@pytest.mark.parametrize(("own", "expected"), [("auto", "sigmoid"), ("tanh", "tanh")])
def test_output_activation(own, expected):
    networks = ConvolutionalArchitecture(4, output_activation=own).build(
        NetworkSpec((6, 6), output_activation="sigmoid")
    )
    activations = [
        layer.activation.__name__
        for layer in networks.decoder.layers
        if hasattr(layer, "activation")
    ]
    assert activations[-1] == expected


@pytest.mark.parametrize("kernel_size", [5, (5, 2), np.array([5, 2])])
def test_kernel_size(kernel_size):
    networks = build((12, 12), kernel_size=kernel_size)
    expected = (5, 5) if np.ndim(kernel_size) == 0 else (5, 2)
    shapes = [v.shape[:2] for v in networks.autoencoder.variables if len(v.shape) == 4]
    assert {tuple(shape) for shape in shapes} == {expected}


@pytest.mark.parametrize(
    ("sample_shape", "rank"), [((6, 5), 2), ([6, 5, 1], 2), ((15, 2), 1), ((30,), 1)]
)
def test_flat_rows(sample_shape, rank):
    flat = build((30,), 4, sample_shape=sample_shape, rank=rank)
    shaped = build(tuple(sample_shape), 4, sample_shape=sample_shape, rank=rank)
    assert flat.decoder.output_shape == (None, 30)
    x = np.random.RandomState(0).normal(size=(3, 30))
    np.testing.assert_allclose(
        flat.autoencoder.predict(x, verbose=0),
        shaped.autoencoder.predict(x.reshape(3, *sample_shape), verbose=0).reshape(
            3, 30
        ),
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_data_format_of_keras_does_not_matter():
    expected = build((6, 5, 2), 3)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        networks = build((6, 5, 2), 3)
    finally:
        keras.config.set_image_data_format(before)
    x = np.random.RandomState(0).normal(size=(2, 6, 5, 2))
    np.testing.assert_array_equal(
        networks.autoencoder.predict(x, verbose=0),
        expected.autoencoder.predict(x, verbose=0),
    )


@pytest.mark.parametrize(
    ("sample_shape", "parameters", "words"),
    [
        ((64,), {}, ["(64,)", "sample_shape", "(height, width)", "rank=2"]),
        ((2, 8, 8, 3), {}, ["(2, 8, 8, 3)", "(height, width, channels)"]),
        ((8, 8, 3), {"rank": 1}, ["(8, 8, 3)", "(length, channels)", "rank=1"]),
        ((64,), {"sample_shape": (8, 9)}, ["(8, 9)", "72", "64"]),
        ((8, 8), {"sample_shape": (4, 16)}, ["(4, 16)", "(8, 8)"]),
        ((64,), {"sample_shape": (8, -8)}, ["sample_shape", "positive", "-8"]),
        ((64,), {"sample_shape": (64,)}, ["(64,)", "(height, width)"]),
        (
            (2, 9),
            {},
            ["(2, 9)", "(1, 5)", "2 stages", "Shorten filters to a length of 1"],
        ),
        ((1, 9), {"kernel_size": 1}, ["(1, 9)", "rank=1", "DenseArchitecture"]),
        ((4, 9), {"kernel_size": 5}, ["(5, 5)", "(4, 9)", "kernel_size smaller"]),
        ((8, 8), {"kernel_size": (3, 3, 3)}, ["kernel_size=(3, 3, 3)", "rank=2"]),
        ((8, 8), {"kernel_size": (3, 0)}, ["kernel_size", "positive", "(3, 0)"]),
        ((8, 8), {"filters": ()}, ["filters", "at least one positive int", "()"]),
        ((8, 8), {"filters": (8, 2.5)}, ["filters", "(8, 2.5)"]),
        ((8, 8), {"activation": "rleu"}, ["rleu"]),
    ],
)
def test_what_does_not_fit(sample_shape, parameters, words):
    parameters = {"kernel_size": 2, **parameters}
    with pytest.raises(ValueError, match="cannot build") as caught:
        build(sample_shape, **parameters)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"filters": 0},
        {"downsampling": "pool"},
        {"upsampling": "bilinear"},
        {"rank": 3},
        {"sample_shape": 8},
        {"activation": 1},
    ],
)
def test_invalid_parameters(parameters):
    with pytest.raises(ValueError, match=f"{next(iter(parameters))!r} parameter"):
        build((8, 8), **parameters)


def test_it_learns(fitted, images):
    assert fitted.score(images) > 0.6
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0] / 2


@pytest.mark.parametrize("channels", [(), (2,)])
def test_images_through_the_transformer(fitted, images, channels):
    X = np.broadcast_to(
        images.reshape(-1, 8, 8, *(1 for _ in channels)), (300, 8, 8, *channels)
    )
    model = clone(fitted).set_params(epochs=1).fit(X)
    codes = model.transform(X)
    assert codes.shape == (300, 6)
    assert codes.dtype == X.dtype
    assert model.inverse_transform(codes).shape == X.shape
    assert len(model.get_feature_names_out()) == 6


def test_outliers_stand_out(images):
    detector = AutoencoderOutlierDetector(
        6,
        architecture=ConvolutionalArchitecture(16),
        learning_rate=0.01,
        epochs=10,
        random_state=0,
    ).fit(images[:200])
    shuffled = np.random.RandomState(0).permutation(images[200:].reshape(-1, 64).T).T
    scores = [
        *detector.score_samples(images[200:]),
        *detector.score_samples(shuffled.reshape(-1, 8, 8)),
    ]
    assert roc_auc_score([1] * 100 + [0] * 100, scores) > 0.9


def test_n_components_is_taken_over(images):
    architecture = ConvolutionalArchitecture((4, 2))
    for Estimator in (AutoencoderTransformer, AutoencoderOutlierDetector):
        own = Estimator(architecture=architecture, epochs=1).fit(images)
        assert own.n_components_ == 2 * 2 * 2
        given = Estimator(3, architecture=architecture, epochs=1).fit(images)
        assert given.n_components_ == 3
