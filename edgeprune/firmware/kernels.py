"""Which kernel of a core runs a step, and what it takes."""

from __future__ import annotations

from functools import lru_cache

from edgeprune.firmware import dsp, mve
from edgeprune.firmware.costs import instructions
from edgeprune.firmware.operations import (
    Add,
    Convolution,
    Lookup,
    Mean,
    Mul,
    Pool,
    Softmax,
    Step,
)
from edgeprune.firmware.overlap import Order, window_distance
from edgeprune.firmware.patterns import BLOCK_WEIGHTS, fits_counts, stored
from edgeprune.firmware.rescale import MIN_MULTIPLIER

ISAS = {"scalar": 0, "dsp": 1, "mve": 2}
"""What a core's kernels may use, and its number in a plan."""

_MAX_DSP_SUM = (1 << 30) - 1

_ONE_BY_ONE = Order(1, is_gathered=False)
"""Of plain convolutions, depthwise ones and pools: each channel of a pixel looks at the input."""

_DSP_PIXELS = 4


def _fits_dsp(operation: Convolution) -> bool:
    """Whether the kernels for pairs compute it exactly (``firmware/kernels/dsp.h``)."""
    window = operation.window
    return (
        (operation.op != "DEPTHWISE_CONV_2D" or window.dilation == (1, 1))
        and (operation.op != "FULLY_CONNECTED" or bool((operation.shifts >= 2).all()))
        and bool((operation.multipliers >= MIN_MULTIPLIER).all())
        and _fits_bounds(operation)
    )


def _fits_bounds(operation: Convolution) -> bool:
    """Whether sums and shifts are such that the short ways to int8 are exact."""
    return (
        bool((operation.shifts >= 1).all())
        and bool((operation.shifts <= dsp.MAX_SHIFT).all())
        and operation.max_sum <= _MAX_DSP_SUM
    )


def isa_of(step: Step, isa: str) -> str:
    """What the kernel of a step uses, on a core of :data:`ISAS`."""
    operation = step.operation
    if isinstance(operation, Convolution):
        fits = {"scalar": False, "dsp": _fits_dsp(operation), "mve": _fits_bounds(operation)}
        return isa if fits[isa] else "scalar"
    if isa == "dsp" and isinstance(operation, Add) and dsp.fits_add(operation):
        return "dsp"
    return "mve" if isa == "mve" and mve.fits(operation) else "scalar"


def patterns_of(op: str, isa: str) -> tuple[str, ...]:
    """How weights of an operator may be stored for an ISA's kernels."""
    if op == "DEPTHWISE_CONV_2D":
        return ("dense",)
    if isa == "mve":
        return ("dense", "blocks_1x16")
    sparse = tuple(name for name in BLOCK_WEIGHTS if isa == "scalar" or name != "blocks_1x16")
    if op == "CONV_2D":
        return ("dense", *sparse)
    return (*(() if isa == "dsp" else ("dense",)), "dense_4_rows", *sparse)


@lru_cache(maxsize=1024)
def pattern_of(step: Step, isa: str) -> str:
    """How the weights of a step are stored: as it takes the fewest instructions, then bytes."""
    operation = step.operation
    if not isinstance(operation, Convolution):
        return "dense"
    used = isa_of(step, isa)
    kept = {
        pattern: stored(operation, pattern, used)
        for pattern in patterns_of(operation.op, used)
        if pattern not in BLOCK_WEIGHTS or fits_counts(operation)
    }
    return min(
        kept,
        key=lambda name: (instructions(operation, name, kept[name], used), kept[name].bytes),
    )


def may_overlap(step: Step, isa: str, number: int) -> bool:
    """Whether a step's output may lie over its input ``number``, if nothing else needs that."""
    operation = step.operation
    if isinstance(operation, (Add, Mul)):
        operands = [i for i in range(2) if operation.broadcast.constants[i] is None]
        is_twice = len(set(step.inputs)) < len(step.inputs)
        looked_at = operands if is_twice else [operands[number]]
        return all(operation.broadcast.is_dense(i) for i in looked_at)
    if isinstance(operation, Convolution):
        return operation.op != "FULLY_CONNECTED"
    return isinstance(operation, (Lookup, Mean, Pool, Softmax))


def distance_of(step: Step, isa: str) -> int | None:
    """How the output may lie over such an input: ``distance`` of an ``Overlap`` of the arena.

    Elements of arithmetic, lookups and SOFTMAX are read where, or behind where, they are written.
    A MEAN's output (o, i) is written after all of column i of o was read, and lies before column
    i + 1. Depthwise convolutions on pairs read all of a channel before they write any of it, and
    write only bytes of their own channel if output and input begin at the same byte: pixel p of
    channel c is byte p * channels + c of both.
    """
    operation = step.operation
    if not isinstance(operation, (Convolution, Pool)):
        return 0
    used = isa_of(step, isa)
    if used == "dsp" and operation.op == "DEPTHWISE_CONV_2D":
        return None
    return window_distance(operation.window, _order(operation, used, pattern_of(step, isa)))


def _order(operation: Convolution | Pool, isa: str, pattern: str) -> Order:
    """In which order a kernel computes a window; as ``firmware/kernels/*__<isa>.c`` say."""
    if isa == "dsp":
        return Order(_DSP_PIXELS, is_gathered=True)
    if isa == "mve" and isinstance(operation, Convolution):
        width = operation.window.output[1]
        if operation.op == "DEPTHWISE_CONV_2D":
            return Order(2 * width, is_gathered=False)
        if pattern == "blocks_1x16":
            return Order(mve.SPARSE_PIXELS, is_gathered=True)
        if mve.is_pointwise(operation.window):
            return Order(mve.POINTWISE_PIXELS, is_gathered=True)
        return Order(width, is_gathered=True)
    return _ONE_BY_ONE


def scratch_bytes(step: Step, isa: str) -> int:
    """Bytes that a step's kernel needs for itself, beside its tensors."""
    operation = step.operation
    if not isinstance(operation, Convolution) or isa_of(step, isa) == "scalar":
        return 0
    if isa == "mve":
        return mve.scratch_bytes(operation, pattern_of(step, isa))
    return dsp.scratch_bytes(operation, pattern_of(step, isa))
