"""``edgeprune farm report``: what a night brought, for people and programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import is_standard_output, write_whole

if TYPE_CHECKING:
    from edgeprune.farm.morning.data import Morning


def _file_option(flag: str, text: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option(flag, type=kind, help=f"Where to write it as {text}.")


@click.command(epilog="Example: edgeprune farm report --junit night.xml --markdown night.md")
@click.option("--night", help="Name of the night; the newest one if not given.")
@_file_option("--markdown", "Markdown")
@_file_option("--junit", "JUnit XML, a test case a job")
@_file_option("--prometheus", "metrics for the textfile collector")
@click.option(
    "--webhook", is_flag=True, help="Post it to the URL in EDGEPRUNE_WEBHOOK, as JSON over https."
)
@json_option
def report(
    night: str | None,
    markdown: Path | None,
    junit: Path | None,
    prometheus: Path | None,
    webhook: bool,
    as_json: bool,
) -> int:
    """Print what a night brought as Markdown, or as JSON.

    Exit code 1 where a change for the worse is confirmed, or a job has no result.
    """
    import msgspec

    from edgeprune.farm.morning import junit as as_junit
    from edgeprune.farm.morning import markdown as as_markdown
    from edgeprune.farm.morning import prometheus as as_prometheus
    from edgeprune.farm.morning.webhook import post

    told = _morning(night)
    files = [
        (markdown, as_markdown.markdown),
        (junit, as_junit.junit),
        (prometheus, as_prometheus.prometheus),
    ]
    on_stdout = [file for file, _ in files if file is not None and is_standard_output(file)]
    if len(on_stdout) + as_json > 1:
        raise click.UsageError("only one of --json and the files can be standard output.")
    for file, text in files:
        if file is not None:
            write_whole(file, text(told), replace=True)
    if as_json:
        print_json(msgspec.to_builtins(told))
    elif not on_stdout:
        click.echo(as_markdown.markdown(told), nl=False)
    if webhook:
        post(told)
    return 0 if told.is_ok else 1


def _morning(night: str | None) -> Morning:
    """What the night brought.

    Raises:
        ConfigError: The extra is missing, there is no such night, or the history cannot be read.
    """
    try:
        from edgeprune.farm.morning.night import morning
    except ModuleNotFoundError as error:
        if error.name not in ("ruptures", "scipy"):
            raise
        raise ConfigError(
            f"changes over nights need {error.name}: pip install 'edgeprune[farm]'"
        ) from error
    return morning(night)
