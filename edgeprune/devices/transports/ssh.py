"""A device reached over ssh, through jump hosts if need be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.links.address import taken_apart
from edgeprune.devices.links.shell_line import shell_line
from edgeprune.devices.links.ssh.config import Hop, route_to, user_config
from edgeprune.devices.links.ssh.host_keys import HostKey, check_host_key
from edgeprune.devices.transports._append import APPEND, appending, opened_at
from edgeprune.devices.transports.base import (
    TRANSPORTS,
    Channel,
    CommandTransport,
    Completed,
    Probe,
    ProgramChannel,
)
from edgeprune.errors import DeviceError
from edgeprune.progress import pushed

if TYPE_CHECKING:  # paramiko is a part of its own: without it the transport can only say so
    from edgeprune.devices.links.ssh.link import Link
    from edgeprune.devices.links.ssh.program import Program

_START_TIMEOUT_S = 10.0


@TRANSPORTS.register
class Ssh(CommandTransport):
    """Runs programs over ssh, and appends to files through ``cat``.

    ``cat`` takes bytes as fast as ssh carries them; sftp waits for answers, and is not on every
    device.
    """

    needs_address: ClassVar[bool] = True
    has_host_key: ClassVar[bool] = True
    bench_keys: ClassVar[tuple[str, ...]] = (
        "host", "user", "port", "key", "jump", "password_env",
    )  # fmt: skip
    used_for: ClassVar[str] = "boards reached by ssh"
    extra: ClassVar[str | None] = "ssh"
    _link: Link | None = None

    @classmethod
    def probes(cls, boards: Sequence[Board], agent: Callable[[Board], Path]) -> Sequence[Probe]:
        """OpenSSH's own client file."""
        fix = "correct the file; `ssh -G NAME` checks it"
        return (Probe("ssh config", user_config, fix),)

    @classmethod
    def addressed(cls, device: Device) -> Device:
        """The device with ``user@host:port`` taken apart."""
        return taken_apart(device)

    def open(self) -> None:
        """Connects, and checks every host key on the way."""
        from edgeprune.devices.links.ssh.link import Link
        from edgeprune.devices.links.ssh.login import connect

        where = self.device.name or str(self.device.host)
        if self.device.host not in (None, where):
            where += f" ({self.device.host})"
        self._link = Link(connect(route_to(self.device), self._check), where)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Runs a command to its end; output is text, and of standard error the last 64 KiB."""
        deadline_s = time.monotonic() + timeout_s
        program = self._program(shell_line(argv), timeout_s)
        try:
            return Completed(*program.finish(max(0.0, deadline_s - time.monotonic())))
        finally:
            program.close(0.0)

    def upload(self, source: Path, target: str, offset: int, timeout_s: float) -> None:
        """Appends ``source`` from byte ``offset`` on to the device's file ``target``."""
        from edgeprune.devices.links.ssh.program import CHUNK_BYTES

        link = self._open_link()
        with opened_at(source, offset) as (stream, size):
            program = self._program(shell_line(["sh", "-c", APPEND, "sh", target]), timeout_s)
            with appending(program, link.where, target, timeout_s):
                with link.watched(timeout_s, "took no bytes") as watch:
                    while chunk := stream.read(CHUNK_BYTES):
                        program.send(chunk)
                        pushed(source.name, stream.tell(), size)
                        watch.beat()

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], *, count_instructions: bool = False
    ) -> Channel:
        """Starts a program and leaves it running; instructions cannot be counted here."""
        return ProgramChannel(self._program(shell_line(argv, env), _START_TIMEOUT_S))

    def close(self) -> None:
        """Disconnects."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _program(self, line: str, timeout_s: float) -> Program:
        """A program that runs on the device."""
        from edgeprune.devices.links.ssh.program import Program

        return Program(self._open_link(), line, timeout_s)

    def _open_link(self) -> Link:
        if self._link is None:
            raise DeviceError(f"{self.device.name or self.device.host}: not connected")
        return self._link

    def _check(self, hop: Hop, key: HostKey) -> None:
        trust_name = self.device.name or str(self.device.host)
        check_host_key(hop.name, f"{hop.host}:{hop.port}", key, trust_name)
