"""``edgeprune run``: the board half of deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeprune.cli.options.data import input_options
from edgeprune.cli.options.device import board_option, device_options, timing_options
from edgeprune.cli.options.model import input_shape_option, model_argument, sandbox_option
from edgeprune.cli.options.output import finish, json_option, verbose_option
from edgeprune.cli.tracking import check_mlflow, log_outcome, mlflow_options
from edgeprune.cli.words import DATA
from edgeprune.recipe import load_recipe
from edgeprune.recipe.overrides import timed_by


@click.command(epilog="Example: edgeprune run model.tflite --board rpi4-emulated")
@model_argument
@board_option()
@input_options
@click.option("--data", type=DATA, help="Data to score the file with, as for deploy.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write; must not exist."
)
@input_shape_option
@sandbox_option
@device_options
@timing_options
@mlflow_options
@verbose_option
@json_option
def run(
    model: Path,
    as_json: bool,
    verbose: bool,
    timing: dict[str, Any],
    mlflow: bool | None,
    **rest: Any,
) -> None:
    """Measure the .tflite file MODEL on a board as it is.

    Outputs are compared with the host's; wrong ones are exit code 1 with the layer at fault.
    """
    from edgeprune.pipeline import deploy
    from edgeprune.pipeline.request import Request
    from edgeprune.progress import Progress

    recipe = timed_by(load_recipe("as-is"), timing)
    check_mlflow(mlflow)
    with Progress(brief=not verbose) as progress:
        outcome = deploy(
            Request(model=model, recipe=recipe, command="edgeprune run", **rest), progress
        )
    finish(outcome, as_json=as_json, verbose=verbose)
    log_outcome(mlflow, outcome)
