"""Which lines a kernel is predicted to miss, on caches small enough to be worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.core_work import Cache
from edgeprune.prediction.cost.lines import Surroundings, missed_lines
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cost.touches import LINE, TOUCHES

SMALL, LARGE = Cache(32 << 10, 4), Cache(1 << 20, 16)
BOTH = Surroundings((SMALL, LARGE))
CALLS = {
    "gemm.6x8": (196, 64, 96, (6, 8), 1, 1),
    "igemm.6x8": (196, 16, 32, (6, 8), 9, 2),
    "int8_gemm.4x16": (196, 16, 96, (4, 16), 1, 1),
    "int8_igemm.4x16": (196, 4, 32, (4, 16), 9, 1),
    "dwconv.9": (14, 14, 64, 1),
    "int8_dwconv.25": (14, 14, 64, 2),
    "dwconv_chw.3x3s2": (14, 14, 64, 2),
    "hwc2chw": (14, 14, 32),
    "spmm.2": (196, 48, 600, 64),
    "binary.plain": (1, 4096),
    "unary.CLAMP": (1, 4096),
    "softmax": (4, 100),
    "copy.slice": (64, 32),
    "builtin.reverse": (196, 16),
    "mean_columns": (49, 320),
    "mean_rows": (320, 49),
    "pad": (225, 3600, 3136),
    "pooling.max": (7, 7, 64, 9),
    "transpose.general": (14, 14, 32),
    "resize": (14, 14, 32),
    "resize_chw": (14, 14, 32),
    "int8.ADD": (4096, 8192, 64),
}
SIZES = st.integers(1, 64)


def total(call, around=BOTH):
    return [one.streamed + one.other for one in missed_lines(call, around)]


def test_every_family_that_is_described_has_an_example_here():
    assert {kernel.split(".")[0] for kernel in CALLS} == set(TOUCHES)


@pytest.mark.parametrize(("kernel", "arguments"), CALLS.items())
def test_a_level_misses_no_more_than_the_one_before_it_and_at_least_what_is_new(kernel, arguments):
    missed = missed_lines(Call(kernel, arguments), BOTH)
    first, second = (one.streamed + one.other for one in missed)
    assert 0 < second <= first or second == 0 < first
    assert all(one.streamed >= 0 and one.other >= 0 for one in missed)


@pytest.mark.parametrize("kernel", [kernel for kernel in CALLS if "gemm" not in kernel])
def test_a_larger_cache_never_misses_more(kernel):
    """But for products, which the runtime cuts by the size of the cache."""
    call = Call(kernel, CALLS[kernel])
    sizes = (8 << 10, 32 << 10, 256 << 10, 4 << 20)
    missed = [total(call, Surroundings((Cache(size, 4),)))[0] for size in sizes]
    assert missed == sorted(missed, reverse=True)


def test_what_nobody_described_misses_nothing():
    assert total(Call("of_another_kind", (5, 6))) == [0, 0]


def test_a_small_layer_in_a_small_network_misses_nothing():
    around = Surroundings((SMALL, LARGE), network_bytes=4096.0)
    assert total(Call("gemm.6x8", (6, 16, 8, (6, 8), 1, 1)), around) == pytest.approx([0, 0], abs=1)


def test_weights_come_from_memory_where_the_network_is_larger_than_all_caches():
    """One row of 1024 numbers times a matrix of 4 MB: each line of it once, and no others."""
    call = Call("gemm.1x8", (1, 1024, 1000, (1, 8), 1, 1))
    lines = (1024 * 4 + 4) * 1000 / LINE
    assert total(call) == pytest.approx([lines, lines], rel=0.12)
    assert total(call, Surroundings((SMALL, LARGE), 64 << 10)) == pytest.approx(
        [lines, 0], rel=0.12
    )


def test_inputs_of_a_product_are_read_again_for_every_group_of_columns_that_fits_beside_them():
    """196 rows of 512: with 8 columns at a time, 64 passes over 392 KiB, and 392 KiB written."""
    caches = (Cache(32 << 10, 16), Cache(64 << 20, 16))
    missed = total(Call("gemm.4x8", (196, 512, 512, (4, 8), 1, 1)), Surroundings(caches))
    reads, writes, weights = 64 * 196 * 512 * 4 / LINE, 64 * 196, 512 * 512 * 4 / LINE
    assert missed[0] == pytest.approx(reads + writes + weights, rel=0.02)
    assert missed[1] == pytest.approx(weights, rel=0.02)


@given(SIZES, SIZES, st.integers(1, 2000), st.integers(1, 256), st.sampled_from([1, 2, 4]))
def test_lines_of_a_sparse_layer_are_never_more_than_it_touches(pixels, blocks, nonzero, depth, n):
    nonzero = min(nonzero, blocks * depth)
    tiles = sum(pixels // 32 if size == 32 else pixels // size % 2 for size in (32, 16, 8, 4, 2, 1))
    weights = nonzero * 4 * (n + 1) + blocks * 4 * (n + 2)
    most = tiles * (3 * nonzero + 3 * blocks * n + 3 * depth + weights / LINE) + pixels * depth
    missed = total(Call(f"spmm.{n}", (pixels, blocks, nonzero, depth)))
    assert 0 <= missed[1] <= missed[0] <= most
    assert not math.isnan(missed[0])


def test_a_stride_reads_a_larger_map():
    one, two = (total(Call("dwconv.9", (112, 112, 64, stride)))[1] for stride in (1, 2))
    assert 2 * one < two < 4 * one


def test_channels_that_lie_a_power_of_two_apart_crowd_a_few_sets_of_a_cache():
    """Source: the simulation of the Cortex-A72's caches, 24,331 lines where this says 15,534."""
    around = Surroundings((Cache(32 << 10, 2), LARGE))
    crowded = total(Call("spmm.2", (1024, 32, 205, 32)), around)[0]
    spread = total(Call("spmm.2", (1040, 32, 205, 32)), around)[0]
    assert crowded > 1.5 * spread


def test_a_sparse_layer_of_one_pixel_misses_its_weights_and_little_else():
    """1024 inputs are 64 lines; 204,800 weights of 8 bytes are 25,600, and 1000 outputs 188."""
    missed = total(Call("spmm.1", (1, 1000, 204_800, 1024)))
    assert missed == pytest.approx([25_600 + 188 + 64 + 64, 25_600 + 188], rel=0.02)
