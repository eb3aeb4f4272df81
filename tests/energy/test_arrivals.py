import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.energy.arrivals import host_times_s
from edgeprune.errors import DeviceError

LIMIT_S = 0.25


@given(st.integers(1, 40), st.floats(-1e4, 1e4), st.integers(0, 10**6))
def test_the_least_lateness_is_the_difference_of_the_clocks(samples, offset_s, seed):
    device_s = np.arange(samples) / 8
    late_s = np.random.default_rng(seed).uniform(0, LIMIT_S, samples)
    late_s[0] = 0.0
    found_s = host_times_s(device_s, device_s + offset_s + late_s, "probe", LIMIT_S)
    np.testing.assert_allclose(found_s, device_s + offset_s, atol=1e-9)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5])
def test_a_record_shorter_than_its_parts_is_placed_all_the_same(samples):
    device_s = np.arange(samples, dtype=float)
    assert host_times_s(device_s, device_s + 7.0, "probe", 0.0).tolist() == list(device_s + 7.0)


def test_no_samples_are_an_error():
    with pytest.raises(DeviceError, match=r"^probe: it sent no samples$"):
        host_times_s(np.empty(0), np.empty(0), "probe", LIMIT_S)


@pytest.mark.parametrize("first_late", [4, 8, 12])  # from the second, third, fourth quarter on
def test_samples_that_go_out_of_step_by_more_than_the_limit_were_lost(first_late):
    device_s = np.arange(16.0)
    late_s = np.where(np.arange(16) >= first_late, 1.0, 0.0)
    np.testing.assert_array_equal(
        host_times_s(device_s, device_s + LIMIT_S * late_s, "probe", LIMIT_S), device_s
    )
    with pytest.raises(DeviceError, match=r"^probe: its samples went 0\.375 s out of step"):
        host_times_s(device_s, device_s + 0.375 * late_s, "probe", LIMIT_S)
    with pytest.raises(DeviceError, match="out of step"):
        host_times_s(device_s, device_s + 5.0 - 0.375 * late_s, "probe", LIMIT_S)


def test_a_delay_within_each_part_is_no_drift():
    device_s = np.arange(16.0)
    late_s = np.where(np.arange(16) % 4, 9.0, 0.0)
    np.testing.assert_array_equal(
        host_times_s(device_s, device_s + late_s, "probe", LIMIT_S), device_s
    )
