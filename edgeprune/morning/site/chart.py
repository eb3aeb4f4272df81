"""One figure over nights as a picture: its nights, its levels, and where it changed."""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from edgeprune.farm.trends.reasons import Night
from edgeprune.morning.metrics import Metric
from edgeprune.morning.site.marks import SIGNS, Mark
from edgeprune.report.page.svg import (
    WIDTH,
    Scale,
    around,
    axis_left,
    line,
    picture,
    text,
    unit_of,
)
from edgeprune.text.untrusted import printable

_HEIGHT = 196.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, WIDTH - 10.0, 36.0, 158.0
_MAX_TICKS = 6
_DAYS = (1, 2, 4, 7, 14, 28)
_SIGN_WIDTH = 26.0
_DAY_S = 86_400.0
_MAX_DOTS = 40
"""Figures of a series up to which each one has a dot."""
_MIN_RANGE = 0.02
"""Share of a figure that the axis shows at least: noise is not to look like a mountain."""


@dataclass(frozen=True)
class Span:
    """The time that a picture shows.

    Attributes:
        nights: When each night of the plan began, in seconds since 1970, in order.
    """

    nights: Sequence[float]

    def gaps(self, times: Sequence[float]) -> list[int]:
        """Before which figures nights of the plan have none."""
        numbers = [bisect.bisect_right(self.nights, time) for time in times]
        return [at for at in range(1, len(numbers)) if numbers[at] - numbers[at - 1] > 1]

    def missing(self, times: Sequence[float]) -> int:
        """How many nights of the plan have no figure, from the first one on."""
        numbers = {bisect.bisect_right(self.nights, time) for time in times}
        return len(self.nights) - max(min(numbers), 1) + 1 - len(numbers - {0})


def seconds(time_utc: str) -> float:
    """An instant in seconds since 1970."""
    return datetime.fromisoformat(time_utc).timestamp()


