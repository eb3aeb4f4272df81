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


def free_port() -> int:
    """A TCP port that nobody uses now, outside those that an adb server searches."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        if not 5555 <= port <= 5585:
            return port


@contextlib.contextmanager
def adb_server(folder: Path) -> Iterator[int]:
    """A real adb server with keys and log in ``folder``; its port is in the environment too."""
    if shutil.which("adb") is None:
        raise RuntimeError("needs adb: apt-get install adb")
    port = free_port()
    own = {"HOME": str(folder), "ANDROID_ADB_SERVER_PORT": str(port)}
    before = {name: os.environ.get(name) for name in ("ANDROID_ADB_SERVER_PORT",)}
    with (folder / "adb.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "adb", "-P", str(port), "nodaemon", "server"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | own,
        )
    try:
        end_s = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if time.monotonic() > end_s or process.poll() is not None:
                raise RuntimeError((folder / "adb.log").read_text(errors="replace"))
            time.sleep(0.02)
        os.environ["ANDROID_ADB_SERVER_PORT"] = str(port)
        yield port
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        process.terminate()
        process.wait(10)
