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
    each = _PER_PRODUCT[pattern]
    if pattern == "blocks_1x4":
        each = 1.0 if operation.op == "CONV_2D" else 2.3
    if pattern == "unstructured" and operation.op != "CONV_2D":
        each = 6.0
    return kept.weights.size * pixels * each
