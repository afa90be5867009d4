"""Numbers that differ by rounding are the same, and others are not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae._precision import as_rounded, find_known

KNOWN = np.array([0.7, 0.1, 0.2])


def test_another_precision_is_found():
    single = KNOWN.astype(np.float32).astype(float)
    assert_array_equal(find_known(single, KNOWN), [0, 1, 2])
    assert_array_equal(find_known(KNOWN, single), [0, 1, 2])
    assert_array_equal(as_rounded(single, np.sort(KNOWN)), KNOWN)
    assert_array_equal(as_rounded(np.sort(KNOWN), np.sort(single)), np.sort(single))


@pytest.mark.parametrize("value", [0.15, 0.1001, 0.71, -0.1, np.inf])
def test_others_are_unknown(value):
    assert find_known(np.array([value]), KNOWN) == [-1]
    single = np.array([value], np.float32).astype(float)
    assert find_known(single, KNOWN) == [-1]
    assert_array_equal(as_rounded(single, np.sort(KNOWN)), single)


def test_whole_numbers_are_equal_or_not():
    """Also those that float32 does not tell apart, or float64."""
    assert find_known(np.array([20240102.0]), np.array([20240101.0, 20240131])) == [-1]
    assert find_known(np.array([2.0**60]), np.array([2.0**60, 1])) == [-1]


@pytest.mark.parametrize("shift", [0, 3e-7])
def test_scaled_neighbours_remain_apart(shift):
    known = np.array([1067.0, 10115, 50667, 99998])
    scaled = (known - known.mean()) / known.std()
    given = (scaled + shift).astype(np.float32).astype(float)
    assert_array_equal(find_known(given, scaled), np.arange(4))
    given = (known + 1 - known.mean()) / known.std()
    assert_array_equal(find_known(given, scaled), [-1] * 4)
    given = given.astype(np.float32).astype(float)
    assert_array_equal(find_known(given, scaled), [-1] * 4)


def test_no_known_number():
    assert find_known(np.array([1.0]), np.array([])) == [-1]
