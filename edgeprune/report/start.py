"""Start and memory of a variant, in ``result.json`` and as figures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from edgeprune.artifacts.measurement import Measured, StartSample


def start_entry(measured: Measured | None) -> dict[str, Any]:
    """A variant's keys for them; none where it was not started in a pass for them."""
    if measured is None or not measured.starts:
        return {}
    starts = measured.starts
    return {
        "start": {
            "load_us": statistics.median(one.load_ns for one in starts) / 1e3,
            "first_us": statistics.median(one.first_ns for one in starts) / 1e3,
            "model_memory_bytes": _model_memory_bytes(starts),
            "packed_bytes": measured.packed_bytes,
            "processes": list(starts),
        }
    }


def start_figure_us(variant: Mapping[str, Any], key: str) -> float | None:
    """A time of a variant's start; None where it was not measured.

    Args:
        variant: As in a valid result.
        key: ``load_us`` or ``first_us``.
    """
    start = variant.get("start")
    return None if start is None else float(start[key])


def start_figure_bytes(variant: Mapping[str, Any], key: str) -> int | None:
    """A size of a variant's start; None where it was not measured.

    Args:
        variant: As in a valid result.
        key: ``model_memory_bytes`` or ``packed_bytes``.
    """
    size = (variant.get("start") or {}).get(key)
    return None if size is None else int(size)


def _model_memory_bytes(starts: Sequence[StartSample]) -> int | None:
    sizes = [one.model_memory_bytes for one in starts]
    known = [size for size in sizes if size is not None]
    return round(statistics.median(known)) if len(known) == len(sizes) else None
