"""What a pattern is: which weights of a layer go together, and which of them are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.recipe.prune_parts import PATTERNS as ROWS
from edgeprune.registry import Registry


class Pattern(Protocol):
    """The shape of what is left of one layer's weights.

    Scores are non-negative and have the shape ``(out_channels, in_features)``; ``in_channels``
    divides ``in_features``, and units never reach over a multiple of it (a convolution's taps).
    """

    def mask(self, scores: FloatArray, sparsity: float, in_channels: int) -> BoolArray:
        """What is kept, True, when the least important share ``sparsity`` goes.

        Raises:
            ModelError: ``sparsity`` lies outside [0, 1), a score is NaN, or the pattern does not
                fit the shape.
        """

    def finish(self, values: FloatArray, mask: BoolArray) -> FloatArray:
        """Kept weights, and zeros, as the runtime wants to find them."""

    def share(self, sparsity: float) -> float:
        """The share of zeros that a goal of ``sparsity`` leads to."""


PATTERNS: Registry[type] = Registry(
    "edgeprune.pruning.patterns",
    "pattern",
    rows=[name for name, row in ROWS.items() if row.is_shape],
)
"""Kinds of patterns: classes that are made of the numbers in a pattern's name."""


@dataclass(frozen=True)
class FreePattern:
    """What most patterns share: zeros are zeros, and any sparsity may be asked for."""

    def finish(self, values: FloatArray, mask: BoolArray) -> FloatArray:
        """See :class:`Pattern`."""
        return np.where(mask, values, values.dtype.type(0))

    def share(self, sparsity: float) -> float:
        """See :class:`Pattern`."""
        return sparsity
