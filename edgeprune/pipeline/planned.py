"""What stands in for the stage ``sparsify`` where firmware runs the model: its plan."""

from __future__ import annotations

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.stored import Sparsified
from edgeprune.devices.boards import Board
from edgeprune.errors import ConfigError
from edgeprune.firmware.board import plan_for
from edgeprune.firmware.facts import sparse_layers
from edgeprune.models.tflite import graph
from edgeprune.recipe import Recipe


def planned(tflite: bytes, board: Board) -> Sparsified:
    """The file as it is, with the layers that the firmware will run sparse.

    The plan stores zeros as each layer is cheapest; nothing in the file says how.

    Raises:
        ModelError: The firmware cannot run the file, or it does not fit into the board.
    """
    plan = plan_for(tflite, board)
    subgraph = graph.view(tflite).subgraphs[0]
    outputs = [int(subgraph.operators[k].outputs[0]) for k in sparse_layers(plan.data)]
    names = tuple(graph.tensor_name(subgraph.tensors[index]) for index in outputs)
    return Sparsified(tflite, (), names, ())


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
