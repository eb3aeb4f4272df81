"""The page of a night: what needs somebody, then the overview by model and board."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from edgeprune.morning.data import Change, Figure, Job, Morning
from edgeprune.morning.headline import headline, jobs_text
from edgeprune.morning.metrics import metric_of, percent_text
from edgeprune.morning.site import devices, jobs
from edgeprune.morning.site.page import Place, rendered
from edgeprune.morning.site.trends import METRICS, Trends

MAX_ROWS = 200
"""Rows of a table before the rest is only counted."""

MAX_DEVICES = 12
"""Devices of a row that are named."""


_UNSTEADY = "its report says under Validity why"

_Changed = tuple[Change, str, str | None]
"""A change, its first night, and where it leads."""


def page(morning: Morning, trends: Trends, at: Place) -> str:
    """The page's text.

    Args:
        morning: What the night brought.
        trends: The series that it leads to.
        at: Where the page will lie.
    """
    folder = "" if at.folder else f"{Place.of_night(morning.night).folder}/"
    held = [one for one in morning.devices if one.quarantine_reason is not None]
    gone = [one for one in morning.devices if one.state == "offline" and one not in held]
    boards, rows = _overview(morning, trends)
    return rendered(
        "night", morning.night, at, "" if at.folder else "index", morning=morning,
        headline=headline(morning), facts=_facts(morning), folder=folder,
        changes=_changes(morning, trends),
        lost=_cut([jobs.row(job, trends) for job in morning.lost]),
        held=[(devices.page_of(one.device), one) for one in held],
        gone=[(devices.page_of(one.device), one) for one in gone],
        unsteady=_cut([jobs.row(job, trends) | {"who": "look at it", "message": _UNSTEADY}
                       for job in morning.unsteady]),
        boards=boards, rows=rows,
    )  # fmt: skip


def _facts(morning: Morning) -> list[str]:
    online = sum(one.state == "online" for one in morning.devices)
    return [
        f"jobs: {jobs_text(morning)}",
        f"devices: {online:,} of {len(morning.devices):,} online",
    ]


def _cut(rows: Sequence[Any]) -> tuple[Sequence[Any], int]:
    """The first rows of a table, and how many are left out."""
    return rows[:MAX_ROWS], max(0, len(rows) - MAX_ROWS)


def _changes(morning: Morning, trends: Trends) -> dict[str, tuple[Sequence[Any], int]]:
    """By verdict, rows of changes that are alike but for their devices, and how many are hidden."""
    figures = {(one.run, one.metric): one for one in morning.figures}
    golden = {job.run: job.device for job in morning.jobs if job.kind == "golden"}
    alike: dict[tuple[Any, ...], list[_Changed]] = defaultdict(list)
    for change in sorted(morning.changes, key=_order):
        series = trends.series(change)
        since, link = "-", None
        if series is not None:
            nights = (one.time_utc[:10] for one in series.nights if one.run_id == change.first_run)
            since, link = next(nights, "-"), f"{trends.link(*series.of)}#{series.anchor}"
        elif device := golden.get(change.run):
            link = devices.page_of(device)
        of = (change.model_path, change.recipe, change.board, change.metric, change.percent > 0)
        alike[change.verdict, *of, since, change.open_reason, *change.reasons].append(
            (change, since, link)
        )
    rows = defaultdict(list)
    for (verdict, *_), same in alike.items():
        rows[verdict].append(_change_row(same, figures, trends))
    return {verdict: _cut(found) for verdict, found in rows.items()}


def _order(change: Change) -> tuple[Any, ...]:
    """By model and board, the figure that matters most first."""
    of = (change.model_path, change.recipe, change.board)
    return *of, METRICS.index(change.metric), change.device, change.run


def _change_row(
    same: Sequence[_Changed],
    figures: dict[tuple[int, str], Figure],
    trends: Trends,
) -> dict[str, Any]:
    """One change on some devices."""
    first, since, _ = same[0]
    metric = metric_of(first.metric)
    percents = sorted(change.percent for change, *_ in same)
    values = sorted(
        figures[change.run, change.metric].value
        for change, *_ in same
        if (change.run, change.metric) in figures
    )
    return {
        "model": trends.name(first.model_path),
        "recipe": PurePath(first.recipe).name,
        "board": first.board,
        "devices": [(change.device, link) for change, _, link in same[:MAX_DEVICES]],
        "hidden": max(0, len(same) - MAX_DEVICES),
        "figure": metric.name,
        "by": _range([f"{one:+.1f}%" for one in percents]),
        "now": _range([metric.text(one) for one in values]),
        "since": since,
        "why": "; ".join(first.reasons) or "nothing known: the device",
        "open": first.open_reason or "",
    }


def _range(texts: Sequence[str]) -> str:
    """The first and the last of some texts in order, where they differ."""
    if not texts:
        return "-"
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def _overview(morning: Morning, trends: Trends) -> tuple[list[str], list[dict[str, Any]]]:
    """Boards, and a row for each model and recipe with a cell for each board or None."""
    measured: dict[tuple[str, str, str], list[Job]] = defaultdict(list)
    for job in morning.jobs:
        if job.kind == "measure":
            measured[job.model_path, job.recipe, job.board].append(job)
    figures, changes = defaultdict(list), defaultdict(list)
    for figure in morning.figures:
        figures[figure.model_path, figure.recipe, figure.board].append(figure)
    for change in morning.changes:
        changes[change.model_path, change.recipe, change.board].append(change)
    boards = sorted({board for _, _, board in measured})
    rows = []
    for path, recipe in sorted({of[:2] for of in measured}):
        cells = [
            _cell(measured[of], figures[of], changes[of], trends.link(*of)) if of in measured
            else None
            for of in ((path, recipe, board) for board in boards)
        ]  # fmt: skip
        name, short = trends.name(path), PurePath(recipe).name
        rows.append({"model": name, "recipe": short, "cells": cells})
    return boards, rows


def _cell(
    of: Sequence[Job], figures: Sequence[Figure], changes: Sequence[Change], link: str | None
) -> dict[str, Any]:
    """What became of a model on all devices of a board."""
    lines = []
    for key in [key for key in METRICS if any(one.metric == key for one in figures)][:2]:
        rows, metric = [one for one in figures if one.metric == key], metric_of(key)
        percents = [one.percent for one in rows if one.percent is not None]
        lines.append({
            "name": metric.name,
            "value": metric.text(statistics.median(one.value for one in rows)),
            "beside": percent_text(statistics.median(percents) if percents else None),
            "is_exact": metric.is_exact,
        })  # fmt: skip
    words = Counter(change.verdict for change in changes)
    lost = sum(job.state in ("failed", "missed") for job in of)
    runs = {one.run for one in figures}
    unsteady = sum(job.state == "done" and job.run not in runs for job in of)
    waiting = sum(job.state in ("pending", "running") for job in of)
    parts = [
        (words["worse"], "bad", "worse"),
        (lost, "bad", "without a result"),
        (words["suspected"], "warning", "suspected"),
        (unsteady, "warning", "not to be relied on"),
        (waiting, "warning", "to do"),
        (words["better"], "good", "better"),
    ]
    notes = [{"mood": mood, "text": f"{number:,} {word}"} for number, mood, word in parts if number]
    done = len({job.device for job in of if job.state == "done"})
    return {
        "lines": lines,
        "notes": notes,
        "devices": f"{done:,} device{'s' * (done != 1)}",
        "link": link if lines else None,
        "mood": notes[0]["mood"] if notes else "plain",
    }
