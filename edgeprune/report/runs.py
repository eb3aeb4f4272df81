"""Recorded runs as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from edgeprune.history import Run
from edgeprune.history.result import Variant
from edgeprune.report.figures import count_text, time_text
from edgeprune.report.terminal import new_table, stdout
from edgeprune.text.untrusted import printable


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
    table = new_table()
    table.add_column("run", justify="right", no_wrap=True)
    for heading in ("time (UTC)", "model", "board", "device", "deployed", "verdict", "validity"):
        table.add_column(heading, overflow="fold")
    for run in runs:
        cells = (
            str(run.id),
            run.time_utc[:16].replace("T", " "),
            run.model_path.rpartition("/")[2],
            run.board,
            run.device,
            _cost(run.result.deployed),
            run.result.comparison.verdict,
            run.result.validity.verdict,
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)


def _cost(deployed: Variant) -> str:
    """What the deployed variant takes."""
    if deployed.instruction_count is not None:
        return f"{count_text(deployed.instruction_count)} instructions"
    return time_text(deployed.median_us)
