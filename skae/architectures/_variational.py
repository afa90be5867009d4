"""Variational autoencoders."""

from numbers import Integral, Real

from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._backend import import_keras
from ._base import BaseArchitecture, Networks
from ._dense import DenseArchitecture


class VariationalArchitecture(BaseArchitecture):
    """Fully connected variational autoencoder [1]_.

    The encoder maps each sample to a normal distribution over codes: a mean and a
    log-variance for each of the `n_components`. In training, a code drawn from this
    distribution is decoded, and the Kullback-Leibler divergence from the prior over
    codes, a standard normal distribution, is added to the loss. New samples can then be
    decoded from codes drawn from the prior:
    :meth:`skae.AutoencoderTransformer.sample`.

    Outside training nothing is random: the code of a sample is the mean, in
    `transform`, in reconstructions and in the validation loss.

    Read more in the :ref:`User Guide <architectures>`.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(256, 128)
        Units of the hidden layers of the encoder, from the data to the code. The
        decoder mirrors them. ``()`` makes the code the only hidden layer.
    activation : str, default="relu"
        Name of the Keras activation of the hidden layers.
    output_activation : str, default="auto"
        Name of the Keras activation of the last layer. "auto" is "sigmoid" with a
        cross-entropy loss, and "linear" otherwise.
    beta : float, default=1.0
        Weight of the divergence, as in [2]_. Larger values move the posterior towards
        the prior, at the cost of reconstruction; see Notes for the scale. With 0, codes
        are drawn at random without any constraint by the prior.
    warmup_steps : int, default=0
        Number of training batches over which the weight increases linearly from 0 to
        `beta`, which prevents components from becoming unused early [3]_, [4]_. It
        stays `beta` afterwards, in warm starts and `partial_fit` too.
    handle_missing : bool or "auto", default="auto"
        Whether the network learns from and for samples with missing cells, as for
        :class:`DenseArchitecture`.

    See Also
    --------
    DenseArchitecture : The same layers without noise and prior.
    skae.AutoencoderTransformer.sample : Draw new samples.

    Notes
    -----
    The divergence is summed over the components, averaged over the samples and divided
    by the number of features, since losses of Keras are means over features, where the
    evidence lower bound (ELBO) has sums. It is reported as "kl_loss"; the loss is
    "reconstruction_loss" plus `beta` times "kl_loss" after the warm-up. During the
    warm-up, the weight is lower in training; the validation loss always has the full
    `beta`, so that epochs are comparable.

    With ``loss="binary_crossentropy"`` and ``beta=1`` the training loss is the negative
    ELBO of [1]_ divided by the number of features. With mean squared error it is so, up
    to a constant and a factor, for normal noise of variance ``beta / 2`` on each
    feature. Where features have a smaller variance, codes become uninformative
    (posterior collapse): scale the data or decrease `beta`, to 0.02 for noise with a
    standard deviation of 0.1.

    Above a log-variance of 10 the variance increases linearly, so that it cannot
    overflow and its gradient does not vanish, as it would if values were clipped.

    Keras loads a saved ``autoencoder_`` in a process that has built a variational
    network before. Otherwise it needs what `custom_objects` returns.
    ``encoder_`` and ``decoder_`` are plain dense networks.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [2] I. Higgins et al., "beta-VAE: Learning basic visual concepts with a
       constrained variational framework", ICLR 2017.
    .. [3] S. R. Bowman et al., "Generating sentences from a continuous space", CoNLL
       2016, 10-21.
    .. [4] C. K. Sønderby et al., "Ladder variational autoencoders", NIPS 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import VariationalArchitecture
    >>> X = load_digits().data[:300] / 16
    >>> autoencoder = AutoencoderTransformer(
    ...     2,
    ...     architecture=VariationalArchitecture((32,)),
    ...     loss="binary_crossentropy",
    ...     epochs=5,
    ...     random_state=0,
    ... ).fit(X)
    >>> autoencoder.transform(X).shape
    (300, 2)
    >>> autoencoder.sample(3, random_state=0).shape
    (3, 64)
    """

    __module__ = "skae.architectures"  # where it is public: files name it

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [str],
        "output_activation": [str],
        "beta": [Interval(Real, 0, None, closed="left")],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
        "handle_missing": ["boolean", StrOptions({"auto"})],
    }

    @property
    def supports(self):
        """What networks can do; missing cells unless `handle_missing` is False."""
        handles = isinstance(self.handle_missing, str) or bool(self.handle_missing)
        return frozenset({"categories"} | ({"missing"} if handles else set()))

    def __init__(
        self,
        hidden_layer_sizes=(256, 128),
        activation="relu",
        output_activation="auto",
        beta=1.0,
        warmup_steps=0,
        handle_missing="auto",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.beta = beta
        self.warmup_steps = warmup_steps
        self.handle_missing = handle_missing

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
            An encoder to the means, the decoder, and an autoencoder with the sampling
            between them.

        Raises
        ------
        ValueError
            If a hidden layer size is not a positive int, or an activation is unknown
            to Keras.
        """
        keras = import_keras()
        from ._layers import GaussianSampling, HiddenCells

        dense = DenseArchitecture(
            self.hidden_layer_sizes,
            self.activation,
            output_activation=self.output_activation,
            start="random",
        ).build_networks(spec)
        mean = dense.encoder.output
        log_variance = keras.layers.Dense(spec.n_components, name="log_variance")(
            dense.encoder.get_layer("code").input
        )
        sampling = GaussianSampling(
            len(spec.columns.sizes),
            float(self.beta),
            int(self.warmup_steps),
            name="sampling",
            dtype=keras.config.floatx(),  # half precision would overflow
        )
        inputs, moments = dense.encoder.input, [mean, log_variance]
        if spec.hidden_share:
            encoder = keras.Model(inputs, moments, name="moments")
            inputs = keras.Input(spec.sample_shape, name="sample")
            groups = spec.columns.groups
            hide = HiddenCells(spec.hidden_share, groups, name="hidden_cells")
            moments = encoder(hide(inputs))
        outputs = dense.decoder(sampling(moments))
        autoencoder = keras.Model(inputs, outputs, name="autoencoder")
        return Networks(dense.encoder, dense.decoder, autoencoder)

    def sample_codes(self, n_samples, n_components, random_state=None):
        """Draw codes from the prior, the standard normal distribution.

        Parameters
        ----------
        n_samples : int
            Number of codes.
        n_components : int
            Number of components.
        random_state : int, RandomState instance or None, default=None
            Determines the codes. Pass an int for reproducible results.

        Returns
        -------
        ndarray of shape (n_samples, n_components), of float64
            The codes.
        """
        rng = check_random_state(random_state)
        return rng.standard_normal((n_samples, n_components))
