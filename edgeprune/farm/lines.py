"""What happens in a night, a line each, for a terminal or a log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from edgeprune.farm.executor import Assignment, Ending, Run
from edgeprune.farm.job import Kind
from edgeprune.report.figures import count_text, time_text
from edgeprune.text.untrusted import printable

_WORDS = {Kind.GOLDEN: "golden", Kind.CONFIRM: "measured again"}


class Lines:
    """Writes a line for each thing that happens; see :class:`edgeprune.farm.scheduler.Reporter`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """``say``: takes a line."""
        self._say = say

    def ended(self, assignment: Assignment, ending: Ending) -> None:
        """An attempt ended."""
        job = assignment.job
        recipe = _WORDS.get(job.kind, Path(job.recipe).name)
        what = f"{assignment.lease.device}: {Path(job.model_path).name}, {recipe}"
        if ending.error_kind is not None:
            told = f"{ending.error_kind.value} error: {ending.message}"
        elif ending.run is None:
            told = f"called off: {ending.message}"
        else:
            told = f"measured, {_figure(ending.run)}"
        self._say(printable(f"{what}: {told}"))

    def trouble(self, line: str) -> None:
        """Something is wrong that no job shows."""
        self._say(printable(f"farm: {line}"))


def _figure(run: Run) -> str:
    """The figure that is followed, or why there is none."""
    figures = {one.metric: one.value for one in run.figures if one.variant == "deployed"}
    if "latency_us" in figures:
        return time_text(figures["latency_us"])
    if "instructions" in figures:
        return f"{count_text(figures['instructions'])} instructions"
    validity = json.loads(run.result).get("validity", {})
    reasons = "; ".join(validity.get("reasons", [])) or "the result says more"
    return f"but no figure can be relied on: {reasons}"
