"""What the farm has a host's processes do: Dask carries the function's name, and bytes.

Each process serves one thing, which it names here; so what is pickled is never more than a name and
bytes, whose content both sides check.
"""

from __future__ import annotations

from typing import Protocol


class Served(Protocol):
    """What a process of a host does when it is asked."""

    async def answer(self, verb: str, request: bytes, content: bytes) -> bytes:
        """Answers a question at once.

        Args:
            verb: What is asked.
            request: JSON.
            content: Bytes of a file, or none.
        """

    async def run(self, order: bytes) -> bytes:
        """Runs an attempt at a job to its end, JSON to JSON; a host's own process runs none."""


_SERVED: list[Served] = []


def serve(served: Served) -> None:
    """Names what this process serves."""
    _SERVED[:] = [served]


async def ask(verb: str, request: bytes, content: bytes = b"") -> bytes:
    """Asks what this process serves; see :meth:`Served.answer`."""
    return await _SERVED[0].answer(verb, request, content)


async def run(order: bytes) -> bytes:
    """Runs a job in what this process serves; see :meth:`Served.run`."""
    return await _SERVED[0].run(order)
