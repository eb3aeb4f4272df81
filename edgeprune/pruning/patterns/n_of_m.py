"""Patterns ``N:M``: at most N of M consecutive input channels have a weight.

``2:4`` is what sparse tensor cores read. No CPU runtime here runs it faster than other zeros, but
files get smaller, and other runtimes do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.errors import ModelError
from edgeprune.pruning.highest import check_scores
from edgeprune.pruning.patterns.base import PATTERNS, FreePattern


@PATTERNS.register
@dataclass(frozen=True)
class NOfM(FreePattern):
    """N of M.

    Attributes:
        kept: N, at least 1.
        group: M, more than N.
    """

    kept: int
    group: int

    def __post_init__(self) -> None:
        if not 0 < self.kept < self.group:
            raise ModelError(f"{self.kept}:{self.group} must keep some of each group, and not all")

    def mask(self, scores: FloatArray, sparsity: float, in_channels: int) -> BoolArray:
        """Keeps the N highest scores of each group of M.

        A lower sparsity than the pattern's own, on the way to it, keeps groups whole where removing
        costs most: the share of groups that are thinned out is ``sparsity / (1 - N / M)``.

        Source: Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks", section 3.

        Raises:
            ModelError: ``sparsity`` lies outside [0, 1), a score is NaN, or M does not divide the
                input channels.

        >>> NOfM(1, 2).mask(np.array([[3, 1, 2, 4]], np.float32), 0.5, 4).astype(int).tolist()
        [[1, 0, 0, 1]]
        """
        check_scores(scores, sparsity)
        if in_channels % self.group:
            raise ModelError(
                f"{self.kept}:{self.group} does not fit {in_channels} input channels: "
                f"{self.group} must divide them"
            )
        groups = scores.reshape(-1, self.group)
        order = np.argsort(groups, axis=1, kind="stable")
        mask = np.ones(groups.shape, np.bool_)
        np.put_along_axis(mask, order[:, : self.group - self.kept], False, axis=1)
        thinned = int(min(1.0, sparsity / self.share(1.0)) * len(groups) + 0.5)
        if thinned < len(groups):
            loss = np.where(mask, 0, groups).sum(axis=1)
            whole = np.argsort(loss, kind="stable")[thinned:]
            mask[whole] = True
        return mask.reshape(scores.shape)

    def share(self, sparsity: float) -> float:
        """The pattern's own share; 0 where the sparsity is 0."""
        return 1 - self.kept / self.group if sparsity else 0.0
