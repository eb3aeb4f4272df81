"""What pruning would make of a float model on a microcontroller, before anything is trained.

Weights are zeroed at once, the smallest first, and quantized with ranges of random inputs: what a
plan takes depends on how many zeros there are and in which pattern, hardly on which ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.devices.boards import Board
from edgeprune.firmware.board import Room, excess
from edgeprune.firmware.planned import Forecast, planned_on
from edgeprune.pruning import prune
from edgeprune.quantize import quantize
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

_NO_FILE = ModelFile(Path(), "", "tflite")


def firmware_forecasts(
    dense: bytes, table: PruneTable, sparsities: Iterable[float], board: Board, room: Room
) -> tuple[Forecast, ...]:
    """Plans a float model at several sparsities.

    Args:
        dense: The model as float TFLite.
        table: How to prune. Allocations and criteria that need data count as uniform, by magnitude.
        sparsities: In [0, 1); with 0 nothing is pruned.
        board: A microcontroller.
        room: What the plan may take.

    Raises:
        ModelError: The firmware cannot run the model, or it cannot be quantized.
    """
    at_once = dataclasses.replace(table, allocation="uniform", criterion="magnitude", layers="all")
    return tuple(
        _forecast(dense, dataclasses.replace(at_once, sparsity=sparsity), board, room)
        for sparsity in sparsities
    )


def _forecast(dense: bytes, table: PruneTable, board: Board, room: Room) -> Forecast:
    pruned = prune(Loaded(_NO_FILE, tflite=dense), table, StageContext(cpu=board.cpu)).model.tflite
    plan = planned_on(quantize(pruned or dense, "int8", None, seed=table.seed).tflite, board)
    wrong = excess(plan.flash_bytes, plan.ram_bytes, room)
    return Forecast(table.sparsity, table.pattern, plan, wrong)
