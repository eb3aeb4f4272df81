"""What a search may do to one model for some boards, and who does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgeprune.auto.candidates import Candidate, SecondLook
from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Move, Node, Shape

MACS = (0.85, 0.7, 0.55, 0.45, 0.35, 0.27, 0.2, 0.15, 0.1, 0.07)
"""Shares of the multiply-accumulates that are looked at: each some four fifths of the one before.

Source: ours. Wider steps lose what closer ones keep, and each takes a training.
"""

SPARSITIES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95)
"""Shares of zeros that are looked at.

Source: ours. Sparse kernels gain from about a half on; above 95 % hardly anything learns.
"""


@dataclass(frozen=True)
class Options:
    """What may be done.

    Attributes:
        modes: Ways to store a network that are worth judging, by board: ``none``, ``int8`` ...
        patterns: How zeros may lie, by the core whose sparse kernels they suit; empty where
            nothing may be pruned.
        cores: The core of each board.
        removes_channels: Whether channels may be removed.
        tune_epochs: Passes over the training data of the network as it is, before all others; 0
            leaves that out.
        epochs: Passes over the training data of one training; 0 where nothing can be trained.
        qat_epochs: The same for training with rounding; 0 where there is none.
        keeps_layers: Whether layers may stay more precise than the rest.
        must_fit: Boards that cannot take the network as it is, so that some other must be found.
    """

    modes: Mapping[str, Sequence[str]]
    patterns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cores: Mapping[str, str] = field(default_factory=dict)
    removes_channels: bool = False
    tune_epochs: int = 0
    epochs: int = 0
    qat_epochs: int = 0
    keeps_layers: bool = False
    must_fit: Collection[str] = ()

    @property
    def tuned(self) -> Node | None:
        """The network as it is, trained further; None where that is left out."""
        epochs = self.tune_epochs
        return Node().after(Move("tune", epochs=epochs)) if epochs else None

    @property
    def all_modes(self) -> tuple[str, ...]:
        """Every way to store a network that some board wants."""
        return tuple(dict.fromkeys(mode for modes in self.modes.values() for mode in modes))

    def moves(self, node: Node) -> list[Move]:
        """Every training that may follow, but for those that change nothing but weights."""
        shape, moves = node.shape, []
        if node.is_rounded or not self.epochs:
            return []
        if self.removes_channels and not shape.sparsity:
            moves = [
                Move("channels", macs / shape.macs, self.epochs)
                for macs in MACS
                if macs < shape.macs - 0.01
            ]
        for kernels, patterns in self.patterns.items():
            if shape.kernels in ("", kernels):
                moves += [
                    Move("prune", sparsity, self.epochs, kernels, pattern)
                    for pattern in patterns
                    for sparsity in SPARSITIES
                    if sparsity > shape.sparsity and shape.pattern in ("", pattern)
                ]
        return moves


class Lab(Protocol):
    """What trains and judges networks."""

    def forecast(self, shape: Shape, mode: str, board: str) -> Cost | None:
        """What a network of this shape would take; None where nobody knows."""

    def seconds(self, node: Node) -> float:
        """About how long the last training of a network takes, with all judging."""

    def keeping_seconds(self, node: Node) -> float:
        """About how long it takes to find the layers that should stay more precise."""

    def screened(self, shape: Shape) -> float | None:
        """What is lost by removing so much at once, without training; None if that says nothing."""

    def train(self, node: Node) -> None:
        """Trains a network whose parent is trained.

        Raises:
            EdgepruneError: It cannot be trained.
        """

    def judge(self, node: Node, mode: str) -> Candidate:
        """Stores a trained network in some way, and finds what it lost and what it takes.

        Raises:
            EdgepruneError: It cannot be stored so.
        """

    def look_again(self, candidate: Candidate) -> SecondLook | None:
        """What a network that was judged loses on the samples that are reported.

        None where there are none but those that choose.

        Raises:
            EdgepruneError: It cannot be stored so.
        """

    def keep_layers(self, node: Node, mode: str, limit: float) -> Candidate | None:
        """The same with its most fragile layers more precise; None where that does not help.

        Raises:
            EdgepruneError: It cannot be stored so.
        """
