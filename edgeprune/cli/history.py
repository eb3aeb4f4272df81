"""``edgeprune history``: takes runs out of the history, into it, and removes old ones."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import is_standard_output, shown, write_whole


def _days(context: click.Context, option: click.Parameter, value: str) -> float:
    """Days of a time with its unit.

    Raises:
        ConfigError: It has none, or is out of range.
    """
    match = re.fullmatch(r"([0-9]{1,5}(?:\.[0-9]{1,6})?)\s*(d|w|y)", value.strip().lower())
    if match is None:
        raise ConfigError(f"--keep must be days, weeks or years, as 90d, 12w or 1y, got {value!r}")
    return float(match[1]) * {"d": 1.0, "w": 7.0, "y": 365.25}[match[2]]


@click.group(epilog="Example: edgeprune history export runs.jsonl")
def history() -> None:
    """Take runs out of the history, bring them into it, and remove old ones.

    `edgeprune report --history` lists them.
    """


@history.command("export", epilog="Example: edgeprune history export runs.jsonl")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def export(file: Path, as_json: bool) -> None:
    """Write every run into FILE as JSON lines, with all raw samples; - is standard output."""
    from edgeprune.history.transfer import export_runs

    target = Path("/dev/stdout") if str(file) == "-" else file
    is_on_stdout = is_standard_output(target)
    if is_on_stdout and as_json:
        raise click.UsageError("--json and FILE both want standard output; leave one out.")
    counts: list[int] = []
    write_whole(target, lambda opened: counts.append(export_runs(opened)))
    if as_json:
        print_json({"file": str(file), "runs": counts[0]})
    else:
        click.echo(f"{counts[0]} runs are in {shown(file)}", err=is_on_stdout)


@history.command("import", epilog="Example: edgeprune history import runs.jsonl")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def import_(file: Path, as_json: bool) -> None:
    """Add the runs of FILE that the history lacks: all of them, or none; - is standard input."""
    from edgeprune.history.transfer import import_runs

    if str(file) == "-":
        added, known = import_runs(sys.stdin.buffer, "standard input")
    else:
        try:
            with file.open("rb") as lines:
                added, known = import_runs(lines, shown(file))
        except OSError as error:
            raise ConfigError(f"{shown(file)}: cannot be read: {error.strerror}") from error
    if as_json:
        print_json({"file": str(file), "added": added, "there": known})
    else:
        click.echo(f"{added} runs were added, {known} were there already")


@history.command(epilog="Example: edgeprune history prune --keep 90d --dry-run")
@click.option(
    "--keep", "keep_days", required=True, callback=_days, help="Age that stays, as 90d or 1y."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@json_option
def prune(keep_days: float, dry_run: bool, as_json: bool) -> None:
    """Remove runs older than --keep, and what a farm left of its nights.

    Every run of a golden model stays, the newest of each model on each device, and the runs that a
    change over nights names. The folders of a farm's nights that are as old go, and the measured
    files that it keeps and that no re-run needs.
    """
    from edgeprune.farm.cleaning import clean_older
    from edgeprune.history.retention import prune as remove

    pruned = remove(keep_days, dry_run=dry_run)
    cleaned = clean_older(keep_days, dry_run=dry_run)
    farm = {"nights": cleaned.nights, "files": cleaned.files, "bytes": cleaned.bytes}
    values: dict[str, Any] = {**vars(pruned), "farm": farm, "dry_run": dry_run}
    if as_json:
        print_json(values)
        return
    verb = "would be removed" if dry_run else "were removed"
    click.echo(f"{pruned.removed} runs {verb}; {pruned.kept} as old stay, as others stand on them")
    if cleaned.nights or cleaned.files:
        click.echo(
            f"{cleaned.nights} folders of nights and {cleaned.files} kept files {verb}, "
            f"{cleaned.bytes / 1e6:,.1f} MB"
        )
    if cleaned.trouble:
        click.echo(cleaned.trouble, err=True)
