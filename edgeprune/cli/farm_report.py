"""``edgeprune farm report``: what a night brought, for people and programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeprune.cli.farm_morning import check_extra
from edgeprune.cli.json_output import print_json
from edgeprune.cli.numbers import MAX_COUNT
from edgeprune.cli.options.output import json_option
from edgeprune.files.whole_file import is_standard_output, write_whole

if TYPE_CHECKING:
    from edgeprune.morning.data import Morning


def _file_option(flag: str, text: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option(flag, type=kind, help=f"Where to write it as {text}.")


@click.command(epilog="Example: edgeprune farm report --site morning --junit night.xml")
@click.option("--night", help="Name of the night; the newest one if not given.")
@click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write a static site into, or to bring up to date; it needs no network.",
)
@click.option(
    "--keep-nights",
    type=click.IntRange(1, MAX_COUNT),
    default=30,
    show_default=True,
    help="Pages of so many nights stay in the site.",
)
@_file_option("--markdown", "Markdown")
@_file_option("--junit", "JUnit XML, a test case a job")
@_file_option("--prometheus", "metrics for the textfile collector")
@click.option(
    "--webhook", is_flag=True, help="Post it to the URL in EDGEPRUNE_WEBHOOK, as JSON over https."
)
@json_option
def report(
    night: str | None,
    site: Path | None,
    keep_nights: int,
    webhook: bool,
    as_json: bool,
    **forms: Path | None,
) -> int:
    """Print what a night brought as Markdown, or as JSON.

    Exit code 1 where a change for the worse is confirmed, or a job has no result.
    """
    import msgspec

    check_extra()
    from edgeprune.morning import junit as as_junit
    from edgeprune.morning import markdown as as_markdown
    from edgeprune.morning import prometheus as as_prometheus
    from edgeprune.morning import webhook as hook

    told = _told(night, site, keep_nights)
    files = [
        (forms["markdown"], as_markdown.markdown),
        (forms["junit"], as_junit.junit),
        (forms["prometheus"], as_prometheus.prometheus),
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
        hook.post(told, hook.from_environment())
    return 0 if told.is_ok else 1


def _told(night: str | None, site: Path | None, keep_nights: int) -> Morning:
    """What the night brought; its site is written if asked for.

    Raises:
        ConfigError: There is no such night, or the history or the site cannot be used.
    """
    if site is None:
        from edgeprune.morning.night import morning

        return morning(night)
    from edgeprune.morning.site import INDEX, write_site

    told = write_site(site, night, keep_nights)
    click.echo(f"written to {site / INDEX}", err=True)
    return told
