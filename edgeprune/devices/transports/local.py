"""This machine: programs are started directly and files need not be copied."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from edgeprune.devices.links.pipes import Child, append_file, run_to_end
from edgeprune.devices.transports.base import TRANSPORTS, Channel, CommandTransport, Completed
from edgeprune.errors import DeviceError


class LocalChannel(Channel):
    """A program on this machine."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""
        self._child.write(data, timeout_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes."""
        return self._child.read(size, timeout_s)

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Closes the program's input and waits for its end; nothing is counted here."""
        self._child.close(timeout_s)
        return None

    def kill(self) -> None:
        """Ends the program at once."""
        self._child.kill()


@TRANSPORTS.register
class Local(CommandTransport):
    """Runs programs on this machine; needs nothing."""

    shares_files: ClassVar[bool] = True
    used_for: ClassVar[str] = "this machine"

    def open(self) -> None:
        """There is nothing to connect to.

        Raises:
            DeviceError: This machine is none that the agent runs on.
        """
        if sys.platform != "linux":
            raise DeviceError(
                f"the board local needs Linux, and this is {sys.platform}: name a board that is "
                "reached by ssh or adb"
            )

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Runs a command to its end."""
        return Completed(*run_to_end(argv, timeout_s))

    def upload(self, source: Path, target: str, offset: int, timeout_s: float) -> None:
        """Appends ``source`` from byte ``offset`` on to the file ``target``."""
        append_file(source, Path(target), offset)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], *, count_instructions: bool = False
    ) -> Channel:
        """Starts a program and leaves it running; instructions cannot be counted here."""
        return LocalChannel(Child(argv, env))

    def close(self) -> None:
        """Nothing to disconnect from; each channel is closed by its owner."""
