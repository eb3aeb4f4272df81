"""adb's transport protocol, the side of a phone: connections, and the streams on them.

Source of the protocol: AOSP packages/modules/adb, protocol.txt, SERVICES.TXT, SYNC.TXT.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Any

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(word, "little")
    for word in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)

_MESSAGE = struct.Struct("<6I")

_VERSION, _MAX_BYTES = 0x01000001, 1 << 18


class Stream:
    """One stream of a connection: what OPEN opened."""

    def __init__(self, link: Connection, local: int, remote: int) -> None:
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


class Connection:
    """A connection of the adb server."""

    def __init__(self, adbd: Any, reader: Any, writer: Any) -> None:
        self.adbd, self.reader, self.writer = adbd, reader, writer
        self.streams: dict[int, Stream] = {}
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
            stream = self.streams[self.next] = Stream(self, self.next, arg0)
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

    async def _service(self, stream: Stream, name: str) -> None:
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


async def _sync(stream: Stream, _: str) -> None:
    """Answers the question for a file's state, the one that edgeprune asks."""
    while len(head := await stream.exactly(8)) == 8:
        await stream.exactly(int.from_bytes(head[4:], "little"))
        await stream.send(b"STAT" + struct.pack("<3I", 0o40755, 0, 0))
