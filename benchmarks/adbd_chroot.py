"""A real adbd, Debian 13's, in a chroot on this machine, behind an adb server on a private port.

Needs root and ``apt-get install adb debootstrap``. Making the chroot takes two minutes and 230 MB
the first time; it is kept in the folder that is given.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from adb_server import adb_server, free_port  # noqa: E402 - found through the line above

from edgeprune.devices.boards import load_board  # noqa: E402
from edgeprune.devices.device import Device  # noqa: E402
from edgeprune.devices.transports.adb import Adb  # noqa: E402

SHELL_USER = 2000
"""Number of Android's user ``shell``. Source: AOSP, android_filesystem_config.h, AID_SHELL."""

FOLDER = "/data/local/tmp"

# The mounts are those of a namespace of its own, and go with it.
_START = (
    'for pair in proc:proc devpts:dev/pts; do [ "$pair" = proc:proc ] || mount --bind /dev '
    '"$1/dev"; mount -t "${pair%:*}" "${pair%:*}" "$1/${pair#*:}"; done; '
    'exec chroot --userspec "$2:$2" "$1" env ADBD_PORT="$3" HOME=/ '
    "/usr/lib/android-sdk/platform-tools/adbd"
)


class Plain(Adb):
    """The transport as it is where adbd has no shell_v2."""

    def open(self) -> None:
        """Connects, and forgets what the adbd can."""
        super().open()
        self._open_link().features.discard("shell_v2")


class RealAdbd:
    """The adbd as one user.

    Attributes:
        home: The chroot.
        address: Its serial number for the adb server.
    """

    def __init__(self, home: Path, user: int) -> None:
        self.home, self.user, self.port = home, user, free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; the adb server is told by whoever connects."""
        script = ["sh", "-ec", _START, "sh", str(self.home), str(self.user), str(self.port)]
        with (self.home.parent / "adbd.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", *script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        time.sleep(1.0)  # it says nothing when it listens
        if self._process.poll() is not None:
            raise RuntimeError((self.home.parent / "adbd.log").read_text()[-500:])

    def signal(self, number: int) -> None:
        """Sends a signal to it alone."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def adb(self, board: str = "rpi4", kind: type[Adb] = Adb) -> Adb:
        """A transport to it, not open yet."""
        folder = f"{FOLDER}/edgeprune"
        device = Device(board=board, name="adbd", host=self.address, folder=folder)
        return kind(load_board(board), device)


def mirror() -> list[str]:
    """The mirror that this machine's apt uses; without one debootstrap takes its own."""
    for sources in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        lines = sources.read_text().splitlines()
        mirrors = [line.split()[1] for line in lines if line.startswith("URIs:")]
        if mirrors:
            return mirrors[:1]
    return []


def make_chroot(folder: Path) -> tuple[Path, float]:
    """The chroot under ``folder``, and the seconds that making it took; 0 if it was there."""
    home = folder / "phone"
    begun_s = time.monotonic()
    if (home / "usr/lib/android-sdk/platform-tools/adbd").exists():
        return home, 0.0
    folder.mkdir(parents=True, exist_ok=True)
    argv = ["debootstrap", "--variant=minbase", "--include=adbd", "trixie", str(home), *mirror()]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return home, time.monotonic() - begun_s


@contextlib.contextmanager
def real_adbd(folder: Path, user: int = 0) -> Iterator[RealAdbd]:
    """The adbd, running as ``user`` behind a server of its own."""
    home, _ = make_chroot(folder)
    place = home / FOLDER.lstrip("/")
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["rm", "-rf", *place.iterdir()], check=True)
    os.chown(place, user, user)
    adbd = RealAdbd(home, user)
    with adb_server(folder):
        try:
            adbd.start()
            yield adbd
        finally:
            adbd.stop()
