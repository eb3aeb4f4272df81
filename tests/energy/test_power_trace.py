import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.energy.power_trace import PowerTrace, unwrapped
from edgeprune.errors import DeviceError


def power(times_s, watts, period_s=0.1, update_period_s=None):
    times_s, watts = np.asarray(times_s, float), np.asarray(watts, float)
    return PowerTrace(times_s, watts, None, "x", "measured-onboard", period_s, update_period_s)


def counter(times_s, joules):
    return PowerTrace(
        np.asarray(times_s, float), None, np.asarray(joules, float), "x", "measured-onboard", 0.1
    )


@given(
    st.lists(st.floats(0.01, 1), min_size=4, max_size=40),
    st.floats(0.1, 20),
    st.floats(-3, 3),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_straight_line_is_integrated_exactly_whatever_the_samples_times(
    steps_s, level_w, slope, low, high
):
    times_s = np.cumsum(steps_s)
    start_s, end_s = (times_s[0] + np.ptp(times_s) * share for share in sorted((low, high)))
    expected_j = level_w * (end_s - start_s) + slope * (end_s**2 - start_s**2) / 2
    found_j = power(times_s, level_w + slope * times_s).energy_between_j(start_s, end_s)
    assert found_j == pytest.approx(expected_j, rel=1e-9, abs=1e-9)


def test_a_square_wave_gives_its_energy_by_construction():
    times_s = np.arange(0, 10, 0.001)
    watts = np.where((times_s % 1) < 0.25, 4.0, 1.0)
    assert power(times_s, watts).energy_between_j(1, 9) == pytest.approx(8 * 1.75, rel=0.002)


def test_a_negative_current_gives_energy_back():
    times_s = np.arange(0, 10, 0.01)
    found_j = power(times_s, np.where(times_s < 5, 3.0, -1.0)).energy_between_j(0, 10)
    assert found_j == pytest.approx(10, rel=0.01)


def test_a_counter_is_read_between_its_samples():
    assert counter([0, 1, 2], [5, 7, 11]).energy_between_j(0.5, 1.5) == pytest.approx(3)


@given(st.lists(st.integers(0, 99), min_size=2, max_size=60), st.integers(0, 99))
def test_wraps_are_undone(steps, start):
    total = start + np.cumsum([0, *steps])
    found = unwrapped((total % 100).astype(float), 100.0)
    np.testing.assert_array_equal(found - found[0], total - total[0])


def test_each_counter_wraps_by_itself():
    rows = np.array([[8.0, 90.0], [1.0, 95.0], [3.0, 5.0]])
    found = unwrapped(rows, np.array([10.0, 100.0]))
    np.testing.assert_array_equal(found, [[8, 90], [11, 95], [13, 105]])


def test_the_largest_gap_has_both_ends_of_the_window():
    trace = power([1, 2, 2.5, 4], [1, 1, 1, 1])
    assert trace.largest_gap_s(1, 4) == 1.5
    assert trace.largest_gap_s(2, 3.9) == pytest.approx(1.4)
    assert trace.largest_gap_s(4.5, 7) == 2.5


def test_a_sensor_that_updates_rarely_is_counted_by_its_own_period():
    times_s = np.arange(0, 10, 0.1)
    assert power(times_s, times_s, update_period_s=1.0).updates_between(0, 10) == 10
    assert power(times_s, times_s, update_period_s=0.1).updates_between(0, 9.99) == 100


def test_without_a_known_period_changes_are_counted():
    times_s = np.arange(0, 10, 0.1)
    assert power(times_s, np.floor(times_s + 0.01)).updates_between(0.5, 9.5) == 9
    assert power(times_s, np.ones(100)).updates_between(0.5, 9.5) == 0


def test_a_gap_leaves_the_periods_without_a_sample_out():
    trace = power([0.3, 0.8, 3.3], [1, 1, 1], period_s=0.5, update_period_s=1.0)
    assert trace.updates_between(0.3, 3.4) == 2


def test_the_first_sample_is_a_new_value():
    assert power(np.arange(0, 10, 0.1), np.ones(100)).updates_between(0, 9.5) == 1


def test_samples_at_both_ends_of_the_window_are_in_it():
    assert power([1, 2, 3, 4], [1, 1, 1, 1]).samples_between(1, 4) == 4
    assert power([1, 2, 3, 4], [1, 1, 1, 1]).samples_between(1.5, 3.5) == 2


@pytest.mark.parametrize(
    ("start_s", "end_s", "is_covered"),
    [(1, 4, True), (0.5, 4.5, True), (0.25, 4, False), (1, 4.75, False), (2, 3, True)],
)
def test_a_window_may_reach_out_of_the_record_by_a_spacing(start_s, end_s, is_covered):
    assert power([1, 2, 3, 4], [1, 1, 1, 1], period_s=0.5).covers(start_s, end_s) is is_covered
    slow = power([1, 2, 3, 4], [1, 1, 1, 1], period_s=0.25, update_period_s=0.5)
    assert slow.covers(start_s, end_s) is is_covered


@pytest.mark.parametrize("series", [None, np.ones(2)])
def test_a_record_of_both_power_and_energy_or_of_neither_is_refused(series):
    with pytest.raises(DeviceError, match=r"^x: a record holds either power or energy$"):
        PowerTrace(np.arange(2.0), series, series, "x", "measured-onboard", 0.1)


@pytest.mark.parametrize(
    ("times_s", "watts", "message"),
    [
        ([], [], "no samples"),
        ([0, 1], [1], "2 times for 1 values"),
        ([0, 0], [1, 1], "do not ascend"),
        ([1, 0], [1, 1], "do not ascend"),
        ([0, 1], [1, np.nan], "not a finite number"),
    ],
)
def test_a_broken_record_is_refused(times_s, watts, message):
    with pytest.raises(DeviceError, match=message):
        power(times_s, watts)
