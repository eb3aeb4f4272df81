"""What is forecast for a microcontroller in a child process, where the model is run."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.auto.firmware_forecast import firmware_forecasts
from edgeprune.devices.boards import Board
from edgeprune.firmware.board import Room
from edgeprune.firmware.planned import Forecast
from edgeprune.models.tflite import graph
from edgeprune.progress import Progress
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.sandbox.parent import ANSWER_BYTES, confined

_FORECAST_S = 1800.0
"""How long forecasts of one model may take. Source: ours; small networks take half a second each.
"""


@dataclass(frozen=True)
class ForecastJob:
    """A float model to plan at several sparsities.

    Attributes:
        dense: The model as float TFLite.
        table: How to prune.
        sparsities: In [0, 1).
        board: A microcontroller.
        room: What the plan may take.
    """

    dense: bytes
    table: PruneTable
    sparsities: tuple[float, ...]
    board: Board
    room: Room


def forecast_for_firmware(request: ForecastJob, progress: Progress) -> tuple[Forecast, ...]:
    """The plans, as the job asks for them."""
    dense = graph.opened(request.dense)
    return firmware_forecasts(dense, request.table, request.sparsities, request.board, request.room)


def forecasts_in_child(job: ForecastJob) -> tuple[Forecast, ...]:
    """:func:`forecast_for_firmware`, in a child.

    Raises:
        ModelError: As there; or the child crashed, hung, or ran out of memory.
    """
    limit = ANSWER_BYTES + 16 * len(job.sparsities) * len(job.dense)
    return confined(forecast_for_firmware, job, answer_bytes=limit, timeout_s=_FORECAST_S)
