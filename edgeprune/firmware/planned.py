"""A network as firmware would run it: its plan, its layers, and what they take."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.devices.boards import Board
from edgeprune.firmware.board import compiled_for
from edgeprune.firmware.layers import PlannedLayer, layers_of
from edgeprune.firmware.plan import Plan


@dataclass(frozen=True)
class Planned:
    """One network as the firmware would run it.

    Attributes:
        layers: In the order in which they run.
        plan: What would be pushed.
    """

    layers: tuple[PlannedLayer, ...]
    plan: Plan

    @property
    def flash_bytes(self) -> int:
        """Size of the plan."""
        return len(self.plan.data)

    @property
    def ram_bytes(self) -> int:
        """Size of the arena."""
        return self.plan.arena.bytes

    @property
    def instructions(self) -> int:
        """Predicted instructions of the layers that have weights."""
        return sum(layer.instructions or 0 for layer in self.layers)

    @property
    def sparse(self) -> int:
        """How many layers run a kernel that passes over zeros."""
        return sum(layer.sparse for layer in self.layers)

    @property
    def with_weights(self) -> int:
        """How many layers have weights."""
        return sum(layer.zeros is not None for layer in self.layers)


@dataclass(frozen=True)
class Forecast:
    """What a network is predicted to take at one sparsity.

    Attributes:
        sparsity: Share of zeros in each pruned layer.
        pattern: How they lie, in a recipe's words.
        planned: Its plan.
        excess: Why it does not fit; empty if it does.
    """

    sparsity: float
    pattern: str
    planned: Planned
    excess: str


def planned_on(tflite: bytes, board: Board) -> Planned:
    """Plans an int8 network for a board, whatever its size.

    Raises:
        ModelError: Firmware cannot run it.
        ConfigError: The board's firmware runs plans of another version.
    """
    plan = compiled_for(tflite, board)
    return Planned(layers_of(tflite, plan), plan)
