"""What kernels with weights take of a core, in instructions: to choose how weights are stored.

A kernel's loops are counted from an operation's shapes (:func:`loops`); what one turn of each takes
stands in ``instruction_costs/<isa>.toml``, fitted to counts under emulation by
``benchmarks/calibrate_instruction_costs.py``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from edgeprune.firmware import dsp, mve_loops
from edgeprune.firmware.operations import Convolution
from edgeprune.firmware.patterns import StoredWeights

Loops = Mapping[str, float]
"""How often each loop of a kernel turns, by the loop's name in a table of costs."""

_PIXELS = {"dsp": 4, "scalar": 1}
"""Output pixels that a convolution's loop over output channels computes at once."""


@cache
def table(isa: str) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Instructions of one turn of each loop, by operator and pattern."""
    path = Path(__file__).parent / "instruction_costs" / f"{isa}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def instructions(operation: Convolution, pattern: str, kept: StoredWeights, isa: str) -> float:
    """Predicts the instructions of an operation.

    Args:
        operation: What is computed.
        pattern: How its weights are stored.
        kept: The weights, so stored.
        isa: What its kernel uses.
    """
    costs = table(isa)[operation.op][pattern]
    turns = loops(operation, pattern, kept, isa)
    return sum(costs[name] * count for name, count in turns.items() if name in costs)


def loops(operation: Convolution, pattern: str, kept: StoredWeights, isa: str) -> Loops:
    """How often each loop of a kernel turns."""
    if isa == "mve":
        return mve_loops.loops(operation, pattern, kept.weights.size, kept.row_bytes)
    if operation.op == "DEPTHWISE_CONV_2D":
        return _depthwise_loops(operation, isa)
    window = operation.window
    pixels, channels = math.prod(window.output[:2]), window.output[2]
    groups = -(-pixels // _PIXELS[isa])
    kernel = window.kernel[0] * window.kernel[1]
    runs = kernel if window.dilation[1] > 1 else window.kernel[0]
    by_word = isa == "dsp" and window.input[2] % 4 == 0 and pattern != "unstructured"
    is_direct = kernel == 1 and window.pad == (0, 0) and by_word
    return {
        "call": 1,
        "pixel": pixels,
        "word": pixels * kept.row_bytes / 4 * by_word,
        "word_run": pixels * runs * (by_word and not is_direct),
        "byte": pixels * kept.row_bytes * (not by_word),
        "byte_run": pixels * runs * (not by_word),
        "channel": groups * channels,
        "kernel_row": groups * channels * window.kernel[0] * (isa != "dsp"),
        "kernel_pixel": groups * channels * kernel * (isa != "dsp"),
        "weight": groups * kept.weights.size,
    }


def _depthwise_loops(operation: Convolution, isa: str) -> Loops:
    window = operation.window
    (height, width, channels), outputs = window.output, math.prod(window.output)
    if isa != "dsp":
        return {
            "call": 1,
            "output": outputs,
            "kernel_row": outputs * window.kernel[0],
            "weight": outputs * math.prod(window.kernel),
        }
    lines, size = dsp.depthwise_map(window)
    turned = dsp.lines_are_columns(window)
    turns = {
        "call": 1,
        "map": lines * size,
        "channel": channels,
        "input_line": channels * window.input[1 if turned else 0],
        "input": math.prod(window.input),
    }
    if dsp.is_3x3(window):
        count, length = (width, height) if turned else (height, width)
        fours = channels * count * -(-length // 4)
        return {**turns, "line": channels * count, "four": fours}
    pairs = window.kernel[0] * -(-window.kernel[1] // 2)
    return {
        **turns,
        "output": outputs,
        "kernel_row": outputs * window.kernel[0],
        "pair": outputs * pairs,
    }
