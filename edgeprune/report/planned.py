"""What firmware would make of a model: ``explain`` on a microcontroller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.text import Text

from edgeprune.devices.boards import Board
from edgeprune.firmware.layers import PlannedLayer
from edgeprune.report.assessment import factor_phrase
from edgeprune.report.figures import bytes_text, count_text
from edgeprune.report.summary import Row, line, table_lines
from edgeprune.report.terminal import new_table
from edgeprune.text.untrusted import printable


class Costs(Protocol):
    """What a plan takes."""

    @property
    def instructions(self) -> int:
        """Predicted, of the layers with weights."""

    @property
    def sparse(self) -> int:
        """Layers that pass over zeros."""

    @property
    def with_weights(self) -> int:
        """Layers with weights."""

    @property
    def flash_bytes(self) -> int:
        """Size of the plan."""

    @property
    def ram_bytes(self) -> int:
        """Size of the arena."""


def print_planned(
    head: str, board: Board, plans: Sequence[Costs], why: str, next_step: str, console: Console
) -> None:
    """Prints the sentence to read first, one table, and what to do next.

    Args:
        head: The model and the board.
        board: Whose memory it is.
        plans: As it is, and compressed where that differs.
        why: Why the recipe does what it does, or nothing.
        next_step: What to do next.
        console: Where to print.
    """
    last = plans[-1]
    flash, ram = bytes_text(last.flash_bytes), bytes_text(last.ram_bytes)
    line(console, f"{head}: it fits, with {flash} of flash and {ram} of RAM", "bold")
    names = ["as it is", "compressed"][: len(plans)]
    for row in table_lines(names, _rows(board, plans)):
        line(console, row)
    if why:
        line(console, why)
    line(console, f"next: {next_step}; -v shows every layer and the arena")


def _rows(board: Board, plans: Sequence[Costs]) -> list[Row]:
    first, last = plans[0], plans[-1]
    change = ""
    if len(plans) > 1:
        change = factor_phrase(
            first.instructions / max(1, last.instructions), "fewer instructions", "more"
        )
    memory = board.memory
    flash = memory.flash_bytes if memory is not None else None
    ram = memory.ram_bytes if memory is not None else None
    return [
        (
            "instructions (estimated)",
            [count_text(plan.instructions) for plan in plans],
            change or "of layers with weights",
        ),
        ("sparse layers", [f"{plan.sparse} of {plan.with_weights}" for plan in plans], ""),
        ("flash (plan)", [f"{plan.flash_bytes:,} B" for plan in plans], _of(flash)),
        ("RAM (arena)", [f"{plan.ram_bytes:,} B" for plan in plans], _of(ram)),
    ]


def _of(size: int | None) -> str:
    return "" if size is None else f"of {size:,} B on the board, firmware included"


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
