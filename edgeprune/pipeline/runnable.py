"""Whether a board can run a model, whatever runs models there."""

from __future__ import annotations

from edgeprune.devices.boards import MICROCONTROLLER, Board
from edgeprune.firmware import board as firmware
from edgeprune.prediction import runnable


def check_runnable(tflite: bytes, board: Board, *, must_fit: bool = True) -> None:
    """Refuses a model that a board cannot run, before anything is trained or sent.

    Args:
        tflite: A model whose open shapes are fixed.
        board: Where it is to run.
        must_fit: Whether it is refused where a microcontroller's memory is too small for it.

    Raises:
        ModelError: It cannot run there; what is missing is named.
    """
    if board.kind == MICROCONTROLLER:
        firmware.check_runnable(tflite, board, must_fit=must_fit)
    else:
        runnable.check_runnable(tflite, board.runtime, board.name)
