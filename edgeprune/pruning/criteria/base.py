"""What a criterion is: a function from weights and evidence about their layer to scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.recipe.prune_parts import CRITERIA as ROWS
from edgeprune.registry import Registry

ScoreArray = NDArray[np.floating]


class Scores(NamedTuple):
    """How much each weight matters; the lowest scores go first.

    Attributes:
        values: Shape ``(out_channels, in_features)``, at least 0. A block's score is their sum.
        per_row: Scores of different output channels are not to be compared.
    """

    values: ScoreArray
    per_row: bool = False


class Evidence(Protocol):
    """What calibration tells about one layer; collected when asked for."""

    def mean_squared_inputs(self) -> ScoreArray:
        """Of each input, ``(out_channels, in_features)``; rows of a group agree."""

    def squared_gradients(self) -> ScoreArray:
        """Mean over samples of the loss's squared gradient, ``(out_channels, in_features)``."""

    def batch_norm_scale(self) -> ScoreArray | None:
        """Gamma of the batch normalization that follows, ``(out_channels,)``, or None."""

    def random(self) -> np.random.Generator:
        """The layer's own random numbers, the same for the same seed."""


Criterion = Callable[[FloatArray, Evidence], Scores]
"""Takes weights ``(out_channels, in_features)`` and evidence about their layer."""

CRITERIA: Registry[Criterion] = Registry(
    "edgeprune.pruning.criteria",
    "criterion",
    rows=[name for name, row in ROWS.items() if not row.moves_weights],
)
"""The criteria that score weights; what moves weights too is none of them."""
