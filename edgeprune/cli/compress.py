"""``edgeprune compress``: the host half of deploy."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.data import data_options, task_options
from edgeprune.cli.options.device import board_option
from edgeprune.cli.options.limits import limit_options
from edgeprune.cli.options.model import load_options, model_argument
from edgeprune.cli.options.output import json_option, verbose_option
from edgeprune.cli.options.recipe import recipe_options
from edgeprune.files.whole_file import is_standard_output
from edgeprune.recipe import Recipe, recipe_table

if TYPE_CHECKING:
    from edgeprune.pipeline.written import Written


TFLM_BOARD = "mps2-an386"
"""Stands for the microcontroller of a file that is for TensorFlow Lite Micro."""


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
@limit_options
@task_options
@click.option(
    "--for",
    "runtime",
    type=click.Choice(["tflm"]),
    help="Store pruned weights as this runtime decodes them: tflm is TensorFlow Lite Micro "
    "(operator TFLM_DECODE); the board is then mps2-an386 if none is named.",
)
@click.option("--no-verify", is_flag=True, help="Do not compare outputs on the board's kernels.")
@load_options
@verbose_option
@json_option
def compress(
    model: Path,
    as_json: bool,
    verbose: bool,
    recipe: Recipe,
    no_verify: bool,
    runtime: str | None,
    **rest: Any,
) -> None:
    """Turn MODEL into a .tflite file for a board, without a device; packed, as OUT.epz.

    Its outputs are compared on the emulated board of the same core, where there is one.
    """
    from edgeprune.pipeline.request import Request
    from edgeprune.pipeline.written import compress_to_file
    from edgeprune.progress import Progress

    source = click.get_current_context().get_parameter_source("board")
    if runtime == "tflm" and source is click.core.ParameterSource.DEFAULT:
        rest["board"] = TFLM_BOARD
    is_on_stdout = is_standard_output(rest["output"])
    if is_on_stdout and as_json:
        raise click.UsageError("--json and --output both want standard output; name a file.")
    with Progress(brief=not verbose) as progress:
        request = Request(model=model, recipe=recipe, **rest)
        written = compress_to_file(
            request, progress, compare=not no_verify, for_tflm=runtime == "tflm"
        )
    with contextlib.redirect_stdout(sys.stderr if is_on_stdout else sys.stdout):
        if as_json:
            print_json(_document(written, rest["output"]))
            return
        _print_answer(written, model, rest["board"], rest["output"])
        if verbose:
            _print_all(written)


def _document(written: Written, output: Path) -> dict[str, Any]:
    """All that is known, as ``--json`` prints it."""
    import msgspec  # not needed by a shell that completes a command

    sparsified, parity, compressed = written.done.sparsified, written.parity, written.done
    return {
        "file": str(output),
        "bytes": written.file_bytes,
        "unpacked_bytes": len(sparsified.deployed),
        "recipe": recipe_table(compressed.recipe),
        "profiling_only": compressed.profiling_only,
        "sparse_layers_expected": len(sparsified.expected_there),
        "task": msgspec.to_builtins(compressed.task_entry),
        "parity": None if parity is None else dataclasses.asdict(parity),
        "parity_remark": written.remark,
        "rewrite": dataclasses.asdict(compressed.rewritten)["notes"],
        "notes": [*sparsified.reasons, *compressed.pruned.notes, *compressed.notes],
        "tflm": None
        if written.tflm is None
        else [dataclasses.asdict(tensor) for tensor in written.tflm],
        "effects": [dataclasses.asdict(effect) for effect in written.effects],
        "channels": [dataclasses.asdict(group) for group in compressed.pruned.groups],
        "shares": [dataclasses.asdict(share) for share in compressed.pruned.shares],
        "tensors": [dataclasses.asdict(tensor) for tensor in sparsified.tensors],
        "tensor_errors": [dataclasses.asdict(error) for error in compressed.tensor_errors],
        "fragile_layers": [dataclasses.asdict(layer) for layer in compressed.fragile_layers],
        "precision_remedy": compressed.precision_remedy,
    }


def _print_answer(written: Written, model: Path, board: str, output: Path) -> None:
    from edgeprune.models.tflite import graph
    from edgeprune.pipeline.outcome import NEEDS_KERNELS
    from edgeprune.pipeline.written import portable_file
    from edgeprune.report.compressed import print_compressed
    from edgeprune.report.figures import bytes_text
    from edgeprune.report.treatment import treatment
    from edgeprune.report.verdict import made_how

    compressed, parity = written.done, written.parity
    tflite = compressed.sparsified.deployed
    task = compressed.task_entry
    can_train = task is not None and task.train > 0 and compressed.loaded.source.format != "tflite"
    sparsity = graph.weight_sparsity(compressed.sparsified.tflite)
    own = compressed.sparsified.own
    treated = treatment(
        recipe_table(compressed.recipe),
        sparsity,
        is_trained=can_train,
        own_layers=0 if own is None else len(own.layers),
    )
    checked = written.remark
    if parity is not None:
        checked = f"outputs are right on {parity.samples} inputs, on {parity.where}"
        checked += f"; {written.remark}" if written.remark else ""
    expected = len(compressed.sparsified.expected_there)
    if written.tflm is None:
        checked += f"; {expected} layers will run sparse kernels on {board}, by prediction"
    else:
        checked += "; TFLM makes pruned weights whole in RAM and runs every layer dense"
    warnings = []
    if compressed.profiling_only:
        made = made_how(is_scored="deployed" in compressed.scores)
        warnings.append(f"the file was {made}: measure it, but do not use it")
    packed = _tflm_text(written)
    if output.suffix == ".epz":
        packed = f" ({bytes_text(written.file_bytes)} packed, {bytes_text(len(tflite))} unpacked)"
    if own is not None:
        portable = portable_file(output) or "the file made with --kernels runtime"
        packed += f"; {NEEDS_KERNELS.format('it', portable)}"
    print_compressed(
        f"{model.name} for {board}",
        treated,
        written.effects,
        checked,
        warnings,
        f"{output}{packed}; -v shows every layer and note",
    )


def _tflm_text(written: Written) -> str:
    """What TensorFlow Lite Micro has to know; empty where the file is not for it."""
    if written.tflm is None:
        return ""
    before = sum(tensor.bytes_before for tensor in written.tflm)
    after = sum(tensor.bytes_after for tensor in written.tflm)
    if not written.tflm:
        return " (no weights get smaller by TFLM_DECODE: more zeros would change that)"
    return (
        f" ({written.file_bytes:,} bytes: {len(written.tflm)} tensors of {before:,} bytes in "
        f"{after:,} behind TFLM_DECODE, which an op resolver has by AddDecode())"
    )


def _print_all(written: Written) -> None:
    from edgeprune.report.allocation import print_shares
    from edgeprune.report.channels import print_groups
    from edgeprune.report.effect import print_effects
    from edgeprune.report.notes import rewrite_notes
    from edgeprune.report.terminal import print_tensor_errors, print_tensors

    compressed, parity = written.done, written.parity
    print_groups(compressed.pruned.groups)
    print_shares(compressed.pruned.shares)
    print_tensors(compressed.sparsified.tensors, compressed.sparsified.reasons)
    print_tensor_errors(compressed.tensor_errors)
    lines = (
        [f"recipe {compressed.recipe.name}: {compressed.recipe.why}"]
        if compressed.recipe.why
        else []
    )
    lines += [*compressed.pruned.notes, *compressed.notes]
    for line in (*lines, *rewrite_notes(compressed.rewritten)):
        click.echo(line)
    print_effects(written.effects)
    if parity is not None:
        click.echo(
            f"verified: {parity.samples} inputs on {parity.where}: outputs differ from the "
            f"reference by at most {parity.max_abs_diff:.2g}; the limit is {parity.limit:.2g}"
        )
