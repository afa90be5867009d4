"""The interface of an architecture."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from .._backend import import_keras
from .._columns import Columns
from .._random import draw_seed
from ._categories import set_category_value
from ._filling import fit_filling
from ._seeds import LayerSeeds


@dataclass(frozen=True)
class Networks:
    """The three networks of an autoencoder, which share their weights.

    Parameters
    ----------
    encoder : keras.Model
        From samples to codes.
    decoder : keras.Model
        From codes to samples.
    autoencoder : keras.Model
        From samples to reconstructions. This is what is trained.
    loss : str, callable or keras.losses.Loss, default=None
        The training loss that the architecture brings. None leaves it to the estimator.
    optimizer : str or keras.optimizers.Optimizer, default=None
        The optimizer that the architecture brings. None leaves it to the estimator.
    rebuild : callable, default=None
        Builds networks like these once more. `BaseArchitecture.build` sets it.

    See Also
    --------
    BaseArchitecture : Builds them.

    Examples
    --------
    >>> import keras
    >>> from skae.architectures import Networks
    >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
    >>> Networks.from_halves(encoder, decoder).autoencoder.count_params()
    42
    """

    encoder: Any
    decoder: Any
    autoencoder: Any
    loss: Any = None
    optimizer: Any = None
    rebuild: Callable | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_halves(cls, encoder, decoder):
        """Chain an encoder and a decoder into an autoencoder.

        Parameters
        ----------
        encoder : keras.Model
            From samples to codes.
        decoder : keras.Model
            From codes to samples.

        Returns
        -------
        Networks
            The two halves, and the autoencoder that runs one after the other.
        """
        keras = import_keras()
        inputs = keras.Input(encoder.input_shape[1:], name="sample")
        outputs = decoder(encoder(inputs))
        return cls(encoder, decoder, keras.Model(inputs, outputs, name="autoencoder"))

    @property
    def code_shape(self):
        """Shape of one code, without the batch axis."""
        return tuple(self.encoder.output_shape[1:])

    @property
    def n_components(self):
        """Number of latent components: the size of one code."""
        return math.prod(self.code_shape)


# What `build` says an architecture cannot do, by what a specification needs.
_NEEDS = {
    "categories": "take categories",
    "missing": "take missing cells",
    "ordered": "order components",
}


@dataclass(frozen=True)
class NetworkSpec:
    """What networks an architecture has to build.

    Parameters
    ----------
    sample_shape : tuple of int
        Shape of one sample, without the batch axis.
    n_components : int, default=None
        Number of components. None is for an architecture that brings its own.
    output_activation : str, default="linear"
        Activation of the last layer, for an architecture that does not determine it.
    ordered : bool, default=False
        Whether training orders the components, most important first.
    hidden_share : float, default=0.0
        Up to which share of the observed cells of a sample is hidden from the network
        in training. If it is not 0, samples may have missing cells, which are NaN.
    columns : Columns, default=None
        Which features belong to which column of a table, as the estimators give it.
        Those of a column of categories are one-hot, and are reconstructed as
        probabilities. None: each feature is a number.

    See Also
    --------
    BaseArchitecture : Builds the networks that a specification describes.
    Networks : What it returns.

    Examples
    --------
    >>> from skae.architectures import DenseArchitecture, NetworkSpec
    >>> networks = DenseArchitecture().build(NetworkSpec((8, 8), 2), random_state=0)
    >>> networks.encoder.output_shape
    (None, 2)
    """

    sample_shape: tuple
    n_components: int | None = None
    output_activation: str = "linear"
    ordered: bool = False
    hidden_share: float = 0.0
    columns: Columns | None = None

    def __post_init__(self):
        shape = tuple(int(size) for size in self.sample_shape)
        object.__setattr__(self, "sample_shape", shape)
        if self.n_components is not None:
            object.__setattr__(self, "n_components", int(self.n_components))
        if self.columns is None:
            columns = Columns.of_numbers(math.prod(shape))
            object.__setattr__(self, "columns", columns)

    @property
    def needs(self):
        """What the architecture has to support, by the names of `supports`."""
        asked = {
            "missing": self.hidden_share > 0,
            "categories": self.columns.has_categories,
            "ordered": self.ordered,
        }
        return {name for name, is_asked in asked.items() if is_asked}

    def to_dict(self):
        """Return the specification as plain data.

        Returns
        -------
        dict
            What `from_dict` takes.
        """
        return vars(self) | {"columns": self.columns.to_list()}

    @classmethod
    def from_dict(cls, state):
        """Make a specification from plain data.

        Parameters
        ----------
        state : dict
            What `to_dict` returned.

        Returns
        -------
        NetworkSpec
            The specification.
        """
        return cls(**state | {"columns": Columns(*state["columns"])})


class BaseArchitecture(BaseEstimator, ABC):
    """Base class of all architectures: from shapes to networks.

    An architecture is an estimator without `fit`: it has parameters, so it is cloned
    and searched as part of the estimator that it is given to
    (``architecture__hidden_layer_sizes`` in a grid). It maps the shape of a sample and
    a number of components to networks. A subclass stores its parameters in `__init__`
    and implements `build_networks`; it may override `initialize` and `finalize`, which
    are given training samples.

    Read more in the :ref:`User Guide <architectures>`.

    Attributes
    ----------
    brings_n_components : bool
        Whether the architecture determines the number of components where the
        estimator's `n_components` is None. Otherwise the estimator does. False by
        default.
    supports : set of {"missing", "categories", "ordered"}
        What networks can do, if a :class:`NetworkSpec` asks for it. "missing": encoder
        and autoencoder take NaN for a missing cell. "categories": columns of categories
        are reconstructed as probabilities. "ordered": training drops the last
        components of codes at random, so that the first ones learn to reconstruct
        without them. Empty by default.
    peak_learning_rate : float or None
        The learning rate to which training rises, and from which it falls to zero,
        where neither an optimizer nor a learning rate is given. None leaves the
        learning rate constant. 0.001 by default.
    tries_random_start : bool
        Whether a fit also tries the weights as built where `initialize` sets others,
        and trains from the better of the two. False by default.

    See Also
    --------
    DenseArchitecture : Fully connected layers.
    KerasArchitecture : A Keras model of your own.

    Examples
    --------
    >>> import keras
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import BaseArchitecture, Networks
    >>> class LinearArchitecture(BaseArchitecture):
    ...     def build_networks(self, spec):
    ...         shape, n = spec.sample_shape, spec.n_components
    ...         encoder = keras.Sequential([keras.Input(shape), keras.layers.Dense(n)])
    ...         decoder = keras.Sequential(
    ...             [keras.Input((n,)), keras.layers.Dense(*shape)]
    ...         )
    ...         return Networks.from_halves(encoder, decoder)
    >>> AutoencoderTransformer(architecture=LinearArchitecture())
    AutoencoderTransformer(architecture=LinearArchitecture())
    """

    brings_n_components = False
    supports: frozenset = frozenset()
    peak_learning_rate = 0.001
    tries_random_start = False

    _parameter_constraints: dict = {}

    def build(self, spec, *, random_state=None):
        """Build the networks that a specification describes.

        Parameters
        ----------
        spec : NetworkSpec
            Shapes, and what else the networks have to do.
        random_state : int, RandomState instance or None, default=None
            Determines the initial weights. Pass an int for reproducible results.

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.

        Raises
        ------
        ValueError
            If the architecture does not fit the shapes, or does not support what the
            networks have to do.
        """
        self._validate_params()
        if spec.n_components is None and not self.brings_n_components:
            raise ValueError(f"{self!r} needs n_components, got None.")
        for name in sorted(spec.needs - self.supports):
            raise ValueError(f"{self!r} cannot {_NEEDS[name]}; DenseArchitecture can.")
        seed = draw_seed(check_random_state(random_state))
        task = (
            f"{self!r} cannot build an autoencoder for samples of shape "
            f"{spec.sample_shape}"
        )
        if spec.n_components is not None:
            task += f" and {spec.n_components} components"
        import_keras()
        try:
            seeds = LayerSeeds(seed)
            with seeds.building():
                networks = self.build_networks(spec)
                for model in (networks.autoencoder, networks.encoder, networks.decoder):
                    seeds.reseed(model)
        except ValueError as error:
            raise ValueError(f"{task}: {error}") from error
        output_shape = tuple(networks.decoder.output_shape[1:])
        if output_shape != spec.sample_shape:
            raise ValueError(f"{task}: its decoder returns shape {output_shape}.")
        if spec.n_components not in (None, networks.n_components):
            cure = " Leave n_components at None." if self.brings_n_components else ""
            raise ValueError(
                f"{task}: its encoder returns {networks.n_components}.{cure}"
            )
        set_category_value(networks, spec.columns.value)
        return replace(networks, rebuild=partial(self.build, spec, random_state=seed))

    @abstractmethod
    def build_networks(self, spec):
        """Build the networks; a subclass implements this.

        It is called with valid parameters, and with a specification that asks for
        nothing but what `supports` names. Layers and initializers need no seeds: they
        are determined by the `random_state` of `build`.

        Parameters
        ----------
        spec : NetworkSpec
            Its `n_components` is None only where `brings_n_components` is True.

        Returns
        -------
        Networks
            Encoder, decoder and autoencoder.
        """

    def prepare(self, networks, X):
        """Set what layers replace missing cells with, from training samples.

        Called once for new networks, where samples may have missing cells.

        Parameters
        ----------
        networks : Networks
            What `build` returned, to be changed in place.
        X : ndarray of shape (n_samples, *sample_shape)
            Training samples; 256 MB of them, chosen at random, if there are more.
        """
        fit_filling(networks, X.reshape(len(X), -1))

    def initialize(self, networks, X):
        """Set initial weights from training samples; by default, leave them.

        Called before the first epoch of a fit from scratch. Training then has to
        improve on this start: where it does not, on validation samples, the start is
        kept, and this method is called again with the validation samples among X.
        Where `tries_random_start` is True, the weights as built are a second start.

        Parameters
        ----------
        networks : Networks
            What `build` returned, to be changed in place.
        X : ndarray of shape (n_samples, *sample_shape)
            Training samples, none of them held out for validation; 256 MB of them,
            chosen at random, if there are more. Missing cells are NaN.

        Returns
        -------
        str or None
            Name of the start, which becomes ``start_`` of the estimator if training
            goes on from it. None if no weights were set: there is no start to compare
            with then.
        """
        return None

    def finalize(self, networks, blocks, *, widen=False):
        """Adapt trained networks to training samples; by default, leave them.

        Called at the end of each `fit` and `partial_fit`, the trained weights in place.

        Parameters
        ----------
        networks : Networks
            Trained networks, to be changed in place.
        blocks : iterable of (ndarray, ndarray)
            Training samples, of shape (n_block, *sample_shape), and their codes, block
            by block. It can be read once.
        widen : bool, default=False
            Whether earlier samples count too, as in `partial_fit`.
        """

    def __setstate__(self, state):
        # A parameter that is newer than a file has its default.
        parameters = inspect.signature(type(self).__init__).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        super().__setstate__(defaults | state)

    def builds_like(self, other):
        """Return whether another architecture has the same parameters.

        Parameters
        ----------
        other : BaseArchitecture
            The other architecture.

        Returns
        -------
        bool
            Whether class and parameters agree; lists and tuples by what they hold, and
            Keras models by their class and the shapes of their variables.
        """
        if type(self) is not type(other):
            return False
        theirs = other.get_params(deep=False)
        return all(
            _are_alike(value, theirs[name])
            for name, value in self.get_params(deep=False).items()
        )

    def summary(self, sample_shape, n_components=None, *, print_fn=print):
        """Print layers, shapes, numbers of parameters and the compression factor.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of one sample, without the batch axis.
        n_components : int, default=None
            Number of components. None is the number that the architecture brings,
            else 2.
        print_fn : callable, default=print
            It is called with the text.
        """
        if n_components is None and not self.brings_n_components:
            n_components = 2
        spec = NetworkSpec(sample_shape, n_components)
        print_fn(describe(self.build(spec, random_state=0)))


def _are_alike(one, other):
    sequences = (list, tuple, np.ndarray)
    if isinstance(one, sequences) and isinstance(other, sequences):
        return len(one) == len(other) and all(map(_are_alike, one, other))
    if one is other or type(one) is not type(other):
        return one is other
    if hasattr(one, "variables"):  # a copy of a Keras model is no equal of it
        return [v.shape for v in one.variables] == [v.shape for v in other.variables]
    return repr(one) == repr(other)


def describe(networks):
    """Describe networks as text.

    Parameters
    ----------
    networks : Networks
        The networks.

    Returns
    -------
    str
        A table of layers, and a line on the code.
    """
    rows = [("layer", "output shape", "parameters")]
    for half in (networks.encoder, networks.decoder):
        rows.append((half.name, "", f"{half.count_params():,}"))
        for layer in half.layers:
            shape = getattr(getattr(layer, "output", None), "shape", ("", "?"))[1:]
            shape = " x ".join(map(str, shape))
            name = f"  {layer.name} ({type(layer).__name__})"
            rows.append((name, shape, f"{layer.count_params():,}"))
    rows.append(("autoencoder", "", f"{networks.autoencoder.count_params():,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{name:{widths[0]}}  {shape:>{widths[1]}}  {count:>{widths[2]}}"
        for name, shape, count in rows
    ]
    n_values = math.prod(networks.encoder.input_shape[1:])
    factor = n_values / networks.n_components
    lines.append(
        f"code: {networks.n_components:,} components for {n_values:,} values, "
        f"compression factor {factor:.3g}"
    )
    return "\n".join(line.rstrip() for line in lines)
