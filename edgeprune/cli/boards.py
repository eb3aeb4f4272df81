"""``edgeprune boards``: kinds of boards, and what is known about each."""

from __future__ import annotations

import dataclasses
import textwrap

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import BOARD
from edgeprune.devices.boards import Board, board_names, load_board


@click.command(epilog="Example: edgeprune boards rpi4")
@click.argument("name", required=False, type=BOARD)
@json_option
def boards(name: str | None, as_json: bool) -> None:
    """List the boards, or show the board NAME in full with the source of every number."""
    if name is not None:
        board = load_board(name)
        if as_json:
            print_json(dataclasses.asdict(board))
        else:
            _show(board)
        return
    all_boards = [load_board(each) for each in board_names()]
    if as_json:
        print_json([dataclasses.asdict(board) for board in all_boards])
        return
    for board in all_boards:
        click.echo(f"{board.name:<16}{board.vendor}, {board.cpu.core}{_features(board)}")
        click.echo(
            f"{'':<16}{board.runtime.use} {board.runtime.version} over {board.transport.use}, "
            f"recipe {board.recipe.default}"
        )


def _features(board: Board) -> str:
    """What decides which kernels are fast, in people's words; empty where it is detected."""
    if not board.cpu.features:
        return ""
    words = {
        "neon": "SIMD",  # as 32-bit Arm has it
        "asimd": "SIMD",
        "asimdhp": "half precision",
        "asimddp": "int8 dot product",
        "i8mm": "int8 matrix product",
        "dsp": "DSP",
        "mve": "Helium",
    }
    if "i8mm" in board.cpu.features:  # it never comes without the lesser one
        del words["asimddp"]
    return ": " + ", ".join(word for key, word in words.items() if key in board.cpu.features)


def _show(board: Board) -> None:
    """Prints every key of a board with its value, and its source behind each hardware number."""
    for key, value in _flat(dataclasses.asdict(board)):
        if key.startswith("source."):
            continue
        source = board.source.get(key)
        text = f"{value:,}" if type(value) is int else str(value)
        line = text + (f"  ({source})" if source else "")
        click.echo(textwrap.fill(line, 96, initial_indent=f"{key:<20}", subsequent_indent=" " * 20))


def _flat(table: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """Dotted keys and values in the file's order; what is absent is left out."""
    rows: list[tuple[str, object]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            rows.append((prefix + key, " ".join(map(str, value)) or "none"))
        elif value is not None:
            rows.append((prefix + key, value))
    return rows
