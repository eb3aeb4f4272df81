"""A device reached over ssh, through jump hosts if need be."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout, DiskFull
from edgeprune.host_keys import HostKey, check_host_key
from edgeprune.ssh_config import Hop, route_to
from edgeprune.ssh_login import BROKEN, connect, disconnect
from edgeprune.transports.base import TRANSPORTS, Channel, Completed, Transport

_START_TIMEOUT_S = 15.0
_KILL_TIMEOUT_S = 5.0
_CHUNK_BYTES = 1 << 18  # measured best of 32 KiB to 1 MiB; paramiko cuts it into packets
_GREETING_BYTES = 64 << 10
_LAST_WORDS_BYTES = 64 << 10
_MARK = re.compile(rb"edgeprune:(\d+)\n")


def shell_line(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """The command line that makes any login shell run exactly ``argv``.

    It prints ``edgeprune:<process group>`` before the program starts: what a login shell greets
    with ends there, and the group is what a kill needs. The shell stays as the program's parent,
    so that a program ended by signal n is seen as exit status 128 + n.

    Raises:
        ConfigError: A token holds a newline or NUL or is not UTF-8, or a variable's name is none.

    >>> shell_line(["echo", "it's"])
    'exec sh -c \\'echo edgeprune:$$; echo \\'"\\'"\\'it\\'"\\'"\\'"\\'"\\'"\\'"\\'"\\'"\\'s\\'"\\'"\\'; exit $?\\''
    """
    for token in (*argv, *(env or {}).values()):
        if "\n" in token or "\0" in token:
            raise ConfigError(f"{token!r} holds a newline or NUL: rename the file")
        try:
            token.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"{token!r} is not UTF-8: rename the file") from error
    for name in env or {}:
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
            raise ConfigError(f"{name!r} is no name of an environment variable")
    exports = "".join(f"export {k}={shlex.quote(v)}; " for k, v in (env or {}).items())
    # Each on its own: shlex.quote leaves a safe word bare, and a bare `A=b` would assign.
    words = " ".join("'" + token.replace("'", "'\"'\"'") + "'" for token in argv)
    return "exec sh -c " + shlex.quote(f"echo edgeprune:$$; {exports}{words}; exit $?")


class _Watch:
    """Breaks the connection when nothing moves for ``timeout_s`` seconds.

    paramiko waits without bound in several places, for a reply or for room in the socket, so a
    pulled cable would hang it; closing the connection under it is what wakes it.
    """

    def __init__(self, timeout_s: float, expire: Any) -> None:
        self.expired = False
        self._timeout_s, self._expire = timeout_s, expire
        self._done = threading.Event()
        self.beat()

    def beat(self) -> None:
        """Notes progress."""
        self._due_s = time.monotonic() + self._timeout_s

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(max(0.0, self._due_s - time.monotonic())):
            if time.monotonic() >= self._due_s:
                self.expired = True
                self._expire()
                return


class SshChannel(Channel):
    """A program on the device, started by its login shell."""

    def __init__(self, transport: Ssh, line: str, timeout_s: float) -> None:
        """Starts ``line`` and waits until its shell runs.

        Raises:
            DeviceTimeout: It did not start within ``timeout_s`` seconds.
            DeviceError: The device's login shell refused it, or the connection broke.
        """
        self._transport = transport
        self._words = bytearray()
        self._ahead = bytearray()
        self.group = 0
        deadline_s = time.monotonic() + timeout_s
        with transport.watched(timeout_s, "did not start a program"):
            self._session = transport.session(timeout_s)
            self._session.exec_command(line)
        self._pump = threading.Thread(target=self._pump_stderr, daemon=True)
        self._pump.start()
        while (mark := _MARK.search(self._ahead)) is None:
            part = self._receive(1 << 16, deadline_s)
            if not part or len(self._ahead) > _GREETING_BYTES:
                words = self.last_words() or self._ahead.decode(errors="replace").strip()
                raise DeviceError(f"{transport.where}: its login shell starts no program: {words}")
            self._ahead += part
        self.group = int(mark[1])
        del self._ahead[: mark.end()]

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""
        with self._transport.watched(timeout_s, "took no more input") as watch:
            self.send(data, watch)
            watch.beat()

    def send(self, data: bytes, watch: _Watch) -> None:
        """Sends all of ``data`` under a running ``watch``."""
        if self._session.exit_status_ready() or self._session.closed:
            raise self._ended() if not watch.expired else TimeoutError()
        view = memoryview(data)
        for start in range(0, len(data), _CHUNK_BYTES):
            self._session.settimeout(None)
            self._session.sendall(bytes(view[start : start + _CHUNK_BYTES]))

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes."""
        deadline_s = time.monotonic() + timeout_s
        while len(self._ahead) < size:
            part = self._receive(size - len(self._ahead), deadline_s)
            if not part:
                raise self._ended()
            self._ahead += part
        data = bytes(self._ahead[:size])
        del self._ahead[:size]
        return data

    def finish(self, timeout_s: float) -> Completed:
        """Closes the program's input and waits for its end.

        Raises:
            DeviceTimeout: It ran on for more than ``timeout_s`` seconds; it was killed.
            DeviceError: The connection broke.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            with self._transport.watched(timeout_s, "did not end"):
                self._session.shutdown_write()
            while part := self._receive(1 << 16, deadline_s):
                self._ahead += part
            if not self._session.status_event.wait(max(0.0, deadline_s - time.monotonic())):
                raise DeviceTimeout(f"{self._transport.where}: sent nothing in time")
        except DeviceTimeout:
            self.kill()
            raise
        self._pump.join(1.0)
        if self._session.exit_status < 0:
            raise self._ended()
        stdout = self._ahead.decode(errors="replace")
        return Completed(
            int(self._session.exit_status), stdout, self._words.decode(errors="replace")
        )

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Closes the program's input and waits for its end, killing it after ``timeout_s``.

        Instructions cannot be counted here.
        """
        if not self._session.closed:
            try:
                self.finish(timeout_s)
            except DeviceError:
                self.kill()  # a broken connection needs none: its sshd closes the pipes
        self._session.close()
        return None

    def kill(self) -> None:
        """Kills the program and all that it started, over a session of its own."""
        if self._session.status_event.is_set() or not self.group:
            return
        with contextlib.suppress(DeviceError):
            with self._transport.watched(_KILL_TIMEOUT_S, "did not kill a program"):
                session = self._transport.session(_KILL_TIMEOUT_S)
                group = self.group
                session.exec_command(f"kill -9 -{group} 2>/dev/null || kill -9 {group}")
                session.recv_exit_status()
        self._session.close()

    def last_words(self) -> str:
        """The end of what the program printed on standard error."""
        if self._session.closed or self._session.eof_received:
            self._pump.join(1.0)
        return self._words.decode(errors="replace").strip()

    def _receive(self, size: int, deadline_s: float) -> bytes:
        """Some output; empty at its end."""
        left_s = deadline_s - time.monotonic()
        self._session.settimeout(max(0.001, left_s))
        try:
            return bytes(self._session.recv(min(size, 1 << 20)))
        except TimeoutError as error:
            words = self.last_words()[-300:]
            raise DeviceTimeout(
                f"{self._transport.where}: sent nothing in time" + (f": {words}" if words else "")
            ) from error

    def _pump_stderr(self) -> None:
        """Reads standard error along the way, so that a talkative program never blocks on it."""
        with contextlib.suppress(*BROKEN):
            while part := self._session.in_stderr_buffer.read(1 << 16, None):
                self._words += part
                del self._words[:-_LAST_WORDS_BYTES]

    def _ended(self) -> DeviceError:
        self._session.status_event.wait(2.0)
        code = self._session.exit_status
        if code < 0:
            return self._transport.broken("the connection broke")
        words = self.last_words()[-1000:] or "it printed nothing on standard error"
        how = f"was ended by signal {code - 128}" if code > 128 else f"ended with status {code}"
        return DeviceError(f"{self._transport.where}: the program {how}: {words}")


