"""How much memory data may take, known before it is read."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from edgeprune.errors import ModelError

SHARE = 0.5
"""Of the free memory: training and conversion need the rest. Source: ours."""

_CGROUP = Path("/sys/fs/cgroup")


def check_fits(source: str, what: str, needed_bytes: int) -> None:
    """Refuses data that would not leave enough memory.

    Args:
        source: Path or dotted name as the user gave it.
        what: The data, as ``4,000 images of 224x224x3``.
        needed_bytes: What it takes as float32.

    Raises:
        ModelError: It is more than :data:`SHARE` of the memory that is free.
    """
    limit = limit_bytes()
    if needed_bytes > limit:
        raise ModelError(
            f"{source}: {what} need {size(needed_bytes)} of memory, and data may take "
            f"{size(limit)} here, half of what is free: give fewer samples"
        )


def limit_bytes() -> int:
    """Bytes that data may take: a share of the least of all that bounds this process."""
    return int(SHARE * min(_machine_bytes(), _control_group_bytes(), _process_bytes()))


def size(count: float) -> str:
    """Bytes in words.

    >>> size(2.5e9), size(300)
    ('2.5 GB', '300 bytes')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} bytes"


def _machine_bytes() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float("inf")


def _control_group_bytes() -> float:
    """What a container has left (control groups, version 2); infinite without one."""
    with contextlib.suppress(OSError, ValueError):
        most = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        return max(0, most - int((_CGROUP / "memory.current").read_text(encoding="ascii")))
    return float("inf")


def _process_bytes() -> float:
    """What the limits of this process leave."""
    left = float("inf")
    for kind, field in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        soft = resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY:
            left = min(left, max(0, soft - _held_bytes(field)))
    return left


def _held_bytes(field: int) -> int:
    """What this process has: a field of ``statm``, in pages; 0 where there is no such file."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[field]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0
