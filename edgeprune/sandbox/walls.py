"""The walls around the child: what holds each on this system, and what does not."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgeprune.sandbox import landlock, limits, linux, namespaces, syscalls

NAMES = ("network", "disk", "others", "memory", "privileges")
"""No network; a read-only disk but for its own folder; no hand on other processes; bounded memory
and files; no privileges."""

MATTERS = ("network", "disk", "others")
"""Where none of these holds, a model that runs code runs it freely."""

_LANDLOCK_CUTS_TCP, _LANDLOCK_CUTS_SIGNALS = 4, 6

DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/dev/nvidia[0-9]*", "/dev/nvidia-*", "/dev/nvidiactl", "/dev/dri/*", "/dev/kfd", "/dev/dxg"),
)
"""Device files that the child may open: those that keep nothing, and GPUs."""


@dataclass(frozen=True)
class Wall:
    """One wall.

    Attributes:
        name: One of :data:`NAMES`.
        held_by: What holds it, in the system's words; empty if nothing does.
        missing: What does not hold it here, each with the reason.
    """

    name: str
    held_by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass
class Walls:
    """Closes the walls in the only order that works, and keeps account.

    Attributes:
        writable: Folders in which the child may write.
        memory_limit_bytes: Most memory that a process in it may ask for.
        readable: What the child may read besides those folders; None for all that its user may.
    """

    writable: Sequence[str]
    memory_limit_bytes: int
    readable: Sequence[str] | None = None
    _held: dict[str, list[str]] = field(default_factory=dict)
    _missing: dict[str, list[str]] = field(default_factory=dict)
    _namespaces: dict[int, str] = field(default_factory=dict)

    def before_fork(self) -> None:
        """What the next child of this process is born into."""
        self._namespaces = namespaces.separate() if linux.is_linux() else {}
        refused = self._namespaces or dict.fromkeys(
            (namespaces.NEW_NETWORK, namespaces.NEW_MOUNTS, namespaces.NEW_PIDS), "not Linux"
        )
        self._note("network", "network namespace", refused[namespaces.NEW_NETWORK])
        self._note("others", "PID namespace", refused[namespaces.NEW_PIDS])

    def in_child(self) -> tuple[Wall, ...]:
        """Closes the rest around this process.

        Returns:
            All walls, in the order of :data:`NAMES`.
        """
        self._close_disk()
        self._try("memory", "file sizes", limits.bound_files)
        self._try("memory", "RLIMIT_DATA", lambda: limits.bound_memory(self.memory_limit_bytes))
        self._try("privileges", "no new privileges, capabilities dropped", limits.drop_privileges)
        self._close_by_landlock()
        self._try("network", "filter of system calls", syscalls.refuse)
        return tuple(
            Wall(name, tuple(self._held.get(name, ())), tuple(self._missing.get(name, ())))
            for name in NAMES
        )

    def _devices(self) -> list[str]:
        files = [file for pattern in DEVICES for file in glob.glob(pattern)]
        return [file for file in files if not os.path.isdir(file)]

    def _close_disk(self) -> None:
        refused = self._namespaces.get(namespaces.NEW_MOUNTS, "not Linux")
        if refused:
            self._note("disk", "read-only mounts", refused)
            return
        if not self._namespaces[namespaces.NEW_PIDS]:
            self._try("others", "a /proc of its own", namespaces.own_processes_shown)
        self._try(
            "disk",
            "read-only mounts",
            lambda: namespaces.read_only_disk(self.writable, self._devices()),
        )

    def _close_by_landlock(self) -> None:
        try:
            version = landlock.restrict(self.writable, self._devices(), self.readable)
        except OSError as error:
            self._note("disk", "Landlock", str(error.strerror or error))
            return
        self._note("disk", f"Landlock {version}", "")
        for wall, least in (("network", _LANDLOCK_CUTS_TCP), ("others", _LANDLOCK_CUTS_SIGNALS)):
            lacks = "" if version >= least else f"this kernel has version {version}, not {least}"
            self._note(wall, "Landlock", lacks)

    def _try(self, wall: str, by: str, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self._note(wall, by, str(error.strerror or error))
        else:
            self._note(wall, by, "")

    def _note(self, wall: str, by: str, refused: str) -> None:
        if refused:
            self._missing.setdefault(wall, []).append(f"{by}: {refused}")
        else:
            self._held.setdefault(wall, []).append(by)
