"""``edgeprune run``: the board half of deploy, for one file or for several in turns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.data import input_options
from edgeprune.cli.options.device import board_option, device_options, timing_options
from edgeprune.cli.options.model import input_shape_option, models_argument, sandbox_option
from edgeprune.cli.options.output import finish, json_option, verbose_option
from edgeprune.cli.tracking import check_mlflow, log_outcome, mlflow_options
from edgeprune.cli.words import DATA
from edgeprune.recipe import load_recipe
from edgeprune.recipe.overrides import timed_by

if TYPE_CHECKING:
    from edgeprune.pipeline.outcome import Outcome


@click.command(epilog="Example: edgeprune run model.tflite --board rpi4-emulated")
@models_argument
@board_option()
@input_options
@click.option("--data", type=DATA, help="Data to score each file with, as for deploy.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write; must not exist. Of several files, each gets a folder in it.",
)
@input_shape_option
@sandbox_option
@device_options
@timing_options
@click.option(
    "--control",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A .tflite file that never changes, timed in turns with MODELS: later runs beside the "
    "same file can be compared although the device has changed.",
)
@mlflow_options
@verbose_option
@json_option
def run(
    models: tuple[Path, ...],
    control: Path | None,
    as_json: bool,
    verbose: bool,
    timing: dict[str, Any],
    mlflow: bool | None,
    **rest: Any,
) -> None:
    """Measure .tflite files on a board as they are.

    Outputs are compared with the host's; wrong ones are exit code 1 with the layer at fault.
    Several MODELS are timed in turns, and compared with the first: the sure way to tell an old file
    from a new one.
    """
    from edgeprune.pipeline import deploy
    from edgeprune.pipeline.request import Request
    from edgeprune.pipeline.side_by_side import run_side_by_side
    from edgeprune.progress import Progress

    recipe = timed_by(load_recipe("as-is"), timing)
    check_mlflow(mlflow)
    requests = [
        Request(model=model, recipe=recipe, command="edgeprune run", **rest) for model in models
    ]
    with Progress(brief=not verbose) as progress:
        if len(requests) == 1 and control is None:
            outcomes = [deploy(requests[0], progress)]
        else:
            outcomes = run_side_by_side(requests, progress, control)
    if len(outcomes) == 1:
        finish(outcomes[0], as_json=as_json, verbose=verbose)
    else:
        _finish_side_by_side(outcomes, as_json=as_json, verbose=verbose)
    for outcome in outcomes:
        log_outcome(mlflow, outcome)


def _finish_side_by_side(outcomes: list[Outcome], *, as_json: bool, verbose: bool) -> None:
    """Prints what changed from the first file to each other one."""
    from edgeprune.files.whole_file import shown
    from edgeprune.history.result_file import plain
    from edgeprune.pipeline.outcome import print_outcome
    from edgeprune.report.side_by_side import Side, changes_from_first, print_side_by_side

    sides = [
        Side(Path(one.result.model.path).name, one.result, shown(one.folder)) for one in outcomes
    ]
    if not as_json:
        print_side_by_side(sides)
        for outcome in outcomes if verbose else ():
            print_outcome(outcome)
        return
    print_json(
        {
            "results": [plain(side.result) for side in sides],
            "folders": [side.folder for side in sides],
            "comparisons": [
                {"a": sides[0].folder, "b": side.folder, "changes": [vars(one) for one in changes]}
                for side, changes in zip(sides[1:], changes_from_first(sides), strict=True)
            ],
        }
    )
