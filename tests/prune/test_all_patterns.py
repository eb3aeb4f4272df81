import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.explain.spmm import analyse
from edgeprune.prune.patterns.base import PATTERNS
from edgeprune.recipe import PATTERNS as NAMES

each_pattern = pytest.mark.parametrize("name", PATTERNS.names())
BLOCKS = {"2x1": 2, "4x1": 4}


@st.composite
def matrices(draw, zeros=(0.0, 0.2, 0.7, 1.0)):
    """Normal weights, a share of which happens to be zero already."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.normal(size=shape).astype(np.float32)
    weights[rng.random(shape) < draw(st.sampled_from(zeros))] = 0
    return weights


def removed(cells, sparsity):
    return math.floor(sparsity * cells + 0.5)


def wanted_zeros(shape, sparsity, block):
    whole, rest = divmod(shape[0], block)
    full = removed(whole * shape[1], sparsity) * block
    return full + (removed(shape[1], sparsity) * rest if rest else 0)


def test_a_recipe_may_name_each_pattern_and_the_choice_among_them():
    assert set(NAMES) == {*PATTERNS.names(), "kernel"}


@each_pattern
@given(matrices(), st.floats(0, 1, exclude_max=True))
def test_kept_weights_stay_and_removed_ones_are_zero_in_exact_numbers(name, weights, sparsity):
    before = weights.copy()
    values, mask = PATTERNS.get(name)(weights, sparsity)
    assert np.array_equal(weights, before)
    assert values.dtype == np.float32 and mask.dtype == bool
    assert (~mask).sum() == wanted_zeros(weights.shape, sparsity, BLOCKS.get(name, 1))
    assert not values[~mask].any()
    np.testing.assert_allclose(values[mask], weights[mask], rtol=0, atol=1.2e-38)


@each_pattern
def test_the_least_important_go_first(name):
    block = BLOCKS.get(name, 1)
    scores = np.random.default_rng(0).permutation(8 * 25).reshape(8, 25) + 1.0
    weights = np.repeat(scores, block, axis=0).astype(np.float32)
    weights[::2] *= -1
    _, mask = PATTERNS.get(name)(weights, 0.8)
    assert np.array_equal(mask, np.repeat(scores, block, axis=0) > 160)


@each_pattern
@pytest.mark.parametrize("sparsity", [-0.1, 1.0, math.nan])
def test_a_sparsity_outside_its_range_is_refused(name, sparsity):
    with pytest.raises(ModelError, match=r"sparsity must be in \[0, 1\), got"):
        PATTERNS.get(name)(np.ones((8, 8), np.float32), sparsity)


@each_pattern
def test_nan_is_refused(name):
    weights = np.ones((8, 8), np.float32)
    weights[3, 3] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        PATTERNS.get(name)(weights, 0.5)


@pytest.mark.parametrize("name", BLOCKS)
@given(matrices(), st.floats(0, 1, exclude_max=True))
def test_the_runtime_always_packs_blocks_of_this_size_or_more(name, weights, sparsity):
    values, _ = PATTERNS.get(name)(weights, sparsity)
    assert analyse(values).block >= BLOCKS[name]


@pytest.mark.parametrize("name", BLOCKS)
@given(matrices(zeros=(0.2, 0.5)), st.floats(0, 1, exclude_max=True))
def test_a_block_is_empty_or_full_even_where_weights_are_zero_by_accident(name, weights, sparsity):
    values, mask = PATTERNS.get(name)(weights, sparsity)
    for first in range(0, len(values), BLOCKS[name]):
        rows = slice(first, first + BLOCKS[name])
        filled = (values[rows] != 0).sum(axis=0)
        assert set(np.unique(filled)) <= {0, len(values[rows])}
        kept = mask[rows]
        assert np.array_equal(kept.all(axis=0), kept.any(axis=0))


def test_without_whole_blocks_the_runtime_would_not_pack_them():
    weights = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    assert analyse(PATTERNS.get("unstructured")(weights, 0.8).values).block == 1
