"""A search's answer on the terminal: a table a board, and the sentence that recommends."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.files.whole_file import shown
from edgeprune.report.figures import bytes_text
from edgeprune.searching.front import BoardFront, Figures, Front
from edgeprune.searching.words import memory_cell, speed_cell, time_cell, what_cell
from edgeprune.text.untrusted import printable


def print_front(
    front: Front, folder: Path, *, verbose: bool = False, console: Console | None = None
) -> None:
    """Prints what a search found.

    Args:
        front: It.
        folder: Where it lies.
        verbose: Print what could not be done as well.
        console: Where to; standard output if None.
    """
    console = console or Console(highlight=False)
    for board in front.boards:
        _print_board(board, console)
    for note in front.notes if verbose else ():
        console.print(Text(printable(note)), soft_wrap=True)
    where = shown(folder)
    everything = f"everything: {where}/index.html (front.json, a folder a board)"
    console.print(Text(everything), soft_wrap=True)


def _print_board(board: BoardFront, console: Console) -> None:
    is_counted = any(one.figures.instructions is not None for one in board.points)
    has_memory = any(one.figures.memory_bytes is not None for one in board.points)
    kinds = {one.is_measured for one in board.points if one.speedup is not None}
    how = {True: "\n(measured)", False: "\n(predicted)"}
    table = Table(title=printable(board.board), title_justify="left", box=None, pad_edge=False)
    table.add_column("what was done", overflow="fold")
    for heading in (
        "lost",
        "instructions" if is_counted else "time",
        f"faster{how[min(kinds)] if len(kinds) == 1 else ''}",
        "size",
        *["memory"] * has_memory,
    ):
        table.add_column(heading, justify="right", no_wrap=True)

    def cells(figures: Figures, speed: str) -> list[str]:
        time = time_cell(figures).removesuffix(" instructions")
        return [time, speed, bytes_text(figures.bytes), *[memory_cell(figures)] * has_memory]

    if board.dense is not None:
        table.add_row("  your network", "-", *cells(board.dense, "-"))
    for one in board.points:
        mark = "* " if one.name == board.recommended else "  "
        lost = one.lost_text + ("" if one.scored_on == "reported" else " ?")
        speed = speed_cell(one, is_bare=len(kinds) == 1)
        table.add_row(mark + printable(what_cell(one)), lost, *cells(one.figures, speed))
    if board.points:
        console.print(table)
    if any(one.scored_on == "choosing" for one in board.points):
        console.print(Text("?: on the samples that chose among networks, which flatters"))
    console.print(Text(printable(board.sentence)), soft_wrap=True)
    if board.next_command:
        console.print(Text(f"next: {printable(board.next_command)}"), soft_wrap=True)
    if board.remark:
        console.print(Text(f"not measured: {printable(board.remark)}"), soft_wrap=True)
    console.print()
