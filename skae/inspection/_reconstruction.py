"""Display of samples beside their reconstructions."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from sklearn.utils import _safe_indexing

from .._formats._frames import split_categories
from ._bars import draw_tables
from ._drawing import STANDARDIZED, check_count, is_window, set_axes_title, wrapped
from ._estimators import (
    by_name,
    feature_names_of,
    names_of_columns,
    names_of_samples,
    reconstruct,
)
from ._images import (
    ImageRow,
    as_code_images,
    as_images,
    check_n_samples,
    check_samples,
    draw_image_rows,
    image_slots,
    mean_and_deviation,
    to_colors,
    value_range,
)
from ._windows import draw_windows

_UNNAMED = "Reconstruction"
# The label of the originals of a table.
_VALUE = "Value"


class ReconstructionDisplay:
    """Samples, their codes and their reconstructions.

    Images are drawn above each other: originals, codes as small images,
    reconstructions, and optionally absolute errors. Windows of time series, which are
    samples of at most 8 series and more than 3 times as many steps, are drawn as lines,
    optionally with their absolute errors beneath. Samples of a table are drawn as bars,
    a value and its reconstruction for each feature. Several estimators are compared in
    one figure.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), (n_samples, height, width) or \
            (n_samples, height, width, channels)
        The originals: samples of a table, images of 1, 3 or 4 channels, or windows of
        shape (n_steps, n_series).
    reconstructions : dict of str to ndarray of the shape of X
        Reconstructions, by the name of the estimator.
    codes : dict of str to ndarray of shape (n_samples, n_components), default=None
        Codes, by the same names. Codes of names that are not in the dict are not drawn;
        None draws none.
    feature_names : list of str, default=None
        Names of the features of a table, or of the series of windows. None: x0, x1 and
        so on, or the numbers of the series. Those of images are not drawn.
    value_label : str, default="Value"
        Label of the values of a table.
    categories : dict of str to ndarray of object of shape (n_samples, n_features), \
            default=None
        Categories of a table as texts, None for its numbers and for missing cells:
        those of the samples under the key "Value", and those of each reconstruction
        under its name. `X` and reconstructions are NaN there. They are written in place
        of bars, followed by those of the reconstruction if they differ. None if all
        columns are numbers.
    sample_names : list of str, default=None
        Names of the samples. None: their numbers, counted from 0.
    error_scales : ndarray of shape (n_features,), default=None
        What the errors of the features of a table are divided by where those with the
        largest errors are chosen. None: 1.

    Attributes
    ----------
    images_ : dict of str to list of matplotlib.image.AxesImage
        Images in the order of X, by what they are: "Original", "Code",
        "Reconstruction" and "Absolute error". With several estimators, their name
        stands before: "PCA: reconstruction". Empty for tables and windows.
    lines_ : dict of str to ndarray of shape (n_samples, n_series), dtype=object
        By the label of the line, matplotlib.lines.Line2D of windows: "Original",
        "Reconstruction" and "Absolute error", named as those of images. Empty for
        others.
    bars_ : dict of str to list of matplotlib.container.BarContainer
        By the label of the series, the bars of each sample. Empty for others.
    ax_ : matplotlib.axes.Axes
        The axes of all images, or the first ones of a table or windows.
    axes_ : ndarray of shape (1,), (n_samples,) or (n_samples, n_series), dtype=object
        All axes: each sample of a table, and each series of a window, has its own.
        Errors of a window are in further ones, which are `axes` of their lines.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    LatentSpaceDisplay : Scatter plots of codes.
    DecodedCodesDisplay : Samples decoded from codes.
    skae.metrics.reconstruction_r2_score : Explained variance of reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import ReconstructionDisplay
    >>> X = load_digits().data
    >>> pca = PCA(n_components=8).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(pca, X, sample_shape=(8, 8))
    >>> list(display.images_)
    ['Original', 'Code', 'Reconstruction']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        X,
        reconstructions,
        *,
        codes=None,
        feature_names=None,
        value_label="Value",
        categories=None,
        sample_names=None,
        error_scales=None,
    ):
        self.X = X
        self.reconstructions = reconstructions
        self.codes = codes
        self.feature_names = feature_names
        self.value_label = value_label
        self.categories = categories
        self.sample_names = sample_names
        self.error_scales = error_scales

    def plot(
        self,
        ax=None,
        *,
        show_codes=True,
        code_shape=None,
        show_errors=False,
        cmap="gray",
        max_features=30,
    ):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, which all images share. For a table or windows, they are
            turned off, and axes for each sample are put in their place. Labels need
            room at the left, as by ``layout="constrained"`` of the figure. None makes a
            figure.
        show_codes : bool, default=True
            Whether to draw the codes of images, where there are any.
        code_shape : tuple of two ints, default=None
            Shape (height, width) to which codes are reshaped. None is the most square
            one with width >= height.
        show_errors : bool, default=False
            Whether to draw the absolute error of each pixel, the mean over channels, or
            of each step of a window. All estimators share one scale, from zero to the
            largest error.
        cmap : str or matplotlib.colors.Colormap, default="gray"
            Colours of images of one channel. Originals and reconstructions share the
            range of the values of the originals.
        max_features : int, default=30
            Maximum number of features drawn of a table: those with the largest mean
            absolute error, in the units that are drawn. Categories have no unit: in a
            table with some, errors are compared in standard deviations of all samples.
            A wrong category differs from the right one by ``sqrt(2)``, and its standard
            deviation is the square root of the Gini impurity of its column, as if it
            were one-hot encoded.

        Returns
        -------
        ReconstructionDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `code_shape` does not fit the codes, names do not fit, `show_errors` is
            set for a table, or `max_features` is no positive int.
        """
        check_count("max_features", max_features)
        self.images_, self.lines_, self.bars_ = {}, {}, {}
        title = "{} and their reconstructions"
        if len(self.reconstructions) == 1 and _UNNAMED not in self.reconstructions:
            title += f" by {next(iter(self.reconstructions))}"
        if is_window(self.X.shape[1:]):
            self._plot_windows(ax, title.format("Samples"), show_errors)
            return self
        if self.X.ndim > 2:
            room = self._plot_images(ax, show_codes, code_shape, show_errors, cmap)
            set_axes_title(self.ax_, title.format("Images"), room)
            return self
        if show_errors:
            raise ValueError(
                "show_errors=True needs images or windows, but X is a table. Give "
                "sample_shape=(height, width) if its samples are flat images, or "
                "(n_steps, n_series) if they are flat windows."
            )
        n_features = self.X.shape[1]
        if n_features > max_features:
            title += (
                f": the {max_features} of {n_features} features with the largest errors"
            )
        self._plot_table(ax, max_features, title.format("Values"))
        return self

    def _plot_images(self, ax, show_codes, code_shape, show_errors, cmap):
        n_columns, inches = image_slots(len(self.X))
        rows = self._image_rows(show_codes, code_shape, show_errors, cmap)
        self.ax_, artists, room = draw_image_rows(
            ax, list(rows.values()), n_columns=n_columns, inches=inches
        )
        self.images_ = dict(zip(rows, artists, strict=True))
        self.axes_ = np.array([self.ax_], dtype=object)
        self.figure_ = self.ax_.figure
        return room

    def _plot_windows(self, ax, title, show_errors):
        series, errors = {"Original": self.X}, {}
        for name, X in self.reconstructions.items():
            series[self._key(name, "reconstruction")] = X
            errors[self._key(name, "absolute error")] = np.abs(self.X - X)
        self.axes_, self.lines_ = draw_windows(
            ax,
            series,
            title,
            errors=errors if show_errors else None,
            series_names=self.feature_names,
            sample_names=self.sample_names,
        )
        self.ax_, self.figure_ = self.axes_[0, 0], self.axes_[0, 0].figure

    def _image_rows(self, show_codes, code_shape, show_errors, cmap):
        """Return a dict of ImageRow, in the order in which they are drawn."""
        height = np.clip(self.X.shape[1] / self.X.shape[2], 0.3, 3)
        low, high = value_range(self.X)
        gray = {"cmap": cmap, "vmin": low, "vmax": high}
        errors = {name: self._errors(name) for name in self.reconstructions}
        largest = max(value_range(error)[1] for error in errors.values())
        rows = {}

        def add(key, images, height, kwargs, note=""):
            rows[key] = ImageRow(wrapped(key + note, 24), images, height, kwargs)

        add("Original", to_colors(self.X, low, high), height, gray)
        for name, reconstruction in self.reconstructions.items():
            codes = (self.codes or {}).get(name)
            if show_codes and codes is not None:
                images = as_code_images(codes, code_shape, name)
                code_height = min(images.shape[1] / images.shape[2], 0.75 * height)
                kwargs = {"vmin": codes.min(), "vmax": codes.max(), "cmap": "cividis"}
                kwargs["interpolation"] = "nearest"
                add(self._key(name, "code"), images, code_height, kwargs)
            images = to_colors(reconstruction, low, high)
            add(self._key(name, "reconstruction"), images, height, gray)
            if show_errors:
                kwargs = {"vmin": 0, "vmax": largest, "cmap": "viridis"}
                note = f"\n(0 to {largest:.2g})"
                key = self._key(name, "absolute error")
                add(key, errors[name], height, kwargs, note)
        return rows

    def _key(self, name, what):
        """Name a row of images, by its estimator too where there are several."""
        return f"{name}: {what}" if len(self.reconstructions) > 1 else what.capitalize()

    def _errors(self, name):
        errors = np.abs(self.X - self.reconstructions[name])
        return errors if errors.ndim == 3 else errors.mean(-1)

    def _plot_table(self, ax, max_features, title):
        names = feature_names_of(None, self.X.shape[1], self.feature_names)
        error = sum(map(self._table_errors, self.reconstructions))
        shown = np.sort(np.argsort(-error, kind="stable")[:max_features])
        texts = None
        if self.categories is not None:
            texts = [values[:, shown] for values in self.categories.values()]
        series = {_VALUE: self.X[:, shown]}
        for name, X in self.reconstructions.items():
            label = name if name == _UNNAMED else f"Reconstruction by {name}"
            series[label] = X[:, shown]
        self.axes_, self.bars_ = draw_tables(
            ax,
            series,
            [names[i] for i in shown],
            self.value_label,
            title,
            texts,
            self.sample_names,
        )
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        if all(np.isnan(values).all() for values in series.values()):
            for ax in self.axes_:  # categories only
                ax.set(xlim=(0, 1), xticks=[], xlabel="")

    def _table_errors(self, name):
        """Return the mean error of each feature, by which they are chosen."""
        errors = np.abs(self.X - self.reconstructions[name])
        if self.categories is not None:
            texts, found = self.categories[_VALUE], self.categories[name]
            wrong = (texts != found) & (texts != None)  # noqa: E711
            is_text = (found != None).any(axis=0)  # noqa: E711
            errors[:, is_text] = np.sqrt(2) * wrong[:, is_text]
        mean_errors = np.nan_to_num(errors).mean(axis=0)
        return mean_errors / (1 if self.error_scales is None else self.error_scales)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_samples=None,
        sample_shape=None,
        feature_names=None,
        standardize=False,
        ax=None,
        **plot_params,
    ):
        """Plot samples and their reconstructions by fitted estimators.

        Parameters
        ----------
        estimator : fitted estimator, list of them, or dict of str to them
            With `transform` and `inverse_transform`, such as PCA and
            :class:`~skae.AutoencoderTransformer`, an
            :class:`~skae.AutoencoderOutlierDetector`, or a Pipeline that ends in one of
            them, whose scaling is undone. Several are drawn below each other, named by
            their class or by the key of the dict.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels), or DataFrame
            Samples to reconstruct; a DataFrame may have categories, and its index names
            the samples. Images are flattened for estimators that were fitted on as many
            features.
        n_samples : int, default=None
            Number of samples to draw, from the first on. None is 10 images, 4 windows
            or 4 samples of a table, or all if there are fewer.
        sample_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images of which X holds the flat pixels, or (n_steps, n_series)
            of windows; "square" derives it from the number of features. None: flat
            samples are a table, whatever shape the estimator gives them.
        feature_names : list of str, default=None
            Names of the features of a table, or of the series of windows. None takes
            those of a DataFrame for a table.
        standardize : bool, default=False
            Whether to draw a table in standard deviations from the mean of all samples
            of X, for features that differ in scale.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, see :meth:`plot`. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If an estimator cannot reconstruct.
        ValueError
            If shapes do not fit.

        See Also
        --------
        ReconstructionDisplay.from_predictions : The same from arrays.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.decomposition import PCA
        >>> from skae.inspection import ReconstructionDisplay
        >>> iris = load_iris(as_frame=True).data
        >>> estimators = {f"{n} components": PCA(n).fit(iris) for n in (1, 2)}
        >>> display = ReconstructionDisplay.from_estimator(estimators, iris)
        >>> list(display.bars_)
        ['Value', 'Reconstruction by 1 components', 'Reconstruction by 2 components']
        >>> plt.close(display.figure_)
        """
        n_samples = check_n_samples(n_samples, X, sample_shape)
        shown = _safe_indexing(X, slice(n_samples))
        if feature_names is None and np.ndim(X) == 2 and sample_shape is None:
            fitted = next(iter(by_name(estimator).values()))
            feature_names = names_of_columns(X, fitted)
        codes, reconstructions = {}, {}
        for name, one in by_name(estimator).items():
            codes[name], reconstructions[name] = reconstruct(one, shown)
        return cls.from_predictions(
            X,
            reconstructions,
            codes=codes,
            n_samples=n_samples,
            sample_shape=sample_shape,
            feature_names=feature_names,
            standardize=standardize,
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        reconstructions,
        *,
        codes=None,
        n_samples=None,
        sample_shape=None,
        feature_names=None,
        standardize=False,
        ax=None,
        **plot_params,
    ):
        """Plot samples and precomputed reconstructions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            The originals.
        reconstructions : array-like of the shape of X, or dict of str to them
            Reconstructions, several by name.
        codes : array-like of shape (n_samples, n_components), or dict of str to them, \
                default=None
            Codes, by name if the reconstructions are.
        n_samples : int, default=None
            Number of samples to draw, from the first on. None is 10 images, 4 windows
            or 4 samples of a table, or all if there are fewer.
        sample_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images of which X holds the flat pixels, or (n_steps, n_series)
            of windows; "square" derives it from the number of features. None: flat
            samples are a table, whatever shape the estimator gives them.
        feature_names : list of str, default=None
            Names of the features of a table, or of the series of windows. None takes
            those of a DataFrame for a table.
        standardize : bool, default=False
            Whether to draw a table in standard deviations from the mean of all samples
            of X, for features that differ in scale.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, see :meth:`plot`. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes or names do not fit.

        See Also
        --------
        ReconstructionDisplay.from_estimator : The same from estimators.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from skae.inspection import ReconstructionDisplay
        >>> X = np.random.RandomState(0).uniform(size=(5, 16, 16))
        >>> display = ReconstructionDisplay.from_predictions(X, X.round(1))
        >>> len(display.images_["Reconstruction"])
        5
        >>> plt.close(display.figure_)
        """
        if not isinstance(reconstructions, Mapping):
            reconstructions = {_UNNAMED: reconstructions}
            if isinstance(codes, Mapping):
                raise ValueError(
                    "codes is a dict, but reconstructions is an array: give both as "
                    "arrays, or both as dicts with the same names."
                )
            codes = None if codes is None else {_UNNAMED: codes}
        if not reconstructions:
            raise ValueError("reconstructions is empty, but at least one was expected.")
        reconstructions = by_name(reconstructions)
        n_samples = check_n_samples(n_samples, X, sample_shape)
        numbers, texts = split_categories(X)
        center, scale = mean_and_deviation(numbers) if standardize else (0, 1)
        categories, error_scales = None, None
        if texts is not None:
            categories = {}
            error_scales = _deviations(numbers, texts, standardize)

        def prepare(values, what, name):
            values, texts = split_categories(values)
            if (texts is None) != (categories is None):
                raise ValueError(
                    f"X has {'no ' if texts is not None else ''}columns of categories, "
                    f"in contrast to what is compared with it: {what}."
                )
            if texts is not None:
                categories[name] = texts[:n_samples]
            values = _check_shape_of_X(values, what, X, n_samples, texts is not None)
            if standardize:
                values = (values - center) / scale
            images = as_images(values, sample_shape)
            return values if images is None else images

        shown = prepare(_safe_indexing(X, slice(n_samples)), "X", _VALUE)
        reconstructions = {
            name: prepare(values, f"The reconstruction by {name!r}", name)
            for name, values in reconstructions.items()
        }
        if shown.ndim == 2:
            feature_names = feature_names_of(X, shown.shape[1], feature_names)
        return cls(
            shown,
            reconstructions,
            codes=_check_codes(codes, reconstructions, n_samples),
            feature_names=feature_names,
            value_label=STANDARDIZED if standardize else "Value",
            categories=categories,
            sample_names=names_of_samples(_safe_indexing(X, slice(n_samples))),
            error_scales=error_scales,
        ).plot(ax, **plot_params)


def _deviations(numbers, texts, are_standardized):
    """Return the standard deviations of columns, of categories as if one-hot encoded.

    They are 1 for numbers that are standardized, and for columns that are constant.
    """
    _, deviations = mean_and_deviation(numbers)
    if are_standardized:
        deviations[:] = 1
    for i, column in enumerate(texts.T):
        counts = Counter(text for text in column if text is not None)
        if len(counts) > 1:
            shares = np.array(list(counts.values())) / counts.total()
            deviations[i] = np.sqrt(1 - np.square(shares).sum())
    return deviations


def _check_shape_of_X(values, what, X, n_samples, has_categories):
    """Check that values have the shape of X, and return the first n_samples."""
    allow_missing = what == "X" or has_categories
    values = check_samples(values, what, allow_missing=allow_missing)
    shape = np.shape(X)
    if values.shape[1:] != shape[1:] or len(values) not in (n_samples, shape[0]):
        raise ValueError(f"{what} has shape {values.shape}, but X has {shape}.")
    return values[:n_samples]


def _check_codes(codes, reconstructions, n_samples):
    """Return a dict of the first n_samples codes, by names of the reconstructions."""
    codes = {} if codes is None else codes
    if not isinstance(codes, Mapping):
        raise ValueError(
            "codes is an array, but reconstructions is a dict: give codes as a dict "
            "with the same names."
        )
    checked = {}
    for name, values in codes.items():
        what = f"The code by {name!r}"
        if name not in reconstructions:
            raise ValueError(
                f"{what} has no reconstruction: names were expected to be among "
                f"{list(reconstructions)}."
            )
        values = check_samples(values, what)
        if len(values) < n_samples:
            raise ValueError(
                f"{what} has {len(values)} samples, but {n_samples} were expected."
            )
        checked[name] = values[:n_samples].reshape(n_samples, -1)
    return checked
