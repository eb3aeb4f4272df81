"""Whatever firmware answers, what passes can be true."""

import copy
import struct

import pytest

from edgeprune.agents.decode import Answer
from edgeprune.agents.firmware.answers import (
    FirmwareTensor,
    PlanFacts,
    check_loaded,
    hello_of,
    profile_of,
    ticks_of,
)
from edgeprune.errors import DeviceError

HELLO = {
    "agent_version": "0.1.0", "board": "mps2-an386", "core": "cortex-m4",
    "isas": ["scalar", "dsp"], "tick_hz": 0, "counts_cycles": False, "arena_bytes": 1 << 20,
    "slot_bytes": 1 << 20, "json_bytes": 1024, "blob_bytes": 4096, "plan_version": 1, "slot": 0,
    "sequence": 1, "plan_crc32": 7, "plan_bytes": 100, "fell_back": False,
}  # fmt: skip

PLAN = PlanFacts(
    inputs=(FirmwareTensor((1, 4), 0.5, -3),),
    outputs=(FirmwareTensor((1, 2), 0.25, 4),),
    arena_bytes=64,
    ops=((1, 0, 1, 0), (3, 1, 1, 2)),
    model_id="ab" * 16,
)
LOADED = {
    "arena_bytes": 64, "op_count": 2, "model_id": "ab" * 16,
    "inputs": [{"shape": [1, 4], "bytes": 4, "scale_bits": 0x3F000000, "zero_point": -3}],
    "outputs": [{"shape": [1, 2], "bytes": 2, "scale_bits": 0x3E800000, "zero_point": 4}],
}  # fmt: skip
PROFILE = struct.pack("<IBBBxI", 9, 1, 0, 1, 0) + struct.pack("<IBBBxI", 8, 3, 1, 1, 2)


def answer(fields):
    return Answer("desk-m4: hello", copy.deepcopy(fields))


def places(value, path=()):
    """The path of everything in an answer."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, (dict, list)) else ():
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))
        else:
            yield (*path, key)


def changed(fields, path, value):
    """The answer with another value at a place; None where it has that value already."""
    fields = copy.deepcopy(fields)
    inner = fields
    for key in path[:-1]:
        inner = inner[key]
    if inner[path[-1]] == value and type(inner[path[-1]]) is type(value):
        return None
    inner[path[-1]] = value
    return fields


ODD = [None, -1, 1 << 40, 1.5, True, "", "x" * 5000, [], ["?"], {}, [[]], float(1 << 70)]
"""Values that no key of these answers has."""


def test_an_honest_hello_is_believed():
    hello = hello_of(answer(HELLO))
    assert (hello.isas, hello.plan_crc32, hello.plan_bytes) == (("scalar", "dsp"), 7, 100)
    empty = hello_of(answer(HELLO | {"slot": -1, "plan_crc32": 0, "plan_bytes": 0, "sequence": 0}))
    assert (empty.plan_crc32, empty.plan_bytes) == (None, None)


@pytest.mark.parametrize("key", [key for key in HELLO if key not in ("counts_cycles", "fell_back")])
def test_a_hello_that_lacks_a_key_is_refused(key):
    with pytest.raises(DeviceError, match=f"{key} is nothing"):
        hello_of(answer({name: value for name, value in HELLO.items() if name != key}))


@pytest.mark.parametrize("path", list(places(HELLO))[1:])
def test_no_odd_value_of_a_hello_is_believed(path):
    for value in ODD:
        odd = changed(HELLO, path, value)
        if odd is None or (path == ("slot",) and value == -1):
            continue
        if path[-1] in ("counts_cycles", "fell_back") and value is True:
            continue
        if path[-1] in ("agent_version", "board", "core") and value == "":
            continue
        if path == ("tick_hz",) and value == 1 << 40:
            pass
        with pytest.raises(DeviceError, match="the device's answer is wrong"):
            hello_of(answer(odd))


def test_a_hello_with_a_key_more_is_refused():
    with pytest.raises(DeviceError, match="expected no such key"):
        hello_of(answer(HELLO | {"more": 1}))


def test_a_plan_in_use_has_a_size():
    with pytest.raises(DeviceError, match="plan_bytes is 0, expected a size"):
        hello_of(answer(HELLO | {"plan_bytes": 0}))


def test_the_plan_that_was_pushed_is_recognized():
    assert check_loaded(answer(LOADED), PLAN) == 64


@pytest.mark.parametrize("path", list(places(LOADED))[1:])
def test_every_figure_of_a_loaded_plan_is_held_against_the_plan_that_was_pushed(path):
    for value in [*ODD, 1, 5, 63, "ba" * 16]:
        odd = changed(LOADED, path, value)
        if odd is not None:
            with pytest.raises(DeviceError, match="the device's answer is wrong"):
                check_loaded(answer(odd), PLAN)


def test_a_profile_names_the_operations_of_the_plan():
    first, second = profile_of(answer({}), PROFILE, PLAN)
    assert (first.ticks, second.kind, second.pattern, second.layer) == (9, 3, 1, 2)


@pytest.mark.parametrize("at", [4, 5, 6, 8, 16, 17, 18, 20])
def test_a_profile_of_other_operations_is_refused(at):
    blob = bytearray(PROFILE)
    blob[at] ^= 2
    with pytest.raises(DeviceError, match=r"operation [01] is .* of the plan"):
        profile_of(answer({}), bytes(blob), PLAN)


@pytest.mark.parametrize("blob", [b"", PROFILE[:-1], PROFILE + PROFILE[:12]])
def test_a_profile_of_another_length_is_refused(blob):
    with pytest.raises(DeviceError, match="expected 24, 12 an operation"):
        profile_of(answer({}), blob, PLAN)


def test_ticks_are_as_many_as_runs_and_add_up():
    blob = struct.pack("<3I", 5, 6, 7)
    assert ticks_of(answer({"total_ticks": 18}), blob, 3) == (5, 6, 7)
    with pytest.raises(DeviceError, match="expected 16, four a run"):
        ticks_of(answer({"total_ticks": 18}), blob, 4)
    with pytest.raises(DeviceError, match="expected at least the 18 of all runs"):
        ticks_of(answer({"total_ticks": 17}), blob, 3)
