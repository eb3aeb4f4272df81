"""Start and memory of a variant, as ``result.json`` keeps them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from edgeprune.artifacts.measurement import Measured, StartSample
from edgeprune.history import result as stored
from edgeprune.report.stored_parts import stored_part


def stored_start(measured: Measured) -> stored.Start:
    """Medians and all raw values of a variant that was started in a pass of its own."""
    starts = measured.starts
    return stored.Start(
        load_us=statistics.median(start.load_ns for start in starts) / 1e3,
        first_us=statistics.median(start.first_ns for start in starts) / 1e3,
        model_memory_bytes=_model_memory_bytes(starts),
        packed_bytes=measured.packed_bytes,
        processes=tuple(stored_part(stored.StartProcess, start) for start in starts),
    )


def _model_memory_bytes(starts: Sequence[StartSample]) -> int | None:
    sizes = [start.model_memory_bytes for start in starts]
    known = [size for size in sizes if size is not None]
    return round(statistics.median(known)) if len(known) == len(sizes) else None
