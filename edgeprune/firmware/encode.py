"""Writes a plan: ``firmware/include/edgeprune/plan.h``."""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np

from edgeprune.firmware.kernels import ISAS, isa_of, pattern_of
from edgeprune.firmware.operations import (
    Add,
    Broadcast,
    Convolution,
    Copy,
    Lookup,
    Mean,
    Mul,
    Pool,
    Softmax,
    Step,
    Window,
)
from edgeprune.firmware.patterns import BLOCK_WEIGHTS, PATTERNS, stored
from edgeprune.models.tflite import graph

MAGIC, VERSION = 0x4E4C5045, 2
NOWHERE = 0xFFFFFFFF
_INT8 = 1
HEADER, TENSOR, OP = "<IIIHH16sIHHII", "<IIHHfi6I", "<BBBBIIIIIII"
_WINDOW = "<14H4h"
KINDS = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 3,
    "ADD": 4,
    "AVERAGE_POOL_2D": 5,
    "SOFTMAX": 6,
    "MAX_POOL_2D": 7,
    "LOOKUP": 8,
    "MEAN": 9,
    "SUB": 10,
    "MUL": 11,
    "COPY": 12,
}


class Writer:
    """A plan while it is written."""

    def __init__(self, model_id: bytes, arena_bytes: int) -> None:
        self._id, self._arena_bytes = model_id, arena_bytes
        self._tensors, self._ops, self._body = bytearray(), bytearray(), bytearray()
        self._patches: list[int] = []
        self._op_count = 0

    def tensor(self, tensor: object, place: int) -> None:
        """Adds an input or output of the network."""
        shape = graph.shape_of(tensor)
        quantization = tensor.quantization  # type: ignore[attr-defined]
        padded = (*shape, *[0] * (6 - len(shape)))
        self._tensors += struct.pack(
            TENSOR, place, math.prod(shape), _INT8, len(shape), float(quantization.scale[0]),
            int(quantization.zeroPoint[0]), *padded,
        )  # fmt: skip

    def put(self, data: bytes) -> int:
        """Adds data behind all tables, aligned; returns where, counted from there."""
        self._body += bytes(-len(self._body) % 4)
        at = len(self._body)
        self._body += data
        return at

    def op(
        self,
        step: Step,
        inputs: list[int],
        output: int,
        scratch: tuple[int, int] | None,
        isa: str,
    ) -> None:
        """Adds an operation; ``inputs``, ``output`` and ``scratch`` (with its bytes) are places."""
        operation = step.operation
        used, pattern = isa_of(step, isa), pattern_of(step, isa)
        name, args, places = self._args(operation, pattern, used)
        at = self.put(args)
        self._patches += [at + i for i in places]
        sources = (*inputs, NOWHERE)[:2]
        if isinstance(operation, (Add, Mul)):
            left = iter(inputs)
            constants = operation.broadcast.constants
            sources = tuple(next(left) if one is None else NOWHERE for one in constants)
        self._ops += struct.pack(
            OP, KINDS[name], PATTERNS[pattern], ISAS[used], 0, *sources, output,
            *(scratch or (NOWHERE, 0)), at, step.layer,
        )  # fmt: skip
        self._op_count += 1

    def _args(self, operation: object, pattern: str, isa: str) -> tuple[str, bytes, list[int]]:
        """Name, arguments, and where in them stand places in the body."""
        match operation:
            case Convolution():
                return operation.op, *self._conv_args(operation, pattern, isa)
            case Add() | Mul():
                return self._arithmetic_args(operation)
            case Lookup():
                at = self.put(operation.table)
                return "LOOKUP", struct.pack("<II", operation.elements, at), [4]
        return *_plain_args(operation), []

    def _arithmetic_args(self, operation: Add | Mul) -> tuple[str, bytes, list[int]]:
        head, places = self._broadcast(operation.broadcast)
        a, b, out = operation.zero_points
        if isinstance(operation, Mul):
            numbers = (a, b, operation.multiplier, operation.shift, out, *operation.limits)
            return "MUL", head + struct.pack("<7i", *numbers), places
        (m, n, o), (s, t, u) = operation.multipliers, operation.shifts
        packed = struct.pack("<11i", a, b, m, n, s, t, o, u, out, *operation.limits)
        return operation.op, head + packed, places

    def _broadcast(self, broadcast: Broadcast) -> tuple[bytes, list[int]]:
        """The arguments' head, and where in it stand places in the body."""
        steps = (*broadcast.steps[0], *broadcast.steps[1])
        head = struct.pack("<12I", *broadcast.sizes, *steps)
        places = []
        for constant in broadcast.constants:
            if constant is not None:
                places.append(len(head))
            head += struct.pack("<I", 0 if constant is None else self.put(constant))
        return head, places

    def _conv_args(self, operation: Convolution, pattern: str, isa: str) -> tuple[bytes, list[int]]:
        kept = stored(operation, pattern, isa)
        fill = (0, kept.rows - len(operation.bias))
        table = np.pad(np.stack([operation.bias, operation.multipliers], 1), (fill, (0, 0)))
        channels_at = self.put(table.astype("<i4").tobytes())
        shifts_at = self.put(np.pad(operation.shifts, fill).astype(np.int8).tobytes())
        weights_at = self.put(kept.weights.tobytes())
        window = _packed(operation.window)
        places = [len(window) + 4, len(window) + 8, len(window) + 12]
        sparse = (0, 0, 0)
        if pattern in BLOCK_WEIGHTS:
            counts_at = self.put(kept.counts.astype("<u2").tobytes())
            sparse = (counts_at, self.put(kept.index.tobytes()), kept.index.size)
            places += [len(window) + 20, len(window) + 24]
        tables = channels_at, shifts_at, weights_at
        numbers = (kept.row_bytes, *tables, kept.weights.size, *sparse)
        return window + struct.pack("<8I", *numbers), places

    def data(self, input_count: int, output_count: int) -> bytes:
        """The whole plan."""
        head = struct.calcsize(HEADER)
        ops_at = head + len(self._tensors)
        body_at = ops_at + len(self._ops)
        ops = bytearray(self._ops)
        for at in range(0, len(ops), struct.calcsize(OP)):
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


def _plain_args(operation: object) -> tuple[str, bytes]:
    """Name and arguments of what has no places in them."""
    match operation:
        case Pool():
            return operation.op, _packed(operation.window)
        case Softmax():
            numbers = operation.multiplier, operation.left_shift, operation.diff_min
            return "SOFTMAX", struct.pack("<IIiii", operation.rows, operation.columns, *numbers)
        case Mean():
            sizes = operation.outer, operation.reduced, operation.inner
            factor = operation.multiplier, operation.shift
            return "MEAN", struct.pack("<III4i", *sizes, *factor, *operation.zero_points)
        case Copy():
            loops = (*operation.sizes, *operation.in_steps, *operation.out_steps)
            offsets = operation.in_offset, operation.out_offset
            return "COPY", struct.pack(
                "<15Ii", *loops, *offsets, operation.fill_bytes, operation.fill
            )
    raise TypeError(type(operation).__name__)
