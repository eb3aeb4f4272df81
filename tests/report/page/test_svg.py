import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.report.page.svg import Scale, around, picture, text, ticks, unit_of

SIZES = st.floats(1e-6, 1e12)


@given(st.floats(-1e9, 1e9), SIZES)
def test_ticks_are_few_evenly_apart_and_inside(low, size):
    size = max(size, abs(low) * 1e-6)
    found = ticks(low, low + size)
    assert 1 <= len(found) <= 8
    room = size * 1e-6
    assert all(low - room <= tick <= low + size + room for tick in found)
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_a_range_around_values_is_never_empty(values):
    low, high = around(values)
    assert low < high or abs(low) > 1e15
    assert low <= min(values) and max(values) <= high


@given(SIZES)
def test_a_scale_maps_its_ends_to_the_ends(size):
    scale = Scale(0, size, 10, 20)
    assert (scale(0), scale(size), scale(size / 2)) == pytest.approx((10, 20, 15))


@pytest.mark.parametrize(
    ("largest", "base", "divisor", "name"),
    [
        (999, "B", 1, "B"),
        (1000, "B", 1000, "kB"),
        (5e12, "us", 1e6, "s"),
        (210e6, "", 1e6, "million"),
    ],
)
def test_the_unit_leaves_at_most_three_digits_where_there_is_one(largest, base, divisor, name):
    assert unit_of(largest, base) == (unit := type(unit_of(1, "B"))(divisor, name)), unit


def test_words_are_escaped_in_a_picture():
    drawn = picture("one", '<b> "said"', 10, [text(0, 0, "<i>")])
    assert "<b>" not in drawn and "<i>" not in drawn
    assert "&lt;i&gt;" in drawn and 'aria-labelledby="one-text"' in drawn
