"""The morning as Markdown: what needs somebody first, then the figures."""

from __future__ import annotations

from pathlib import PurePath

from edgeprune.morning.data import Change, Figure, Job, Morning
from edgeprune.morning.headline import headline, jobs_text
from edgeprune.morning.metrics import metric_of, percent_text
from edgeprune.morning.names import short_names
from edgeprune.report.compare_markdown import plain

_OF = ("model", "recipe", "board", "device")

MAX_ROWS = 50
"""Rows of a table before the rest is only counted, so that a page of comments takes it."""


def markdown(morning: Morning) -> str:
    """The whole text; names in it do nothing, whatever characters they have."""
    first = headline(morning)
    lines = [f"### {plain(morning.night)}", f"**{first.word}: {first.sentence}**", ""]
    lines += [f"Jobs: {jobs_text(morning)}.", ""]
    models = short_names(job.model_path for job in morning.jobs)
    lines += _table(
        ["change", *_OF, "figure", "by", "what else changed", "left open"],
        [
            [one.verdict, *_place(one, models), metric_of(one.metric).name,
             f"{one.percent:+.1f}%", "; ".join(one.reasons) or "nothing known: the device",
             one.open_reason or ""]
            for one in morning.changes if one.verdict != "denied"
        ],
    )  # fmt: skip
    lines += _table(
        ["job", *_OF, "who must act", "error"],
        [
            [one.state, *_place(one, models), one.error_kind or "", one.message or ""]
            for one in morning.unfinished
        ],
    )
    lines += _table(
        ["device in quarantine", "board", "reason"],
        [
            [one.device, one.board, one.quarantine_reason]
            for one in morning.devices
            if one.quarantine_reason
        ],
    )
    lines += _table(
        [*_OF, "figure", "value", "beside the nights before"],
        [
            [*_place(one, models), metric_of(one.metric).name,
             metric_of(one.metric).text(one.value), percent_text(one.percent)]
            for one in morning.figures
        ],
    )  # fmt: skip
    return "\n".join(lines).rstrip("\n") + "\n"


def _place(one: Figure | Change | Job, models: dict[str, str]) -> list[str]:
    recipe = PurePath(one.recipe).name
    return [models.get(one.model_path, one.model_path), recipe, one.board, one.device or "any"]


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(map(plain, row)) + " |" for row in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        lines.append(f"\nand {len(rows) - MAX_ROWS:,} more")
    return [*lines, ""]
