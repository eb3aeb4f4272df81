"""Weights, counts and index that contradict each other are refused, whatever a plan says."""

import random
import struct

import firmware_rig
import pytest
from full_range import examples
from int8_layers import random_layer
from plan_bytes import PlanBytes

from edgeprune.firmware import kernels
from edgeprune.firmware.patterns import BLOCK_WEIGHTS
from edgeprune.firmware.plan import compiled

BAD_OP, NO_KERNEL = 6, 7
OPS = ["CONV_2D", "FULLY_CONNECTED"]
PATTERNS = ["blocks_1x4", "unstructured", "blocks_1x16"]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return firmware_rig.Host(tmp_path_factory.mktemp("host"))


@pytest.fixture
def plan(request, monkeypatch):
    """A whole plan of one sparse layer."""

    def made(op, pattern, isa="scalar", seed=2):
        monkeypatch.setattr(kernels, "instructions", lambda _, name, *rest: name != pattern)
        layer = random_layer(seed, op, 0.5, BLOCK_WEIGHTS[pattern], usual=True)
        return PlanBytes(compiled(layer.tflite, isa).data), layer.inputs.tobytes()

    return made


def add(name, amount):
    return lambda plan: plan.set(name, (plan.get(name) + amount) % (1 << 32))


def byte(name, offset, value):
    def change(plan):
        plan.data[plan.get(name) + offset] = value

    return change


def in_op(offset, value):
    def change(plan):
        plan.data[plan.ops_at + offset] = value

    return change


def channel(offset, value):
    return lambda plan: struct.pack_into("<i", plan.data, plan.get("channels_at") + offset, value)


def shift(value):
    return lambda plan: struct.pack_into("<b", plan.data, plan.get("shifts_at"), value)


CHANGES = {
    "a row keeps one block more": (lambda plan: byte("counts_at", 0, 200)(plan), BAD_OP),
    "a block lies behind its row": (lambda plan: byte("index_at", 0, 255)(plan), BAD_OP),
    "the last block lies behind its row": (
        lambda plan: byte("index_at", plan.get("index_bytes") - 1, 255)(plan),
        BAD_OP,
    ),
    "an index of one block more": (add("index_bytes", 1), BAD_OP),
    "an index of one block less": (add("index_bytes", -1), BAD_OP),
    "no index": (lambda plan: plan.set("index_bytes", 0), BAD_OP),
    "an index larger than the plan": (lambda plan: plan.set("index_bytes", 1 << 30), BAD_OP),
    "more weights than the index": (add("weights_bytes", 4), BAD_OP),
    "fewer weights than the index": (add("weights_bytes", -4), BAD_OP),
    "counts that are not aligned": (add("counts_at", 2), BAD_OP),
    "counts behind the plan": (lambda plan: plan.set("counts_at", len(plan.data)), BAD_OP),
    "an index behind the plan": (lambda plan: plan.set("index_at", len(plan.data) - 1), BAD_OP),
    "weights behind the plan": (lambda plan: plan.set("weights_at", 0xFFFFFFFC), BAD_OP),
    "shifts behind the plan": (lambda plan: plan.set("shifts_at", len(plan.data)), BAD_OP),
    "rows of another length": (add("row_bytes", 8), BAD_OP),
    "the pattern of dense weights": (in_op(1, 0), BAD_OP),
    "a pattern that does not exist": (in_op(1, 77), NO_KERNEL),
    "an instruction set that does not exist": (in_op(2, 77), NO_KERNEL),
    "a bias that leaves 32 bits": (channel(0, -(1 << 31)), BAD_OP),
    "a multiplier below 0": (channel(4, -1), BAD_OP),
    "a shift of 32": (shift(32), BAD_OP),
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_contradicts_itself_is_refused(host, plan, op, pattern):
    whole, inputs = plan(op, pattern)
    jobs = [(whole.checked(), inputs)]
    for change, _ in CHANGES.values():
        changed, _inputs = plan(op, pattern)
        change(changed)
        jobs.append((changed.checked(), inputs))
    first, *rest = host.run(jobs)
    assert first.status == 0
    found = {text: ran.status for text, ran in zip(CHANGES, rest, strict=True)}
    assert found == {text: status for text, (_, status) in CHANGES.items()}


@pytest.mark.device
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("isa", "pattern"), [("dsp", "blocks_1x4"), ("mve", "blocks_1x16")])
def test_what_tuned_kernels_would_round_otherwise_is_refused(plan, isa, pattern, op, tmp_path):
    core = firmware_rig.Core(tmp_path, isa)
    small = (1 << 30) - 1 if isa == "dsp" else -1
    changes = [channel(4, small), shift(0), shift(23), channel(0, 1 << 30)]
    jobs = []
    for change in (lambda plan: None, *changes):
        changed, inputs = plan(op, pattern, isa)
        change(changed)
        jobs.append((changed.checked(), inputs))
    assert [ran.status for ran in core.run(jobs)] == [0, *[BAD_OP] * len(changes)]


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_bytes_changed_at_random_make_no_kernel_read_or_write_outside(host, plan, op, pattern):
    jobs = []
    drawn = random.Random(op + pattern)
    for seed in range(examples(100, 5000)):
        changed, _ = plan(op, pattern, seed=seed % 20)
        for _ in range(drawn.randint(1, 3)):
            place = drawn.randrange(changed.ops_at, len(changed.data))
            changed.data[place] = drawn.choice([0, 1, 2, 127, 128, 255, drawn.randrange(256)])
        jobs.append((changed.checked(), b""))
    assert {ran.status for ran in host.run(jobs)} >= {0, BAD_OP}
