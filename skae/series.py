"""Outlier detection in time series: a score for every time step."""

import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import find_peaks
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ._formats._frames import frame_like, is_frame, refuse_dates
from ._outlier_detector import AutoencoderOutlierDetector
from ._outliers._thresholds import check_calibration_size, choose_threshold

__all__ = ["WindowedOutlierDetector"]

# Share of the anomaly of a window that goes to the steps by their contributions; the
# rest is spread evenly. Enough for spikes, and little for faults of many steps.
_LOCAL_SHARE = 0.05
# Limits of the window length "auto", and that of a series without a period.
_SHORTEST, _LONGEST, _WITHOUT_PERIOD = 32, 128, 96
# Neighbouring windows are alike: more of them, or of numbers in them, hardly add.
_MAX_TRAINING_WINDOWS, _MAX_TRAINING_SIZE = 10_000, 2_000_000
# Numbers of a part of the windows that is copied to be scored.
_PART_SIZE = 1_000_000
# Where times differ by more than so many typical differences, steps are missing.
_GAP = 1.5


def _can_explain(meta):
    """Check for contributions of channels."""
    detector = vars(meta).get("detector_", meta.detector)
    return detector is None or _explains(detector)


def _explains(detector):
    """Check for a detector that divides its anomaly among the cells of a sample."""
    is_named = not callable(getattr(detector, "outlier_score", None))
    return hasattr(detector, "explain") and is_named


