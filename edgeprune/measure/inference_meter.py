"""How many of a stage's inferences have been made, by several processes at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgeprune.progress import counted


class InferenceMeter:
    """How far all processes are, for whoever watches.

    Attributes:
        all: Inferences to make, at most.
    """

    def __init__(self) -> None:
        self.all = 0
        self._done = 0
        self._doing: list[str] = []
        self._lock = threading.Lock()

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Says what one of the processes is at in the block."""
        with self._lock:
            self._doing.append(what)
            self._show()
        try:
            yield
        finally:
            with self._lock:
                self._doing.remove(what)

    def add(self, inferences: int) -> None:
        """So many more have been made."""
        with self._lock:
            self._done += inferences

    def _show(self) -> None:
        counted(self._done, self.all, "; ".join(self._doing), is_most=True)
