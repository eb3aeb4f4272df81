"""What the tables do not say: lines about how the files were made."""

from __future__ import annotations

from edgeprune.artifacts.model import LoadRecord
from edgeprune.artifacts.pruned import PruneRecord
from edgeprune.artifacts.stored import Quantized, Rewritten
from edgeprune.devices.boards import Board
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.recipe import Recipe


def notes(
    recipe: Recipe,
    loaded: LoadRecord,
    pruned: PruneRecord,
    quantized: Quantized,
    *,
    has_data: bool,
) -> tuple[str, ...]:
    """Lines on recipe, loading, pruning and fitness for use, in that order."""
    lines = [f"recipe {recipe.name}: {recipe.why}"] if recipe.why else []
    lines += [*loaded.notes, *pruned.notes]
    if pruned.tensors:
        zeros = sum(tensor.zeros for tensor in pruned.tensors)
        weights = sum(tensor.weights for tensor in pruned.tensors)
        count = len(pruned.tensors)
        lines.append(
            f"pruned: {zeros:,} of {weights:,} weights ({zeros / weights:.2%}) "
            f"in {count} tensor{'s' if count > 1 else ''}"
        )
    if not has_data:
        lines.append("accuracy was not measured: no --data was given")
    if quantized.profiling_only:
        lines.append(
            f"{quantized.mode} ranges were calibrated on random inputs: "
            "fit to be measured, not used"
        )
    return tuple(lines)


def board_notes(board: Board) -> tuple[str, ...]:
    """Lines on what a board's runtime lacks beside the current one."""
    if board.runtime.use != "tflite-runtime":
        return ()
    return (
        f"the runtime is tflite-runtime, at most {board.runtime.version}, the last for 32-bit Arm: "
        "it is older than LiteRT, holds no XNNPACK and so no sparse kernels, and names no kernels "
        "(no layers below)",
    )


def rewrite_notes(rewritten: Rewritten) -> tuple[str, ...]:
    """Lines on what the rewrite stage won, and on each pass: what it did, and what it refused."""
    if not rewritten.summary:
        return ()
    lines = [f"rewrite: {rewritten.summary}"]
    kinds: dict[tuple[str, bool, str], list[str]] = {}
    for note in rewritten.notes:
        key = (note.rewrite, note.done, note.detail)
        kinds.setdefault(key, []).append(short_name(note.layer))
    for (name, is_done, detail), layers in kinds.items():
        where = layers[0] if len(layers) == 1 else f"{len(layers)} places, first {layers[0]}"
        lines.append(f"{name}{'' if is_done else ' refused'}: {detail} ({where})")
    return tuple(lines)
