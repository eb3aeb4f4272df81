"""What is looked at before anything slow begins: no TensorFlow, and no device."""

from __future__ import annotations

from pathlib import Path

from edgeprune.data.early import check_data
from edgeprune.data.patience import Late, within
from edgeprune.data.source import ANSWER_S
from edgeprune.devices.boards import MICROCONTROLLER, Board, load_board
from edgeprune.errors import ConfigError, ModelError
from edgeprune.pipeline.request import Request
from edgeprune.recipe import load_recipe


def look_at(model: Path, board: str, data: str | None) -> Board:
    """Looks at what the user named, in this order.

    Args:
        model: The user's MODEL.
        board: Name of the board, or its file.
        data: The user's ``--data``, or None.

    Raises:
        ModelError: Model or data are missing, or no such thing; the message says what else may be
            meant.
        ConfigError: As :func:`board_of`.
    """
    check_model(model)
    chosen = board_of(board)
    if data is not None:
        check_data(data)
    return chosen


def check_limits(request: Request, board: Board) -> None:
    """Refuses limits that mean nothing on a board.

    Raises:
        ConfigError: A size of flash or RAM was limited, and the board is no microcontroller.
    """
    given = {"--max-size": request.max_size, "--max-memory": request.max_memory}
    asked = [option for option, limit in given.items() if limit is not None]
    if asked and board.kind != MICROCONTROLLER:
        raise ConfigError(
            f"{asked[0]} limits flash and RAM of a microcontroller, and {board.name} is none: "
            "leave it out, or name one of `edgeprune boards`"
        )


def check_model(model: Path) -> None:
    """Checks that the model is there, and may be one.

    Raises:
        ModelError: It is missing, or no model; the message says what else may be meant.
    """
    from edgeprune.load.sniff import sniff

    try:
        within(ANSWER_S, lambda: sniff(model))
    except Late as error:
        raise ModelError(f"{model}: its disk does not answer within {ANSWER_S:g} s") from error


def board_of(name: str) -> Board:
    """The board of a name or of a file, with its recipe looked up as well.

    Raises:
        ConfigError: There is no such board, its file is wrong, or it names a part or a recipe that
            does not exist.
    """
    board = load_board(name)
    try:
        load_recipe(board.recipe.default)
    except ConfigError as error:
        raise ConfigError(f"board {name}: recipe.default: {error}") from error
    return board
