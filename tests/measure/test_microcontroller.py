"""What a microcontroller's answers become: layers, counts, times."""

import dataclasses

import pytest
from int8_layers import random_layer
from microcontroller import session

from edgeprune.agents.firmware.answers import FirmwareHello
from edgeprune.artifacts.measurement import LayerTiming, Measured
from edgeprune.devices.boards import load_board
from edgeprune.errors import DeviceError
from edgeprune.firmware.plan import compiled
from edgeprune.measure import microcontroller
from edgeprune.measure.microcontroller import check_firmware
from edgeprune.measure.microcontroller_times import time_plans
from edgeprune.prediction.cycles.microcontrollers import estimate_of
from edgeprune.recipe.run_table import RunTable

BOARD = load_board("mps2-an386")


def plan(seed, isa="dsp"):
    return compiled(random_layer(seed, "CONV_2D").tflite, isa)


def hello(**keys):
    known = {
        "agent_version": "1", "board": "mps2-an386", "core": "cortex-m4",
        "isas": ("scalar", "dsp"), "tick_hz": 0, "counts_cycles": False, "arena_bytes": 1 << 20,
        "slot_bytes": 1 << 20, "blob_bytes": 4096, "plan_version": 2, "plan_crc32": None,
        "plan_bytes": None, "fell_back": False,
    }  # fmt: skip
    return FirmwareHello(**(known | keys))


def test_firmware_that_fits_is_taken():
    check_firmware(hello(), plan(1), BOARD)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"board": "nucleo"}, "the firmware was built for nucleo, not for mps2-an386: flash it"),
        ({"plan_version": 1}, "the firmware runs plans of version 1, not 2: flash it anew"),
        ({"isas": ("scalar",)}, "the firmware was built without dsp kernels: flash it anew"),
        ({"slot_bytes": 9}, "bytes of flash, and the firmware leaves 9:"),
        ({"arena_bytes": 9}, "bytes of RAM, and the firmware leaves 9:"),
    ],
)
def test_firmware_that_cannot_run_a_plan_is_told_before_it_is_pushed(keys, message):
    with pytest.raises(DeviceError, match=message):
        check_firmware(hello(**keys), plan(1), BOARD)


def test_counts_are_means_of_the_last_inferences():
    assert microcontroller._means([], 2) == []
    assert microcontroller._means([[99, 9], [10, 4], [13, 5]], 2) == [12, 4]


def test_cycles_of_an_emulated_core_are_estimated_as_a_whole_and_by_layer():
    layers = (
        LayerTiming("conv", "CONV_2D", "ep", False, None, 800),
        LayerTiming("x", "X", "", False, None),
    )
    whole = Measured("dense", (), 1000, "counted", layers, None, None)
    found = microcontroller._with_cycles(whole, "cortex-m4")
    assert found.estimate == estimate_of(1000, "cortex-m4")
    assert [layer.cycles for layer in found.layers] == [round(0.8 * found.estimate.cycles), None]
    unknown = microcontroller._with_cycles(whole, "cortex-m55")
    assert unknown.layers == layers and unknown.estimate.reason == (
        "nothing is known of the cycles that cortex-m55 takes, as it is of cortex-m33, cortex-m4"
    )
    uncounted = dataclasses.replace(whole, instructions=None)
    assert microcontroller._with_cycles(uncounted, "cortex-m4") is uncounted


@pytest.mark.parametrize("counts", [[[10, 4]], [[10, 4], [10]]])
def test_a_lost_count_is_an_error(counts):
    with pytest.raises(DeviceError, match="were counted, expected 2 of one kind"):
        microcontroller._means(counts, 2)


@pytest.mark.device
def test_plans_are_timed_in_turns_by_the_boards_own_clock():
    plans = {"dense": plan(2).data, "deployed": plan(3).data}
    said = []
    with session() as talk:
        table = RunTable(sessions=3, runs=4, warmup=1)
        found, timed = time_plans(talk, plans, 25_000_000, table, said.append)
    assert timed.order == ("dense", "deployed", "deployed", "dense", "dense", "deployed")
    for sessions in found.values():
        assert [len(one.latency_ns) for one in sessions] == [4, 4, 4]
        assert all(ns > 0 and ns % 40 == 0 for one in sessions for ns in one.latency_ns)
    assert len(said) == 6
