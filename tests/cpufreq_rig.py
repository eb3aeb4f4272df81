"""A device's cpufreq files, mounted over this machine's in a namespace of the agent's own."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

SYSTEM = "/sys/devices/system/cpu"
SCRIPT = 'mount --bind "$0" /sys/devices/system/cpu && exec "$@"'


class Cpufreq:
    """Governors of some cores, and the shell's ``cmd`` of a phone.

    Attributes:
        folder: What the agent sees as ``/sys/devices/system/cpu``.
        commands: A folder for PATH with a ``cmd`` that writes down how it was called.
    """

    def __init__(self, folder: Path, governors=("schedutil", "ondemand")) -> None:
        self.folder = folder / "cpu"
        self.commands = folder / "bin"
        self.before = governors
        self.is_writable = True
        for i, governor in enumerate(governors):
            core = self.folder / f"cpu{i}" / "cpufreq"
            core.mkdir(parents=True)
            (core / "scaling_governor").write_text(governor + "\n")
            (core / "scaling_max_freq").write_text("1800000\n")
        self.commands.mkdir()

    def file(self, core: int) -> Path:
        return self.folder / f"cpu{core}" / "cpufreq" / "scaling_governor"

    def name(self, core: int, kind: str = "scaling_governor") -> str:
        """Its name on the device."""
        return f"{SYSTEM}/cpu{core}/cpufreq/{kind}"

    def wanted(self, governor: str = "performance") -> dict[str, str]:
        return {self.name(i): governor for i in range(len(self.before))}

    def governors(self) -> tuple[str, ...]:
        return tuple(self.file(i).read_text() for i in range(len(self.before)))

    def are(self, *governors: str) -> bool:
        return self.governors() == tuple(f"{governor}\n" for governor in governors)

    def within(self, *argv) -> list[str]:
        """``argv`` as a device with these files runs it."""
        inner = [] if self.is_writable else ["setpriv", "--bounding-set", "-dac_override"]
        # Under nohup a hangup is ignored by all that is started: here it is not.
        outer = ["env", "--default-signal=HUP"]
        outer += ["unshare", "--mount", "sh", "-c", SCRIPT, str(self.folder)]
        return [*outer, *inner, *map(str, argv)]

    def lock(self) -> None:
        """Takes the right to write from its programs, as a phone does from its shell user."""
        self.is_writable = False
        for i in range(len(self.before)):
            self.file(i).chmod(0o444)

    def make_cmd(self, status: int = 0) -> None:
        """A ``cmd`` that ends with ``status``."""
        log = shlex.quote(str(self.commands / "log"))
        (self.commands / "cmd").write_text(f'#!/bin/sh\necho "$@" >> {log}\nexit {status}\n')
        (self.commands / "cmd").chmod(0o755)

    def called(self) -> list[str]:
        return (self.commands / "log").read_text().splitlines()

    def is_restored(self, agent: Path, timeout_s: float = 60.0) -> bool:
        """Whether all is as before and no agent nor watchdog is left, soon."""
        end_s = time.monotonic() + timeout_s
        while not self.are(*self.before) or processes(agent):
            if time.monotonic() > end_s:
                return False
            time.sleep(0.01)
        return True


def processes(agent: Path) -> list[int]:
    """Processes with an argument that begins so, watchdogs included, zombies not."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(str(agent).encode()) for word in words):
            found.append(int(folder.name))
    return found