def chart(
    name: str,
    title: str,
    metric: Metric,
    nights: Sequence[Night],
    marks: Sequence[Mark],
    span: Span,
) -> Markup:
    """The picture of a series.

    Args:
        name: Starts its ids; one of a kind on the page.
        title: What it is of, for who cannot see it.
        metric: What the figures are.
        nights: The series, oldest first, not empty.
        marks: Where something changed, in order.
        span: All nights of the plan.
    """
    times = [seconds(night.time_utc) for night in nights]
    values = [night.value for night in nights]
    start, end = min(times[0], *span.nights[:1]), max(times[-1], *span.nights[-1:])
    room = max(0.0, _DAY_S - (end - start)) / 2  # the first night stands in the middle
    along = Scale(start - room, end + room, _LEFT, _RIGHT)
    up = Scale(*_range(values), _BOTTOM, _TOP)
    parts = axis_left(up, _LEFT, _RIGHT, unit_of(up.high, metric.unit), metric.name, rise=24)
    parts += _dates(along)
    parts += _levels(along, up, times, values, marks)
    parts += _path(along, up, times, values, set(span.gaps(times)))
    parts += _signs(marks, [along(times[mark.index]) for mark in marks])
    return picture(name, _words(title, metric, nights, marks, span.missing(times)), _HEIGHT, parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = around(values)
    least = _MIN_RANGE * max(map(abs, values))
    room = max(0.0, least - (high - low)) / 2
    return low - room, high + room


def _path(
    along: Scale, up: Scale, times: Sequence[float], values: Sequence[float], gaps: set[int]
) -> list[Markup]:
    """A line through the nights that follow each other; a night alone, or one of few, is a dot."""
    steps, dots = [], []
    for at, (time, value) in enumerate(zip(times, values, strict=True)):
        is_first = at == 0 or at in gaps
        is_alone = is_first and (at + 1 == len(times) or at + 1 in gaps)
        x, y = f"{along(time):.1f}", f"{up(value):.1f}"
        steps.append(f"{'M' if is_first else 'L'}{x} {y}")
        if is_alone or len(times) <= _MAX_DOTS:
            dots.append(Markup('<circle class="night" cx="{}" cy="{}" r="2.5"/>').format(x, y))
    return [Markup('<path class="nights" d="{}"/>').format("".join(steps)), *dots]


def _levels(
    along: Scale, up: Scale, times: Sequence[float], values: Sequence[float], marks: Sequence[Mark]
) -> list[Markup]:
    """The median between two confirmed changes, where there was one."""
    starts = sorted({mark.index for mark in marks if mark.verdict in ("worse", "better")})
    if not starts:
        return []
    edges = [0, *(start for start in starts if start), len(values)]
    parts = []
    for low, high in itertools.pairwise(edges):
        y = up(statistics.median(values[low:high]))
        right = times[min(high, len(times) - 1)]
        parts.append(line(along(times[low]), y, along(right), y, "level"))
    return parts


def _signs(marks: Sequence[Mark], places: Sequence[float]) -> list[Markup]:
    """Every change's sign over its line; signs side by side stand at different heights."""
    parts = []
    taken = dict.fromkeys((True, False), (-float(WIDTH), 0))
    for number, (mark, x) in enumerate(zip(marks, places, strict=True), start=1):
        is_low = mark.verdict == "conditions"
        last, step = taken[is_low]
        step = (step + 1) % 3 if x - last < _SIGN_WIDTH else 0
        taken[is_low] = (x, step)
        y = _BOTTOM - 8 - 12 * step if is_low else _TOP - 3 - 11 * step
        parts.append(
            Markup('<g class="change {}">{}{}</g>').format(
                mark.verdict,
                line(x, y + 3, x, _BOTTOM, "rule"),
                text(x, y, f"{SIGNS[mark.verdict]}{number}", anchor=_anchor(x), kind="sign"),
            )
        )
    return parts


def _anchor(x: float) -> str:
    return "end" if x > _RIGHT - 16 else "middle"


def _dates(along: Scale) -> list[Markup]:
    """Dates below the picture: the first of months, or days where there are few."""
    parts = []
    for moment, words in _ticks(along.low, along.high):
        x = along(moment)
        parts.append(line(x, _BOTTOM, x, _BOTTOM + 4, "grid"))
        parts.append(text(x, _BOTTOM + 17, words, anchor=_tick_anchor(x), kind="tick"))
    parts.append(text(_RIGHT, _BOTTOM + 33, "night, UTC", anchor="end", kind="axis"))
    return parts


def _tick_anchor(x: float) -> str:
    return "end" if x > _RIGHT - 24 else "middle"


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    first, last = datetime.fromtimestamp(low, UTC), datetime.fromtimestamp(high, UTC)
    if high - low <= _DAY_S:
        middle = (low + high) / 2
        return [(middle, datetime.fromtimestamp(middle, UTC).strftime("%m-%d"))]
    days = (last - first).days + 1
    step = next((step for step in _DAYS if days / step <= _MAX_TICKS), None)
    if step is not None:
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        moments = [midnight + timedelta(days=step * k) for k in range(1 + days // step)]
        fitting = [moment for moment in moments if first <= moment <= last] or [first]
        return [(moment.timestamp(), moment.strftime("%m-%d")) for moment in fitting]
    every = math.ceil(days / 30.4 / _MAX_TICKS)
    months = range(12 * first.year + first.month, 12 * last.year + last.month)
    starts = [datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in months]
    return [(moment.timestamp(), moment.strftime("%Y-%m")) for moment in starts[::every]]


def _words(
    title: str, metric: Metric, nights: Sequence[Night], marks: Sequence[Mark], missing: int
) -> str:
    values = [night.value for night in nights]
    counts = {word: sum(mark.verdict == word for mark in marks) for word in SIGNS}
    told = [f"{count} {word}" for word, count in counts.items() if count and word != "conditions"]
    changes = ", ".join(told) or "none"
    return (
        f"{printable(title)}: {len(nights)} figures from {nights[0].time_utc[:10]} to "
        f"{nights[-1].time_utc[:10]}; lowest {metric.text(min(values))}, highest "
        f"{metric.text(max(values))}, last {metric.text(values[-1])}; nights without a figure: "
        f"{missing}; changes: {changes}"
    )
