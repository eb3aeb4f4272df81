"""A phone reached through the user's adb server, by USB or over a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.links.adb.left_as_found import left_as_found
from edgeprune.devices.links.adb.link import Link
from edgeprune.devices.links.adb.program import CHUNK_BYTES, Program
from edgeprune.devices.links.adb.server import Server
from edgeprune.devices.links.address import taken_apart
from edgeprune.devices.toolchain import glibc
from edgeprune.devices.transports._append import APPEND, appending, opened_at
from edgeprune.devices.transports.base import (
    TRANSPORTS,
    Channel,
    CommandTransport,
    Completed,
    Probe,
    ProgramChannel,
)
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.progress import pushed
from edgeprune.text.debian import install_hint

_START_TIMEOUT_S = 10.0
_APPEND_SIZED = 'LC_ALL=C; export LC_ALL; exec head -c "$2" >> "$1"'


@TRANSPORTS.register
class Adb(CommandTransport):
    """Runs programs as adb's shell user, and appends to files through ``cat`` or ``head``.

    adb's own way to send a file always begins at its first byte, so that it can resume nothing.
    """

    bench_keys: ClassVar[tuple[str, ...]] = ("host", "port", "serial")
    bench_example: ClassVar[str] = 'serial = "NUMBER"'
    used_for: ClassVar[str] = "phones"
    extra: ClassVar[str | None] = "adb"
    _link: Link | None = None

    @classmethod
    def probes(cls, boards: Sequence[Board], agent: Callable[[Board], Path]) -> Sequence[Probe]:
        """The libraries that are pushed to a phone."""
        return (Probe("glibc for phones", _libraries, install_hint(glibc.APT_PACKAGES)),)

    @classmethod
    def left_as_found(cls) -> contextlib.AbstractContextManager[None]:
        """The adb server, unless it was there before."""
        return left_as_found()

    @classmethod
    def addressed(cls, device: Device) -> Device:
        """The device with ``host:port`` taken apart; a serial number stays what it is."""
        try:
            apart = taken_apart(device)
        except ConfigError:
            if "@" in (device.host or "") or device.port is not None:
                raise
            return device  # adb may call a phone what it likes: `usb:1-2`
        if apart.user is not None:
            raise ConfigError(f"{device.host}: a phone knows no user, leave out `{apart.user}@`")
        return apart

    def open(self) -> None:
        """Finds the phone and begins to watch it."""
        server = Server()
        serial = server.find(self.device)
        try:
            self._link = Link(server, serial, self.device.name)
        except DeviceError:
            # The server does not see that a network has failed, and keeps the dead connection.
            if not self.device.host or ":" not in serial:
                raise
            server.reach(serial)
            self._link = Link(server, serial, self.device.name)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Runs a command to its end; output is text, and of standard error the last 64 KiB."""
        program = Program(self._open_link(), argv, {}, timeout_s, reads_input=False)
        try:
            return Completed(*program.finish(timeout_s))
        finally:
            program.close(0.0)

    def upload(self, source: Path, target: str, offset: int, timeout_s: float) -> None:
        """Appends ``source`` from byte ``offset`` on to the device's file ``target``."""
        link = self._open_link()
        with opened_at(source, offset) as (stream, size):
            left = max(0, size - offset)
            # Without shell_v2 the input has no end that the program could see.
            append = APPEND if "shell_v2" in link.features else _APPEND_SIZED
            argv = ["sh", "-c", append, "sh", target, str(left)]
            program = Program(link, argv, {}, timeout_s)
            with appending(program, link.where, target, timeout_s):
                while chunk := stream.read(min(CHUNK_BYTES, left)):
                    left -= len(chunk)
                    program.send(chunk, timeout_s)
                    pushed(source.name, stream.tell(), size)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], *, count_instructions: bool = False
    ) -> Channel:
        """Starts a program and leaves it running; instructions cannot be counted here."""
        return ProgramChannel(Program(self._open_link(), argv, env, _START_TIMEOUT_S))

    def close(self) -> None:
        """Ends the watch. The adb server keeps its own connection to the phone."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _open_link(self) -> Link:
        if self._link is None:
            raise DeviceError(f"{self.device.name or self.device.serial}: not connected")
        return self._link


def _libraries() -> str:
    """The C and C++ libraries that are pushed to a phone."""
    try:
        return f"{len(glibc.bundle('aarch64'))} files in {glibc.folder('aarch64')}"
    except DeviceError as error:
        raise FileNotFoundError(str(error)) from error