class WindowedOutlierDetector(MetaEstimatorMixin, OutlierMixin, BaseEstimator):
    """Outlier detection in time series, by any outlier detector of windows.

    Samples are time steps, in their order, and features are channels. The channels are
    standardized, overlapping windows of consecutive steps are cut, and the detector is
    fitted on them. The score of a step is computed from the scores of the windows that
    hold it.

    Read more in the :ref:`User Guide <sensors>`.

    Parameters
    ----------
    detector : estimator, default=None
        Outlier detector with `fit` and `score_samples`, such as
        :class:`~skae.AutoencoderOutlierDetector` or
        :class:`~sklearn.ensemble.IsolationForest`. None is
        ``AutoencoderOutlierDetector()``. It is cloned, and given windows of shape
        (n_windows, window_length, n_channels) if its tags say that it takes
        three-dimensional arrays, else flat windows. Its own threshold is not used.
    window_length : int or "auto", default="auto"
        Number of steps of a window. "auto" is the period of the series: the lag of the
        largest local maximum of the autocorrelation, averaged over the channels, up to
        a lag of 128, if it is at least 0.3, clipped to at least 32. Without a period it
        is 96. It is then clipped to at most a fifth of the longest run of training
        steps without a gap.
    stride : int, default=1
        Number of steps between the beginnings of windows that follow each other. More
        take less time. The last steps of a series always have a window of their own.
        `fit` uses every k-th window only, also to score the training steps, where there
        are more than 10,000, or more than 2,000,000 numbers in them: neighbouring
        windows are alike.
    aggregation : {"mean", "last"}, default="mean"
        Which windows determine the score of a step. "mean" is the mean over all windows
        that hold the step. "last" is the window that ends with the step, as in a
        stream, see `score_next`; `stride` then only applies to `fit`. Steps before the
        end of the first window have this one.
    gaps : {"split", "missing"}, default="split"
        What to do where a time index has gaps, that is differences of more than 1.5
        times the median one. "split": no window crosses a gap. "missing": the steps
        within a gap are missing cells, if the gap is shorter than a window; the
        detector has to take NaN. A warning counts the gaps in both cases.
    contamination : "auto" or float, default="auto"
        How the decision threshold `offset_` is chosen. A float in (0, 0.5] is the share
        of the training steps that are predicted as outliers, or of the steps held out,
        see `calibration`. "auto" places the threshold where the cube root of the
        anomaly is 3 robust standard deviations above its median.
    calibration : float, default=None
        Share of the steps of each series, in (0, 1), that is held out to choose the
        threshold: the last ones, since neighbouring windows are too much alike for a
        random choice. No window crosses to them. None uses the training steps.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector of windows.
    scaler_ : StandardScaler
        Mean and standard deviation of each channel.
    window_length_ : int
        Number of steps of a window.
    offset_ : float
        Decision threshold on `score_samples`: steps below it are predicted as outliers.
    n_features_in_ : int
        Number of channels seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of channels seen during `fit`. Defined only when X has feature names that
        are all strings.

    See Also
    --------
    skae.AutoencoderOutlierDetector : The default detector of windows.
    skae.inspection.SeriesScoreDisplay : Draw a series and its scores.

    Notes
    -----
    A detector with a method `explain` says which steps and channels of a window are
    anomalous. 95 % of the anomaly of a window then count equally for each of its steps,
    and 5 % are divided in proportion to their contributions, so that single spikes are
    found at their step. The anomaly of windows of other detectors counts equally for
    all their steps.

    A series is an array of shape (n_steps,) or (n_steps, n_channels), or a Series or
    DataFrame of pandas or Polars. A time index of pandas has to be sorted, without
    duplicates. Missing values are NaN, if the detector takes them.

    `score_samples` is of a series as a whole: steps must not be permuted or taken out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skae.series import WindowedOutlierDetector
    >>> rng = np.random.RandomState(0)
    >>> series = np.sin(np.arange(600) / 4) + rng.normal(scale=0.1, size=600)
    >>> forest = IsolationForest(random_state=0)
    >>> detector = WindowedOutlierDetector(forest, window_length=20).fit(series[:400])
    >>> new = series[400:]
    >>> new[100:120] = 0
    >>> int(detector.score_samples(new).argmin()) in range(95, 125)
    True
    """

    __module__ = "skae.series"

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit", "score_samples"]), None],
        "window_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "aggregation": [StrOptions({"mean", "last"})],
        "gaps": [StrOptions({"split", "missing"})],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "calibration": [Interval(Real, 0, 1, closed="neither"), None],
    }

    def __init__(
        self,
        detector=None,
        window_length="auto",
        stride=1,
        *,
        aggregation="mean",
        gaps="split",
        contamination="auto",
        calibration=None,
    ):
        self.detector = detector
        self.window_length = window_length
        self.stride = stride
        self.aggregation = aggregation
        self.gaps = gaps
        self.contamination = contamination
        self.calibration = calibration

    def fit(self, X, y=None):
        """Fit the detector on windows of one or several series.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels), or list of those
            A series, or a list of series of the same channels, whose lengths may
            differ. No window crosses from one to the next.
        y : None
            Ignored.

        Returns
        -------
        WindowedOutlierDetector
            The fitted detector.

        Raises
        ------
        ValueError
            If all series are shorter than a window, channels differ, a time index is
            not sorted or has duplicates, or there are too few steps held out for
            `contamination`.
        """
        self._validate_params()
        before = vars(self).copy()
        try:
            return self._fit(X)
        except BaseException:  # the fitted state stays as it was
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fit(self, X):
        given = X if _is_list_of_series(X) else [X]
        series = [self._check(x, reset=i == 0) for i, x in enumerate(given)]
        training, held_out = _split_in_time(series, self.calibration)
        window_length = self._choose_window_length(training)
        segments = _long_enough(training, window_length, self.gaps)
        later = _long_enough(held_out, window_length, self.gaps) if held_out else []
        if later:
            n_later = sum(np.count_nonzero(s.steps >= 0) for s in later)
            check_calibration_size(n_later, self.contamination)
        scaler = StandardScaler().fit(np.concatenate([s.values for s in segments]))
        windows = _training_windows(segments, scaler, window_length, self.stride)
        detector = clone(self._detector_given())
        detector.fit(_as_samples(windows, detector))
        self.detector_, self.scaler_ = detector, scaler
        self.window_length_ = window_length
        self.offset_ = self._choose_offset(segments, later)
        _warn_of_gaps(series, segments + later, self.gaps)
        return self

    def score_samples(self, X):
        """Compute the anomaly score of each step; the higher, the more normal.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            A series.

        Returns
        -------
        ndarray of shape (n_steps,)
            The scores, in the dtype of X. NaN for steps between gaps that are closer
            than a window, with a warning that counts them.

        Raises
        ------
        ValueError
            If the series is shorter than a window, has other channels than in `fit`, or
            a time index that is not sorted or has duplicates.
        """
        series = self._check_one(X)
        segments = _long_enough([series], self.window_length_, self.gaps)
        _warn_of_gaps([series], segments, self.gaps)
        scores = np.full(len(series.values), np.nan, series.values.dtype)
        for segment in segments:
            is_given = segment.steps >= 0
            scores[segment.steps[is_given]] = -self._anomalies(segment)[is_given]
        return scores

    def score_next(self, X):
        """Compute the scores of the next steps of a stream.

        Needs ``aggregation="last"``: the score of a step then depends on this and the
        ``window_length_ - 1`` steps before it alone.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            The last ``window_length_ - 1`` steps, followed by at least one new step.

        Returns
        -------
        ndarray of shape (n_new_steps,)
            Scores of the new steps: ``score_samples(X)[window_length_ - 1 :]``.
            Subtract `offset_` for those of `decision_function`.

        Raises
        ------
        ValueError
            If `aggregation` is not "last", or there are fewer than `window_length_`
            steps.
        """
        check_is_fitted(self)
        if self.aggregation != "last":
            raise ValueError(
                f"score_next needs aggregation='last', but it is {self.aggregation!r}: "
                "the mean is over windows that end later. Set it, and fit again."
            )
        return self.score_samples(X)[self.window_length_ - 1 :]

    def decision_function(self, X):
        """Compute the anomaly score of each step relative to the threshold.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            A series.

        Returns
        -------
        ndarray of shape (n_steps,)
            ``score_samples(X) - offset_``; negative values are outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Predict whether each step is an inlier (+1) or an outlier (-1).

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            A series.

        Returns
        -------
        ndarray of shape (n_steps,), of int
            -1 for outliers, 1 for inliers and steps that have no score.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @available_if(_can_explain)
    def explain(self, X):
        """Attribute the anomaly of each step to the channels.

        Available if the detector has a method `explain` and a named `outlier_score`.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            A series.

        Returns
        -------
        ndarray of shape (n_steps, n_channels), or DataFrame
            Contribution of each channel: those of a step sum to ``-score_samples(X)``.
            If X is a DataFrame of pandas or Polars, so are the contributions.
        """
        series = self._check_one(X)
        segments = _long_enough([series], self.window_length_, self.gaps)
        _warn_of_gaps([series], segments, self.gaps)
        contributions = self._contributions(series, segments)
        return frame_like(X, contributions, getattr(X, "columns", None))

    def find_intervals(self, X):
        """Merge adjacent outliers into intervals.

        Parameters
        ----------
        X : array-like of shape (n_steps,) or (n_steps, n_channels)
            A series.

        Returns
        -------
        pandas.DataFrame
            One row for each interval, in the order of time:

            - ``start`` and ``end``, its first and last step, and ``peak``, that with
              the lowest score: by their labels in the index of pandas, else by their
              numbers;
            - ``score``, that of the peak relative to the threshold, as
              `decision_function` returns it;
            - ``channel``, that with the largest contribution to the whole interval, by
              its name or number; None if the detector has no contributions.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "find_intervals returns a pandas.DataFrame: install pandas."
            ) from error
        series = self._check_one(X)
        decisions = self.decision_function(X)
        segments = _long_enough([series], self.window_length_, self.gaps)
        channels = self._channels(series, segments)
        labels = _labels(X, len(decisions))
        rows = []
        for start, stop in _runs(decisions < 0, segments):
            peak = start + int(np.argmin(decisions[start:stop]))
            rows.append(
                {
                    "start": labels[start],
                    "end": labels[stop - 1],
                    "peak": labels[peak],
                    "score": decisions[peak],
                    "channel": channels(start, stop),
                }
            )
        columns = ["start", "end", "peak", "score", "channel"]
        return pd.DataFrame(rows, columns=columns)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._detector_given())
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        return tags

    def _detector_given(self):
        return AutoencoderOutlierDetector() if self.detector is None else self.detector

    def _check_one(self, X):
        """Validate the one series that fitted methods take."""
        check_is_fitted(self)
        if _is_list_of_series(X):
            raise ValueError(
                f"X is a list of {len(X)} series, but one series was expected. Call "
                "the method for each of them: only fit takes a list."
            )
        return self._check(X, reset=False)

    def _check(self, X, *, reset):
        """Validate a series."""
        columns = _as_columns(X) if reset or self.n_features_in_ == 1 else X
        refuse_dates(columns)
        allow_nan = get_tags(self).input_tags.allow_nan
        values = validate_data(
            self,
            columns,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if allow_nan else True,
        )
        return _Series(values, _times(X))

    def _choose_window_length(self, series):
        if self.window_length != "auto":
            return int(self.window_length)
        segments = [segment for one in series for segment in _cut(one)]
        longest = max((segment.values for segment in segments), key=len)
        length = np.clip(_period(longest) or _WITHOUT_PERIOD, _SHORTEST, _LONGEST)
        return max(1, min(int(length), len(longest) // 5))

    def _choose_offset(self, training, later):
        """Choose the threshold by the scores of the steps held out, if there are."""
        stride = self.stride
        if not later:  # about as many windows as are fitted on
            n_steps = sum(len(segment.steps) for segment in training)
            stride = max(stride, n_steps // _MAX_TRAINING_WINDOWS)
        scores = np.concatenate(
            [
                -self._anomalies(segment, stride)[segment.steps >= 0]
                for segment in later or training
            ]
        )
        return choose_threshold(scores, self.contamination, calibrated=bool(later))

    def _anomalies(self, segment, stride=None, *, by_channel=False):
        """Compute the anomaly of each step of a segment, of each channel or of all."""
        values = self.scaler_.transform(segment.values)
        # Further apart, windows would leave out steps.
        stride = min(stride or self.stride, self.window_length_)
        stride = 1 if self.aggregation == "last" else stride
        starts = _window_starts(len(values), self.window_length_, stride)
        shape = values.shape if by_channel else values.shape[:1]
        steps = _StepMeans(shape, self.window_length_, self.aggregation)
        windows = _windows(values, self.window_length_)
        size = max(1, _PART_SIZE // windows[0].size)
        for part in range(0, len(starts), size):
            chosen = starts[part : part + size]
            steps.add(chosen, self._spread(windows[chosen], by_channel=by_channel))
        return steps.means().astype(values.dtype)

    def _spread(self, windows, *, by_channel):
        """Divide the anomalies of windows among their steps.

        The mean over the steps is the anomaly. Returns an array of shape (n_windows,
        window_length), with the channels as a further axis where asked for.
        """
        samples = _as_samples(windows, self.detector_)
        if not _explains(self.detector_):
            anomalies = -np.asarray(self.detector_.score_samples(samples), float)
            return np.repeat(anomalies[:, np.newaxis], windows.shape[1], axis=1)
        parts = np.asarray(self.detector_.explain(samples), float)
        parts = parts.reshape(windows.shape)
        if not by_channel:
            parts = parts.sum(axis=2)
        whole = parts.sum(axis=1, keepdims=True)
        return (1 - _LOCAL_SHARE) * whole + _LOCAL_SHARE * windows.shape[1] * parts

    def _contributions(self, series, segments):
        """Attribute the anomaly of each step in some segment to the channels."""
        contributions = np.full(series.values.shape, np.nan, series.values.dtype)
        for segment in segments:
            is_given = segment.steps >= 0
            by_channel = self._anomalies(segment, by_channel=True)
            contributions[segment.steps[is_given]] = by_channel[is_given]
        return contributions

    def _channels(self, series, segments):
        """Return a function of start and stop: the channel with the largest part."""
        names = list(getattr(self, "feature_names_in_", range(self.n_features_in_)))
        if len(names) == 1:
            return lambda start, stop: names[0]
        if not _explains(self.detector_):
            return lambda start, stop: None
        parts = self._contributions(series, segments)
        return lambda start, stop: names[int(parts[start:stop].sum(axis=0).argmax())]


@dataclass(frozen=True)
class _Series:
    """Validated values of shape (n_steps, n_channels), and times as int or None."""

    values: np.ndarray
    times: np.ndarray | None

    def __getitem__(self, steps):
        times = None if self.times is None else self.times[steps]
        return _Series(self.values[steps], times)


@dataclass(frozen=True)
class _Segment:
    """Steps without a gap; `steps` are their numbers, -1 for missing ones."""

    values: np.ndarray
    steps: np.ndarray


class _StepMeans:
    """Means over the windows that hold a step, or over those that end with it."""

    def __init__(self, shape, window_length, aggregation):
        self._sums = np.zeros(shape)
        self._counts = np.zeros(shape[0])
        self._ends_only = aggregation == "last"
        self._window_length = window_length

    def add(self, starts, values):
        """Add what windows say of each of their steps."""
        last = self._window_length - 1
        for j in range(self._window_length):
            # The first window is all that the steps before its end have.
            counted = (
                starts if not self._ends_only or j == last else starts[starts == 0]
            )
            self._sums[counted + j] += values[: len(counted), j]
            self._counts[counted + j] += 1

    def means(self):
        return (self._sums.T / self._counts).T


def _is_list_of_series(X):
    """Tell a list of series from one series as a list of numbers or of steps."""
    is_list = isinstance(X, list | tuple) and len(X) > 0
    return is_list and all(np.ndim(x) > 0 and not isinstance(x, list) for x in X)


def _as_columns(X):
    """Return a series of shape (n_steps, n_channels); one channel may be flat."""
    if hasattr(X, "to_frame") and not is_frame(X):
        # Polars has an empty name for none.
        return (
            X.to_frame() if X.name not in (None, "") else np.asarray(X).reshape(-1, 1)
        )
    if isinstance(X, list | tuple):
        is_flat = len(X) > 0 and np.ndim(X[0]) == 0
    else:
        is_flat = getattr(X, "ndim", 2) == 1
    return np.reshape(X, (-1, 1)) if is_flat else X


def _times(X):
    """Return the time index of pandas as int, None without one."""
    index = getattr(X, "index", None)
    if hasattr(index, "to_timestamp"):  # periods
        index = index.to_timestamp()
    if getattr(getattr(index, "dtype", None), "kind", None) not in ("m", "M"):
        return None
    if index.hasnans:
        raise ValueError("The time index of X has missing times. Drop those steps.")
    times = np.asarray(index.astype("int64"))
    wrong = np.flatnonzero(np.diff(times) <= 0)
    if len(wrong):
        i = int(wrong[0])
        if times[i] == times[i + 1]:
            problem, cure = "has duplicates", "X[~X.index.duplicated()]"
        else:
            problem, cure = "is not sorted", "X.sort_index()"
        raise ValueError(
            f"The time index of X {problem}: {index[i]} is followed by {index[i + 1]}. "
            f"Times have to increase: pass {cure}."
        )
    return times


def _split_in_time(series, share):
    """Split each series into its first steps and the last share of them."""
    if share is None:
        return series, []
    cuts = [round((1 - share) * len(one.values)) for one in series]
    earlier = [one[:cut] for one, cut in zip(series, cuts, strict=True)]
    later = [one[cut:] for one, cut in zip(series, cuts, strict=True)]
    return earlier, later


def _long_enough(series, window_length, gaps):
    """Return the segments of all series that are as long as a window."""
    longest_filled = window_length - 1 if gaps == "missing" else 0
    segments = [part for one in series for part in _cut(one, longest_filled)]
    long_enough = [part for part in segments if len(part.values) >= window_length]
    if not long_enough:
        longest = max(len(part.values) for part in segments)
        what = "series" if len(segments) == len(series) else "run without a gap"
        raise ValueError(
            f"The longest {what} has n_samples={longest} steps, but a window has "
            f"{window_length}. Pass more steps, or set a smaller window_length."
        )
    return long_enough


def _missing_after(times):
    """Count the steps that are missing between each step and the next."""
    differences = np.diff(times)
    if not len(differences):
        return np.zeros(0, int)
    ratios = differences / np.median(differences)
    return np.where(ratios > _GAP, np.rint(ratios) - 1, 0).astype(int)


def _cut(series, longest_filled=0):
    """Cut a series at its gaps, but fill those with at most some missing steps."""
    steps = np.arange(len(series.values))
    if series.times is None:
        return [_Segment(series.values, steps)]
    missing = _missing_after(series.times)
    filled = np.where(missing <= longest_filled, missing, 0)
    places = np.repeat(steps[1:], filled)
    values = np.insert(series.values, places, np.nan, axis=0)
    is_cut = missing > longest_filled
    cuts = (steps[1:] + np.cumsum(filled))[is_cut]
    parts = np.split(values, cuts), np.split(np.insert(steps, places, -1), cuts)
    return [_Segment(*part) for part in zip(*parts, strict=True)]


def _warn_of_gaps(series, segments, gaps):
    """Count gaps, and steps that no window holds."""
    times = [one.times for one in series if one.times is not None]
    n_gaps = sum(np.count_nonzero(_missing_after(t)) for t in times)
    n_steps = sum(len(one.values) for one in series)
    n_lost = n_steps - sum(np.count_nonzero(s.steps >= 0) for s in segments)
    messages = []
    if n_gaps:
        what = (
            "no window crosses them"
            if gaps == "split"
            else ("steps within those shorter than a window are missing cells")
        )
        messages.append(f"The time index of X has {n_gaps} gap(s): {what}.")
    if n_lost:
        messages.append(
            f"{n_lost} steps are in runs shorter than a window: they are not used in "
            "fit, and have no score (NaN)."
        )
    if messages:
        warnings.warn(" ".join(messages), UserWarning, stacklevel=3)


def _period(values):
    """Return the period of a series: the highest peak of the autocorrelation.

    It is averaged over the channels. None if there is no peak.
    """
    n_steps = len(values)
    # Constant channels become 0, and have no autocorrelation.
    scaled = np.nan_to_num(StandardScaler().fit_transform(values))
    spectrum = np.abs(np.fft.rfft(scaled, 2 * n_steps, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, axis=0)[: _LONGEST + 2].sum(axis=1)
    if correlation[0] == 0:
        return None
    correlation = correlation / correlation[0]
    peaks, _ = find_peaks(correlation, height=0.3, prominence=0.1)
    return int(peaks[np.argmax(correlation[peaks])]) if len(peaks) else None


def _windows(values, window_length):
    """Return a view of shape (n_windows, window_length, n_channels)."""
    return np.moveaxis(sliding_window_view(values, window_length, axis=0), -1, 1)


def _window_starts(n_steps, window_length, stride):
    """Return the first steps of windows, which hold every step."""
    last = n_steps - window_length
    starts = np.arange(0, last + 1, stride)
    return starts if starts[-1] == last else np.append(starts, last)


def _training_windows(segments, scaler, window_length, stride):
    """Copy windows of all segments, evenly, up to a number."""
    starts = [_window_starts(len(s.values), window_length, stride) for s in segments]
    size = window_length * segments[0].values.shape[1]
    limit = min(_MAX_TRAINING_WINDOWS, max(1, _MAX_TRAINING_SIZE // size))
    step = -(-sum(map(len, starts)) // limit)
    parts = [
        _windows(scaler.transform(segment.values), window_length)[chosen[::step]]
        for segment, chosen in zip(segments, starts, strict=True)
    ]
    return np.concatenate(parts)


def _as_samples(windows, detector):
    """Return windows as a detector takes them, flat if not as they are."""
    if get_tags(detector).input_tags.three_d_array:
        return windows
    return windows.reshape(len(windows), -1)


def _runs(is_outlier, segments):
    """Yield first step and stop of each run of outliers, which crosses no gap."""
    for segment in segments:
        steps = segment.steps[segment.steps >= 0]
        padded = np.concatenate([[False], is_outlier[steps], [False]])
        edges = steps[0] + np.flatnonzero(np.diff(padded))
        yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _labels(X, n_steps):
    """Return the index of pandas, or the numbers of the steps."""
    index = getattr(X, "index", None)
    return range(n_steps) if index is None or callable(index) else index
