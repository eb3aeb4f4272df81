"""``edgeprune firmware``: what runs on microcontrollers, for projects of your own."""

from __future__ import annotations

from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.device import board_option
from edgeprune.cli.options.model import model_argument, sandbox_option
from edgeprune.cli.options.output import json_option


@click.group(epilog="Example: edgeprune firmware export model.tflite --board mps2-an386 -o model")
def firmware() -> None:
    """Take a network for microcontrollers into a project of your own."""


@firmware.command(epilog="Example: edgeprune firmware export kws.tflite --board mps2-an386 -o kws")
@model_argument
@board_option()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write; must not exist.",
)
@sandbox_option
@json_option
def export(model: Path, board: str, output: Path, as_json: bool) -> None:
    """Write the int8 .tflite file MODEL as a folder of C for the core of a board.

    The folder holds engine, kernels, the network's plan, a Makefile, a CMakeLists.txt and a short
    main.c, and compiles alone with any C99 compiler.
    """
    from edgeprune.pipeline.firmware_export import export as exported

    found = exported(model, board, output)
    if as_json:
        print_json(found.document())
        return
    click.echo(
        f"{model.name} for {found.core}: {found.plan_bytes:,} bytes of plan, "
        f"{found.arena_bytes:,} bytes of RAM (arena), {len(found.kernels)} kernels"
    )
    if found.remark is not None:
        click.echo(found.remark)
    click.echo(f"next: make -C {output}")
