import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.prediction.xnnpack.spmm import analyse
from edgeprune.pruning.patterns import PATTERNS, by_magnitude, pattern
from edgeprune.recipe.prune_parts import PATTERNS as KINDS
from edgeprune.recipe.prune_parts import is_pattern

BLOCKS = {"unstructured": (1, 1), "2x1": (2, 1), "4x1": (4, 1), "1x4": (1, 4), "3x2": (3, 2)}
each_block = pytest.mark.parametrize("name", BLOCKS)
each_pattern = pytest.mark.parametrize("name", [*BLOCKS, "2:4", "1:8"])
KERNELS = {"2x1": 2, "4x1": 4}


@st.composite
def matrices(draw, zeros=(0.0, 0.2, 0.7, 1.0), least=1):
    """Normal weights, a share of which happens to be zero already."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(least, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.normal(size=shape).astype(np.float32)
    weights[rng.random(shape) < draw(st.sampled_from(zeros))] = 0
    return weights


def removed(cells, sparsity, least=0):
    return min(math.floor(sparsity * cells + 0.5), max(0, cells - least))


def wanted_zeros(shape, sparsity, block):
    """Full and partial blocks lose the same share each."""
    (full_rows, rest_rows), (full_columns, rest_columns) = map(divmod, shape, block)
    rows = [(full_rows, block[0]), (min(rest_rows, 1), rest_rows)]
    columns = [(full_columns, block[1]), (min(rest_columns, 1), rest_columns)]
    return sum(
        removed(m * n, sparsity, least=(h, w) == block) * h * w for m, h in rows for n, w in columns
    )


def test_a_recipe_may_name_each_kind_of_pattern_and_the_choice_among_them():
    kinds = {kind.name for kind in KINDS.values() if kind.is_shape}
    assert kinds == set(PATTERNS.names())
    assert all(map(is_pattern, [*BLOCKS, "2:4", "kernel", "channel"]))


@pytest.mark.parametrize("name", ["0x1", "2x", "x2", "2:", "02:4", "blocks", "n_of_m", "", "2x1 "])
def test_a_name_that_says_nothing_is_refused(name):
    assert not is_pattern(name)
    with pytest.raises(ModelError, match="no pattern is called"):
        pattern(name)


@pytest.mark.parametrize("name", ["4:4", "5:4"])
def test_n_of_m_must_leave_something_out(name):
    with pytest.raises(ModelError, match="must keep some of each group, and not all"):
        pattern(name)


@each_block
@given(matrices(least=4), st.floats(0, 1, exclude_max=True))
def test_kept_weights_stay_and_removed_ones_are_zero_in_exact_numbers(name, weights, sparsity):
    before = weights.copy()
    values, mask = by_magnitude(name, weights, sparsity)
    assert np.array_equal(weights, before)
    assert values.dtype == np.float32 and mask.dtype == bool
    assert (~mask).sum() == wanted_zeros(weights.shape, sparsity, BLOCKS[name])
    assert not values[~mask].any()
    np.testing.assert_allclose(values[mask], weights[mask], rtol=0, atol=1.2e-38)


@each_block
def test_the_least_important_go_first(name):
    rows, columns = BLOCKS[name]
    scores = np.random.default_rng(0).permutation(8 * 25).reshape(8, 25) + 1.0
    wide = np.repeat(np.repeat(scores, rows, axis=0), columns, axis=1)
    weights = wide.astype(np.float32)
    weights[::2] *= -1
    _, mask = by_magnitude(name, weights, 0.8)
    assert np.array_equal(mask, wide > 160)


@pytest.mark.parametrize("kept, group", [(2, 4), (1, 8), (3, 4)])
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_n_of_m_keeps_the_n_largest_of_every_m_inputs_of_a_tap(
    kept, group, out, groups, taps, seed
):
    rng = np.random.default_rng(seed)
    weights = rng.permutation(out * taps * groups * group).astype(np.float32) + 1
    weights = weights.reshape(out, taps * groups * group)
    mask = by_magnitude(f"{kept}:{group}", weights, 0.5, groups * group).mask
    for values, chosen in zip(weights.reshape(-1, group), mask.reshape(-1, group), strict=True):
        assert sorted(values[chosen]) == sorted(values)[-kept:]


def test_n_of_m_grows_with_the_sparsity_and_ends_at_its_own():
    weights = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32)
    masks = [pattern("2:4").mask(np.abs(weights), s, 32) for s in (0, 0.1, 0.25, 0.5, 0.9)]
    np.testing.assert_allclose([1 - m.mean() for m in masks], [0, 0.1, 0.25, 0.5, 0.5], atol=0.01)
    assert [by_magnitude("2:4", weights, s).mask.mean() for s in (0, 0.1, 0.9)] == [1, 0.5, 0.5]


@pytest.mark.parametrize("name, line", [("2:4", "2:4 does not fit 6"), ("1x8", "1x8 do not fit")])
def test_a_pattern_that_does_not_fit_the_inputs_is_refused(name, line):
    with pytest.raises(ModelError, match=line):
        by_magnitude(name, np.ones((4, 18), np.float32), 0.5, 6)


@given(st.integers(1, 7), st.integers(1, 4), st.integers(4, 9), st.integers(0, 99))
def test_blocks_of_inputs_never_reach_over_a_tap(out, taps, in_channels, seed):
    weights = np.random.default_rng(seed).normal(size=(out, taps * in_channels))
    mask = by_magnitude("1x4", weights.astype(np.float32), 0.6, in_channels).mask
    for tap in mask.reshape(out, taps, in_channels).transpose(1, 0, 2):
        for first in range(0, in_channels, 4):
            block = tap[:, first : first + 4]
            assert np.array_equal(block.all(axis=1), block.any(axis=1))


@each_pattern
@pytest.mark.parametrize("sparsity", [-0.1, 1.0, math.nan])
def test_a_sparsity_outside_its_range_is_refused(name, sparsity):
    with pytest.raises(ModelError, match=r"sparsity must be in \[0, 1\), got"):
        by_magnitude(name, np.ones((8, 8), np.float32), sparsity)


@each_pattern
def test_nan_is_refused(name):
    weights = np.ones((8, 8), np.float32)
    weights[3, 3] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        by_magnitude(name, weights, 0.5)


@pytest.mark.parametrize("name", KERNELS)
@given(matrices(), st.floats(0, 1, exclude_max=True))
def test_the_runtime_always_packs_blocks_of_this_size_or_more(name, weights, sparsity):
    values, _ = by_magnitude(name, weights, sparsity)
    assert analyse(values).block >= KERNELS[name]


@pytest.mark.parametrize("name", KERNELS)
@given(matrices(zeros=(0.2, 0.5)), st.floats(0, 1, exclude_max=True))
def test_a_block_is_empty_or_full_even_where_weights_are_zero_by_accident(name, weights, sparsity):
    values, mask = by_magnitude(name, weights, sparsity)
    for first in range(0, len(values), KERNELS[name]):
        rows = slice(first, first + KERNELS[name])
        filled = (values[rows] != 0).sum(axis=0)
        assert set(np.unique(filled)) <= {0, len(values[rows])}
        kept = mask[rows]
        assert np.array_equal(kept.all(axis=0), kept.any(axis=0))


def test_without_whole_blocks_the_runtime_would_not_pack_them():
    weights = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    assert analyse(by_magnitude("unstructured", weights, 0.8).values).block == 1
