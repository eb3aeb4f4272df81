"""Standard streams that bear what a terminal, a pipe or a full disk does to them."""

from __future__ import annotations

import errno
import io
import os
import re
import select
import sys
from typing import Any, TextIO

from edgeprune.errors import ConfigError

_MAX_WAIT_S = 60.0
"""How long a reader that takes nothing is waited for, where its pipe was set not to block."""


class _Output(io.FileIO):
    """Standard output or error: what nobody reads any more is dropped, and the work goes on.

    So ``edgeprune report | head`` still writes its page, and ``edgeprune compare | head`` still
    exits with what was found.
    """

    def write(self, data: Any) -> int:
        """Writes, or drops ``data`` and everything after it.

        Raises:
            ConfigError: Standard output cannot be written, as on a full disk.
        """
        try:
            while (written := super().write(data)) is None:
                if not select.select([], [self], [], _MAX_WAIT_S)[1]:
                    raise OSError(errno.ETIMEDOUT, "its reader took nothing for a minute")
            return written
        except OSError as error:
            self._drop_the_rest()
            if error.errno == errno.EPIPE or self.name != 1:
                return len(data)
            reason = error.strerror or error
            raise ConfigError(f"standard output cannot be written: {reason}") from error

    def _drop_the_rest(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Makes standard input, output and error safe to use for the rest of this process.

    A closed one is opened on ``/dev/null``: its number would go to the next file that is opened.
    One that a caller has replaced already, as a test does, is left alone. ``COLUMNS`` and ``LINES``
    count where they are sizes.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for key in ("COLUMNS", "LINES"):  # a width of 0, say, would leave no room for anything
        if not re.fullmatch("[1-9][0-9]{0,3}", os.environ.get(key, "80")):
            del os.environ[key]
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is sys.__stdout__:
        sys.stdout = output(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = output(2, sys.stderr)


def output(handle: int, like: TextIO | None = None) -> TextIO:
    """A stream on an open file: 1 for standard output, any other for standard error.

    Characters that its encoding lacks are written as escapes.

    Args:
        handle: Number of the file, which stays open; what 1 cannot take is an error.
        like: Whose encoding to take; UTF-8 if None.
    """
    raw = _Output(handle, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=raw.isatty() or handle != 1,
    )
