"""Samples of an estimator: validated, as one array, and split for a fit."""

import copy
import math
from contextlib import contextmanager
from functools import partial

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import validate_data

from ._backend import import_keras
from ._blocks import USE_FIT, as_blocks, check_in_memory, draw_rows
from ._frames import (
    column_name,
    from_arrow,
    is_frame,
    refuse_dates,
    texts_explained,
)
from ._missing import has_missing, hidden_share, refuse_masked
from ._random import draw_seed
from ._tables import TableEncoder, as_table, encoded_width, find_categorical
from ._training import FitData, RowSource, SampleStream, Summary
from ._validation import (
    check_floatx,
    check_scale,
    warn_of_empty_features,
    warn_of_one_sample,
)
from .architectures import DenseArchitecture

# Values of the samples that are drawn of X in blocks, and kept in memory; at least so
# many samples are.
DRAWN_VALUES = 2**23
MIN_DRAWN_SAMPLES = 20_000


class SamplesMixin:
    """What an estimator does with X before networks see it.

    Images become flat, tables with categories are encoded, and blocks are read. A
    subclass may set outliers apart and hold out samples.
    """

    # The encoder of a table with categories; None where all features are numbers.
    _table = None

    def _validate(self, X, *, reset=False, in_fit=False):
        """Validate X as scikit-learn does, once; images become flat.

        `in_fit` says that an architecture that is not yet fitted has to take X.
        """
        check_in_memory(X, cure=USE_FIT)
        refuse_masked(X, "X")
        X = from_arrow(X)
        if hasattr(X, "__array__") and not hasattr(X, "shape"):
            X = np.asarray(X)
        refuse_dates(X)
        if isinstance(X, (list, tuple)):
            shapes = {np.shape(x) for x in X if hasattr(x, "shape")}
            if len(shapes) > 1 and max(map(len, shapes)) > 1:
                raise ValueError(
                    f"X is a {type(X).__name__} of arrays of different shapes, such as "
                    f"{' and '.join(map(str, sorted(shapes)[:2]))}. Images need one "
                    "shape; join blocks of samples by numpy.concatenate."
                )
            if np.ndim(X) > 2:
                X = np.asarray(X)
        X = self._encode_table(X, reset)
        shape = tuple(getattr(X, "shape", ()))
        is_sample = not reset and len(shape) > 1 and shape == self._sample_shape
        if is_sample and shape[0] > 1:  # else it is one flat sample, too
            raise ValueError(
                f"X has the shape {shape} of a single sample, but the first axis has "
                "to count samples. Pass X[numpy.newaxis]."
            )
        if len(shape) > 2:
            X = np.reshape(X, (shape[0], math.prod(shape[1:])))
        architecture = self.architecture if in_fit else self.architecture_
        if self._table is None:
            cure = ", or name the columns by categorical_features"
            # Sums of large values are not valid.
            with texts_explained(X, cure), np.errstate(invalid="ignore"):
                X = validate_data(
                    self,
                    X,
                    reset=reset,
                    dtype=[np.float64, np.float32],
                    ensure_all_finite="allow-nan",
                )
        if not architecture_has(architecture, "takes_missing") and has_missing(X):
            unknown = "" if self._table is None else " or an unknown category"
            raise ValueError(
                f"Input X contains NaN, a missing cell{unknown}, which "
                f"{architecture!r} does not take. DenseArchitecture and "
                "VariationalArchitecture do, unless handle_missing=False. Otherwise "
                "put an imputer of sklearn.impute in front."
            )
        if reset:
            self._sample_shape = shape[1:] if len(shape) > 2 else X.shape[1:]
        elif len(shape) > 2 and shape[1:] != self._sample_shape:
            raise ValueError(
                f"X holds samples of shape {shape[1:]}, but "
                f"{type(self).__name__} was fitted on samples of shape "
                f"{self._sample_shape}."
            )
        return X

    def _encode_table(self, X, reset):
        """Encode a table with categories as an array; anything else stays as it is."""
        if reset:
            self._table = None
            if not is_frame(X) and isinstance(
                self.categorical_features, (str, type(None))
            ):
                return X
            if not is_frame(X):
                X = as_table(X)
            is_categorical = find_categorical(X, self.categorical_features)
            if not is_categorical.any():
                return X
            if not architecture_has(self.architecture, "takes_categories"):
                name = column_name(X, np.flatnonzero(is_categorical)[0])
                raise ValueError(
                    f"Column {name} of X holds categories, which "
                    f"{self.architecture!r} does not take. DenseArchitecture and "
                    "VariationalArchitecture do. Otherwise put OneHotEncoder of "
                    "sklearn.preprocessing in front; categorical_features=None takes "
                    "booleans as numbers."
                )
            if not len(X):
                raise ValueError("X has no samples, but at least 1 is required.")
            table = TableEncoder.fit(X, is_categorical)
        elif self._table is None:
            return X
        else:
            table, X = self._table, as_table(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        self._table = table
        return table.encode(X)

    @property
    def _groups(self):
        """Columns of categories, as architectures take them; None without any."""
        return None if self._table is None else self._table.columns.groups

    def _present(self, values, index=None):
        """Give flat reconstructions the form of samples: an image, or a table."""
        if self._table is not None:
            return self._table.decode(values, index)
        return values.reshape(len(values), *self._sample_shape)

    # What the first stage of a fit needs.

    def _prepare(self, X, y, X_val, *, reset):
        """Validate X and X_val, and split them into what learns and what judges."""
        blocks = as_blocks(X)
        drawn = None
        if blocks is not None:
            drawn = self._draw_rows(blocks)
            X = drawn.rows
        try:
            X = self._validate(X, reset=reset, in_fit=True)
        except ValueError:
            if blocks is not None:
                self._find_invalid_block(blocks, reset)
            raise
        are_all = drawn is None or drawn.are_all
        warn_of_one_sample(len(X), self._sample_shape)
        X, outliers, is_normal = self._set_outliers_apart(X, y, are_all)
        samples = self._row_source(X, "X")
        validation = None
        if X_val is not None:
            check_in_memory(X_val, "X_val")
            X_val = self._validate(X_val, in_fit=True)
            validation = self._row_source(X_val, "X_val")
        stream_summary = None
        if not are_all:
            parts = (rows for _, rows in self._read_blocks(blocks))
            stream_summary = Summary.of(parts)
            check_floatx(
                stream_summary.value_range, samples.X.dtype, samples.dtype, "X"
            )
        parts = self._split(samples, validation, stream_summary, reset=reset)
        training = parts[0]
        stream = None
        if stream_summary is not None:
            held_out = np.delete(drawn.indices, training.indices)
            stream = SampleStream(
                partial(self._read_blocks, blocks),
                drawn.sizes,
                blocks.n_blocks is None,
                held_out,
                self._sample_shape,
                samples.dtype,
            )
        return FitData(*parts, outliers, is_normal, stream, stream_summary)

    def _split(self, samples, validation=None, stream_summary=None, *, reset=True):
        """Split validated samples into the first four parts of a `FitData`."""
        summaries = [stream_summary or samples.summary]
        if validation is not None:
            summaries.append(validation.summary)
        share = self._hidden_share(not reset, *summaries)
        if share:
            hiding = draw_seed(self._rng), share, self._groups
            samples = samples.hiding_cells(*hiding)
            if validation is not None:
                validation = validation.hiding_cells(*hiding)
        learnable, calibration = self._hold_out(samples)
        training = learnable
        if (
            validation is None
            and self.validation_fraction is not None
            and len(learnable) > 1
        ):
            training, validation = map(
                learnable.subset,
                train_test_split(
                    learnable.indices,
                    test_size=self.validation_fraction,
                    random_state=draw_seed(self._rng),
                ),
            )
        return training, validation, calibration, learnable

    def _set_outliers_apart(self, X, y, are_all):
        """Return normal samples, labelled outliers, and which are labelled as normal.

        `are_all` is False where X is a part of samples that are read block by block.
        """
        return X, None, None

    def _hold_out(self, samples):
        """Split samples into those to learn from, and those to calibrate by, if any."""
        return samples, None

    def _draw_rows(self, blocks):
        """Draw some rows of X, which everything but training is learned from."""
        _, rows = next(iter(blocks.read()), (None, None))
        if rows is None:
            raise ValueError("X has no samples: all blocks are empty.")
        n_features = encoded_width(rows, self.categorical_features)
        n_rows = max(MIN_DRAWN_SAMPLES, DRAWN_VALUES // n_features)
        # A generator of its own: fits that take all rows are those of X in memory.
        return draw_rows(blocks, n_rows, draw_seed(copy.deepcopy(self._rng)))

    def _read_blocks(self, blocks, order=None):
        """Read and validate samples block by block."""
        for i, rows in blocks.read(order):
            with _naming_block(i):
                rows = self._validate(rows, in_fit=True)
            yield i, rows

    def _find_invalid_block(self, blocks, reset):
        """Raise the error of the first block that has one by itself."""
        for i, rows in blocks.read():
            with _naming_block(i):
                self._validate(rows, reset=reset, in_fit=True)

    def _row_source(self, X, name):
        """Wrap validated X for the network, whose dtype has to hold its values."""
        floatx = import_keras().config.floatx()
        source = RowSource(X, self._sample_shape, floatx)
        check_floatx(source.summary.value_range, X.dtype, floatx, name)
        check_scale(X, floatx, name)
        return source

    def _hidden_share(self, warm, summary, of_validation=None):
        """Return up to which share of the cells of a sample to hide in training.

        It is 0 for networks, built or to be built, that are not told of missing cells.
        """
        given = {"X": summary, "X_val": of_validation}
        given = {name: part for name, part in given.items() if part is not None}
        for name, part in given.items():
            if not part.n_observed.any():
                raise ValueError(f"{name} has no observed cell: all values are NaN.")
        incomplete = any(part.has_missing for part in given.values())
        if warm:
            if incomplete and not self._network_takes_missing:
                unknown = "" if self._table is None else " or unknown categories"
                raise ValueError(
                    f"X has missing cells (NaN){unknown}, but the network was built "
                    "for complete samples, and warm_start=True and partial_fit "
                    "continue with it. "
                    f"Begin with {type(self.architecture_).__name__}"
                    "(handle_missing=True)."
                )
            return self._built_missing
        if incomplete:
            names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
            if self._table is not None:
                names = self._table.feature_names()
            warn_of_empty_features(summary.n_observed, names)
        asked = getattr(self.architecture, "handle_missing", "auto")
        if incomplete or (not isinstance(asked, str) and asked):
            return hidden_share(summary.n_observed, summary.n_rows)
        return 0.0


@contextmanager
def _naming_block(i):
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"Block {i} of X: {error}") from error


def architecture_has(architecture, tag):
    """Return whether an architecture has an attribute; None is the default one."""
    given = DenseArchitecture() if architecture is None else architecture
    return getattr(given, tag, False)
