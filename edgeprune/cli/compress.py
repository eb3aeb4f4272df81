"""``edgeprune compress``: the host half of deploy."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options import (
    board_option,
    data_options,
    json_option,
    load_options,
    model_argument,
    recipe_options,
    task_options,
)
from edgeprune.files.whole_file import is_standard_output
from edgeprune.recipe import Recipe

if TYPE_CHECKING:
    from edgeprune.pipeline import Written


@click.command(
    epilog="Example: edgeprune compress model.h5 --board rpi4 --sparsity 0.9 -o out.tflite"
)
@model_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help=".tflite or .epz file to write.",
)
@board_option(default="rpi4", show_default=True)
@data_options
@recipe_options
@task_options
@click.option("--no-verify", is_flag=True, help="Do not compare outputs on the board's kernels.")
@load_options
@json_option
def compress(model: Path, as_json: bool, recipe: Recipe, no_verify: bool, **rest: Any) -> None:
    """Turn MODEL into a .tflite file for a board, without a device; packed, as OUT.epz.

    Its outputs are compared on the emulated board of the same core, where there is one.
    """
    from edgeprune.pipeline import Request, compress_to_file
    from edgeprune.progress import Progress

    is_on_stdout = is_standard_output(rest["output"])
    if is_on_stdout and as_json:
        raise click.UsageError("--json and --output both want standard output; name a file.")
    with Progress() as progress:
        request = Request(model=model, recipe=recipe, **rest)
        written = compress_to_file(request, progress, compare=not no_verify)
    with contextlib.redirect_stdout(sys.stderr if is_on_stdout else sys.stdout):
        _print(written, rest["output"], as_json=as_json)


def _print(written: Written, output: Path, *, as_json: bool) -> None:
    from edgeprune.report.allocation import print_shares
    from edgeprune.report.channels import print_groups
    from edgeprune.report.effect import print_effects
    from edgeprune.report.notes import rewrite_notes
    from edgeprune.report.terminal import print_tensor_errors, print_tensors

    sparsified, parity = written.done.sparsified, written.parity
    pruned = written.done.pruned
    if as_json:
        print_json(
            {
                "file": str(output),
                "bytes": written.file_bytes,
                "unpacked_bytes": len(sparsified.tflite),
                "recipe": dataclasses.asdict(written.done.recipe),
                "profiling_only": written.done.profiling_only,
                "sparse_layers_expected": len(sparsified.expected),
                "task": msgspec.to_builtins(written.done.task_entry),
                "parity": None if parity is None else dataclasses.asdict(parity),
                "parity_remark": written.remark,
                "rewrite": dataclasses.asdict(written.done.rewritten)["notes"],
                "notes": [*sparsified.reasons, *written.done.notes],
                "effects": [dataclasses.asdict(effect) for effect in written.effects],
                "channels": [dataclasses.asdict(group) for group in pruned.groups],
                "shares": [dataclasses.asdict(share) for share in pruned.shares],
                "tensors": [dataclasses.asdict(tensor) for tensor in sparsified.tensors],
                "tensor_errors": [
                    dataclasses.asdict(error) for error in written.done.tensor_errors
                ],
            }
        )
        return
    print_groups(pruned.groups)
    print_shares(pruned.shares)
    print_tensors(sparsified.tensors, sparsified.reasons)
    print_tensor_errors(written.done.tensor_errors)
    in_force = written.done.recipe
    lines = [f"recipe {in_force.name}: {in_force.why}"] if in_force.why else []
    lines += [*pruned.notes, *written.done.notes]
    for line in (*lines, *rewrite_notes(written.done.rewritten)):
        click.echo(line)
    print_effects(written.effects)
    if parity is not None:
        click.echo(
            f"verified: {parity.samples} inputs on {parity.where}: outputs differ from the "
            f"reference by {parity.max_abs_diff:.2g} at most, and {parity.limit:.2g} passes"
        )
    if output.suffix == ".epz":
        unpacked_bytes = len(sparsified.tflite)
        click.echo(f"packed: {written.file_bytes:,} bytes, and {unpacked_bytes:,} unpacked")
    if written.remark:
        click.echo(written.remark)
