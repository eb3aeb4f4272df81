"""``edgeprune report``: the tables of an earlier result."""

from __future__ import annotations

from pathlib import Path

import click

from edgeprune.cli.options import json_option, print_json


@click.command(epilog="Example: edgeprune report digits-rpi4-emulated")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--layers", is_flag=True, help="Print which kernel ran each layer as well.")
@json_option
def report(result: Path, layers: bool, as_json: bool) -> None:
    """Print the tables of RESULT, an output folder of deploy or its result.json."""
    from edgeprune.report.result import FILE_NAME, read_result
    from edgeprune.report.terminal import print_layers, print_report

    found = read_result(result / FILE_NAME if result.is_dir() else result)
    if as_json:
        print_json(found)
        return
    print_report(found)
    if layers:
        print_layers(found)
