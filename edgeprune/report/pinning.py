"""What was held fixed on the device, in ``result.json`` and in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeprune.artifacts.measurement import RunResult


def pinning_entry(run: RunResult) -> dict[str, Any]:
    """A result's key for it; none where nothing could be held, as on an emulated device."""
    if run.pinning is None:
        return {}
    pinning = run.pinning
    return {
        "pinning": {
            "cpus": list(pinning.cpus),
            "asked": pinning.asked,
            "governors": list(pinning.governors),
            "governors_before": list(pinning.governors_before),
            "fixed_performance_mode": pinning.fixed_performance_mode,
            "restored": pinning.restored,
            "reason": pinning.reason,
        }
    }


def pinning_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows for the heading of a report: names and texts.

    Args:
        result: A valid result; one without the key has no rows.

    >>> pinning_rows({"pinning": {"cpus": [4, 5], "governors": ["performance"],
    ...     "governors_before": ["schedutil"], "fixed_performance_mode": False, "restored": True}})
    [('cores', '4, 5'), ('governor', 'performance; before and after: schedutil')]
    """
    pinning = result.get("pinning")
    if pinning is None:
        return []
    rows = [("cores", ", ".join(map(str, pinning["cpus"])) or "not pinned")]
    governor = ", ".join(pinning["governors"]) or "none that can be read"
    before = ", ".join(pinning["governors_before"])
    if pinning["fixed_performance_mode"]:
        governor += "; in Android's fixed performance mode"
    elif pinning["restored"] is not None:
        kept = "before and after" if pinning["restored"] else "NOT restored, before"
        governor += f"; {kept}: {before}"
    return [*rows, ("governor", governor)]


def pinning_remarks(result: Mapping[str, Any]) -> list[str]:
    """Why the clock was not pinned, or not given back.

    Args:
        result: A valid result.
    """
    reason = (result.get("pinning") or {}).get("reason")
    return [reason] if reason else []