@TRANSPORTS.register
class Ssh(Transport):
    """Runs programs over ssh, and appends to files through ``cat``.

    ``cat`` takes bytes as fast as ssh carries them; sftp would wait for answers, and is not on
    every device.
    """

    _hops: Sequence[Any] = ()

    @property
    def where(self) -> str:
        """The device's name and address, for messages."""
        return f"{self.device.name or self.device.host} ({self.device.host})"

    def open(self) -> None:
        """Connects, and checks every host key on the way."""
        self._hops = connect(route_to(self.device), self._check)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Runs a command to its end."""
        deadline_s = time.monotonic() + timeout_s
        channel = SshChannel(self, shell_line(argv), timeout_s)
        try:
            return channel.finish(max(0.0, deadline_s - time.monotonic()))
        finally:
            channel.close(0.0)

    def upload(self, source: Path, target: str, offset: int, timeout_s: float) -> None:
        """Appends ``source`` from byte ``offset`` on to the device's file ``target``."""
        script = 'LC_ALL=C; export LC_ALL; exec cat >> "$1"'
        channel = SshChannel(self, shell_line(["sh", "-c", script, "sh", target]), timeout_s)
        try:
            with source.open("rb") as stream, self.watched(timeout_s, "took no bytes") as watch:
                stream.seek(offset)
                while chunk := stream.read(_CHUNK_BYTES):
                    channel.send(chunk, watch)
                    watch.beat()
            done = channel.finish(timeout_s)
        except DeviceTimeout:
            raise
        except DeviceError as error:
            raise self._no_room(str(error), target) or error from error
        except OSError as error:
            raise ConfigError(f"{source}: cannot be read: {error}") from error
        finally:
            channel.close(0.0)
        if done.code:
            words = f"{self.where}: {target} cannot be written: {done.stderr.strip()}"
            raise self._no_room(words, target) or DeviceError(words)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], *, count_instructions: bool = False
    ) -> Channel:
        """Starts a program and leaves it running; instructions cannot be counted here."""
        return SshChannel(self, shell_line(argv, env), _START_TIMEOUT_S)

    def close(self) -> None:
        """Disconnects."""
        hops, self._hops = self._hops, ()
        disconnect(hops)

    def session(self, timeout_s: float) -> Any:
        """A fresh paramiko channel on the open connection."""
        if not self._hops:
            raise DeviceError(f"{self.where}: not connected")
        return self._hops[-1].open_session(timeout=timeout_s)

    @contextlib.contextmanager
    def watched(self, timeout_s: float, what: str) -> Iterator[_Watch]:
        """Bounds what happens inside, and turns paramiko's errors into ours.

        Raises:
            DeviceTimeout: Nothing moved for ``timeout_s`` seconds; the connection is closed.
            DeviceError: The connection broke.
        """
        with _Watch(timeout_s, self._abort) as watch:
            try:
                yield watch
            except BROKEN as error:
                if not watch.expired:
                    raise self.broken(str(error) or "it ended") from error
                raise DeviceTimeout(f"{self.where}: {what} within {timeout_s:g} s") from error
            except DeviceError as error:
                if not watch.expired:
                    raise
                raise DeviceTimeout(f"{self.where}: {what} within {timeout_s:g} s") from error
        if watch.expired:
            raise DeviceTimeout(f"{self.where}: {what} within {timeout_s:g} s")

    def broken(self, reason: str) -> DeviceError:
        """The error for a lost connection."""
        return DeviceError(f"{self.where}: the ssh connection broke: {reason}; try again")

    def _abort(self) -> None:
        """Drops the connection with everything unsent.

        Without the zero linger time the kernel would go on sending what is queued, and bytes of
        this transfer could reach the device's file while the next transfer appends to it.
        """
        with contextlib.suppress(*BROKEN, AttributeError):
            linger = struct.pack("ii", 1, 0)
            self._hops[0].sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        disconnect(self._hops)

    def _check(self, hop: Hop, key: HostKey) -> None:
        trust_name = self.device.name or self.device.host or ""
        check_host_key(hop.name, f"{hop.host}:{hop.port}", key, trust_name)

    def _no_room(self, words: str, target: str) -> DiskFull | None:
        if re.search("No space left|quota exceeded", words, re.IGNORECASE) is None:
            return None
        return DiskFull(f"{self.where}: no room for {target}: free some, or name another folder")
