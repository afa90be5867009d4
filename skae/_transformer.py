"""An autoencoder as a transformer."""

import copy
import warnings
from numbers import Integral

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import INITIAL_BYTES, _BaseAutoencoder
from ._formats import USE_FIT, check_in_memory, is_lazy
from ._imputation import (
    MAX_JUDGED_SAMPLES,
    MAX_SAMPLES,
    N_PATTERNS,
    Imputation,
)
from ._missing import has_missing
from ._ordered_codes import MAX_SAMPLES as MAX_DECODED_SAMPLES
from ._ordered_codes import variance_kept
from ._pca import count_components
from ._sampling import draw
from .architectures import DenseArchitecture
from .metrics import reconstruction_r2_score
from .parallel import takes_lazy


def _has_prior(autoencoder):
    """Return True if codes can be drawn, else raise an AttributeError."""
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

    A network is trained to reconstruct its input through a latent representation of
    `n_components` numbers, the code [1]_. `transform` returns the code, which serves as
    that of :class:`~sklearn.decomposition.PCA` does, without the restriction to linear
    maps.

    X is not scaled: put a scaler in front where features differ in scale.

    Read more in the :ref:`User Guide <dimensionality_reduction>`.

    Parameters
    ----------
    n_components : int, float or None, default=None
        Number of latent components. If None, it is the number that the architecture
        sets, as a Keras model of your own does, else 2. A float between 0 and 1 is a
        share of the variance: a fit of ordered components begins with as many as PCA
        needs for that share, and keeps the fewest that reach it on validation samples.
        If none do, all are kept and a ConvergenceWarning is raised.
    architecture : BaseArchitecture or SciKeras wrapper, default=None
        The network. None is ``DenseArchitecture()``. Its parameters are set as
        ``architecture__hidden_layer_sizes`` and so on.
    ordered : bool, default=False
        Whether to train by nested dropout [2]_, so that the first components alone
        reconstruct as well as they can, for any number of them. Then
        ``explained_variance_ratio_`` holds what each component adds, and `truncate`
        returns a transformer with fewer components. A share of variance as
        `n_components` implies it.
    loss : str, callable or keras.losses.Loss, default=None
        Training loss: the name of a Keras loss, or a loss of your own. None is the
        loss that the architecture sets, else mean squared error. A cross-entropy
        needs data in [0, 1].
    optimizer : str or keras.optimizers.Optimizer, default=None
        The name of a Keras optimizer, or an instance, of which each fit uses a copy.
        None is the optimizer that the architecture sets, else Adam.
    learning_rate : float, default=None
        Learning rate. None is the default of the optimizer. If `optimizer` is None too,
        the learning rate rises to a peak in the first tenth of `epochs`, and then falls
        to zero along half a cosine (I. Loshchilov and F. Hutter, "SGDR: stochastic
        gradient descent with warm restarts", ICLR 2017), unless callbacks set it. The
        peak is 0.003 for `DenseArchitecture`, and 0.001 for other architectures. It is
        constant for `KerasArchitecture`, as in Keras.
    epochs : int or "auto", default="auto"
        Maximum number of epochs, that is passes over the training samples. "auto" is
        the number of epochs in 8,000 batches, clipped to [20, 150].
    batch_size : int or "auto", default="auto"
        Number of samples of a batch. "auto" is the largest power of two that is at most
        a hundredth of the number of training samples, clipped to [32, 256].
    validation_fraction : float, default=0.1
        Share of the samples held out, at random, to find the best epoch. None holds out
        none, and the weights of the last epoch are kept.
    patience : int, "auto" or None, default="auto"
        Number of epochs without a better validation loss after which training stops.
        "auto" is half of `epochs`, but at least 10. None runs all epochs. The weights
        of the best epoch are kept in each case.
    max_time : float, default=None
        Number of seconds that training is planned for. The duration of some batches is
        measured first, and the number of epochs reduced such that the learning rate
        falls to zero within this time; where fewer than 10 epochs fit, each is of fewer
        samples, drawn at random. The model then depends on the speed of the machine.
        None sets no limit.
    callbacks : list of keras.callbacks.Callback, default=None
        Keras callbacks called during `fit`; each fit uses copies.
    warm_start : bool, default=False
        Whether `fit` continues with the weights of the previous fit, with a new
        optimizer and a new history. A ValueError is raised if parameters
        have changed such that the network would differ.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, the validation split and the order of batches. Pass
        an int for reproducible results across multiple calls.
    verbose : int, default=0
        If 1, show epoch, losses and time: on one line that is updated in a terminal or
        a notebook, elsewhere on a line per epoch.
    categorical_features : "from_dtype", array-like of {bool, int, str} or None, \
            default="from_dtype"
        Which columns hold categories. "from_dtype": of a DataFrame of pandas or Polars,
        those of strings, booleans and categories, and of anything else none.
        Otherwise a mask, indices or names of the columns; None for no column. Each
        category becomes one feature of the network, and its reconstructed probability
        is trained by cross-entropy. Up to 100 categories of a column are kept apart;
        those of fewer than 5 samples, or 5 % of few samples, count as one. A category
        that the training samples do not have is a missing cell. Needs an architecture
        that takes categories, such as `DenseArchitecture`. See :ref:`tables`.

    Attributes
    ----------
    n_components_ : int
        Number of latent components.
    n_features_in_ : int
        Number of features seen during `fit`: of images, pixels times channels.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when X has feature names that
        are all strings.
    architecture_ : BaseArchitecture
        The architecture in use.
    encoder_ : keras.Model
        Network from samples to codes.
    decoder_ : keras.Model
        Network from codes to samples.
    autoencoder_ : keras.Model
        Network from samples to reconstructions. The three share their weights.
    history_ : dict of str to list of float
        "loss", "val_loss" where there are validation samples, "learning_rate" at the
        beginning of an epoch, and numbers that `callbacks` add to the logs: one value
        per epoch, NaN where there is none. `partial_fit` validates nothing.
    n_iter_ : int
        Number of epochs run.
    best_epoch_ : int
        The epoch whose weights were kept, the first being 1. It is 0 if the weights
        before the first epoch were kept.
    validation_score_ : float or None
        R² of the validation samples, see `score`, by the weights that were kept. None
        without validation samples, after `partial_fit` and after `truncate`; NaN for a
        single one. Where the network learns from missing cells, some observed cells are
        hidden from it here, so that `score` of the same samples is higher.
    start_ : str or None
        From which initial weights the kept ones were trained. "pca" or "random" with
        `DenseArchitecture`, see its parameter `start`; "pca" with a `best_epoch_` of 0
        is PCA itself. None where the architecture computes none from the data.
    start_validation_score_ : float or None
        R² of the same samples before training, where the architecture computes initial
        weights from the data: with `DenseArchitecture`, the score of PCA. These weights
        are restored after training unless the squared errors of the validation samples
        have decreased by more than their standard error and, summed over the samples,
        by more than the variance of one. They are then computed again from all samples.
        None where training did not start from the data, or
        where fewer components were kept than it started with.
    explained_variance_ratio_ : ndarray of shape (n_components,) or None
        The share of the variance of X that each further component adds, computed from
        at most 5,000 samples. None where components are not ordered.

    See Also
    --------
    AutoencoderOutlierDetector : Outlier detection with an autoencoder.
    sklearn.decomposition.PCA : Linear dimensionality reduction.

    Notes
    -----
    There is no ``sample_weight``: training in batches cannot satisfy scikit-learn's
    rule that a weight of 2 equals a repeated sample. Repeat or resample samples
    instead.

    Each epoch runs as compiled code, which is kept for later fits of the same network,
    optimizer, loss and batch size: at most 64 such programs, as long as their weights
    and optimizers hold fewer than 50 million numbers. Samples are copied to the network
    in blocks of at most 4 MB, and codes are computed for at most 1,024 samples at a
    time, so X may be a :class:`numpy.memmap` that is larger than memory. Above 1 GB,
    samples are shuffled in runs of neighbours instead of individually. Keras itself
    runs each batch where callbacks have batch hooks, where a network has its own
    ``train_step``, within a ``tf.distribute`` strategy, and on Keras backends other
    than TensorFlow, except where dense networks are trained on JAX.

    The result for one sample can depend, in the last bits, on which samples are passed
    with it, since matrix products of other sizes round differently.

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

    __module__ = "skae"  # where it is public: files name it

    _parameter_constraints: dict = {
        **_BaseAutoencoder._parameter_constraints,
        "ordered": ["boolean"],
    }
    _shaping_parameters = ("n_components", "ordered")
    _default_n_components = 2

    def __init__(
        self,
        n_components=None,
        *,
        architecture=None,
        ordered=False,
        loss=None,
        optimizer=None,
        learning_rate=None,
        epochs="auto",
        batch_size="auto",
        validation_fraction=0.1,
        patience="auto",
        max_time=None,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        categorical_features="from_dtype",
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
            max_time=max_time,
            callbacks=callbacks,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            categorical_features=categorical_features,
        )

        self.ordered = ordered

    _onnx_outputs = ("transform", "reconstruct")

    def _count_components(self, train, share):
        X = train.take(train.draw(INITIAL_BYTES, self._rng))
        return count_components(X.reshape(len(X), -1), share)

    def _orders_codes(self, architecture):
        return self.ordered or self._share() is not None

    def _share(self):
        """Return the share of variance that `n_components` asks for, if it does."""
        asks = self.n_components is not None and self.n_components < 1
        return float(self.n_components) if asks else None

    # What `impute` does; None for networks that are not told which cells are missing.
    _imputation = None
    _from_dicts = _BaseAutoencoder._from_dicts | {
        "_imputation": lambda state, _: Imputation(**state)
    }

    def _finish_fit(self, data, warm, interrupted=False):
        self._fit_explained_variance(data, warm)
        # Of batches, the largest so far: few samples tell little of what is missing.
        before = self._imputation if warm else None
        self._imputation = before
        n_samples = min(len(data.learnable), MAX_SAMPLES)
        if not data.handles_missing:
            self._imputation = None
        elif before is None or n_samples >= before.n_samples:
            X = data.learnable.X[data.learnable.spread(MAX_SAMPLES)]
            judges = data.learnable if data.val is None else data.val
            indices = judges.spread(MAX_JUDGED_SAMPLES)
            judged = judges.X[indices]
            # Each sample has the patterns of others in turn.
            shown = (judges.hide(judged, indices + i) for i in range(N_PATTERNS))
            self._imputation = Imputation.fit(
                X, judged, shown, self._fitted.reconstruct
            )

    def _fit_explained_variance(self, data, warm):
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
        X = samples.X[draw(samples.indices, MAX_DECODED_SAMPLES, self._rng)]
        return variance_kept(X, self._fitted.encode(X), self._fitted.decode)

    def _keep_first(self, n_components):
        """Drop all components but the first few."""
        self._fitted = self._fitted.truncate(n_components)
        self.n_components_ = n_components
        self._optimizer_state = None  # that of the larger network
        self._imputation = None

    @property
    def _n_features_out(self):
        return self.n_components_

    def fit_transform(self, X, y=None, **fit_params):
        """Fit to X, and transform it.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Training samples, in memory or as a Dask collection.
        y : None
            Ignored.
        **fit_params : dict
            Further arguments of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The latent representation, as `transform` returns it.
        """
        if not is_lazy(X):
            check_in_memory(X, cure=USE_FIT)
        return super().fit_transform(X, y, **fit_params)

    def transform(self, X):
        """Encode X into its latent representation.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to encode.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Their codes, in the dtype of X.
        """
        check_is_fitted(self)
        return self._fitted.encode(self._validate(X))

    @takes_lazy
    def inverse_transform(self, X):
        """Decode codes into samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted, \
                or DataFrame
            The decoded samples, in the dtype of X. If the transformer was fitted on a
            table with categories, a table like that one, with the same columns and
            dtypes: integers are rounded, and the most probable category is taken.

        Raises
        ------
        ValueError
            If the number of columns of X is not `n_components_`.
        """
        check_is_fitted(self)
        return self._decode_checked(X)

    @takes_lazy
    def impute(self, X):
        """Replace the missing cells of X, and leave the observed ones as they are.

        What replaces a missing cell is its reconstruction, plus the residual that is
        expected for it given the residuals of the observed cells of the sample, under a
        normal distribution of residuals. With few components, the second part holds
        what the latent representation has no place for. A weighted mean of this sum
        and of a linear regression on the observed cells is taken; the weight is the
        best for cells that are hidden from both, in the validation samples if there are
        any. So values are about as good as those of linear regression at least. They
        are clipped to the range of the training samples, up to 256 features.

        If the transformer was fitted on samples without missing cells, the means of
        features are put in the place of missing cells first, and then ten times the
        reconstructions of the result. Fit on samples with missing cells, or with
        ``DenseArchitecture(handle_missing=True)``, for better values.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples, in which NaN is a missing cell.

        Returns
        -------
        ndarray of the shape of X, or DataFrame
            The samples without missing cells, in the dtype of X. If X is a DataFrame of
            pandas or Polars, so is the result: columns without missing cells are those
            of X, the others are of float64, or float32 if all of X is. A feature
            without any observed cell in training is imputed as 0, a sample without any
            by what is expected of a sample. A missing category becomes the most
            probable one; it stays missing if training samples had none.

        See Also
        --------
        sklearn.impute.IterativeImputer : Imputation by one regression per feature.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderTransformer
        >>> rng = np.random.RandomState(0)
        >>> x = rng.normal(size=(200, 1))
        >>> X = np.hstack([x, -x, 2 * x]) + rng.normal(scale=0.1, size=(200, 3))
        >>> X[rng.uniform(size=X.shape) < 0.2] = np.nan
        >>> transformer = AutoencoderTransformer(1, epochs=5, random_state=0).fit(X)
        >>> transformer.impute([[1.0, np.nan, 2.0]]).round(1)
        array([[ 1., -1.,  2.]])
        """
        check_is_fitted(self)
        samples = self._validate(X)
        return self._format.fill_in(X, samples, self._impute(samples))

    def _impute(self, X):
        if not has_missing(X):
            return X.copy()
        if self._imputation is None:
            return self._fitted.fill(X)
        return self._imputation(X, self._fitted.reconstruct)

    @available_if(_has_prior)
    def sample(self, n_samples=1, random_state=None):
        """Draw new samples: decode codes drawn from the prior.

        Available if the architecture has a prior over codes, as
        :class:`~skae.architectures.VariationalArchitecture` does, or any that has its
        method `sample_codes`.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.
        random_state : int, RandomState instance or None, default=None
            Determines the codes. Pass an int for reproducible results.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted, \
                of float64, or DataFrame
            The decoded codes: the expected value of each feature, without the noise
            that the loss implies.

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
        return self._format.decode(self._fitted.decode(codes))

    def truncate(self, n_components):
        """Return a fitted transformer with the first few components, without training.

        Parameters
        ----------
        n_components : int
            Number of components to keep.

        Returns
        -------
        AutoencoderTransformer
            A new transformer. Its codes are the first components of this one's codes;
            it reconstructs as this transformer does with the remaining components set
            to zero.

        Raises
        ------
        ValueError
            If components are not ordered, or there are fewer than `n_components`.
        """
        check_is_fitted(self)
        if not self._codes_are_ordered:
            raise ValueError(
                "truncate needs ordered components. Fit with ordered=True."
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
        """Return the share of the variance of X that the reconstruction keeps (R²).

        With categories, it is the share of the deviance: a number counts by its squared
        error, and a category by the negative logarithm of its probability, times half
        of the mean variance of the numbers in training. Both are compared with means
        and frequencies of X. Without categories, this is R².

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to reconstruct. Missing cells, which are NaN, are left out.
        y : None
            Ignored.

        Returns
        -------
        float
            See :func:`~skae.metrics.reconstruction_r2_score`: higher is better, 1 is
            perfect. NaN, with a warning, for fewer than two samples.
        """
        check_is_fitted(self)
        X = self._validate(X)
        X_hat = self._fitted.reconstruct(X)
        if len(X) < 2 or np.isnan(X).all():
            return reconstruction_r2_score(X, X_hat)  # NaN, with a warning
        return self._format.columns.score(X, X_hat)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# Around what scikit-learn wraps it in for `set_output`, which would compute the result.
AutoencoderTransformer.transform = takes_lazy(AutoencoderTransformer.transform)
