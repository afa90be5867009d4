"""Display of the codes of samples."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from ._drawing import set_axes_title, single_axes
from ._estimators import encode
from ._scatter import PointColors, draw_pairs

# A scatter matrix of more is too small to read.
_MOST_COMPONENTS = 5


class LatentSpaceDisplay:
    """Scatter plots and histograms of codes.

    Codes are the latent representations that `transform` returns. Two components are
    drawn as a scatter plot, one as a histogram (or against `y`, if that holds numbers),
    and more as a matrix of scatter plots of all pairs, with histograms on its diagonal.

    It is recommended to use :meth:`from_estimator` or :meth:`from_codes` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes.
    y : array-like of shape (n_samples,), default=None
        Classes or numbers by which the samples are coloured. The name of a Series
        labels the colour bar.
    components : tuple of int, default=None
        The components to draw, counted from 0. None draws all, but at most the first 5.

    Attributes
    ----------
    scatters_ : dict of str to list of matplotlib.collections.PathCollection
        The points of each class, in the order of `axes_`; those of all samples under
        "All samples" where `y` holds no classes. Empty for a histogram.
    histograms_ : dict of str to list of matplotlib.patches.StepPatch
        The histograms of each component by class, or of "All samples". Empty for a
        scatter plot of two components.
    axes_ : ndarray of matplotlib.axes.Axes, dtype=object
        All axes: of shape (1, 1), or (n_components, n_components) for pairs, with None
        above the diagonal.
    ax_ : matplotlib.axes.Axes
        The first of them.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    DecodedCodesDisplay : Samples decoded from codes.
    ReconstructionDisplay : Samples beside their reconstructions.

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
    >>> list(display.scatters_)[:3]
    ['0', '1', '2']
    >>> plt.close(display.figure_)
    """

    def __init__(self, codes, *, y=None, components=None):
        self.codes = codes
        self.y = y
        self.components = components

    def plot(self, ax=None, *, cmap="viridis", scatter_kwargs=None):
        """Plot visualization.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. For pairs of more than two components, they are turned off
            and a grid of others is put in their place. None makes a figure.
        cmap : str or matplotlib.colors.Colormap, default="viridis"
            Colours of the classes or numbers.
        scatter_kwargs : dict, default=None
            Passed to ``Axes.scatter``.

        Returns
        -------
        LatentSpaceDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `y` and the codes differ in length, or a component does not exist.
        """
        components = check_components(self.components, self.codes.shape[1])
        colors = PointColors(self.y, len(self.codes))
        if len(components) > 2:
            self.axes_, scatters, histograms = draw_pairs(
                ax, self.codes, components, colors, cmap, scatter_kwargs
            )
        else:
            beside = ax is None
            ax = single_axes(ax, (5.6 + colors.width, 4.8))
            draw = self._draw_two if len(components) == 2 else self._draw_one
            scatters, histograms = draw(ax, components, colors, cmap, scatter_kwargs)
            # Points along y need no colour bar.
            if len(components) == 2 or colors.values is None:
                artists = (scatters or histograms)[0]
                colors.add_legend(ax, artists, inside=not beside)
            numbers = " and ".join(map(str, components))
            plural = "s" * (len(components) - 1)
            set_axes_title(ax, f"Codes: component{plural} {numbers}")
            self.axes_ = np.array([[ax]], dtype=object)
        self.scatters_ = _by_class(scatters)
        self.histograms_ = _by_class(histograms)
        self.ax_ = self.axes_[0, 0]
        self.figure_ = self.ax_.figure
        return self

    def _draw_two(self, ax, components, colors, cmap, scatter_kwargs):
        i, j = components
        x, y = self.codes[:, i], self.codes[:, j]
        ax.set(xlabel=f"Component {i}", ylabel=f"Component {j}")
        return [colors.scatter(ax, x, y, scatter_kwargs, cmap)], []

    def _draw_one(self, ax, components, colors, cmap, scatter_kwargs):
        (i,) = components
        x = self.codes[:, i]
        ax.set(xlabel=f"Component {i}")
        if colors.values is not None:
            ax.set_ylabel(colors.label, parse_math=False)
            return [colors.scatter(ax, x, colors.values, scatter_kwargs, cmap)], []
        ax.set(ylabel="Samples")
        return [], [colors.histogram(ax, x, cmap)]

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, components=None, ax=None, **plot_params
    ):
        """Plot the codes that a fitted estimator computes.

        Parameters
        ----------
        estimator : fitted estimator
            With `transform`, such as PCA and :class:`~skae.AutoencoderTransformer`, an
            :class:`~skae.AutoencoderOutlierDetector`, or a Pipeline that ends in one of
            them.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Samples to encode. Images are flattened for estimators that were fitted on
            as many features.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers by which the samples are coloured.
        components : tuple of int, default=None
            The components to draw, counted from 0. None draws all, but at most the
            first 5.
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
            If the estimator cannot encode.
        ValueError
            If a component does not exist, or shapes do not fit.

        See Also
        --------
        LatentSpaceDisplay.from_codes : The same from arrays.
        DecodedCodesDisplay.from_estimator : Samples decoded from codes.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.decomposition import PCA
        >>> from skae.inspection import LatentSpaceDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> display = LatentSpaceDisplay.from_estimator(PCA(3).fit(X), X, y)
        >>> len(display.scatters_["0"]), len(display.histograms_["0"])
        (3, 3)
        >>> plt.close(display.figure_)
        """
        codes = encode(estimator, X)
        return cls.from_codes(codes, y, components=components, ax=ax, **plot_params)

    @classmethod
    def from_codes(cls, codes, y=None, *, components=None, ax=None, **plot_params):
        """Plot precomputed codes.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            Codes.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers by which the samples are coloured.
        components : tuple of int, default=None
            The components to draw, counted from 0. None draws all, but at most the
            first 5.
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
            If `y` and the codes differ in length, or a component does not exist.

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
        return cls(codes, y=y, components=components).plot(ax, **plot_params)


def check_components(components, n_components):
    """Return the components to draw as a tuple; None is the first few."""
    if components is None:
        return tuple(range(min(n_components, _MOST_COMPONENTS)))
    given = components
    components = (components,) if isinstance(components, Integral) else components
    components = tuple(components)
    if not components or not all(isinstance(i, Integral) for i in components):
        raise ValueError(
            f"components={given!r}, but a tuple of ints was expected, such as (0, 1)."
        )
    for i in components:
        if not 0 <= i < n_components:
            raise ValueError(
                f"components={given!r}, but codes have components 0 to "
                f"{n_components - 1}."
            )
    if len(set(components)) < len(components):
        raise ValueError(f"components must be distinct, got {given!r}.")
    return tuple(int(i) for i in components)


def _by_class(plots):
    """Collect the artists of several plots by class."""
    return {name: [plot[name] for plot in plots] for name in (plots or [{}])[0]}
