"""``edgeprune deploy``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeprune.cli.options.data import data_options, task_options
from edgeprune.cli.options.device import board_option, device_options, timing_options
from edgeprune.cli.options.limits import limit_options
from edgeprune.cli.options.model import load_options, model_argument
from edgeprune.cli.options.output import finish, json_option, verbose_option
from edgeprune.cli.options.recipe import recipe_options
from edgeprune.cli.tracking import check_mlflow, log_outcome, mlflow_options
from edgeprune.recipe import Recipe
from edgeprune.recipe.overrides import timed_by


@click.command(epilog="Example: edgeprune deploy --board rpi4-emulated --data digits.npz digits.h5")
@model_argument
@board_option()
@data_options
@recipe_options
@limit_options
@task_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write; must not exist."
)
@load_options
@device_options
@timing_options
@mlflow_options
@verbose_option
@json_option
def deploy(
    model: Path,
    as_json: bool,
    verbose: bool,
    recipe: Recipe,
    timing: dict[str, Any],
    mlflow: bool | None,
    **rest: Any,
) -> None:
    """Prune, quantize, push and measure MODEL on a board, beside the unpruned model.

    Writes the files, the recipe in force and result.json into the output folder.
    """
    from edgeprune.pipeline import deploy
    from edgeprune.pipeline.request import Request
    from edgeprune.progress import Progress

    check_mlflow(mlflow)
    with Progress(brief=not verbose) as progress:
        request = Request(model=model, recipe=timed_by(recipe, timing), **rest)
        outcome = deploy(request, progress)
    finish(outcome, as_json=as_json, verbose=verbose)
    log_outcome(mlflow, outcome)
