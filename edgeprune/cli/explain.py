"""``edgeprune explain``: which layers will run sparse on a board, what they cost, and why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options import (
    board_option,
    json_option,
    load_options,
    model_argument,
    recipe_options,
    verbose_option,
)

if TYPE_CHECKING:
    from rich.console import Console

    from edgeprune.artifacts.plan import Forecast, Plan
    from edgeprune.devices.boards import Cpu
    from edgeprune.recipe import Recipe

WHAT_IF_SPARSITIES = (0.7, 0.8, 0.9)
WHAT_IF_PATTERNS = ("unstructured", "2x1", "4x1")


@click.command(epilog="Example: edgeprune explain model.tflite --board rpi4")
@model_argument
@board_option()
@click.option("--release", help="Release of the runtime, as 2.1; the board's own if not given.")
@click.option("--what-if", is_flag=True, help="Predict other sparsities and patterns as well.")
@recipe_options
@load_options
@verbose_option
@json_option
def explain(
    model: Path,
    board: str,
    release: str | None,
    what_if: bool,
    recipe: Recipe,
    verbose: bool,
    as_json: bool,
    **loading: Any,
) -> None:
    """Say for each layer of MODEL whether it will run sparse on a board, and if not, why.

    Predicts what it costs, and what `edgeprune compress` with the same recipe would make of it.
    Works from the file alone. Reads .tflite files as they are; others are converted first.
    """
    from edgeprune.devices.boards import load_board, resolved_cpu
    from edgeprune.pipeline import float_tflite
    from edgeprune.pipeline.preflight import check_model
    from edgeprune.prediction import explain as plan_of
    from edgeprune.prediction.xnnpack.releases import LATEST
    from edgeprune.recipe import with_channels
    from edgeprune.report.explained import print_explained
    from edgeprune.report.forecast import print_grid
    from edgeprune.report.terminal import stdout

    recipe = with_channels(recipe)
    if not recipe.channels.is_noop:
        click.echo(
            "explain leaves all channels in: `edgeprune compress` removes them, and its table says "
            "what that saves",
            err=True,
        )
    check_model(model)
    kind = load_board(board)
    cpu = resolved_cpu(kind.cpu)
    release = release or (kind.runtime.version if kind.runtime.has_xnnpack else LATEST)
    tflite = float_tflite(model, board=board, **loading)
    stored = plan_of(tflite, cpu, release=release)
    has_sparse_hint = bool(stored.sparse or stored.wrong)
    plan = stored if has_sparse_hint else plan_of(tflite, cpu, assume_hint=True, release=release)
    if as_json:
        in_force, after = _compressed(tflite, recipe, cpu)
        cells = _cells(tflite, cpu) if what_if and after else []
        head = {
            "board": kind.name,
            "release": release,
            "assume_sparse_storage": not has_sparse_hint,
        }
        print_json(head | _plan_json(plan, stored) | _forecast_json(in_force, after, cells))
        return
    click.echo("predicting what `edgeprune compress` would make of it", err=True)
    in_force, after = _compressed(tflite, recipe, cpu)
    console = stdout()
    # A file that runs sparse already is done.
    then = "run" if stored.sparse else "deploy"
    command = f"edgeprune {then} {model} --board {board} --data DATA"
    print_explained(f"{model.name} on {kind.name}", plan, stored, in_force, after, command, console)
    if verbose:
        _print_all(plan, stored, in_force, after, console)
    if what_if and after:
        print_grid(_cells(tflite, cpu), console)


def _print_all(
    plan: Plan, stored: Plan, in_force: Recipe, after: Forecast | None, console: Console
) -> None:
    from edgeprune.report.forecast import print_forecast
    from edgeprune.report.plan import print_plan

    print_plan(plan, console)
    whose = "will" if plan is stored else "would, stored sparse,"
    found = f"{len(plan.sparse)} of {len(plan.layers)} layers {whose} run sparse"
    console.print(found, style="bold")
    print_forecast(stored, in_force, after, console)


def _cells(tflite: bytes, cpu: Cpu) -> list[Forecast]:
    from edgeprune.auto.forecast import grid

    return grid(tflite, WHAT_IF_SPARSITIES, WHAT_IF_PATTERNS, cpu)


def _compressed(tflite: bytes, recipe: Recipe, cpu: Cpu) -> tuple[Recipe, Forecast | None]:
    """The recipe that ``compress`` would follow, and what it would make of the model.

    None in place of a forecast for integer arithmetic, whose cost nobody has measured.
    """
    from edgeprune.auto.choice import choose
    from edgeprune.auto.forecast import forecast
    from edgeprune.load import stored_as
    from edgeprune.quantize import INTEGER_MODES, check_mode
    from edgeprune.sparsify import stored_dense

    stored, tflite = stored_as(tflite), stored_dense(tflite)
    in_force = choose(recipe, cpu, tflite, stored=stored, has_data=True)
    check_mode(tflite, in_force.quantize.mode)
    if stored == "integers" or in_force.quantize.mode in INTEGER_MODES:
        return in_force, None
    return in_force, forecast(tflite, in_force.prune, cpu)


def _plan_json(plan: Plan, stored: Plan) -> dict[str, Any]:
    layers = [dataclasses.asdict(layer) for layer in plan.layers]
    predicted = {
        "dense": stored.dense_instructions,
        "as_stored": stored.instructions,
        "measured_core": stored.cost_core or None,
        "rough": list(stored.rough),
        "unpredicted": list(stored.unpredicted),
    }
    raw = dataclasses.asdict(plan)
    return {
        "predicted_instructions": predicted,
        "layers": layers,
        "operators": raw["operators"],
        "clusters": raw["clusters"],
        "wrong": raw["wrong"],
    }


def _forecast_json(
    in_force: Recipe, after: Forecast | None, cells: list[Forecast]
) -> dict[str, Any]:
    def summary(found: Forecast) -> dict[str, Any]:
        return {
            "sparsity": found.sparsity,
            "pattern": found.pattern,
            "instructions": found.plan.instructions,
            "sparse_layers": len(found.plan.sparse),
            "layers": len(found.plan.layers),
            "summary": found.summary,
            "steps": list(found.steps),
            "refused": list(found.refused),
        }

    return {
        "recipe": {"name": in_force.name, "why": in_force.why},
        "compress": summary(after) if after else None,
        "what_if": [summary(cell) for cell in cells],
    }
