"""``edgeprune doctor``: what works on this machine, and how to mend the rest."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option


@click.command(epilog="Example: edgeprune doctor")
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file to check.")
@json_option
def doctor(bench: Path | None, as_json: bool) -> int:
    """Say what works on this machine, what does not, and the command that mends it.

    Exits with 0 if everything works that the board `local` needs, and with 3 if not.
    """
    from edgeprune.doctor import diagnose
    from edgeprune.progress import Progress

    with Progress() as progress, progress.stage("doctor"):
        diagnosis = diagnose(bench)
    if as_json:
        print_json(dataclasses.asdict(diagnosis) | {"ok": diagnosis.is_ok})
        return 0 if diagnosis.is_ok else 3
    for scope, use in diagnosis.needed_for.items():
        checks = [check for check in diagnosis.checks if check.scope == scope]
        if checks:
            click.echo(f"for {use}:")
        for check in checks:
            click.echo(f"  {check.state:<8}{check.name}: {check.found}")
            if check.fix:
                click.echo(f"          -> {check.fix}")
    click.echo("boards:")
    for board in diagnosis.boards:
        needs = "ready" if not board.needs else "needs " + "; ".join(board.needs)
        click.echo(f"  {board.board}: {needs}")
    for note in diagnosis.notes:
        click.echo(f"note: {note}")
    return 0 if diagnosis.is_ok else 3
