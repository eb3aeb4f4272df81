"""Whether a device can be trusted: its golden model's figure, and what befell its jobs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from edgeprune.farm.executor import Ending
from edgeprune.farm.job import ErrorKind
from edgeprune.farm.store.devices import Event, Standing

CLEAN_RUNS = 3
"""Clean runs of the golden model in a row that end a quarantine."""

MAX_TROUBLES = 3
"""Infrastructure errors in a row that begin one. Source: FAI-PEP, three misses."""

REFERENCE_RUNS = 9
"""Golden runs, from the first on, that say what is usual for a device: so a slow drift is seen."""

MIN_REFERENCE_RUNS = 3

Change = tuple[Standing, Event | None, str]
"""How a device stands now, and what befell it, with a line; None where nothing did."""


def out_of_band(figure: float | None, earlier: Sequence[float], band: float) -> str:
    """What is wrong with the golden model's figure; empty if nothing is, or nobody can tell yet.

    Args:
        figure: Median latency in microseconds, or instructions; None where it cannot be relied on.
        earlier: The first figures of the same model on the same device, oldest first.
        band: How far it may lie from their median, as a share.

    >>> out_of_band(1000.0, [1000.0, 1010.0, 990.0], 0.15)
    ''
    >>> out_of_band(1300.0, [1000.0, 1010.0, 990.0], 0.15)
    'the golden model took 1,300, 30.0% more than the 1,000 of its first 3 runs'
    """
    if figure is None or len(earlier) < MIN_REFERENCE_RUNS:
        return ""
    usual = statistics.median(earlier)
    shift = figure / usual - 1
    if abs(shift) <= band:
        return ""
    more = "more" if shift > 0 else "less"
    return (
        f"the golden model took {figure:,.0f}, {abs(shift):.1%} {more} than the {usual:,.0f} of "
        f"its first {len(earlier)} runs"
    )


def after_golden(standing: Standing, night: str, wrong: str) -> Change:
    """How a device stands after a run of the golden model.

    Args:
        standing: Before it.
        night: The night.
        wrong: What was wrong, or empty.
    """
    if wrong:
        return _quarantined(standing, wrong)
    if standing.quarantine_reason is None:
        return replace(standing, troubles=0, trusted_night=night), None, ""
    clean_runs = standing.clean_runs + 1
    if clean_runs < CLEAN_RUNS:
        return replace(standing, clean_runs=clean_runs), None, ""
    now = replace(standing, quarantine_reason=None, clean_runs=0, troubles=0, trusted_night=night)
    return now, Event.RECOVERED, f"{CLEAN_RUNS} clean runs of the golden model in a row"


def after_job(standing: Standing, ending: Ending, *, has_golden: bool) -> Change:
    """How a device stands after any other job.

    Args:
        standing: Before it.
        ending: How the job ended.
        has_golden: A golden model can tell whether wrong outputs are the device's fault.
    """
    if ending.is_hosts:
        return standing, None, ""
    if ending.error_kind is ErrorKind.INFRASTRUCTURE:
        troubles = standing.troubles + 1
        if troubles >= MAX_TROUBLES:
            return _quarantined(
                standing, f"{troubles} infrastructure errors in a row: {ending.message}"
            )
        return replace(standing, troubles=troubles), None, ""
    if ending.error_kind is ErrorKind.TEST and has_golden:
        now = replace(standing, troubles=0, trusted_night=None)
        return now, Event.SUSPECTED, f"a job's check failed: {ending.message}"
    return replace(standing, troubles=0), None, ""


def _quarantined(standing: Standing, reason: str) -> Change:
    now = replace(standing, quarantine_reason=reason, clean_runs=0, troubles=0, trusted_night=None)
    return now, Event.QUARANTINED, reason
