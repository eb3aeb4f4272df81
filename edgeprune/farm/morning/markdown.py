"""The morning as Markdown: what needs somebody first, then the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from edgeprune.farm.morning.data import Figure, Morning
from edgeprune.report.compare_markdown import plain
from edgeprune.report.figures import bytes_text, count_text, energy_text, time_text

_SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "latency_us": ("latency", time_text),
    "energy_uj": ("energy", energy_text),
    "instructions": ("instructions", count_text),
    "flash_bytes": ("flash", lambda value: bytes_text(round(value))),
}
"""Name and text of a figure; others are scores."""

MAX_ROWS = 50
"""Rows of a table before the rest is only counted, so that a page of comments takes it."""


def markdown(morning: Morning) -> str:
    """The whole text; names in it do nothing, whatever characters they have."""
    counts = Counter(job.state for job in morning.jobs)
    told = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()))
    lines = [f"### {plain(morning.night)}", f"**{_headline(morning)}**", "", f"Jobs: {told}.", ""]
    changes = [one for one in morning.changes if one.verdict != "denied"]
    lines += _table(
        ["change", "model", "board", "device", "figure", "by", "what else changed", "left open"],
        [
            [one.verdict, one.model_path, one.board, one.device, _name_and_text(one.metric)[0],
             f"{one.percent:+.1f}%", "; ".join(one.reasons) or "nothing known: the device",
             one.open_reason or ""]
            for one in changes
        ],
    )  # fmt: skip
    lines += _table(
        ["job", "model", "board", "device", "who must act", "error"],
        [
            [one.state, one.model_path, one.board, one.device or "any", one.error_kind or "",
             one.message or ""]
            for one in morning.unfinished
        ],
    )  # fmt: skip
    lines += _table(
        ["device in quarantine", "board", "reason"],
        [
            [one.device, one.board, one.quarantine_reason]
            for one in morning.devices
            if one.quarantine_reason
        ],
    )
    lines += _table(
        ["model", "board", "device", "figure", "value", "beside the nights before"],
        [_figure(one) for one in morning.figures],
    )
    return "\n".join(lines).rstrip("\n") + "\n"


def _headline(morning: Morning) -> str:
    if morning.is_ok:
        return "nothing got worse, and every job is done"
    parts = []
    if morning.regressions:
        parts.append(f"{len(morning.regressions)} confirmed to be worse")
    if morning.unfinished:
        count = len(morning.unfinished)
        parts.append(f"{count:,} job{'s' * (count != 1)} without a result")
    return ", ".join(parts)


def _figure(one: Figure) -> list[str]:
    beside = "the first night"
    if one.percent is not None:
        beside = f"{one.percent:+.1f}%" if abs(one.percent) >= 0.05 else "the same"
    name, text = _name_and_text(one.metric)
    return [one.model, one.board, one.device, name, text(one.value), beside]


def _name_and_text(metric: str) -> tuple[str, Callable[[float], str]]:
    return _SHOWN.get(metric, (metric, "{:.4g}".format))


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(map(plain, row)) + " |" for row in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        lines.append(f"\nand {len(rows) - MAX_ROWS:,} more")
    return [*lines, ""]
