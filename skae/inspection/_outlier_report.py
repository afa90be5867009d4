"""A table of outliers and their reasons, for whoever decides."""

import numpy as np
from sklearn.utils import _safe_indexing

from .._formats._frames import from_arrow, is_frame, library_of, split_categories
from ._drawing import check_count
from ._estimators import explain, names_of_columns, predict_pvalue

# Expected value of a cell that is what the others suggest.
AS_OBSERVED = "as observed"
# Digits up to which observed and expected numbers count as equal, and are written.
N_DIGITS = 4


def outlier_report(detector, X, n_samples=20, n_reasons=3):
    """Make a table of the most anomalous samples and of the reasons for each.

    Read more in the :ref:`User Guide <report>`.

    Parameters
    ----------
    detector : fitted AutoencoderOutlierDetector, or Pipeline that ends in one
        Steps before it have to keep the columns and to have an `inverse_transform`, as
        scalers do.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Samples, in memory.
    n_samples : int, default=20
        Number of samples in the report, the most anomalous first. All, if there are
        fewer.
    n_reasons : int, default=3
        Number of columns that are named for each sample.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Of the library of X; of pandas for an array. A DataFrame of pandas has the index
        of X. Its columns are

        - "position": place of the sample in X, the first being 0;
        - "score": that of `score_samples`; the lower, the more anomalous;
        - "label": -1 for an outlier, 1 for an inlier;
        - "p_value": that of `predict_pvalue`, if the detector has p-values;
        - "reason_1", "observed_1", "expected_1", "share_1", and so on: the column that
          contributes most, its value, the value that the other columns suggest, and the
          share of the anomaly that it contributes, in [0, 1].

        Expected numbers have 4 significant digits. An expected value that is the
        observed one is "as observed": the value fits the other ones, but its
        combination with them is rare. Samples with fewer reasons have empty cells.
        Columns of Polars that would hold numbers and texts hold texts.

    Raises
    ------
    ValueError
        If steps before the detector change the columns, or have no
        `inverse_transform`, so that there are no values to compare.

    See Also
    --------
    OutlierExplanationDisplay : Draws reasons.
    skae.AutoencoderOutlierDetector.explain : Contributions of all columns.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AutoencoderOutlierDetector
    >>> from skae.inspection import outlier_report
    >>> from skae.pipeline import make_pipeline
    >>> wine = load_wine(as_frame=True).data
    >>> wine.loc[7, "ash"] = 4.5
    >>> pipeline = make_pipeline(
    ...     StandardScaler(), AutoencoderOutlierDetector(random_state=0)
    ... ).fit(wine)
    >>> report = outlier_report(pipeline, wine, n_samples=1, n_reasons=1)
    >>> report[["reason_1", "observed_1"]].to_dict("records")
    [{'reason_1': 'ash', 'observed_1': 4.5}]
    """
    check_count("n_samples", n_samples)
    check_count("n_reasons", n_reasons)
    X = from_arrow(X)
    if not is_frame(X):
        X = np.asarray(X)
    scores = np.asarray(detector.score_samples(X))
    positions = np.argsort(scores, kind="stable")[:n_samples]
    most_anomalous = _safe_indexing(X, positions)
    columns = {
        "position": positions,
        "score": scores[positions],
        "label": np.asarray(detector.predict(most_anomalous)),
    }
    pvalues = predict_pvalue(detector, most_anomalous)
    if pvalues is not None:
        columns["p_value"] = np.asarray(pvalues)
    columns |= _reasons(detector, most_anomalous, n_reasons)
    return _make_table(columns, most_anomalous)


def _reasons(detector, X, n_reasons):
    contributions, names, observed, expected = explain(detector, X)
    columns = names_of_columns(X)
    renamed = columns is not None and columns != list(names)
    if renamed or observed is not X or np.shape(expected) != np.shape(X):
        raise ValueError(
            "outlier_report compares values of X with expected ones, so that steps "
            "before the detector have to keep the columns, and to have an "
            "inverse_transform, as TableScaler of skae.preprocessing and scalers of "
            "scikit-learn do."
        )
    contributions = np.asarray(contributions)
    observed, expected = _cells(observed), _cells(expected)
    totals = contributions.sum(axis=1)
    order = np.argsort(-contributions, axis=1, kind="stable")
    columns = {}
    for k in range(min(n_reasons, contributions.shape[1])):
        rows = [
            _reason(i, j, contributions, names, observed, expected)
            for i, j in enumerate(order[:, k])
        ]
        named, seen, normal = zip(*rows, strict=True) if rows else ((), (), ())
        share = contributions[np.arange(len(order)), order[:, k]]
        share = share / np.where(totals > 0, totals, 1)
        columns |= {
            f"reason_{k + 1}": list(named),
            f"observed_{k + 1}": list(seen),
            f"expected_{k + 1}": list(normal),
            f"share_{k + 1}": np.round(share, N_DIGITS),
        }
    return columns


def _reason(i, j, contributions, names, observed, expected):
    """Return name, observed and expected value of a column; None if it is no reason."""
    if not contributions[i, j] > 0:
        return None, None, None
    seen, normal = observed[i, j], expected[i, j]
    if isinstance(seen, float):
        if _rounded(seen) == _rounded(normal):
            return names[j], seen, AS_OBSERVED
        return names[j], seen, _rounded(normal)
    return names[j], seen, AS_OBSERVED if seen == normal else normal


def _rounded(value):
    return float(f"{value:.{N_DIGITS}g}")


def _cells(X):
    """Return values of all cells as Python's numbers and texts."""
    numbers, texts = split_categories(X)
    numbers = np.asarray(numbers, dtype=float).astype(object)
    if texts is None:
        return numbers
    is_text = texts != np.array(None)
    return np.where(is_text, texts, numbers)


def _make_table(columns, X):
    if library_of(X) == "polars":
        import polars as pl

        return pl.DataFrame(
            {name: _of_one_type(values) for name, values in columns.items()}
        )
    import pandas as pd

    table = pd.DataFrame(columns)
    return table.set_axis(X.index) if is_frame(X) else table


def _of_one_type(values):
    """Return values as texts if there are texts and numbers among them."""
    types = {type(value) for value in values if value is not None}
    if isinstance(values, np.ndarray) or len(types) < 2:
        return values
    return [
        f"{value:.{N_DIGITS}g}" if isinstance(value, float) else value
        for value in values
    ]
