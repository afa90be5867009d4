"""An autoencoder as an outlier detector."""

import copy
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.stats import ks_2samp
from sklearn.base import OutlierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import _BaseAutoencoder
from ._blocks import USE_FIT, check_in_memory, is_lazy
from ._frames import frame_like, index_of
from ._outliers._attribution import divide_by_decreases, divide_directly
from ._outliers._ensemble import TruncationScore, truncate
from ._outliers._folds import split_folds
from ._outliers._labels import NORMAL, OUTLIER, UNKNOWN, LabelledScore, check_labels
from ._outliers._reservoir import Reservoir
from ._outliers._scores import draw_samples, score_from_dict
from ._outliers._thresholds import (
    check_calibration_size,
    choose_threshold,
    conformal_pvalues,
    select_pvalues,
)
from ._outliers._whitening import Whitening
from ._parallel import map_chunks, map_in_order, one_thread_each
from ._pca import count_components
from ._random import draw_seed
from ._training import FitData, RowSource
from .parallel import takes_lazy

# Shares of the variance that PCA keeps with as many components as there are by default,
# and with as many as the truncated code has.
CODE_SHARE = 0.9
TRUNCATED_SHARE = 0.5
# Samples that are scored at a time.
CHUNK_SAMPLES = 1024
# Columns of a sample that `explain` hides in turn.
MAX_HIDDEN = 8
# Samples whose scores the threshold is chosen by.
MAX_THRESHOLD_SAMPLES = 100_000


def _has_pvalues(detector):
    """Check for calibration scores; an AttributeError says why there are none."""
    if hasattr(detector, "_is_calibrated"):
        calibrated = detector._is_calibrated
    else:
        calibrated = detector.calibration is not None
    if calibrated:
        return True
    raise AttributeError(
        "predict_pvalue, select and test_drift need scores of samples that the network "
        "was not trained on. Fit with calibration=0.2 or calibration=5; partial_fit "
        "does not calibrate."
    )


