"""A real adb server on a private port; needs Debian's adb."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

START_S = 60.0


def listening() -> socket.socket:
    """A socket at a port outside those that an adb server searches."""
    while True:
        found = socket.create_server(("127.0.0.1", 0))
        if not 5555 <= found.getsockname()[1] <= 5585:
            return found
        found.close()


def free_port() -> int:
    """A TCP port that nobody uses now; somebody may before long."""
    with listening() as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def adb_server(folder: Path) -> Iterator[int]:
    """A real adb server with keys and log in ``folder``; its port is in the environment too."""
    if shutil.which("adb") is None:
        raise RuntimeError("needs adb: apt-get install adb")
    before = os.environ.get("ANDROID_ADB_SERVER_PORT")
    process, port = started(folder)
    try:
        os.environ["ANDROID_ADB_SERVER_PORT"] = str(port)
        yield port
    finally:
        os.environ.pop("ANDROID_ADB_SERVER_PORT", None)
        if before is not None:
            os.environ["ANDROID_ADB_SERVER_PORT"] = before
        _end(process)


def started(folder: Path, at: int | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """A server and its port; another one where somebody else took the port meanwhile."""
    for _ in range(5):
        port = at or free_port()
        own = {"HOME": str(folder), "ANDROID_ADB_SERVER_PORT": str(port)}
        with (folder / "adb.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "adb", "-P", str(port), "nodaemon", "server"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | own,
            )
        end_s = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < end_s:
            if _answers(port):
                return process, port
            time.sleep(0.02)
        _end(process)
    raise RuntimeError((folder / "adb.log").read_text(errors="replace"))


def _answers(port: int) -> bool:
    """Whether an adb server is what listens there."""
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), 5) as link:
            link.sendall(b"000chost:version")
            return link.recv(4) == b"OKAY"
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(START_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(START_S)
