"""``edgeprune explain``: which layers will run sparse on a board, what they cost, and why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.device import board_option
from edgeprune.cli.options.limits import limit_options
from edgeprune.cli.options.model import load_options, model_argument
from edgeprune.cli.options.output import json_option, verbose_option
from edgeprune.cli.options.recipe import recipe_options
from edgeprune.errors import VerifyError

if TYPE_CHECKING:
    from rich.console import Console

    from edgeprune.artifacts.plan import Forecast, Plan
    from edgeprune.firmware.planned import Forecast as PlanForecast
    from edgeprune.firmware.planned import Planned
    from edgeprune.pipeline.explanation import Explained
    from edgeprune.pipeline.firmware_explanation import FirmwareExplained
    from edgeprune.pipeline.request import Request
    from edgeprune.recipe import Recipe


@click.command(epilog="Example: edgeprune explain model.tflite --board rpi4")
@model_argument
@board_option()
@click.option("--release", help="Release of the runtime, as 2.1; the board's own if not given.")
@click.option("--what-if", is_flag=True, help="Predict other sparsities and patterns as well.")
@recipe_options
@limit_options
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
    **rest: Any,
) -> None:
    """Say for each layer of MODEL whether it will run sparse on a board, and if not, why.

    Predicts what it costs, and what `edgeprune compress` with the same recipe would make of it.
    Works from the file alone. Reads .tflite files as they are; others are converted first.
    """
    from edgeprune.devices.boards import MICROCONTROLLER, load_board
    from edgeprune.pipeline.explanation import explain as explained
    from edgeprune.pipeline.preflight import check_limits
    from edgeprune.pipeline.request import Request
    from edgeprune.progress import Progress

    request = Request(model=model, board=board, recipe=recipe, **rest)
    check_limits(request, load_board(board), explains=True)
    if load_board(board).kind == MICROCONTROLLER:
        _explain_firmware(request, release, what_if, as_json=as_json, verbose=verbose)
        return
    with Progress(brief=not verbose) as progress, progress.stage("explain"):
        explanation = explained(
            model, board, recipe, release, what_if, request.allow_code, request.input_shape
        )
    for remark in explanation.remarks:
        click.echo(remark, err=True)
    if as_json:
        print_json(document(explanation))
        return
    from edgeprune.report.explained import is_worth_compressing

    # A file that runs sparse already, or that compressing does not help, can only be measured.
    is_done = explanation.stored.sparse or not is_worth_compressing(
        explanation.stored, explanation.after
    )
    then = "run" if is_done and model.suffix == ".tflite" else "deploy"
    command = f"edgeprune {then} {model} --board {board} --data DATA"
    _print(explanation, f"{model.name} on {explanation.board}", command, verbose=verbose)


def _explain_firmware(
    request: Request, release: str | None, what_if: bool, *, as_json: bool, verbose: bool
) -> None:
    """Says what firmware would make of a model, and whether it fits."""
    from edgeprune.firmware.drawing import as_text
    from edgeprune.pipeline.firmware_explanation import explain_firmware
    from edgeprune.progress import Progress
    from edgeprune.report.planned import print_planned, print_planned_layers, print_what_if
    from edgeprune.report.terminal import stdout

    with Progress(brief=not verbose) as progress:
        found = explain_firmware(request, progress, release=release, what_if=what_if)
    for remark in found.remarks:
        click.echo(remark, err=True)
    if as_json:
        print_json(firmware_document(found))
        _end(found)
        return
    console = stdout()
    plans = [plan for plan in (found.as_it_is, found.compressed) if plan is not None]
    recipe = f"recipe {found.recipe.name}: {found.recipe.why}" if found.recipe.why else ""
    head = f"{request.model.name} on {found.board.name}"
    limits = {"--max-size": request.max_size, "--max-memory": request.max_memory}
    given = "".join(f" {option} {limit}" for option, limit in limits.items() if limit)
    command = f"edgeprune deploy {request.model} --board {request.board} --data DATA{given}"
    if found.excess:
        command += " looks for a sparsity that fits, where it is a Keras model"
    core = found.board.cpu.core
    print_planned(head, plans, found.room, recipe, command, core, console)
    if found.what_if:
        print_what_if(found.what_if, console)
    for name, plan in zip(("as it is", "compressed"), plans if verbose else (), strict=False):
        print_planned_layers(name, plan.layers, console)
        for row in as_text(plan.plan.memory).splitlines():
            click.echo(row)
    _end(found)


def _end(found: FirmwareExplained) -> None:
    """Ends the command as a check that failed, where the network does not fit."""
    if found.excess:
        click.get_current_context().exit(VerifyError.exit_code)


def firmware_document(found: FirmwareExplained) -> dict[str, Any]:
    """All that is known of a plan, as ``--json`` prints it."""
    from edgeprune.prediction.cycles.microcontrollers import estimate_of

    memory = found.board.memory

    def entry(planned: Planned) -> dict[str, Any]:
        estimate = estimate_of(planned.instructions, found.board.cpu.core)
        return {
            "instructions": planned.instructions,
            "predicted_latency_us": None if estimate is None else estimate.latency_us,
            "flash_bytes": planned.flash_bytes,
            "arena_bytes": planned.ram_bytes,
            "arena_lower_bound_bytes": planned.plan.arena.lower_bound_bytes,
            "sparse_layers": planned.sparse,
            "layers": [dataclasses.asdict(layer) for layer in planned.layers],
        }

    def cell(forecast: PlanForecast) -> dict[str, Any]:
        head = {"sparsity": forecast.sparsity, "pattern": forecast.pattern}
        return head | entry(forecast.planned) | {"excess": forecast.excess or None}

    return {
        "board": found.board.name,
        "memory": None if memory is None else dataclasses.asdict(memory),
        "room": dataclasses.asdict(found.room),
        "excess": found.excess or None,
        "recipe": {"name": found.recipe.name, "why": found.recipe.why},
        "as_it_is": entry(found.as_it_is),
        "compressed": None if found.compressed is None else entry(found.compressed),
        "what_if": [cell(one) for one in found.what_if],
    }


def _print(explanation: Explained, head: str, command: str, *, verbose: bool) -> None:
    from edgeprune.report.explained import print_explained
    from edgeprune.report.forecast import print_grid
    from edgeprune.report.terminal import stdout

    console, plan, stored = stdout(), explanation.plan, explanation.stored
    print_explained(head, plan, stored, explanation.recipe, explanation.after, command, console)
    if verbose:
        _print_all(explanation, console)
    if explanation.what_if:
        print_grid(explanation.what_if, console)


def _print_all(explanation: Explained, console: Console) -> None:
    from edgeprune.report.forecast import print_forecast
    from edgeprune.report.plan import print_plan

    plan = explanation.plan
    print_plan(plan, console)
    whose = "will" if explanation.is_stored_sparse else "would, stored sparse,"
    line = f"{len(plan.sparse)} of {len(plan.layers)} layers {whose} run sparse"
    console.print(line, style="bold")
    print_forecast(explanation.stored, explanation.recipe, explanation.after, console)


def document(explanation: Explained) -> dict[str, Any]:
    """All that is known, as ``--json`` prints it."""
    head = {
        "board": explanation.board,
        "release": explanation.release,
        "assume_sparse_storage": not explanation.is_stored_sparse,
    }
    cells = list(explanation.what_if)
    return (
        head
        | _plan_json(explanation.plan, explanation.stored)
        | _forecast_json(explanation.recipe, explanation.after, cells)
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
    clock = stored.clock
    cycles = {
        "dense": stored.dense_cycles,
        "as_stored": stored.cycles,
        **({} if clock is None else dataclasses.asdict(clock)),
    }
    raw = dataclasses.asdict(plan)
    return {
        "predicted_instructions": predicted,
        "predicted_cycles": None if clock is None else cycles,
        "layers": layers,
        "operators": raw["operators"],
        "clusters": raw["clusters"],
        "wrong": raw["wrong"],
    }


def _forecast_json(
    in_force: Recipe, after: Forecast | None, cells: list[Forecast]
) -> dict[str, Any]:
    def summary(forecast: Forecast) -> dict[str, Any]:
        return {
            "sparsity": forecast.sparsity,
            "pattern": forecast.pattern,
            "instructions": forecast.plan.instructions,
            "cycles": forecast.plan.cycles,
            "sparse_layers": len(forecast.plan.sparse),
            "layers": len(forecast.plan.layers),
            "summary": forecast.summary,
            "steps": list(forecast.steps),
            "refused": list(forecast.refused),
        }

    return {
        "recipe": {"name": in_force.name, "why": in_force.why},
        "compress": summary(after) if after else None,
        "what_if": [summary(cell) for cell in cells],
    }