class AutoencoderOutlierDetector(OutlierMixin, _BaseAutoencoder):
    """Outlier detection with an autoencoder.

    A network is trained to reconstruct its input through a narrow latent
    representation, the code [1]_. A sample is an outlier if its reconstruction error is
    unusual, if its code is far from those of other samples, or if it has no near
    neighbours there: the default score combines the three.

    X is not scaled: put a scaler in front where features differ in scale, such as
    :class:`~sklearn.preprocessing.StandardScaler`.

    Read more in the :ref:`User Guide <outlier_detection>`.

    Parameters
    ----------
    n_components : int, default=None
        Number of latent components. None takes the number that the architecture sets,
        as a Keras model of your own does, else as many as PCA needs for 90 % of the
        variance of the training samples, but fewer than there are features.
    architecture : BaseArchitecture or SciKeras wrapper, default=None
        The network. None is ``DenseArchitecture()``. Its parameters are set as
        ``architecture__hidden_layer_sizes`` and so on.
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
        the number of epochs in 8,000 batches, clipped to [1, 15].
    batch_size : int or "auto", default="auto"
        Number of samples of a batch. "auto" is the largest power of two that is at most
        a hundredth of the number of training samples, clipped to [32, 256].
    validation_fraction : float, default=None
        Share of the samples held out, at random, to find the best epoch. None holds out
        none, and the weights of the last epoch are kept: outliers stand out most before
        a network has fitted them closely.
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
    contamination : "auto" or float, default="auto"
        How the decision threshold `offset_` is chosen. A float in (0, 0.5] is the share
        of the training samples that are predicted as outliers; with `calibration` it is
        the false-positive rate on new normal samples. "auto" places the threshold where
        the cube root of the anomaly is 3 standard deviations above its median, the
        standard deviation being estimated from the median absolute deviation [4]_ [5]_.
        If anomalies followed a chi-squared distribution, 0.13 % of the samples would be
        beyond. Real ones have heavier tails: on 36 data sets, 5 % of the normal samples
        that the detector was fitted on are, and 7 % of new ones (1 % to 15 % on 8 of 10
        sets); on 10 tables with categories, 11 % of new ones. `calibration` and a float
        control the rate.
        With labelled outliers, see `use_labels`, "auto" places the threshold where a
        sample is as likely to be an outlier as to be normal, if both were equally
        frequent.
    outlier_score : {"auto", "reconstruction", "residual", "code", "neighbors", \
            "fused"} or callable, default="auto"
        How the anomaly of a sample is measured; `score_samples` returns its negative.
        Independent of the training `loss`.

        - "reconstruction" is the squared reconstruction error.
        - "residual" is the squared Mahalanobis distance of the residual from those of
          training samples: errors count by how unusual they are.
        - "code" is the squared Mahalanobis distance of the code.
        - "neighbors" is the distance to the fifth neighbour [3]_ among the whitened
          codes of at most 10,000 training samples; with more than 5 components, to the
          third among at most 2,000.
        - "fused" is the sum of the latter three, each divided by its mean over the
          75 % of the training samples with the lowest values of that term. If the
          architecture can order codes, the network is trained by nested dropout [2]_,
          and the score is the mean of two such sums: that of the whole code, and that
          of its first components alone, as many as PCA needs for half of the variance.
        - "auto" is "fused".
        - A callable is called with samples, reconstructions and codes, as arrays of
          shape (n_samples, n_features), (n_samples, n_features) and (n_samples,
          n_components), for at most 1,024 samples at a time. It returns one number per
          sample: the higher, the more anomalous.
    calibration : float, int, cross-validation splitter or None, default=None
        How to score samples that the network was not trained on. Their scores determine
        `offset_`, if `contamination` is a float, and p-values. The samples used have to
        be normal.

        - None scores the training samples; there are no p-values.
        - A float in (0, 1) is the share of the samples held out for split conformal
          prediction [6]_: the expected false-positive rate on new normal samples is at
          most `contamination`. With `warm_start`, pass an int as `random_state` to hold
          out the same samples again.
        - An int of at least 2 is a number of folds, and an object with a method `split`
          a cross-validation splitter that needs X only, such as
          :class:`~sklearn.model_selection.KFold`; for stratified or grouped folds, pass
          a :class:`~sklearn.model_selection.PredefinedSplit`. Each sample is scored by
          a detector fitted without its fold, and the final network is trained on all
          samples. `callbacks` are called in the fits of the folds too, after that of
          the final network. This takes one more fit per fold and holds out no samples
          from the final network, but the rate is approximate: see Notes. The detectors
          of the folds are kept for p-values.
        - A splitter that makes a single fold holds out its test samples, as a share
          does, and the network is trained on its training samples: a
          :class:`~sklearn.model_selection.PredefinedSplit` of 0 for the samples of a
          later period, and -1 for the others, calibrates on that period.

    use_labels : bool, default=False
        Whether `fit` reads labels from y: -1 for outliers, 1 for normal samples, 0 for
        unknown ones. By default y is ignored, as by other detectors of scikit-learn.

        Neither the network nor whatever else describes normal samples then learns from
        labelled outliers, but they determine how the terms of the score, features,
        residuals and latent components are weighted: `score_samples` is the logarithm
        of the probability that a sample is normal, if outliers were as frequent as
        normal samples, by an additive logistic regression [8]_ with a penalty. With few
        labels the order of the samples is nearly that of the score without labels.
        Unknown samples count as normal, as most are. Fitted without any label of -1,
        the detector is the one without labels, and there is a warning. Needs a named
        `outlier_score`. See :ref:`few_labels`.

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
        "loss", and "val_loss" where there are validation samples: one value per epoch.
        `partial_fit` validates nothing, and appends NaN there.
    n_iter_ : int
        Number of epochs run.
    best_epoch_ : int
        The epoch whose weights were kept, the first being 1. It is 0 if the weights
        before the first epoch were kept.
    validation_score_ : float or None
        R² of the validation samples by the weights that were kept, see
        :func:`~skae.metrics.reconstruction_r2_score`. None without validation samples
        and after `partial_fit`; NaN for a single one. Where the network learns from
        missing cells, some observed cells are hidden from it here.
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
        None where training did not start from the data.
    offset_ : float
        Decision threshold on `score_samples`: samples below it are predicted as
        outliers. It is chosen by the scores of the training or calibration samples; of
        more than 100,000, by as many drawn at random.

    See Also
    --------
    AutoencoderTransformer : Dimensionality reduction with an autoencoder.
    sklearn.ensemble.IsolationForest : Outlier detection with random trees.

    Notes
    -----
    Training samples are scored as new samples are: no sample is its own neighbour. But
    the network may have learned to reconstruct outliers among them: where there are
    many, fit on samples that are known to be normal.

    With folds as `calibration`, `offset_` is chosen by scores of other networks than
    the final one, which have seen fewer samples, and nothing is guaranteed. Where
    samples are few for the features, new samples score higher than those of the
    calibration: fewer normal samples than asked for are predicted as outliers. Where
    scores are of two kinds, as of tables with rare categories, the rate varies between
    fits. P-values do not share this: the detectors of the folds compute them [7]_,
    which takes as many times as long as `score_samples` as there are folds. A file of
    the detector is larger accordingly.

    After `partial_fit`, distances, neighbours and `offset_` are recomputed by the
    present network, without calibration, from a uniform sample of all samples so far:
    at most 10,000, and fewer with more than 100 features. Of those of `fit`, at most
    2,000 are kept for that, and fewer with more than 125 features. At the end of an
    epoch, where scikit-learn's callbacks are given a fitted detector, calibration by
    folds has not taken place either.

    Samples so large that the arithmetic overflows have the lowest finite score.

    Missing cells, which are NaN, contribute what their features do on average.
    Thresholds hold for samples with missing cells such as those of training: if most
    training samples lack whole blocks of cells, complete samples are predicted as
    outliers too often.

    The residual of a category is the square root of the negative logarithm of its
    reconstructed probability, times the root of half of the mean variance of the
    numbers. A function as `outlier_score` is given these, too: of a category, `X` has 0
    and `X_hat` the negative residual.

    Covariances are Ledoit and Wolf's, estimated again without outlying samples. They
    and neighbours are computed from at most 10,000 samples drawn at random, or fewer
    where there are more than 400 features, but at least 2,000. Above 2,048 features
    only variances are used.

    How training is compiled, and what is kept in memory: see the notes of
    :class:`AutoencoderTransformer`.

    References
    ----------
    .. [1] S. Hawkins, H. He, G. Williams and R. Baxter, "Outlier detection using
       replicator neural networks", DaWaK 2002, 170-180.
    .. [2] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with
       nested dropout", ICML 2014, 1746-1754.
    .. [3] S. Ramaswamy, R. Rastogi and K. Shim, "Efficient algorithms for mining
       outliers from large data sets", ACM SIGMOD 2000, 427-438.
    .. [4] E. B. Wilson and M. M. Hilferty, "The distribution of chi-square",
       Proceedings of the National Academy of Sciences 17 (1931), 684-688.
    .. [5] B. Iglewicz and D. C. Hoaglin, "How to detect and handle outliers", ASQC
       Quality Press (1993).
    .. [6] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51 (2023), 149-178.
    .. [7] R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani, "Predictive
       inference with the jackknife+", Annals of Statistics 49 (2021), 486-507.
    .. [8] T. Hastie and R. Tibshirani, "Generalized additive models", Statistical
       Science 1 (1986), 297-310.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderOutlierDetector
    >>> rng = np.random.RandomState(0)
    >>> x = rng.normal(size=(300, 1))
    >>> X = np.hstack([x, -x, 2 * x]) + rng.normal(scale=0.1, size=(300, 3))
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    >>> detector.predict([[1.0, -1.0, 2.0], [1.0, 1.0, -2.0]])
    array([ 1, -1])
    >>> detector.explain([[1.0, 1.0, -2.0]]).shape  # one contribution per feature
    (1, 3)
    """

    __module__ = "skae"  # where it is public: files name it

    # Dense networks start from PCA and need few.
    _auto_epochs = (1, 15)

    # After a fit with folds: for each of them, a detector fitted without it, and the
    # sorted scores that this gave to the fold.
    _folds_scored = ()

    # Mean and covariance of samples, by which `explain` fills hidden cells.
    _samples_whitening = None
    # Smallest and largest value of each feature in training, for the same.
    _feature_ranges = None

    # Samples that `partial_fit` goes on from.
    _reservoir = None
    _of_training = (*_BaseAutoencoder._of_training, "_reservoir")
    _from_dicts = _BaseAutoencoder._from_dicts | {
        "_anomaly_score": score_from_dict,
        "_samples_whitening": score_from_dict,
        "_reservoir": lambda state: Reservoir(**state),
    }

    _parameter_constraints: dict = {
        **_BaseAutoencoder._parameter_constraints,
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "outlier_score": [
            StrOptions(
                {"auto", "reconstruction", "residual", "code", "neighbors", "fused"}
            ),
            callable,
        ],
        "calibration": [
            Interval(RealNotInt, 0, 1, closed="neither"),
            Interval(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
            None,
        ],
        "use_labels": ["boolean"],
    }

    def __init__(
        self,
        n_components=None,
        *,
        architecture=None,
        loss=None,
        optimizer=None,
        learning_rate=None,
        epochs="auto",
        batch_size="auto",
        validation_fraction=None,
        patience="auto",
        max_time=None,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        contamination="auto",
        outlier_score="auto",
        calibration=None,
        use_labels=False,
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
        self.contamination = contamination
        self.outlier_score = outlier_score
        self.calibration = calibration
        self.use_labels = use_labels

    # What the fit of the base class asks for.

    def _set_outliers_apart(self, X, y, are_all):
        if not self.use_labels:
            return X, None, None
        if not are_all:
            raise ValueError(
                "use_labels=True needs X as an array or a DataFrame, but X is read "
                "block by block. Fit on the labelled samples and a part of the others."
            )
        if callable(self.outlier_score):
            raise ValueError(
                "use_labels=True cannot be combined with a function as outlier_score. "
                'Choose a name, such as outlier_score="auto".'
            )
        y = check_labels(y, X)
        is_outlier = y == OUTLIER
        return X[~is_outlier], X[is_outlier], y[~is_outlier] == NORMAL

    def _hold_out(self, samples):
        if self.calibration is None:
            return samples, None
        if isinstance(self.calibration, Real) and self.calibration < 1:
            split = train_test_split(
                samples.indices,
                test_size=self.calibration,
                random_state=draw_seed(self._rng),
            )
        else:
            # Wrong folds are known before anything is trained.
            folds = self._folds(samples, copy.deepcopy(self._rng))
            split = folds[0] if len(folds) == 1 else None
        learnable = calibration = samples
        if split is not None:
            learnable, calibration = map(samples.subset, split)
        n_judged = min(len(calibration), MAX_THRESHOLD_SAMPLES)
        check_calibration_size(n_judged, self.contamination)
        return learnable, calibration

    def _default_n_components(self, train):
        drawn = draw_samples(len(train), train.X.shape[1], draw_seed(self._rng))
        X = train.take(train.indices[drawn]).reshape(len(drawn), -1)
        return max(1, min(count_components(X, CODE_SHARE), X.shape[1] - 1))

    def _orders_codes(self, architecture):
        return self._score_kind() == "fused" and architecture.orders_codes

    def _finish_fit(self, data, warm, interrupted=False):
        if self.verbose:
            print("Fitting the anomaly score and the threshold")
        score = self._fit_anomaly_score(data, self._rng)
        by_folds = data.calibrates_by_folds
        # Who interrupts a fit does not want to wait for those of the folds.
        calibrated = data.calibration is not None and not (by_folds and interrupted)
        if calibrated and by_folds:
            folds_scored = self._cross_score(data)
            reference_scores = np.concatenate([scores for _, scores in folds_scored])
        else:
            folds_scored = ()
            samples = data.calibration if calibrated else data.learnable
            reference_scores = self._score_source(score, samples, self._rng)
        vars(self).update(
            self._attributes(score, reference_scores, calibrated, folds_scored)
        )
        self._feature_ranges = data.summary.feature_ranges
        samples = data.learnable
        # Validation samples are learned from here, but a stream leaves them out.
        n_samples = len(data.trained_on) + len(samples) - len(data.train)
        self._reservoir = Reservoir.draw(
            samples.X, samples.indices, n_samples, draw_seed(self._rng)
        )
        self._samples_whitening = self._whiten(self._reservoir.rows)

    def _finish_partial_fit(self, data):
        before = self._reservoir
        if before is None:
            before = Reservoir.empty(data.train.X)
        self._reservoir = before.add(data.train.X, draw_seed(self._rng))
        rows = self._reservoir.rows
        samples = RowSource(rows, self._sample_shape, data.train.dtype)
        kept = FitData(samples, None, None, samples)
        score = self._fit_anomaly_score(kept, self._rng)
        scores = self._score_source(score, samples, self._rng)
        vars(self).update(self._attributes(score, scores, calibrated=False))
        self._samples_whitening = self._whiten(rows)
        (low, high), before = data.summary.feature_ranges, self._feature_ranges
        if before is not None:
            low, high = np.fmin(low, before[0]), np.fmax(high, before[1])
        self._feature_ranges = np.array([low, high])

    def _attributes_in_training(self, data):
        rng = copy.deepcopy(self._rng)
        score = self._fit_anomaly_score(data, rng)
        # Folds are fitted at the end only.
        calibrated = data.calibration is not None and not data.calibrates_by_folds
        samples = data.calibration if calibrated else data.learnable
        reference_scores = self._score_source(score, samples, rng)
        # Means are enough until the end.
        others = {
            "_samples_whitening": self._whiten(self._centre[np.newaxis]),
            "_feature_ranges": data.summary.feature_ranges,
        }
        return self._attributes(score, reference_scores, calibrated) | others

    def _attributes(self, anomaly_score, reference_scores, calibrated, folds_scored=()):
        return {
            "_anomaly_score": anomaly_score,
            "_folds_scored": folds_scored,
            "_reference_scores": np.sort(reference_scores),
            "_is_calibrated": calibrated,
            "offset_": _choose_offset(
                anomaly_score, reference_scores, self.contamination, calibrated
            ),
        }

    def _score_kind(self):
        return "fused" if self.outlier_score == "auto" else self.outlier_score

    # Scores, by networks as they are.

    def _fit_anomaly_score(self, data, rng):
        """Fit the score to some of the samples that may be learned from."""
        samples = data.learnable
        drawn = draw_samples(len(samples), samples.X.shape[1], draw_seed(rng))
        rows = np.sort(samples.indices[drawn])
        X = samples.X[rows]
        score = TruncationScore(self._score_kind(), self._truncation_sizes(X))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            triple = self._triple(X, score.sizes)
            if data.outliers is None or not len(data.outliers):
                return score.fit(*triple)
            return LabelledScore(score).fit(
                *triple,
                data.is_normal[rows],
                self._triple(data.outliers, score.sizes),
                draw_seed(rng),
            )

    def _whiten(self, X):
        """Estimate mean and covariance of samples, unless they are images."""
        return None if len(self._sample_shape) > 1 else Whitening().fit(X)

    def _truncation_sizes(self, X):
        """Choose the numbers of components with which codes are scored."""
        if not self._codes_are_ordered:
            return [self.n_components_]
        size = count_components(X, TRUNCATED_SHARE)
        return sorted({min(size, self.n_components_), self.n_components_})

    def _triple(self, X, sizes, filled=None):
        """Return samples, their reconstructions by each truncation, and their codes.

        Of a table with categories, they have one value per column. If missing cells
        were filled already, the network is shown these samples.
        """
        Z = self._encode(X if filled is None else filled)
        X_hat = [self._decode(truncate(Z, size)) for size in sizes]
        if self._table is not None:
            pairs = [self._table.columns.compare(X, part) for part in X_hat]
            X, X_hat = pairs[0][0], [expected for _, expected in pairs]
        return X, X_hat, Z

    def _map_triples(self, function, score, X, indices=None):
        """Call a function of what `_triple` returns, part by part of the samples."""

        def call(part):
            return function(*self._triple(part, score.sizes))

        return self._map_parts(call, score, X, indices)

    def _map_parts(self, function, score, X, indices=None):
        """Call a function that computes a score, part by part of the samples."""

        def call(rows):
            part = X[rows if indices is None else indices[rows]]
            # Overflow means outliers, of which scores know.
            with (
                one_thread_each(),
                np.errstate(over="ignore", invalid="ignore", under="ignore"),
            ):
                return function(part)

        in_threads = score.is_thread_safe and self._fitted.run_in_numpy
        map_all = map_chunks if in_threads else map_in_order
        n_samples = len(X) if indices is None else len(indices)
        return map_all(call, n_samples, CHUNK_SAMPLES)

    def _score(self, anomaly_score, X, indices=None):
        parts = self._map_triples(anomaly_score.anomaly, anomaly_score, X, indices)
        return -np.concatenate(list(parts))

    def _score_source(self, anomaly_score, samples, rng):
        """Score the samples of a RowSource by which the threshold is chosen."""
        return self._score(
            anomaly_score, samples.X, _draw_judged(np.sort(samples.indices), rng)
        )

    _onnx_outputs = (
        *("encode", "reconstruct"),
        *("score_samples", "decision_function", "predict"),
    )

    def _write_outputs(self, writer, X, Z, outputs):
        written = {"encode": Z}
        if set(outputs) <= {"encode", "reconstruct"}:
            return written
        add, score = writer.add, self._anomaly_score
        X_hat = []
        for size in score.sizes:
            kept = (np.arange(self.n_components_) < size).astype(np.float32)
            X_hat.append(self._write_decoder(writer, add("Mul", Z, kept)))
        missing = add("IsNaN", X) if self._network_takes_missing else None
        scores = add("Neg", score.write_onnx(writer, X, X_hat, Z, missing))
        decision = add("Sub", scores, float(self.offset_))
        label = add("Where", add("Less", decision, 0.0), np.array(-1), np.array(1))
        return written | {
            "score_samples": scores,
            "decision_function": decision,
            "predict": label,
        }

    # Scores by detectors that were fitted without a fold.

    def _folds(self, samples, rng):
        hint = ", without labelled outliers" if self.use_labels else ""
        return split_folds(self.calibration, samples.X, partial(draw_seed, rng), hint)

    def _cross_score(self, data):
        """Score each sample by a detector that was fitted without its fold."""
        samples = data.calibration
        X, y, outliers = samples.X, None, []
        if data.outliers is not None:
            outliers = np.arange(len(X), len(X) + len(data.outliers))
            y = np.where(data.is_normal, NORMAL, UNKNOWN)
            y = np.append(y, np.full(len(outliers), OUTLIER))
            X = np.concatenate([X, data.outliers])
        X = self._present(X)
        X_val = self._present(data.val.X) if data.val_is_given else None
        folds_scored = []
        folds = self._folds(samples, self._rng)
        judged = _draw_judged(np.arange(len(samples)), self._rng)
        for i, (training, test) in enumerate(folds, start=1):
            if self.verbose:
                print(f"Fold {i}/{len(folds)}")
            fold = self._fold_detector()
            if y is None:
                labels = None
            else:
                training = np.append(training, outliers)
                labels = y[training]
            fold.fit(_safe_indexing(X, training), labels, X_val=X_val)
            test = np.intersect1d(test, judged)
            if len(test):
                scores = fold.score_samples(_safe_indexing(X, test))
                folds_scored.append((fold.drop_optimizer_state(), np.sort(scores)))
        return folds_scored

    def _fold_detector(self):
        # `clone` would hand on scikit-learn's callbacks, which watch this fit alone.
        return type(self)(
            **self.get_params(deep=False)
            | {
                "calibration": None,
                "contamination": "auto",
                "warm_start": False,
                "random_state": draw_seed(self._rng),
            }
        )

    # Public methods.

    def partial_fit(self, X, y=None):
        """Train for one pass over X, starting from the current weights.

        The first call builds the networks. Later calls continue with their weights and
        with the optimizer's state, at the learning rate that the parameters ask for.
        Nothing is held out for validation or calibration, and `callbacks` are not
        called. The threshold is chosen by the parameter `contamination`, also after
        `set_threshold`.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Training samples.
        y : None
            Ignored.

        Returns
        -------
        AutoencoderOutlierDetector
            This detector, trained for one more epoch.

        Raises
        ------
        ValueError
            As `fit`; also if X has another number of features than before, if
            parameters ask for other networks than there are, or if `use_labels` is
            True: labels of earlier batches are not kept.
        """
        if self.use_labels:
            raise ValueError(
                "partial_fit does not take labels, since it does not keep those of "
                "earlier batches, but use_labels=True. Call fit with all labelled "
                "samples, with warm_start=True to continue with the weights, or set "
                "use_labels=False."
            )
        return super().partial_fit(X, y)

    def fit_predict(self, X, y=None, **fit_params):
        """Fit to X, and predict whether its samples are inliers or outliers.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Training samples.
        y : array-like of shape (n_samples,), default=None
            Labels, as `fit` takes them.
        **fit_params : dict
            Further arguments of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), of int
            -1 for outliers, 1 for inliers.
        """
        if not is_lazy(X):
            check_in_memory(X, cure=USE_FIT)
        return self.fit(X, y, **fit_params).predict(X)

    def set_threshold(self, contamination):
        """Set the decision threshold for another contamination, without refitting.

        The parameter `contamination` stays as it is: the next `fit` or `partial_fit`
        chooses the threshold by that again. ``set_params(contamination=...)`` makes a
        choice last.

        Parameters
        ----------
        contamination : "auto" or float
            As the parameter of that name.

        Returns
        -------
        AutoencoderOutlierDetector
            This detector, with another `offset_`.

        Raises
        ------
        ValueError
            If `contamination` is neither "auto" nor in (0, 0.5], or so low that there
            are too few calibration samples for it.
        """
        check_is_fitted(self)
        validate_parameter_constraints(
            {"contamination": self._parameter_constraints["contamination"]},
            {"contamination": contamination},
            caller_name="set_threshold",
        )
        self.offset_ = _choose_offset(
            self._anomaly_score,
            self._reference_scores,
            contamination,
            self._is_calibrated,
        )
        return self

    @takes_lazy
    def score_samples(self, X):
        """Compute the anomaly score of each sample; the higher, the more normal.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to score.

        Returns
        -------
        ndarray of shape (n_samples,)
            The negative of the anomaly that `outlier_score` measures, in the dtype of
            X.
        """
        check_is_fitted(self)
        return self._score(self._anomaly_score, self._validate(X))

    @takes_lazy
    def decision_function(self, X):
        """Compute the anomaly score of each sample relative to the threshold.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to score.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``; negative values are outliers.
        """
        return self.score_samples(X) - self.offset_

    @takes_lazy
    def predict(self, X):
        """Predict whether each sample is an inlier (+1) or an outlier (-1).

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to judge.

        Returns
        -------
        ndarray of shape (n_samples,), of int
            -1 for outliers, 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def fit_resample(self, X, y):
        """Fit on X, and return the samples that are predicted as inliers.

        This makes the detector a sampler of imbalanced-learn: in its
        ``imblearn.pipeline.Pipeline``, outliers are removed from the training samples
        of the steps that follow, while all samples are predicted. `y` is not used for
        the fit.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Training samples, in memory.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of the steps that follow.

        Returns
        -------
        X_resampled : array-like of the type of X
            The samples without outliers, otherwise as they were.
        y_resampled : array-like of the type of y
            Their targets.

        Raises
        ------
        TypeError
            If X or y is a Dask collection, or X is read block by block otherwise.
        ValueError
            If there is no y, if X and y are of different lengths, or if `use_labels` is
            True.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderOutlierDetector
        >>> rng = np.random.RandomState(0)
        >>> x = rng.normal(size=(300, 1))
        >>> X = np.hstack([x, -x, 2 * x]) + rng.normal(scale=0.1, size=(300, 3))
        >>> y = x[:, 0] > 0
        >>> detector = AutoencoderOutlierDetector(contamination=0.1, random_state=0)
        >>> X_resampled, y_resampled = detector.fit_resample(X, y)
        >>> X_resampled.shape, y_resampled.shape
        ((270, 3), (270,))
        """
        if self.use_labels:
            raise ValueError(
                "fit_resample does not take labels of outliers, since y holds the "
                "targets of the steps that follow, but use_labels=True. Set "
                "use_labels=False, or call fit with the labels, and then predict."
            )
        if y is None:
            raise ValueError(
                "fit_resample needs y, the targets of the steps that follow, but y is "
                "None. Call fit_predict, and index X by what is 1."
            )
        check_in_memory(X, cure=USE_FIT)
        check_in_memory(y, "y")
        check_consistent_length(X, y)
        inliers = np.flatnonzero(self.fit(X).predict(X) == 1)
        return _safe_indexing(X, inliers), _safe_indexing(y, inliers)

    @available_if(_has_pvalues)
    @takes_lazy
    def predict_pvalue(self, X):
        """Compute conformal p-values [1]_.

        Available after a fit with `calibration`. The p-value of a sample is the share
        of calibration samples that score no higher, the sample itself counted among
        them. With a share of the samples held out for calibration, p-values of new
        normal samples are uniformly distributed on the multiples of one over the number
        of calibration samples plus one.

        With folds, p-values are cross-conformal [2]_: the sample is scored by the
        detector of each fold, and compared with the calibration samples of that fold
        only, so that all scores compared come from the same network. They are uniform
        in practice; what is guaranteed is that at most about ``2 * alpha`` of the
        normal samples have p-values of at most alpha [3]_. `predict` judges by the
        final network, and may therefore differ from ``predict_pvalue(X) <=
        contamination``, which it does not without folds.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to judge, none of which was used in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), of float64
            In (0, 1]; the lower, the more anomalous.

        References
        ----------
        .. [1] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for
           outliers with conformal p-values", Annals of Statistics 51 (2023), 149-178.
        .. [2] V. Vovk, "Cross-conformal predictors", Annals of Mathematics and
           Artificial Intelligence 74 (2015), 9-28.
        .. [3] R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani, "Predictive
           inference with the jackknife+", Annals of Statistics 49 (2021), 486-507.
        """
        if not self._folds_scored:
            scores = self.score_samples(X)
            return conformal_pvalues([(self._reference_scores, scores)])
        X = self._present(self._validate(X))
        return conformal_pvalues(
            (scores, fold.score_samples(X)) for fold, scores in self._folds_scored
        )

    @available_if(_has_pvalues)
    def select(self, X, *, fdr=0.1):
        """Select outliers such that the share of false ones is controlled.

        Available after a fit with `calibration`. The procedure of Benjamini and
        Hochberg [1]_ is applied to the p-values of `predict_pvalue` [2]_. The false
        discovery rate, that is the expected share of normal samples among those
        selected (0 if there are none), is then at most `fdr`, whatever the share of
        outliers in X: the more there are, the lower the threshold that they have to
        pass. In contrast to `predict`, the samples of X are therefore judged together.

        This holds if a share of the samples was held out as `calibration`, and the
        normal samples of X are independent of and distributed as those held out; with
        folds it is not proven, but observed. Outliers among the calibration samples
        make the selection smaller.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to judge, none of which was used in `fit`. A Dask collection is
            computed.
        fdr : float, default=0.1
            The false discovery rate, in (0, 1).

        Returns
        -------
        ndarray of shape (n_samples,), of bool
            Whether each sample is selected.

        Raises
        ------
        ValueError
            If there are fewer than ``1 / fdr - 1`` calibration samples, so that no
            p-value is as low as `fdr`.

        Warns
        -----
        UserWarning
            If no sample is selected, although more samples than expected score below
            all calibration samples: more of the latter could tell. Among m samples and
            with n calibration samples, ``m / (fdr * (n + 1))`` have to score below all.

        See Also
        --------
        predict : Judges each sample alone, by `offset_`.

        References
        ----------
        .. [1] Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate: a
           practical and powerful approach to multiple testing", Journal of the Royal
           Statistical Society B 57 (1995), 289-300.
        .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for
           outliers with conformal p-values", Annals of Statistics 51 (2023), 149-178.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderOutlierDetector
        >>> rng = np.random.RandomState(0)
        >>> x = rng.normal(size=(500, 1))
        >>> X = np.hstack([x, -x, 2 * x]) + rng.normal(scale=0.1, size=(500, 3))
        >>> detector = AutoencoderOutlierDetector(calibration=0.5, random_state=0)
        >>> new = X[400:] + [[0.0, 0.0, 3.0]] * (np.arange(100) < 10)[:, np.newaxis]
        >>> selected = detector.fit(X[:400]).select(new, fdr=0.1)
        >>> int(selected[:10].sum()), int(selected[10:].sum())
        (10, 1)
        """
        validate_parameter_constraints(
            {"fdr": [Interval(Real, 0, 1, closed="neither")]},
            {"fdr": fdr},
            caller_name="select",
        )
        pvalues = np.asarray(self.predict_pvalue(X))
        return select_pvalues(pvalues, fdr, n_calibration=len(self._reference_scores))

    @available_if(_has_pvalues)
    def test_drift(self, X):
        """Test whether a batch scores as the calibration samples do.

        Available after a fit with `calibration`. The two-sample test of Kolmogorov and
        Smirnov compares the distribution of the scores of X with that of the
        calibration samples. A small p-value means that the samples have changed as a
        whole, so that the decision threshold and p-values do not hold for them: fit
        again on newer samples. Single outliers hardly change it. Samples are assumed
        to be independent: of windows of one time series, p-values are too small.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples, none of which was used in `fit`. A Dask collection is computed.

        Returns
        -------
        scipy.stats result
            `statistic`: the largest difference of the two cumulative distributions, in
            [0, 1]; `pvalue`; `statistic_location`: the score at which they differ most;
            `statistic_sign`: 1 if more samples of X than of the calibration score lower
            than that, else -1. Each is of shape () and float64.

        See Also
        --------
        select : Which samples of a batch are outliers.
        scipy.stats.ks_2samp : The test.

        Notes
        -----
        With many samples, differences that do not matter have small p-values, too:
        consider `statistic`. With folds as `calibration`, each sample of X is scored by
        the network of one fold, since those of different networks differ.

        References
        ----------
        .. [1] S. Rabanser, S. Günnemann and Z. Lipton, "Failing loudly: an empirical
           study of methods for detecting dataset shift", NeurIPS 2019, 1396-1408.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderOutlierDetector
        >>> rng = np.random.RandomState(0)
        >>> X = rng.normal(size=(600, 1)) * [1, -1, 2] + rng.normal(size=(600, 3)) / 10
        >>> detector = AutoencoderOutlierDetector(calibration=0.5, random_state=0)
        >>> detector.fit(X[:400]).test_drift(X[400:]).pvalue > 0.05
        True
        >>> detector.test_drift(X[400:] + [0, 0, 0.2]).pvalue < 0.001
        True
        """
        scores = np.asarray(self._score_as_calibration(X))
        return ks_2samp(scores, self._reference_scores)

    @takes_lazy
    def _score_as_calibration(self, X):
        """Score each sample by one network, as calibration samples were.

        Networks of folds score as large shares of the samples as of those.
        """
        if not self._folds_scored:
            return self.score_samples(X)
        X = self._present(self._validate(X))
        ends = np.cumsum([len(scores) for _, scores in self._folds_scored])
        # Multiples of the golden ratio, modulo 1, are spread evenly.
        positions = np.arange(len(X)) * ((np.sqrt(5) - 1) / 2) % 1
        places = np.searchsorted(ends / ends[-1], positions, side="right")
        scores = np.empty(len(X))
        for i, (fold, _) in enumerate(self._folds_scored):
            rows = np.flatnonzero(places == i)
            if len(rows):
                scores[rows] = fold.score_samples(_safe_indexing(X, rows))
        return scores

    @takes_lazy
    def encode(self, X):
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
        return self._encode(self._validate(X))

    @takes_lazy
    def decode(self, codes):
        """Decode codes into samples.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            Codes, as `encode` returns them.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted, \
                or DataFrame
            The decoded samples, in the dtype of the codes; a table, if the detector was
            fitted on one with categories.

        Raises
        ------
        ValueError
            If the number of columns of the codes is not `n_components_`.
        """
        check_is_fitted(self)
        return self._decode_checked(codes)

    def explain(self, X, *, return_expected=False):
        """Attribute each sample's anomaly to its features.

        Each feature, or column of a table, is hidden in turn: the sample is scored as
        if that cell were missing. The more its anomaly falls, the more the cell
        contributes. So a wrong value is named even where it changes the code, and with
        it the residuals of all other features.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to explain.
        return_expected : bool, default=False
            Whether to return too what each value is expected to be by the others.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features_in_), or DataFrame
            Contribution of each feature, or column of a table. All are at least 0, and
            those of a sample sum to its ``-score_samples(X)``. Missing cells contribute
            0, unless all cells are missing. With labelled outliers, the anomaly is
            divided in proportion to what raises the odds of being an outlier. If X is a
            DataFrame of pandas or Polars, so are the contributions. Those of images are
            a flat map of pixels.
        expected : ndarray of the shape of X, or DataFrame
            Reconstruction of each cell from the others, where it was hidden; the
            ordinary reconstruction elsewhere. Values are clipped to the range of the
            training samples, except those of images and windows, where no cell is
            hidden. Only if `return_expected` is True.

        Raises
        ------
        ValueError
            If `outlier_score` is a callable, whose contributions are not known.

        Notes
        -----
        The anomaly is first divided directly: terms of residuals go to their features,
        and those of the code to features in proportion to the squared distance of the
        reconstruction from the mean training sample. The up to 8 features with the
        largest parts are then hidden in turn, and the sum of their parts is divided in
        proportion to the decreases in anomaly. Where no decrease is found, the direct
        division stays. The network is shown what is expected in a hidden cell given
        all others, under a normal distribution of at most 2,000 training samples. A
        sample thus takes about as long as 11 samples to score.

        Of images and windows, whose cells stand for each other, the direct division is
        returned.

        If two features are so strongly related that each can be predicted from the
        other only, it cannot be known which of them is wrong, and both contribute.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import StandardScaler
        >>> from skae import AutoencoderOutlierDetector
        >>> wine = load_wine(as_frame=True).data
        >>> scaler = StandardScaler().set_output(transform="pandas").fit(wine)
        >>> detector = AutoencoderOutlierDetector(random_state=0)
        >>> detector = detector.fit(scaler.transform(wine))
        >>> strange = wine[:1].assign(ash=4.5)
        >>> contributions = detector.explain(scaler.transform(strange))
        >>> contributions.shape
        (1, 13)
        >>> contributions.idxmax(axis=1).item()
        'ash'
        """
        check_is_fitted(self)
        attribute = partial(self._attribute, return_expected=return_expected)
        parts = self._map_parts(attribute, self._anomaly_score, self._validate(X))
        contributions, expected = zip(*parts, strict=True)
        names = getattr(X, "columns", ())
        contributions = frame_like(X, np.concatenate(contributions), names)
        if not return_expected:
            return contributions
        expected = np.concatenate(expected)
        is_flat = len(self._sample_shape) == 1
        if is_flat and self._feature_ranges is not None:  # as of earlier versions
            limits = np.nan_to_num(self._feature_ranges).astype(expected.dtype)
            expected = np.clip(expected, *limits)
        if self._table is not None:
            return contributions, self._table.decode(expected, index_of(X))
        return contributions, frame_like(X, expected.reshape(np.shape(X)), names)

    def _attribute(self, X, return_expected):
        """Divide the anomaly of samples among their columns; also expect their cells.

        The latter is done only if it is asked for.
        """
        score = self._anomaly_score
        if self._table is None:
            starts = owners = np.arange(X.shape[1])
        else:
            starts, owners = self._table.columns.starts, self._table.columns.owners
        expected = self._reconstruct(X)
        shifts = np.square(expected - (0 if self._centre is None else self._centre))
        shifts = np.sqrt(np.add.reduceat(shifts, starts, axis=1))
        missing = np.isnan(X[:, starts])
        triple = self._triple(X, score.sizes)
        divided = divide_directly(score.contributions(*triple), shifts, missing)
        # Files of version 0.1 cannot fill missing cells.
        if len(self._sample_shape) > 1 or self._centre is None:
            return divided, expected
        anomaly = score.anomaly(*triple).astype(np.float64)
        likely = self._expect_each(X, owners)
        order = np.argsort(-divided, axis=1, kind="stable")[:, :MAX_HIDDEN]
        decreases = np.empty(order.shape)
        for i, columns in enumerate(order.T):
            is_hidden = (owners == columns[:, np.newaxis]) & ~np.isnan(X)
            rest = np.where(is_hidden, np.nan, X)
            filled = np.where(is_hidden, likely, X)
            triple = self._triple(rest, score.sizes, filled)
            decreases[:, i] = anomaly - score.anomaly(*triple)
            if return_expected:
                expected[is_hidden] = self._reconstruct(filled)[is_hidden]
        decreases[np.take_along_axis(missing, order, axis=1)] = 0
        return divide_by_decreases(divided, order, decreases), expected

    def _expect_each(self, X, owners):
        """Return what is likely in each column of samples, given the others."""
        whitening = self._samples_whitening
        if whitening is None:  # files of earlier versions
            kept = self._reservoir
            whitening = self._whiten(self._centre[None] if kept is None else kept.rows)
        likely = whitening.expect_each(X, owners)
        if self._table is None:
            return likely
        return self._table.columns.clip_probabilities(likely)


def _choose_offset(anomaly_score, scores, contamination, calibrated):
    """Choose the decision threshold, by labels if they determine it."""
    if contamination == "auto" and anomaly_score.boundary is not None:
        return -anomaly_score.boundary
    return choose_threshold(scores, contamination, calibrated=calibrated)


def _draw_judged(indices, rng):
    """Draw the samples by whose scores the threshold is chosen: all, unless many."""
    if len(indices) <= MAX_THRESHOLD_SAMPLES:
        return indices
    return np.sort(rng.choice(indices, MAX_THRESHOLD_SAMPLES, replace=False))
