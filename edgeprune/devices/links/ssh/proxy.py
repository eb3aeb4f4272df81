"""A way to a host through a command of OpenSSH's configuration: ``ProxyCommand``."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
from typing import Any

from edgeprune.errors import DeviceError
from edgeprune.text.untrusted import one_line

_END_S = 2.0
_LAST_WORDS_BYTES = 4096


class CommandStream(socket.socket):
    """Our end of a socket whose other end is a command's input and output.

    paramiko takes it for any other socket, its timeouts included. The command and all that it
    started are killed when the stream is closed.
    """

    _process: subprocess.Popen[bytes] | None = None
    _words: Any = None
    _said = ""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._closing = threading.RLock()  # paramiko's thread closes too

    @classmethod
    def start(cls, command: str, timeout_s: float) -> CommandStream:
        """Starts ``command`` in the user's shell, as OpenSSH does.

        Args:
            command: The command of the user's own configuration, tokens replaced by what means
                nothing to a shell.
            timeout_s: Bound of each wait on the stream, until paramiko sets its own.

        Raises:
            DeviceError: It cannot be started.
        """
        ours, its = socket.socketpair()
        stream = cls(fileno=ours.detach())
        stream.settimeout(timeout_s)
        stream._words = tempfile.TemporaryFile()
        # Source: ssh_config(5), ProxyCommand: run by the user's shell with `exec`.
        shell = os.environ.get("SHELL") or "/bin/sh"
        try:
            with its:
                stream._process = subprocess.Popen(
                    [shell, "-c", f"exec {command}"],
                    stdin=its.fileno(),
                    stdout=its.fileno(),
                    stderr=stream._words,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            stream.close()
            raise DeviceError(f"ProxyCommand cannot be started: {error}") from error
        return stream

    def last_words(self) -> str:
        """The end of what the command printed on standard error, in one clean line."""
        with self._closing:
            if self._words is not None:
                size = self._words.seek(0, os.SEEK_END)
                self._words.seek(max(0, size - _LAST_WORDS_BYTES))
                self._said = one_line(self._words.read().decode(errors="replace"), 300)
            return self._said

    def close(self) -> None:
        """Closes our end, and ends the command with all that it started; harmless when closed."""
        super().close()
        with self._closing:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            # The group lives on where the command has ended and what it started has not.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        if self._words is not None:
            self.last_words()  # paramiko closes before anyone can ask
            words, self._words = self._words, None
            words.close()
