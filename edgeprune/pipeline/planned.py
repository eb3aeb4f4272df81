"""What stands in for the stage ``sparsify`` where firmware runs the model: its plan."""

from __future__ import annotations

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.stored import Sparsified
from edgeprune.auto.firmware_forecast import firmware_forecasts
from edgeprune.devices.boards import MICROCONTROLLER, Board, load_board
from edgeprune.errors import ConfigError, ModelError, VerifyError
from edgeprune.firmware.board import (
    REMEDIES,
    Room,
    compiled_for,
    excess,
    limited,
    plan_for,
    room_of,
)
from edgeprune.firmware.facts import sparse_layers
from edgeprune.firmware.planned import Forecast
from edgeprune.models.tflite import graph
from edgeprune.pipeline.request import Request
from edgeprune.recipe import Recipe


def room_for(request: Request, board: Board) -> Room:
    """What a network may take of a board, with the user's limits."""
    return limited(room_of(board), request.max_size, request.max_memory)


def planned(tflite: bytes, board: Board, request: Request) -> Sparsified:
    """The file as it is, with the layers that the firmware will run sparse.

    The plan stores zeros as each layer is cheapest; nothing in the file says how.

    Args:
        tflite: An int8 network.
        board: Where it is to run.
        request: What the user allows it to take.

    Raises:
        ModelError: The firmware cannot run the file, or it does not fit into the board.
        VerifyError: It takes more than the user allows.
    """
    plan = plan_for(tflite, board) if request.must_fit else compiled_for(tflite, board)
    wrong = excess(len(plan.data), plan.arena.bytes, room_for(request, board))
    if wrong and request.must_fit:
        raise VerifyError(f"{wrong}: allow more, or {REMEDIES}")
    subgraph = graph.view(tflite).subgraphs[0]
    outputs = [int(subgraph.operators[k].outputs[0]) for k in sparse_layers(plan.data)]
    names = tuple(graph.tensor_name(subgraph.tensors[index]) for index in outputs)
    return Sparsified(tflite, (), names, ())


def misfit(tflite: bytes, board: Board) -> str:
    """Why a network is too large for a board; empty where it fits."""
    plan = compiled_for(tflite, board)
    return excess(len(plan.data), plan.arena.bytes, room_of(board))


def check_int8(recipe: Recipe, loaded: Loaded) -> None:
    """Refuses what would not become int8, before anything is trained.

    Raises:
        ConfigError: It does.
    """
    if loaded.stored in ("float16", "sparse"):
        how = "as float16" if loaded.stored == "float16" else "sparse"
        raise ConfigError(
            f"firmware computes on int8, and the file stores its weights {how}, which cannot be "
            "quantized again: give the float32 model that it was made from"
        )
    others = [one for one in recipe.quantize.layers if one.mode != "int8"]
    if others and loaded.stored != "integers":
        raise ConfigError(
            f"firmware computes on int8 alone, and the recipe {recipe.name} has [quantize] layers "
            f'with layer = "{others[0].layer}", mode = "{others[0].mode}": leave them out, or '
            "deploy to a board with Linux"
        )
    if loaded.stored == "integers" or recipe.quantize.mode == "int8":
        return
    if recipe.name == "as-is":
        raise ConfigError(
            "firmware computes on int8, and the model does not: `edgeprune deploy` quantizes it"
        )
    raise ConfigError(
        f"firmware computes on int8, and the recipe {recipe.name} has [quantize] mode = "
        f'"{recipe.quantize.mode}": use --quantize int8'
    )


def check_size(request: Request, recipe: Recipe, tflite: bytes) -> None:
    """Refuses, before it is trained, what will be too large for a microcontroller.

    Raises:
        ModelError: It does not fit into the board.
        VerifyError: It takes more than the user allows.
    """
    board = load_board(request.board)
    if board.kind != MICROCONTROLLER or not recipe.prune.sparsity or not request.must_fit:
        return
    room = room_for(request, board)
    (found,) = firmware_forecasts(tflite, recipe.prune, (recipe.prune.sparsity,), board, room)
    if found.excess:
        raise _too_large(request, board, found, f"at {found.sparsity:.0%} sparsity ")


def _too_large(
    request: Request, board: Board, found: Forecast, when: str
) -> ModelError | VerifyError:
    """By whose limit it is: the board's, or the user's."""
    if "--max-" in found.excess:
        return VerifyError(f"{when}{found.excess}: allow more, or {REMEDIES}")
    return ModelError(f"{board.name} cannot run the model: {when}{found.excess}: {REMEDIES}")
