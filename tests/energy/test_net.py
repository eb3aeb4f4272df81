import dataclasses

import meter_rig
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.energy.grid import Grid
from edgeprune.energy.net import Energy, NoEnergy, Window, net_energy
from edgeprune.energy.power_trace import PowerTrace


def trace_of(function, period_s=0.05, update_period_s=0.05, keep=lambda t: t >= 0):
    times_s = np.arange(0, meter_rig.RECORD_S, period_s)
    times_s = times_s[keep(times_s)]
    return PowerTrace(
        times_s, function(times_s), None, "probe", "measured-external", period_s, update_period_s
    )


@given(st.floats(0.01, 20), st.floats(0.01, 20), st.integers(1, 10**6))
def test_a_square_waves_net_energy_is_its_height_times_its_length(idle_w, extra_w, inferences):
    trace = trace_of(lambda t: meter_rig.square_wave_w(t, idle_w, idle_w + extra_w))
    found = meter_rig.energy_of(trace, inferences)
    assert isinstance(found, Energy)
    # The wave's edges lie between two samples, 0.05 s apart, in 10 s.
    assert found.net_uj * inferences / 1e6 == pytest.approx(extra_w * 10, rel=0.006)
    assert found.gross_uj == pytest.approx(found.idle_uj + found.net_uj)


def test_everything_that_a_reader_needs_to_judge_the_figure_is_there():
    found = meter_rig.energy_of(trace_of(meter_rig.square_wave_w))
    assert (found.inferences, found.window_s, found.sensor) == (1000, 10, "probe")
    assert (found.tier, found.stable) == ("measured-external", True)
    assert 199 <= found.samples == found.updates <= 201
    assert found.largest_gap_s == pytest.approx(0.05)
    assert (found.idle_before_w, found.idle_after_w) == (pytest.approx(2), pytest.approx(2))


def test_idle_that_drifts_by_more_than_5_percent_is_unstable():
    def drifting(by):
        return lambda t: meter_rig.square_wave_w(t) * np.where(t > 22.5, 1 + by, 1)

    assert meter_rig.energy_of(trace_of(drifting(0.048))).stable
    assert not meter_rig.energy_of(trace_of(drifting(0.055))).stable
    assert not meter_rig.energy_of(trace_of(drifting(-0.055))).stable


def test_idle_that_drifts_by_5_percent_is_stable_yet():
    # All of it exact: 39 W and 41 W, of which 5 % are 2 W.
    trace = trace_of(lambda t: np.select([t < 11.5, t < 22.5], [39.0, 80.0], 41.0), 0.125, 0.125)
    found = meter_rig.energy_of(trace)
    assert (found.idle_before_w, found.idle_after_w, found.stable) == (39.0, 41.0, True)


def test_energy_is_told_in_microjoules_an_inference():
    trace = trace_of(lambda t: np.where((t > 11.5) & (t < 22.5), 6.0, 2.0), 0.125, 0.125)
    found = meter_rig.energy_of(trace, 1000)
    assert (found.gross_uj, found.idle_uj, found.net_uj) == (60_000.0, 20_000.0, 40_000.0)


def test_what_the_meter_leaves_out_goes_with_the_figure():
    trace = dataclasses.replace(trace_of(meter_rig.square_wave_w), notes=("without the display",))
    assert meter_rig.energy_of(trace).notes == ("without the display",)


def test_what_is_subtracted_is_the_mean_of_idle_before_and_after():
    warming = trace_of(lambda t: meter_rig.square_wave_w(t) + np.where(t > 22.5, 0.08, 0))
    found = meter_rig.energy_of(warming)
    assert found.idle_uj * found.inferences / 1e6 == pytest.approx(2.04 * 10, rel=1e-3)


