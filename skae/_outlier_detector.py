"""An autoencoder as an outlier detector."""

import copy
import warnings
from numbers import Integral, Real
from zlib import crc32

import numpy as np
from sklearn.base import OutlierMixin
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
from ._formats import USE_FIT, FitData, RowSource, check_in_memory, is_lazy
from ._inference import FittedNetworks
from ._outliers._calibration import (
    CrossFitted,
    HeldOut,
    Reference,
    draw_judged,
    make_plan,
    reference_from_dict,
)
from ._outliers._ensemble import TruncationScore
from ._outliers._explainer import Explainer
from ._outliers._labels import NORMAL, OUTLIER, LabelledScore, check_labels
from ._outliers._reservoir import Reservoir
from ._outliers._scorer import NetworkScorer
from ._outliers._scores import draw_samples, score_from_dict
from ._outliers._thresholds import (
    calibration_size,
    check_calibration_size,
    select_pvalues,
)
from ._pca import count_components
from ._random import draw_seed
from .parallel import takes_lazy

# Share of the variance that PCA keeps with as many components as the truncated code.
TRUNCATED_SHARE = 0.5


def _has_pvalues(detector):
    """Check for calibration scores; an AttributeError says why there are none."""
    fitted = vars(detector).get("_reference")
    calibrated = detector.calibration is not None
    if calibrated if fitted is None else fitted.is_calibrated:
        return True
    raise AttributeError(
        "predict_pvalue, select_outliers and test_drift need scores of samples that "
        "the network was not trained on. Fit with calibration=0.2 or calibration=5, or "
        "call partial_fit with calibration=0.2."
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
    n_components : int, float or None, default=None
        Number of latent components. A float between 0 and 1 is a share of the variance
        of the training samples: there are as many components as PCA needs for it, but
        fewer than there are features. None takes the number that the architecture sets,
        as a Keras model of your own does, else the share 0.9.
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
        Where samples repeat a few patterns, as with few categories, bits or counts, no
        more of them are beyond than have an anomaly that hardly any other sample has,
        and 3 % of all: what many samples share is not reported.
        If anomalies followed a chi-squared distribution, 0.13 % of the samples would be
        beyond. Real ones have heavier tails, so more are, see :ref:`limits`;
        `calibration` and a float control the rate.
        With labelled outliers, see `use_labels`, "auto" places the threshold where a
        sample is as likely to be an outlier as to be normal, if both were equally
        frequent.
    outlier_score : {"reconstruction", "residual", "code", "neighbors", "fused"} or \
            callable, default="fused"
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
          out the same samples again; there is a warning where others are. `partial_fit`
          holds out this share of each batch.
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
        "loss", "val_loss" where there are validation samples, "learning_rate" at the
        beginning of an epoch, and numbers that `callbacks` add to the logs: one value
        per epoch, NaN where there is none. `partial_fit` validates nothing.
    n_iter_ : int
        Number of epochs run.
    best_epoch_ : int
        The epoch whose weights were kept, the first being 1. It is 0 if the weights
        before the first epoch were kept.
    validation_score_ : float or None
        R² of the validation samples by the weights that were kept, see
        :func:`~skae.metrics.reconstruction_r2_score`; with categories, the share of the
        deviance. None without validation samples and after `partial_fit`; NaN for a
        single one. Where the network learns from missing cells, some observed cells are
        hidden from it here.
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
    present network from a uniform sample of all samples so far: at most 10,000, and
    fewer with more than 100 features. Of those of `fit`, at most 2,000 are kept for
    that, and fewer with more than 125 features. With a share as `calibration`, another
    such sample is kept of those that were held out, which no call learns from: the
    present network scores them, and threshold and p-values hold for new samples that
    are distributed as all samples so far. At least as many are kept as `contamination`
    needs. Detectors of folds would have to be trained on too, so that `partial_fit`
    refuses folds and splitters.

    At the end of an epoch, where scikit-learn's callbacks are given a fitted detector,
    calibration by folds has not taken place.

    Folds of a table with categories share the categories that all samples have.

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

    _default_n_components = 0.9
    # Dense networks start from PCA and need few.
    _auto_epochs = (1, 15)

    # Samples that `partial_fit` goes on from: those learned from, and those that were
    # held out for calibration.
    _reservoir = _calibration_reservoir = None
    # Which samples of the last `fit` were held out, to tell whether they are the same.
    _held_out = None
    _from_dicts = _BaseAutoencoder._from_dicts | {
        "_anomaly_score": lambda state, _: score_from_dict(state),
        "_explainer": lambda state, _: Explainer.from_dict(state),
        "_reference": lambda state, detector: reference_from_dict(
            state, detector._format.columns, detector._networks_of
        ),
        "_reservoir": lambda state, _: Reservoir(**state),
        "_calibration_reservoir": lambda state, _: Reservoir(**state),
    }

    _parameter_constraints: dict = {
        **_BaseAutoencoder._parameter_constraints,
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "outlier_score": [
            StrOptions({"reconstruction", "residual", "code", "neighbors", "fused"}),
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
        outlier_score="fused",
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
                'Choose a name, such as outlier_score="fused".'
            )
        y = check_labels(y, X)
        is_outlier = y == OUTLIER
        return X[~is_outlier], X[is_outlier], y[~is_outlier] == NORMAL

    @property
    def _plan(self):
        hint = ", without labelled outliers" if self.use_labels else ""
        return make_plan(self.calibration, hint)

    def _hold_out(self, samples):
        return self._plan.hold_out(samples, self.contamination, self._rng)

    def _hold_out_of_batch(self, samples):
        is_first = self._calibration_reservoir is None
        return self._plan.hold_out_of_batch(
            samples, self.contamination, self._rng, is_first=is_first
        )

    def _count_components(self, train, share):
        drawn = draw_samples(len(train), train.X.shape[1], draw_seed(self._rng))
        X = train.take(train.indices[drawn]).reshape(len(drawn), -1)
        return max(1, min(count_components(X, share), X.shape[1] - 1))

    def _orders_codes(self, architecture):
        return self.outlier_score == "fused" and "ordered" in architecture.supports

    def _finish_fit(self, data, warm, interrupted=False):
        if self.verbose:
            print("Fitting the anomaly score and the threshold")
        scorer = self._fit_scorer(data, self._rng)
        reference = self._score_reference(scorer, data, interrupted)
        vars(self).update(self._attributes(scorer, reference))
        samples = data.learnable
        # Validation samples are learned from here, but a stream leaves them out.
        n_samples = len(data.trained_on) + len(samples) - len(data.train)
        self._reservoir = Reservoir.draw(
            samples.X, samples.indices, n_samples, draw_seed(self._rng)
        )
        self._explainer = self._fit_explainer(
            self._reservoir.rows, data.summary.feature_ranges
        )
        self._calibration_reservoir = None
        if self._plan.keeps_calibrating:
            samples = data.calibration
            # As if the same share of a stream had been held out.
            n_samples = round(len(samples) * len(data.trained_on) / len(data.train))
            self._calibration_reservoir = Reservoir.draw(
                samples.X,
                samples.indices,
                n_samples,
                draw_seed(self._rng),
                calibration_size(self.contamination),
            )
        self._check_held_out(data, warm)

    def _score_reference(self, scorer, data, interrupted):
        """Score the samples by which the threshold is chosen."""
        if not data.calibrates_by_folds:
            return self._score_held_out(scorer, data, self._rng)
        if not interrupted:
            return CrossFitted(self._cross_score(data))
        # Who interrupts a fit does not want to wait for those of the folds.
        warnings.warn(
            f"The fit was interrupted before calibration={self.calibration!r}: the "
            "threshold is chosen by training samples, and there are no p-values.",
            UserWarning,
            stacklevel=6,
        )
        return Reference(_score_source(scorer, data.learnable, self._rng))

    def _score_held_out(self, scorer, data, rng):
        """Score what was held out; without that, what is learned from."""
        if data.calibration is None or data.calibrates_by_folds:
            return Reference(_score_source(scorer, data.learnable, rng))
        return HeldOut(_score_source(scorer, data.calibration, rng))

    def _check_held_out(self, data, warm):
        """Warn if samples may be held out now that the weights were trained on."""
        before, self._held_out = self._held_out, None
        if data.calibration is None or data.calibrates_by_folds:
            return
        indices = np.sort(data.calibration.indices)
        self._held_out = len(data.calibration.X), crc32(indices.astype(np.int64))
        if warm and self._held_out != before:
            warnings.warn(
                "warm_start=True continues with weights that may have been trained on "
                "samples that are held out for calibration now, so that more new "
                "samples than promised would be predicted as outliers. Fit on the same "
                "samples with an int as random_state, which holds out the same ones "
                "again, or go on by partial_fit, or set warm_start=False. Where no "
                "sample of X was trained on before, this can be ignored.",
                UserWarning,
                stacklevel=6,
            )

    def _finish_partial_fit(self, data):
        X, kept = data.train.X, self._reservoir
        kept = Reservoir.empty(X) if kept is None else kept
        self._reservoir = kept.add(X, data.train.indices, draw_seed(self._rng))
        samples = self._kept_samples(self._reservoir, data)
        scorer = self._fit_scorer(FitData(samples, None, None, samples), self._rng)
        kept, self._held_out = self._calibration_reservoir, None
        self._calibration_reservoir, kind = None, Reference
        if data.calibration is not None:
            kept = Reservoir.empty(X) if kept is None else kept
            seed, needed = draw_seed(self._rng), calibration_size(self.contamination)
            kept = kept.add(X, data.calibration.indices, seed, needed)
            check_calibration_size(len(kept.rows), self.contamination)
            samples, self._calibration_reservoir = self._kept_samples(kept, data), kept
            kind = HeldOut
        reference = kind(_score_source(scorer, samples, self._rng))
        vars(self).update(self._attributes(scorer, reference))
        ranges, before = data.summary.feature_ranges, vars(self).get("_explainer")
        if before is not None:
            ranges = before.widened(ranges)
        self._explainer = self._fit_explainer(self._reservoir.rows, ranges)

    def _kept_samples(self, reservoir, data):
        return RowSource(reservoir.rows, self._format.shape, data.train.dtype)

    def _attributes_in_training(self, data):
        rng = copy.deepcopy(self._rng)
        scorer = self._fit_scorer(data, rng)
        # Folds are fitted at the end only.
        reference = self._score_held_out(scorer, data, rng)
        # Means are enough until the end.
        centre, ranges = self._fitted.centre, data.summary.feature_ranges
        explainer = self._fit_explainer(centre[np.newaxis], ranges)
        return self._attributes(scorer, reference) | {"_explainer": explainer}

    def _attributes(self, scorer, reference):
        boundary = scorer.score.boundary
        return {
            "_anomaly_score": scorer.score,
            "_reference": reference,
            "offset_": reference.choose_threshold(self.contamination, boundary),
        }

    # Scores, by networks as they are.

    @property
    def _scorer(self):
        return NetworkScorer(self._fitted, self._format.columns, self._anomaly_score)

    def _fit_scorer(self, data, rng):
        """Fit the score to some of the samples that may be learned from."""
        samples = data.learnable
        drawn = draw_samples(len(samples), samples.X.shape[1], draw_seed(rng))
        rows = np.sort(samples.indices[drawn])
        X = samples.X[rows]
        score = TruncationScore(self.outlier_score, self._truncation_sizes(X))
        scorer = NetworkScorer(self._fitted, self._format.columns, score)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            triple = scorer.triple(X)
            if data.outliers is None or not len(data.outliers):
                score.fit(*triple)
                return scorer
            outliers, seed = scorer.triple(data.outliers), draw_seed(rng)
            labelled = LabelledScore(score)
            labelled.fit(*triple, data.is_normal[rows], outliers, seed)
        return NetworkScorer(self._fitted, self._format.columns, labelled)

    def _fit_explainer(self, X, ranges):
        return Explainer.fit(X, ranges, can_hide_cells=self._format.can_hide_cells)

    def _truncation_sizes(self, X):
        """Choose the numbers of components with which codes are scored."""
        if not self._codes_are_ordered:
            return [self.n_components_]
        size = count_components(X, TRUNCATED_SHARE)
        return sorted({min(size, self.n_components_), self.n_components_})

    _onnx_outputs = (
        *("encode", "reconstruct"),
        *("score_samples", "decision_function", "predict"),
    )

    def _write_outputs(self, writer, X, Z, outputs):
        written = {"encode": Z}
        if set(outputs) <= {"encode", "reconstruct"}:
            return written
        may_miss = "missing" in self.architecture_.supports
        scores = self._scorer.write_onnx(writer, X, Z, may_miss=may_miss)
        decision = writer.add("Sub", scores, float(self.offset_))
        # Of NaN, no comparison is true.
        is_inlier = writer.add("GreaterOrEqual", decision, 0.0)
        label = writer.add("Where", is_inlier, np.array(1), np.array(-1))
        return written | {
            "score_samples": scores,
            "decision_function": decision,
            "predict": label,
        }

    # Scores by detectors that were fitted without a fold.

    def _cross_score(self, data):
        """Score each sample by a detector that was fitted without its fold."""
        samples = data.calibration
        folds_scored = []
        folds = self._plan.split(samples, self._rng)
        judged = draw_judged(np.arange(len(samples)), self._rng)
        for i, (training, test) in enumerate(folds, start=1):
            if self.verbose:
                print(f"Fold {i}/{len(folds)}")
            fold = self._fold_detector()
            fold._fit_as_fold(self, data, training)
            test = np.intersect1d(test, judged)
            if len(test):
                scores = fold._scorer.score_samples(samples.X, test)
                folds_scored.append((fold._scorer, np.sort(scores)))
        return folds_scored

    def _networks_of(self, state):
        """Make networks of a fold from their state."""
        return FittedNetworks.from_state(self.architecture_, state)

    def _fit_as_fold(self, detector, data, indices):
        """Fit to some of the validated samples of another detector's fit.

        Tables are encoded as there, by categories of all samples: nothing is decoded.
        """
        for name in ("n_features_in_", "_format"):
            setattr(self, name, getattr(detector, name))
        self._rng = self._new_rng()
        like, validation = data.calibration, None
        if data.val_is_given:
            validation = RowSource(data.val.X, like.sample_shape, like.dtype)
        samples = RowSource(like.X[indices], like.sample_shape, like.dtype)
        is_normal = None if data.is_normal is None else data.is_normal[indices]
        parts = self._split(samples, validation, samples.summary)
        part = FitData(*parts, data.outliers, is_normal)
        loss = self._begin(part, warm=False)
        options = self._training_options(part, loss)
        if self._fit_networks(part, loss, options):
            raise KeyboardInterrupt

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
        The state is kept between calls of this method only: after `fit`, the optimizer
        is a new one. Nothing is held out for validation, `callbacks` are not called,
        and `max_time` does not apply. The threshold is chosen by the parameter
        `contamination`, also after `set_threshold`.

        With a share as `calibration`, that share of X is held out, at random, and joins
        the samples that were held out before: threshold and p-values are those of the
        present network. Of a single sample none is held out. The first call needs as
        many samples as `fit` does.

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
            parameters ask for other networks than there are, if `calibration` is a
            number of folds or a splitter, or if `use_labels` is True: labels of earlier
            batches are not kept.
        """
        if self.use_labels:
            raise ValueError(
                "partial_fit does not take labels, since it does not keep those of "
                "earlier batches, but use_labels=True. Call fit with all labelled "
                "samples, with warm_start=True to continue with the weights, or set "
                "use_labels=False for a score and a threshold without labels."
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
        boundary = self._anomaly_score.boundary
        self.offset_ = self._reference.choose_threshold(contamination, boundary)
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
        return self._scorer.score_samples(self._validate(X))

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

    @available_if(_has_pvalues)
    @takes_lazy
    def predict_pvalue(self, X):
        """Compute conformal p-values [1]_.

        Available after a fit with `calibration`, also by `partial_fit`. The p-value of
        a sample is the share
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
        scores = self._score_by_networks(X)
        return self._reference.pvalues(scores)

    @takes_lazy
    def _score_by_networks(self, X):
        """Score samples by each network that calibration samples were scored by."""
        check_is_fitted(self)
        return self._reference.score_by_networks(self._scorer, self._validate(X))

    @available_if(_has_pvalues)
    def select_outliers(self, X, *, fdr=0.1):
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
        >>> selected = detector.fit(X[:400]).select_outliers(new, fdr=0.1)
        >>> int(selected[:10].sum()), int(selected[10:].sum())
        (10, 1)
        """
        validate_parameter_constraints(
            {"fdr": [Interval(Real, 0, 1, closed="neither")]},
            {"fdr": fdr},
            caller_name="select_outliers",
        )
        pvalues = np.asarray(self.predict_pvalue(X))
        return select_pvalues(pvalues, fdr, n_calibration=len(self._reference.scores))

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
        select_outliers : Which samples of a batch are outliers.
        scipy.stats.ks_2samp : The test.

        Notes
        -----
        With many samples, differences that do not matter have small p-values, too:
        consider `statistic`. Samples whose scores are equal, as of repeated rows, make
        p-values larger. With folds as `calibration`, the calibration samples are scored
        by different networks: those of X are scored by each of them, and count as many
        times as there are folds, with weights that sum to one. Their order does not
        matter.

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
        scores = self._score_by_networks(X)
        return self._reference.test_drift(scores)

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
        return self._fitted.encode(self._validate(X))

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
        contributions, expected = self._explainer.explain(
            self._scorer, self._validate(X), return_expected=return_expected
        )
        contributions = self._format.contributions(X, contributions)
        if not return_expected:
            return contributions
        return contributions, self._format.expected(X, expected)


def _score_source(scorer, samples, rng):
    """Score the samples of a RowSource by which the threshold is chosen."""
    return scorer.score_samples(samples.X, draw_judged(np.sort(samples.indices), rng))
