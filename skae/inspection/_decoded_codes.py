"""Display of samples decoded from codes."""

import numpy as np

from ._drawing import (
    LINE,
    STANDARDIZED,
    axes_size,
    check_count,
    check_option,
    even_ticks,
    number,
    set_axes_title,
    single_axes,
)
from ._estimators import class_name, decode, encode, feature_names_of, names_of_columns
from ._images import (
    ImageRow,
    as_images,
    check_samples,
    draw_heat_map,
    draw_image_rows,
    draw_mosaic,
    mean_and_deviation,
    to_colors,
)
from ._latent_space import check_components


class DecodedCodesDisplay:
    """Samples decoded from a grid of codes, or along a line between two codes.

    A grid shows images decoded from codes that are evenly spaced in two components, as
    in [1]_. An interpolation shows the samples, images or rows of a table, decoded from
    evenly spaced codes between those of two samples.

    It is recommended to use :meth:`from_estimator` or :meth:`from_decoded` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    decoded : ndarray of shape (n_rows, n_columns, height, width[, channels]), \
            (n_steps, height, width[, channels]) or (n_steps, n_features)
        Samples decoded from the codes: images of a grid, images of an interpolation, or
        rows of a table of an interpolation.
    codes : ndarray of shape (n_rows, n_columns, n_components) or \
            (n_steps, n_components)
        The codes. In a grid, the first of `components` grows with the columns and the
        second with the rows.
    components : tuple of two ints, default=(0, 1)
        The components that vary in a grid, counted from 0.
    feature_names : list of str, default=None
        Names of the features of a table. None: x0, x1 and so on.
    value_label : str, default="Decoded value"
        Label of the values of a table.

    Attributes
    ----------
    images_ : list of matplotlib.image.AxesImage
        The images of the steps of an interpolation. One for a whole grid, and one for a
        table, which is drawn as a heat map with a row for each feature.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    LatentSpaceDisplay : Scatter plots of codes.
    ReconstructionDisplay : Samples beside their reconstructions.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import DecodedCodesDisplay
    >>> X = load_digits().data
    >>> pca = PCA(n_components=2).fit(X)
    >>> display = DecodedCodesDisplay.from_estimator(
    ...     pca, X, sample_shape=(8, 8), n_steps=10
    ... )
    >>> display.decoded.shape
    (10, 10, 8, 8)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        decoded,
        codes,
        *,
        components=(0, 1),
        feature_names=None,
        value_label="Decoded value",
    ):
        self.decoded = decoded
        self.codes = codes
        self.components = components
        self.feature_names = feature_names
        self.value_label = value_label

    def plot(self, ax=None, *, cmap=None):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        cmap : str or matplotlib.colors.Colormap, default=None
            Colours of images of one channel and of tables. None is "gray" for images
            and "viridis" for tables.

        Returns
        -------
        DecodedCodesDisplay
            The display itself.
        """
        if self.codes.ndim == 3:
            self._plot_grid(ax, cmap or "gray")
        elif self.decoded.ndim > 2:
            self._plot_images(ax, cmap or "gray")
        else:
            self._plot_table(ax, cmap or "viridis")
        self.figure_ = self.ax_.figure
        return self

    def _plot_grid(self, ax, cmap):
        n_rows, n_columns, height, width = self.decoded.shape[:4]
        i, j = self.components
        ratio = n_rows * height / (n_columns * width)
        # Wide enough for the title.
        size = max(np.clip(0.4 * max(n_rows, n_columns), 3, 7), 2 * min(ratio, 4))
        inches = size / max(ratio, 1)
        width = max(inches + 0.8, 4.8)
        room = width - 1.4
        if ax is not None:
            room = inches = axes_size(single_axes(ax, None))[0]
        self.ax_ = single_axes(ax, (width, size * min(ratio, 1) + 1.1))
        self.images_ = [draw_mosaic(self.ax_, self.decoded, cmap)]
        for axis, n, values in (
            (self.ax_.xaxis, n_columns, self.codes[0, :, i]),
            (self.ax_.yaxis, n_rows, self.codes[:, 0, j]),
        ):
            ticks = even_ticks(n, inches)
            axis.set_ticks(ticks, [number(values[t]) for t in ticks])
        self.ax_.set(xlabel=f"Component {i}", ylabel=f"Component {j}")
        set_axes_title(self.ax_, f"Decoded across components {i} and {j}", room)

    def _plot_images(self, ax, cmap):
        n_steps, height, width = self.decoded.shape[:3]
        low, high = self.decoded.min(), self.decoded.max()
        kwargs = {"cmap": cmap, "vmin": low, "vmax": high}
        images = to_colors(self.decoded, low, high)
        self.ax_, (self.images_,), room = draw_image_rows(
            ax,
            [ImageRow("", images, height / width, kwargs)],
            n_columns=n_steps,
            inches=float(np.clip(9 / n_steps, 0.45, 1.2)),
            more_height=2.2 * LINE,
        )
        ticks = even_ticks(n_steps, room or axes_size(self.ax_)[0])
        self._label_steps(ticks, 0.5, room)

    def _plot_table(self, ax, cmap):
        names = feature_names_of(None, self.decoded.shape[1], self.feature_names)
        image = draw_heat_map(ax, self.decoded.T, names, cmap, self.value_label)
        self.images_, self.ax_ = [image], image.axes
        self._label_steps(np.linspace(0, len(self.codes) - 1, 5))

    def _label_steps(self, ticks, offset=0, room=None):
        """Label steps of an interpolation by their position between the codes."""
        positions = ticks / (len(self.codes) - 1)
        self.ax_.set_xticks(ticks + offset, [number(p) for p in positions])
        self.ax_.set_xlabel("Position between the codes")
        set_axes_title(self.ax_, "Interpolation between two codes", room)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        kind="grid",
        components=None,
        samples=(0, 1),
        n_steps=None,
        sample_shape=None,
        feature_names=None,
        standardize=True,
        ax=None,
        **plot_params,
    ):
        """Plot samples that a fitted estimator decodes from codes.

        Parameters
        ----------
        estimator : fitted estimator
            With `transform` and `inverse_transform`, such as PCA and
            :class:`~skae.AutoencoderTransformer`, an
            :class:`~skae.AutoencoderOutlierDetector`, or a Pipeline that ends in one of
            them, whose scaling is undone.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Samples whose codes determine those that are decoded. Images are flattened
            for estimators that were fitted on as many features.
        kind : {"grid", "interpolation"}, default="grid"
            Which codes to decode. A grid extends from the 2nd to the 98th percentile of
            the codes of X in two components; the others are at their medians. An
            interpolation goes from the code of one sample to that of another.
        components : tuple of two ints, default=None
            The components that vary in a grid, counted from 0. None is the first two.
        samples : tuple of two ints, default=(0, 1)
            Indices in X of the samples at the ends of an interpolation.
        n_steps : int, default=None
            Number of images along each side of a grid, or of steps of an interpolation
            with both ends. None is 15 for a grid and 10 for an interpolation.
        sample_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images of which X holds the flat pixels; "square" derives it
            from the number of features. None: flat samples are a table.
        feature_names : list of str, default=None
            Names of the features of a table. None takes those of a DataFrame.
        standardize : bool, default=True
            Whether to draw a table in standard deviations from the mean of all samples
            of X, so that features of all scales share its colours. Images are drawn in
            their own units.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        DecodedCodesDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator cannot encode and decode.
        ValueError
            If a component or a sample does not exist, if a grid is asked for samples
            that are not images, or if shapes do not fit.

        See Also
        --------
        DecodedCodesDisplay.from_decoded : The same from arrays.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.decomposition import PCA
        >>> from skae.inspection import DecodedCodesDisplay
        >>> X = load_iris(as_frame=True).data
        >>> display = DecodedCodesDisplay.from_estimator(
        ...     PCA(2).fit(X), X, kind="interpolation", samples=(0, -1)
        ... )
        >>> display.decoded.shape
        (10, 4)
        >>> plt.close(display.figure_)
        """
        check_option("kind", kind, ("grid", "interpolation"))
        if n_steps is not None:
            check_count("n_steps", n_steps, smallest=2)
        codes = encode(estimator, X)
        if kind == "grid":
            components = _check_grid_components(components, codes.shape[1])
            codes = _grid_of_codes(codes, components, n_steps or 15)
        else:
            codes = _interpolate(codes, samples, n_steps or 10)
        if feature_names is None and np.ndim(X) == 2:
            feature_names = names_of_columns(X, estimator)
        decoded = _decode(estimator, codes, np.shape(X)[1:])
        value_label = "Decoded value"
        if standardize and sample_shape is None and np.ndim(X) == 2:
            center, scale = mean_and_deviation(X)
            decoded, value_label = (decoded - center) / scale, STANDARDIZED
        return cls.from_decoded(
            decoded,
            codes,
            components=components,
            sample_shape=sample_shape,
            feature_names=feature_names,
            value_label=value_label,
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_decoded(
        cls,
        decoded,
        codes,
        *,
        components=None,
        sample_shape=None,
        feature_names=None,
        value_label="Decoded value",
        ax=None,
        **plot_params,
    ):
        """Plot precomputed decoded samples.

        Parameters
        ----------
        decoded : array-like of shape (n_rows, n_columns, ...) or (n_steps, ...)
            Samples decoded from a grid of codes, or from codes of an interpolation.
        codes : array-like of shape (n_rows, n_columns, n_components) or \
                (n_steps, n_components)
            The codes. In a grid, the first of `components` grows with the columns and
            the second with the rows.
        components : tuple of two ints, default=None
            The components that vary in a grid, counted from 0. None is the first two.
        sample_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images of which `decoded` holds the flat pixels; "square"
            derives it from the number of features. None: flat samples are a table.
        feature_names : list of str, default=None
            Names of the features of a table. None: x0, x1 and so on.
        value_label : str, default="Decoded value"
            Label of the values of a table.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        DecodedCodesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes do not fit, or a component does not exist.

        See Also
        --------
        DecodedCodesDisplay.from_estimator : The same from an estimator.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from skae.inspection import DecodedCodesDisplay
        >>> codes = np.linspace([0.0, 1.0], [1.0, 0.0], 5)
        >>> images = np.tile(codes[:, :1], 16)
        >>> display = DecodedCodesDisplay.from_decoded(
        ...     images, codes, sample_shape=(4, 4)
        ... )
        >>> len(display.images_)
        5
        >>> plt.close(display.figure_)
        """
        decoded, codes = _check_decoded(decoded, codes, sample_shape)
        if codes.ndim == 3:
            components = _check_grid_components(components, codes.shape[2])
        return cls(
            decoded,
            codes,
            components=(0, 1) if components is None else components,
            feature_names=feature_names,
            value_label=value_label,
        ).plot(ax, **plot_params)


def _check_grid_components(components, n_components):
    """Return the two components that vary in a grid."""
    if components is None and n_components > 1:
        return (0, 1)
    components = check_components(components, n_components)
    if len(components) != 2:
        raise ValueError(
            f"kind='grid' varies two components, but there are {len(components)}. "
            "Give two, as components=(0, 1), for codes of at least two components."
        )
    return components


def _grid_of_codes(codes, components, n_steps):
    """Return codes evenly spaced in two components, the others at their medians."""
    grid = np.empty((n_steps, n_steps, codes.shape[1]), codes.dtype)
    grid[:] = np.median(codes, axis=0)
    low, high = np.percentile(codes[:, list(components)], [2, 98], axis=0)
    steps = np.linspace(low, high, n_steps)
    grid[:, :, components[0]] = steps[:, 0]
    grid[:, :, components[1]] = steps[:, 1, np.newaxis]
    return grid


def _interpolate(codes, samples, n_steps):
    """Return codes evenly spaced from that of one sample to that of another."""
    try:
        first, last = samples
        first, last = codes[first], codes[last]
        valid = first.ndim == last.ndim == 1
    except (TypeError, ValueError, IndexError):
        valid = False
    if not valid:
        raise ValueError(
            f"samples={samples!r}, but the indices of two samples of X were expected, "
            f"which has {len(codes)} samples."
        )
    share = np.linspace(0, 1, n_steps, dtype=codes.dtype)[:, np.newaxis]
    return (1 - share) * first + share * last


def _decode(estimator, codes, sample_shape):
    """Decode codes of any leading shape to samples of the shape of those of X."""
    if not hasattr(estimator, "inverse_transform") and hasattr(estimator, "transform"):
        raise TypeError(
            f"{class_name(estimator)} has no inverse_transform to decode with. "
            "LatentSpaceDisplay draws the codes alone."
        )
    samples = decode(estimator, codes.reshape(-1, codes.shape[-1]))
    return samples.reshape(*codes.shape[:-1], *sample_shape)


def _check_decoded(decoded, codes, sample_shape):
    """Return decoded samples, as images where they are, and their codes."""
    decoded = check_samples(decoded, "decoded")
    codes = check_samples(codes, "codes")
    leading = codes.shape[:-1]
    if codes.ndim not in (2, 3):
        raise ValueError(
            f"codes has shape {codes.shape}, but (n_rows, n_columns, n_components) for "
            "a grid or (n_steps, n_components) for an interpolation was expected."
        )
    if min(leading) < 2:
        raise ValueError(
            f"codes has shape {codes.shape}, but at least two codes along each side "
            "were expected."
        )
    if decoded.shape[: len(leading)] != leading or decoded.ndim == len(leading):
        raise ValueError(
            f"decoded has shape {decoded.shape}, but {(*leading, '...')} was expected "
            f"for codes of shape {codes.shape}."
        )
    samples = decoded.reshape(-1, *decoded.shape[len(leading) :])
    images = as_images(samples, sample_shape)
    if images is not None:
        decoded = images.reshape(*leading, *images.shape[1:])
    elif codes.ndim == 3:
        raise ValueError(
            "A grid is drawn of images, but each sample has the flat shape "
            f"{samples.shape[1:]}. Give sample_shape=(height, width)."
        )
    return decoded, codes
