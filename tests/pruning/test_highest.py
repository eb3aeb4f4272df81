import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.pruning.highest import keep_highest

tensors = arrays.arrays(
    np.float32,
    arrays.array_shapes(max_dims=4, max_side=6),
    elements=st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]) | st.floats(-4, 4, width=32),
)


def by_sorting(weights, sparsity):
    """The plain reference: a stable sort by magnitude."""
    order = np.argsort(np.abs(weights).reshape(-1), kind="stable")
    kept = np.ones(weights.size, bool)
    kept[order[: math.floor(sparsity * weights.size + 0.5)]] = False
    return kept.reshape(weights.shape)


@given(tensors.map(np.abs), st.floats(0, 1, exclude_max=True))
def test_the_mask_is_that_of_a_stable_sort(weights, sparsity):
    assert np.array_equal(keep_highest(weights, sparsity), by_sorting(weights, sparsity))


def test_equal_magnitudes_go_from_the_front_and_the_count_is_exact():
    mask = keep_highest(np.full((2, 5), 1.0, np.float32), 0.5)
    assert mask.tolist() == [[False] * 5, [True] * 5]


def test_halves_are_rounded_up():
    assert keep_highest(np.arange(5, dtype=np.float32), 0.5).sum() == 2
    assert keep_highest(np.arange(1, dtype=np.float32), 0.5).sum() == 0


def test_sparsity_zero_keeps_even_zeros():
    assert keep_highest(np.zeros(7, np.float32), 0).all()


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, math.nan])
def test_a_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(ModelError, match=r"sparsity must be in \[0, 1\), got"):
        keep_highest(np.ones(3, np.float32), sparsity)


def test_nan_has_no_magnitude():
    with pytest.raises(ModelError, match="NaN"):
        keep_highest(np.array([1, np.nan], np.float32), 0.5)


@given(tensors.map(np.abs), st.floats(0, 1, exclude_max=True), st.integers(0, 4))
def test_the_least_number_stays_and_more_than_that_is_not_touched(scores, sparsity, least):
    kept = keep_highest(scores, sparsity, least)
    assert kept.sum() == max(keep_highest(scores, sparsity).sum(), min(least, scores.size))
