"""A host's side: one connection to the farm, under a name."""

from __future__ import annotations

import asyncio

from edgeprune.errors import from_extra
from edgeprune.farm.dask.address import Address
from edgeprune.farm.dask.door.settings import (
    CLOSE_S,
    CONNECTION_TIMEOUT_S,
    HELLO,
    security_of,
)
from edgeprune.text.untrusted import one_line

with from_extra("dask", "a farm on several hosts"):
    import distributed


class _Worker(distributed.Worker):  # type: ignore[misc]
    """Serves no web page."""

    def start_http_server(self, *given: object, **named: object) -> None:
        """There is none."""


class Refused(Exception):
    """The farm does not let us in; the message says why."""


class WorkerSide:
    """A host's side: one connection to the farm, under a name."""

    def __init__(self, address: Address, name: str, hello: str, folder: str) -> None:
        """Nothing is connected before it is entered.

        Args:
            address: Of the farm.
            name: Under which it is asked.
            hello: Who it is.
            folder: For Dask's own files.
        """
        self._address = address
        self._worker = _Worker(
            address.url,
            name=name,
            nthreads=1,
            security=security_of(address),
            memory_limit=0,
            local_directory=folder,
            startup_information={HELLO: lambda _worker: hello},
            metrics={},
            dashboard=False,
            nanny=None,
            death_timeout=2 * CONNECTION_TIMEOUT_S,
        )

    async def __aenter__(self) -> WorkerSide:
        """Connects.

        Raises:
            Refused: The farm does not let it in.
            OSError: The farm cannot be reached.
        """
        try:
            await self._worker
        except (ValueError, RuntimeError) as error:
            raise Refused(_refusal(error)) from error
        except TimeoutError as error:
            raise OSError("it did not answer") from error
        return self

    async def __aexit__(self, *error: object) -> None:
        """Disconnects."""
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await self._worker.close(timeout=CLOSE_S, executor_wait=False)
        except Exception:  # noqa: BLE001  # the process ends next, whatever this says
            return

    async def lost(self) -> None:
        """Waits until the connection is lost."""
        await self._worker.finished()

    @property
    def has_tasks(self) -> bool:
        """Whether a task runs, or its result waits to be taken."""
        return bool(self._worker.state.tasks)


def _refusal(error: BaseException) -> str:
    """The farm's own words in what Dask raises."""
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen)
        if "'message': " in text:
            return one_line(text.partition("'message': ")[2].partition(", 'time'")[0].strip("'\""))
        seen = seen.__cause__ or seen.__context__
    return one_line(error)
