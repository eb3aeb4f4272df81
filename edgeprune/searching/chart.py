"""A board's front as pictures: what is lost against time, and against size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from edgeprune.report.page.svg import (
    WIDTH,
    Scale,
    Unit,
    around,
    axis_below,
    axis_left,
    box,
    line,
    picture,
    text,
    unit_of,
)
from edgeprune.searching.front import BoardFront, Figures, Point
from edgeprune.tasks import METRICS

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, WIDTH - 16.0, 34.0, 232.0
_RADIUS = 8.0
_APART = 15.0
"""Numbers closer than this are drawn beside each other."""


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        heading: What it shows.
        svg: It.
    """

    heading: str
    svg: Markup


@dataclass(frozen=True)
class _Axis:
    """What stands below a picture.

    Attributes:
        heading: Of the picture.
        name: Of the axis.
        unit: Its base unit; None where the values have none.
        of: What figures and how often faster a network is have there, or None.
    """

    heading: str
    name: str
    unit: str | None
    of: Callable[[Figures, float | None], float | None]


def charts(board: BoardFront, limit: float, name: str) -> list[Chart]:
    """Pictures of a board's points, that of time first; of those with anything to show.

    Args:
        board: The board.
        limit: What may be lost.
        name: Starts the pictures' ids; one of a kind on the page.
    """
    found = []
    for key, axis in (("time", _time_axis(board)), ("size", _SIZE)):
        svg = _drawn(f"{name}{key}", board, axis, limit)
        if svg is not None:
            found.append(Chart(axis.heading, svg))
    return found


_SIZE = _Axis("Against size", "size", "B", lambda figures, _: float(figures.bytes))


def _time_axis(board: BoardFront) -> _Axis:
    """Time as it was measured, if all were; else as a share of the dense network's."""
    all_ = [one.figures for one in board.points]
    if all_ and all(one.latency_us is not None for one in all_):
        return _Axis("Against time", "time of an inference", "us", lambda one, _: one.latency_us)
    if all_ and all(one.instructions is not None for one in all_):
        name = "instructions of an inference"
        return _Axis("Against instructions", name, "", lambda one, _: one.instructions)
    return _Axis(
        "Against time",
        "predicted time, % of your network's",
        None,
        lambda _, speedup: None if speedup is None else 100 / speedup,
    )


def _drawn(name: str, board: BoardFront, axis: _Axis, limit: float) -> Markup | None:
    """A picture; None where no network has a place in it."""
    numbered = [
        (number, one, cost)
        for number, one in enumerate(board.points, 1)
        if one.lost is not None and (cost := axis.of(one.figures, one.speedup)) is not None
    ]
    if not numbered:
        return None
    dense = None if board.dense is None else axis.of(board.dense, 1.0)
    gains = [-100 * (one.lost or 0.0) for _, one, _ in numbered]
    costs = [cost for _, _, cost in numbered] + ([] if dense is None else [dense])
    across = Scale(*around([0.0, *costs]), _LEFT, _RIGHT)
    up = Scale(*around([0.0, -100 * limit, *gains], 0.12), _BOTTOM, _TOP)
    unit = Unit(1, "") if axis.unit is None else unit_of(across.high, axis.unit)
    parts = axis_below(across, _TOP, _BOTTOM, unit, axis.name)
    parts += axis_left(up, _LEFT, _RIGHT, Unit(1, ""), _gained(board), rise=18)
    parts.append(line(_LEFT, up(-100 * limit), _RIGHT, up(-100 * limit), "limit"))
    parts.append(text(_RIGHT, up(-100 * limit) - 4, "limit", anchor="end", kind="tick"))
    if dense is not None:
        x, y = across(dense), up(0.0)
        parts.append(box(x - 6, y - 6, 12, 12, "point dense"))
        parts.append(text(x, y - 12, "yours", anchor="middle", kind="tick"))
    places = [(across(cost), up(gain)) for (_, _, cost), gain in zip(numbered, gains, strict=True)]
    shifts = _shifts(places)
    for (number, point, _), place, shift in zip(numbered, places, shifts, strict=True):
        parts.append(_mark(board, point, number, place, shift))
    said = "; ".join(f"{number}: {one.what}, {one.lost_text}" for number, one, _ in numbered)
    return picture(name, f"What is lost against {axis.name}. {said}", _BOTTOM + 38, parts)


def _gained(board: BoardFront) -> str:
    """What the axis beside a picture counts."""
    metrics = {one.accuracy.metric for one in board.points if one.accuracy is not None}
    is_known = len(metrics) == 1
    if is_known and METRICS[metrics.pop()].in_points:
        return "gained or lost, points"
    return "gained or lost, % of your score" if is_known else "gained or lost, points or %"


def _shifts(places: Sequence[tuple[float, float]]) -> list[float]:
    """By how much each mark gives way to those before it, to the right."""
    shifts: list[float] = []
    for k, (x, y) in enumerate(places):
        taken = [
            before + shift
            for (before, height), shift in zip(places[:k], shifts, strict=True)
            if abs(height - y) < _APART
        ]
        shift = 0.0
        while any(abs(x + shift - one) < _APART for one in taken) and x + shift < _RIGHT - _APART:
            shift += _APART
        shifts.append(shift)
    return shifts


def _mark(
    board: BoardFront, point: Point, number: int, place: tuple[float, float], shift: float
) -> Markup:
    """A number in a circle that leads to the point's report: full for the one to take."""
    x, y = place[0] + shift, place[1]
    state = "pick chosen" if point.name == board.recommended else "pick"
    state += "" if point.keeps_limit else " over"
    mark = Markup(
        '<g class="{}"><title>{}: {}, {}</title><circle cx="{:.1f}" cy="{:.1f}" r="{}"/>{}</g>'
    ).format(
        state,
        number,
        point.what,
        point.lost_text,
        x,
        y,
        _RADIUS,
        text(x, y + 4, str(number), anchor="middle"),
    )
    link = point.report or point.recipe
    return mark if link is None else Markup('<a href="{}">{}</a>').format(quote(link), mark)
