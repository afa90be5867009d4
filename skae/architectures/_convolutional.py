"""Convolutional autoencoders."""

import math
from numbers import Integral

from sklearn.utils._param_validation import Interval, Options, StrOptions

from .._backend import import_keras
from ._base import BaseArchitecture, Networks
from ._building import positive_ints, stack, unflattened_shape

_CHANNELS_LAST = {"data_format": "channels_last"}  # Keras's configuration may differ


class ConvolutionalArchitecture(BaseArchitecture):
    """Convolutional layers for images and signals, mirrored in the decoder [1]_.

    Each encoder stage is a convolution that halves the sides of the feature map, by
    pooling or by its strides; each decoder stage is one that doubles them. A last
    convolution restores the channels. Odd sides are rounded up, and the decoder crops
    what it doubled, so that reconstructions have exactly the size of the samples.

    Read more in the :ref:`User Guide <architectures>`.

    Parameters
    ----------
    filters : int or array-like of int, default=(32, 64)
        Filters of the encoder's convolutions, from the data to the code, one per stage.
        The decoder has them in reverse.
    kernel_size : int or array-like of int, default=3
        Sides of the kernels, in pixels or time steps: one for all axes or one for each.
    activation : str, default="relu"
        Name of the Keras activation of the convolutions, and of the dense layer after
        a dense code.
    code_activation : str, default="auto"
        Name of the Keras activation of the code. "auto" is "linear" for a dense code,
        and `activation` where a feature map is the code.
    output_activation : str, default="auto"
        Name of the Keras activation of the last layer. "auto" is "sigmoid" with a
        cross-entropy loss, and "linear" otherwise.
    downsampling : {"max_pooling", "average_pooling", "strides"}, \
            default="max_pooling"
        How sides are halved: by pooling after a convolution, or by strides of 2 of the
        convolution itself, which takes a quarter of the computation for images.
    upsampling : {"nearest", "transposed"}, default="nearest"
        How sides are doubled: by repeating each pixel after a convolution, or by a
        transposed convolution with strides of 2 [2]_.
    rank : {1, 2}, default=2
        Number of axes along which the kernels move: 2 for images of shape (height,
        width) or (height, width, channels), 1 for signals of shape (length,) or
        (length, channels).
    sample_shape : array-like of int, default=None
        Shape of samples that are passed flat, in one of the forms of `rank`. They are
        reshaped to it, and reconstructions are flat again, so that scalers can be put
        in front.

    See Also
    --------
    DenseArchitecture : Fully connected layers.
    RecurrentArchitecture : Recurrent layers for windows of time series.

    Notes
    -----
    With ``n_components=None`` the encoder's last feature map is the code. It preserves
    positions within the sample, and its size follows from `filters`: by default 7 x 7 x
    64 components for images of 28 x 28, which is more than these have pixels. Few
    filters in the last stage make it small. For few components, set `n_components`
    instead: a dense layer then computes the code from the map, and many filters help.

    References
    ----------
    .. [1] J. Masci, U. Meier, D. Cireşan and J. Schmidhuber, "Stacked convolutional
       auto-encoders for hierarchical feature extraction", ICANN 2011, 52-59.
    .. [2] A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard
       artifacts", Distill (2016), on `upsampling`.

    Examples
    --------
    >>> from skae.architectures import ConvolutionalArchitecture, NetworkSpec
    >>> architecture = ConvolutionalArchitecture(filters=(30, 15))
    >>> networks = architecture.build(NetworkSpec((28, 28)))
    >>> networks.code_shape
    (7, 7, 15)
    >>> networks.autoencoder.count_params()
    10756

    Flat samples of 64 pixels behind a scaler:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AutoencoderTransformer
    >>> X = load_digits().data[:100]
    >>> architecture = ConvolutionalArchitecture((8, 4), sample_shape=(8, 8))
    >>> autoencoder = AutoencoderTransformer(5, architecture=architecture, epochs=2)
    >>> make_pipeline(StandardScaler(), autoencoder).fit_transform(X).shape
    (100, 5)
    """

    __module__ = "skae.architectures"  # where it is public: files name it

    _parameter_constraints: dict = {
        "filters": ["array-like", Interval(Integral, 1, None, closed="left")],
        "kernel_size": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str],
        "code_activation": [str],
        "output_activation": [str],
        "downsampling": [StrOptions({"max_pooling", "average_pooling", "strides"})],
        "upsampling": [StrOptions({"nearest", "transposed"})],
        "rank": [Options(Integral, {1, 2})],
        "sample_shape": ["array-like", None],
    }

    brings_n_components = True

    def __init__(
        self,
        filters=(32, 64),
        kernel_size=3,
        activation="relu",
        code_activation="auto",
        output_activation="auto",
        downsampling="max_pooling",
        upsampling="nearest",
        rank=2,
        sample_shape=None,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.downsampling = downsampling
        self.upsampling = upsampling
        self.rank = rank
        self.sample_shape = sample_shape

    def build_networks(self, spec):
        """Build the networks.

        Parameters
        ----------
        spec : NetworkSpec
            Its `n_components` may be None: the last feature map is the code. Its
            `output_activation` is that of the last layer where the parameter of that
            name is "auto".

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If samples are not images or signals, are too small for the stages or the
            kernels, or do not have `sample_shape`; or if an activation is unknown to
            Keras.
        """
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = import_keras().layers
        filters = positive_ints("filters", self.filters)
        shape = self._with_channels(sample_shape)
        sides = self._sides(shape[:-1], len(filters))
        map_shape = (*sides[-1], filters[-1])
        dense = n_components is not None
        latent = self.code_activation
        if latent == "auto":
            latent = "linear" if dense else self.activation
        output_activation = self.output_activation
        if output_activation == "auto":
            output_activation = spec.output_activation

        stages = range(len(filters))
        activations = [self.activation] * len(filters)
        if not dense:
            activations[-1] = latent
        encoder = [layers.Reshape(shape, name="grid")] if shape != sample_shape else []
        for i in stages:
            encoder += self._down(i + 1, filters[i], activations[i])
        decoder = []
        if dense:
            encoder += [
                layers.Flatten(**_CHANNELS_LAST, name="flatten"),
                layers.Dense(n_components, latent, name="code"),
            ]
            decoder += [
                layers.Dense(math.prod(map_shape), self.activation, name="hidden"),
                layers.Reshape(map_shape, name="feature_map"),
            ]
        for i in reversed(stages):
            decoder += self._up(i + 1, filters[i], sides[i + 1], sides[i])
        decoder.append(
            self._convolution("reconstruction", shape[-1], output_activation)
        )
        if shape != sample_shape:
            decoder.append(layers.Reshape(sample_shape, name="reshape"))
        return Networks.from_halves(
            stack(sample_shape, encoder, "encoder"),
            stack((n_components,) if dense else map_shape, decoder, "decoder"),
        )

    def _with_channels(self, given):
        """Return the shape of a sample with an axis of channels."""
        shape = unflattened_shape(given, self.sample_shape)
        if len(shape) == self.rank:
            return (*shape, 1)
        if len(shape) == self.rank + 1:
            return shape
        what, axes = {
            1: ("signals", "(length,) or (length, channels)"),
            2: ("images", "(height, width) or (height, width, channels)"),
        }[self.rank]
        raise ValueError(
            f"rank={self.rank} is for {what} of shape {axes}, but these samples have "
            f"shape {shape}. For flat samples, set sample_shape to that form; rank=1 "
            "is for signals and rank=2 for images."
        )

    def _kernel(self):
        """Return the sides of the kernels, one per axis."""
        kernel = positive_ints("kernel_size", self.kernel_size)
        if isinstance(self.kernel_size, Integral):
            kernel *= self.rank
        if len(kernel) != self.rank:
            raise ValueError(
                f"kernel_size={self.kernel_size!r} has to be one int, or {self.rank} "
                f"for rank={self.rank}."
            )
        return kernel

    def _sides(self, sides, n_stages):
        """Return the sides of the sample, and after each encoder stage."""
        kernel = self._kernel()
        if any(k > side for k, side in zip(kernel, sides, strict=True)):
            raise ValueError(
                f"a kernel of shape {kernel} is larger than the sample, of shape "
                f"{tuple(sides)}. Make kernel_size smaller."
            )
        if min(sides) == 1:
            raise ValueError(
                f"samples of shape {tuple(sides)} cannot be halved. Signals need "
                "rank=1 and the shape (length, channels); other samples need "
                "DenseArchitecture."
            )
        maps = [tuple(sides)]
        for stage in range(n_stages):
            if min(maps[-1]) == 1:
                raise ValueError(
                    f"samples of shape {maps[0]} have shape {maps[-1]} after "
                    f"{stage} of {n_stages} stages, and cannot be halved again. "
                    f"Shorten filters to a length of {stage}."
                )
            maps.append(tuple(-(-side // 2) for side in maps[-1]))
        return maps

    def _down(self, stage, filters, activation):
        """Return the layers of an encoder stage."""
        name = f"conv_{stage}"
        if self.downsampling == "strides":
            return [self._convolution(name, filters, activation, strides=2)]
        pooling = self._layer_class(
            "MaxPooling" if self.downsampling == "max_pooling" else "AveragePooling"
        )
        return [
            self._convolution(name, filters, activation),
            pooling(2, padding="same", **_CHANNELS_LAST, name=f"downsample_{stage}"),
        ]

    def _up(self, stage, filters, sides, target):
        """Return the layers of a decoder stage, from `sides` doubled to `target`."""
        name = f"conv_{stage}"
        images = _CHANNELS_LAST if self.rank == 2 else {}
        if self.upsampling == "transposed":
            up = [
                self._convolution(
                    name, filters, self.activation, strides=2, transposed=True
                )
            ]
        else:
            upsampling = self._layer_class("UpSampling")
            up = [
                self._convolution(name, filters, self.activation),
                upsampling(2, **images, name=f"upsample_{stage}"),
            ]
        surplus = [(0, 2 * side - t) for side, t in zip(sides, target, strict=True)]
        if (0, 1) in surplus:
            surplus = surplus[0] if self.rank == 1 else surplus
            cropping = self._layer_class("Cropping")
            up.append(cropping(surplus, **images, name=f"crop_{stage}"))
        return up

    def _convolution(self, name, filters, activation, *, strides=1, transposed=False):
        convolution = self._layer_class("Conv", "Transpose" if transposed else "")
        return convolution(
            filters,
            self._kernel(),
            strides,
            padding="same",
            activation=activation,
            **_CHANNELS_LAST,
            name=name,
        )

    def _layer_class(self, start, end=""):
        return getattr(import_keras().layers, f"{start}{self.rank}D{end}")
