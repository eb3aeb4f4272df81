"""What pruning one layer alone loses and costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """What one layer loses and costs, alone, at rising sparsities.

    Attributes:
        sparsities: Shares of zeros, ``(points,)``, rising from 0.
        losses: Predicted loss at each, never falling.
        costs: Predicted cost at each; None where no board was named, or where no sparse
            kernel runs the layer, so that zeros make it no cheaper.
    """

    sparsities: DoubleArray
    losses: DoubleArray
    costs: DoubleArray | None = None

    def loss(self, sparsity: float) -> float:
        """Predicted loss between the points, on straight lines."""
        return float(np.interp(sparsity, self.sparsities, self.losses))

    def cost(self, sparsity: float) -> float:
        """Predicted cost between the points, on straight lines; 0 without costs."""
        if self.costs is None:
            return 0.0
        return float(np.interp(sparsity, self.sparsities, self.costs))
