"""What firmware would make of a model: ``explain`` on a microcontroller."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from edgeprune.artifacts.plan import Clock
from edgeprune.firmware.board import Room, excess
from edgeprune.firmware.layers import PlannedLayer
from edgeprune.firmware.planned import Forecast, Planned
from edgeprune.prediction.cycles.microcontrollers import estimate_of
from edgeprune.report.assessment import factor_phrase
from edgeprune.report.figures import bytes_text, count_text, time_text
from edgeprune.report.predicted import PREDICTED_TIME, prediction_remark
from edgeprune.report.summary import Row, line, table_lines
from edgeprune.report.terminal import new_table
from edgeprune.text.untrusted import printable


def print_planned(
    head: str,
    plans: Sequence[Planned],
    room: Room,
    why: str,
    next_step: str,
    core: str,
    console: Console,
) -> None:
    """Prints the sentence to read first, one table, and what to do next.

    Args:
        head: The model and the board.
        plans: As it is, and compressed where that differs: the last one would be pushed.
        room: What it may take.
        why: Why the recipe does what it does, or nothing.
        next_step: What to do next.
        core: The board's, as ``cortex-m4``.
        console: Where to print.
    """
    last = plans[-1]
    wrong = excess(last.flash_bytes, last.ram_bytes, room)
    flash, ram = bytes_text(last.flash_bytes), bytes_text(last.ram_bytes)
    fits = f"it fits, with {flash} of flash and {ram} of RAM"
    line(console, f"{head}: {f'it does not fit: {wrong}' if wrong else fits}", "bold")
    names = ["as it is", "compressed"][: len(plans)]
    times = _times(plans, core)
    for row in table_lines(names, [*times, *_rows(room, plans)]):
        line(console, row)
    if times and (estimate := estimate_of(0, core)) is not None:
        line(console, prediction_remark(Clock(core, estimate.clock_hz, estimate.error)))
    if why:
        line(console, why)
    line(console, f"next: {next_step}; -v shows every layer and the arena")


def _times(plans: Sequence[Planned], core: str) -> list[Row]:
    """The row of predicted times; none for a core whose cycles nobody knows."""
    found = [estimate_of(plan.instructions, core) for plan in plans]
    cells = [time_text(one.latency_us) for one in found if one is not None]
    return [(PREDICTED_TIME, cells, "as instructions go")] if cells else []


def _rows(room: Room, plans: Sequence[Planned]) -> list[Row]:
    first, last = plans[0], plans[-1]
    change = ""
    if len(plans) > 1:
        change = factor_phrase(
            first.instructions / max(1, last.instructions), "fewer instructions", "more"
        )
    flash = _share(last.flash_bytes, room.flash_limit, room.flash_bytes)
    ram = _share(last.ram_bytes, room.ram_limit, room.ram_bytes)
    return [
        (
            "instructions (estimated)",
            [count_text(plan.instructions) for plan in plans],
            change or "of layers with weights",
        ),
        ("sparse layers", [f"{plan.sparse} of {plan.with_weights}" for plan in plans], ""),
        ("flash (plan)", [f"{plan.flash_bytes:,} B" for plan in plans], flash),
        ("RAM (arena)", [f"{plan.ram_bytes:,} B" for plan in plans], ram),
    ]


def _share(taken: int, limit: str, size: int) -> str:
    """What is left of a limit: ``a slot of B holds 520,192 B, 87% stay free``."""
    free = f"{1 - taken / size:.0%} stay free" if taken <= size else f"{taken - size:,} B too many"
    return f"{limit} {size:,} B, {free}"


def print_what_if(cells: Sequence[Forecast], console: Console) -> None:
    """Prints what other sparsities would take."""
    table = new_table("what if: pruned in the core's pattern and quantized to int8, estimated")
    for heading in ("sparsity", "instructions", "flash (plan)", "RAM (arena)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for cell in cells:
        plan = cell.planned
        sizes = f"{plan.flash_bytes:,} B", f"{plan.ram_bytes:,} B"
        fits = f"does not fit: {cell.excess}" if cell.excess else "fits"
        row = (f"{cell.sparsity:.0%}", count_text(plan.instructions), *sizes, fits)
        table.add_row(*(Text(printable(text)) for text in row))
    console.print(table)


def print_planned_layers(name: str, layers: Sequence[PlannedLayer], console: Console) -> None:
    """Prints which kernel would run each layer, and what it takes."""
    table = new_table(f"{name}: kernels in the order in which they would run")
    for heading in ("layer", "op", "kernel"):
        table.add_column(heading, overflow="fold")
    for heading in ("zeros", "weights", "instructions"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in layers:
        cells = [
            layer.name,
            layer.op,
            layer.kernel,
            "" if layer.zeros is None else f"{layer.zeros:.0%}",
            "" if layer.weights_bytes is None else f"{layer.weights_bytes:,} B",
            "" if layer.instructions is None else f"{layer.instructions:,}",
        ]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
