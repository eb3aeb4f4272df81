"""The clock of a search: its budget, and what its trainings and judgements turn out to take."""

from __future__ import annotations

import time


def now_s() -> float:
    """Seconds of a clock that never goes back."""
    return time.monotonic()
