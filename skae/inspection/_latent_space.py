"""What codes mean."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from ._decoding import (
    check_components,
    check_decoded,
    check_grid_components,
    codes_between,
    decode_codes,
    grid_of_codes,
)
from ._drawing import (
    LINE,
    axes_size,
    check_option,
    even_ticks,
    number,
    set_axes_title,
    single_axes,
)
from ._estimators import encode, feature_names_of
from ._images import draw_heat_map, draw_image_rows, draw_mosaic, to_colors
from ._scatter import PointColors, draw_pairs


class LatentSpaceDisplay:
    """Codes as points, and what lies between them.

    There are three kinds: a scatter plot of two components, or of all pairs of more; a
    grid of images decoded from evenly spaced codes (the manifold picture); and an
    interpolation between the codes of two samples.

    It is recommended to use :meth:`from_estimator` or :meth:`from_codes` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes.
    y : array-like of shape (n_samples,), default=None
        Classes, or numbers, that colour the points.
    components : tuple of int, default=None
        The components to draw, the first being 0. None is all, but 5 at most.
    decoded : ndarray of shape (n_rows, n_columns, height, width[, channels]), \
            (n_steps, height, width[, channels]) or (n_steps, n_features), default=None
        Samples decoded from a grid of codes, or on the way from one to another.
    decoded_codes : ndarray of shape (n_rows, n_columns, n_components) or \
            (n_steps, n_components), default=None
        The codes that those come from. In a grid, the first of `components` grows with
        the columns, and the second with the rows.
    feature_names : list of str, default=None
        Names of the features of an interpolation of a table. None: x0, x1 and so on.

    Attributes
    ----------
    artists_ : dict
        What was drawn. For a scatter plot: by pairs of components, dicts of class to
        PathCollection, "" being the class where there are none; by a component and
        itself, dicts of class to StepPatch. For a grid and an interpolation: "decoded"
        to a list of AxesImage.
    axes_ : ndarray of matplotlib.axes.Axes, dtype=object
        All axes: of shape (1,), or (n_components, n_components) for pairs, with None
        above the diagonal.
    ax_ : matplotlib.axes.Axes
        The first of them.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    ReconstructionDisplay : What becomes of samples.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014,
       for the grid.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> pca = PCA(n_components=2).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(pca, X, y)
    >>> display.ax_.get_xlabel()
    'Component 0'
    >>> plt.close(display.figure_)
    >>> display = LatentSpaceDisplay.from_estimator(
    ...     pca, X, kind="grid", image_shape=(8, 8), n_steps=10
    ... )
    >>> display.decoded.shape
    (10, 10, 8, 8)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        codes,
        *,
        y=None,
        components=None,
        decoded=None,
        decoded_codes=None,
        feature_names=None,
    ):
        self.codes = codes
        self.y = y
        self.components = components
        self.decoded = decoded
        self.decoded_codes = decoded_codes
        self.feature_names = feature_names

    def plot(self, ax=None, *, kind=None, cmap=None, scatter_kwargs=None):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. For pairs of more than two components, they are turned off
            and a grid of others is put in their place. None makes a figure.
        kind : {"scatter", "grid", "interpolation"}, default=None
            What to draw. None is what there are decoded samples for, else "scatter".
        cmap : str or matplotlib.colors.Colormap, default=None
            Colours of points, or of decoded images of one channel and tables. None is
            "viridis" for points and tables and "gray" for images.
        scatter_kwargs : dict, default=None
            Passed to ``Axes.scatter``.

        Returns
        -------
        LatentSpaceDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are no decoded samples of this `kind`, or `y` is of another length
            than the codes.
        """
        kinds = {None: "scatter", 3: "grid", 2: "interpolation"}
        there = kinds[None if self.decoded is None else self.decoded_codes.ndim]
        kind = there if kind is None else kind
        check_option("kind", kind, kinds.values())
        if kind not in ("scatter", there):
            raise ValueError(
                f"kind={kind!r}, but the display has no decoded samples of that kind. "
                f"Make it by from_estimator(..., kind={kind!r})."
            )
        if kind == "scatter":
            self._plot_scatter(ax, cmap or "viridis", scatter_kwargs)
        elif kind == "grid":
            self._plot_grid(ax, cmap or "gray")
        elif self.decoded.ndim == 2:
            self._plot_table_interpolation(ax, cmap or "viridis")
        else:
            self._plot_interpolation(ax, cmap or "gray")
        self.figure_ = self.ax_.figure
        return self

    def _plot_scatter(self, ax, cmap, scatter_kwargs):
        components = check_components(self.components, self.codes.shape[1])
        colors = PointColors(self.y, len(self.codes))
        if len(components) > 2:
            self.axes_, self.artists_ = draw_pairs(
                ax, self.codes, components, colors, cmap, scatter_kwargs
            )
            self.ax_ = self.axes_[0, 0]
            return
        own = ax is None
        self.ax_ = ax = single_axes(ax, (5.6 + colors.width, 4.8))
        self.axes_ = np.array([ax], dtype=object)
        i, j = components[0], components[-1]
        x = self.codes[:, i]
        title = f"Codes: components {i} and {j}"
        if i != j:
            artists = colors.scatter(ax, x, self.codes[:, j], scatter_kwargs, cmap)
            ax.set(xlabel=f"Component {i}", ylabel=f"Component {j}")
        elif colors.values is not None:
            artists = colors.scatter(ax, x, colors.values, scatter_kwargs, cmap)
            ax.set(xlabel=f"Component {i}", ylabel="y")
            title = f"Codes: component {i}"
        else:
            artists = colors.histogram(ax, x, cmap)
            ax.set(xlabel=f"Component {i}", ylabel="Samples")
            title = f"Codes: component {i}"
        self.artists_ = {(i, j): artists}
        if i != j or colors.values is None:
            colors.explain(artists, ax=ax, inside=not own)
        set_axes_title(ax, title)

    def _plot_grid(self, ax, cmap):
        n_rows, n_columns, height, width = self.decoded.shape[:4]
        i, j = (self.components or (0, 1))[:2]
        ratio = n_rows * height / (n_columns * width)
        # Wide enough for the title.
        size = max(np.clip(0.4 * max(n_rows, n_columns), 3, 7), 2 * min(ratio, 4))
        own = ax is None
        self.ax_ = ax = single_axes(
            ax,
            (max(size / max(ratio, 1) + 0.8, 4.8), size * min(ratio, 1) + 1.1),
        )
        self.axes_ = np.array([ax], dtype=object)
        image = draw_mosaic(ax, self.decoded, cmap)
        self.artists_ = {"decoded": [image]}
        inches = size / max(ratio, 1) if own else axes_size(ax)[0]
        for axis, n, values in (
            (ax.xaxis, n_columns, self.decoded_codes[0, :, i]),
            (ax.yaxis, n_rows, self.decoded_codes[:, 0, j]),
        ):
            ticks = even_ticks(n, inches)
            axis.set_ticks(ticks, [number(values[t]) for t in ticks])
        ax.set(xlabel=f"Component {i}", ylabel=f"Component {j}")
        set_axes_title(ax, f"Decoded across components {i} and {j}", inches)

    def _plot_interpolation(self, ax, cmap):
        n_steps, height, width = self.decoded.shape[:3]
        low, high = self.decoded.min(), self.decoded.max()
        images = to_colors(self.decoded, low, high)
        kwargs = {"cmap": cmap, "vmin": low, "vmax": high}
        inches = float(np.clip(9 / n_steps, 0.45, 1.2))
        self.ax_, artists, room = draw_image_rows(
            ax,
            [("", images, kwargs)],
            n_columns=n_steps,
            slot_heights=[height / width],
            inches=inches,
            more_height=2.2 * LINE,
        )
        self.artists_ = {"decoded": artists[""]}
        self._finish_interpolation(n_steps, 0.5, room)

    def _plot_table_interpolation(self, ax, cmap):
        names = feature_names_of(None, self.decoded.shape[1], self.feature_names)
        image = draw_heat_map(ax, self.decoded.T, names, cmap, "Decoded value")
        self.ax_ = image.axes
        self.artists_ = {"decoded": [image]}
        self._finish_interpolation(len(self.decoded), 0)

    def _finish_interpolation(self, n_steps, offset, room=None):
        ticks = even_ticks(n_steps, room or axes_size(self.ax_)[0])
        shares = ticks / (n_steps - 1)
        self.ax_.set_xticks(ticks + offset, [number(share) for share in shares])
        self.ax_.set_xlabel("Share of the way")
        set_axes_title(self.ax_, "Interpolation between two codes", room)
        self.axes_ = np.array([self.ax_], dtype=object)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        kind="scatter",
        components=None,
        samples=(0, 1),
        n_steps=None,
        image_shape=None,
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Plot the codes that a fitted estimator gives, or what it decodes.

        Parameters
        ----------
        estimator : fitted estimator
            With `transform`, such as PCA and :class:`~skae.AutoencoderTransformer`, an
            :class:`~skae.AutoencoderOutlierDetector`, or a Pipeline that ends in one of
            them. A grid and an interpolation need `inverse_transform` too.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Rows or images to encode. Images go as flat rows to estimators that were
            fitted on as many features.
        y : array-like of shape (n_samples,), default=None
            Classes, or numbers, that colour the points.
        kind : {"scatter", "grid", "interpolation"}, default="scatter"
            What to draw. A grid goes from the 2nd to the 98th percentile of the codes
            of X in two components; the others stay at their medians.
        components : tuple of int, default=None
            The components to draw, the first being 0. None is all, but 5 at most, and
            for a grid the first two.
        samples : tuple of two ints, default=(0, 1)
            The rows of X that an interpolation goes from and to.
        n_steps : int, default=None
            Images along a side of a grid, or from one sample to the other with both.
            None is 15 or 10.
        image_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images that flat rows stand for; "square" takes it from the
            number of features. None: flat rows are a table.
        feature_names : list of str, default=None
            Names of the features of a table. None takes those of a DataFrame.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, see :meth:`plot`. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        LatentSpaceDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator cannot encode, or decode where that is needed.
        ValueError
            If a component or a sample does not exist, or shapes do not fit.

        See Also
        --------
        LatentSpaceDisplay.from_codes : The same from arrays.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.decomposition import PCA
        >>> from skae.inspection import LatentSpaceDisplay
        >>> X = load_iris(as_frame=True).data
        >>> display = LatentSpaceDisplay.from_estimator(
        ...     PCA(2).fit(X), X, kind="interpolation", samples=(0, -1)
        ... )
        >>> display.decoded.shape
        (10, 4)
        >>> plt.close(display.figure_)
        """
        codes = encode(estimator, X)
        decoded_codes = decoded = None
        if n_steps is not None and (not isinstance(n_steps, Integral) or n_steps < 2):
            raise ValueError(
                f"n_steps={n_steps!r}, but an int of 2 or more was expected."
            )
        if kind == "grid":
            components = check_grid_components(components, codes.shape[1])
            decoded_codes = grid_of_codes(codes, components, n_steps or 15)
        elif kind == "interpolation":
            decoded_codes = codes_between(codes, samples, n_steps or 10)
        if decoded_codes is not None:
            decoded = decode_codes(estimator, decoded_codes, np.shape(X)[1:])
        names = feature_names
        if names is None and np.ndim(X) == 2:
            names = getattr(X, "columns", None)
        return cls.from_codes(
            codes,
            y,
            components=components,
            decoded=decoded,
            decoded_codes=decoded_codes,
            image_shape=image_shape,
            feature_names=names,
            ax=ax,
            kind=kind,
            **plot_params,
        )

    @classmethod
    def from_codes(
        cls,
        codes,
        y=None,
        *,
        components=None,
        decoded=None,
        decoded_codes=None,
        image_shape=None,
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Plot codes and decoded samples that are at hand.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            Codes.
        y : array-like of shape (n_samples,), default=None
            Classes, or numbers, that colour the points.
        components : tuple of int, default=None
            The components to draw, the first being 0. None is all, but 5 at most, and
            for a grid the first two.
        decoded : array-like of shape (n_rows, n_columns, ...) or (n_steps, ...), \
                default=None
            Samples decoded from a grid of codes, or on the way from one to another.
        decoded_codes : array-like of shape (n_rows, n_columns, n_components) or \
                (n_steps, n_components), default=None
            The codes that those come from.
        image_shape : tuple of 2 or 3 ints, "square" or None, default=None
            Shape of the images that flat decoded samples stand for.
        feature_names : list of str, default=None
            Names of the features of a table.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in, see :meth:`plot`. None makes a figure.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        LatentSpaceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes do not fit, or a component does not exist.

        See Also
        --------
        LatentSpaceDisplay.from_estimator : The same from an estimator.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from skae.inspection import LatentSpaceDisplay
        >>> codes = np.random.RandomState(0).normal(size=(50, 4))
        >>> display = LatentSpaceDisplay.from_codes(codes, codes[:, 0] > 0)
        >>> display.axes_.shape
        (4, 4)
        >>> plt.close(display.figure_)
        """
        codes = check_array(codes, input_name="codes")
        if (decoded is None) != (decoded_codes is None):
            raise ValueError("Give decoded and decoded_codes together, or neither.")
        if decoded is not None:
            decoded, decoded_codes = check_decoded(
                decoded, decoded_codes, codes.shape[1], image_shape
            )
            if decoded_codes.ndim == 3:
                components = check_grid_components(components, codes.shape[1])
        if components is not None:
            components = check_components(components, codes.shape[1])
        return cls(
            codes,
            y=y,
            components=components,
            decoded=decoded,
            decoded_codes=decoded_codes,
            feature_names=feature_names,
        ).plot(ax, **plot_params)
