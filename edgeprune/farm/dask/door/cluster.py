"""The farm's side: Dask's scheduler, which lets workers in, and a client that asks them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from edgeprune.errors import from_extra
from edgeprune.farm.dask.address import Address
from edgeprune.farm.dask.door.settings import CLOSE_S, HELLO, quieten, security_of
from edgeprune.text.untrusted import one_line

with from_extra("dask", "a farm on several hosts"):
    import distributed

_LAST_WORD_S = 1.0
"""A result may be on its way when its worker leaves."""

Checked = Callable[[str, str, str], str]
"""Given a worker's address, name and hello, says why it is not let in; empty where it is."""


class WorkerGone(Exception):
    """A worker is not there, or went away before it answered.

    Attributes:
        began: It may have begun with what it was to do.
    """

    def __init__(self, message: str, *, began: bool = False) -> None:
        super().__init__(message)
        self.began = began


class _Scheduler(distributed.Scheduler):  # type: ignore[misc]
    """Lets in only whom it is told to, and serves no web page."""

    check: Checked

    def start_http_server(self, *given: object, **named: object) -> None:
        """There is none."""

    async def add_worker(self, comm: Any, **named: Any) -> None:
        """Lets a worker in, or tells it why not."""
        hello = named.get("extra", {}).get(HELLO)
        why = self.check(comm.peer_address, str(named.get("name")), str(hello))
        if why:
            await comm.write({"status": "error", "message": why, "time": time.time()})
            return
        await super().add_worker(comm, **named)


class _Changes(distributed.SchedulerPlugin):  # type: ignore[misc]
    """Tells of workers that come and go."""

    def __init__(self, come: Callable[[str, str], None], gone: Callable[[str], None]) -> None:
        self._come, self._gone = come, gone

    def add_worker(self, scheduler: Any, worker: str) -> None:
        state = scheduler.workers[worker]
        self._come(str(state.name), str(state.extra.get(HELLO)))

    def remove_worker(self, scheduler: Any, worker: str, **named: object) -> None:
        self._gone(worker)


@dataclass(frozen=True)
class Callbacks:
    """Who is asked, and told.

    Attributes:
        check: Whether a worker is let in.
        come: Given name and hello of one that is.
        trouble: Takes a line for people.
    """

    check: Checked
    come: Callable[[str, str], None]
    trouble: Callable[[str], None]


class Cluster:
    """The farm's side: who is connected, and what is asked of them."""

    def __init__(self, address: Address, callbacks: Callbacks) -> None:
        """Nothing listens before it is entered.

        Args:
            address: Where to listen.
            callbacks: Who is asked, and told.
        """
        self._address, self._callbacks = address, callbacks
        self._gone: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Cluster:
        """Listens.

        Raises:
            OSError: The address is taken, or none of this machine.
        """
        quieten(self._callbacks.trouble)
        security = security_of(self._address)
        self._scheduler = _Scheduler(
            host=self._address.host,
            port=self._address.port,
            protocol=f"{self._address.scheme}://",
            security=security,
            dashboard=False,
            allowed_failures=0,
            plugins=[_Changes(self._come, self._leave)],
        )
        self._scheduler.check = self._callbacks.check
        await self._scheduler.start()
        self._client = await distributed.Client(
            self._scheduler.address, security=security, asynchronous=True, set_as_default=False
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        """Listens no more; workers notice at once."""
        for close in (
            self._client.close(CLOSE_S),
            self._scheduler.close(reason="the night ended"),
        ):
            try:
                async with asyncio.timeout(2 * CLOSE_S):
                    await close
            except Exception as error:  # noqa: BLE001  # the night's result is safe already
                self._callbacks.trouble(f"Dask did not close: {one_line(error)}")

    def has(self, worker: str) -> bool:
        """Whether a worker of this name is connected."""
        return worker in self._scheduler.aliases

    async def ask(
        self,
        worker: str,
        function: Callable[..., Awaitable[bytes]],
        *given: object,
        timeout_s: float,
    ) -> bytes:
        """Has a worker run a function beside its jobs.

        Raises:
            WorkerGone: It is not there, or did not answer in time.
        """
        address = self._address_of(worker)
        try:
            async with asyncio.timeout(timeout_s):
                answers = await self._client.run(function, *given, workers=[address])
        except TimeoutError:
            raise WorkerGone(f"{worker} did not answer within {timeout_s:g} s") from None
        except (OSError, KeyError, ValueError) as error:
            raise WorkerGone(f"{worker} went away: {one_line(error)}") from error
        answer = answers[address]
        if not isinstance(answer, bytes):
            raise WorkerGone(f"{worker} answered nonsense")
        return answer

    async def run(
        self,
        worker: str,
        function: Callable[[bytes], Awaitable[bytes]],
        order: bytes,
        key: str,
        timeout_s: float,
    ) -> bytes:
        """Runs a task on a worker, once: it is bound to this very process.

        Raises:
            WorkerGone: It went away, or did not answer in time.
        """
        address = self._address_of(worker)
        future = self._client.submit(
            function, order, key=key, workers=[address], allow_other_workers=False, retries=0,
            pure=False,
        )  # fmt: skip
        result = asyncio.ensure_future(_result(future))
        gone = asyncio.ensure_future(self._gone[address].wait())
        try:
            await asyncio.wait(
                (result, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not result.done() and not gone.done():
                raise WorkerGone(f"{worker} did not answer within {timeout_s:g} s", began=True)
            await asyncio.wait([result], timeout=_LAST_WORD_S)
            return _taken(result, worker)
        finally:
            result.cancel()
            gone.cancel()
            await self._forget(future)

    def _address_of(self, worker: str) -> str:
        address = self._scheduler.aliases.get(worker)
        if address is None or address not in self._gone:
            raise WorkerGone(f"{worker} is not connected")
        return str(address)

    def _come(self, name: str, hello: str) -> None:
        self._gone[self._scheduler.aliases[name]] = asyncio.Event()
        self._callbacks.come(name, hello)

    def _leave(self, address: str) -> None:
        if address in self._gone:
            self._gone.pop(address).set()

    async def _forget(self, future: Any) -> None:
        """A task whose answer was lost must not be run again once its worker is back."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._client.cancel([future], force=True)
        except Exception as error:  # noqa: BLE001  # it is bound to a process that is no more
            self._callbacks.trouble(f"Dask did not forget a job: {one_line(error)}")


async def _result(future: Any) -> object:
    return await future


def _taken(result: asyncio.Future[object], worker: str) -> bytes:
    """What a task returned.

    Raises:
        WorkerGone: Nothing, since its worker went away.
    """
    if not result.done() or result.cancelled():
        raise WorkerGone(f"{worker} went away", began=True)
    error = result.exception()
    if isinstance(error, distributed.KilledWorker | OSError):
        raise WorkerGone(f"{worker} went away while it ran the job", began=True) from error
    answer = result.result()
    if not isinstance(answer, bytes):
        raise WorkerGone(f"{worker} answered nonsense", began=True)
    return answer
