import dataclasses

import meter_rig
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.energy.alignment import shift_s
from edgeprune.energy.net import Window
from edgeprune.energy.power_trace import PowerTrace

WINDOWS = (meter_rig.IDLE_BEFORE, meter_rig.INFERRING, meter_rig.IDLE_AFTER)


def record(clock_error_s, load_w=5.0, noise_w=0.0, counts=False, start_s=-2.0):
    """A meter whose clock is ahead by ``clock_error_s``."""
    times_s = np.arange(start_s, meter_rig.RECORD_S + 2, 0.02)
    noise = noise_w * np.random.default_rng(0).standard_normal(len(times_s))
    power_w = meter_rig.square_wave_w(times_s, 2.0, load_w) + noise
    trace = PowerTrace(times_s + clock_error_s, power_w, None, "x", "measured-external", 0.02, 0.02)
    if not counts:
        return trace
    return dataclasses.replace(
        trace, power_w=None, energy_j=meter_rig.counted_j(times_s, 2.0, load_w)
    )


@given(st.floats(-0.95, 0.95), st.booleans())
def test_a_clock_that_is_off_is_found_by_the_edges_of_the_load(clock_error_s, counts):
    found = shift_s(record(clock_error_s, counts=counts), *WINDOWS, limit_s=1.0)
    if abs(clock_error_s) > 0.22:
        assert found == pytest.approx(clock_error_s, abs=0.03)
    else:  # at most 2 % of the figure: left as it is, or found
        assert found == 0 or found == pytest.approx(clock_error_s, abs=0.03)


def test_a_clock_that_is_further_off_ends_at_the_limit():
    assert shift_s(record(2.5), *WINDOWS, limit_s=1.0) == pytest.approx(1.0, abs=0.01)
    assert shift_s(record(-2.5), *WINDOWS, limit_s=1.0) == pytest.approx(-1.0, abs=0.01)


def test_noise_alone_moves_nothing():
    assert shift_s(record(0.0, noise_w=0.5), *WINDOWS, limit_s=1.0) == 0
    assert shift_s(record(0.0, load_w=2.0), *WINDOWS, limit_s=1.0) == 0


def test_a_shift_that_counts_is_found_to_a_four_hundredth_of_the_limit():
    for steps in (-399, -200, 90, 200):
        found = shift_s(record(steps / 400, counts=True), *WINDOWS, limit_s=1.0)
        assert found == pytest.approx(steps / 400, abs=1e-9)


@pytest.mark.parametrize("windows", [WINDOWS, (Window(2, 7), WINDOWS[1], Window(24, 26))])
def test_a_shift_counts_if_it_raises_the_load_above_idle_by_2_percent(windows):
    # Of a load of 10 s, 0.2 s are 2 %, however long the device was idle.
    for error_s in (0.21, -0.21):
        found = shift_s(record(error_s, counts=True), *windows, limit_s=1.0)
        assert found == pytest.approx(error_s, abs=0.002)
    for error_s in (0.19, -0.19):
        assert shift_s(record(error_s, counts=True), *windows, limit_s=1.0) == 0


def test_a_load_that_stands_out_of_idle_by_less_than_1_percent_has_no_edges():
    assert shift_s(record(0.5, load_w=2.03), *WINDOWS, limit_s=1.0) == pytest.approx(0.5, abs=0.025)
    assert shift_s(record(0.5, load_w=2.015), *WINDOWS, limit_s=1.0) == 0


def test_a_record_that_begins_with_the_idle_stretch_is_set_right_as_well():
    found = shift_s(record(0.25, start_s=0.75), *WINDOWS, limit_s=1.0)
    assert found == pytest.approx(0.25, abs=0.02)
