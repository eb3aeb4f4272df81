"""``edgeprune example``: a model with its data, to try things on."""

from __future__ import annotations

from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options import json_option
from edgeprune.cli.words import Word
from edgeprune.data.example import NAMES


@click.command(epilog="Example: edgeprune example digits --output .")
@click.argument("name", type=Word(NAMES))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path(), help="Folder to write."
)
@json_option
def example(name: str, output: Path, as_json: bool) -> None:
    """Train the example model NAME and write it with its data into a folder."""
    from edgeprune.data.example import write_digits
    from edgeprune.progress import Progress

    with Progress() as progress, progress.stage(f"train {name}"):
        model, data, score = write_digits(output)
    if as_json:
        print_json({"model": str(model), "data": str(data), "top1": score})
    else:
        click.echo(f"{model}: top-1 accuracy {score:.3f} on the test images of {data}")
        click.echo(f"next: edgeprune deploy --board rpi4-emulated --data {data} {model}")
