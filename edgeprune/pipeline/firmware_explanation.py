"""What firmware would make of a model on a board, before anything is pushed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.boards import Board, load_board
from edgeprune.errors import ConfigError
from edgeprune.firmware.board import plan_for
from edgeprune.firmware.ends import conversions
from edgeprune.firmware.layers import PlannedLayer, layers_of
from edgeprune.firmware.plan import Plan
from edgeprune.models.tflite import graph
from edgeprune.pipeline.jobs import compress_in_child
from edgeprune.pipeline.preflight import check_model
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe


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
class FirmwareExplained:
    """What firmware would make of a model.

    Attributes:
        board: The board.
        recipe: In force.
        as_it_is: The network in int8, with nothing pruned.
        compressed: What ``deploy`` with the same recipe and without data would push; None where
            that is the same.
        remarks: What is left out, a line each.
    """

    board: Board
    recipe: Recipe
    as_it_is: Planned
    compressed: Planned | None
    remarks: tuple[str, ...]


def explain_firmware(
    request: Request, progress: Progress, *, release: str | None = None, what_if: bool = False
) -> FirmwareExplained:
    """Plans a model for a board, as it is and compressed, without a device.

    A float model is quantized with ranges of random inputs, which change neither sizes nor kernels.

    Args:
        request: What the user asked for; its data are not looked at.
        progress: Shows what is going on.
        release: ``--release``, which firmware has none of.
        what_if: ``--what-if``.

    Raises:
        ModelError: The firmware cannot run the model, or it does not fit into the board.
        ConfigError: The board is none, or a release was named.
    """
    board = load_board(request.board)
    if release is not None:
        raise ConfigError(f"--release {release}: {board.name} runs firmware of this edgeprune")
    check_model(Path(request.model))
    done = compress_in_child(request, board.cpu, progress)
    deployed = done.sparsified.tflite
    first = done.dense_int8 or deployed
    remarks = ["--what-if: not predicted for microcontrollers yet"] if what_if else []
    converted = conversions(graph.view(first))
    remarks += [converted] if converted else []
    as_it_is = _planned(first, board)
    compressed = None if first == deployed else _planned(deployed, board)
    return FirmwareExplained(board, done.recipe, as_it_is, compressed, tuple(remarks))


def _planned(tflite: bytes, board: Board) -> Planned:
    plan = plan_for(tflite, board)
    return Planned(layers_of(tflite, plan), plan)
