"""Which samples are looked at, where all would be too many."""

import numpy as np
import pytest

from skae._sampling import draw, smallest, spread


def test_few_are_all_taken_in_order_and_nothing_is_drawn():
    rng = np.random.RandomState(0)
    before = rng.get_state()[1].copy()
    np.testing.assert_array_equal(draw(np.array([5, 1, 3]), 3, rng), [1, 3, 5])
    np.testing.assert_array_equal(rng.get_state()[1], before)


def test_each_is_as_probable_as_any_other():
    rng = np.random.RandomState(0)
    counts = np.zeros(10)
    for _ in range(2000):
        drawn = draw(np.arange(10), 3, rng)
        assert (np.diff(drawn) > 0).all()
        counts[drawn] += 1
    np.testing.assert_allclose(counts / 2000, 0.3, atol=0.04)


@pytest.mark.parametrize(("n_samples", "most"), [(0, 3), (1, 3), (3, 3), (10, 3)])
def test_spread(n_samples, most):
    taken = spread(np.arange(n_samples), most)
    assert min(1, n_samples) <= len(taken) <= most
    assert len(np.unique(np.diff(taken))) <= 1


def test_a_falling_limit_keeps_a_uniform_sample_of_all_parts():
    rng = np.random.RandomState(0)
    numbers, kept, limit = rng.random_sample(300), np.empty(0), 1.0
    for part in np.array_split(numbers, 7):
        kept = np.append(kept, part[part < limit])
        if len(kept) > 20:
            stay, limit = smallest(kept, 20)
            kept = kept[stay]
    np.testing.assert_array_equal(np.sort(kept), np.sort(numbers)[:20])
