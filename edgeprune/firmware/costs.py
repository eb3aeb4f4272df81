"""What a layer's kernels take of a core: instructions, by a table."""

from __future__ import annotations

import math

from edgeprune.firmware.operations import Convolution
from edgeprune.firmware.patterns import StoredWeights

_PER_PRODUCT = {"dense": 0.85, "dense_4_rows": 1.2, "blocks_1x4": 4.0, "unstructured": 2.3}


def instructions(operation: Convolution, pattern: str, kept: StoredWeights, isa: str) -> float:
    """Instructions."""
    pixels = math.prod(operation.window.output[:2])
    if isa == "scalar":
        return kept.weights.size * pixels * (4.0 if pattern == "dense" else 20.0)
    if isa == "mve":
        return _of_mve(operation, pattern, kept)
    each = _PER_PRODUCT[pattern]
    if pattern == "blocks_1x4":
        each = 1.0 if operation.op == "CONV_2D" else 2.3
    if pattern == "unstructured" and operation.op != "CONV_2D":
        each = 6.0
    return kept.weights.size * pixels * each


def _of_mve(operation: Convolution, pattern: str, kept: StoredWeights) -> float:
    """By the instructions of the loops in ``firmware/kernels/*__mve.c``."""
    height, width, channels = operation.window.output
    blocks = kept.weights.size / 16
    if operation.op == "FULLY_CONNECTED":
        return blocks * (2.5 if pattern == "dense" else 8) + channels * 10
    if pattern == "dense":
        pairs = height * -(-width // 2)
        return pairs * (blocks * 4 + kept.rows * 10)
    return math.ceil(height * width / 8) * (blocks * 21 + channels * 50)
