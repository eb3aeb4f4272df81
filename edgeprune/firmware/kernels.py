"""Which kernel of a core runs a step, and what it takes."""

from __future__ import annotations

from edgeprune.firmware import mve
from edgeprune.firmware.operations import Add, Alias, Convolution, Softmax, Step

ISAS = {"scalar": 0, "dsp": 1, "mve": 2}
"""What a core's kernels may use, and its number in a plan."""

MAX_DSP_SHIFT = 22
_MAX_DSP_SUM = (1 << 30) - 1


def _fits_dsp(operation: Convolution) -> bool:
    """Whether the kernels for pairs compute it exactly (``firmware/kernels/dsp.h``)."""
    window = operation.window
    return (
        (operation.op == "FULLY_CONNECTED" or window.limits == (-128, 127))
        and (operation.op != "DEPTHWISE_CONV_2D" or window.dilation == (1, 1))
        and _fits_bounds(operation)
    )


def _fits_bounds(operation: Convolution) -> bool:
    """Whether sums and shifts are such that the short ways to int8 are exact."""
    return (
        bool((operation.shifts >= 1).all())
        and bool((operation.shifts <= MAX_DSP_SHIFT).all())
        and operation.max_sum <= _MAX_DSP_SUM
    )


def isa_of(step: Step, isa: str) -> str:
    """What the kernel of a step uses, on a core of :data:`ISAS`."""
    if not isinstance(step.operation, Convolution):
        return "scalar"
    fits = {"scalar": False, "dsp": _fits_dsp(step.operation), "mve": _fits_bounds(step.operation)}
    return isa if fits[isa] else "scalar"


def is_in_place(step: Step, isa: str) -> bool:
    """Whether a step may write over its first input."""
    operation = step.operation
    if isinstance(operation, (Alias, Add, Softmax)):
        return True
    if not isinstance(operation, Convolution) or isa_of(step, isa) == "scalar":
        return False
    window = operation.window
    if isa == "mve":
        return (
            operation.op == "CONV_2D"
            and mve.is_pointwise(window)
            and window.output[2] <= window.input[2]
        )
    same_map = window.input[:2] == window.output[:2]
    if operation.op == "DEPTHWISE_CONV_2D":
        return same_map
    is_pointwise = (window.kernel, window.stride) == ((1, 1), (1, 1))
    return same_map and is_pointwise and window.output[2] <= window.input[2]


def scratch_bytes(step: Step, isa: str) -> int:
    """Bytes that a step's kernel needs for itself, beside its tensors."""
    operation = step.operation
    if not isinstance(operation, Convolution) or isa_of(step, isa) == "scalar":
        return 0
    if isa == "mve":
        return mve.scratch_bytes(operation)
    window = operation.window
    if operation.op == "CONV_2D":
        return row_bytes(operation) * 9
    if operation.op == "DEPTHWISE_CONV_2D":
        rows = (window.output[0] - 1) * window.stride[0] + window.kernel[0]
        columns = (window.output[1] - 1) * window.stride[1] + window.kernel[1]
        return rows * ((columns + 3) & ~1) * 2
    return -(-window.input[2] // 4) * 8


def row_bytes(operation: Convolution) -> int:
    """Bytes of one output channel's weights in a plan."""
    row: int = operation.weights.shape[1]
    return row if operation.op == "DEPTHWISE_CONV_2D" else -(-row // 8) * 8
