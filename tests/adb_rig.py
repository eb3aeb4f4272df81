"""A phone's adbd of our own that can be told to fail.

It speaks adb's transport protocol, the side of a phone, and runs commands of this machine. What it
can be told to do is in :class:`Fault`.

Source of the protocol: AOSP packages/modules/adb, protocol.txt, SERVICES.TXT, SYNC.TXT.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adb_server import listening

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.adb.output import CLOSE_STDIN, EXIT, HEADER, STDERR, STDIN, STDOUT

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(word, "little")
    for word in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
_MESSAGE = struct.Struct("<6I")
_VERSION, _MAX_BYTES = 0x01000001, 1 << 18
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


class _Stream:
    """One stream of a connection: what OPEN opened."""

    def __init__(self, link: _Connection, local: int, remote: int) -> None:
        self.link, self.local, self.remote = link, local, remote
        self.input: asyncio.Queue[bytes] = asyncio.Queue()
        self.taken = asyncio.Event()
        self.open = True
        self._ahead = b""

    async def send(self, data: bytes) -> None:
        """Sends all of ``data``, waiting for each part to be taken."""
        for start in range(0, len(data), _MAX_BYTES):
            self.taken.clear()
            if not self.open:
                raise ConnectionError
            await self.link.send(WRTE, self.local, self.remote, data[start : start + _MAX_BYTES])
            await self.taken.wait()

    async def receive(self) -> bytes:
        """Some input; empty once the host has closed."""
        if not self.open and self.input.empty():
            return b""
        data = await self.input.get()
        if data:
            await self.link.send(OKAY, self.local, self.remote)
        return data

    async def exactly(self, size: int) -> bytes:
        """So many bytes of input; fewer once the host has closed."""
        while len(self._ahead) < size and (part := await self.receive()):
            self._ahead += part
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def shut(self) -> None:
        """The host has closed it, or is gone."""
        self.open = False
        self.taken.set()
        self.input.put_nowait(b"")


class _Connection:
    """A connection of the adb server."""

    def __init__(self, adbd: Adbd, reader: Any, writer: Any) -> None:
        self.adbd, self.reader, self.writer = adbd, reader, writer
        self.streams: dict[int, _Stream] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.next = 1
        self.alive = asyncio.Event()
        self.alive.set()

    async def serve(self) -> None:
        """Answers until the server, or a fault, breaks the connection."""
        try:
            while True:
                head = await self.reader.readexactly(_MESSAGE.size)
                command, arg0, arg1, size, _, _ = _MESSAGE.unpack(head)
                data = await self.reader.readexactly(size)
                await self._moving()
                await self._take(command, arg0, arg1, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for stream in self.streams.values():
                stream.shut()
            self.writer.close()
            if self.tasks:
                await asyncio.wait(self.tasks)

    async def _take(self, command: int, arg0: int, arg1: int, data: bytes) -> None:
        stream = self.streams.get(arg1)
        if command in (CNXN, AUTH) and not self.adbd.allows:
            if arg0 != 3:  # with its public key the server waits for the phone's user
                await self.send(AUTH, 1, 0, bytes(20))
        elif command == CNXN:
            banner = f"device::ro.product.model=rig;features={self.adbd.features}"
            await self.send(CNXN, _VERSION, _MAX_BYTES, banner.encode())
        elif command == OPEN:
            stream = self.streams[self.next] = _Stream(self, self.next, arg0)
            self.next += 1
            name = data.rstrip(b"\0").decode()
            task = asyncio.ensure_future(self._service(stream, name))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif stream is not None and command == WRTE:
            stream.input.put_nowait(self.adbd.passing(data))
        elif stream is not None and command == OKAY:
            stream.taken.set()
        elif stream is not None and command == CLSE:
            stream.shut()

    async def send(self, command: int, arg0: int, arg1: int, data: bytes = b"") -> None:
        """Sends a message."""
        data = self.adbd.passing(data)
        await self._moving()
        head = (command, arg0, arg1, len(data), 0, command ^ 0xFFFFFFFF)
        self.writer.write(_MESSAGE.pack(*head) + data)
        await self.writer.drain()

    async def _moving(self) -> None:
        await self.alive.wait()
        await self.adbd.running.wait()

    async def _service(self, stream: _Stream, name: str) -> None:
        kind, _, line = name.partition(":")
        services = {"shell,v2,raw": self.adbd.packets, "exec": self.adbd.raw, "sync": _sync}
        with contextlib.suppress(ConnectionError, OSError):
            if kind not in services:
                await self.send(CLSE, 0, stream.remote)
                return
            await self.send(OKAY, stream.local, stream.remote)
            await services[kind](stream, line)
            if stream.open:
                await self.send(CLSE, stream.local, stream.remote)
        stream.shut()
        self.streams.pop(stream.local, None)


async def _sync(stream: _Stream, _: str) -> None:
    """Answers the question for a file's state, the one that edgeprune asks."""
    while len(head := await stream.exactly(8)) == 8:
        await stream.exactly(int.from_bytes(head[4:], "little"))
        await stream.send(b"STAT" + struct.pack("<3I", 0o40755, 0, 0))


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
        self, home: Path, features: str = "shell_v2,cmd,stat_v2", tools: Path | None = None
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
        self._links: set[_Connection] = set()
        self._away = False
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        socket_ = listening()
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
        link = _Connection(self, reader, writer)
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

    async def packets(self, stream: _Stream, line: str) -> None:
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

    async def _carry(self, stream: _Stream, kind: int, pipe: Any) -> None:
        while part := await pipe.read(1 << 16):
            await stream.send(self._packet(kind, part))

    async def _feed(self, stream: _Stream, process: Any) -> None:
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

    async def raw(self, stream: _Stream, line: str) -> None:
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
