"""The figures of runs that are followed over time, each beside the conditions it was measured in.

They stand in a table of their own, since a result also holds every raw sample: a device's noise and
its trends are read from thousands of runs.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgeprune.history.result import Result, Variant, known

CONTROL = "control"
"""Stands for the variant of a file that was timed in turns with a run's variants."""

CONTROLS = (CONTROL, "dense")
"""Variants that do not change when a model is pruned anew."""


@dataclass(frozen=True)
class Figure:
    """One figure of one variant of a run.

    Attributes:
        variant: Name of the variant, or :data:`CONTROL`.
        metric: Key of the figure in ``result.json``; of a score, the name of its metric.
        value: The figure, in the key's unit.
        file_sha256: Digest of the file that was measured; empty where the result does not say it.
        conditions: What has to be alike where two figures of one file are to be alike, as JSON:
            see :func:`conditions_of`.
    """

    variant: str
    metric: str
    value: float
    file_sha256: str
    conditions: str


@dataclass(frozen=True)
class Repeat:
    """One figure of a file that may have been measured several times on a device.

    Attributes:
        run_id: Number of the run.
        time_utc: When it was recorded, ISO 8601 with ``+00:00``.
        file_sha256: Digest of the file.
        conditions: As in :class:`Figure`.
        value: The figure.
    """

    run_id: int
    time_utc: str
    file_sha256: str
    conditions: str
    value: float


def figures_of(result: Result) -> list[Figure]:
    """The figures of a result that can be relied on.

    Of wrong outputs none is of use to anybody, and of times that are not valid no time is.
    """
    if result.validity.verdict == "invalid":
        return []
    are_times_valid = result.validity.verdict == "valid"
    conditions = json.dumps(conditions_of(result), sort_keys=True, ensure_ascii=False)
    figures = [
        Figure(variant.name, metric, float(value), known(variant.sha256) or "", conditions)
        for variant in result.variants
        for metric, value in _values(variant, are_times_valid=are_times_valid)
        if value is not None
    ]
    control = known(result.control)
    if control is not None and are_times_valid:
        median_us = statistics.median(control.sessions_us)
        figures.append(Figure(CONTROL, "latency_us", median_us, control.sha256, conditions))
    return figures


def figure_rows(result: Result) -> list[dict[str, Any]]:
    """The same as rows of the table, without the run's number."""
    return [vars(figure) for figure in figures_of(result)]


def conditions_of(result: Result) -> dict[str, str]:
    """What may change a figure although the file is the same.

    Returns:
        ``runtime``, ``os``, ``agent``, ``threads`` and, where the device's clock could be held,
        ``pinning``.
    """
    device, pinning = result.device, known(result.pinning)
    run = result.recipe.get("run")
    threads = run.get("threads") if isinstance(run, dict) else None
    conditions = {
        "runtime": device.runtime_version,
        "os": device.os,
        "agent": device.agent_version,
        "threads": "" if threads is None else str(threads),
    }
    if pinning is not None:
        cpus = ",".join(map(str, pinning.cpus)) or "all"
        conditions["pinning"] = f"cores {cpus}, {', '.join(pinning.governors) or 'no governor'}"
    return conditions


def _values(variant: Variant, *, are_times_valid: bool) -> Iterator[tuple[str, float | None]]:
    energy, accuracy = variant.energy_uj, variant.accuracy
    if are_times_valid:
        yield "latency_us", variant.median_us
        yield "energy_uj", None if energy is None else energy.per_inference
    yield "instructions", variant.instruction_count
    yield "peak_memory_bytes", variant.peak_memory_bytes
    yield "flash_bytes", known(variant.flash_bytes)
    yield "bytes", variant.bytes
    if accuracy is not None:
        yield accuracy.metric, accuracy.value
