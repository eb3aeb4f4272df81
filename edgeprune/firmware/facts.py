"""What a plan says of itself, read back from its bytes: for whoever sends it to a board."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgeprune.agents.firmware.answers import FirmwareTensor, PlanFacts
from edgeprune.firmware import encode
from edgeprune.firmware.kernels import ISAS
from edgeprune.firmware.patterns import BLOCK_WEIGHTS, PATTERNS

_DENSE = "dense"
_WITH_WEIGHTS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class Kernel:
    """Which function of the firmware runs an operation.

    Attributes:
        kind: What it computes, in a plan's words.
        pattern: How its weights are stored; None for what has no weights.
        isa: What instructions it uses.
    """

    kind: str
    pattern: str | None
    isa: str

    @property
    def name(self) -> str:
        """The function's, which is its file's: ``ep_s8_conv_2d_dense__dsp``."""
        pattern = "" if self.pattern is None else f"_{self.pattern}"
        return f"ep_s8_{self.kind.lower()}{pattern}__{self.isa}"

    @property
    def is_sparse(self) -> bool:
        """Whether it passes over weights that are zero."""
        return self.pattern in BLOCK_WEIGHTS


def kernel_of(kind: int, pattern: int, isa: int) -> Kernel | None:
    """The kernel of three numbers of a plan; None where they name none."""
    name = _name(encode.KINDS, kind)
    stored, used = _name(PATTERNS, pattern), _name(ISAS, isa)
    if name is None or stored is None or used is None:
        return None
    if name in _WITH_WEIGHTS:
        return Kernel(name, stored, used)
    return Kernel(name, None, used) if stored == _DENSE else None


def _name(numbers: dict[str, int], number: int) -> str | None:
    return next((name for name, each in numbers.items() if each == number), None)


def facts_of(plan: bytes) -> PlanFacts:
    """What firmware must say of a plan that we have made."""
    header = struct.unpack_from(encode.HEADER, plan)
    _, _, _, _, op_count, model_id, arena_bytes, inputs, outputs, tensors_at, ops_at = header
    size = struct.calcsize(encode.TENSOR)
    tensors = [_tensor(plan, tensors_at + k * size) for k in range(inputs + outputs)]
    size = struct.calcsize(encode.OP)
    ops = [struct.unpack_from(encode.OP, plan, ops_at + k * size) for k in range(op_count)]
    return PlanFacts(
        inputs=tuple(tensors[:inputs]),
        outputs=tuple(tensors[inputs:]),
        arena_bytes=arena_bytes,
        ops=tuple((kind, pattern, isa, layer) for kind, pattern, isa, *_, layer in ops),
        model_id=model_id.hex(),
    )


def sparse_layers(plan: bytes) -> tuple[int, ...]:
    """Numbers of the layers, in the ``.tflite`` file, whose kernels pass over zeros."""
    found = (
        (kernel_of(kind, pattern, isa), layer) for kind, pattern, isa, layer in facts_of(plan).ops
    )
    return tuple(layer for kernel, layer in found if kernel is not None and kernel.is_sparse)


def _tensor(plan: bytes, at: int) -> FirmwareTensor:
    _, _, _, rank, scale, zero_point, *shape = struct.unpack_from(encode.TENSOR, plan, at)
    return FirmwareTensor(tuple(shape[:rank]), scale, zero_point)
