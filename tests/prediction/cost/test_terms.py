"""The closed forms, against kernels that are stepped through loop by loop as XNNPACK runs them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.prediction.cost import terms

SMALL = st.integers(1, 40)
FEW = st.integers(1, 9)


def counted(made):
    """Loops that run at all."""
    return {loop: count for loop, count in made.items() if count}


def halves(left, sizes):
    """Sizes of the steps that take ``left`` elements: the largest as often as it fits, then one."""
    largest = sizes[0]
    while left >= largest:
        left -= largest
        yield largest
    for size in sizes[1:]:
        if left >= size:
            left -= size
            yield size


def stepped_gemm(rows, depth, columns, tile, taps, groups):
    """``src/f32-gemm/MRxNR-minmax-aarch64-neonfma``; with taps ``src/f32-igemm``."""
    seen = Counter(node=1)
    for _ in range(groups):
        for _ in range(0, rows, tile[0]):
            seen["call"] += 1
            left = columns
            while left > 0:
                seen["block"] += 1
                for _ in range(taps):
                    seen["tap"] += 1
                    seen.update(f"depth_{size}" for size in halves(depth, (8, 4, 2, 1)))
                if left < tile[1]:
                    seen["columns_left"] += 1
                left -= tile[1]
    return seen


@given(SMALL, SMALL, SMALL, st.sampled_from([(1, 8), (4, 8), (6, 8), (4, 2)]), FEW, FEW)
def test_a_gemm_runs_its_loops_as_often_as_the_kernel_does(
    rows, depth, columns, tile, taps, groups
):
    found = terms.gemm(rows, depth, columns, tile, taps, groups)
    assert counted(found) == stepped_gemm(rows, depth, columns, tile, taps, groups)


def test_a_gemm_has_one_tap_and_one_group_where_nothing_is_said():
    assert terms.gemm(3, 5, 7, (4, 8)) == terms.gemm(3, 5, 7, (4, 8), 1, 1)
    assert terms.gemm(1, 1, 8, (1, 8))["tap"] == 1


@given(FEW, FEW, SMALL)
def test_a_depthwise_kernel_in_nhwc_takes_eight_channels_then_four_then_the_rest(h, w, channels):
    seen = Counter(node=1)
    for _ in range(h):
        seen["row"] += 1
        for _ in range(w):
            seen["pixel"] += 1
            left = channels
            while left >= 8:
                seen["channels_8"] += 1
                left -= 8
            if left >= 4:
                seen["channels_4"] += 1
                left -= 4
            if left:
                seen["channels_left"] += 1
    assert counted(terms.dwconv(h, w, channels)) == seen


@given(SMALL, SMALL, FEW, st.integers(1, 4))
def test_a_depthwise_kernel_in_nchw_takes_some_rows_and_four_columns_at_a_time(
    h, w, channels, rows
):
    seen = Counter(node=1)
    for _ in range(channels):
        seen["channel"] += 1
        for _ in range(0, h, rows):
            seen["pass"] += 1
            left = w
            while left > 4:  # the last step, of one to four columns, stands behind the loop
                seen["columns_4"] += 1
                left -= 4
    assert counted(terms.dwconv_chw(h, w, channels, rows)) == seen


@given(SMALL, SMALL, SMALL)
def test_the_convolution_that_begins_a_cluster_makes_two_rows_of_four_channels_at_a_time(
    h, w, channels
):
    seen = Counter(node=1)
    for row in range(h):
        seen["row"] += 1
        if row % 2:
            continue
        for _ in range(0, channels, 4):
            seen["pass"] += 1
            left = w
            while left >= 2:
                seen["columns_2"] += 1
                left -= 2
            if left:
                seen["columns_1"] += 1
    assert counted(terms.hwc2chw(h, w, channels)) == seen


@given(st.integers(1, 200), SMALL, SMALL)
def test_a_sparse_kernel_takes_32_pixels_at_a_time_then_each_power_of_two_that_is_left(
    pixels, blocks, nonzero
):
    seen = Counter(node=1)
    for size in halves(pixels, (32, 16, 8, 4, 2, 1)):
        for _ in range(blocks):
            seen[f"tile_{size}"] += 1
        for _ in range(nonzero):
            seen[f"nonzero_{size}"] += 1
    assert counted(terms.spmm(pixels, blocks, nonzero, 64)) == seen


@given(FEW, SMALL)
def test_a_kernel_on_runs_takes_eight_elements_then_four_then_the_rest(calls, length):
    seen = Counter(node=1)
    for _ in range(calls):
        seen["call"] += 1
        left = length
        while left >= 8:
            seen["elements_8"] += 1
            left -= 8
        if left >= 4:
            seen["elements_4"] += 1
            left -= 4
        if left:
            seen["elements_left"] += 1
    assert counted(terms.rows(calls, length)) == seen


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_sum_over_rows_takes_seven_of_them_and_sixteen_channels_at_a_time(count, channels):
    seen = Counter(node=1)
    for _ in range(channels // 16):
        seen["channels_16"] += 1
    for _ in range(0, count, 7):
        seen["group"] += 1
        left = channels
        while left >= 16:
            seen["adds_16"] += 1
            left -= 16
        while left >= 4:
            seen["adds_4"] += 1
            left -= 4
        if left:
            seen["adds_left"] += 1
    assert counted(terms.sum_columns(count, channels)) == seen


@given(FEW, FEW, SMALL, st.integers(1, 50))
def test_a_pooling_kernel_takes_nine_taps_and_four_channels_at_a_time(h, w, channels, taps):
    seen = Counter(node=1)
    for _ in range(h):
        seen["row"] += 1
        for _ in range(w):
            seen["pixel"] += 1
            for first in range(0, taps, 9):
                seen["pass"] += 1
                left = channels
                while left > 0:
                    seen["channels_4" if left >= 4 else "channels_left"] += 1
                    seen["more_passes_4"] += first > 0  # adds to what earlier passes left
                    left -= 4
    assert counted(terms.pooling(h, w, channels, taps)) == counted(seen)


@given(FEW, SMALL, SMALL)
def test_a_transpose_works_on_tiles_of_four_by_four(calls, h, w):
    seen = Counter(node=1)
    for _ in range(calls):
        seen["call"] += 1
        for _ in range(0, h, 4):
            seen["row"] += 1
            for _ in range(0, w, 4):
                seen["tile"] += 1
    assert counted(terms.transpose(calls, h, w)) == seen


@given(FEW, FEW, SMALL)
def test_a_resize_in_nhwc_takes_four_channels_of_a_pixel_at_a_time(h, w, channels):
    seen = Counter(node=1)
    for _ in range(h * w):
        seen["pixel"] += 1
        left = channels
        while left >= 4:
            seen["channels_4"] += 1
            left -= 4
        if left:
            seen["channels_left"] += 1
    assert counted(terms.resize(h, w, channels)) == seen


@given(FEW, FEW, FEW)
def test_a_resize_in_nchw_takes_four_pixels_of_a_channel_at_a_time(h, w, channels):
    seen = Counter(node=1)
    for _ in range(channels):
        seen["channel"] += 1
        for _ in range(0, h * w, 4):
            seen["pixels_4"] += 1
    assert counted(terms.resize_chw(h, w, channels)) == seen


def test_a_pad_copies_what_is_kept_and_fills_the_rest_by_eights():
    # A map of 3 x 3 x 8 in a frame of one: 25 pixels of 8 channels, 9 of them copied.
    assert terms.pad(25, 200, 72) == {"node": 1, "row": 25, "copied_8": 9, "filled_8": 16}
    assert terms.pad(2, 30, 14) == {"node": 1, "row": 2, "copied_8": 1, "filled_8": 2}
    assert terms.pad(2, 14, 7) == {"node": 1, "row": 2, "copied_8": 0, "filled_8": 0}


@pytest.mark.parametrize(
    ("rows", "tiles", "tile"),
    [
        (6, (1, 4, 6), 6),  # a kernel of just these rows
        # Cost of a tile: ceil(rows / tile) * (3 * (tile + 8) + 8 * tile).
        (2, (1, 4), 4),  # 70 for two calls of one row, 68 for one of four
        (3, (1, 2, 4), 4),  # 105, 92, 68
        (5, (1, 4, 6), 6),  # 175, 136, 90
        (7, (1, 4, 6), 4),  # 245, 136, 180
        (8, (1, 4, 6), 4),  # as many calls: the smaller tile does less for nothing
        (13, (1, 2, 4, 7), 7),  # 455, 322, 272, 202
        (20, (4, 10), 10),  # 340, 268
        (3, (1, 8), 1),  # 105, 112
    ],
)
def test_the_tile_that_takes_least_work_is_chosen(rows, tiles, tile):
    assert terms.row_tile(rows, tiles) == tile


@pytest.mark.parametrize(
    ("columns", "narrow"),
    [
        (1, True),
        (7, True),  # less than a tile
        (8, False),
        (9, True),  # 7 of 16 columns would be spare, in twos 1 of 10
        (15, False),  # one spare column either way
        (16, False),
        (198, True),  # 2 of 200 are more than a hundredth of 198
        (206, False),  # 2 of 208 are less
        (293, True),  # 3 of 296
        (301, False),  # 3 of 304
        (396, True),  # 4 of 400
        (404, False),  # 4 of 408
        (499, True),  # 5 of 504
        (507, False),  # 5 of 512
    ],
)
def test_two_columns_at_a_time_where_a_whole_tile_would_waste_more_than_a_hundredth(
    columns, narrow
):
    assert terms.is_narrow(columns) is narrow
