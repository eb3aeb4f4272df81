"""``edgeprune farm install``: what starts a plan's nights on this host."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option


@click.command(epilog="Example: edgeprune farm install nightly.toml --systemd -o units")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--systemd", "kind", flag_value="systemd", help="A service and its timer.")
@click.option("--cron", "kind", flag_value="cron", help="A line for `crontab -e`.")
@click.option("--at", default="22:00", show_default=True, help="When a night begins, local time.")
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write the service and the timer into; they are printed if not given.",
)
@json_option
def install(
    plan: Path,
    kind: str | None,
    at: str,
    bench: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print what starts the nights of PLAN on this host, for this user and this edgeprune.

    Every full hour from the evening to the deadline: a night that is over ends at once, and one
    that was killed, or whose host was off, goes on.
    """
    from edgeprune.devices.bench import load_bench
    from edgeprune.farm import install as made
    from edgeprune.farm.plan import read_plan

    if kind is None:
        raise click.UsageError("Say --systemd or --cron.")
    if kind == "cron" and output is not None:
        raise click.UsageError("--output is for --systemd; `crontab -e` takes the line.")
    load_bench(bench)  # a wrong one is told now, and not in the night
    start = made.start_of(read_plan(plan), bench, at)
    texts = made.units(start) if kind == "systemd" else {"crontab": made.cron_line(start)}
    written = [] if output is None else made.write_units(start, output)
    if start.user == "root":
        click.echo("note: these nights run as root; who is to run them calls this", err=True)
    if as_json:
        print_json({"texts": texts, "files": [str(file) for file in written]})
    elif written:
        click.echo("next: " + " && ".join(_commands(written)))
    else:
        click.echo("\n".join(_titled(texts)), nl=False)


def _titled(texts: dict[str, str]) -> list[str]:
    """Each text below its file's name, where there are several."""
    if len(texts) == 1:
        return list(texts.values())
    return [f"# {name}\n{text}" for name, text in texts.items()]


def _commands(written: list[Path]) -> list[str]:
    """What root does to start it."""
    timer = next(file.name for file in written if file.suffix == ".timer")
    return [
        f"sudo cp {shlex.join(str(file) for file in written)} /etc/systemd/system/",
        "sudo systemctl daemon-reload",
        f"sudo systemctl enable --now {shlex.quote(timer)}",
    ]
