"""Figures of a front as text."""

from __future__ import annotations

from edgeprune.history.result import Accuracy
from edgeprune.report.figures import bytes_text, count_text, metric_and_score, time_text
from edgeprune.searching.front import Figures, Point

EQUAL = 0.005
"""A speed that differs by less is told as equal. Source: ours."""


def accuracy_text(accuracy: Accuracy | None) -> str:
    """A score with its samples."""
    if accuracy is None:
        return "-"
    return f"{metric_and_score(accuracy)} of {accuracy.samples:,}"


def time_cell(figures: Figures) -> str:
    """What an inference takes, as measured."""
    if figures.latency_us is not None:
        return time_text(figures.latency_us)
    if figures.instructions is not None:
        return f"{count_text(figures.instructions)} instructions"
    return "-"


def named(point: Point) -> str:
    """A network in a sentence."""
    what = point.what
    if what.startswith(("trained", "as it is")):
        return f"the network {what}"
    with_or_in = "with" if what.startswith("channels") or what[:1].isdigit() else "in"
    return f"the network {with_or_in} {what}"


def what_cell(point: Point) -> str:
    """What was done, in few words."""
    return point.what.replace("channels removed down to ", "")


def speed_cell(point: Point, *, is_bare: bool = False) -> str:
    """How often faster, and how that is known unless ``is_bare``.

    >>> from edgeprune.searching.front import Figures
    >>> rest = dict(name="a", what="int8", lost=0.0, lost_text="-", scored_on="reported")
    >>> speed_cell(Point(**rest, keeps_limit=True, figures=Figures(bytes=1), speedup=2.0))
    '2.00x predicted'
    """
    if point.speedup is None:
        return "-"
    how = " measured" if point.is_measured else " predicted"
    return f"{point.speedup:.2f}x{'' if is_bare else how}"


def speed_text(point: Point) -> str:
    """The same in a sentence.

    >>> from edgeprune.searching.front import Figures
    >>> rest = dict(name="a", what="int8", lost=0.0, lost_text="-", scored_on="reported")
    >>> speed_text(Point(**rest, keeps_limit=True, figures=Figures(bytes=1), speedup=2.0))
    '2.00x faster (predicted)'
    """
    if point.speedup is None:
        return "speed not known"
    how = "measured" if point.is_measured else "predicted"
    if abs(point.speedup - 1) < EQUAL:
        return f"as fast ({how})"
    is_more, ratio = point.speedup > 1, max(point.speedup, 1 / point.speedup)
    if point.is_measured and point.figures.latency_us is None:
        return f"{ratio:.2f}x {'fewer' if is_more else 'more'} instructions ({how})"
    return f"{ratio:.2f}x {'faster' if is_more else 'slower'} ({how})"


def lost_text_on(point: Point) -> str:
    """What a network lost, and on which samples."""
    if point.accuracy is None:
        return f"{point.lost_text} on the samples that chose"
    return f"{point.lost_text} on {point.accuracy.samples:,} samples kept apart"


def memory_cell(figures: Figures) -> str:
    """Peak memory."""
    return "-" if figures.memory_bytes is None else bytes_text(figures.memory_bytes)
