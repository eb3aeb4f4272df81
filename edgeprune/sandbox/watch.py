"""Looks after a job from a thread of its own: that it computes, and that nothing takes for ever."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

BEAT_S = 5.0
IDLE_SHARE = 0.01
IDLE_S = 300.0
"""A job that takes less than 1 % of a core for as long waits for itself. Source: ours."""

_deadlines_s: list[tuple[float, str]] = []


@contextlib.contextmanager
def within(what: str, limit_s: float) -> Iterator[None]:
    """Ends the child if the block takes longer; does nothing in any other process.

    Args:
        what: The block, as the subject of the message.
        limit_s: Seconds.
    """
    entry = (time.monotonic() + limit_s, f"{what} took longer than {limit_s:,.0f} s")
    _deadlines_s.append(entry)
    try:
        yield
    finally:
        _deadlines_s.remove(entry)


@contextlib.contextmanager
def beating(beat: Callable[[], None], fail: Callable[[str], None]) -> Iterator[None]:
    """Watches over the block.

    Args:
        beat: Called every few seconds.
        fail: Called once with the reason, if the block computes nothing, or for too long.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(ended, beat, fail), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(ended: threading.Event, beat: Callable[[], None], fail: Callable[[str], None]) -> None:
    idle, before_s = 0, time.process_time()
    while not ended.wait(BEAT_S):
        beat()
        now_s = time.process_time()
        idle = idle + 1 if now_s - before_s < IDLE_SHARE * BEAT_S else 0
        before_s = now_s
        if idle * BEAT_S >= IDLE_S:
            fail(f"the model's framework hangs: it computed nothing for {IDLE_S:.0f} s")
        for deadline_s, reason in list(_deadlines_s):
            if time.monotonic() > deadline_s:
                fail(reason)
