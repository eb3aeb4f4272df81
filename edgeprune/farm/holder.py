"""Who holds a lease: a process of some host, which others of that host can see to be dead."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

_HOLDER = re.compile(r"(\S+) process (\d{1,10}) since (\d{1,20}) boot (\w+) number (\w+)")


def this_process() -> str:
    """A holder that no other process has, nor ever had."""
    pid = os.getpid()
    number = secrets.token_hex(4)
    return (
        f"{socket.gethostname()} process {pid} since {_began(pid)} boot {_boot()} number {number}"
    )


def is_dead(holder: str) -> bool:
    """Whether a holder was a process of this host that is no more; False where nobody can tell."""
    match = _HOLDER.fullmatch(holder)
    if match is None or match[1] != socket.gethostname():
        return False
    return match[4] != _boot() or _began(int(match[2])) != int(match[3])


def shown(holder: str) -> str:
    """A holder for people.

    >>> shown("lab3 process 47 since 11 boot ab number cd")
    'the farm on lab3 (process 47)'
    >>> shown("anna@lab3")
    'anna@lab3'
    """
    match = _HOLDER.fullmatch(holder)
    return f"the farm on {match[1]} (process {match[2]})" if match else holder


def _began(pid: int) -> int:
    """When a process began, in the kernel's ticks since the boot; 0 where there is none.

    Source: proc(5), field 22 of ``stat``; the name before it may hold anything but ends with ``)``.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        state, *_ = fields = stat.rpartition(")")[2].split()
        return 0 if state == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return "unknown"
