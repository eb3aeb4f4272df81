"""Landlock: what this process may write, whom it may signal, decided by itself and for good.

It asks for no privilege. Source: the kernel's ``Documentation/userspace-api/landlock.rst``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence

from edgeprune.sandbox import linux

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DEVICES = 1 << 6 | 1 << 11
_MAKE = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12  # folders, files, sockets, FIFOs, links
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3
_TCP = 1 << 0 | 1 << 1  # since version 4
_SCOPES = 1 << 0 | 1 << 1  # abstract sockets and signals, since version 6


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    ]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def version() -> int:
    """The kernel's version of Landlock.

    Raises:
        OSError: It has none, or it is switched off.
    """
    return linux.syscall("landlock", _CREATE_RULESET, None, 0, _VERSION)


def restrict(
    writable: Sequence[str], devices: Sequence[str], readable: Sequence[str] | None = None
) -> int:
    """Lets this process, and all that it starts, write below some folders alone.

    Args:
        writable: Folders.
        devices: Files that may be written to, and neither made nor removed.
        readable: Folders and files that may be read besides those; None for all.

    Returns:
        The version: from 4 on TCP is cut, from 6 on signals to others are.

    Raises:
        OSError: The kernel refused. ``PR_SET_NO_NEW_PRIVS`` must be set.
    """
    offered = version()
    writes = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE | _MAKE_DEVICES
    writes |= (_REFER if offered >= 2 else 0) | (_TRUNCATE if offered >= 3 else 0)
    reads = 0 if readable is None else _EXECUTE | _READ_FILE | _READ_DIR
    asked = _Ruleset(writes | reads, _TCP if offered >= 4 else 0, _SCOPES if offered >= 6 else 0)
    size = 24 if offered >= 6 else 16 if offered >= 4 else 8
    rules = linux.syscall("landlock_create_ruleset", _CREATE_RULESET, ctypes.byref(asked), size, 0)
    try:
        for folder in writable:
            _allow(rules, folder, reads | writes & ~_MAKE_DEVICES)
        for device in devices:
            _allow(rules, device, (reads | writes) & (_WRITE_FILE | _TRUNCATE | _READ_FILE))
        for path in readable or ():
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile: then nobody reads it
                _allow(rules, path, reads if os.path.isdir(path) else reads & ~_READ_DIR)
        linux.syscall("landlock_restrict_self", _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return offered


def _allow(rules: int, path: str, access: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(access, opened)
        linux.syscall("landlock_add_rule", _ADD_RULE, rules, _BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(opened)
