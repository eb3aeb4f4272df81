"""What steps become one: lookups in a row, and a PAD before a convolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from edgeprune.firmware.operations import Convolution, Copy, Lookup, Step


def fused(steps: Sequence[Step], outputs: Sequence[int]) -> list[Step]:
    """Joins steps whose result is the same, bit for bit.

    A lookup behind a lookup is one with another table. A PAD of a map's height and width with its
    zero point is what a convolution does by itself at the border.

    Args:
        steps: All of a network's.
        outputs: Tensors that it puts out, which must exist.
    """
    readers = Counter(tensor for step in steps for tensor in step.inputs)
    readers.update(outputs)
    makers = Counter(step.output for step in steps)
    kept: list[Step] = []
    by_output: dict[int, Step] = {}
    for step in steps:
        before = by_output.get(step.inputs[0])
        if before is not None and readers[before.output] == makers[before.output] == 1:
            joined = _joined(before, step)
            if joined is not None:
                kept = [other for other in kept if other is not before]
                step = joined
        kept.append(step)
        by_output[step.output] = step
    return kept


def _joined(before: Step, step: Step) -> Step | None:
    first, second = before.operation, step.operation
    if isinstance(first, Lookup) and isinstance(second, Lookup):
        table = bytes(second.table[value] for value in first.table)
        return replace(step, operation=replace(second, table=table), inputs=before.inputs)
    if isinstance(first, Copy) and isinstance(second, Convolution):
        return _padded(before, first, step, second)
    return None


def _padded(before: Step, pad: Copy, step: Step, conv: Convolution) -> Step | None:
    window = conv.window
    if pad.border is None or pad.size is None or pad.fill != window.zero_points[0]:
        return None
    sums = [a + b for a, b in zip(window.pad, pad.border, strict=True)]
    spans = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    if any(a >= b for a, b in zip(sums, spans, strict=True)):
        return None
    wider = replace(window, input=(*pad.size, window.input[2]), pad=(sums[0], sums[1]))
    return replace(step, operation=replace(conv, window=wider), inputs=before.inputs)
