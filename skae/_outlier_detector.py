"""An autoencoder as an outlier detector."""

from numbers import Real

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import _BaseAutoencoder
from ._inference import CHUNK_ROWS
from .metrics import reconstruction_error


class AutoencoderOutlierDetector(OutlierMixin, _BaseAutoencoder):
    """Outlier detection with an autoencoder.

    A network is trained to give back its input through a narrow code. Rows unlike those
    that it learnt from come back badly, and the squared error says how badly.

    X is taken as it is: put a scaler in front where columns differ in scale.

    Parameters
    ----------
    n_components : int, default=None
        Size of the code. None is the square root of the number of features, rounded
        up, but less than that number where that is possible.
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
        Learning rate. None is the optimizer's own.
    epochs : int, default=200
        The most passes over the training rows.
    batch_size : int or "auto", default="auto"
        Rows of a batch. "auto" is the largest power of two that is at most a hundredth
        of the rows, but no less than 32 and no more than 256.
    validation_fraction : float, default=0.1
        Share of the rows held out, at random, to find the best epoch. None holds out
        none, and the last epoch's weights are kept.
    patience : int, default=10
        Epochs without a better validation loss before training stops. None runs all
        epochs; the best one's weights are kept in either case.
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
        share of the training rows that are taken for outliers. "auto" is the fence of
        Tukey's box plot on the training rows' reconstruction errors, in the unit of the
        data (the root of the squared error): 1.5 interquartile ranges above the upper
        quartile. If the errors were normally distributed, that would be 0.35 % of the
        rows.

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
        their standard error. Only with held-out rows, squared error, and an
        architecture that takes its first weights from the data.
    best_epoch_ : int
        The epoch whose weights were kept, the first being 1. It is 0 if no epoch was
        better than the weights that training began with.
    offset_ : float
        The score of the line: rows that score less are outliers. After `partial_fit` it
        is that of the rows of the last call.

    See Also
    --------
    AutoencoderTransformer : Gives the code.
    sklearn.ensemble.IsolationForest : Finds outliers with random trees.

    Notes
    -----
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
    .. [1] S. Hawkins, H. He, G. Williams and R. Baxter, "Outlier detection using
       replicator neural networks", DaWaK 2002, 170-180.
    .. [2] J. W. Tukey, "Exploratory data analysis", Addison-Wesley (1977).

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
    """

    _parameter_constraints: dict = {
        **_BaseAutoencoder._parameter_constraints,
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
    }

    def __init__(
        self,
        n_components=None,
        *,
        architecture=None,
        loss=None,
        optimizer=None,
        learning_rate=None,
        epochs=200,
        batch_size="auto",
        validation_fraction=0.1,
        patience=10,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        contamination="auto",
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

    def _default_n_components(self, n_features):
        return max(1, min(int(np.ceil(np.sqrt(n_features))), n_features - 1))

    def _finish_fit(self, X, rows_val):
        scores = self._score_samples(X)
        if self.contamination == "auto":
            lower, upper = np.percentile(np.sqrt(-scores), [25, 75])
            offset = -((upper + 1.5 * (upper - lower)) ** 2)
        else:
            offset = np.percentile(scores, 100 * self.contamination)
        self.offset_ = float(offset)

    def score_samples(self, X):
        """Give the negative squared reconstruction error of each row.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Rows to judge.

        Returns
        -------
        ndarray of shape (n_samples,)
            The scores, in the dtype of X: the higher, the more normal.
        """
        check_is_fitted(self)
        return self._score_samples(self._validate(X, reset=False))

    def _score_samples(self, X):
        scores = np.empty(len(X), X.dtype)
        for rows in gen_batches(len(X), CHUNK_ROWS):
            scores[rows] = -reconstruction_error(X[rows], self._reconstruct(X[rows]))
        return scores

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
