"""Fully connected autoencoders."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._backend import import_keras
from .._pca import whitened_pca
from ._base import BaseArchitecture, Networks
from ._building import positive_ints
from ._categories import category_layer, fit_category_map
from ._clipping import fit_clipping

_SIZES = ["array-like", Interval(Integral, 1, None, closed="left")]
# Hidden layers for "auto": the wide ones from so many features on.
_NARROW, _WIDE, _WIDE_FROM = (256, 128), (512, 256), 256
_WEIGHT = [Interval(Real, 0, None, closed="left")]
_SHARE = [Interval(Real, 0, 1, closed="left")]

# Standard deviation of the jitter that measures how much an encoder contracts: small
# beside data of about unit scale, and large beside the rounding of float32.
_JITTER = 0.01


class DenseArchitecture(BaseArchitecture):
    """Fully connected layers, the decoder mirroring the encoder.

    With 784 features and 2 components the layers have 784 - 512 - 256 - 2 - 256 - 512 -
    784 units. Samples of more than one axis (images) are flattened by the first layer,
    and reshaped by the last.

    Read more in the :ref:`User Guide <architectures>`.

    Parameters
    ----------
    hidden_layer_sizes : int, array-like of int or "auto", default="auto"
        Units of the hidden layers of the encoder, from the data to the code. ``()``
        makes the code the only hidden layer [1]_. "auto" is (256, 128), and (512, 256)
        for 256 features or more.
    activation : str, default="silu"
        Name of the Keras activation of the hidden layers [6]_.
    code_activation : str, default="linear"
        Name of the Keras activation of the code.
    output_activation : str, default="auto"
        Name of the Keras activation of the last layer. "auto" is "sigmoid" with a
        cross-entropy loss, and "linear" otherwise.
    decoder_hidden_layer_sizes : int or array-like of int, default=None
        Units of the hidden layers of the decoder, from the code to the data. None
        mirrors the encoder.
    start : {"auto", "pca", "random"}, default="auto"
        Initial weights. "random" draws them. With the other two, encoder and decoder
        are each a linear map plus a network, and "pca" starts from a PCA of the
        training samples [2]_: the map is the whitened one of PCA, and the last layer of
        the network is zero, so the first reconstruction is that of PCA. "auto" trains
        for a short while from there and from random weights without the linear map,
        and begins again from PCA, or from the random weights if their validation loss
        is lower by more than 5 %; ``start_`` of the estimator names the start. Curved
        data need the random start, since PCA can be a local minimum. Whichever is
        chosen, PCA is kept if training does not improve on its reconstruction of the
        validation samples.
        Ordered components and `partial_fit` start from PCA, the latter from that of
        the samples of the first call. Without hidden layers only the linear map is
        trained, from PCA. PCA is fitted to at most 256 MB of samples, chosen at random.
        After training, the input of hidden layers is clipped to the range of the
        training samples and of their codes, so that networks extrapolate linearly.
        "auto" is "random" where code or output are not linear or weights are tied:
        PCA is no start for such networks, and "pca" raises a ValueError.
    tied_weights : bool, default=False
        Whether the layers of the decoder use the transposed kernels of the encoder's.
    normalization : {"batch", "layer"} or None, default=None
        Normalization between each hidden layer and its activation.
    dropout : float, default=0.0
        Share of the units of each hidden layer that are set to zero in training [3]_.
    kernel_l1, kernel_l2 : float, default=0.0
        L1 and L2 penalties on the kernels in the loss. Biases and the linear map of
        PCA are not penalized, and tied weights are penalized once.
    code_l1 : float, default=0.0
        L1 penalty on the code in the loss, averaged over the samples: a sparse
        autoencoder.
    noise : float, default=0.0
        Standard deviation of the normal noise on the input in training, in the units
        of X. The clean input is the target: a denoising autoencoder [4]_.
    masking : float, default=0.0
        Share of the input that is set to 0 in training; the clean input is the target.
    contractive : float, default=0.0
        Factor of the squared Frobenius norm of the encoder's Jacobian in the loss,
        averaged over the samples: a contractive autoencoder [5]_. The norm is estimated
        from one random direction for each sample, by steps of 0.01, so X should be of
        about unit scale. It is part of the training loss only, not of the validation
        loss.
    handle_missing : bool or "auto", default="auto"
        Whether the network learns from and for samples with missing cells. Their
        expectation given the observed cells, under a normal distribution, is put in
        their place (the mean, with more than 256 features), and hidden layers are told
        which cells are missing. In training, a random share of the observed cells of
        each sample is hidden from the network, which learns to reconstruct them too:
        up to twice the share of the cells that are missing, clipped to [0.1, 0.5].
        "auto" does so if training samples have missing cells. Set True if only later
        samples have them. With False, NaN is an error.

    See Also
    --------
    BaseArchitecture : Base class for architectures of your own.
    ConvolutionalArchitecture : For images and signals.
    VariationalArchitecture : Dense layers with a random code.

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
    >>> from skae.architectures import DenseArchitecture, NetworkSpec
    >>> architecture = DenseArchitecture((), code_activation="relu")
    >>> architecture.build(NetworkSpec((784,), 32)).autoencoder.count_params()
    50992
    """

    __module__ = "skae.architectures"  # where it is public: files name it

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [*_SIZES, StrOptions({"auto"})],
        "decoder_hidden_layer_sizes": [*_SIZES, None],
        "activation": [str],
        "code_activation": [str],
        "output_activation": [str],
        "start": [StrOptions({"auto", "pca", "random"})],
        "tied_weights": ["boolean"],
        "normalization": [StrOptions({"batch", "layer"}), None],
        "dropout": _SHARE,
        "kernel_l1": _WEIGHT,
        "kernel_l2": _WEIGHT,
        "code_l1": _WEIGHT,
        "noise": _WEIGHT,
        "masking": _SHARE,
        "contractive": _WEIGHT,
        "handle_missing": ["boolean", StrOptions({"auto"})],
    }

    peak_learning_rate = 0.003

    @property
    def supports(self):
        """What networks can do; missing cells unless `handle_missing` is False."""
        handles = isinstance(self.handle_missing, str) or bool(self.handle_missing)
        return frozenset(
            {"categories", "ordered"} | ({"missing"} if handles else set())
        )

    @property
    def tries_random_start(self):
        """Whether a fit also tries random weights: where `start` is "auto"."""
        sizes = self.hidden_layer_sizes
        return self.start == "auto" and (isinstance(sizes, str) or np.size(sizes) > 0)

    def __init__(
        self,
        hidden_layer_sizes="auto",
        activation="silu",
        code_activation="linear",
        output_activation="auto",
        *,
        decoder_hidden_layer_sizes=None,
        start="auto",
        tied_weights=False,
        normalization=None,
        dropout=0.0,
        kernel_l1=0.0,
        kernel_l2=0.0,
        code_l1=0.0,
        noise=0.0,
        masking=0.0,
        contractive=0.0,
        handle_missing="auto",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.decoder_hidden_layer_sizes = decoder_hidden_layer_sizes
        self.start = start
        self.tied_weights = tied_weights
        self.normalization = normalization
        self.dropout = dropout
        self.kernel_l1 = kernel_l1
        self.kernel_l2 = kernel_l2
        self.code_l1 = code_l1
        self.noise = noise
        self.masking = masking
        self.contractive = contractive
        self.handle_missing = handle_missing

    def build_networks(self, spec):
        """Build the networks.

        Parameters
        ----------
        spec : NetworkSpec
            Its `output_activation` is that of the last layer where the parameter of
            that name is "auto". Components are ordered by nested dropout on the code.

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
        sample_shape, groups = spec.sample_shape, spec.columns.groups
        output_activation = self.output_activation
        if output_activation == "auto":
            output_activation = spec.output_activation
        if groups and output_activation != "linear":
            raise ValueError(
                "samples with categories need a linear output, which is followed by a "
                f"softmax for each column, but output_activation={output_activation!r}"
            )
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):
            sizes = _WIDE if math.prod(sample_shape) >= _WIDE_FROM else _NARROW
        sizes = list(positive_ints("hidden_layer_sizes", sizes, least=0))
        decoder_sizes = sizes[::-1]
        if self.decoder_hidden_layer_sizes is not None:
            given = self.decoder_hidden_layer_sizes
            decoder_sizes = list(
                positive_ints("decoder_hidden_layer_sizes", given, least=0)
            )
        self._check_combination(sizes, decoder_sizes)
        # Without "auto", or ordered, they start from PCA whenever they have such a map.
        linear_map = None
        if self._has_linear_map(output_activation):
            linear_map = (
                "gated" if self.start == "auto" and not spec.ordered else "open"
            )
        layers = import_keras().layers
        flat = len(sample_shape) == 1
        encoder, kernels = self._half(
            "encoder",
            sample_shape,
            [] if flat else [layers.Flatten("channels_last", name="flatten")],
            sizes,
            ("code", spec.n_components, self.code_activation),
            linear_map=linear_map,
            missing=spec.hidden_share > 0,
        )
        last = [] if flat else [layers.Reshape(sample_shape, name="reshape")]
        if groups:
            from ._layers import CategoryProbabilities

            # Half precision cannot hold exponentials.
            floatx = import_keras().config.floatx()
            last.append(CategoryProbabilities(groups, name="categories", dtype=floatx))
        decoder, _ = self._half(
            "decoder",
            (spec.n_components,),
            [],
            decoder_sizes,
            ("reconstruction", math.prod(sample_shape), output_activation),
            last=last,
            linear_map=linear_map,
            tied_to=kernels[::-1] if self.tied_weights else None,
        )
        return self._autoencoder(encoder, decoder, spec)

    def initialize(self, networks, X):
        """Start from a PCA, if the networks have a linear map.

        Categories are predicted from the latent representation by logistic regression.

        Parameters
        ----------
        networks : Networks
            What `build` returned, to be changed in place.
        X : ndarray of shape (n_samples, *sample_shape)
            Training samples.

        Returns
        -------
        str or None
            "pca", or None for networks without a linear map.
        """
        if "linear_code" not in {layer.name for layer in networks.encoder.layers}:
            return None
        X = X.reshape(len(X), -1)
        maps = whitened_pca(X, networks.n_components)
        layer = category_layer(networks)
        if layer is not None:
            maps = maps[0], fit_category_map(X, *maps, layer.groups)
        halves = (networks.encoder, "code"), (networks.decoder, "reconstruction")
        for (half, name), weights in zip(halves, maps, strict=True):
            half.get_layer(f"linear_{name}").set_weights(weights)
            for layer in half.layers:  # of a network beside the map, if there is one
                if layer.name == f"{name}_gate":
                    layer.open()
                elif layer.name == name:
                    layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
        return "pca"

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

    def _has_linear_map(self, output_activation):
        linear = self.code_activation == "linear" == output_activation
        if self.start == "pca" and (not linear or self.tied_weights):
            raise ValueError(
                "start='pca' needs a linear code and output and no tied weights, got "
                f"code_activation={self.code_activation!r}, output activation "
                f"{output_activation!r}, tied_weights={self.tied_weights}. "
                "start='random' starts from random weights."
            )
        return self.start != "random" and linear and not self.tied_weights

    def _check_combination(self, sizes, decoder_sizes):
        if self.tied_weights and decoder_sizes != sizes[::-1]:
            raise ValueError(
                f"tied_weights=True makes the decoder mirror hidden_layer_sizes={sizes}"
                f", but decoder_hidden_layer_sizes={decoder_sizes}. Use None instead."
            )
        if self.contractive and (self.dropout or self.normalization == "batch"):
            raise ValueError(
                "contractive compares two runs of the encoder, which dropout and batch "
                f"normalization make random: got dropout={self.dropout}, "
                f"normalization={self.normalization!r}. Set dropout=0 and "
                "normalization=None, or contractive=0."
            )

    def _half(
        self,
        name,
        shape,
        first,
        sizes,
        end,
        *,
        last=(),
        linear_map=None,
        tied_to=None,
        missing=False,
    ):
        """Build encoder or decoder; return it and its dense layers.

        `linear_map` beside the hidden layers is None, "open" or "gated".
        """
        keras = import_keras()
        end_name, end_units, end_activation = end
        inputs = outputs = keras.Input(shape, name=f"{name}_input")
        for layer in first:
            outputs = layer(outputs)
        if missing:
            from ._layers import FillCells, MissingIndicator

            # Half precision cannot solve linear systems.
            floatx = keras.config.floatx()
            is_missing = MissingIndicator(name="missing", dtype=floatx)(outputs)
            outputs = FillCells(name="fill", dtype=floatx)(outputs)
        linear = None
        if linear_map:
            linear = keras.layers.Dense(
                end_units,
                # Only the map is trained where there are no hidden layers.
                kernel_initializer="zeros" if sizes else "glorot_uniform",
                name=f"linear_{end_name}",
            )(outputs)
            if sizes:
                from ._layers import Clip

                # Nonlinear layers extrapolate poorly, so only they see clipped inputs.
                outputs = Clip(name="clip")(outputs)
        # Tied kernels have no place for an indicator.
        if missing and sizes and not self.tied_weights:
            told = [outputs, is_missing]
            outputs = keras.layers.Concatenate(name="told")(told)
        dense_layers = []
        for i, size in enumerate(sizes, start=1):
            activation = None if self.normalization else self.activation
            dense = self._dense(size, activation, f"hidden_{i}", tied_to, i)
            dense_layers.append(dense)
            outputs = dense(outputs)
            for layer in self._after_hidden(i):
                outputs = layer(outputs)
        if not linear_map:
            dense = self._dense(
                end_units, end_activation, end_name, tied_to, len(sizes) + 1
            )
            dense_layers.append(dense)
            outputs = dense(outputs)
        elif sizes:
            if linear_map == "gated":
                from ._layers import Gate

                # Beside a linear map in training, random weights would first learn what
                # PCA does, and may stay there.
                linear = Gate(name=f"{end_name}_gate")(linear)
            dense = self._dense(end_units, None, end_name)
            outputs = keras.layers.Add(name=f"{end_name}_sum")([linear, dense(outputs)])
        else:
            outputs = linear
        for layer in last:
            outputs = layer(outputs)
        return keras.Model(inputs, outputs, name=name), dense_layers

    def _dense(self, units, activation, name, tied_to=None, i=None):
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

    def _autoencoder(self, encoder, decoder, spec):
        """Chain the halves, with the layers that act in training only."""
        keras = import_keras()
        inputs = sample = keras.Input(encoder.input_shape[1:], name="sample")
        if spec.hidden_share:
            from ._layers import HiddenCells

            hide = HiddenCells(
                spec.hidden_share, spec.columns.groups, name="hidden_cells"
            )
            sample = hide(sample)
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
        if spec.ordered:
            from ._layers import NestedDropout

            code = NestedDropout(name="nested_dropout")(code)
        autoencoder = keras.Model(inputs, decoder(code), name="autoencoder")
        return Networks(encoder, decoder, autoencoder)
