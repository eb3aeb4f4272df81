"""``edgeprune compress``: the host half of deploy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from edgeprune.cli.options import json_option, model_argument, print_json, recipe_options
from edgeprune.recipe import Recipe


@click.command(
    epilog="Example: edgeprune compress model.h5 --board rpi4 --sparsity 0.9 -o out.tflite"
)
@model_argument
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write."
)
@click.option("--board", default="rpi4", show_default=True, help="Kind of board to build for.")
@click.option("--data", help=".npz file, folder of images by class, or package.module:function.")
@recipe_options
@click.option("--allow-code", is_flag=True, help="Load files that carry code, such as Lambda.")
@json_option
def compress(model: Path, as_json: bool, recipe: Recipe, **rest: Any) -> None:
    """Turn MODEL into a .tflite file for a board, without a device."""
    from edgeprune.pipeline import Request, compress_to_file
    from edgeprune.progress import Progress
    from edgeprune.report.terminal import print_tensors

    with Progress() as progress:
        done = compress_to_file(Request(model=model, recipe=recipe, **rest), progress)
    tensors = [dataclasses.asdict(tensor) for tensor in done.sparsified.tensors]
    if as_json:
        print_json(
            {
                "file": str(rest["output"]),
                "bytes": len(done.sparsified.tflite),
                "profiling_only": done.profiling_only,
                "sparse_layers_expected": len(done.sparsified.expected),
                "notes": list(done.sparsified.reasons),
                "tensors": tensors,
            }
        )
    else:
        print_tensors(tensors, done.sparsified.reasons)
