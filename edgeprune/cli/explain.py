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
    from edgeprune.pipeline.explanation import Explained
    from edgeprune.recipe import Recipe


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
    from edgeprune.pipeline.explanation import explain as explained
    from edgeprune.progress import Progress

    with Progress(brief=not verbose) as progress, progress.stage("explain"):
        found = explained(model, board, recipe, release, what_if, **loading)
    for remark in found.remarks:
        click.echo(remark, err=True)
    if as_json:
        print_json(document(found))
        return
    from edgeprune.report.explained import is_worth_compressing

    # A file that runs sparse already, or that compressing does not help, can only be measured.
    is_done = found.stored.sparse or not is_worth_compressing(found.stored, found.after)
    then = "run" if is_done and model.suffix == ".tflite" else "deploy"
    command = f"edgeprune {then} {model} --board {board} --data DATA"
    _print(found, f"{model.name} on {found.board}", command, verbose=verbose)


def _print(found: Explained, head: str, command: str, *, verbose: bool) -> None:
    from edgeprune.report.explained import print_explained
    from edgeprune.report.forecast import print_grid
    from edgeprune.report.terminal import stdout

    console, plan, stored = stdout(), found.plan, found.stored
    print_explained(head, plan, stored, found.recipe, found.after, command, console)
    if verbose:
        _print_all(found, console)
    if found.what_if:
        print_grid(found.what_if, console)


def _print_all(found: Explained, console: Console) -> None:
    from edgeprune.report.forecast import print_forecast
    from edgeprune.report.plan import print_plan

    plan = found.plan
    print_plan(plan, console)
    whose = "will" if found.is_stored_sparse else "would, stored sparse,"
    line = f"{len(plan.sparse)} of {len(plan.layers)} layers {whose} run sparse"
    console.print(line, style="bold")
    print_forecast(found.stored, found.recipe, found.after, console)


def document(found: Explained) -> dict[str, Any]:
    """All that is known, as ``--json`` prints it."""
    head = {
        "board": found.board,
        "release": found.release,
        "assume_sparse_storage": not found.is_stored_sparse,
    }
    cells = list(found.what_if)
    return (
        head
        | _plan_json(found.plan, found.stored)
        | _forecast_json(found.recipe, found.after, cells)
    )


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
