"""What was bought with what: cost, size and accuracy of this run's variants and of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from edgeprune.history import Run
from edgeprune.history.result import Accuracy, Result, Variant
from edgeprune.report.figures import bytes_text, count_text, metric_and_score, time_text
from edgeprune.report.page.svg import (
    WIDTH,
    Scale,
    Unit,
    around,
    axis_below,
    axis_left,
    kind_of,
    picture,
    text,
    unit_of,
)
from edgeprune.tasks import METRICS, score_text
from edgeprune.text.untrusted import printable

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, WIDTH - 16.0, 30.0, 250.0
_MOST_LABELS = 10
"""With more points, only this run's are labelled in the picture; the table has all."""


@dataclass(frozen=True)
class Point:
    """One variant of one run.

    Attributes:
        label: The variant, with the run's number if it is an earlier one.
        kind: Class of its colour.
        own: Whether it is of this run.
        cost: Instructions or median microseconds per inference.
        cost_text: The same with its unit.
        bytes: Size of the file.
        accuracy: Score, or None where it was not measured.
        accuracy_text: The same as text.
        front: Whether no other point is as good in everything and better in something.
    """

    label: str
    kind: str
    own: bool
    cost: float
    cost_text: str
    bytes: int
    accuracy: float | None
    accuracy_text: str
    front: bool = False

    @property
    def size_text(self) -> str:
        """Size of the file with its unit."""
        return bytes_text(self.bytes)


@dataclass(frozen=True)
class Pareto:
    """Every point, and pictures of them.

    Attributes:
        points: This run's first.
        svgs: Accuracy against cost where it was measured, and size against cost.
        remarks: What is not shown.
    """

    points: tuple[Point, ...]
    svgs: tuple[Markup, ...]
    remarks: tuple[str, ...]


def pareto(result: Result, earlier: Sequence[Run]) -> Pareto:
    """The choice between variants.

    Args:
        result: A valid result.
        earlier: Runs of the same model on the same device. Only valid ones are used.
    """
    if result.validity.verdict == "invalid":
        return Pareto((), (), ("outputs are wrong, so there is nothing to choose from",))
    metric = result.comparison.metric
    scored = [variant.accuracy for variant in result.variants if variant.accuracy is not None]
    score = (scored[0].metric, scored[0].samples) if scored else None
    points = _points(result, "", metric, score)
    left_out = 0
    for run in earlier:
        if run.result.validity.verdict != "valid" or run.result == result:
            continue
        for point in _points(run.result, f"#{run.id} ", metric, score):
            if score is not None and point.accuracy is None:
                left_out += 1
            elif not any(_same(point, other) for other in points):
                points.append(point)
    lower = not METRICS[scored[0].metric].higher_is_better if scored else False
    shown = tuple(_with_front(points, lower_is_better=lower))
    remarks = [] if points else ["no variant has a measured cost"]
    if score is None:
        remarks.append("accuracy was not measured, so the choice is between cost and size alone")
    if left_out:
        remarks.append(
            f"{left_out} variants of earlier runs are left out: they were not scored on as many "
            "samples with the same metric"
        )
    return Pareto(shown, _pictures(shown, metric, score), tuple(remarks))


def _points(result: Result, prefix: str, metric: str, score: tuple[str, int] | None) -> list[Point]:
    points = []
    for variant in result.variants:
        cost = _cost(variant, metric)
        if cost is None:
            continue
        accuracy = variant.accuracy
        if accuracy is not None and (accuracy.metric, accuracy.samples) != score:
            accuracy = None
        points.append(
            Point(
                label=prefix + printable(variant.name),
                kind=kind_of(variant.name),
                own=not prefix,
                cost=cost,
                cost_text=count_text(round(cost)) if metric == "instructions" else time_text(cost),
                bytes=variant.bytes,
                accuracy=None if accuracy is None else accuracy.value,
                accuracy_text=_score_text(accuracy),
            )
        )
    return points


def _cost(variant: Variant, metric: str) -> float | None:
    """Instructions or median microseconds per inference; None where they were not measured."""
    if metric == "instructions":
        return variant.instruction_count
    return variant.median_us


