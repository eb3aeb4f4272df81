"""What firmware's answers hold, each checked against what was asked: nothing of it is trusted."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from edgeprune.agents.decode import Answer, Shown
from edgeprune.text.untrusted import one_line

PROTOCOL = 2
ISAS = ("scalar", "dsp", "mve")
MAX_BYTES = (1 << 32) - 1
"""Nothing on a 32-bit core is larger, and no counter in its flash counts further."""

_MIN_BLOB_BYTES, _MAX_BLOB_BYTES = 64, 1 << 20
_MAX_TICK_HZ = 10**10
_MAX_TENSORS, _MAX_RANK = 64, 6
_EVENT = struct.Struct("<IBBBxI")
"""Ticks, kind, pattern, isa, layer."""


@dataclass(frozen=True)
class FirmwareHello:
    """What firmware says of itself, its board, and the plan that it has.

    Attributes:
        agent_version: Version of the firmware.
        board: Port that it was built for.
        core: The core that it runs on.
        isas: Instructions that its kernels use, of :data:`ISAS`.
        tick_hz: How often its clock counts in a second; 0 if that means nothing, as on an emulated
            board.
        counts_cycles: Whether it counts cycles of the core.
        arena_bytes: Memory for networks.
        slot_bytes: The largest plan.
        blob_bytes: Most data in a frame, either way.
        plan_version: Version of the plans that it runs.
        plan_crc32: Of the plan in use; None if there is none.
        plan_bytes: Its size; None if there is none.
        fell_back: Whether a newer plan was given up because it did not start.
    """

    agent_version: str
    board: str
    core: str
    isas: tuple[str, ...]
    tick_hz: int
    counts_cycles: bool
    arena_bytes: int
    slot_bytes: int
    blob_bytes: int
    plan_version: int
    plan_crc32: int | None
    plan_bytes: int | None
    fell_back: bool


@dataclass(frozen=True)
class FirmwareTensor:
    """An input or output of a plan, int8.

    Attributes:
        shape: Its dimensions.
        scale: Real value = scale * (stored value - zero_point).
        zero_point: -128 to 127.
    """

    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape)

    @property
    def scale_bits(self) -> int:
        """The scale as the bits of a 32-bit float, which cross the line without rounding."""
        return int.from_bytes(struct.pack("<f", self.scale), "little")


@dataclass(frozen=True)
class PlanFacts:
    """What firmware must say of a plan once it has loaded it.

    Attributes:
        inputs: In the order of the network.
        outputs: In the order of the network.
        arena_bytes: Memory that it runs in.
        ops: Of each operation kind, pattern, isa and layer, as in :class:`ProfiledOp`.
        model_id: 32 hex digits.
    """

    inputs: tuple[FirmwareTensor, ...]
    outputs: tuple[FirmwareTensor, ...]
    arena_bytes: int
    ops: tuple[tuple[int, int, int, int], ...]
    model_id: str


@dataclass(frozen=True)
class ProfiledOp:
    """One operation of one inference.

    Attributes:
        ticks: Of the firmware's clock.
        kind: Number of its kind in ``firmware/include/edgeprune/plan.h``.
        pattern: Likewise, of how its weights are stored.
        isa: Likewise, of the instructions that its kernel uses.
        layer: Number of the operator in the ``.tflite`` file.
    """

    ticks: int
    kind: int
    pattern: int
    isa: int
    layer: int


def hello_of(answer: Answer) -> FirmwareHello:
    """What a ``hello`` brought back, whose protocol is known already."""
    answer.integer("json_bytes", 128, MAX_BYTES)
    slot = answer.integer("slot", -1, 1)
    sequence = answer.integer("sequence", 0, MAX_BYTES)
    crc32 = answer.integer("plan_crc32", 0, MAX_BYTES)
    size = answer.integer("plan_bytes", 0, MAX_BYTES)
    if slot >= 0 and not size:
        raise answer.fault("plan_bytes", size, f"a size, since slot is {slot} (plan {sequence})")
    isas = tuple(one_line(word) for word in answer.texts("isas", len(ISAS), 20))
    if not isas or not set(isas) <= set(ISAS):
        raise answer.fault("isas", list(isas), f"some of {', '.join(ISAS)}")
    hello = FirmwareHello(
        agent_version=one_line(answer.text("agent_version", 100)),
        board=one_line(answer.text("board", 100)),
        core=one_line(answer.text("core", 100)),
        isas=isas,
        tick_hz=answer.integer("tick_hz", 0, _MAX_TICK_HZ),
        counts_cycles=answer.flag("counts_cycles", default=False),
        arena_bytes=answer.integer("arena_bytes", 0, MAX_BYTES),
        slot_bytes=answer.integer("slot_bytes", 0, MAX_BYTES),
        blob_bytes=answer.integer("blob_bytes", _MIN_BLOB_BYTES, _MAX_BLOB_BYTES),
        plan_version=answer.integer("plan_version", 0, 0xFFFF),
        plan_crc32=None if slot < 0 else crc32,
        plan_bytes=None if slot < 0 else size,
        fell_back=answer.flag("fell_back", default=False),
    )
    answer.end()
    return hello


def check_loaded(answer: Answer, plan: PlanFacts) -> int:
    """Holds what a ``load`` brought back against the plan that was pushed.

    Returns:
        Memory that the network runs in, in bytes.

    Raises:
        DeviceError: The firmware has loaded another plan, or reads it otherwise.
    """
    arena_bytes = answer.integer("arena_bytes", plan.arena_bytes, plan.arena_bytes)
    answer.integer("op_count", len(plan.ops), len(plan.ops))
    model_id = answer.text("model_id", 64)
    if model_id != plan.model_id:
        raise answer.fault("model_id", model_id, f"{plan.model_id!r}, of the plan that was pushed")
    _check_tensors(answer, "inputs", plan.inputs)
    _check_tensors(answer, "outputs", plan.outputs)
    answer.end()
    return arena_bytes


def _check_tensors(answer: Answer, key: str, expected: tuple[FirmwareTensor, ...]) -> None:
    entries = answer.objects(key, _MAX_TENSORS)
    if len(entries) != len(expected):
        raise answer.fault(key, Shown(f"{len(entries)} tensors"), f"the plan's {len(expected)}")
    for entry, tensor in zip(entries, expected, strict=True):
        shape = entry.integers("shape", (0, _MAX_RANK), 0, MAX_BYTES)
        if shape != tensor.shape:
            raise entry.fault("shape", list(shape), f"{list(tensor.shape)}, of the plan")
        entry.integer("bytes", tensor.bytes, tensor.bytes)
        entry.integer("zero_point", tensor.zero_point, tensor.zero_point)
        entry.integer("scale_bits", tensor.scale_bits, tensor.scale_bits)
        entry.end()


def ticks_of(answer: Answer, blob: bytes, runs: int) -> tuple[int, ...]:
    """What a ``time`` brought back: ticks of each run."""
    if len(blob) != 4 * runs:
        shown = Shown(f"{len(blob):,} bytes")
        raise answer.fault("the data", shown, f"{4 * runs:,}, four a run")
    ticks = struct.unpack(f"<{runs}I", blob)
    total = answer.integer("total_ticks", 0, (1 << 63) - 1)
    if sum(ticks) > total:
        raise answer.fault("total_ticks", total, f"at least the {sum(ticks):,} of all runs")
    answer.end()
    return ticks


def profile_of(answer: Answer, blob: bytes, plan: PlanFacts) -> tuple[ProfiledOp, ...]:
    """What a ``profile`` brought back: one entry for each operation of the plan."""
    size = _EVENT.size * len(plan.ops)
    if len(blob) != size:
        shown = Shown(f"{len(blob):,} bytes")
        raise answer.fault("the data", shown, f"{size:,}, {_EVENT.size} an operation")
    answer.end()
    found = tuple(ProfiledOp(*fields) for fields in _EVENT.iter_unpack(blob))
    for number, (op, planned) in enumerate(zip(found, plan.ops, strict=True)):
        if (op.kind, op.pattern, op.isa, op.layer) != planned:
            said = [op.kind, op.pattern, op.isa, op.layer]
            raise answer.fault(f"operation {number}", said, f"{list(planned)}, of the plan")
    return found
