"""Waits for what may never come: every wait on the user's data has an end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Value = TypeVar("Value")

_ENDED = object()


class Late(Exception):
    """Nothing came in time."""


def within(timeout_s: float, work: Callable[[], Value]) -> Value:
    """What ``work`` returns or raises, if it does so in time; else it is left to itself.

    Args:
        timeout_s: How long to wait.
        work: Is called in a thread of its own, which ends with the process at the latest.

    Raises:
        Late: It takes longer.
    """
    return next(_answers(lambda: iter([work()]), timeout_s))


def each_within(timeout_s: float, items: Callable[[], Iterator[Value]]) -> Iterator[Value]:
    """Hands on the items of an iterator, each of which may take so long.

    The iterator is at most one item ahead, and stops when nobody asks for more.

    Raises:
        Late: An item takes longer.
    """
    return _answers(items, timeout_s)


def _answers(items: Callable[[], Iterator[Value]], timeout_s: float) -> Iterator[Value]:
    given: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=1)
    wanted = threading.Event()
    wanted.set()

    def work() -> None:
        try:
            for item in items():
                given.put((item, None))
                if not wanted.is_set():
                    return
            given.put((_ENDED, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is wanted
            given.put((_ENDED, error))

    threading.Thread(target=work, name="edgeprune data", daemon=True).start()
    try:
        while True:
            try:
                item, error = given.get(timeout=timeout_s)
            except queue.Empty:
                raise Late from None
            if error is not None:
                raise error
            if item is _ENDED:
                return
            yield item
    finally:
        wanted.clear()
        while not given.empty():  # lets the thread see that it is over
            given.get_nowait()
