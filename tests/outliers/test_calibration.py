"""What holds out samples, and what their scores tell: without networks."""

import numpy as np
import pytest
from sklearn.model_selection import PredefinedSplit

from skae._formats import RowSource
from skae._outliers._calibration import HeldOut, Reference, make_plan


@pytest.fixture
def samples():
    return RowSource(np.arange(40.0).reshape(20, 2), (2,), "float32")


def rng():
    return np.random.RandomState(0)


@pytest.mark.parametrize(
    ("calibration", "n_learnable", "n_held_out"),
    [
        (None, 20, None),
        (0.25, 15, 5),
        (4, 20, 20),
        (PredefinedSplit([-1] * 14 + [0] * 6), 14, 6),
    ],
)
def test_plans(samples, calibration, n_learnable, n_held_out):
    plan = make_plan(calibration)
    learnable, held_out = plan.hold_out(samples, "auto", rng())
    assert len(learnable) == n_learnable
    assert (held_out and len(held_out)) == n_held_out
    if n_held_out not in (None, 20):
        assert not set(learnable.indices) & set(held_out.indices)


def test_a_share_of_small_batches_is_held_out_on_average(samples):
    plan, generator = make_plan(0.3), rng()
    batch = samples.subset(np.arange(2))
    sizes = [
        len(plan.hold_out_of_batch(batch, 0.1, generator, is_first=False)[1])
        for _ in range(500)
    ]
    assert set(sizes) == {0, 1}  # one is left to learn from
    assert np.mean(sizes) == pytest.approx(0.6, abs=0.07)


def test_folds_cannot_take_batches(samples):
    with pytest.raises(ValueError, match=r"Set calibration to a share such as 0\.2"):
        make_plan(3).hold_out_of_batch(samples, 0.1, rng(), is_first=True)


def test_too_few_samples_for_a_rate(samples):
    with pytest.raises(ValueError, match="needs at least 99 calibration samples"):
        make_plan(0.5).hold_out(samples, 0.01, rng())


def test_thresholds_and_pvalues_agree():
    scores = -np.arange(1.0, 100.0)
    reference = HeldOut(scores[::-1])
    threshold = reference.choose_threshold(0.05)
    new = np.array([-200.0, -96.0, -95.0, -94.0, -1.0])
    below = reference.pvalues(new[:, np.newaxis]) <= 0.05
    np.testing.assert_array_equal(below, [True, True, False, False, False])
    np.testing.assert_array_equal(new < threshold, [True, True, False, False, False])
    assert Reference(scores).choose_threshold("auto", boundary=3.0) == -3.0
