"""Latencies as they came, a row a fresh process; on an emulated board, exact counts as bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgeprune.history.result import Latency, Result, Variant
from edgeprune.history.result.kinds import Interval
from edgeprune.report.figures import count_text, time_text
from edgeprune.report.page.svg import (
    WIDTH,
    Scale,
    around,
    axis_below,
    box,
    kind_of,
    line,
    picture,
    text,
    unit_of,
)
from edgeprune.text.untrusted import printable

MOST_DOTS = 4000
"""Runs that are drawn one by one; with more, only the boxes are. Source: ours."""

Runs = NDArray[np.float64]
"""Times of one process, microseconds, shape ``(runs,)``."""

_LEFT, _RIGHT, _TOP = 8.0, WIDTH - 16.0, 6.0
_HEADING, _GAP = 18.0, 10.0
_BLOCK, _ROWS = 150.0, (5.0, 13.0)
"""Height of a variant's rows where the bounds of a row's height allow it."""


@dataclass(frozen=True)
class Chart:
    """A picture with what it does not show.

    Attributes:
        svg: The picture, or None where there is nothing to draw.
        remarks: Lines to print under it.
    """

    svg: Markup | None
    remarks: tuple[str, ...]


def distribution(result: Result) -> Chart:
    """The chart of what an inference takes.

    Args:
        result: A valid result.
    """
    if result.is_emulated:
        return _counts(result)
    timed = [(each, each.latency_us) for each in result.variants if each.latency_us is not None]
    if not timed:
        return Chart(None, ("latency: not measured",))
    if not all(variant.processes for variant, _ in timed):
        return Chart(None, ("raw samples were not kept by the edgeprune that made this result",))
    return _sessions(timed)


def _counts(result: Result) -> Chart:
    """A bar a variant; from 0, so that lengths can be compared."""
    counted = [
        (variant.name, variant.instructions.per_inference)
        for variant in result.variants
        if variant.instructions is not None
    ]
    remark = "a count of instructions repeats, so there is no distribution; it is no time"
    if not counted:
        return Chart(None, ("instructions: not measured",))
    most = max(count for _, count in counted)
    scale = Scale(0, most * 1.02, _LEFT, _RIGHT)
    y, parts, said = _TOP, [], []
    for name, count in counted:
        words = f"{printable(name)}: {count_text(count)}"
        said.append(words)
        parts.append(text(_LEFT, y + 12, words, kind="label"))
        parts.append(box(_LEFT, y + _HEADING, scale(count) - _LEFT, 16, f"bar {kind_of(name)}"))
        y += _HEADING + 16 + _GAP
    unit = unit_of(most, "")
    parts = axis_below(scale, _TOP, y, unit, "instructions per inference (emulated)") + parts
    return Chart(picture("counts", "; ".join(said), y + 38, parts), (remark,))


def _sessions(timed: Sequence[tuple[Variant, Latency]]) -> Chart:
    """A row a session: its runs as dots, the middle half as a box, the median as a line."""
    runs_us = {
        variant.name: [np.array(session.latency_ns) / 1000 for session in variant.processes]
        for variant, _ in timed
    }
    rejected = {
        variant.name: [not session.is_valid for session in variant.processes]
        for variant, _ in timed
    }
    pooled = np.concatenate([row for rows in runs_us.values() for row in rows])
    low, high = around([float(pooled.min()), _cut(runs_us.values(), pooled)], 0.03)
    scale = Scale(low, high, _LEFT, _RIGHT)
    has_dots = pooled.size <= MOST_DOTS
    y, parts, said = _TOP, [], []
    for variant, latency in timed:
        words = _words(variant.name, latency)
        said.append(words)
        parts.append(text(_LEFT, y + 12, words, kind="label"))
        y += _HEADING
        rows = runs_us[variant.name]
        height = min(max(_BLOCK / len(rows), _ROWS[0]), _ROWS[1])
        parts += _interval(variant.name, latency.ci95, scale, (y, len(rows) * height))
        for row, is_rejected in zip(rows, rejected[variant.name], strict=True):
            kind = kind_of(variant.name) + (" rejected" if is_rejected else "")
            bar = _Row(scale, y, height, kind)
            parts += bar.drawn(row, has_dots=has_dots)
            y += height
        y += _GAP
    axis = axis_below(scale, _TOP, y, unit_of(high, "us"), "time per inference")
    drawn = picture("sessions", "; ".join(said), y + 38, axis + parts)
    lines = _remarks(pooled, high, has_dots=has_dots)
    if any(any(of_variant) for of_variant in rejected.values()):
        lines = (*lines, "pale rows are rejected processes: see Validity")
    return Chart(drawn, lines)


def _cut(variants: Iterable[list[Runs]], pooled: Runs) -> float:
    """Where the axis ends: the slowest runs would squeeze all others into a corner.

    Every process's median is in. What lies beyond is counted under the picture.

    Source: John Tukey, Exploratory Data Analysis (1977), ch. 2: far out is what lies three times
    the spread of the middle half above it.
    """
    ends = []
    for rows in variants:
        quarter, three_quarters = np.quantile(np.concatenate(rows), [0.25, 0.75])
        slowest = max(float(np.median(row)) for row in rows)
        ends.append(max(float(three_quarters + 3 * (three_quarters - quarter)), slowest))
    return min(max(ends), float(pooled.max()))


def _words(name: str, latency: Latency) -> str:
    median = time_text(latency.median)
    return f"{printable(name)}: median {median}, {latency.sessions} processes"


def _interval(
    name: str, ci95: Interval | None, scale: Scale, place: tuple[float, float]
) -> list[Markup]:
    """The 95% interval of the median as a band behind the sessions, from ``(top, height)``."""
    if ci95 is None:
        return []
    top, height = place
    left, right = (min(scale(end), _RIGHT) for end in ci95)
    return [box(left, top, max(right - left, 1.0), height, f"band {kind_of(name)}")]


@dataclass(frozen=True)
class _Row:
    """The place of one process."""

    scale: Scale
    top: float
    height: float
    kind: str

    def drawn(self, runs_us: Runs, *, has_dots: bool) -> list[Markup]:
        """Its runs as dots, the middle half as a box, the median as a line."""
        middle = self.top + self.height / 2
        parts = []
        if has_dots:
            shown = runs_us[runs_us <= self.scale.high]
            path = "".join(f"M{self.scale(value):.1f} {middle:.1f}h0" for value in shown)
            parts.append(Markup('<path class="dots {}" d="{}"/>').format(self.kind, path))
        # The slower half of a process that was disturbed may lie beyond the axis.
        left, median, right = (
            min(self.scale(value), _RIGHT) for value in np.quantile(runs_us, [0.25, 0.5, 0.75])
        )
        room = self.height / 6
        half = box(left, self.top + room, right - left, self.height - 2 * room, f"half {self.kind}")
        tall = line(
            median, self.top + 0.5, median, self.top + self.height - 0.5, f"median {self.kind}"
        )
        return [*parts, half, tall]


def _remarks(pooled: Runs, high: float, *, has_dots: bool) -> tuple[str, ...]:
    dots = "a dot a run, " if has_dots else ""
    lines = [
        f"a row is one fresh process: {dots}the box its middle half, the thick line its median; "
        "the band is the 95% interval of the median over processes"
    ]
    beyond = int((pooled > high).sum())
    if beyond:
        lines.append(
            f"{beyond} of {pooled.size:,} runs took longer than the axis shows; the slowest "
            f"{time_text(float(pooled.max()))}"
        )
    return tuple(lines)
