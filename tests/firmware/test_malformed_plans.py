"""Plans with wrong bytes: the engine refuses them or runs them, and never touches what is not its.

The engine is built with checks of addresses and undefined behaviour, and all memory beside a plan
and its arena is poisoned: a fault ends the program, and so the test.
"""

import struct
import zlib

import firmware_rig
import numpy as np
import pytest
from full_range import examples
from int8_graphs import random_graph
from int8_layers import random_layer
from int8_operators import CASES, random_operator

from edgeprune.firmware.plan import compiled

HEADER_BYTES, OP_BYTES, CHECKED_FROM = 48, 32, 12
MAX_ARGS_BYTES = 112
"""Of any kind: a few bytes more do no harm."""

VALUES = [0, 1, 0x7F, 0x80, 0xFF]
WORDS = [0, 1, 3, 4, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF]
CONVOLUTIONS = {
    "CONV_2D": (0, {}),
    "CONV_2D of blocks": (1, {"zeros": 0.8, "block": 4}),
    "CONV_2D of single weights": (3, {"zeros": 0.95}),
    "DEPTHWISE_CONV_2D": (0, {}),
    "FULLY_CONNECTED": (0, {}),
    "FULLY_CONNECTED of blocks": (1, {"zeros": 0.8, "block": 4}),
    "FULLY_CONNECTED of single weights": (3, {"zeros": 0.95}),
}
"""The pattern that a layer's plan must have, and how it is drawn, by what a test calls it."""


NAMES = sorted([*CASES, *CONVOLUTIONS, "GRAPH"])
"""Operators, and a network of several."""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return firmware_rig.Host(tmp_path_factory.mktemp("host"))


def small_plan(name):
    if name == "GRAPH":
        return min(
            (compiled(random_graph(seed).tflite, "scalar").data for seed in range(9)), key=len
        )
    if name not in CONVOLUTIONS:
        cases = [random_operator(name, seed) for seed in range(4)]
        return min((compiled(case.tflite, "scalar").data for case in cases), key=len)
    pattern, how = CONVOLUTIONS[name]
    layers = [random_layer(seed, name.split()[0], **how) for seed in range(30)]
    plans = [compiled(layer.tflite, "scalar").data for layer in layers]
    return min((plan for plan in plans if pattern_of(plan) == pattern), key=len)


def pattern_of(plan):
    (ops_at,) = struct.unpack_from("<I", plan, 44)
    return plan[ops_at + 1]


def signed(data):
    """The plan with the CRC that fits, so that it is judged by what it says."""
    crc = zlib.crc32(bytes(data[CHECKED_FROM:]))
    return bytes(data[:8]) + struct.pack("<I", crc) + bytes(data[CHECKED_FROM:])


def with_word(data, at, word):
    changed = bytearray(data)
    struct.pack_into("<I", changed, at, word)
    return signed(changed)


def with_byte(data, at, value):
    changed = bytearray(data)
    changed[at] = value
    return signed(changed)


def tables_end(data):
    """Where the tables of tensors and operations end and arguments, weights and constants begin."""
    (ops,) = struct.unpack_from("<H", data, 14)
    (ops_at,) = struct.unpack_from("<I", data, 44)
    return ops_at + OP_BYTES * ops


def fields_of(data):
    """Where words of the header, the tables and the arguments of all operations begin."""
    end = tables_end(data)
    (ops_at,) = struct.unpack_from("<I", data, 44)
    places = set(range(0, end, 4))
    for op in range(ops_at, end, OP_BYTES):
        (args_at,) = struct.unpack_from("<I", data, op + 24)
        places |= set(range(args_at, min(args_at + MAX_ARGS_BYTES, len(data) - 3), 4))
    return sorted(places)


def check(host, plans):
    """Runs plans once each on what is in the arena; returns how many were accepted."""
    ran = host.run([(plan, b"") for plan in plans], timeout_s=600)
    return sum(one.status == 0 for one in ran)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_the_tables_and_arguments_may_be_wrong(host, name):
    data = small_plan(name)
    assert check(host, [data]) == 1
    places = fields_of(data)
    plans = [with_word(data, at, word) for at in places for word in WORDS]
    plans += [with_byte(data, at + i, value) for at in places for i in range(4) for value in VALUES]
    assert check(host, plans) < len(plans)


@pytest.mark.parametrize("name", NAMES)
def test_anything_may_be_wrong_at_once(host, name):
    data = small_plan(name)
    chance = np.random.default_rng(len(name))
    plans = []
    for _ in range(examples(100, 20000)):
        changed = bytearray(data)
        for _ in range(int(chance.integers(1, 6))):
            at = int(chance.integers(CHECKED_FROM, len(data)))
            kind = chance.random()
            if kind < 0.4:
                changed[at] = int(chance.integers(256))
            elif kind < 0.8 and at + 4 <= len(data):
                struct.pack_into("<I", changed, at & ~3, int(chance.choice(WORDS)))
            else:
                changed[at] ^= 1 << int(chance.integers(8))
        plans.append(signed(changed))
    check(host, plans)


def test_a_plan_may_end_anywhere(host):
    data = small_plan("CONV_2D")
    plans = [data[:size] for size in range(len(data))]
    assert check(host, plans) == 0
    shorter = [
        signed(data[:4] + struct.pack("<I", size) + data[8:size])
        for size in range(HEADER_BYTES, len(data))
    ]
    check(host, shorter)


def test_a_damaged_plan_is_told_from_a_wrong_one(host):
    data = small_plan("ADD")
    damaged = bytearray(data)
    damaged[-1] ^= 1
    (ran,) = host.run([(bytes(damaged), b"")])
    assert ran.status == 3
    (ran,) = host.run([(with_word(data, tables_end(data) - OP_BYTES, 0xFF), b"")])
    assert ran.status == 7
