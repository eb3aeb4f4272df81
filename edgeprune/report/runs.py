"""Recorded runs as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.history import Run
from edgeprune.history.result import Accuracy, Result, Variant
from edgeprune.report.figures import bytes_text, count_text, metric_and_score, time_text
from edgeprune.report.terminal import stdout
from edgeprune.text.untrusted import printable

NOT_KNOWN = "-"

_HEADINGS = (
    "run", "time (UTC)", "model", "board", "device", "recipe", "takes", "accuracy", "size",
    "verdict",
)  # fmt: skip
_NAMES = ("model", "board", "device", "recipe")
_MIN_NAME = 4
_WIDE = 120
"""Columns of a console from which on there is room between a table's. Source: ours."""


def print_runs(runs: Sequence[Run], console: Console | None = None) -> None:
    """Prints a line a recorded run, or that there is none.

    Args:
        runs: Newest first.
        console: Where to print; standard output if None.
    """
    console = console or stdout()
    if not runs:
        console.print(Text("no run is recorded; `edgeprune deploy` and `edgeprune run` record one"))
        return
    rows = [_cells(run) for run in runs]
    is_wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, padding=(0, int(is_wide), 0, 0), pad_edge=False)
    widths = {} if is_wide else _narrow_widths(rows, console.width)
    for heading in _HEADINGS:
        justify: Literal["right", "left"] = "right" if heading == "run" else "left"
        table.add_column(heading, overflow="fold", width=widths.get(heading), justify=justify)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


def _narrow_widths(rows: Sequence[tuple[str, ...]], width: int) -> dict[str, int]:
    """Columns' widths where room is short: figures break between words, names anywhere."""
    columns = zip(_HEADINGS, *rows, strict=True)
    widths = {cells[0]: max(map(len, " ".join(cells).split())) for cells in columns}
    figures = sum(widths[heading] for heading in _HEADINGS if heading not in _NAMES)
    room = (width - figures - len(_HEADINGS) - 1) // len(_NAMES)
    return widths | dict.fromkeys(_NAMES, max(room, _MIN_NAME))


def _cells(run: Run) -> tuple[str, ...]:
    """A run's row; what it says of a variant is said of the deployed one."""
    result, deployed = run.result, run.result.deployed
    return (
        str(run.id),
        run.time_utc[:16].replace("T", " "),
        run.model_path.rpartition("/")[2],
        run.board,
        run.device,
        str(result.recipe.get("name") or NOT_KNOWN),
        _cost(deployed),
        _accuracy(deployed.accuracy),
        bytes_text(deployed.bytes),
        _outcome(result),
    )


def _outcome(result: Result) -> str:
    """What the figures show of deployed beside dense, or why they show nothing."""
    if result.validity.verdict != "valid":
        return result.validity.verdict
    verdict = result.comparison.verdict
    short = {"no difference shown": "no difference", "not measurable": NOT_KNOWN}
    return short.get(verdict, verdict)


def _cost(deployed: Variant) -> str:
    """What an inference takes."""
    if deployed.instruction_count is not None:
        return f"{count_text(deployed.instruction_count)} instr."
    return NOT_KNOWN if deployed.median_us is None else time_text(deployed.median_us)


def _accuracy(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return NOT_KNOWN
    if accuracy.heads:
        return "; ".join(f"{head.name} {metric_and_score(head)}" for head in accuracy.heads)
    return metric_and_score(accuracy)
