"""``edgeprune report``: an earlier result as tables and as a page; the list of all runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.numbers import MAX_COUNT
from edgeprune.cli.options.output import json_option
from edgeprune.cli.tracking import log_source, mlflow_options
from edgeprune.cli.words import RESULT
from edgeprune.files.whole_file import is_standard_output

if TYPE_CHECKING:
    from edgeprune.report.source import Source


@click.command(epilog="Example: edgeprune report digits-rpi4-emulated")
@click.argument("result", required=False, type=RESULT)
@click.option("--layers", is_flag=True, help="Print which kernel ran each layer as well.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the page; report.html beside the result if not given.",
)
@click.option(
    "--model-explorer",
    is_flag=True,
    help="Write kernel, time, instructions, zeros and error of each node for Google's Model "
    "Explorer, into model-explorer beside the result.",
)
@mlflow_options
@click.option("--record", is_flag=True, help="Add RESULT to the history, unless it is there.")
@click.option("--history", "as_list", is_flag=True, help="List recorded runs with their numbers.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_COUNT), default=20, help="Runs to list; 20 if not given."
)
@json_option
def report(
    result: str | None,
    html: Path | None,
    limit: int,
    as_json: bool,
    mlflow: bool | None,
    **asked: bool,
) -> None:
    """Print the tables of RESULT and write it as one self-contained HTML page.

    RESULT is an output folder of deploy, its result.json, or the number of a recorded run. The page
    takes the place of an earlier page, and of no other file; on standard output it is alone.
    """
    if asked["as_list"]:
        _list_runs(limit, as_json=as_json)
        return
    if result is None:
        raise click.UsageError("Missing argument 'RESULT', or --history.")
    from edgeprune.report.page import write_page_of
    from edgeprune.report.source import find_result

    source = find_result(result)
    file = html or source.page
    is_on_stdout = is_standard_output(file)
    if is_on_stdout and as_json:
        raise click.UsageError("--json and --html both want standard output; leave one out.")
    if asked["record"]:
        _record(source)
    if not is_on_stdout:
        _print(source, result, as_json=as_json, layers=asked["layers"])
    write_page_of(source.result, file)
    if not is_on_stdout:
        click.echo(f"written to {file}", err=as_json)
    if asked["model_explorer"]:
        _write_overlays(source, err=as_json or is_on_stdout)
    log_source(mlflow, source)


def _print(source: Source, name: str, *, as_json: bool, layers: bool) -> None:
    from edgeprune.history.result import known
    from edgeprune.history.result_file import plain
    from edgeprune.report.summary import print_summary
    from edgeprune.report.terminal import print_layers, print_report

    if as_json:
        print_json(plain(source.result))
        return
    notes, reasons = known(source.result.notes) or (), known(source.result.reasons) or ()
    print_summary(source.result, str(source.page.parent), name)
    print_report(source.result, notes=notes, reasons=reasons)
    if layers:
        print_layers(source.result)


def _write_overlays(found: Source, *, err: bool) -> None:
    from edgeprune.report.model_explorer import write_overlays

    deployed, *others = write_overlays(found.result, found.page.parent)
    for remark in deployed.remarks:
        click.echo(f"{deployed.model.name}: {remark}", err=True)
    for overlay in (deployed, *others):
        names = ", ".join(file.name for file in overlay.files)
        click.echo(f"for Model Explorer in {overlay.folder}: {names}", err=err)
    click.echo(f"look at them: {deployed.command}", err=err)


def _record(found: Source) -> None:
    from edgeprune import history

    number, is_new = history.record_once(found.result)
    click.echo(
        f"{found.name}: {'recorded' if is_new else 'recorded before'} as run {number}", err=True
    )


def _list_runs(limit: int, *, as_json: bool) -> None:
    from edgeprune import history
    from edgeprune.history.result_file import plain
    from edgeprune.report.runs import print_runs

    runs = history.runs(limit)
    if as_json:
        print_json([vars(run) | {"result": plain(run.result)} for run in runs])
    else:
        print_runs(runs)
