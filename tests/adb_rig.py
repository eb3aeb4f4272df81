"""A phone's adbd of our own that can be told to fail.

It speaks adb's transport protocol (``adb_link``), and runs commands of this machine. What it
can be told to do is in :class:`Fault`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adb_link import Connection, Stream
from adb_server import listening

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.adb.output import CLOSE_STDIN, EXIT, HEADER, STDERR, STDIN, STDOUT

FAULTS = ("drop", "stall", "corrupt", "offline", "kill", "lie")


@dataclass
class Fault:
    """Something that goes wrong once.

    Attributes:
        kind: ``drop`` breaks the connection; ``stall`` moves nothing more; ``dead``
            moves nothing more on this connection; ``corrupt`` changes a
            byte; ``offline`` breaks it and accepts no other; ``kill`` kills what runs there;
            ``lie`` changes the length in a shell packet. The last two need shell_v2.
        at_bytes: After so many bytes of payload, both ways together.
        struck: Whether it has happened.
    """

    kind: str
    at_bytes: int
    struck: bool = False


class Adbd:
    """The adbd, in a thread of its own.

    Attributes:
        features: What it claims to support.
        home: Working folder of its commands.
        tools: Folder with its shell and all that it finds; None for this machine's.
        within: What to start its shell through, as a program and its arguments.
        port: Where it listens on 127.0.0.1.
        allows: Whether its user has allowed this computer.
        fault: What will go wrong, or None.
        sessions: Session numbers of every program that it started.
    """

    def __init__(
        self,
        home: Path,
        features: str = "shell_v2,cmd,stat_v2",
        tools: Path | None = None,
        port: int = 0,
    ) -> None:
        self.home, self.features, self.tools = home, features, tools
        self.within: list[str] = []
        self.allows = True
        self.fault: Fault | None = None
        self.moved_bytes = 0
        self.sessions: list[int] = []
        self.loop = asyncio.new_event_loop()
        self.running = asyncio.Event()
        self.running.set()
        self._links: set[Connection] = set()
        self._away = False
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        socket_ = socket.create_server(("127.0.0.1", port)) if port else listening()
        self.port = int(socket_.getsockname()[1])
        serving = asyncio.start_server(self._accept, sock=socket_)
        self._listener = asyncio.run_coroutine_threadsafe(serving, self.loop).result(5)

    @property
    def address(self) -> str:
        """Its serial number for the adb server."""
        return f"127.0.0.1:{self.port}"

    def adb(self, board: str = "rpi4", name: str = "phone", **changes: Any) -> Any:
        """A transport to it, not open yet."""
        from edgeprune.devices.transports.adb import Adb

        given = {"host": self.address, "folder": str(self.home / "ep")}
        return Adb(load_board(board), Device(board=board, name=name, **(given | changes)))

    def left(self, timeout_s: float = 60.0) -> list[str]:
        """Programs that it started and that still run after ``timeout_s`` seconds."""
        end_s = time.monotonic() + timeout_s
        while True:
            rows = subprocess.run(
                ["ps", "-eo", "sid=,stat=,args="], capture_output=True, text=True, check=True
            ).stdout.splitlines()
            split = [row.split(None, 2) for row in rows]
            found = [row[2] for row in split if int(row[0]) in self.sessions and row[1][0] != "Z"]
            if not found or time.monotonic() > end_s:
                return found
            time.sleep(0.05)

    def strike(self, kind: str) -> None:
        """Lets something go wrong now."""
        self.loop.call_soon_threadsafe(self._strike, Fault(kind, 0))

    def heal(self) -> None:
        """Ends a fault as an unplugged and plugged cable would: with a new connection."""

        def mend() -> None:
            self.fault, self._away = None, False
            self._break()
            self.running.set()

        self.loop.call_soon_threadsafe(mend)
        end_s = time.monotonic() + 10
        while self._links and time.monotonic() < end_s:  # the server may have come back already
            time.sleep(0.01)

    def close(self) -> None:
        """Ends it and all that it started."""

        async def end() -> None:
            self._listener.close()
            self.running.set()
            self._break()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others, timeout=5)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        for session in self.sessions:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    async def _accept(self, reader: Any, writer: Any) -> None:
        if self._away:
            writer.close()
            return
        link = Connection(self, reader, writer)
        self._links.add(link)
        try:
            await link.serve()
        finally:
            self._links.discard(link)

    def _break(self) -> None:
        for link in self._links:
            link.alive.set()
            link.writer.transport.abort()
            link.reader.feed_eof()

    def passing(self, data: bytes) -> bytes:
        """Counts payload, and strikes when it is time; returns what goes on."""
        self.moved_bytes += len(data)
        fault = self.fault
        if fault is None or fault.struck or not data or self.moved_bytes < fault.at_bytes:
            return data
        if fault.kind == "corrupt":
            fault.struck = True
            at = fault.at_bytes % len(data)
            return data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
        if fault.kind != "lie":
            self._strike(fault)
        return data

    def _strike(self, fault: Fault) -> None:
        fault.struck = True
        if fault.kind == "stall":
            self.running.clear()
        elif fault.kind == "dead":
            for link in self._links:
                link.alive.clear()
        elif fault.kind in ("drop", "offline"):
            self._away = fault.kind == "offline"
            self._break()
        elif fault.kind == "kill":
            for session in self.sessions:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(session, signal.SIGKILL)

    def _packet(self, kind: int, data: bytes) -> bytes:
        """A shell packet, which lies about its size if it was told to."""
        size, fault = len(data), self.fault
        if fault and fault.kind == "lie" and not fault.struck:
            if self.moved_bytes + size >= fault.at_bytes:
                fault.struck = True
                size ^= 1 << fault.at_bytes % 31
        return HEADER.pack(kind, size) + data

    async def _start(self, line: str, **pipes: Any) -> asyncio.subprocess.Process:
        own = {"PATH": str(self.tools), "HOME": "/"} if self.tools else None
        shell = f"{self.tools or '/bin'}/sh"
        process = await asyncio.create_subprocess_exec(
            *self.within, shell, "-c", line, cwd=self.home, env=own, start_new_session=True, **pipes
        )
        self.sessions.append(process.pid)
        return process

    async def packets(self, stream: Stream, line: str) -> None:
        """``shell,v2,raw:``: three pipes and an exit status as packets."""
        pipe = asyncio.subprocess.PIPE
        process = await self._start(line, stdin=pipe, stdout=pipe, stderr=pipe)
        taking = asyncio.ensure_future(self._feed(stream, process))
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._carry(stream, STDOUT, process.stdout),
                self._carry(stream, STDERR, process.stderr),
            )
            code = await process.wait()
            status = code if code >= 0 else 128 - code
            await stream.send(self._packet(EXIT, bytes([status])))
        stream.input.put_nowait(b"")
        await taking
        await _end(process)

    async def _carry(self, stream: Stream, kind: int, pipe: Any) -> None:
        while part := await pipe.read(1 << 16):
            await stream.send(self._packet(kind, part))

    async def _feed(self, stream: Stream, process: Any) -> None:
        """Input packets to the program's pipe, until either ends."""
        with contextlib.suppress(ConnectionError):
            while len(head := await stream.exactly(HEADER.size)) == HEADER.size:
                kind, size = HEADER.unpack(head)
                data = await stream.exactly(size)
                if kind == STDIN:
                    process.stdin.write(data)
                    await process.stdin.drain()
                elif kind == CLOSE_STDIN:
                    process.stdin.close()
        process.stdin.close()

    async def raw(self, stream: Stream, line: str) -> None:
        """``exec:``: one socket for input, output and complaints."""
        near, far = socket.socketpair()
        process = await self._start(line, stdin=far, stdout=far, stderr=far)
        far.close()
        reader, writer = await asyncio.open_connection(sock=near)

        async def feed() -> None:
            with contextlib.suppress(ConnectionError):
                while data := await stream.receive():
                    writer.write(data)
                    await writer.drain()
            writer.close()

        taking = asyncio.ensure_future(feed())
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1 << 16):
                await stream.send(part)
        stream.input.put_nowait(b"")
        await taking
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """As a phone's adbd does where the host is gone: a hangup for the shell alone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # process.send_signal would race with asyncio
            os.kill(process.pid, signal.SIGHUP)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
    process._transport.close()  # type: ignore[attr-defined]  # else unread output keeps its pipe
