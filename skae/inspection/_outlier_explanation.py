"""Display of the attributions of outlier scores to features."""

import numpy as np
from sklearn.utils import _safe_indexing, check_array

from .._formats._frames import split_categories
from ._drawing import (
    CHARACTER,
    LINE,
    axes_size,
    check_count,
    check_option,
    is_int,
    is_window,
    number,
    set_axes_title,
    shortened,
    single_axes,
    text_size,
    wrapped,
)
from ._estimators import check_names, explain, feature_names_of, names_of_samples
from ._images import (
    N_IMAGES,
    N_ROWS,
    ImageRow,
    as_images,
    check_n_samples,
    draw_image_rows,
    image_slots,
    to_colors,
    value_range,
)
from ._windows import draw_windows


class OutlierExplanationDisplay:
    """Contributions of features to the anomaly of samples.

    The contributions to one sample are drawn as bars, with the observed value of each
    feature beside the expected one; those to many samples as a heat map, those of
    images as maps of pixels, and those of windows of time series as the background of
    lines.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    contributions : ndarray of shape (n_samples, n_features), of images (n_samples, \
            height, width) or (n_samples, height, width, channels), or of windows \
            (n_samples, n_steps, n_series)
        Contribution of each feature to the anomaly of each sample.
    observed : ndarray of the shape of the contributions, default=None
        Values of the features, of objects if there are categories. None: they are not
        drawn.
    expected : ndarray of the shape of the contributions, default=None
        Values that are expected by the others. None: they are not drawn.
    feature_names : list of str, default=None
        Names of the features, or of the series of windows. None: x0, x1 and so on, or
        the numbers of the series. Those of images are not drawn.
    sample_names : list of str, default=None
        Names of the samples. None: their numbers, counted from 0.
    n_given : int, default=None
        Number of samples of which these are the first. None: these are all.

    Attributes
    ----------
    bars_ : matplotlib.container.BarContainer or None
        The contributions to one sample.
    image_ : matplotlib.image.AxesImage or None
        The heat map.
    images_ : dict of str to list of matplotlib.image.AxesImage
        Images in the order of the samples: "Observed", "Expected" and "Contribution".
        Empty for tables.
    lines_ : dict of str to ndarray of shape (n_samples, n_series), dtype=object
        Lines of windows, as matplotlib.lines.Line2D: "Observed" and "Expected", or
        "Contribution" where there are no values. Empty for others.
    ax_ : matplotlib.axes.Axes
        The axes, the first ones of windows.
    axes_ : ndarray of shape (1,) or (n_samples, n_series), dtype=object
        All axes: each series of each window has its own.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skae.AutoencoderOutlierDetector.explain : What is drawn.
    OutlierScoreDisplay : Histogram of the scores.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skae.inspection import OutlierExplanationDisplay
    >>> display = OutlierExplanationDisplay.from_predictions(
    ...     [[0.1, 3.0, 0.2]],
    ...     observed=[[5.1, 9.0, 30]],
    ...     expected=[[5.0, 2.5, 31]],
    ...     feature_names=["length", "width", "age"],
    ... )
    >>> print(display.ax_.get_yticklabels()[0].get_text())
    width
    9, expected 2.5
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        contributions,
        *,
        observed=None,
        expected=None,
        feature_names=None,
        sample_names=None,
        n_given=None,
    ):
        self.contributions = contributions
        self.observed = observed
        self.expected = expected
        self.feature_names = feature_names
        self.sample_names = sample_names
        self.n_given = n_given

    def plot(
        self,
        ax=None,
        *,
        kind="auto",
        sample=0,
        n_samples=None,
        max_features=15,
        cmap="Greys",
    ):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        kind : {"auto", "bars", "heat_map", "images", "lines"}, default="auto"
            What to draw: bars of one sample, a heat map of all, maps of pixels, or
            lines of windows of shape (n_steps, n_series). "auto" draws bars of a table,
            lines of samples of at most 8 series and more than 3 times as many steps,
            and maps of others.
        sample : int, default=0
            Index of the sample whose bars are drawn.
        n_samples : int, default=None
            Number of samples in a heat map, of images or windows, from the first on.
            None is 10 images, 4 windows, or all samples of a table.
        max_features : int, default=15
            Maximum number of features drawn separately: of one sample, those with the
            largest absolute contributions, and one more bar for the sum of the others;
            in a heat map, those with the largest mean share.
        cmap : str or matplotlib.colors.Colormap, default="Greys"
            Colours of contributions. In a heat map, a contribution is drawn as a share
            of the anomaly of its sample; in an image or a window, of its largest.

        Returns
        -------
        OutlierExplanationDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there is no such `sample`, `n_samples` or `max_features` is no positive
            int, `n_samples` is more than were explained of those given, or `kind` or
            names do not fit the contributions.
        """
        check_option("kind", kind, ("auto", "bars", "heat_map", "images", "lines"))
        check_count("max_features", max_features)
        if n_samples is not None:
            check_count("n_samples", n_samples)
            n_explained = len(self.contributions)
            if n_explained < min(n_samples, self._n_given()):
                raise ValueError(
                    f"n_samples={n_samples}, but of {self._n_given()} samples only the "
                    f"first {n_explained} were explained. Give n_samples to "
                    "from_estimator."
                )
        kind = self._checked_kind(kind)
        self.bars_, self.image_, self.images_, self.lines_ = None, None, {}, {}
        if kind == "bars":
            self._plot_bars(ax, sample, max_features)
        elif kind == "heat_map":
            self._plot_heat_map(ax, n_samples, max_features, cmap)
        elif kind == "images":
            self._plot_images(ax, N_IMAGES if n_samples is None else n_samples, cmap)
        else:
            self._plot_lines(ax, N_ROWS if n_samples is None else n_samples, cmap)
        if kind != "lines":
            self.axes_ = np.array([self.ax_], dtype=object)
        self.figure_ = self.ax_.figure
        return self

    def _checked_kind(self, kind):
        """Return the kind, chosen by the shape of the contributions if it is "auto"."""
        _, *shape = self.contributions.shape
        if len(shape) == 1:
            what, kinds = "a table", ("bars", "heat_map")
        elif is_window(shape):
            what, kinds = "windows", ("lines", "images")
        else:
            what, kinds = "images", ("images", "lines")[: 4 - len(shape)]
        if kind == "auto":
            return kinds[0]
        if kind not in kinds:
            raise ValueError(
                f"kind={kind!r}, but these are contributions to {what}. Choose "
                f"kind={' or '.join(map(repr, kinds))}, or give sample_shape=(height, "
                "width) if samples are flat images."
            )
        return kind

    def _n_given(self):
        return len(self.contributions) if self.n_given is None else self.n_given

    def _names(self):
        n_features = self.contributions.shape[1]
        return feature_names_of(None, n_features, self.feature_names)

    def _plot_bars(self, ax, sample, max_features):
        n_samples = len(self.contributions)
        if not is_int(sample) or not -n_samples <= sample < n_samples:
            raise ValueError(
                f"sample={sample!r}, but the index of one of {n_samples} samples was "
                "expected, counted from 0."
            )
        values, labels, n_others = self._largest(sample, max_features)
        n_characters, n_lines = text_size(labels)
        height = len(labels) * max(1.2 * LINE * n_lines, 0.25) + 1.1
        self.ax_ = ax = single_axes(
            ax, (max(4 + n_characters * CHARACTER, 5.5), height)
        )
        positions = np.arange(len(labels))
        self.bars_ = ax.barh(positions, values, color="0.8", edgecolor="0.35")
        if n_others:
            self.bars_[-1].set(facecolor="none", hatch="////")
        ax.axvline(0, color="black", linewidth=0.8)
        # Dollars are prices.
        ax.set_yticks(positions, labels, parse_math=False)
        ax.set(ylim=(len(labels) - 0.5, -0.5), xlabel="Contribution")
        if not values.any():
            ax.set_xlim(0, 1)
        ax.locator_params(axis="x", nbins=5)
        anomaly = number(self.contributions[sample].sum(), 3)
        name = shortened(self._name_of(sample % n_samples), 20)
        title = f"Contributions to the anomaly ({anomaly})\nof sample {name}"
        set_axes_title(ax, title, min(axes_size(ax)[0], 3.8))
        ax.title.set_parse_math(False)

    def _name_of(self, sample):
        names = self.sample_names
        return str(sample if names is None else names[sample])

    def _largest(self, sample, max_features):
        """Return contributions by size, their labels, and of how many the last is."""
        values = self.contributions[sample]
        order = np.argsort(-np.abs(values), kind="stable")
        shown, others = order[:max_features], order[max_features:]
        names = self._names()
        labels = [wrapped(names[i], 30) + self._values(sample, i) for i in shown]
        if not len(others):
            return values[shown], labels, 0
        labels.append(f"{len(others)} other{'s' if len(others) > 1 else ''}")
        return np.append(values[shown], values[others].sum()), labels, len(others)

    def _values(self, sample, feature):
        """Describe the observed and the expected value in a further line."""
        if self.observed is None:
            return ""
        observed = self.observed[sample, feature]
        if self.expected is None:
            return f"\n{_format(observed)}"
        texts = _distinct(observed, self.expected[sample, feature])
        return "\n{}, expected {}".format(*texts)

    def _plot_heat_map(self, ax, n_samples, max_features, cmap):
        contributions = self.contributions[:n_samples]
        totals = contributions.sum(axis=1, keepdims=True)
        shares = contributions / np.where(totals > 0, totals, 1)
        order = np.argsort(-np.abs(shares).mean(axis=0), kind="stable")[:max_features]
        names = [shortened(self._names()[i], 40) for i in order]
        labels = [shortened(self._name_of(i), 20) for i in range(len(shares))]
        longest = max(map(len, labels))
        rotation = 90 if longest > 2 else 0
        inches = np.clip(0.26 * len(shares), 3, 10)
        width = inches + max(map(len, names)) * CHARACTER + 1.4
        height = 0.27 * len(names) + 1.3 + (longest * CHARACTER if rotation else 0)
        if ax is not None:  # with less room, for the colour bar and names too
            inches = 0.8 * axes_size(single_axes(ax, None))[0]
        self.ax_ = ax = single_axes(ax, (width, height))
        self.image_ = ax.imshow(
            shares[:, order].T,
            cmap=cmap,
            vmin=0,
            vmax=max(shares.max(), 0) or 1,
            aspect="auto",
        )
        ax.set_yticks(np.arange(len(names)), names, parse_math=False)
        ax.set_xlabel("Sample")
        room = 1.1 * LINE if rotation else (longest + 0.6) * CHARACTER
        step = -(-len(labels) // max(int(inches / room), 1))
        if self.sample_names is None and step > 1:  # round numbers
            ax.xaxis.get_major_locator().set_params(integer=True)
        else:
            shown = np.arange(0, len(labels), step)
            ax.set_xticks(shown, labels[::step], parse_math=False)
            ax.tick_params(axis="x", rotation=rotation)
        ax.figure.colorbar(self.image_, ax=ax, label="Share of the anomaly")
        n_features = self.contributions.shape[1]
        title = "Contributions to the anomaly"
        if len(contributions) < self._n_given():
            title = self._title_of_samples(len(contributions))
        if n_features > len(order):
            title += f": the {len(order)} largest of {n_features} features"
        set_axes_title(ax, title)

    def _plot_images(self, ax, n_samples, cmap):
        maps = self.contributions[:n_samples]
        if maps.ndim == 4:  # of all channels
            maps = maps.sum(axis=-1)
        height = np.clip(maps.shape[1] / maps.shape[2], 0.3, 3)
        rows = {}
        if self.observed is not None:
            observed = self.observed[:n_samples]
            low, high = value_range(observed)
            gray = {"cmap": "gray", "vmin": low, "vmax": high}
            series = {"Observed": self.observed, "Expected": self.expected}
            for name, images in series.items():
                if images is not None:
                    colors = to_colors(images[:n_samples], low, high)
                    rows[name] = ImageRow(name, colors, height, gray)
        maps = _shares_of_largest(maps)
        kwargs = {"cmap": cmap, "vmin": 0, "vmax": 1}
        label = "Contribution,\nas a share of\nthe largest"
        rows["Contribution"] = ImageRow(label, maps, height, kwargs)
        n_columns, inches = image_slots(len(maps))
        self.ax_, artists, room = draw_image_rows(
            ax, list(rows.values()), n_columns=n_columns, inches=inches
        )
        self.images_ = dict(zip(rows, artists, strict=True))
        set_axes_title(self.ax_, self._title_of_samples(len(maps)), room)

    def _plot_lines(self, ax, n_samples, cmap):
        contributions = self.contributions[:n_samples]
        series = {"Observed": self.observed, "Expected": self.expected}
        if self.observed is None:
            series = {"Contribution": contributions}
        self.axes_, self.lines_ = draw_windows(
            ax,
            {k: v[:n_samples] for k, v in series.items() if v is not None},
            self._title_of_samples(len(contributions)),
            shades=_shares_of_largest(contributions),
            shades_label="Contribution, as a share of the largest",
            cmap=cmap,
            series_names=self.feature_names,
            sample_names=self.sample_names,
        )
        self.ax_ = self.axes_[0, 0]

    def _title_of_samples(self, n_shown):
        n_samples = self._n_given()
        first = "the first" if n_shown == 1 else f"the first {n_shown}"
        of = f"{first} of {n_samples} " if n_shown < n_samples else ""
        return f"Contributions to the anomaly of {of}samples"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        kind="auto",
        n_samples=None,
        sample_shape=None,
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Plot the explanations of a fitted outlier detector.

        Parameters
        ----------
        estimator : fitted AutoencoderOutlierDetector, or Pipeline that ends in one
            Contributions and expected values are those of its method `explain`.
            Features are those that the detector is given. Values are in the units of X
            if the steps before have `inverse_transform` and keep the columns, otherwise
            in those that the detector is given.
        X : array-like of the shape that `fit` takes, or DataFrame
            Samples to explain, such as those with the lowest scores. The index of a
            DataFrame names them. All samples of a table are explained, such that
            :meth:`plot` can draw each of them; of images and windows, only those that
            are drawn.
        kind : {"auto", "bars", "heat_map", "images", "lines"}, default="auto"
            What to draw, see :meth:`plot`.
        n_samples : int, default=None
            Number of samples to draw, see :meth:`plot`.
        sample_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images of which X holds the flat pixels, or (n_steps, n_series)
            of windows; "square" derives it from the number of features. None: flat
            samples are a table, whatever shape the estimator gives them.
        feature_names : list of str, default=None
            Names of the features, or of the series of windows. None takes those of a
            DataFrame for a table.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        OutlierExplanationDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no `explain`.
        ValueError
            If the shape or names do not fit.

        See Also
        --------
        OutlierExplanationDisplay.from_predictions : The same from arrays.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from skae import AutoencoderOutlierDetector
        >>> from skae.inspection import OutlierExplanationDisplay
        >>> X = load_iris(as_frame=True).data
        >>> detector = AutoencoderOutlierDetector(random_state=0)
        >>> pipeline = make_pipeline(StandardScaler(), detector).fit(X)
        >>> lowest_first = X.iloc[pipeline.score_samples(X).argsort()]
        >>> display = OutlierExplanationDisplay.from_estimator(pipeline, lowest_first)
        >>> display.contributions.shape
        (150, 4)
        >>> plt.close(display.figure_)
        """
        n_given = None
        is_table = sample_shape is None and np.ndim(X) == 2
        if not is_table:
            n_drawn = n_samples
            if n_samples is None:
                n_drawn = {"images": N_IMAGES, "lines": N_ROWS}.get(kind)
            n_drawn = check_n_samples(n_drawn, X, sample_shape)
            n_given = len(X)
            X = _safe_indexing(X, slice(n_drawn))
        contributions, names, observed, expected = explain(estimator, X)
        if feature_names is None and is_table:
            feature_names = names
        return cls._from_arrays(
            contributions,
            observed=observed,
            expected=expected,
            sample_shape=sample_shape,
            feature_names=feature_names,
            sample_names=names_of_samples(X),
            n_given=n_given,
        ).plot(ax, kind=kind, n_samples=n_samples, **plot_params)

    @classmethod
    def from_predictions(
        cls,
        contributions,
        *,
        observed=None,
        expected=None,
        sample_shape=None,
        feature_names=None,
        sample_names=None,
        ax=None,
        **plot_params,
    ):
        """Plot precomputed contributions.

        Parameters
        ----------
        contributions : array-like of shape (n_samples, n_features), or DataFrame
            Contribution of each feature to the anomaly of each sample. Those to images
            may be flat.
        observed, expected : array-like or DataFrame, default=None
            Values of the features, and those expected by the others: of the shape of
            the contributions, or images.
        sample_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of images or windows whose contributions are flat. None: that of
            `observed`.
        feature_names : list of str, default=None
            Names of the features, or of the series of windows. None takes those of a
            DataFrame of contributions for a table.
        sample_names : list of str, default=None
            Names of the samples. None takes the index of a DataFrame of contributions.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        OutlierExplanationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes or names do not fit.

        See Also
        --------
        OutlierExplanationDisplay.from_estimator : The same from an estimator.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skae.inspection import OutlierExplanationDisplay
        >>> display = OutlierExplanationDisplay.from_predictions(
        ...     [[0.1, 3.0], [2.0, 0.2]], kind="heat_map"
        ... )
        >>> display.image_.get_array().shape
        (2, 2)
        >>> plt.close(display.figure_)
        """
        return cls._from_arrays(
            contributions,
            observed=observed,
            expected=expected,
            sample_shape=sample_shape,
            feature_names=feature_names,
            sample_names=sample_names,
        ).plot(ax, **plot_params)

    @classmethod
    def _from_arrays(
        cls,
        contributions,
        *,
        observed,
        expected,
        sample_shape,
        feature_names,
        sample_names,
        n_given=None,
    ):
        """Return a display of arrays that are checked, not drawn yet."""
        names = contributions
        if sample_names is None:
            sample_names = names_of_samples(contributions)
        contributions = check_array(
            contributions, allow_nd=True, input_name="contributions"
        )
        if sample_names is not None:
            sample_names = check_names(sample_names, len(contributions), "sample")
        series = {"observed": observed, "expected": expected}
        shape = np.shape(observed) if observed is not None else contributions.shape
        if sample_shape is None and len(shape) > 2:
            sample_shape = shape[1:]
        for key, values in series.items():
            if values is None:
                continue
            values = _as_objects(values)
            same_length = values.ndim > 0 and len(values) == len(contributions)
            if not same_length or values.size != contributions.size:
                raise ValueError(
                    f"{key} has shape {values.shape}, but there are contributions of "
                    f"shape {contributions.shape}."
                )
            series[key] = values.reshape(contributions.shape)
        if sample_shape is not None:
            flat = contributions.reshape(len(contributions), -1)
            contributions = as_images(flat, sample_shape)
            series = {
                key: values
                if values is None
                else as_images(values.reshape(flat.shape), sample_shape)
                for key, values in series.items()
            }
        else:
            feature_names = feature_names_of(
                names, contributions.shape[1], feature_names
            )
        return cls(
            contributions,
            **series,
            feature_names=feature_names,
            sample_names=sample_names,
            n_given=n_given,
        )


def _as_objects(values):
    """Return an array: of numbers, or of objects where there are categories."""
    numbers, texts = split_categories(values)
    numbers = np.asarray(numbers)
    if texts is None:
        return numbers
    return np.where(texts == None, numbers, texts)  # noqa: E711


def _shares_of_largest(maps):
    """Divide contributions by the largest of each sample."""
    largest = maps.max(axis=(1, 2), keepdims=True)
    return maps / np.where(largest > 0, largest, 1)


def _distinct(*values):
    """Format two values, with up to 3 more digits where they are the same text."""
    for more_digits in range(4):
        texts = [_format(value, more_digits) for value in values]
        if texts[0] != texts[1]:
            return texts
    return [_format(value) for value in values]


def _format(value, more_digits=0):
    """Format a number or a category; NaN and None are missing."""
    if isinstance(value, str):
        return shortened(value, 24)
    if value is None or value != value:
        return "missing"
    # Of years and codes, all digits before the decimal point tell.
    whole = len(f"{abs(value):.0f}") if abs(value) < 1e9 else 0
    return number(value, max(whole, 3) + more_digits)
