"""How far an operation's output may lie over an input that nothing needs any more.

A kernel reads and writes in a fixed order. Its output may lie over its input where every byte is
written only after the kernel has read for the last time what it writes over. Let the input begin
``distance`` bytes behind the output's beginning. After step t of a kernel (a pixel, say), the bytes
``[0, written(t))`` of the output are written, and of the input nothing before ``unread(t)`` is
read again. The output's bytes lie before the input's unread ones if
``written(t) <= distance + unread(t)`` for every step t behind which something is read; so the
least distance is the largest ``written(t) - unread(t)``. It may be negative: then the output may
begin behind the input's beginning.

A kernel that gathers the inputs of a step before it writes any of its outputs reads for step t for
the last time before it writes: ``unread(t)`` counts from step t + 1. One that reads again between
the writes of a step: from step t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.firmware.operations import Window


@dataclass(frozen=True)
class Order:
    """In which order a kernel with a window computes.

    Attributes:
        pixels: How many output pixels, in a row or over its end, are a step.
        is_gathered: Whether a step reads everything before it writes anything.
    """

    pixels: int
    is_gathered: bool


def window_distance(window: Window, order: Order) -> int:
    """The least distance, in bytes, for a kernel that goes through output pixels row by row.

    Proof: see the module. ``unread`` is the first byte of the first pixel that a window from there
    on reaches: a later window never begins above or, in its row, left of where the least of the
    later ones begins, which is what the running minimum from the end takes.
    """
    height, width, channels = window.output
    rows = np.maximum(np.arange(height) * window.stride[0] - window.pad[0], 0)
    columns = np.maximum(np.arange(width) * window.stride[1] - window.pad[1], 0)
    begins = ((rows[:, None] * window.input[1] + columns) * window.input[2]).ravel()
    unread = np.minimum.accumulate(begins[::-1])[::-1]
    pixels = height * width
    starts = np.arange(0, pixels, order.pixels)
    written = np.minimum(starts + order.pixels, pixels) * channels
    if not order.is_gathered:
        return int((written - unread[starts]).max())
    later = written[:-1] - unread[starts[1:]]
    return int(later.max()) if later.size else -window.input[0] * window.input[1] * window.input[2]
