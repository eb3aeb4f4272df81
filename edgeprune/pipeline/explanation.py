"""What a model costs on a board before anything is done to it, and what pruning would bring."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeprune.artifacts.model import Storage
from edgeprune.artifacts.plan import Forecast, Plan
from edgeprune.devices.boards import Board, Cpu, load_board, resolved_cpu
from edgeprune.pipeline.jobs import ReadFile, read_in_child
from edgeprune.pipeline.preflight import brings_kernels, check_brings_kernels, check_model
from edgeprune.recipe import Recipe, with_channels

if TYPE_CHECKING:
    from edgeprune.artifacts.stored import KernelChoice
    from edgeprune.sparsify.kernel_choice import OwnLayer

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
    read = read_in_child(model, allow_code, input_shape, board)
    tflite = read.tflite
    stored = plan_of(tflite, cpu, release=release)
    own, choices = _own_kernels(read, kind, cpu, recipe.sparsify.kernels)
    remarks += _choice_remarks(read, choices, cpu, recipe.sparsify.kernels)
    stored = _with_own(_with_choices(stored, choices, cpu), own, cpu)
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


def _own_kernels(
    read: ReadFile, board: Board, cpu: Cpu, kernels: str
) -> tuple[tuple[OwnLayer, ...], tuple[KernelChoice, ...]]:
    """Layers that a file has in edgeprune's own kernels, and whose kernel others would get."""
    from edgeprune.load import stored_as
    from edgeprune.sparsify import stored_dense
    from edgeprune.sparsify.kernel_choice import kernel_choices
    from edgeprune.sparsify.own_kernels import layers_of

    if stored_as(read.tflite) != "integers":
        return (), ()
    layers = layers_of(stored_dense(read.tflite))
    if read.own:
        check_brings_kernels(board)
    is_open = kernels != "runtime" and brings_kernels(board)
    choices = kernel_choices(layers, cpu, kernels) if is_open else ()
    return tuple(layer for layer in layers if layer.name in read.own), choices


def _choice_remarks(
    read: ReadFile, choices: Sequence[KernelChoice], cpu: Cpu, kernels: str
) -> list[str]:
    """What ``compress`` would choose, in words; nothing of a file for which something chose."""
    from edgeprune.sparsify.kernel_choice import choice_lines

    if read.own or not choices:
        return []
    return [f"compressed, {line}" for line in choice_lines(choices, cpu, kernels)]


def _with_choices(plan: Plan, choices: Sequence[KernelChoice], cpu: Cpu) -> Plan:
    """The plan, whose remedies for int8 layers say what edgeprune's own kernels would do."""
    from edgeprune.prediction.own_kernels import kernel_of
    from edgeprune.sparsify.kernel_choice import MIN_AUTO_SPARSITY, OWN_PATTERN

    remedies = {}
    for choice in choices:
        if choice.is_own:
            remedies[choice.name] = (
                f"`edgeprune compress` puts it into edgeprune's {kernel_of(cpu)}"
            )
        elif choice.own_cost is not None and choice.block_sparsity < MIN_AUTO_SPARSITY:
            remedies[choice.name] = (
                f"zeros in blocks of {OWN_PATTERN} let edgeprune's own kernels run it"
            )
        else:
            remedies[choice.name] = ""
    operators = tuple(
        dataclasses.replace(operator, remedy=remedies.get(operator.name, operator.remedy))
        for operator in plan.operators
    )
    return dataclasses.replace(plan, operators=operators)


def _with_own(plan: Plan, own: Sequence[OwnLayer], cpu: Cpu) -> Plan:
    """The plan, in which these layers run in edgeprune's own kernels."""
    from edgeprune.prediction.own_kernels import kernel_of

    named = {layer.name: layer for layer in own}
    operators = tuple(
        operator
        if operator.name not in named
        else dataclasses.replace(
            operator,
            has_sparse_kernel=True,
            sparse=True,
            kernel=kernel_of(cpu),
            reason="the file has it in edgeprune's own kernels",
            remedy="",
            spoiler="",
            block=1,
            weights=named[operator.name].weights,
            zeros=named[operator.name].zeros,
        )
        for operator in plan.operators
    )
    return dataclasses.replace(plan, operators=operators)


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
