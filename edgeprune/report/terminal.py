"""A result as tables for people. What was not measured says so, and is never shown as 0."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.artifacts.stored import EncodedTensor
from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.history.result import Result, known
from edgeprune.history.result.variant import op_words
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.report.estimated import CYCLES
from edgeprune.report.figures import Figure, bytes_text, figures, time_text
from edgeprune.report.pinning import pinning_rows
from edgeprune.report.verdict import remarks, verdict_line
from edgeprune.text.untrusted import printable

WIDTH_OF_FILES = 120
"""Columns of a table that goes into a file or a pipe. Source: ours."""


def print_report(
    result: Result,
    console: Console | None = None,
    *,
    reasons: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> None:
    """Prints what ran, the figures of every variant, the verdict and what to know about it.

    Args:
        result: A valid result.
        console: Where to print; standard output if None.
        reasons: Why layers did not run sparse, one line each.
        notes: Further lines from the stages.
    """
    console = console or stdout()
    _heading(result, console)
    shown, missing = figures(result)
    names = [variant.name for variant in result.variants]
    console.print(side_by_side(names, shown))
    if missing:
        console.print(Text("not measured: " + ", ".join(missing)))
    console.print(Text(verdict_line(result), style="bold"))
    _print_list(remarks(result, notes), console)
    if reasons:
        console.print(Text("layers that do not run sparse, and why:"))
        _print_list(reasons, console)


_WITH_CYCLES = 100
"""Columns from which a layer's cycles have room beside the kernel's name. Source: ours."""


def print_layers(
    result: Result, console: Console | None = None, *, only: str | None = None
) -> None:
    """Prints, for every measured variant, which kernel ran each layer.

    Args:
        result: A valid result.
        only: Name of the one variant to print; all of them if None.
        console: Where to print; standard output if None.
    """
    console = console or stdout()
    for variant in result.variants:
        if only not in (None, variant.name):
            continue
        layers = variant.layers
        if not layers:
            console.print(Text(f"{printable(variant.name)}: kernels were not measured"))
            continue
        is_timed = any(layer.latency_us is not None for layer in layers)
        is_counted = any(layer.instructions is not None for layer in layers)
        has_cycles = any(known(layer.cycles) is not None for layer in layers)
        is_estimated = has_cycles and console.width >= _WITH_CYCLES
        table = new_table(f"{printable(variant.name)}: kernels in the order in which they ran")
        for heading in ("layer", "op", "kernel"):
            table.add_column(heading, overflow="fold")
        table.add_column("sparse")
        if is_timed:
            table.add_column("time", justify="right", no_wrap=True)
        if is_counted:
            table.add_column("instructions", justify="right", no_wrap=True)
        if is_estimated:
            table.add_column(CYCLES, justify="right", no_wrap=True)
        for layer in layers:
            cells = [
                short_name(layer.name),
                op_words(layer.op),
                layer.kernel,
                "yes" if layer.sparse else "-",
            ]
            cells += [time_text(layer.latency_us)] if is_timed else []
            cells += [_count(layer.instructions)] if is_counted else []
            cells += [_count(known(layer.cycles))] if is_estimated else []
            table.add_row(*(Text(printable(cell)) for cell in cells))
        console.print(table)
        if has_cycles and not is_estimated:
            console.print(Text(f"{CYCLES} are shown from {_WITH_CYCLES} columns on"))
        run, expected = variant.sparse_layers_run, variant.sparse_layers_expected
        console.print(Text(f"layers that ran sparse: {run}; expected: {expected}"))


def print_tensors(
    tensors: Sequence[EncodedTensor], notes: Sequence[str] = (), console: Console | None = None
) -> None:
    """Prints how each weight tensor is stored, and why.

    Args:
        tensors: In graph order.
        notes: Lines from the stages.
        console: Where to print; standard output if None.
    """
    console = console or stdout()
    table = new_table("weights as stored")
    table.add_column("tensor", overflow="fold")
    table.add_column("op")
    for heading in ("zeros", "dense", "stored"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("as")
    table.add_column("why", overflow="fold")
    for tensor in tensors:
        share = tensor.zeros / tensor.weights if tensor.weights else 0.0
        cells = (
            short_name(tensor.name),
            tensor.op,
            f"{share:.0%}",
            bytes_text(tensor.dense_bytes),
            bytes_text(tensor.stored_bytes),
            "sparse" if tensor.encoded else "dense",
            tensor.reason,
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    _print_list(notes, console)


def print_tensor_errors(errors: Sequence[TensorError], console: Console | None = None) -> None:
    """Prints what quantization changed in each weight tensor; nothing where it changed none.

    Args:
        errors: In graph order.
        console: Where to print; standard output if None.
    """
    if all(error.sqnr_db is None for error in errors):
        return
    table = new_table("weights beside their float values")
    table.add_column("tensor", overflow="fold")
    for heading in ("as", "mean squared error", "signal to noise", "largest error", "zeros"):
        table.add_column(heading, justify="right")
    table.add_column("distinct", justify="right", no_wrap=True)
    for error in errors:
        ratio_db = error.sqnr_db
        cells = (
            short_name(error.name),
            error.stored_as,
            f"{error.mse:.2g}",
            "exact" if ratio_db is None else f"{ratio_db:.1f} dB",
            f"{error.max_abs_error:.2g}",
            f"{error.zeros_before:,} to {error.zeros_after:,}",
            f"{error.distinct_before:,} to {error.distinct_after:,}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    (console or stdout()).print(table)


def stdout() -> Console:
    """Standard output, with nothing coloured or replaced by guesswork.

    A file or a pipe has no width; rich would take a narrow one and fold the tables' names.
    """
    knows_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = None if knows_width else WIDTH_OF_FILES
    return Console(highlight=False, markup=False, emoji=False, width=width)


def _heading(result: Result, console: Console) -> None:
    model, device = result.model, result.device
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in (
        ("model", f"{model.path} ({model.format}, sha256 {model.sha256[:12]})"),
        ("board", result.board),
        ("device", f"{device.id}: {device.cpu}, {device.os}"),
        ("runtime", f"{device.runtime_version}, agent {device.agent_version}"),
        *pinning_rows(known(result.pinning)),
    ):
        grid.add_row(Text(name), Text(printable(value), style="bold"))
    console.print(grid)


def side_by_side(names: Sequence[str], shown: Sequence[Figure]) -> Table:
    """A column per variant: ten figures in a row would not fit 80 characters, nor 120.

    Args:
        names: Of the variants.
        shown: Headings, each with a cell a variant.
    """
    table = new_table()
    table.add_column("")
    for name in names:
        table.add_column(Text(printable(name)), justify="right")
    for heading, cells in shown:
        table.add_row(Text(heading), *(Text(printable(cell)) for cell in cells))
    return table


def new_table(title: str | None = None) -> Table:
    """An empty table in the style of all others."""
    return Table(
        title=None if title is None else Text(title), title_justify="left", box=box.SIMPLE_HEAD
    )


def _print_list(lines: Sequence[str], console: Console) -> None:
    """Prints each line after a dash, with what does not fit indented below it."""
    for line in lines:
        text = textwrap.fill(
            printable(line),
            console.width,
            initial_indent="- ",
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        console.print(Text(text), soft_wrap=True)


def _count(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,}"
