"""Fully connected autoencoders."""

import math
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from .._backend import import_keras
from .._pca import whitened_pca
from ._base import BaseArchitecture, Networks
from ._clipping import fit_clipping

_SIZES = ["array-like", Interval(Integral, 1, None, closed="left")]
# Hidden layers where "auto" has to choose: the larger ones from so many columns on.
_NARROW, _WIDE, _WIDE_FROM = (256, 128), (512, 256), 256
_WEIGHT = [Interval(Real, 0, None, closed="left")]
_SHARE = [Interval(Real, 0, 1, closed="left")]

# Standard deviation of the jitter that measures how much an encoder contracts: small
# beside data of about unit scale, and large beside the rounding of float32.
_JITTER = 0.01


class DenseArchitecture(BaseArchitecture):
    """Fully connected layers, the decoder mirroring the encoder.

    With 784 columns and 2 components the layers have 784 - 512 - 256 - 2 - 256 - 512 -
    784 units. Samples of more than one axis (images) are flattened first, and given
    their shape back last.

    Parameters
    ----------
    hidden_layer_sizes : int, array-like of int or "auto", default="auto"
        Units of the hidden layers of the encoder, from the data to the code. ``()``
        leaves the code as the only hidden layer. "auto" is (256, 128), and (512, 256)
        for 256 columns or more.
    activation : str, default="silu"
        Name of the Keras activation of the hidden layers [6]_.
    latent_activation : str, default="linear"
        Name of the Keras activation of the code.
    output_activation : str, default="auto"
        Name of the Keras activation of the last layer. "auto" is "sigmoid" with a
        cross-entropy loss, and "linear" otherwise.
    decoder_hidden_layer_sizes : int or array-like of int, default=None
        Units of the hidden layers of the decoder, from the code to the data. None
        mirrors the encoder.
    anchor : {"auto", "pca"} or None, default="auto"
        "pca" starts training from a PCA of the training rows [2]_: encoder and decoder
        are the whitened linear map of PCA plus a network whose last layer starts at
        zero, so the first reconstruction is that of PCA. Without hidden layers there
        is no such network: the map alone is trained. "auto" is "pca" where code and
        output are linear and no weights are tied, else None, which starts from random
        weights. With `partial_fit`, the rows of the first call give the PCA. It sees
        at most 256 MB of rows (8 MB if they are memory-mapped), chosen at random.
        Once trained, the networks see rows and codes clipped to the ranges of the
        training rows, so that beyond these the linear maps go on alone.
    tied_weights : bool, default=False
        Whether the layers of the decoder use the transposed kernels of the encoder's.
    normalization : {"batch", "layer"} or None, default=None
        Normalization between each hidden layer and its activation.
    dropout : float, default=0.0
        Share of the units of each hidden layer that are dropped in training [3]_.
    kernel_l1, kernel_l2 : float, default=0.0
        Factors of the sum of absolute and of squared weights in the loss. Biases and
        the linear map of the anchor do not count, and tied weights count once.
    code_l1 : float, default=0.0
        Factor of the sum of absolute values of the code in the loss, averaged over the
        rows: a sparse autoencoder.
    noise : float, default=0.0
        Standard deviation of the normal noise on the input in training, in the units
        of X. The clean input stays the target: a denoising autoencoder [4]_.
    masking : float, default=0.0
        Share of the input that is set to 0 in training, likewise.
    contractive : float, default=0.0
        Factor of the squared Frobenius norm of the encoder's Jacobian in the loss,
        averaged over the rows: a contractive autoencoder [5]_. The norm is estimated
        from one random direction for each row, in training only: the validation loss
        is without it. Steps of 0.01 estimate it, so X should be of about unit scale.

    See Also
    --------
    BaseArchitecture : Base class for architectures of your own.
    ConvolutionalArchitecture : For images and signals.
    VariationalArchitecture : Dense layers around a random code.

    References
    ----------
    .. [1] G. E. Hinton and R. R. Salakhutdinov, "Reducing the dimensionality of data
       with neural networks", Science 313 (2006), 504-507.
    .. [2] K. Pearson, "On lines and planes of closest fit to systems of points in
       space", Philosophical Magazine 2 (1901), 559-572.
    .. [3] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov,
       "Dropout: a simple way to prevent neural networks from overfitting", Journal of
       Machine Learning Research 15 (2014), 1929-1958.
    .. [4] P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol, "Extracting and
       composing robust features with denoising autoencoders", ICML 2008, 1096-1103.
    .. [5] S. Rifai, P. Vincent, X. Muller, X. Glorot and Y. Bengio, "Contractive
       auto-encoders: explicit invariance during feature extraction", ICML 2011,
       833-840.
    .. [6] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural
       network function approximation in reinforcement learning", Neural Networks 107
       (2018), 3-11.

    Examples
    --------
    >>> from skae.architectures import DenseArchitecture
    >>> architecture = DenseArchitecture((), latent_activation="relu")
    >>> architecture.build((784,), 32).autoencoder.count_params()
    50992
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [*_SIZES, StrOptions({"auto"})],
        "decoder_hidden_layer_sizes": [*_SIZES, None],
        "activation": [str],
        "latent_activation": [str],
        "output_activation": [str],
        "anchor": [StrOptions({"auto", "pca"}), None],
        "tied_weights": ["boolean"],
        "normalization": [StrOptions({"batch", "layer"}), None],
        "dropout": _SHARE,
        "kernel_l1": _WEIGHT,
        "kernel_l2": _WEIGHT,
        "code_l1": _WEIGHT,
        "noise": _WEIGHT,
        "masking": _SHARE,
        "contractive": _WEIGHT,
    }

    orders_codes = True

    def __init__(
        self,
        hidden_layer_sizes="auto",
        activation="silu",
        latent_activation="linear",
        output_activation="auto",
        *,
        decoder_hidden_layer_sizes=None,
        anchor="auto",
        tied_weights=False,
        normalization=None,
        dropout=0.0,
        kernel_l1=0.0,
        kernel_l2=0.0,
        code_l1=0.0,
        noise=0.0,
        masking=0.0,
        contractive=0.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.latent_activation = latent_activation
        self.output_activation = output_activation
        self.decoder_hidden_layer_sizes = decoder_hidden_layer_sizes
        self.anchor = anchor
        self.tied_weights = tied_weights
        self.normalization = normalization
        self.dropout = dropout
        self.kernel_l1 = kernel_l1
        self.kernel_l2 = kernel_l2
        self.code_l1 = code_l1
        self.noise = noise
        self.masking = masking
        self.contractive = contractive

    def build_networks(
        self, sample_shape, n_components, output_activation, ordered=False
    ):
        """Build the networks.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of one sample, without the batch axis.
        n_components : int
            Size of the code.
        output_activation : str
            Activation of the last layer where the parameter of that name is "auto".
        ordered : bool, default=False
            Whether nested dropout on the code orders it.

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If a hidden layer size is not a positive int, if an activation is unknown
            to Keras, or if parameters contradict each other.
        """
        if self.output_activation != "auto":
            output_activation = self.output_activation
        anchored = self._is_anchored(output_activation)
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):
            sizes = _WIDE if math.prod(sample_shape) >= _WIDE_FROM else _NARROW
        sizes = _sizes_of("hidden_layer_sizes", sizes)
        decoder_sizes = sizes[::-1]
        if self.decoder_hidden_layer_sizes is not None:
            decoder_sizes = _sizes_of(
                "decoder_hidden_layer_sizes", self.decoder_hidden_layer_sizes
            )
        self._check_combination(sizes, decoder_sizes)
        layers = import_keras().layers
        flat = len(sample_shape) == 1
        encoder, kernels = self._half(
            "encoder",
            sample_shape,
            [] if flat else [layers.Flatten(name="flatten")],
            sizes,
            ("code", n_components, self.latent_activation),
            anchored=anchored,
        )
        decoder, _ = self._half(
            "decoder",
            (n_components,),
            [],
            decoder_sizes,
            ("reconstruction", math.prod(sample_shape), output_activation),
            last=[] if flat else [layers.Reshape(sample_shape, name="reshape")],
            anchored=anchored,
            tied_to=kernels[::-1] if self.tied_weights else None,
        )
        return self._autoencoder(encoder, decoder, ordered)

    def initialize(self, networks, X):
        """Start the linear part from a PCA, if the networks have one.

        Parameters
        ----------
        networks : Networks
            What `build` returned, to be changed in place.
        X : ndarray of shape (n_samples, *sample_shape)
            Training samples.

        Returns
        -------
        bool
            Whether the networks start from PCA.
        """
        names = {layer.name for layer in networks.encoder.layers}
        if "linear_code" not in names:
            return False
        to_code, to_sample = whitened_pca(X.reshape(len(X), -1), networks.n_components)
        networks.encoder.get_layer("linear_code").set_weights(to_code)
        networks.decoder.get_layer("linear_reconstruction").set_weights(to_sample)
        return True

    def finalize(self, networks, blocks, *, widen=False):
        """Clip what hidden layers are given to the range of the training samples.

        Parameters
        ----------
        networks : Networks
            Trained networks, changed in place if they start from PCA.
        blocks : iterable of (ndarray, ndarray)
            Training samples and their codes, block by block.
        widen : bool, default=False
            Whether the ranges there are are kept and widened.
        """
        fit_clipping(networks, blocks, widen=widen)

    def _is_anchored(self, output_activation):
        linear = self.latent_activation == "linear" == output_activation
        if self.anchor == "pca" and (not linear or self.tied_weights):
            raise ValueError(
                "anchor='pca' needs a linear code and output and no tied weights, got "
                f"latent_activation={self.latent_activation!r}, output activation "
                f"{output_activation!r}, tied_weights={self.tied_weights}. anchor=None "
                "starts from random weights."
            )
        return self.anchor is not None and linear and not self.tied_weights

    def _check_combination(self, sizes, decoder_sizes):
        if self.tied_weights and decoder_sizes != sizes[::-1]:
            raise ValueError(
                f"tied_weights=True makes the decoder mirror hidden_layer_sizes={sizes}"
                f", but decoder_hidden_layer_sizes={decoder_sizes}. Leave that at None."
            )
        if self.contractive and (self.dropout or self.normalization == "batch"):
            raise ValueError(
                "contractive compares two runs of the encoder, which dropout and batch "
                f"normalization make random: got dropout={self.dropout}, "
                f"normalization={self.normalization!r}. Leave those out."
            )

    def _half(
        self, name, shape, first, sizes, end, *, last=(), anchored=False, tied_to=None
    ):
        """Build encoder or decoder; also its dense layers."""
        keras = import_keras()
        end_name, end_units, end_activation = end
        inputs = outputs = keras.Input(shape, name=f"{name}_input")
        for layer in first:
            outputs = layer(outputs)
        linear = None
        if anchored:
            linear = keras.layers.Dense(end_units, name=f"linear_{end_name}")(outputs)
            if sizes:
                from ._layers import Clip

                # Nonlinear layers extrapolate poorly, so only they see clipped inputs.
                outputs = Clip(name="clip")(outputs)
        dense_layers = []
        for i, size in enumerate(sizes, start=1):
            activation = None if self.normalization else self.activation
            dense = self._dense(size, activation, f"hidden_{i}", tied_to, i)
            dense_layers.append(dense)
            outputs = dense(outputs)
            for layer in self._after_hidden(i):
                outputs = layer(outputs)
        if not anchored:
            dense = self._dense(
                end_units, end_activation, end_name, tied_to, len(sizes) + 1
            )
            dense_layers.append(dense)
            outputs = dense(outputs)
        elif sizes:
            dense = self._dense(end_units, None, end_name, zeros=True)
            outputs = keras.layers.Add(name=f"anchored_{end_name}")(
                [linear, dense(outputs)]
            )
        else:
            outputs = linear
        for layer in last:
            outputs = layer(outputs)
        return keras.Model(inputs, outputs, name=name), dense_layers

    def _dense(self, units, activation, name, tied_to=None, i=None, zeros=False):
        keras = import_keras()
        if tied_to is not None:
            from ._layers import TransposedDense

            return TransposedDense(tied_to[i - 1], activation, name=name)
        regularizer = None
        if self.kernel_l1 or self.kernel_l2:
            regularizer = keras.regularizers.L1L2(self.kernel_l1, self.kernel_l2)
        return keras.layers.Dense(
            int(units),
            activation,
            kernel_initializer="zeros" if zeros else "glorot_uniform",
            kernel_regularizer=regularizer,
            name=name,
        )

    def _after_hidden(self, i):
        layers = import_keras().layers
        if self.normalization:
            kind = {
                "batch": layers.BatchNormalization,
                "layer": layers.LayerNormalization,
            }[self.normalization]
            yield kind(name=f"normalization_{i}")
            yield layers.Activation(self.activation, name=f"activation_{i}")
        if self.dropout:
            yield layers.Dropout(self.dropout, name=f"dropout_{i}")

    def _autoencoder(self, encoder, decoder, ordered):
        """Chain the halves, with what happens in training only."""
        keras = import_keras()
        inputs = sample = keras.Input(encoder.input_shape[1:], name="sample")
        if self.noise:
            from ._layers import GaussianNoise

            sample = GaussianNoise(self.noise, name="noise")(sample)
        if self.masking:
            from ._layers import MaskingNoise

            sample = MaskingNoise(self.masking, name="masking")(sample)
        code = encoder(sample)
        if self.contractive:
            from ._layers import ContractivePenalty, GaussianNoise

            jittered = GaussianNoise(_JITTER, name="jitter")(sample)
            penalty = ContractivePenalty(self.contractive, _JITTER, name="contractive")
            code = penalty(code, encoder(jittered))
        if self.code_l1:
            from ._layers import SparsityPenalty

            code = SparsityPenalty(self.code_l1, name="sparsity")(code)
        if ordered:
            from ._layers import NestedDropout

            code = NestedDropout(name="nested_dropout")(code)
        autoencoder = keras.Model(inputs, decoder(code), name="autoencoder")
        return Networks(encoder, decoder, autoencoder)


def _sizes_of(name, sizes):
    sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"{name} has to hold positive ints, got {sizes}.")
    return [int(size) for size in sizes]
