"""``edgeprune run``: the board half of deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeprune.cli.options import device_options, json_option, model_argument, print_json, recipe_of


@click.command(epilog="Example: edgeprune run model.tflite --board rpi4-emulated")
@model_argument
@click.option("--board", required=True, help="Kind of board; `edgeprune boards` lists them.")
@click.option("--data", help="Data to score the file with, as for deploy.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write; must not exist.")
@device_options
@json_option
def run(model: Path, as_json: bool, **rest: Any) -> int:
    """Measure the .tflite file MODEL on a board as it is, and print which kernel ran each layer."""
    from edgeprune.pipeline import Request, deploy, print_outcome
    from edgeprune.progress import Progress
    from edgeprune.report.terminal import print_layers

    recipe = recipe_of("as-is", None, None, None)
    with Progress() as progress:
        outcome = deploy(Request(model=model, recipe=recipe, **rest), progress)
    if as_json:
        print_json(outcome.result)
    else:
        print_outcome(outcome)
        print_layers(outcome.result, only="deployed")
        click.echo(f"written to {outcome.folder}")
    if outcome.failure:
        click.echo(f"edgeprune: {outcome.failure}", err=True)
    return 1 if outcome.failure else 0
