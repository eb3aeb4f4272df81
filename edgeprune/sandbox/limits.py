"""How much the child may take: memory, file sizes; and which privileges it keeps."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from edgeprune.sandbox import linux

MEMORY_SHARE = 0.8
"""Share of this machine's memory, or of its container's, that the child may ask for.

Source: ours; the rest is the parent's, which holds the child's answer, and the system's.
"""

MIN_MEMORY_BYTES = 1 << 30
"""TensorFlow itself asks for 0.6 GB before it has a model (measured, TensorFlow 2.21)."""

MAX_FILE_BYTES = 16 << 30
"""Largest file that the child may write into its own folder. Source: ours; TFLite ends at 2 GB."""

_CAPABILITY_VERSION_3 = 0x20080522
_KEPT_BY_ROOT = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: root reads what others own


def memory_bytes() -> int:
    """What the child may ask for on this machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    least = min([total, *_container_limits()])
    return max(MIN_MEMORY_BYTES, int(MEMORY_SHARE * least))


def _container_limits() -> list[int]:
    """Limits of the control groups that this process is in."""
    limits_bytes = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, kinds, own = line.split(":", 2)
        root, name = ("/sys/fs/cgroup", "memory.max")
        if kinds:
            root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        if kinds and "memory" not in kinds.split(","):
            continue
        folder = Path(root + own)
        for level in (folder, *folder.parents):
            try:
                limits_bytes.append(int((level / name).read_text()))
            except (OSError, ValueError):  # not there, or "max"
                continue
    return [limit for limit in limits_bytes if limit > 0]


def bound_memory(limit_bytes: int) -> None:
    """Refuses this process, and each that it starts, more memory of its own than that.

    What is counted is what can be written (``RLIMIT_DATA``): TensorFlow reserves address space
    that it never touches.

    Raises:
        OSError: The system has no such limit.
    """
    _lower(resource.RLIMIT_DATA, limit_bytes)


def bound_files() -> None:
    """Bounds the size of a file, and writes no memory to disk after a crash."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except ValueError as error:
        raise OSError(22, str(error)) from error


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def drop_privileges() -> None:
    """Gives up what root may do, but for reading and writing files that others own.

    Raises:
        OSError: The kernel refused.
    """
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    kept = sum(1 << bit for bit in _KEPT_BY_ROOT) & _effective()
    for bit in range(64):
        if not kept >> bit & 1:
            try:
                linux.prctl(linux.PR_CAPBSET_DROP, bit)
            except OSError:  # no such one, or nothing to drop it with
                break
    linux.prctl(linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_CLEAR_ALL)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    low, high = _Capabilities(kept, kept, 0), _Capabilities(0, 0, 0)
    sets = (_Capabilities * 2)(low, high)
    if linux.libc().capset(ctypes.byref(header), sets) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")


def _effective() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
