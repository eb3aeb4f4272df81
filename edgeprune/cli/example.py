"""``edgeprune example``: a model with its data, to try things on."""

from __future__ import annotations

from pathlib import Path

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import Word
from edgeprune.data.example import NAMES


@click.command(epilog="Example: edgeprune example tiny --output .")
@click.argument("name", type=Word(NAMES))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path(), help="Folder to write."
)
@json_option
def example(name: str, output: Path, as_json: bool) -> None:
    """Make the example model NAME and write it with its data into a folder.

    `tiny` is a .tflite file that needs no training framework; `digits` is trained with Keras.
    """
    from edgeprune.progress import Progress

    with Progress() as progress, progress.stage(f"make {name}"):
        paths, words, score = (_tiny if name == "tiny" else _digits)(output)
    model, data = paths
    if as_json:
        print_json({"model": str(model), "data": str(data), "top1": score})
        return
    board = "local" if name == "tiny" else "rpi4-emulated"
    click.echo(words)
    click.echo(f"next: edgeprune deploy --board {board} --data {data} {model}")


def _tiny(folder: Path) -> tuple[tuple[Path, Path], str, None]:
    """The example's files, and what is said of them; its accuracy is measured where it runs."""
    from edgeprune.data.example import write_tiny

    model, data = write_tiny(folder)
    return (model, data), f"{model}: tells 8 drawn shapes apart; {data} has images to test it", None


def _digits(folder: Path) -> tuple[tuple[Path, Path], str, float]:
    """The same; it was scored when it was trained."""
    from edgeprune.data.example import write_digits

    model, data, score = write_digits(folder)
    words = f"{model}: top-1 accuracy {score:.3f} on the test images of {data}"
    return (model, data), words, score
