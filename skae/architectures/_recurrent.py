"""Recurrent autoencoders."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions

from .._backend import import_keras
from ._base import BaseArchitecture, Networks
from ._building import positive_ints, stack, unflattened_shape


class RecurrentArchitecture(BaseArchitecture):
    """Recurrent layers for windows of time series, the decoder mirroring the encoder.

    The encoder processes a window step by step, and a dense layer computes the code
    from its last state. The decoder receives the code at each step, and a dense layer,
    shared by all steps, computes the features from its states, as in [1]_ and [2]_.

    Read more in the :ref:`User Guide <architectures>`.

    Parameters
    ----------
    units : int or array-like of int, default=64
        Units of the encoder's recurrent layers, from the data to the code. The decoder
        has them in reverse.
    cell : {"lstm", "gru"}, default="lstm"
        Kind of the recurrent layers.
    code_activation : str, default="linear"
        Name of the Keras activation of the code.
    output_activation : str, default="auto"
        Name of the Keras activation of the last layer. "auto" is "sigmoid" with a
        cross-entropy loss, and "linear" otherwise.
    sample_shape : array-like of int, default=None
        Shape (time, features) of windows that are passed flat. They are reshaped to it,
        and reconstructions are flat again, so that scalers can be put in front.

    See Also
    --------
    ConvolutionalArchitecture : Convolutions for signals (``rank=1``), which are faster.
    DenseArchitecture : Fully connected layers.

    References
    ----------
    .. [1] N. Srivastava, E. Mansimov and R. Salakhutdinov, "Unsupervised learning of
       video representations using LSTMs", ICML 2015, 843-852.
    .. [2] P. Malhotra, A. Ramakrishnan, G. Anand, L. Vig, P. Agarwal and G. Shroff,
       "LSTM-based encoder-decoder for multi-sensor anomaly detection", ICML 2016
       Anomaly Detection Workshop.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import RecurrentArchitecture
    >>> steps = np.linspace(0, 6, 20) + np.arange(100)[:, np.newaxis]
    >>> X = np.stack([np.sin(steps), np.cos(steps)], axis=2)
    >>> X.shape
    (100, 20, 2)
    >>> architecture = RecurrentArchitecture(units=8, cell="gru")
    >>> autoencoder = AutoencoderTransformer(3, architecture=architecture, epochs=2)
    >>> codes = autoencoder.fit_transform(X)
    >>> codes.shape
    (100, 3)
    >>> autoencoder.inverse_transform(codes).shape
    (100, 20, 2)
    """

    __module__ = "skae.architectures"  # where it is public: files name it

    _parameter_constraints: dict = {
        "units": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions({"lstm", "gru"})],
        "code_activation": [str],
        "output_activation": [str],
        "sample_shape": ["array-like", None],
    }

    def __init__(
        self,
        units=64,
        cell="lstm",
        code_activation="linear",
        output_activation="auto",
        sample_shape=None,
    ):
        self.units = units
        self.cell = cell
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.sample_shape = sample_shape

    def build_networks(self, spec):
        """Build the networks.

        Parameters
        ----------
        spec : NetworkSpec
            Its `output_activation` is that of the last layer where the parameter of
            that name is "auto".

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If samples do not have the shape (time, features) or `sample_shape`, or if
            an activation is unknown to Keras.
        """
        sample_shape, n_components = spec.sample_shape, spec.n_components
        layers = import_keras().layers
        units = positive_ints("units", self.units)
        time, features = self._window(sample_shape)
        output_activation = self.output_activation
        if output_activation == "auto":
            output_activation = spec.output_activation
        windows = len(sample_shape) == 2
        names = [f"{self.cell}_{i}" for i in range(1, len(units) + 1)]
        encoder = [] if windows else [layers.Reshape((time, features), name="window")]
        for name, n in zip(names, units, strict=True):
            encoder.append(self._recurrent(n, name, sequences=name != names[-1]))
        encoder.append(layers.Dense(n_components, self.code_activation, name="code"))
        decoder = [layers.RepeatVector(time, name="repeat")]
        for name, n in zip(reversed(names), reversed(units), strict=True):
            decoder.append(self._recurrent(n, name, sequences=True))
        decoder.append(layers.Dense(features, output_activation, name="reconstruction"))
        if not windows:
            decoder.append(layers.Reshape(sample_shape, name="reshape"))
        return Networks.from_halves(
            stack(sample_shape, encoder, "encoder"),
            stack((n_components,), decoder, "decoder"),
        )

    def _window(self, given):
        """Return the numbers of time steps and features of a sample."""
        shape = unflattened_shape(given, self.sample_shape)
        if len(shape) != 2:
            raise ValueError(
                "recurrent layers take windows of shape (time, features), but these "
                f"samples have shape {shape}. Reshape X to (n_samples, time, "
                "features), or set sample_shape=(time, features) for flat samples."
            )
        return shape

    def _recurrent(self, units, name, sequences):
        keras = import_keras()
        layers = keras.layers
        if keras.config.dtype_policy().variable_dtype == "bfloat16":
            raise ValueError(
                "recurrent layers cannot have weights of bfloat16, in which their "
                "orthogonal initial weights cannot be computed. Call "
                "keras.config.set_dtype_policy('mixed_bfloat16') in place of "
                "'bfloat16'."
            )
        layer = layers.LSTM if self.cell == "lstm" else layers.GRU
        return layer(units, return_sequences=sequences, name=name)
