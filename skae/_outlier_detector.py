"""An autoencoder as an outlier detector."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import _BaseAutoencoder
from ._outliers._ensemble import CutScores
from ._outliers._scores import draw_rows
from ._outliers._thresholds import ReferenceScores, conformal_pvalues
from ._pca import count_components
from ._random import draw_seed

# Shares of the variance that PCA keeps with as many components as the code has, and
# with as many as its shorter cut has.
CODE_SHARE = 0.9
CUT_SHARE = 0.5


def _is_calibrated(detector):
    """Whether there are scores to calibrate by; an AttributeError says why not."""
    if hasattr(detector, "_reference"):
        calibrated = detector._reference.calibrated
    else:
        calibrated = detector.calibration is not None or detector.cv is not None
    if calibrated:
        return True
    raise AttributeError(
        "predict_pvalue needs scores of rows that the network was not trained on. Fit "
        "with calibration=0.2 or cv=5; partial_fit has none."
    )


class AutoencoderOutlierDetector(OutlierMixin, _BaseAutoencoder):
    """Outlier detection with an autoencoder.

    A network is trained to give back its input through a narrow code [1]_. A row is an
    outlier if it comes back badly, if its code is far from those of other rows, or if
    it has no near neighbours there: the default score fuses the three.

    X is taken as it is: put a scaler in front where columns differ in scale, such as
    :class:`~sklearn.preprocessing.StandardScaler`.

    Parameters
    ----------
    n_components : int, default=None
        Size of the code. None is the one that the architecture brings, as a Keras model
        of your own does, else as many as the components that PCA needs for 90 % of the
        variance of the training rows, but fewer than there are features.
    architecture : BaseArchitecture, default=None
        The network. None is ``DenseArchitecture()``. Its parameters are reached as
        ``architecture__hidden_layer_sizes`` and so on.
    loss : str, callable or keras.losses.Loss, default=None
        What training minimizes: the name of a Keras loss, or a loss of your own. None
        is mean squared error. A cross-entropy needs data in [0, 1].
    optimizer : str or keras.optimizers.Optimizer, default=None
        The name of a Keras optimizer, or an instance, which is copied for each fit.
        None is Adam.
    learning_rate : float, default=None
        Learning rate. None is as for :class:`AutoencoderTransformer`.
    epochs : int, default=15
        The most passes over the training rows. Dense networks start from PCA and need
        few; others may need more.
    batch_size : int or "auto", default="auto"
        Rows of a batch. "auto" is the largest power of two that is at most a hundredth
        of the rows, but no less than 32 and no more than 256.
    validation_fraction : float, default=None
        Share of the rows held out, at random, to find the best epoch. None holds out
        none, and the last epoch's weights are kept: outliers show best on rows that a
        network has not quite learnt.
    patience : int, "auto" or None, default="auto"
        As in :class:`AutoencoderTransformer`, where there are rows to validate on.
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
    contamination : "auto" or float, default="auto"
        Where the line is between outliers and the rest. A float in (0, 0.5] is the
        share of the training rows that are taken for outliers; with `calibration` or
        `cv` it is the share of false alarms among new normal rows. "auto" is where the
        cube root of the anomaly is 3 standard deviations above its median, the standard
        deviation being estimated from the median absolute deviation [4]_ [5]_: 0.13 %
        of the rows, were anomalies distributed as chi-squared. Real ones have heavier
        tails, and some 3 % of normal rows are beyond it.
    outlier_score : {"auto", "reconstruction", "residual", "code", "neighbors", \
            "fused"} or callable, default="auto"
        What makes a row an outlier; `score_samples` is its negative. It has nothing to
        do with `loss`.

        - "reconstruction" is the squared reconstruction error.
        - "residual" is the squared Mahalanobis distance of the residual from those of
          training rows: errors count by how unusual they are.
        - "code" is the same for the code.
        - "neighbors" is the distance to the fifth neighbour [3]_ among the
          whitened codes of training rows, at most 10,000 of them.
        - "fused" is the sum of the latter three, each divided by its mean over the
          three quarters of the training rows with the lowest. Where the architecture
          can order codes, it is the mean of two such sums: that of all codes, and that
          of the first few alone, as many as PCA needs for half of the variance. The
          network is then trained by nested dropout [2]_, so that the first codes
          reconstruct as well as they can.
        - "auto" is "fused".
        - A function is called with rows, reconstructions and codes, as arrays of shape
          (n_samples, n_features), (n_samples, n_features) and (n_samples,
          n_components), a part of the rows at a time. It returns one number a row: the
          higher, the more anomalous.
    calibration : float, default=None
        Share of the rows that the network is not trained on, and whose scores give
        `offset_` and p-values by split conformal prediction [6]_: of new normal rows,
        `contamination` are taken for outliers, or barely fewer, in the mean over
        calibrations. This holds if the rows held out are normal. With `warm_start`,
        pass an int as `random_state` to hold out the same rows again.
    cv : int, default=None
        Number of folds, in place of `calibration`: each row is scored by a network that
        was trained without its fold, and the final network is trained on all rows. It
        takes as many more fits and wastes no rows, but the rate of false alarms is only
        nearly the one asked for.

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
        As of :class:`AutoencoderTransformer`, where rows were held out.
    best_epoch_ : int
        The epoch whose weights were kept, the first being 1. It is 0 if no epoch was
        better than the weights that training began with.
    offset_ : float
        The score of the line: rows that score less are outliers.

    See Also
    --------
    AutoencoderTransformer : Gives the code.
    sklearn.ensemble.IsolationForest : Finds outliers with random trees.

    Notes
    -----
    Rows of the fit are scored as new rows are: no row is its own neighbour. But the
    network may have learnt outliers among them: where there are many, fit on rows that
    are known to be normal.

    After `partial_fit`, distances, neighbours and `offset_` are those of the rows of
    the last call, without calibration: let them be many.

    Covariances are Ledoit and Wolf's, estimated again without the rows that are far
    out. They and neighbours are computed from 10,000 rows at most, drawn at random, or
    fewer where there are more than 400 features, but not fewer than 2,000. Above 2,048
    columns only variances are used.

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
    >>> detector.explain([[1.0, 1.0, -2.0]]).shape  # three features, one code
    (1, 4)
    """

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
        "calibration": [Interval(Real, 0, 1, closed="neither"), None],
        "cv": [Interval(Integral, 2, None, closed="left"), None],
    }

    def __init__(
        self,
        n_components=None,
        *,
        architecture=None,
        loss=None,
        optimizer=None,
        learning_rate=None,
        epochs=15,
        batch_size="auto",
        validation_fraction=None,
        patience="auto",
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        contamination="auto",
        outlier_score="auto",
        calibration=None,
        cv=None,
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
        self.contamination = contamination
        self.outlier_score = outlier_score
        self.calibration = calibration
        self.cv = cv

    def _default_n_components(self, rows):
        drawn = draw_rows(len(rows), self.n_features_in_, draw_seed(self._rng))
        X = rows.take(rows.indices[drawn])
        count = count_components(X.reshape(len(X), -1), CODE_SHARE)
        return max(1, min(count, X[0].size - 1))

    def _score_kind(self):
        return "fused" if self.outlier_score == "auto" else self.outlier_score

    def _orders_codes(self, architecture):
        return self._score_kind() == "fused" and architecture.orders_codes

    def _finish_fit(self, data, warm):
        X, held_out, scores = data.learnable.X, None, None
        training = data.learnable.indices
        drawn = draw_rows(len(training), X.shape[1], draw_seed(self._rng))
        X_drawn = X[training[drawn]] if len(drawn) < len(X) else X
        self._scores = CutScores(self._score_kind(), self._cuts(X_drawn))
        self._scores.fit(X_drawn, self._encode, self._decode)
        calibrated = scores is not None or held_out is not None
        if scores is None:
            scores = self._score_samples(X if held_out is None else X[held_out])
        self._reference = ReferenceScores(scores, calibrated)
        self.offset_ = self._reference.threshold(self.contamination)

    def _cuts(self, X):
        """Choose the numbers of codes that are scored."""
        if not self._build_arguments["ordered"]:
            return [self.n_components_]
        cut = count_components(X, CUT_SHARE)
        return sorted({min(cut, self.n_components_), self.n_components_})

    def set_threshold(self, contamination):
        """Move the line between outliers and the rest, without training.

        The parameter `contamination` stays as it is, for the next fit.

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
            If `contamination` is neither "auto" nor in (0, 0.5], or asks for a smaller
            share than there are rows to calibrate with.
        """
        check_is_fitted(self)
        validate_parameter_constraints(
            {"contamination": self._parameter_constraints["contamination"]},
            {"contamination": contamination},
            caller_name="set_threshold",
        )
        self.offset_ = self._reference.threshold(contamination)
        return self

    def score_samples(self, X):
        """Score each row: the higher, the more normal.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to judge.

        Returns
        -------
        ndarray of shape (n_samples,)
            The negative `outlier_score` of each, in the dtype of X.
        """
        check_is_fitted(self)
        return self._score_samples(self._validate(X, reset=False))

    def _score_samples(self, X):
        return -self._scores.anomaly(X, self._encode, self._decode)

    def decision_function(self, X):
        """Give the score of each row, counted from the line.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to judge.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: outliers are below 0.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Say which rows are outliers.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to judge.

        Returns
        -------
        ndarray of shape (n_samples,), of int
            -1 for outliers, 1 for the rest.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @available_if(_is_calibrated)
    def predict_pvalue(self, X):
        """Say how likely a normal row is to score as low as each row of X.

        Available after a fit with `calibration` or `cv`. P-values of new normal rows
        are uniformly distributed, on the steps of one over the number of scores to
        compare with, plus one.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to judge, none of which was fitted on.

        Returns
        -------
        ndarray of shape (n_samples,), of float64
            In (0, 1]; the lower, the more anomalous.
        """
        scores = self.score_samples(X)
        return conformal_pvalues(self._reference.scores, scores)

    def explain(self, X, *, return_reconstruction=False):
        """Say what makes the score of each row.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to explain.
        return_reconstruction : bool, default=False
            Whether to give the reconstruction too: what would have been normal.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features + n_components), or \
                DataFrame
            What each feature and then each code adds to the anomaly of a row: none is
            negative, and each row's sum to ``-score_samples(X)``. Features count by
            their residuals. Codes have columns, called ``code0`` and so on, where
            `outlier_score` counts them: not for "reconstruction" and "residual". A
            DataFrame if X is a :class:`pandas.DataFrame`. Of images, the first
            `n_features_in_` columns are a map of pixels, as one row.
        reconstruction : ndarray of the shape of X, or DataFrame
            From all codes. Only with ``return_reconstruction=True``.

        Raises
        ------
        ValueError
            If `outlier_score` is a function: what adds up to it is not known.
        """
        check_is_fitted(self)
        rows = self._validate(X, reset=False)
        parts = self._scores.contributions(rows, self._encode, self._decode)
        names = list(getattr(X, "columns", ()))
        contributions = parts.features
        if self._scores.count_codes:
            contributions = np.hstack(parts)
            names += [f"code{i}" for i in range(self.n_components_)]
        contributions = _frame_like(X, contributions, names)
        if not return_reconstruction:
            return contributions
        reconstruction = self._reconstruct(rows).reshape(np.shape(X))
        return contributions, _frame_like(X, reconstruction, getattr(X, "columns", ()))


def _frame_like(X, values, columns):
    """Make a DataFrame of values if X is one.

    Parameters
    ----------
    X : array-like
        What a user gave.
    values : ndarray of shape (n_samples, n_columns)
        What comes of it.
    columns : list of str
        Names of the columns.

    Returns
    -------
    ndarray or pandas.DataFrame
        The values, with the index of X if that has one.
    """
    if not hasattr(X, "iloc"):
        return values
    import pandas as pd

    return pd.DataFrame(values, columns=columns, index=X.index)
