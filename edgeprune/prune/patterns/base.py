"""What a pattern is: a function from a weight matrix and a sparsity to the pruned matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edgeprune.artifacts import BoolArray, FloatArray
from edgeprune.registry import Registry


class Pruning(NamedTuple):
    """A pruned weight matrix.

    Attributes:
        values: Shape ``(out_channels, in_channels)``: kept weights, and zeros.
        mask: The same shape, True where a weight is kept.
    """

    values: FloatArray
    mask: BoolArray


Pattern = Callable[[FloatArray, float], Pruning]
"""Takes weights ``(out_channels, in_channels)`` and a sparsity in [0, 1); changes neither."""

PATTERNS: Registry[Pattern] = Registry("edgeprune.prune.patterns", "pattern")
