"""A word by which this host's half-sent files are known on a device, for one process at a time.

Two that append to the same file would spoil it. So each host has a word of its own for each device,
kept in its data folder, and a process uses it only while it has the lock of the word's file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator

from edgeprune.files import paths, scratch

WAIT_S = 600.0
"""How long another process of this host may push to the same device. Source: ours."""

_BYTES = 4


@contextlib.contextmanager
def own_name(device: str) -> Iterator[str]:
    """Eight hex digits: the same ones each time on this host, so that what broke off is resumed.

    Others, where the data folder cannot be written or another process has them for too long.

    Args:
        device: What messages call it.
    """
    with contextlib.ExitStack() as stack:
        name = ""
        with contextlib.suppress(OSError):
            name = _kept(device, stack)
        yield name or secrets.token_hex(_BYTES)


def _kept(device: str, stack: contextlib.ExitStack) -> str:
    """The word, locked until ``stack`` closes; empty where another process has it.

    Raises:
        OSError: It cannot be kept or locked.
    """
    folder = paths.data_folder() / "push"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / hashlib.sha256(device.encode(errors="replace")).hexdigest()[:16]
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    stack.callback(os.close, descriptor)
    if not scratch.lock(descriptor, file, WAIT_S):
        return ""
    name = os.pread(descriptor, 2 * _BYTES, 0).decode("ascii", "replace")
    if re.fullmatch("[0-9a-f]{8}", name) is None:
        name = secrets.token_hex(_BYTES)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, name.encode(), 0)
    return name
