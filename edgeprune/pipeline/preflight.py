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


def check_limits(request: Request, board: Board, *, explains: bool = False) -> None:
    """Refuses limits that mean nothing on a board.

    Args:
        request: What the user asked for.
        board: The board.
        explains: Whether the model is only explained: no file is made then, except for firmware.

    Raises:
        ConfigError: The board is no microcontroller, and its RAM was limited, or the size of a file
            that is not made.
    """
    if board.kind == MICROCONTROLLER:
        return
    if explains and request.max_size is not None:
        raise ConfigError(
            f"--max-size: explain makes no file for {board.name}: leave it out; `edgeprune deploy` "
            "and `edgeprune compress` keep it"
        )
    if request.max_memory is not None:
        raise ConfigError(
            f"--max-memory limits RAM of a microcontroller, and {board.name} is none: leave it "
            "out, or name one of `edgeprune boards`"
        )


def check_kernels(request: Request, board: Board) -> None:
    """Refuses edgeprune's own kernels where its agent in C, which brings them, does not run.

    Raises:
        ConfigError: The board has another agent.
    """
    if request.recipe.sparsify.kernels == "edgeprune" and not brings_kernels(board):
        raise ConfigError(
            f"--kernels edgeprune: {board.name} has the agent {board.agent.use!r}, and edgeprune's "
            "own kernels are in the one in C (agent.use = 'native'): leave it out"
        )


def brings_kernels(board: Board) -> bool:
    """Whether edgeprune's agent on a board brings kernels of its own."""
    return board.agent.use == "native"


def check_brings_kernels(board: Board) -> None:
    """Refuses a file with layers in edgeprune's own kernels where nothing brings these.

    Raises:
        ModelError: The board has another agent.
    """
    if not brings_kernels(board):
        raise ModelError(
            f"layers of the file run in edgeprune's own kernels, and the agent of {board.name}, "
            f"{board.agent.use!r}, brings none: hand in the file for any runtime, which "
            "`edgeprune compress` and `edgeprune deploy` write beside it (-portable.tflite)"
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
