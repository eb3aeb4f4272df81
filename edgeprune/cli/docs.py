"""``edgeprune docs``: the documentation that came with the installation."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.errors import ConfigError
from edgeprune.files import paths


@click.command(epilog="Example: edgeprune docs")
@json_option
def docs(as_json: bool) -> None:
    """Open the documentation in a browser, without network, and print where it is."""
    index = paths.documentation() / "index.html"
    if not index.is_file():
        raise ConfigError(
            f"{index}: the documentation is not built: run `mkdocs build` in the checkout, after "
            "pip install '.[docs]'"
        )
    if as_json:
        print_json({"index": str(index)})
        return
    click.echo(str(index))
    if _has_browser():
        _open(index)


def _has_browser() -> bool:
    """Whether there is a screen for one; a browser for terminals would take this terminal."""
    if "BROWSER" in os.environ or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(index: Path) -> None:
    """Opens it; where that fails, the path that was printed has to do."""
    if not webbrowser.open(index.as_uri()):
        click.echo("edgeprune: no browser could be started: open this file in one", err=True)
