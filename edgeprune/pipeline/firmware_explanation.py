"""What firmware would make of a model on a board, before anything is pushed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edgeprune.artifacts.model import Storage
from edgeprune.devices.boards import Board, load_board
from edgeprune.errors import ConfigError
from edgeprune.firmware.board import Room, excess
from edgeprune.firmware.ends import conversions
from edgeprune.firmware.planned import Forecast, Planned, planned_on
from edgeprune.models.tflite import graph
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.firmware_jobs import ForecastJob, forecasts_in_child
from edgeprune.pipeline.jobs import compress_in_child
from edgeprune.pipeline.planned import room_for
from edgeprune.pipeline.preflight import check_model
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe

WHAT_IF_SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class FirmwareExplained:
    """What firmware would make of a model.

    Attributes:
        board: The board.
        room: What a network may take of it.
        recipe: In force.
        as_it_is: The network in int8, with nothing pruned.
        compressed: What ``deploy`` with the same recipe and without data would push; None where
            that is the same.
        excess: Why what would be pushed does not fit; empty if it does.
        what_if: The same at other sparsities in the core's pattern; empty where that was not asked
            for, or where the weights are integers.
        remarks: What is left out, a line each.
    """

    board: Board
    room: Room
    recipe: Recipe
    as_it_is: Planned
    compressed: Planned | None
    excess: str
    what_if: tuple[Forecast, ...]
    remarks: tuple[str, ...]

    @property
    def pushed(self) -> Planned:
        """What would be pushed."""
        return self.compressed or self.as_it_is


def explain_firmware(
    request: Request, progress: Progress, *, release: str | None = None, what_if: bool = False
) -> FirmwareExplained:
    """Plans a model for a board, as it is and compressed, without a device.

    A float model is quantized with ranges of random inputs, which change neither sizes nor kernels.

    Args:
        request: What the user asked for; its data are not looked at.
        progress: Shows what is going on.
        release: ``--release``, which firmware has none of.
        what_if: Predict other sparsities as well.

    Raises:
        ModelError: The firmware cannot run the model.
        ConfigError: The board is none, or a release was named.
    """
    board = load_board(request.board)
    if release is not None:
        raise ConfigError(f"--release {release}: {board.name} runs firmware of this edgeprune")
    check_model(Path(request.model))
    room = room_for(request, board)
    done = compress_in_child(dataclasses.replace(request, must_fit=False), board.cpu, progress)
    deployed = done.sparsified.tflite
    first = done.dense_int8 or deployed
    as_it_is = planned_on(first, board)
    compressed = None if first == deployed else planned_on(deployed, board)
    pushed, converted = compressed or as_it_is, conversions(graph.view(first))
    remarks = [converted] if converted else []
    cells: tuple[Forecast, ...] = ()
    if what_if and _is_float(done):
        table = dataclasses.replace(done.recipe.prune, pattern="kernel")
        with progress.stage("what if"):
            job = ForecastJob(done.dense, table, WHAT_IF_SPARSITIES, board, room)
            cells = forecasts_in_child(job)
    elif what_if:
        remarks.append("no what-if: the weights are integers, and pruning starts from floats")
    wrong = excess(pushed.flash_bytes, pushed.ram_bytes, room)
    return FirmwareExplained(
        board, room, done.recipe, as_it_is, compressed, wrong, cells, tuple(remarks)
    )


def _is_float(done: Compressed) -> bool:
    from edgeprune.load import stored_as

    stored: Storage = stored_as(done.dense)
    return stored == "float32"
