"""A plan that was damaged, or written to deceive, is refused with a reason, or does no harm."""

import random
import struct
import zlib

import kernel_rig
import numpy as np
import pytest
from full_range import examples
from int8_layers import random_layer

from edgeprune.models.tflite import conv_plan

HEADER_BYTES, CHECKED_FROM = 96, 16
FIELDS = (
    "kind in_height in_width in_channels out_height out_width out_channels kernel_height "
    "kernel_width stride_height stride_width dilation_height dilation_width pad_top pad_left "
    "blocks input_zero_point output_zero_point output_min output_max"
).split()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    return kernel_rig.host_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
def case():
    """A convolution with windows that overlap its edges; its rows have blocks."""
    layer = random_layer(3, "CONV_2D", 0.5, 4, large=True)
    plan, inputs, size = kernel_rig.plan_and_inputs(layer)
    assert size > 0 and number(plan, "blocks") > 8 and number(plan, "out_channels") > 2
    return plan, inputs, size


def at(field):
    return CHECKED_FROM + 4 * FIELDS.index(field)


def number(plan, field):
    return struct.unpack_from("<i", plan, at(field))[0]


def checked(plan):
    """With its checksum made right again."""
    crc = struct.pack("<I", zlib.crc32(bytes(plan[CHECKED_FROM:])))
    return bytes(plan[:12]) + crc + bytes(plan[CHECKED_FROM:])


def changed(plan, offset, value, kind="<I"):
    changed = bytearray(plan)
    struct.pack_into(kind, changed, offset, value)
    return checked(changed)


def words(driver, plan, case, folder):
    (found,) = driver.run("scalar", [(plan, *case[1:])], folder)
    return found if isinstance(found, str) else ""


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("kind", 3, "its kind is unknown"),
        ("kind", 1, "a dense layer has a window"),
        ("in_width", 0, "a size is 0 or too large"),
        ("stride_height", 0, "a size is 0 or too large"),
        ("out_channels", 1 << 31, "a size is 0 or too large"),
        ("kernel_height", 1 << 12, "the kernel is too large"),
        ("in_channels", 1 << 16, "a row has too many blocks"),
        ("pad_top", 1 << 20, "the padding is too large"),
        ("blocks", 1 << 30, "its length does not fit its rows and blocks"),
        ("output_zero_point", 128, "a zero point is no int8"),
        ("output_max", 128, "the bounds of the output are no range of int8"),
        ("out_height", 40000, "it does not fit its input and output"),
        ("in_height", 40000, "it does not fit its input and output"),
    ],
)
def test_a_field_out_of_its_range_is_named(driver, case, tmp_path, field, value, why):
    plan = changed(case[0], at(field), value)
    assert words(driver, plan, case, tmp_path) == why


def test_arrays_that_lead_outside_are_named(driver, case, tmp_path):
    plan, rows = case[0], number(case[0], "out_channels")
    scale = HEADER_BYTES + 4 * rows
    count = HEADER_BYTES + 8 * rows
    step = HEADER_BYTES + 10 * rows
    first, last = (struct.unpack_from("<H", plan, count + 2 * row)[0] for row in (0, rows - 1))
    assert first > 0 and last > 0
    limits = {
        changed(plan, count, 0xFFFF, "<H"): "a row has more blocks than there are",
        changed(
            plan, count + 2 * (rows - 1), last + 1, "<H"
        ): "a row has more blocks than there are",
        changed(plan, count + 2 * (rows - 1), last - 1, "<H"): "blocks belong to no row",
        changed(plan, step, 0xFF, "<B"): "a block lies outside the input",
        changed(plan, scale, float("nan"), "<f"): "a scale is not between 0 and 256",
        changed(plan, scale, -1.0, "<f"): "a scale is not between 0 and 256",
        changed(plan, scale, 256.0, "<f"): "a scale is not between 0 and 256",
    }
    for damaged, why in limits.items():
        assert words(driver, damaged, case, tmp_path) == why


def test_every_flipped_bit_and_every_cut_is_seen(driver, case, tmp_path):
    plan, inputs, size = case
    chance = random.Random(1)
    flipped = []
    for _ in range(examples(200, 20000)):
        damaged = bytearray(plan)
        damaged[chance.randrange(len(plan))] ^= 1 << chance.randrange(8)
        flipped.append((bytes(damaged), inputs, size))
    cuts = [(plan[:size_of], inputs, size) for size_of in (0, 3, 15, 95, len(plan) - 1)]
    cuts.append((plan + b"\0", inputs, size))
    reasons = driver.run("scalar", [*flipped, *cuts], tmp_path)
    assert all(isinstance(reason, str) and reason for reason in reasons)


def test_no_plan_with_a_right_checksum_leads_a_kernel_outside_its_memory(driver, case, tmp_path):
    """The sanitizers end the driver where one does."""
    plan, inputs, size = case
    chance = random.Random(2)
    hostile = []
    for _ in range(examples(100, 30000)):
        damaged = bytearray(plan)
        for _ in range(chance.randint(1, 3)):
            word = 4 * chance.randrange(CHECKED_FROM // 4, len(plan) // 4)
            near = struct.unpack_from("<I", damaged, word)[0] + chance.choice((-1, 1, 2))
            value = chance.choice((near, 0, 1, 0xFFFF, 0xFFFFFFFF, chance.getrandbits(32)))
            struct.pack_into("<I", damaged, word, value & 0xFFFFFFFF)
        hostile.append((checked(damaged), inputs, size))
    for kernel in driver.kernels:
        found = driver.run(kernel, hostile, tmp_path)
        assert {type(one) for one in found} == {str, np.ndarray}


def test_damaged_plans_are_refused_or_run_within_their_memory(tmp_path):
    layers = [random_layer(seed, "CONV_2D", 0.8, conv_plan.BLOCK) for seed in range(40)]
    rounds = examples(4_000, 2_000_000)
    damaged, taken, ran = kernel_rig.fuzz_plans(tmp_path, layers, 1, rounds, 600)
    assert damaged == rounds and taken > rounds / 20 and ran > rounds / 50
