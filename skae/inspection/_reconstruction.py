"""Originals beside their reconstructions."""

from collections.abc import Mapping

import numpy as np
from sklearn.utils import _safe_indexing

from ._bars import draw_tables
from ._drawing import LINE, set_axes_title, wrapped
from ._estimators import by_name, feature_names_of, reconstruct
from ._images import (
    as_code_images,
    as_images,
    check_n_samples,
    check_samples,
    draw_image_rows,
    image_slots,
    to_colors,
)

_ORIGINAL = object()
_UNNAMED = "Reconstruction"


class ReconstructionDisplay:
    """Originals, their codes and their reconstructions.

    Images are drawn above each other: originals, codes as small pictures,
    reconstructions, and errors if asked for. Rows of a table become bars, a value and
    its reconstruction for each feature. Several estimators are compared in one figure.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), (n_samples, height, width) or \
            (n_samples, height, width, channels)
        The originals: rows of a table, or images of 1, 3 or 4 channels.
    reconstructions : dict of str to ndarray of the shape of X
        Reconstructions, by the name of what made them.
    codes : dict of str to ndarray of shape (n_samples, n_components), default=None
        Codes by the same names. None, or no code by a name: it has none to show.
    feature_names : list of str, default=None
        Names of the features of a table. None: x0, x1 and so on.
    value_label : str, default="Value"
        What the values of a table are.

    Attributes
    ----------
    images_ : dict of str to list of matplotlib.image.AxesImage
        Images by the label of their row, in the order of X. Empty for tables.
    bars_ : dict of str to list of matplotlib.container.BarContainer
        By the label of the series, the bars of each row of X. Empty for images.
    ax_ : matplotlib.axes.Axes
        The axes of all images, or of the first row of a table.
    axes_ : ndarray of shape (1,) or (n_samples,), dtype=object
        All axes: each row of a table has its own.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    LatentSpaceDisplay : What the codes mean.
    skae.metrics.reconstruction_r2_score : The quality in one number.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import ReconstructionDisplay
    >>> X = load_digits().data
    >>> pca = PCA(n_components=8).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8))
    >>> list(display.images_)
    ['Original', 'Code', 'Reconstruction']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, X, reconstructions, *, codes=None, feature_names=None, value_label="Value"
    ):
        self.X = X
        self.reconstructions = reconstructions
        self.codes = codes
        self.feature_names = feature_names
        self.value_label = value_label

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
            Axes to draw in, which images share. Rows of a table have axes of their own:
            those given are turned off, and a grid of others is put in their place.
            Labels need room at the left: ``layout="constrained"`` of a figure gives it.
            None makes a figure of a size that suits.
        show_codes : bool, default=True
            Whether to draw the codes of images, where there are any.
        code_shape : tuple of two ints, default=None
            Height and width of the picture of a code, in numbers. None is the most
            nearly square one.
        show_errors : bool, default=False
            Whether to draw the absolute error of each pixel, the mean over channels.
            All estimators share one scale, from zero to the largest error.
        cmap : str or matplotlib.colors.Colormap, default="gray"
            Colours of images of one channel. They go from the least to the largest
            value of the originals, and for the reconstructions too.
        max_features : int, default=30
            The most features drawn of a table: those with the largest mean absolute
            error.

        Returns
        -------
        ReconstructionDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `code_shape` does not fit the codes, or errors of a table are asked for.
        """
        self.images_, self.bars_ = {}, {}
        title = "{} and their reconstructions"
        if len(self.reconstructions) == 1 and _UNNAMED not in self.reconstructions:
            title += f" by {next(iter(self.reconstructions))}"
        if self.X.ndim > 2:
            room = self._plot_images(ax, show_codes, code_shape, show_errors, cmap)
            set_axes_title(self.ax_, title.format("Images"), room)
            return self
        if show_errors:
            raise ValueError(
                "show_errors=True is for images, but X is a table: give "
                "image_shape=(height, width) if its rows are images."
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
        height = np.clip(self.X.shape[1] / self.X.shape[2], 0.3, 3)
        low, high = self.X.min(), self.X.max()
        grey = {"cmap": cmap, "vmin": low, "vmax": high}
        rows = [("Original", to_colors(self.X, low, high), grey)]
        heights = [height]
        errors = {name: self._errors(name) for name in self.reconstructions}
        largest = max(error.max() for error in errors.values())
        for name, reconstruction in self.reconstructions.items():
            prefix = f"{name}: " if len(self.reconstructions) > 1 else ""
            codes = (self.codes or {}).get(name)
            if show_codes and codes is not None:
                images = as_code_images(codes, code_shape, name)
                kwargs = {"vmin": codes.min(), "vmax": codes.max(), "cmap": "cividis"}
                rows.append(
                    (f"{prefix}code", images, {"interpolation": "nearest", **kwargs})
                )
                heights.append(min(images.shape[1] / images.shape[2], 0.75 * height))
            images = to_colors(reconstruction, low, high)
            rows.append((f"{prefix}reconstruction", images, grey))
            heights.append(height)
            if show_errors:
                label = f"{prefix}absolute error\n(0 to {largest:.2g})"
                kwargs = {"vmin": 0, "vmax": largest, "cmap": "viridis"}
                rows.append((label, errors[name], kwargs))
                heights.append(height)
        rows = [
            (wrapped(label[0].upper() + label[1:], 24), images, kwargs)
            for label, images, kwargs in rows
        ]
        for i, (label, *_) in enumerate(rows):
            text = (label.count("\n") + 1.3) * LINE / inches
            heights[i] = max(heights[i], text)
        self.ax_, self.images_, room = draw_image_rows(
            ax, rows, n_columns=n_columns, slot_heights=heights, inches=inches
        )
        self.axes_ = np.array([self.ax_], dtype=object)
        self.figure_ = self.ax_.figure
        return room

    def _errors(self, name):
        errors = np.abs(self.X - self.reconstructions[name])
        return errors if errors.ndim == 3 else errors.mean(-1)

    def _plot_table(self, ax, max_features, title):
        names = feature_names_of(None, self.X.shape[1], self.feature_names)
        error = sum(np.abs(self.X - X).mean(0) for X in self.reconstructions.values())
        shown = np.sort(np.argsort(-error, kind="stable")[:max_features])
        series = {"Value": self.X[:, shown]}
        for name, X in self.reconstructions.items():
            label = name if name == _UNNAMED else f"Reconstruction by {name}"
            series[label] = X[:, shown]
        self.axes_, self.bars_ = draw_tables(
            ax, series, [names[i] for i in shown], self.value_label, title
        )
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_samples=None,
        image_shape=None,
        feature_names=None,
        standardize=False,
        ax=None,
        **plot_params,
    ):
        """Plot originals and what a fitted estimator makes of them.

        Parameters
        ----------
        estimator : fitted estimator, list of them, or dict of str to them
            With `transform` and `inverse_transform`, such as PCA and
            :class:`~skae.AutoencoderTransformer`, an
            :class:`~skae.AutoencoderOutlierDetector`, or a Pipeline that ends in one of
            them, whose scaling is undone. Several are drawn below each other, with
            their class or the key of the dict for a name.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Rows or images to reconstruct. Images go as flat rows to estimators that
            were fitted on as many features.
        n_samples : int, default=None
            How many to draw, from the first on. None is 10 images or 4 rows of a table,
            if there are as many.
        image_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images that flat rows stand for; "square" takes it from the
            number of features. None: flat rows are a table.
        feature_names : list of str, default=None
            Names of the features of a table. None takes those of a DataFrame.
        standardize : bool, default=False
            Whether to draw a table in standard deviations from the mean of all rows of
            X, for features that differ in scale.
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
        n_samples = check_n_samples(n_samples, X, image_shape)
        shown = _safe_indexing(X, slice(n_samples))
        codes, reconstructions = {}, {}
        for name, one in by_name(estimator).items():
            codes[name], reconstructions[name] = reconstruct(one, shown)
        return cls.from_predictions(
            X,
            reconstructions,
            codes=codes,
            n_samples=n_samples,
            image_shape=image_shape,
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
        image_shape=None,
        feature_names=None,
        standardize=False,
        ax=None,
        **plot_params,
    ):
        """Plot originals and reconstructions that are at hand.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            The originals.
        reconstructions : array-like of the shape of X, or dict of str to them
            Reconstructions; several by their names.
        codes : array-like of shape (n_samples, n_components), or dict of str to them, \
                default=None
            Codes; by the names of the reconstructions if those have any.
        n_samples : int, default=None
            How many to draw, from the first on. None is 10 images or 4 rows of a table,
            if there are as many.
        image_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images that flat rows stand for; "square" takes it from the
            number of features. None: flat rows are a table.
        feature_names : list of str, default=None
            Names of the features of a table. None takes those of a DataFrame.
        standardize : bool, default=False
            Whether to draw a table in standard deviations from the mean of all rows of
            X, for features that differ in scale.
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
            codes = None if codes is None else {_UNNAMED: codes}
        reconstructions = by_name(reconstructions)
        codes = {} if codes is None else codes
        n_samples = check_n_samples(n_samples, X, image_shape)
        shape = np.shape(X)
        if standardize:
            everything = check_samples(X, "X")
            center, scale = everything.mean(0), everything.std(0)
            scale[scale == 0] = 1
        shown = {_ORIGINAL: _safe_indexing(X, slice(n_samples)), **reconstructions}
        for name, values in shown.items():
            what = "X" if name is _ORIGINAL else f"The reconstruction by {name!r}"
            values = check_samples(values, what)
            if values.shape[1:] != shape[1:] or len(values) not in (
                n_samples,
                shape[0],
            ):
                raise ValueError(f"{what} has shape {values.shape}, but X has {shape}.")
            values = values[:n_samples]
            if standardize:
                values = (values - center) / scale
            images = as_images(values, image_shape)
            shown[name] = values if images is None else images
        if not isinstance(codes, Mapping):
            raise ValueError(
                "codes is an array, but reconstructions is a dict: give codes as a "
                "dict with the same names."
            )
        checked = {}
        for name, values in codes.items():
            values = check_samples(values, f"The code by {name!r}")[:n_samples]
            if name not in reconstructions or len(values) != n_samples:
                raise ValueError(
                    f"The code by {name!r} has {len(values)} rows, for "
                    f"{n_samples} rows of X and reconstructions by "
                    f"{list(reconstructions)}: names and rows have to be the same."
                )
            checked[name] = values.reshape(n_samples, -1)
        X_shown = shown.pop(_ORIGINAL)
        names = None
        if X_shown.ndim == 2:
            names = feature_names_of(X, X_shown.shape[1], feature_names)
        return cls(
            X_shown,
            shown,
            codes=checked,
            feature_names=names,
            value_label="Standard deviations\nfrom the mean"
            if standardize
            else "Value",
        ).plot(ax, **plot_params)
