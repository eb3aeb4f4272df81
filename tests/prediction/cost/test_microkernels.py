"""Which kernel takes a shape, and with what arguments."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.prediction.cost.microkernels import (
    Call,
    binary,
    depthwise,
    depthwise_chw,
    gemm,
    spmm,
    unary,
)
from edgeprune.prediction.xnnpack.spmm import SpmmPlan

TILES = (1, 4, 6)


@pytest.mark.parametrize(
    ("rows", "depth", "columns", "kernel", "tile"),
    [
        (49, 8, 64, "gemm.6x8", (6, 8)),
        (4, 8, 64, "gemm.4x8", (4, 8)),
        (1, 8, 64, "gemm.1x8", (1, 8)),
        (49, 8, 7, "gemm.4x2", (4, 2)),
        (49, 8, 12, "gemm.4x2", (4, 2)),  # a whole tile would leave 4 of 16 columns unused
        (49, 8, 8, "gemm.6x8", (6, 8)),
    ],
)
def test_a_dense_layer_takes_the_kernel_of_its_rows_and_columns(rows, depth, columns, kernel, tile):
    assert gemm(rows, depth, columns, TILES) == Call(kernel, (rows, depth, columns, tile, 1, 1))


@pytest.mark.parametrize(
    ("columns", "taps", "kernel"),
    [(7, 9, "igemm.4x2"), (8, 9, "igemm.6x8"), (12, 9, "igemm.6x8"), (8, 1, "igemm.6x8")],
)
def test_a_convolution_takes_the_narrow_kernel_only_for_less_than_a_tile(columns, taps, kernel):
    call = gemm(49, 5, columns, TILES, taps, 3)
    tile = tuple(int(size) for size in kernel.split(".")[1].split("x"))
    assert call == Call(kernel, (49, 5, columns, tile, taps, 3))


def test_a_gemm_has_no_taps_and_one_group_where_nothing_is_said():
    assert gemm(9, 5, 8, TILES) == gemm(9, 5, 8, TILES, 0, 1)
    assert gemm(9, 5, 8, TILES, 1).kernel == "igemm.6x8"


@pytest.mark.parametrize(
    ("taps", "kernel"),
    [(1, 3), (3, 3), (4, 4), (5, 9), (9, 9), (10, 25), (25, 25)],
)
def test_a_depthwise_convolution_takes_the_smallest_kernel_that_has_its_taps(taps, kernel):
    assert depthwise(5, 6, 7, taps, 2) == Call(f"dwconv.{kernel}", (5, 6, 7, 2))


@pytest.mark.parametrize(
    ("kernel", "stride", "rows"),
    [(3, 1, 3), (3, 2, 2), (5, 1, 4), (5, 2, 1)],
)
def test_a_depthwise_convolution_in_nchw_makes_the_rows_at_once_that_its_kernel_makes(
    kernel, stride, rows
):
    # Source: XNNPACK's names, as f32_dwconv2d_chw_ukernel_3x3p1__aarch64_neonfma_3x4: 3 rows.
    call = depthwise_chw(5, 6, 7, kernel, stride)
    assert call == Call(f"dwconv_chw.{kernel}x{kernel}s{stride}", (5, 6, 7, rows))


def test_a_sparse_layer_runs_the_kernel_of_its_blocks():
    plan = SpmmPlan(block=2, nonzeros=12, nonzero_blocks=6, output_blocks=5, depth=9)
    assert spmm(20, plan) == Call("spmm.2", (20, 5, 6, 9))


def test_relus_of_every_kind_are_one_kernel_and_others_have_their_own():
    for name in ("RELU", "RELU6", "RELU_N1_TO_1"):
        assert unary(name, 33) == Call("unary.CLAMP", (1, 33))
    assert unary("TANH", 33) == Call("unary.TANH", (1, 33))


@pytest.mark.parametrize(
    ("first", "second", "kernel", "arguments"),
    [
        ((2, 3, 4), (2, 3, 4), "plain", (1, 24)),
        ((2, 3, 4), (4,), "plain", (6, 4)),  # a row is added to each of 6
        ((4,), (2, 3, 4), "plain", (6, 4)),
        ((2, 3, 4), (2, 3, 1), "plain_scalar", (6, 4)),  # a number to each of 6 rows
        ((2, 3, 1), (2, 3, 4), "plain_scalar", (6, 4)),
        ((2, 3, 4), (1,), "plain_scalar", (1, 24)),
        ((2, 3, 4), (), "plain_scalar", (1, 24)),
        ((), (2, 3, 4), "plain_scalar", (1, 24)),
        ((2, 3, 4), (1, 3, 1), "plain_scalar", (6, 4)),
        ((2, 3, 4, 5), (1, 1, 4, 5), "plain", (6, 20)),
        ((1, 3, 4), (2, 1, 4), "plain", (6, 4)),  # either is repeated along one dimension
        ((3, 1), (1, 4), "plain_scalar", (3, 4)),
        ((5, 1, 4), (5, 1, 4), "plain", (1, 20)),  # dimensions of one change nothing
        ((1, 1), (1, 1), "plain", (1, 1)),
        ((), (), "plain", (1, 1)),
    ],
)
def test_a_binary_kernel_is_called_for_each_run_of_the_innermost_dimensions_that_are_alike(
    first, second, kernel, arguments
):
    assert binary("ADD", first, second) == Call(f"binary.{kernel}", arguments)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("SQUARED_DIFFERENCE", "square"), ("PRELU", "prelu"), ("MUL", "plain"), ("SUB", "plain")],
)
def test_a_square_and_a_prelu_have_kernels_of_their_own(name, kind):
    assert binary(name, (2, 3), (2, 3)).kernel == f"binary.{kind}"
    assert binary(name, (2, 3), (2, 1)).kernel == f"binary.{kind}_scalar"


SIDES = st.lists(st.sampled_from([(1, 1), (3, 3), (5, 5), (4, 1), (1, 7)]), min_size=1, max_size=4)


@given(SIDES)
def test_a_binary_kernel_visits_each_output_once(dimensions):
    first, second = zip(*dimensions, strict=True)
    calls, length = binary("ADD", first, second).arguments
    assert calls * length == math.prod(np.broadcast_shapes(first, second))
