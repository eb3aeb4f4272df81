"""The pattern ``unstructured``: weights go one by one."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.pruning.highest import keep_highest
from edgeprune.pruning.patterns.base import PATTERNS, FreePattern


@PATTERNS.register
@dataclass(frozen=True)
class Unstructured(FreePattern):
    """Any weight may go alone."""

    def mask(self, scores: FloatArray, sparsity: float, in_channels: int) -> BoolArray:
        """Removes the weights of lowest score, but never all; see :func:`keep_highest`."""
        return keep_highest(scores, sparsity, least=1)
