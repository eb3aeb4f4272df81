"""What was held fixed on the device, in words for people."""

from __future__ import annotations

from edgeprune.history.result import Pinning, Result, known


def pinning_rows(pinning: Pinning | None) -> list[tuple[str, str]]:
    """Rows for the heading of a report: names and texts; none where nothing could be held.

    >>> pinning_rows(Pinning(cpus=(4, 5), asked="performance", governors=("performance",),
    ...     governors_before=("schedutil",), fixed_performance_mode=False, restored=True,
    ...     reason=None))
    [('cores', '4, 5'), ('governor', 'performance; before and after: schedutil')]
    """
    if pinning is None:
        return []
    rows = [("cores", ", ".join(map(str, pinning.cpus)) or "not pinned")]
    governor = ", ".join(pinning.governors) or "none that can be read"
    before = ", ".join(pinning.governors_before)
    if pinning.fixed_performance_mode:
        governor += "; in Android's fixed performance mode"
    elif pinning.restored is not None:
        kept = "before and after" if pinning.restored else "NOT restored, before"
        governor += f"; {kept}: {before}"
    return [*rows, ("governor", governor)]


def pinning_remarks(result: Result) -> list[str]:
    """Why the clock was not pinned, or not given back."""
    pinning = known(result.pinning)
    return [pinning.reason] if pinning is not None and pinning.reason else []
