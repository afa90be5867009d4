"""An autoencoder as a transformer."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_scalar
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import INITIAL_BYTES, _BaseAutoencoder
from ._ordered_codes import MAX_SAMPLES, copy_truncated, variance_kept
from ._pca import count_components
from .architectures import DenseArchitecture
from .metrics import reconstruction_r2_score


def _has_prior(autoencoder):
    """Whether there are codes to draw; an AttributeError says why not."""
    architecture = getattr(autoencoder, "architecture_", autoencoder.architecture)
    if hasattr(architecture, "sample_codes"):
        return True
    name = type(architecture or DenseArchitecture()).__name__
    raise AttributeError(
        f"sample needs an architecture with a prior, from which sample_codes draws "
        f"codes, but {name} has none. Fit with architecture=VariationalArchitecture()."
    )


class AutoencoderTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, _BaseAutoencoder
):
    """Dimensionality reduction with an autoencoder.

    A network is trained to give back its input through a code of `n_components`
    numbers. The code is what `transform` gives: it goes wherever that of
    :class:`~sklearn.decomposition.PCA` goes, and is not limited to linear maps.

    X is taken as it is: put a scaler in front where columns differ in scale.

    Parameters
    ----------
    n_components : int, float, "auto" or None, default=None
        Size of the code. None is the one that the architecture brings, as a Keras model
        of your own does, else 2. A float within 0 and 1 is a share of the variance: the
        fewest codes that keep it on held-out rows are found from one fit of ordered
        codes, which starts with as many as PCA needs. "auto" is 0.95.
    architecture : BaseArchitecture or SciKeras wrapper, default=None
        The network. None is ``DenseArchitecture()``. Its parameters are reached as
        ``architecture__hidden_layer_sizes`` and so on.
    ordered : bool, default=False
        Whether to train so that the first codes alone reconstruct as well as they can,
        for any number of them, by nested dropout [2]_. Then
        ``explained_variance_ratio_`` says what each code adds, and `truncate` gives a
        transformer with fewer codes. A share of variance as `n_components` implies it.
    loss : str, callable or keras.losses.Loss, default=None
        What training minimizes: the name of a Keras loss, or a loss of your own. None
        is mean squared error. A cross-entropy needs data in [0, 1].
    optimizer : str or keras.optimizers.Optimizer, default=None
        The name of a Keras optimizer, or an instance, which is copied for each fit.
        None is Adam.
    learning_rate : float, default=None
        Learning rate. None is the optimizer's own; that of the default optimizer is
        lowered to 30 % whenever half of `patience` has passed without a better
        validation loss.
    epochs : int, default=200
        The most passes over the training rows.
    batch_size : int or "auto", default="auto"
        Rows of a batch. "auto" is the largest power of two that is at most a hundredth
        of the rows, but no less than 32 and no more than 256.
    validation_fraction : float, default=0.1
        Share of the rows held out, at random, to find the best epoch. None holds out
        none, and the last epoch's weights are kept.
    patience : int, "auto" or None, default="auto"
        Epochs without a better validation loss before training stops. "auto" is those
        that 1,000 batches make, but no less than 10 and no more than 30: 30 for 1,000
        rows, 10 from 4,000 on. None runs all epochs; the best one's weights are kept in
        either case.
    callbacks : list of keras.callbacks.Callback, default=None
        They watch `fit`, and are copied for it.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the fit before, with a new optimizer
        and a new history.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, the validation split and the order of batches. Pass
        an int for the same result each time.
    verbose : int, default=0
        1 shows epoch, losses and time: in a terminal or a notebook in one line that is
        written anew, elsewhere in a line an epoch.

    Attributes
    ----------
    n_components_ : int
        Size of the code.
    n_features_in_ : int
        Number of features seen during `fit`: of images, pixels times channels.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where X has feature names that are all
        strings.
    architecture_ : BaseArchitecture
        The architecture in use.
    encoder_ : keras.Model
        From samples to codes.
    decoder_ : keras.Model
        From codes to samples.
    autoencoder_ : keras.Model
        From samples to reconstructions. The three share their weights.
    history_ : dict of str to list of float
        "loss", and "val_loss" where rows were held out: a value an epoch. `partial_fit`
        holds out none, and adds NaN there.
    n_iter_ : int
        Epochs run.
    held_out_scores_ : dict of str to float
        "start" and "end": the share of the variance of the held-out rows that the first
        weights keep, and those that stay. Where training starts from PCA, "start" is
        the score of PCA; the fit goes back there if the rows do not gain more than
        their standard error and, in all, a tenth of what one row varies. Only with
        held-out rows, squared error, and an architecture that takes its first weights
        from the data.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        The share of the variance of the training rows that each further code adds,
        from 5,000 of them at most. Only where codes are ordered.
    best_epoch_ : int
        The epoch whose weights were kept, the first being 1. It is 0 if no epoch was
        better than the weights that training began with.

    See Also
    --------
    AutoencoderOutlierDetector : Finds rows that an autoencoder cannot reconstruct.
    sklearn.decomposition.PCA : The best linear map.

    Notes
    -----
    There is no ``sample_weight``: training in batches cannot honour scikit-learn's rule
    that a weight of 2 equals a repeated row. Repeat or resample rows instead.

    Each epoch runs as compiled code, which is kept for later fits of the same network,
    optimizer, loss and batch size: 64 such programs, as long as their weights and
    optimizers hold fewer than 50 million numbers. Rows are copied to the network in
    blocks of 16 MB at most, and codes are computed for 1,024 rows at a time, so X may
    be a :class:`numpy.memmap` that is larger than memory. Its rows are then shuffled
    run by run, not all at once. Keras itself runs each batch where callbacks want to
    see batches, where a network has its own ``train_step``, within a ``tf.distribute``
    strategy, and on backends of Keras other than TensorFlow.

    References
    ----------
    .. [1] G. E. Hinton and R. R. Salakhutdinov, "Reducing the dimensionality of data
       with neural networks", Science 313 (2006), 504-507.
    .. [2] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with
       nested dropout", ICML 2014, 1746-1754.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skae import AutoencoderTransformer
    >>> X = load_digits().data[:300]
    >>> autoencoder = AutoencoderTransformer(n_components=8, epochs=20, random_state=0)
    >>> pipeline = make_pipeline(MinMaxScaler(), autoencoder).fit(X)
    >>> codes = pipeline.transform(X)
    >>> codes.shape
    (300, 8)
    >>> pipeline.inverse_transform(codes).shape
    (300, 64)
    """

    _parameter_constraints: dict = {
        **_BaseAutoencoder._parameter_constraints,
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            StrOptions({"auto"}),
            None,
        ],
        "ordered": ["boolean"],
    }
    _shaping_parameters = ("n_components", "ordered")

    def __init__(
        self,
        n_components=None,
        *,
        architecture=None,
        ordered=False,
        loss=None,
        optimizer=None,
        learning_rate=None,
        epochs=200,
        batch_size="auto",
        validation_fraction=0.1,
        patience="auto",
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            n_components=n_components,
            architecture=architecture,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            patience=patience,
            callbacks=callbacks,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )

        self.ordered = ordered

    def _default_n_components(self, train):
        return 2

    def _choose_n_components(self, architecture, train):
        share = self._share()
        if share is None:
            return super()._choose_n_components(architecture, train)
        X = train.take(train.draw(INITIAL_BYTES, self._rng))
        return count_components(X.reshape(len(X), -1), share)

    def _orders_codes(self, architecture):
        return self.ordered or self._share() is not None

    def _share(self):
        """Return the share of variance that `n_components` asks for, if it does."""
        if self.n_components == "auto":
            return 0.95
        asks = isinstance(self.n_components, Real) and self.n_components < 1
        return float(self.n_components) if asks else None

    def _finish_fit(self, data, warm):
        self.explained_variance_ratio_ = None
        if not self._codes_are_ordered:
            return
        share = self._share()
        if share is not None and not warm:
            self._keep_share(data, share)
        if len(data.learnable) > 1:
            kept = self._variance_kept(data.learnable)
            self.explained_variance_ratio_ = np.diff(kept, prepend=0)

    def _keep_share(self, data, share):
        """Drop the last components that the share of the variance does not need."""
        judged = data.learnable
        if data.val is not None and len(data.val) > 1:
            judged = data.val
        if len(judged) < 2:
            return
        kept = self._variance_kept(judged)
        enough = np.flatnonzero(kept >= share)
        if not len(enough):
            warnings.warn(
                f"n_components={self.n_components!r} asks for {share:.3g} of the "
                f"variance, but all {self.n_components_} components that PCA needs for "
                f"it on the training samples keep {kept[-1]:.3g} of the variance of "
                "the validation samples. They are all kept. More samples or a smaller "
                "share would help.",
                ConvergenceWarning,
                stacklevel=2,
            )
        elif enough[0] + 1 < self.n_components_:
            self._keep_first(int(enough[0]) + 1)
            # The start had more components.
            self.start_validation_score_ = None
            if data.val is not None:
                self.validation_score_ = self._judge(data.val).score

    def _variance_kept(self, samples):
        indices = np.sort(samples.indices)
        if len(indices) > MAX_SAMPLES:
            drawn = self._rng.choice(indices, MAX_SAMPLES, replace=False)
            indices = np.sort(drawn)
        X = samples.X[indices]
        return variance_kept(X, self._encode(X), self._decode)

    def _keep_first(self, n_components):
        """Drop all components but the first few."""
        larger = self._networks
        self._build_arguments = self._build_arguments | {"n_components": n_components}
        self._rebuild()
        copy_truncated(self._networks, larger)
        self._optimizer_state = None  # that of the larger network

    @property
    def _n_features_out(self):
        return self.n_components_

    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to encode.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Their codes, in the dtype of X.
        """
        check_is_fitted(self)
        return self._encode(self._validate(X, reset=False))

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` gives them.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted
            What they stand for, in the dtype of X.

        Raises
        ------
        ValueError
            If X has another number of columns than n_components.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=[np.float64, np.float32])
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but codes of this "
                f"{type(self).__name__} have {self.n_components_}."
            )
        return self._decode(X).reshape(len(X), *self._sample_shape)

    @available_if(_has_prior)
    def sample(self, n_samples=1, random_state=None):
        """Draw new rows: decode codes drawn from the prior.

        Available if the architecture has a prior over codes, as
        :class:`~skae.architectures.VariationalArchitecture` does, or any that has its
        method `sample_codes`.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Determines the codes. Pass an int for the same rows each time.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted, \
                of float64
            What the decoder makes of the codes: each feature's expected value, without
            the noise that the loss stands for.

        Raises
        ------
        ValueError
            If `n_samples` is below 1.
        TypeError
            If `n_samples` is not an int.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        codes = self.architecture_.sample_codes(
            n_samples, self.n_components_, random_state
        )
        return self._decode(codes).reshape(n_samples, *self._sample_shape)

    def truncate(self, n_components):
        """Give a fitted transformer of the first few codes, without training.

        Parameters
        ----------
        n_components : int
            Number of codes to keep.

        Returns
        -------
        AutoencoderTransformer
            A new one. Its codes are the first ones of this one's, and its
            reconstructions are what this one makes of them if the rest is 0.

        Raises
        ------
        ValueError
            If codes are not ordered, or there are not so many of them.
        """
        check_is_fitted(self)
        if not self._codes_are_ordered:
            raise ValueError(
                "truncate needs codes in the order of their importance. Fit with "
                "ordered=True."
            )
        check_scalar(
            n_components,
            "n_components",
            Integral,
            min_val=1,
            max_val=self.n_components_,
        )
        truncated = copy.deepcopy(self)
        truncated.n_components = int(n_components)
        truncated._keep_first(int(n_components))
        # There are no validation samples any more to judge fewer components by.
        truncated.validation_score_ = truncated.start_validation_score_ = None
        if self.explained_variance_ratio_ is not None:
            ratio = self.explained_variance_ratio_[:n_components]
            truncated.explained_variance_ratio_ = ratio.copy()
        return truncated

    def score(self, X, y=None):
        """Give the share of the variance of X that the reconstruction keeps (R²).

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to reconstruct.
        y : None
            Ignored.

        Returns
        -------
        float
            See :func:`~skae.metrics.reconstruction_r2_score`: higher is better, 1 is
            perfect.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return reconstruction_r2_score(X, self._reconstruct(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
