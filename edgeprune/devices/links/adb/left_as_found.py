"""An adb server that was started for a long job ends with it; one that ran before goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeprune.devices.links.adb.server import is_answering
from edgeprune.files import paths

_LOOPBACK = ("127.0.0.1", "localhost")
_ESTABLISHED = "01"


@contextlib.contextmanager
def left_as_found() -> Iterator[None]:
    """Ends the adb server of this machine behind the block, unless it ran before it.

    One that such a block started which was killed counts as ours. One that somebody is connected to
    is left alone: adb itself would have started it for them.
    """
    try:
        import adbutils
    except ModuleNotFoundError:
        yield
        return
    client = adbutils.AdbClient()
    mark = paths.data_folder() / f"adb-server-{client.port}"
    is_ours = client.host in _LOOPBACK and (_is_marked(mark) or not is_answering(client))
    with contextlib.suppress(OSError):  # without it only a block that is killed leaves a server
        if is_ours:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(_boot(), encoding="ascii")
    try:
        yield
    finally:
        if is_ours and not _is_used(client.port):
            with contextlib.suppress(adbutils.AdbError, OSError):
                _end(client)
        if is_ours:
            with contextlib.suppress(OSError):
                mark.unlink(missing_ok=True)


def _end(client: Any) -> None:
    """Ends the server, if one answers."""
    if is_answering(client):
        client.server_kill()


def _is_marked(mark: Path) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return mark.read_text(encoding="ascii") == _boot()
    return False


def _boot() -> str:
    """Names the present run of this machine, which no server outlives."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return "unknown"


def _is_used(port: int) -> bool:
    """Whether somebody is connected to a port of this machine.

    Source: proc(5), net/tcp: local address, remote address and state as hexadecimal digits.
    """
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
                    return True
    return False
