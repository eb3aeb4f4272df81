"""Calls of the Linux kernel that Python's library lacks.

Source of all numbers: the kernel's ``include/uapi``.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


def is_linux() -> bool:
    """Whether there is such a kernel at all."""
    return sys.platform == "linux"


def libc() -> ctypes.CDLL:
    """The C library, whose errors :func:`ctypes.get_errno` gives.

    Raises:
        OSError: This is no Linux.
    """
    if not is_linux():
        raise OSError(38, f"{sys.platform} is not Linux")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(name: str, number: int, *arguments: object) -> int:
    """Calls the kernel by number.

    Raises:
        OSError: It refused.
    """
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(libc().syscall(ctypes.c_long(number), *words), name)


def prctl(what: int, *arguments: object) -> None:
    """Sets something of this process.

    Raises:
        OSError: The kernel refused.
    """
    words = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    words += [ctypes.c_ulong(0)] * (4 - len(words))
    _checked(libc().prctl(what, *words), f"prctl {what}")


def unshare(flags: int) -> None:
    """Leaves namespaces for new ones.

    Raises:
        OSError: The kernel refused.
    """
    _checked(libc().unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    """Mounts something.

    Raises:
        OSError: The kernel refused.
    """
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    _checked(libc().mount(*words, ctypes.c_ulong(flags), None), f"mount {target}")


def die_with_parent() -> None:
    """Has the kernel kill this process when the one that started it ends."""
    if is_linux():
        prctl(PR_SET_PDEATHSIG, 9)
