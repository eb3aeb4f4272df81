"""What a model costs on a board before anything is done to it, and what pruning would bring."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edgeprune.artifacts.model import Storage
from edgeprune.artifacts.plan import Forecast, Plan
from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.pipeline.jobs import read_in_child
from edgeprune.pipeline.preflight import check_model
from edgeprune.recipe import Recipe, with_channels

WHAT_IF_SPARSITIES = (0.7, 0.8, 0.9)
WHAT_IF_PATTERNS = ("unstructured", "2x1", "4x1")


@dataclass(frozen=True)
class Explained:
    """What a runtime does with a model on a board.

    Attributes:
        board: The board's name.
        release: The runtime's release.
        stored: Each layer as the file stores it.
        plan: Each layer, where nothing is stored sparse as if it were.
        is_stored_sparse: Whether the file stores layers sparse, so that ``plan`` is ``stored``.
        recipe: What ``compress`` would follow.
        after: What it would make of the model; None for integer arithmetic, whose cost nobody has
            measured.
        what_if: The same for other sparsities and patterns; empty where it was not asked for, or
            where the weights are integers.
        remarks: What it leaves out, a line each.
    """

    board: str
    release: str
    stored: Plan
    plan: Plan
    is_stored_sparse: bool
    recipe: Recipe
    after: Forecast | None
    what_if: tuple[Forecast, ...]
    remarks: tuple[str, ...]


def explain(
    model: Path,
    board: str,
    recipe: Recipe,
    release: str | None = None,
    what_if: bool = False,
    allow_code: bool = False,
    input_shape: tuple[int, ...] | None = None,
) -> Explained:
    """Looks at a model for a board, without a device.

    Args:
        model: The user's MODEL; what is no ``.tflite`` file is converted first.
        board: Name of the board, or its file.
        recipe: Followed by the forecast.
        release: Of the runtime; None takes the board's own.
        what_if: Predict other sparsities and patterns as well.
        allow_code: Load files that carry code.
        input_shape: Fills what the model leaves open, without the batch.

    Raises:
        ModelError: The model cannot be treated as asked.
        ConfigError: There is no such board or release.
    """
    from edgeprune.load import stored_as
    from edgeprune.prediction import explain as plan_of
    from edgeprune.prediction.xnnpack.releases import LATEST

    kind = load_board(board)
    recipe = with_channels(recipe)
    remarks = []
    if not recipe.channels.is_noop:
        remarks.append(
            "explain leaves all channels in: `edgeprune compress` removes them, and its table says "
            "what that saves"
        )
    if recipe.steps:
        remarks.append(
            "explain carries out none of the recipe's [[steps]]: `edgeprune compress` does, and "
            "its table says what they save"
        )
    check_model(model)
    cpu = resolved_cpu(kind.cpu)
    release = release or (kind.runtime.version if kind.runtime.has_xnnpack else LATEST)
    tflite = read_in_child(model, allow_code, input_shape, board)
    stored = plan_of(tflite, cpu, release=release)
    is_sparse = bool(stored.sparse or stored.wrong)
    plan = stored if is_sparse else plan_of(tflite, cpu, assume_hint=True, release=release)
    in_force, after = _compressed(tflite, recipe, cpu)
    plan = _with_true_remedies(plan, stored_as(tflite), in_force)
    cells = _what_if(tflite, cpu) if what_if else ()
    if what_if and not cells:
        remarks.append("no what-if: the weights are integers, and pruning starts from floats")
    return Explained(
        kind.name, release, stored, plan, is_sparse, in_force, after, cells, tuple(remarks)
    )


def _with_true_remedies(plan: Plan, stored: Storage, recipe: Recipe) -> Plan:
    """The plan, whose remedies promise of ``compress`` only what it does with this file."""
    if stored == "sparse" or (stored == "float32" and recipe.prune.sparsity):
        return plan
    when = "with --sparsity" if stored == "float32" else "with a float32 file"
    operators = tuple(
        dataclasses.replace(layer, remedy=f"{when}, {layer.remedy}")
        if layer.remedy.startswith("`edgeprune compress`")
        else layer
        for layer in plan.operators
    )
    return dataclasses.replace(plan, operators=operators)


def _compressed(tflite: bytes, recipe: Recipe, cpu: Cpu) -> tuple[Recipe, Forecast | None]:
    """The recipe that ``compress`` would follow, and what it would make of the model."""
    from edgeprune.auto.choice import choose
    from edgeprune.auto.forecast import forecast
    from edgeprune.load import stored_as
    from edgeprune.quantize import INTEGER_MODES, check_mode
    from edgeprune.sparsify import stored_dense

    stored, tflite = stored_as(tflite), stored_dense(tflite)
    in_force = choose(recipe, cpu, tflite, stored=stored, has_data=True)
    check_mode(tflite, in_force.quantize.mode, in_force.quantize.layers)
    if stored == "integers" or not in_force.quantize.modes.isdisjoint(INTEGER_MODES):
        return in_force, None
    return in_force, forecast(tflite, in_force.prune, cpu)


def _what_if(tflite: bytes, cpu: Cpu) -> tuple[Forecast, ...]:
    """Whatever the recipe does: it asks what floats with zeros would cost."""
    from edgeprune.auto.forecast import grid
    from edgeprune.load import stored_as
    from edgeprune.sparsify import stored_dense

    if stored_as(tflite) == "integers":
        return ()
    return tuple(grid(stored_dense(tflite), WHAT_IF_SPARSITIES, WHAT_IF_PATTERNS, cpu))