@pytest.mark.parametrize(
    ("middle_s", "window"), [(6, "idle before"), (17, "inferences"), (28, "idle after")]
)
def test_a_gap_of_more_than_5_periods_in_any_window_gives_no_figure(middle_s, window):
    def without(length_s):
        return lambda t: np.abs(t - middle_s) > length_s / 2

    good = trace_of(meter_rig.square_wave_w, keep=without(0.15))
    assert isinstance(meter_rig.energy_of(good), Energy)
    found = meter_rig.energy_of(trace_of(meter_rig.square_wave_w, keep=without(0.35)))
    assert isinstance(found, NoEnergy)
    assert found.reason.startswith(f"probe, {window}: ")
    assert "went without a sample, more than 5 periods" in found.reason


def test_a_gap_of_5_periods_is_none_yet():
    # An eighth of a second and its multiples are exact.
    trace = trace_of(
        meter_rig.square_wave_w, 0.125, 0.125, keep=lambda t: (t <= 16) | (t >= 16.625)
    )
    assert meter_rig.energy_of(trace).largest_gap_s == 0.625


@pytest.mark.parametrize("middle_s", [6, 17, 28])
def test_the_largest_gap_is_that_of_whichever_window_has_it(middle_s):
    trace = trace_of(meter_rig.square_wave_w, keep=lambda t: np.abs(t - middle_s) > 0.08)
    found = meter_rig.energy_of(trace)
    assert isinstance(found, Energy)
    assert found.largest_gap_s == pytest.approx(0.2)


def test_a_gap_between_the_windows_is_no_gap_of_the_figure():
    trace = trace_of(meter_rig.square_wave_w, keep=lambda t: np.abs(t - 11.5) > 0.4)
    assert meter_rig.energy_of(trace).largest_gap_s == pytest.approx(0.05)


def test_a_gap_between_the_windows_does_no_harm():
    trace = trace_of(meter_rig.square_wave_w, keep=lambda t: np.abs(t - 11.5) > 0.4)
    assert isinstance(meter_rig.energy_of(trace), Energy)


def test_a_sensor_with_fewer_than_50_new_values_gives_no_figure():
    assert isinstance(meter_rig.energy_of(trace_of(meter_rig.square_wave_w, 0.1, 0.2)), Energy)
    found = meter_rig.energy_of(trace_of(meter_rig.square_wave_w, 0.1, 0.25))
    assert isinstance(found, NoEnergy)
    assert "gave 40 new values in 10 s, a figure needs 50" in found.reason


def test_a_record_of_another_time_gives_no_figure():
    late = trace_of(meter_rig.square_wave_w, keep=lambda t: t > 5)
    found = meter_rig.energy_of(late)
    assert isinstance(found, NoEnergy) and "does not cover" in found.reason


def test_inferences_that_draw_no_more_than_idle_give_no_figure_and_never_0():
    found = meter_rig.energy_of(trace_of(lambda t: np.full_like(t, 2.0)))
    assert isinstance(found, NoEnergy) and "do not show" in found.reason


@pytest.mark.parametrize("sign", [-1, 0])
def test_a_sensor_wired_backwards_or_not_at_all_is_told(sign):
    found = meter_rig.energy_of(trace_of(lambda t: sign * meter_rig.square_wave_w(t)))
    assert isinstance(found, NoEnergy) and "other way round" in found.reason


def test_a_counter_of_energy_gives_the_same_figure():
    times_s = np.arange(0, meter_rig.RECORD_S, 0.05)
    joules = meter_rig.counted_j(times_s)
    trace = PowerTrace(times_s, None, joules, "counter", "measured-onboard", 0.05)
    meter_rig.assert_square_wave(trace)


def test_carbon_is_the_net_energy_times_the_grids_factor():
    times_s = np.arange(0, 34, 0.05)
    watts = meter_rig.square_wave_w(times_s, 0.0, 3.6)
    trace = PowerTrace(times_s, watts, None, "probe", "measured-external", 0.05, 0.05)
    windows = (meter_rig.IDLE_BEFORE, Window(12.5, 21.5), meter_rig.IDLE_AFTER)
    found = net_energy(trace, *windows, inferences=9, grid=Grid(500.0, "test"))
    # 3.6 J an inference are 3.6 MJ, or 1 kWh, a million.
    assert found.co2e_g_per_million == pytest.approx(3.6e6 / 3.6e6 * 500, rel=1e-9)
