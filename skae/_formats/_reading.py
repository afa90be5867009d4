"""Training samples, in memory or read block by block, behind one interface."""

from contextlib import contextmanager

import numpy as np

from ._blocks import as_blocks, draw_rows
from ._sources import Summary
from ._stream import SampleStream
from ._tables import encoded_width

# Values of the samples that are drawn of X in blocks, and kept in memory; at least so
# many samples are.
DRAWN_VALUES = 2**23
MIN_DRAWN_SAMPLES = 20_000


def read_samples(X, categorical_features, random_state):
    """Return training samples behind one interface, wherever they are.

    Parameters
    ----------
    X : object
        What a user passed to `fit`.
    categorical_features : "from_dtype", None, or array-like of bool, int or str
        The parameter of an estimator.
    random_state : int
        Determines which samples are drawn, if they are too many to be kept in memory.

    Returns
    -------
    InMemory or InBlocks
        The samples.
    """
    blocks = as_blocks(X)
    if blocks is None:
        return InMemory(X)
    return InBlocks(blocks, categorical_features, random_state)


class InMemory:
    """Training samples that are all in memory."""

    are_all = True

    def __init__(self, X):
        self.X = X

    def draw(self, encode):
        """Return the encoded samples.

        Parameters
        ----------
        encode : callable
            Validates and encodes samples as users pass them.
        """
        return encode(self.X)

    def summary(self, encode, samples):
        """Return the `Summary` of all samples, some of which are a `RowSource`."""
        return samples.summary

    def stream(self, encode, training, summary):
        """Return what epochs train on in place of drawn samples: None, they are all."""
        return None


class InBlocks:
    """Training samples that are read block by block.

    Parameters
    ----------
    blocks : Blocks
        Where they come from.
    categorical_features, random_state : object
        As `read_samples` takes them.
    """

    def __init__(self, blocks, categorical_features, random_state):
        _, rows = next(iter(blocks.read()), (None, None))
        if rows is None:
            raise ValueError("X has no samples: all blocks are empty.")
        n_features = encoded_width(rows, categorical_features)
        n_rows = max(MIN_DRAWN_SAMPLES, DRAWN_VALUES // n_features)
        self.blocks = blocks
        self.drawn = draw_rows(blocks, n_rows, random_state)

    @property
    def are_all(self):
        """Whether all samples were few enough to be kept in memory."""
        return self.drawn.are_all

    def draw(self, encode):
        """Return encoded samples, drawn at random, each as probable as any other."""
        try:
            return encode(self.drawn.rows)
        except ValueError:
            for _ in self._read(encode):  # the block is named that has an error
                pass
            raise

    def _read(self, encode, order=None):
        for i, rows in self.blocks.read(order):
            with _naming_block(i):
                rows = encode(rows)
            yield i, rows

    def summary(self, encode, samples):
        """Validate all samples, and return their `Summary`."""
        if self.are_all:
            return samples.summary
        return Summary.of(rows for _, rows in self._read(encode))

    def stream(self, encode, training, summary):
        """Return what epochs train on: all samples but those drawn for other purposes.

        Parameters
        ----------
        encode : callable
            Encodes samples that are known to be valid.
        training : RowSource
            Those of the drawn samples that networks are trained on.
        summary : Summary
            Of all samples.
        """
        if self.are_all:
            return None
        return SampleStream(
            lambda order: self._read(encode, order),
            self.drawn.sizes,
            self.blocks.n_blocks is None,
            np.delete(self.drawn.indices, training.indices),
            training.sample_shape,
            training.dtype,
            summary,
        )


@contextmanager
def _naming_block(i):
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"Block {i} of X: {error}") from error
