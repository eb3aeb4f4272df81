"""Namespaces: a network of its own without a way out, its own processes, and a read-only disk."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence

from edgeprune.sandbox import linux

NEW_MOUNTS = 0x00020000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

_PRIVATE = 0x4000 | 1 << 18  # MS_REC | MS_PRIVATE
_BIND = 0x1000
_NO_DEVICES = 2 | 4 | 8  # MS_NOSUID | MS_NODEV | MS_NOEXEC
_MOUNT_SETATTR = 442  # since Linux 5.12
_HERE, _RECURSIVE = -100, 0x8000
_READ_ONLY, _NO_DEVICE_FILES = 1, 4


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def separate() -> dict[int, str]:
    """Moves this process, and its next children, into namespaces of their own.

    Who may not do that gets a user namespace first, in which everyone may.

    Returns:
        For each of the four kinds why it could not be made; empty if it was.
    """
    wanted = (NEW_NETWORK, NEW_MOUNTS, NEW_PIDS, NEW_IPC)
    refused = {flag: _why(linux.unshare, flag) for flag in wanted}
    if any(refused.values()):
        user = _why(_own_users)
        for flag in [flag for flag, why in refused.items() if why]:
            again = user or _why(linux.unshare, flag)
            refused[flag] = again
    return refused


def _own_users() -> None:
    """A user namespace in which this user is who they are, and may do what root may."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(NEW_USER)
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def own_processes_shown() -> None:
    """Lets ``/proc`` show this process's namespace alone.

    Raises:
        OSError: The kernel refused, as in containers that hide parts of it.
    """
    linux.mount("proc", "/proc", "proc", _NO_DEVICES)


def read_only_disk(writable: Sequence[str], devices: Sequence[str]) -> None:
    """Makes every mount read-only for this process, but for these folders.

    Args:
        writable: The folders.
        devices: Device files that still open; disks, say, do not.

    Raises:
        OSError: The kernel refused.
    """
    linux.mount(None, "/", None, _PRIVATE)
    for path in (*writable, *devices):
        linux.mount(path, path, None, _BIND)
    _set("/", _MountAttributes(set=_READ_ONLY | _NO_DEVICE_FILES), _RECURSIVE)
    for path in writable:
        _set(path, _MountAttributes(clear=_READ_ONLY), 0)
    for path in devices:
        _set(path, _MountAttributes(clear=_NO_DEVICE_FILES), 0)


def _set(path: str, attributes: _MountAttributes, flags: int) -> None:
    size = ctypes.sizeof(attributes)
    where = ctypes.c_char_p(os.fsencode(path))
    linux.syscall(
        "mount_setattr", _MOUNT_SETATTR, _HERE, where, flags, ctypes.byref(attributes), size
    )


def _why(act: Callable[..., None], *arguments: int) -> str:
    """What an attempt failed for; empty if it did not."""
    try:
        act(*arguments)
    except OSError as error:
        return str(error.strerror or error)
    return ""
