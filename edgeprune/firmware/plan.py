"""Plans: what firmware runs. The format is ``firmware/include/edgeprune/plan.h``."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.firmware.arena import Arena, Block, arranged
from edgeprune.firmware.operations import (
    Add,
    Alias,
    AveragePool,
    Convolution,
    Softmax,
    Step,
    Window,
)
from edgeprune.firmware.read import steps_of
from edgeprune.models.tflite import graph

MAGIC, VERSION = 0x4E4C5045, 1
NOWHERE = 0xFFFFFFFF
_INT8 = 1
_HEADER, _TENSOR, _OP = "<IIIHH16sIHHII", "<IIHHfi6I", "<BBBBIIIIIII"
_WINDOW = "<14H4h"
_KINDS = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 3,
    "ADD": 4,
    "AVERAGE_POOL_2D": 5,
    "SOFTMAX": 6,
}
ISAS = {"scalar": 0, "dsp": 1}
_MAX_DSP_SHIFT = 22
_MAX_DSP_SUM = (1 << 30) - 1


@dataclass(frozen=True)
class Plan:
    """A network made ready for firmware.

    Attributes:
        data: The plan's bytes.
        arena: Where its tensors lie.
        blocks: What lies in the arena, in the order of ``arena.places``.
    """

    data: bytes
    arena: Arena
    blocks: tuple[Block, ...]


def compiled(tflite: bytes, isa: str) -> Plan:
    """Compiles a network.

    Args:
        tflite: An int8 network.
        isa: One of :data:`ISAS`: what the core's kernels may use.

    Raises:
        ModelError: Firmware cannot run it.
    """
    model = graph.view(tflite)
    steps = steps_of(model)
    inputs, outputs = graph.io_tensors(model)
    subgraph = model.subgraphs[0]
    sizes = {i: math.prod(graph.shape_of(t)) for i, t in enumerate(subgraph.tensors)}
    owner = _owners(steps, inputs, outputs, isa)
    running = [step for step in steps if not isinstance(step.operation, Alias)]
    blocks, of_tensor, of_scratch = _blocks(running, owner, sizes, inputs, outputs, isa)
    arena = arranged(blocks)
    writer = _Writer(hashlib.sha256(tflite).digest()[:16], arena.bytes)
    place = {tensor: arena.places[of_tensor[owner[tensor]]] for tensor in owner}
    for tensor in (*inputs, *outputs):
        writer.tensor(subgraph.tensors[tensor], place[tensor])
    for number, step in enumerate(running):
        scratch = of_scratch.get(number)
        where = (NOWHERE, 0)
        if scratch is not None:
            where = arena.places[scratch], blocks[scratch].bytes
        writer.op(step, [place[i] for i in step.inputs], place[step.output], where, isa)
    return Plan(writer.data(len(inputs), len(outputs)), arena, tuple(blocks))


def _fits_dsp(operation: Convolution) -> bool:
    """Whether the kernels for pairs compute it exactly (``firmware/kernels/dsp.h``)."""
    window = operation.window
    return (
        (operation.op == "FULLY_CONNECTED" or window.limits == (-128, 127))
        and (operation.op != "DEPTHWISE_CONV_2D" or window.dilation == (1, 1))
        and bool((operation.shifts >= 1).all())
        and bool((operation.shifts <= _MAX_DSP_SHIFT).all())
        and operation.max_sum <= _MAX_DSP_SUM
    )


def _isa_of(step: Step, isa: str) -> str:
    fits = isinstance(step.operation, Convolution) and _fits_dsp(step.operation)
    return "dsp" if isa == "dsp" and fits else "scalar"


def _is_in_place(step: Step, isa: str) -> bool:
    """Whether a step may write over its first input."""
    operation = step.operation
    if isinstance(operation, (Alias, Add, Softmax)):
        return True
    if not isinstance(operation, Convolution) or _isa_of(step, isa) == "scalar":
        return False
    window = operation.window
    same_map = window.input[:2] == window.output[:2]
    if operation.op == "DEPTHWISE_CONV_2D":
        return same_map
    is_pointwise = (window.kernel, window.stride) == ((1, 1), (1, 1))
    return same_map and is_pointwise and window.output[2] <= window.input[2]


def _owners(
    steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int], isa: str
) -> dict[int, int]:
    """Tensor to the tensor whose bytes it uses."""
    last = {tensor: step.layer for step in steps for tensor in step.inputs}
    owner = {tensor: tensor for tensor in inputs}
    for step in steps:
        source = step.inputs[0]
        is_last = last[source] == step.layer and step.inputs.count(source) == 1
        shared = _is_in_place(step, isa) and (is_last or isinstance(step.operation, Alias))
        if shared and (isinstance(step.operation, Alias) or source not in outputs):
            owner[step.output] = owner[source]
        else:
            owner[step.output] = step.output
    return owner


def _scratch_bytes(step: Step, isa: str) -> int:
    operation = step.operation
    if not isinstance(operation, Convolution) or _isa_of(step, isa) == "scalar":
        return 0
    window = operation.window
    if operation.op == "CONV_2D":
        return _row_bytes(operation) * 9
    if operation.op == "DEPTHWISE_CONV_2D":
        rows = (window.output[0] - 1) * window.stride[0] + window.kernel[0]
        columns = (window.output[1] - 1) * window.stride[1] + window.kernel[1]
        return rows * ((columns + 3) & ~1) * 2
    return -(-window.input[2] // 4) * 8


def _blocks(
    running: Sequence[Step],
    owner: dict[int, int],
    sizes: dict[int, int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    isa: str,
) -> tuple[list[Block], dict[int, int], dict[int, int]]:
    first = {owner[tensor]: -1 for tensor in inputs}
    last: dict[int, int] = dict(first)
    for number, step in enumerate(running):
        first.setdefault(owner[step.output], number)
        for tensor in (*step.inputs, step.output):
            last[owner[tensor]] = number
    for tensor in outputs:
        last[owner[tensor]] = len(running)
    size = {}
    for tensor, base in owner.items():
        size[base] = max(size.get(base, 0), sizes[tensor])
    blocks, of_tensor, of_scratch = [], {}, {}
    for base, begin in first.items():
        of_tensor[base] = len(blocks)
        blocks.append(Block(f"tensor {base}", size[base], begin, last[base]))
    for number, step in enumerate(running):
        if scratch := _scratch_bytes(step, isa):
            of_scratch[number] = len(blocks)
            blocks.append(Block(f"scratch of operation {number}", scratch, number, number))
    return blocks, of_tensor, of_scratch


def _row_bytes(operation: Convolution) -> int:
    row: int = operation.weights.shape[1]
    return row if operation.op == "DEPTHWISE_CONV_2D" else -(-row // 8) * 8


class _Writer:
    """A plan while it is written."""

    def __init__(self, model_id: bytes, arena_bytes: int) -> None:
        self._id, self._arena_bytes = model_id, arena_bytes
        self._tensors, self._ops, self._body = bytearray(), bytearray(), bytearray()
        self._patches: list[int] = []
        self._op_count = 0

    def tensor(self, tensor: object, place: int) -> None:
        shape = graph.shape_of(tensor)
        quantization = tensor.quantization  # type: ignore[attr-defined]
        padded = (*shape, *[0] * (6 - len(shape)))
        self._tensors += struct.pack(
            _TENSOR, place, math.prod(shape), _INT8, len(shape), float(quantization.scale[0]),
            int(quantization.zeroPoint[0]), *padded,
        )  # fmt: skip

    def put(self, data: bytes) -> int:
        """Adds data behind all tables, aligned; returns where, counted from there."""
        self._body += bytes(-len(self._body) % 4)
        at = len(self._body)
        self._body += data
        return at

    def op(
        self, step: Step, inputs: list[int], output: int, scratch: tuple[int, int], isa: str
    ) -> None:
        operation = step.operation
        name, args, places = self._args(operation)
        at = self.put(args)
        self._patches += [at + i for i in places]
        sources = (*inputs, NOWHERE)[:2]
        used = _isa_of(step, isa)
        self._ops += struct.pack(
            _OP, _KINDS[name], 0, ISAS[used], 0, *sources, output, *scratch, at, step.layer
        )
        self._op_count += 1

    def _args(self, operation: object) -> tuple[str, bytes, list[int]]:
        """Name, arguments, and where in them stand places in the body."""
        match operation:
            case Convolution():
                return operation.op, *self._conv_args(operation)
            case Add():
                (a, b, c), (m, n, o), (s, t, u) = (
                    operation.zero_points,
                    operation.multipliers,
                    operation.shifts,
                )
                numbers = (a, b, m, n, s, t, o, u, c, *operation.limits)
                return "ADD", struct.pack("<I11i", operation.elements, *numbers), []
            case AveragePool():
                return "AVERAGE_POOL_2D", _packed(operation.window), []
            case Softmax():
                return "SOFTMAX", struct.pack(
                    "<IIiii", operation.rows, operation.columns, operation.multiplier,
                    operation.left_shift, operation.diff_min,
                ), []  # fmt: skip
        raise TypeError(type(operation).__name__)

    def _conv_args(self, operation: Convolution) -> tuple[bytes, list[int]]:
        row_bytes = _row_bytes(operation)
        rows = np.zeros((len(operation.weights), row_bytes), np.int8)
        rows[:, : operation.weights.shape[1]] = operation.weights
        zero_point = operation.window.zero_points[1]
        halves = np.where(operation.shifts > 0, 1 << np.maximum(operation.shifts - 1, 0), 0)
        addends = halves + zero_point * (1 << np.clip(operation.shifts, 0, _MAX_DSP_SHIFT))
        table = np.stack([operation.bias, operation.multipliers, addends, operation.shifts], 1)
        channels_at = self.put(table.astype("<i4").tobytes())
        weights_at = self.put(rows.tobytes())
        window = _packed(operation.window)
        packed = window + struct.pack("<7I", row_bytes, channels_at, weights_at, rows.size, 0, 0, 0)
        return packed, [len(window) + 4, len(window) + 8]

    def data(self, input_count: int, output_count: int) -> bytes:
        head = struct.calcsize(_HEADER)
        ops_at = head + len(self._tensors)
        body_at = ops_at + len(self._ops)
        ops = bytearray(self._ops)
        for at in range(0, len(ops), struct.calcsize(_OP)):
            _moved(ops, at + 24, body_at)
        body = bytearray(self._body + bytes(-len(self._body) % 4))
        for at in self._patches:
            _moved(body, at, body_at)
        rest = bytes(self._tensors + ops + body)
        checked = struct.pack(
            "<HH16sIHHII", VERSION, self._op_count, self._id, self._arena_bytes, input_count,
            output_count, head, ops_at,
        ) + rest  # fmt: skip
        total = 12 + len(checked)
        return struct.pack("<III", MAGIC, total, zlib.crc32(checked)) + checked


def _moved(data: bytearray, at: int, by: int) -> None:
    (value,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, value + by)


def _packed(window: Window) -> bytes:
    return struct.pack(
        _WINDOW,
        *window.input,
        *window.output,
        *window.kernel,
        *window.stride,
        *window.dilation,
        *window.pad,
        *window.zero_points,
        *window.limits,
    )
