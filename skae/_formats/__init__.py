"""Kinds of input: how samples are read, validated and encoded, and come back."""

from ._blocks import (
    USE_FIT,
    TransformedBlocks,
    as_blocks,
    check_in_memory,
    check_lazy_samples,
    is_lazy,
    read_ahead,
)
from ._format import SampleFormat, as_samples, format_from_dict, format_of
from ._frames import split_categories
from ._reading import read_samples
from ._restoring import keep_observed, missing_cells, samples_like
from ._sources import FitData, RowEpoch, RowSource, Summary
from ._stream import SampleStream

__all__ = [
    "USE_FIT",
    "FitData",
    "RowEpoch",
    "RowSource",
    "SampleFormat",
    "SampleStream",
    "Summary",
    "TransformedBlocks",
    "as_blocks",
    "as_samples",
    "check_in_memory",
    "check_lazy_samples",
    "format_from_dict",
    "format_of",
    "is_lazy",
    "keep_observed",
    "missing_cells",
    "read_ahead",
    "read_samples",
    "samples_like",
    "split_categories",
]
