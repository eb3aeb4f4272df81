"""Estimated cycles of microcontrollers: instructions times a factor of the core."""

import pytest

from edgeprune.devices.boards import board_names, load_board
from edgeprune.prediction.cycles.microcontrollers import estimate_of, microcontroller_names


def test_cycles_are_instructions_times_the_cores_factor():
    found = estimate_of(1_000_000, "cortex-m4")
    assert (found.cycles, found.core, found.clock_hz) == (1_520_000, "cortex-m4", 120_000_000)
    assert found.latency_us == pytest.approx(1.52e6 / 120)
    assert found.error == 0.15 and found.unknown_share == 0.0


def test_a_core_without_a_factor_has_no_estimate():
    assert estimate_of(1_000_000, "cortex-m55") is None


@pytest.mark.parametrize("core", microcontroller_names())
def test_every_factor_is_of_a_boards_core_and_has_an_error(core):
    one = estimate_of(1000, core)
    assert 1000 < one.cycles < 3000 and 0 < one.error < 0.5


def test_boards_name_the_cores_that_factors_are_of():
    cores = {load_board(name).cpu.core for name in board_names()}
    assert "cortex-m4" in cores & set(microcontroller_names())
