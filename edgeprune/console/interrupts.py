"""Ctrl-C, a kill, a closed terminal: the first ends a run in order, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

EXIT_CODE = 130

_SAME_S = 0.3
"""Two signals within so long are one: a kill of a group and of its leader. Source: ours."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AT_ONCE = b"\nedgeprune: interrupted again: ended at once; the next run clears up what is left\n"


class _State:
    """Of this process.

    Attributes:
        first_s: When the first signal came, on the monotonic clock; 0 before.
        depth: Blocks that are not to be interrupted, one within the other.
        is_held: Nothing is to be interrupted until the next such block ends.
        is_pending: A signal came meanwhile.
        kept: What an interrupt from now on leaves, for its message; empty for nothing.
    """

    first_s = 0.0
    depth = 0
    is_held = False
    is_pending = False
    kept = ""


def install() -> None:
    """Makes these signals raise KeyboardInterrupt; those that the caller ignores stay ignored."""
    _State.first_s, _State.depth, _State.kept = 0.0, 0, ""
    _State.is_held = _State.is_pending = False
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def leaves(what: str) -> None:
    """Says what an interrupt from now on leaves, as ``the result is in net-rpi4``."""
    _State.kept = what


def line(interrupt: BaseException) -> str:
    """An interrupt as the start of a line.

    >>> line(KeyboardInterrupt("while timing `dense`"))
    'interrupted while timing `dense`'
    >>> line(KeyboardInterrupt("the result is in out"))
    'interrupted; the result is in out'
    >>> line(KeyboardInterrupt())
    'interrupted'
    """
    said = str(interrupt)
    if not said or said.startswith("interrupted"):
        return said or "interrupted"
    return f"interrupted{' ' if said.startswith('while ') else '; '}{said}"


def hold() -> None:
    """Puts a signal off until the next :func:`uninterrupted` block ends: there is a result now."""
    _State.is_held = True


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets a signal interrupt the block all the same, and one that was put off at once.

    Raises:
        KeyboardInterrupt: There was one.
    """
    before, _State.is_held = _State.is_held, False
    try:
        _raise_pending()
        yield
    finally:
        _State.is_held = before


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts a signal off until the block ends: for the moments in which results are written.

    Raises:
        KeyboardInterrupt: At the end, where a signal came meanwhile and the block had no error.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    if _State.depth == 0:
        _State.is_held = False
        _raise_pending()


def _raise_pending() -> None:
    if _State.is_pending:
        _State.is_pending = False
        raise KeyboardInterrupt(_State.kept)


def _interrupt(number: int, frame: FrameType | None) -> None:
    now_s = time.monotonic()
    if _State.first_s and now_s - _State.first_s < _SAME_S:
        return
    if _State.first_s:
        os.write(2, _AT_ONCE)
        os._exit(EXIT_CODE)
    _State.first_s = now_s
    if _State.depth or _State.is_held:
        _State.is_pending = True
        return
    raise KeyboardInterrupt(_State.kept)
