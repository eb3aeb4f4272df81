"""What the kernels for Cortex-M4, M7 and M33 need: ``firmware/kernels/dsp*.h``."""

from __future__ import annotations

from edgeprune.firmware.operations import Add, Convolution, Window
from edgeprune.firmware.patterns import row_bytes
from edgeprune.firmware.rescale import MIN_MULTIPLIER

MAX_SHIFT = 22
"""With a zero point in front of it, a larger one leaves 32 bits."""

_GROUP = 4


def _groups(size: int) -> int:
    return -(-size // _GROUP)


def is_3x3(window: Window) -> bool:
    """Whether a depthwise kernel of its own computes four outputs of a line at a time."""
    return window.kernel == (3, 3) and window.stride in ((1, 1), (2, 2))


def fits_add(operation: Add) -> bool:
    """Whether the kernel for pairs computes it exactly: one factor is 1/2, as it always is."""
    inputs, shifts = operation.multipliers[:2], operation.shifts
    halved = [shift == 0 for shift in shifts[:2]]
    return (
        operation.op == "ADD"
        and any(halved)
        and all(m == MIN_MULTIPLIER for m, half in zip(inputs, halved, strict=True) if half)
        and all(0 <= shift <= MAX_SHIFT for shift in shifts[:2])
        and operation.multipliers[2] >= MIN_MULTIPLIER
        and 1 <= shifts[2] <= MAX_SHIFT
    )


def lines_are_columns(window: Window) -> bool:
    """Whether lines of a depthwise map are columns: where that leaves fewer outputs over."""
    height, width, _ = window.output
    return is_3x3(window) and width * _groups(height) < height * _groups(width)


def depthwise_map(window: Window) -> tuple[int, int]:
    """Lines of one channel's map with its padding, and elements of a line."""
    height, width, _ = window.output
    stride, kernel = window.stride, window.kernel
    if not is_3x3(window):
        size = width * stride[1] + kernel[1]
        return (height - 1) * stride[0] + kernel[0], -(-size // 2) * 2
    if lines_are_columns(window):
        height, width = width, height
    size = (_groups(width) * _GROUP - 1) * stride[1] + kernel[1]
    return (height - 1) * stride[0] + kernel[0], -(-size // 2) * 2


def scratch_bytes(operation: Convolution, pattern: str) -> int:
    """Bytes that a kernel needs for itself, beside its tensors."""
    window = operation.window
    if operation.op == "CONV_2D":
        is_by_word = window.input[2] % 4 == 0 and pattern != "unstructured"
        return row_bytes(operation) * (8 if is_by_word else 9)
    if operation.op == "DEPTHWISE_CONV_2D":
        lines, size = depthwise_map(window)
        height, width = window.kernel
        pairs = 0 if is_3x3(window) else height * -(-width // 2) * 4
        return lines * size * 2 + pairs
    return 0 if pattern == "unstructured" else row_bytes(operation) * 2
