"""The one door to Dask distributed: a scheduler and workers without its web pages and retries.

Dask unpickles what a connected peer sends, so that whoever is let in can run code here: off this
machine only peers with a certificate of the farm's own authority are.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from edgeprune.errors import from_extra
from edgeprune.farm.dask.address import Address
from edgeprune.text.untrusted import one_line

with from_extra("dask", "a farm on several hosts"):
    import dask
    import distributed

HELLO = "edgeprune"
"""Under this key a worker says who it is when it comes."""

CONNECTION_TIMEOUT_S = 30
"""A peer that acknowledges nothing for so long is gone. Source: ours; half of a lease."""

_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": f"{2 * CONNECTION_TIMEOUT_S}s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.preload": [],
    "distributed.worker.preload": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,  # it looks around a hundred times a second
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.comm.timeouts.connect": "20s",
    "distributed.comm.timeouts.tcp": f"{CONNECTION_TIMEOUT_S}s",
    "distributed.comm.retry.count": 0,
    "distributed.comm.tls.ciphers": None,
}
"""Whatever the user's own files say: a job must never be run again by Dask, nor be disturbed."""

_CLOSE_S = 5.0
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


def quieten(take: Callable[[str], None]) -> None:
    """Keeps Dask's log off the terminal, but for connections that TLS refused.

    Args:
        take: Takes a line about each of those.
    """
    for name in ("distributed", "distributed.client", "distributed.gc", "tornado"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    comm = logging.getLogger("distributed.comm.tcp")
    comm.handlers = [_Refused(take)]
    comm.propagate = False
    comm.setLevel(logging.WARNING)
    dask.config.set(_SETTINGS)


class _Refused(logging.Handler):
    """Tells of failed handshakes, each peer once a minute."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._take = take
        self._told_s: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if "TLS handshake failed" not in str(record.msg) or len(record.args or ()) != 3:
            return
        _, peer, why = record.args  # type: ignore[misc]
        host = str(peer).rpartition(":")[0]
        now_s = time.monotonic()
        if now_s - self._told_s.get(host, -60.0) >= 60.0:
            self._told_s = {one: at for one, at in self._told_s.items() if now_s - at < 60.0}
            self._told_s[host] = now_s
            self._take(f"a connection from {host.partition('://')[2]} was refused: {one_line(why)}")


def security_of(address: Address) -> distributed.Security:
    """How all connections of an address are made: mutual TLS 1.3, or none on this machine."""
    files = address.certificates
    if files is None:
        return distributed.Security(require_encryption=False)
    roles = ("scheduler", "worker", "client")
    pairs = {f"tls_{role}_cert": str(files.certificate) for role in roles}
    pairs |= {f"tls_{role}_key": str(files.key) for role in roles}
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=str(files.authority),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **pairs,
    )


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
            self._client.close(_CLOSE_S),
            self._scheduler.close(reason="the night ended"),
        ):
            try:
                async with asyncio.timeout(2 * _CLOSE_S):
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
            async with asyncio.timeout(_CLOSE_S):
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
            async with asyncio.timeout(2 * _CLOSE_S):
                await self._worker.close(timeout=_CLOSE_S, executor_wait=False)
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
