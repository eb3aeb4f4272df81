"""Files that were measured in turns, in a few lines: the verdicts first, then a column a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from edgeprune.history.result import Result, known
from edgeprune.report.assessment import Mood
from edgeprune.report.compare import Change, compare
from edgeprune.report.compare_markdown import change_text, headline, metric_name, value_text
from edgeprune.report.summary import STYLES, line, proof_of, table_lines
from edgeprune.report.terminal import stdout
from edgeprune.report.verdict import warnings


@dataclass(frozen=True)
class Side:
    """One of several files that were measured in turns.

    Attributes:
        name: Of the file, different from the others'.
        result: What was measured of it.
        folder: Where that is, as a word on the command line.
    """

    name: str
    result: Result
    folder: str


def changes_from_first(sides: Sequence[Side]) -> list[list[Change]]:
    """What changed from the first file to each other one, in their order.

    Args:
        sides: At least two.
    """
    base, *others = (side.result for side in sides)
    return [compare(base, other, None) for other in others]


def print_side_by_side(sides: Sequence[Side], console: Console | None = None) -> None:
    """Prints verdicts, figures, what speaks against them, and where all is.

    Args:
        sides: At least two, from one sitting.
        console: Where to print; standard output if None.
    """
    console = console or stdout()
    base, *others = sides
    all_changes = changes_from_first(sides)
    for side, changes in zip(others, all_changes, strict=True):
        own = [dataclasses.replace(change, variant=side.name) for change in changes]
        text = f"beside {base.name} on {base.result.board}: {headline(own)}"
        line(console, text, STYLES[_mood(changes)])
    for row in table_lines([side.name for side in sides], _rows(all_changes)):
        line(console, row)
    proofs = {f"{side.name}: {proof_of(side.result)}" for side in sides}
    same = {proof_of(side.result) for side in sides}
    checked = f"of all files: {same.pop()}" if len(same) == 1 else "; ".join(sorted(proofs))
    line(console, f"checked: {checked}")
    for side in sides:
        for caution in warnings(side.result):
            line(console, f"warning: {side.name}: {caution}", "yellow")
    if timed := known(base.result.timed):
        line(console, f"timed: in turns, {timed.sessions} fresh processes a file or more")
    folders = " ".join(side.folder for side in sides[:2])
    line(console, f"next: edgeprune compare {folders} --max-regression 5% ends with 1 beyond it")
    line(console, f"saved: {', '.join(side.folder for side in sides)}")


def _mood(changes: Sequence[Change]) -> Mood:
    verdicts = {change.verdict for change in changes if change.metric != "bytes"}
    if "not measurable" in verdicts:
        return "warning"
    if "worse" in verdicts:
        return "mixed" if "better" in verdicts else "bad"
    return "good" if "better" in verdicts else "plain"


def _rows(all_changes: Sequence[Sequence[Change]]) -> list[tuple[str, list[str], str]]:
    """A row a figure of any file; what changed stands behind it where there are two files."""
    keys = list(dict.fromkeys((one.metric, one.head) for own in all_changes for one in own))
    rows = []
    for key in keys:
        changes = [next((c for c in own if (c.metric, c.head) == key), None) for own in all_changes]
        there = [change for change in changes if change is not None]
        first = there[0]
        cells = [value_text(first, first.base)]
        cells += [value_text(first, change.new if change else None) for change in changes]
        said = ": ".join(filter(None, [change_text(first), _verdict(first)]))
        rows.append((metric_name(first), cells, said if len(all_changes) == 1 else ""))
    return rows


def _verdict(change: Change) -> str:
    return change.verdict + (f" ({change.why})" if change.why else "")
