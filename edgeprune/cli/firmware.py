"""``edgeprune firmware``: what runs on microcontrollers: onto a board, or into your own project."""

from __future__ import annotations

from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.numbers import Number
from edgeprune.cli.options.device import board_option
from edgeprune.cli.options.model import model_argument, sandbox_option
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import DEVICE

MAX_TIMEOUT_S = 3600


@click.group(epilog="Example: edgeprune firmware export model.tflite --board mps2-an386 -o model")
def firmware() -> None:
    """Put firmware on a board, or take a network into a project of your own."""


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


@firmware.command(epilog="Example: edgeprune firmware flash --board nucleo-l4r5zi")
@board_option()
@click.option("--probe", help="Serial number of the debug probe, if several are plugged in.")
@click.option(
    "--host", type=DEVICE, help="Device in the bench, whose serial number is the probe's."
)
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use.")
@click.option(
    "--timeout",
    "timeout_s",
    type=Number(min=1, max=MAX_TIMEOUT_S),
    default=120.0,
    show_default=True,
    help="How many seconds the writing may take.",
)
@json_option
def flash(
    board: str,
    probe: str | None,
    host: str | None,
    bench: Path | None,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Write edgeprune's firmware on a board as sold, through its debug probe.

    Once is enough: networks are pushed to the firmware over the serial port. What lies in the
    board's flash where the firmware goes is overwritten.
    """
    from edgeprune.pipeline.firmware_flash import flash as flashed

    found = flashed(board, probe, host, bench, timeout_s)
    if as_json:
        print_json(found.document())
        return
    click.echo(f"{found.board}: firmware written through {found.probe} ({found.probe_name})")
    click.echo(f"next: edgeprune run MODEL.tflite --board {found.board}")