def _score_text(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "not measured"
    if accuracy.metric == "top1":
        return score_text(accuracy.metric, accuracy.value)
    return metric_and_score(accuracy)


def _same(point: Point, other: Point) -> bool:
    """Whether both stand for one model: a dense one is measured again in every run."""
    return (point.kind, point.bytes, point.accuracy) == (other.kind, other.bytes, other.accuracy)


def _with_front(points: Sequence[Point], *, lower_is_better: bool) -> list[Point]:
    def costs(point: Point) -> tuple[float, ...]:
        sign = 1 if lower_is_better else -1
        score = () if point.accuracy is None else (sign * point.accuracy,)
        return (point.cost, point.bytes, *score)

    def is_beaten(point: Point) -> bool:
        own = costs(point)
        rivals = [costs(other) for other in points if other is not point]
        return any(
            len(rival) == len(own)
            and rival != own
            and all(theirs <= ours for theirs, ours in zip(rival, own, strict=True))
            for rival in rivals
        )

    return [Point(**(vars(point) | {"front": not is_beaten(point)})) for point in points]


def _pictures(
    points: Sequence[Point], metric: str, score: tuple[str, int] | None
) -> tuple[Markup, ...]:
    if len(points) < 2:
        return ()
    drawn = [_picture(points, metric, "size", "file size")]
    scored = [point for point in points if point.accuracy is not None]
    if score is not None and len(scored) > 1:
        scored_by = METRICS[score[0]]
        name = "accuracy (top1)" if score[0] == "top1" else scored_by.words
        drawn.insert(0, _picture(scored, metric, "accuracy", name, is_share=scored_by.is_share))
    return tuple(drawn)


def _picture(
    points: Sequence[Point],
    metric: str,
    what: Literal["size", "accuracy"],
    name: str,
    *,
    is_share: bool = False,
) -> Markup:
    """Points over their cost, which starts at 0: a lower one is worth what it looks."""
    emulated = metric == "instructions"
    x_unit = unit_of(max(point.cost for point in points), "" if emulated else "us")
    x_name = "instructions (emulated)" if emulated else "median time"
    x = Scale(0, max(point.cost for point in points) * 1.08, _LEFT, _RIGHT)
    heights = [_height(point, what) for point in points]
    if what == "size":
        low, high, y_unit = 0.0, max(heights) * 1.08, unit_of(max(heights), "B")
    else:
        low, high = around(heights, 0.12)
        high = min(high, 1.005) if is_share else high
        y_unit = Unit(0.01, "%") if is_share else Unit(1, "")
    y = Scale(low, high, _BOTTOM, _TOP)
    parts = axis_below(x, _TOP, _BOTTOM, x_unit, f"{x_name} per inference")
    parts += axis_left(y, _LEFT, _RIGHT, y_unit, name)
    places = [(x(p.cost), y(h), p) for p, h in zip(points, heights, strict=True)]
    for place in reversed(places):  # this run's last, on top
        parts.append(_mark(*place))
    parts += _labels([p for p in places if p[2].own or len(points) <= _MOST_LABELS])
    said = "; ".join(f"{point.label}: {_words(point)}" for point in points[:_MOST_LABELS])
    return picture(f"pareto-{what}", f"{name} against {x_name}. {said}", _BOTTOM + 38, parts)


def _height(point: Point, what: str) -> float:
    if what == "size" or point.accuracy is None:
        return point.bytes
    return point.accuracy


def _words(point: Point) -> str:
    front = "on the front" if point.front else "beaten by another"
    return f"{point.cost_text}, {point.size_text}, accuracy {point.accuracy_text}, {front}"


def _mark(x: float, y: float, point: Point) -> Markup:
    """Round for pruned variants and square for dense ones; hollow where another one is better."""
    state = "point " + point.kind + ("" if point.front else " hollow")
    state += "" if point.own else " earlier"
    size = 6 if point.own else 4
    title = Markup("<title>{}: {}</title>").format(point.label, _words(point))
    if point.kind == "dense":
        return Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{}" height="{}" class="{}">{}</rect>'
        ).format(x - size, y - size, 2 * size, 2 * size, state, title)
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="{}">{}</circle>').format(
        x, y, size, state, title
    )


def _labels(places: Sequence[tuple[float, float, Point]]) -> list[Markup]:
    """Names beside the points, at the first place of a few that covers no mark and no name."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y, _ in places]
    parts = []
    for x, y, point in places:
        width = 7.6 * len(point.label)
        candidates = [
            (left, y + 4 + shift)
            for shift in (0, -13, 13, -26, 26, -39, 39)
            for left in (x + 11, x - 11 - width)
        ]
        inside = [
            (left, row)
            for left, row in candidates
            if _LEFT <= left and left + width <= _RIGHT and _TOP <= row <= _BOTTOM - 2
        ]
        free = [(left, row) for left, row in inside if not _covers(left, row, width, taken)]
        if not (free or inside):
            continue  # the table below has its name
        left, row = (free or inside)[0]
        taken.append((left, row - 10, left + width, row + 2))
        if left < x:
            parts.append(text(left + width, row, point.label, anchor="end"))
        else:
            parts.append(text(left, row, point.label))
    return parts


def _covers(
    left: float, row: float, width: float, taken: Sequence[tuple[float, float, float, float]]
) -> bool:
    return any(
        left < right_end and start < left + width and row - 10 < bottom and top < row + 2
        for start, top, right_end, bottom in taken
    )
