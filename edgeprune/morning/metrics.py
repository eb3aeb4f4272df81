"""The figures that a farm follows, in words and with their units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeprune.farm.trends.nightly import EXACT
from edgeprune.report.figures import bytes_text, count_text, energy_text, time_text


@dataclass(frozen=True)
class Metric:
    """How one figure is told.

    Attributes:
        name: In words.
        text: A value with its unit.
        unit: Base unit of a chart's axis, as :func:`edgeprune.report.page.svg.unit_of` has it.
        is_exact: It is counted, so that it repeats.
    """

    name: str
    text: Callable[[float], str]
    unit: str = ""
    is_exact: bool = False


_METRICS = {
    "latency_us": Metric("latency", time_text, "us"),
    "energy_uj": Metric("energy", energy_text, "uJ"),
    "instructions": Metric("instructions", count_text, "", "instructions" in EXACT),
    "flash_bytes": Metric(
        "flash", lambda value: bytes_text(round(value)), "B", "flash_bytes" in EXACT
    ),
}


def metric_of(key: str) -> Metric:
    """How a figure is told; one that is not known here is a score."""
    return _METRICS.get(key) or Metric(key, "{:.4g}".format)


def percent_text(percent: float | None) -> str:
    """How far a figure lies from what is usual.

    >>> percent_text(5.04), percent_text(-0.04), percent_text(None)
    ('+5.0%', 'the same', 'the first night')
    """
    if percent is None:
        return "the first night"
    return f"{percent:+.1f}%" if abs(percent) >= 0.05 else "the same"
