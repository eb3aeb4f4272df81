"""What a search does to a network, one training after the other, and what is left of it then."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Kind = Literal["tune", "channels", "prune", "qat"]


@dataclass(frozen=True)
class Move:
    """One training.

    Attributes:
        kind: ``tune`` trains a network as it is, ``channels`` removes channels first, ``prune``
            zeroes weights meanwhile, ``qat`` trains with the rounding of int8.
        amount: For ``channels``, the share of the multiply-accumulates to keep, of those that the
            network has; for ``prune``, the share of zeros; else 0.
        epochs: Passes over the training data; 0 trains nothing and calibrates only.
        kernels: For ``prune``, whose sparse kernels the zeros must suit: a core's name; else empty.
        pattern: For ``prune``, how the zeros lie, in a recipe's words; else empty.
    """

    kind: Kind
    amount: float = 0.0
    epochs: int = 0
    kernels: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class Shape:
    """What is left of a network.

    Attributes:
        macs: Share of the multiply-accumulates that is left, of those of the user's model.
        sparsity: Share of zeros in each pruned layer.
        kernels: Whose sparse kernels the zeros suit; empty where there are none.
        pattern: How they lie; empty where there are none.
    """

    macs: float = 1.0
    sparsity: float = 0.0
    kernels: str = ""
    pattern: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.macs == 1 and not self.sparsity

    @property
    def thinned(self) -> float:
        """Natural logarithm of how many times fewer multiply-accumulates there are; >= 0."""
        return -math.log(self.macs)

    @property
    def emptied(self) -> float:
        """Natural logarithm of how many times fewer weights are not zero; >= 0."""
        return -math.log(1 - self.sparsity)

    def text(self) -> str:
        """The shape in words, without the way of storing."""
        parts = []
        if self.macs < 1:
            parts.append(f"channels removed down to {self.macs:.0%} of the MACs")
        if self.sparsity:
            pattern = "" if self.pattern in ("", "kernel") else f", pattern {self.pattern}"
            parts.append(f"{self.sparsity:.0%} zeros{pattern}")
        return " and ".join(parts) or "nothing removed"


@dataclass(frozen=True)
class Node:
    """A network that came of the user's by some trainings, in this order.

    Attributes:
        moves: The trainings; none for the user's model as it is.
    """

    moves: tuple[Move, ...] = field(default=())

    def after(self, move: Move) -> Node:
        """The network that comes of this one by one more training."""
        return Node((*self.moves, move))

    @property
    def parent(self) -> Node:
        """What the last training began with."""
        return Node(self.moves[:-1])

    @cached_property
    def shape(self) -> Shape:
        """What is left of it."""
        macs, last = 1.0, Move("prune")
        for move in self.moves:
            if move.kind == "channels":
                macs *= move.amount
            elif move.kind == "prune":
                last = move
        return Shape(round(macs, 6), last.amount, last.kernels, last.pattern)

    @property
    def is_trained(self) -> bool:
        """Whether a training has changed it."""
        return any(move.epochs for move in self.moves)

    @property
    def is_rounded(self) -> bool:
        """Whether it was trained with the rounding of int8, for which alone it is good then."""
        return any(move.kind == "qat" for move in self.moves)

    @property
    def epochs(self) -> int:
        """Passes over the training data, of all trainings."""
        return sum(move.epochs for move in self.moves)

    @property
    def tunings(self) -> int:
        """How many trainings changed nothing but the weights since the shape came about."""
        count = 0
        for move in reversed(self.moves):
            if move.kind != "tune":
                break
            count += 1
        return count
