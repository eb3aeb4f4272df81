"""Which device half a board needs."""

from __future__ import annotations

from edgeprune.devices.boards import MICROCONTROLLER, Board
from edgeprune.pipeline.device_half import CommandHalf
from edgeprune.pipeline.firmware_half import FirmwareHalf


def half_for(board: Board) -> type[CommandHalf] | type[FirmwareHalf]:
    """Which device half a board needs."""
    return FirmwareHalf if board.kind == MICROCONTROLLER else CommandHalf
