"""What a search is to reach: what is to be small, and what may be lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Objective = Literal["latency", "energy", "size", "memory"]

OBJECTIVES: tuple[Objective, ...] = ("latency", "energy", "size", "memory")
"""What can be minimized."""

SIZE_SHARE = 0.05
"""Weight of the file's size beside what is minimized, so that of equals the smaller one is taken.

Source: ours; twenty times smaller weighs like 16 % faster, and seldom decides.
"""


@dataclass(frozen=True)
class Cost:
    """What one file takes on one board.

    Attributes:
        time: Of an inference, in a unit that is the board's own (predicted instructions, or
            microseconds as probed); None where it cannot be predicted.
        bytes: Size of the file, or of the plan on a microcontroller.
        memory_bytes: Of the activations, as far as they are known; else None.
        excess: Why the board cannot take it; empty if it can.
    """

    time: float | None
    bytes: int
    memory_bytes: int | None = None
    excess: str = ""

    def of(self, objective: Objective) -> float | None:
        """What is to be small, or None where that is not known.

        Energy is taken to grow as time does: what measures it comes later, on the board.
        """
        if objective == "size":
            return self.bytes
        return self.memory_bytes if objective == "memory" else self.time


@dataclass(frozen=True)
class Goal:
    """What a search is to reach.

    Attributes:
        limit: What may be lost, in the unit of :func:`edgeprune.tasks.drop`.
        minimize: What is to be small, all of it equally.
        losses: Further losses at which a good network is worth having, for a front.
    """

    limit: float
    minimize: Sequence[Objective] = ("latency",)
    losses: Sequence[float] = ()

    def weights(self) -> dict[float, float]:
        """How much a saving counts at each loss that is looked at; they add up to 1."""
        others = [loss for loss in self.losses if loss != self.limit]
        if not others:
            return {self.limit: 1.0}
        return {self.limit: 0.3} | {loss: 0.7 / len(others) for loss in others}

    def saving(self, cost: Cost, dense: Cost) -> float | None:
        """Natural logarithm of how many times less a network takes than the user's.

        Args:
            cost: The network's.
            dense: The user's model's, as it is.

        Returns:
            None where the board cannot take it, or where nothing of what counts is known; what is
            known of one network alone does not count.
        """
        if cost.excess:
            return None
        ratios = []
        for objective in self.minimize:
            now, before = cost.of(objective), dense.of(objective)
            if now is not None and before is not None and now > 0 and before > 0:
                ratios.append(math.log(before / now))
        if not ratios:
            return None
        size = math.log(max(dense.bytes, 1) / max(cost.bytes, 1))
        return sum(ratios) / len(ratios) + SIZE_SHARE * size
