"""Attribution of an anomaly to columns: functions of arrays, which know no networks."""

import numpy as np


def divide_directly(contributions, shifts, missing):
    """Attribute what components contribute to the columns that the code moves.

    Parameters
    ----------
    contributions : Contributions
        Those of residuals, by column, and of components.
    shifts : ndarray of shape (n_samples, n_columns)
        Distance of each cell's reconstruction from that of an average sample.
    missing : ndarray of bool of shape (n_samples, n_columns)
        Cells that have no value, and so no part, unless no cell of a sample has one.

    Returns
    -------
    ndarray of shape (n_samples, n_columns), of the dtype of the contributions
        Their sums over the columns are those of all contributions. Each column has a
        share of the sum of the components in proportion to its squared shift.
    """
    columns, codes = contributions
    shifts = np.abs(shifts.astype(np.float64, copy=False))
    largest = np.finfo(np.float64).max / 2
    shifts = np.nan_to_num(shifts, nan=largest, posinf=largest)
    shifts = np.minimum(shifts, largest)
    most = shifts.max(axis=1, keepdims=True)
    # If nothing is shifted, columns have equal shares.
    shares = np.where(most > 0, np.square(shifts / np.where(most > 0, most, 1)), 1.0)
    shares /= shares.sum(axis=1, keepdims=True)
    moved = shares * codes.sum(axis=1, dtype=np.float64)[:, np.newaxis]
    divided = columns + moved
    rows = np.flatnonzero(missing.any(axis=1))
    observed = np.where(missing[rows], 0, divided[rows])
    some = observed.any(axis=1)
    rows, observed = rows[some], observed[some]
    shares = observed / observed.max(axis=1, keepdims=True)
    shares /= shares.sum(axis=1, keepdims=True)
    divided[rows] = shares * divided[rows].sum(axis=1, keepdims=True)
    return divided.astype(columns.dtype)


def divide_by_decreases(divided, columns, decreases):
    """Divide the parts of some columns again, in proportion to decreases in anomaly.

    Parameters
    ----------
    divided : ndarray of shape (n_samples, n_columns)
        The anomaly of each sample, divided among its columns.
    columns : ndarray of int of shape (n_samples, n_hidden)
        Columns that were hidden in turn, for each sample.
    decreases : ndarray of shape (n_samples, n_hidden)
        By how much the anomaly of the sample was less then. Increases, which are
        negative, and NaN count as 0.

    Returns
    -------
    ndarray of shape (n_samples, n_columns), of the dtype of `divided`
        With the same sums. Samples without any decrease stay as they are.
    """
    decreases = np.maximum(np.nan_to_num(decreases, nan=0.0), 0)
    found = np.flatnonzero((decreases > 0).any(axis=1))
    columns, decreases = columns[found], decreases[found]
    # Not by their sum, which may overflow.
    shares = decreases / decreases.max(axis=1, keepdims=True)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = found[:, np.newaxis]
    sums = divided[rows, columns].sum(axis=1, dtype=np.float64, keepdims=True)
    result = divided.copy()
    result[rows, columns] = shares * sums
    return result
