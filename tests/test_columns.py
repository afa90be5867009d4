"""Which features are one column: functions of encoded samples."""

import numpy as np
import pytest

from skae._columns import SMALLEST_PROBABILITY, Columns
from skae.metrics import reconstruction_error, reconstruction_r2_score

# A number, a column of three categories and another number.
SIZES, IS_CATEGORICAL, VALUE = np.array([1, 3, 1]), np.array([False, True, False]), 2.0
COLUMNS = Columns(SIZES, IS_CATEGORICAL, VALUE)
X = np.array([[0.5, 2.0, 0.0, 0.0, -1.0], [1.5, 0.0, 0.0, 2.0, 3.0]])
X_HAT = np.array([[0.0, 1.0, 0.5, 0.5, -1.0], [1.0, 0.2, 0.8, 1.0, 1.0]])


def test_features_of_columns():
    np.testing.assert_array_equal(COLUMNS.starts, [0, 1, 4])
    np.testing.assert_array_equal(COLUMNS.owners, [0, 1, 1, 1, 2])
    assert COLUMNS.groups == [-1, 1, 1, 1, -1]
    assert Columns.of_numbers(3).groups is None
    again = Columns(*COLUMNS.to_list())
    np.testing.assert_array_equal(again.owners, COLUMNS.owners)


def test_of_numbers_samples_and_reconstructions_are_themselves():
    columns = Columns.of_numbers(5)
    compared = columns.compare(X, X_HAT)
    assert compared[0] is X
    assert compared[1] is X_HAT
    errors = columns.sample_errors(X, X_HAT)
    np.testing.assert_array_equal(errors, reconstruction_error(X, X_HAT))
    assert columns.score(X, X_HAT) == reconstruction_r2_score(X, X_HAT)
    assert columns.null_error(X) == pytest.approx(X.var(axis=0).sum())


def test_a_category_counts_by_its_probability():
    values, expected = COLUMNS.compare(X, X_HAT)
    np.testing.assert_array_equal(values, [[0.5, 0.0, -1.0], [1.5, 0.0, 3.0]])
    residuals = values[:, 1] - expected[:, 1]
    np.testing.assert_allclose(residuals**2, -(VALUE**2) * np.log([0.5, 0.5]))
    errors = COLUMNS.errors(X, X_HAT)
    np.testing.assert_allclose(errors.sum(axis=1), COLUMNS.sample_errors(X, X_HAT))
    assert COLUMNS.score(X, X) == pytest.approx(1)


def test_missing_cells_and_impossible_categories():
    missing, wrong = X.copy(), X_HAT.copy()
    missing[0, 1:4] = np.nan
    wrong[1, 1:4] = [1.0, 1.0, 0.0]
    values, _ = COLUMNS.compare(missing, wrong)
    assert np.isnan(values[0, 1])
    errors = COLUMNS.errors(missing, wrong)
    assert errors[0, 1] == 0
    expected = -(VALUE**2) * np.log(SMALLEST_PROBABILITY)
    assert errors[1, 1] == pytest.approx(expected)


def test_expectations_of_categories_become_probabilities():
    clipped = COLUMNS.clip_probabilities(np.array([[7.0, -1.0, 1.0, 3.0, 7.0]]))
    np.testing.assert_allclose(clipped, [[7, 0, 0.5, 1.5, 7]], atol=1e-6)
