"""The schedule of a night as a table on the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.console.waits import duration
from edgeprune.farm.expand import Expanded
from edgeprune.farm.job import Job, Kind
from edgeprune.farm.schedule import Slot
from edgeprune.text.untrusted import printable


def print_schedule(
    expanded: Expanded,
    slots: Sequence[Slot],
    night: str,
    now: datetime.datetime,
    deadline: datetime.datetime | None,
    late: int,
    console: Console | None = None,
) -> None:
    """Prints it.

    Args:
        expanded: The plan with its devices.
        slots: As :func:`edgeprune.farm.schedule.schedule` gives them.
        night: The night's name.
        now: When it would begin.
        deadline: When it must be over, or None.
        late: How many jobs may not be done by then.
        console: Where to; standard output if None.
    """
    console = console or Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("begins by", "device", "model", "recipe", "budget", "priority"):
        table.add_column(head, overflow="fold", justify="right" if head == "budget" else "left")
    for slot in slots:
        begins = (now + datetime.timedelta(seconds=slot.begins_s)).astimezone()
        cells = (f"{begins:%a %H:%M}", _device(slot), _model(slot.job), _recipe(slot.job))
        rest = (duration(slot.job.time_budget_s), _priority(slot.job))
        table.add_row(*(Text(printable(cell)) for cell in (*cells, *rest)))
    jobs, devices = _count(len(slots), "job"), _count(len(expanded.devices), "device")
    lines = [f"{night}: {jobs} on {devices}"]
    lines.append(
        "begins by: if every job before takes its whole budget; most take less, and later ones "
        "move up"
    )
    if deadline is not None:
        lines.append(f"deadline: {deadline.astimezone():%a %H:%M}{_late(late)}")
    if expanded.plan.golden is None:
        lines.append("no [golden] model: devices are trusted unchecked")
    console.print(Text(printable(lines[0])))
    console.print(table)
    for line in lines[1:]:
        console.print(Text(line))


def _device(slot: Slot) -> str:
    return slot.device if slot.job.device else f"{slot.device} or another"


def _model(job: Job) -> str:
    return Path(job.model_path).name


def _recipe(job: Job) -> str:
    return "golden" if job.kind is Kind.GOLDEN else Path(job.recipe).name


def _priority(job: Job) -> str:
    return "first" if job.kind is Kind.GOLDEN else str(job.priority)


def _late(late: int) -> str:
    if not late:
        return ", all jobs fit"
    return f"; {_count(late, 'job')} may not be done by then; their order is by priority"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
