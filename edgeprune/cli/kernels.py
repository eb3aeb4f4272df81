"""``edgeprune kernels``: the library that brings edgeprune's own kernels to an app."""

from __future__ import annotations

from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import Word

TARGETS = ("aarch64-linux-gnu", "x86_64-linux-gnu", "aarch64-linux-android")
"""As ``edgeprune.agents.kernels_library`` has them, which brings more than a shell needs."""


@click.command(epilog="Example: edgeprune kernels app/libs --target aarch64-linux-android")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--target",
    required=True,
    type=Word(TARGETS, key="target"),
    help=f"What it is for: {', '.join(TARGETS)}.",
)
@json_option
def kernels(folder: Path, target: str, as_json: bool) -> None:
    """Write the library that runs files with layers in edgeprune's own kernels, for an app.

    FOLDER, which must not exist, gets libedgeprune_kernels.so, the same as one object file to link
    statically, the C header, and an example in C and one in Python.
    """
    from edgeprune.agents.kernels_library import write_library
    from edgeprune.files.whole_file import shown

    names = write_library(target, folder)
    if as_json:
        print_json({"folder": str(folder), "target": target, "files": list(names)})
        return
    click.echo(f"{shown(folder)} for {target}: {', '.join(names)}")
    click.echo(
        "next: call edgeprune_kernels_register() before LiteRtCreateCompiledModel(); app.c and "
        "app.py show it, and `edgeprune docs` has a page on it"
    )
