"""The hosts of a farm, as what runs jobs and what asks devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType

import msgspec

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.errors import ConfigError, DeviceError, EdgepruneError
from edgeprune.farm.child import kind_of, of_host
from edgeprune.farm.children import GRACE_S
from edgeprune.farm.dask import calls
from edgeprune.farm.dask.address import Address
from edgeprune.farm.dask.device import key_of
from edgeprune.farm.dask.door.cluster import Callbacks, Cluster, WorkerGone
from edgeprune.farm.dask.messages import (
    Hello,
    Parcel,
    Piece,
    Question,
    RemoteOrder,
    device_name,
    faults_of,
)
from edgeprune.farm.dask.parcels import Packer, pieces
from edgeprune.farm.executor import Assignment, Ending, Sign
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import ErrorKind
from edgeprune.text.untrusted import one_line

_ANSWER_S = 60.0
"""For a host to answer what takes no time."""

_POLL_S = 0.1


class Hosts:
    """Carries jobs to the processes of devices, and questions to their hosts.

    An :class:`edgeprune.farm.executor.Executor` and a :class:`edgeprune.farm.executor.Prober`.

    Attributes:
        devices: All that hosts have announced so far, by name; a host that went away keeps its own.
        changed: Set when there are more.
    """

    def __init__(self, address: Address, trouble: Callable[[str], None]) -> None:
        """Nothing listens before it is entered.

        Args:
            address: Where to listen.
            trouble: Takes a line for people.
        """
        self._trouble = trouble
        self._cluster = Cluster(address, Callbacks(self._check, self._come, trouble))
        self._address = address
        self.devices: dict[str, FarmDevice] = {}
        self.changed = asyncio.Event()
        self._packer = Packer()
        self._sending: dict[str, asyncio.Lock] = {}
        self._told: set[str] = set()

    async def __aenter__(self) -> Hosts:
        """Listens.

        Raises:
            ConfigError: The address cannot be used.
        """
        try:
            await self._cluster.__aenter__()
        except OSError as error:
            where = f"{self._address.host}:{self._address.port}"
            raise ConfigError(
                f"--listen {where}: {error.strerror or error}: name a free port of this machine"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listens no more."""
        await self._cluster.__aexit__(kind, error, trace)

    async def run(self, assignment: Assignment) -> Ending:
        """Runs one attempt; see :class:`edgeprune.farm.executor.Executor`."""
        device = assignment.lease.device
        try:
            order = await self._sent(assignment)
            answer = await self._cluster.run(
                device,
                calls.run,
                msgspec.json.encode(order),
                key_of(assignment),
                assignment.timeout_s + _ANSWER_S + 3 * GRACE_S,
            )
            return _checked(answer)
        except WorkerGone as error:
            # One that never began is no attempt: a dead host must not use up a job's retries.
            kind = ErrorKind.INFRASTRUCTURE if error.began else None
            return Ending(None, kind, one_line(error), is_hosts=True)
        except DeviceError as error:
            return of_host(one_line(error))
        except EdgepruneError as error:
            return Ending(None, kind_of(error), one_line(error))
        except msgspec.MsgspecError as error:
            why = f"{device}: its host answered nonsense: {one_line(error)}"
            return Ending(None, ErrorKind.BUG, why)
        except asyncio.CancelledError:
            await self._stop(assignment)
            raise

    async def probe(self, device: str, timeout_s: float) -> Sign:
        """Asks once; see :class:`edgeprune.farm.executor.Prober`."""
        host = _host_of(device)
        try:
            question = msgspec.json.encode(Question(device, timeout_s))
            answer = await self._cluster.ask(
                host, calls.ask, "probe", question, timeout_s=3 * timeout_s + GRACE_S
            )
            sign = msgspec.json.decode(answer, type=Sign)
        except WorkerGone:
            return Sign(False, f"the host {host} is not there", is_miss=False)
        except msgspec.MsgspecError as error:
            return Sign(False, f"the host {host} answered nonsense: {one_line(error)}")
        if not sign.is_online or await self._comes(device, 3 * timeout_s):
            return sign
        why = f"its process on {host} did not come: see its log there"
        return Sign(False, why, is_miss=False)

    async def power_cycle(self, device: str, timeout_s: float) -> str:
        """Has the host run the device's command; see :class:`edgeprune.farm.executor.Prober`."""
        question = msgspec.json.encode(Question(device, timeout_s))
        with contextlib.suppress(WorkerGone, msgspec.MsgspecError):
            answer = await self._cluster.ask(
                _host_of(device), calls.ask, "cycle", question, timeout_s=timeout_s + _ANSWER_S
            )
            return one_line(msgspec.json.decode(answer, type=str))
        return ""

    def _check(self, peer: str, name: str, hello: str) -> str:
        """Why a worker is not let in; empty if it is."""
        _, why = faults_of(hello, name)
        if not why and self._cluster.has(name):
            why = f"there is one called {name} already: give this host another --name"
        if why:
            line = f"{peer.partition('://')[2].rpartition(':')[0]} ({one_line(name)}): {why}"
            if line not in self._told:
                self._told.add(line)
                self._trouble(f"refused a worker: {line}")
        return why

    def _come(self, name: str, hello: str) -> None:
        said, why = faults_of(hello, name)
        if said is not None and not why and said.host == name:
            self._announce(said)

    def _announce(self, hello: Hello) -> None:
        """Takes a host's devices, as far as this edgeprune knows their boards."""
        before = set(self.devices)
        for one in hello.devices:
            try:
                board = load_board(one.board)
            except ConfigError as error:
                self._tell(f"{hello.host}: {one_line(error)}")
                continue
            name = device_name(one.name, hello.host)
            device = Device(one.board, name=one.name)
            self.devices[name] = FarmDevice(name, one.name, one.name, board, device)
        if self.devices.keys() != before:
            self.changed.set()

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._trouble(line)

    async def _comes(self, device: str, timeout_s: float) -> bool:
        """Whether the process of a device is connected, or will soon be."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._cluster.has(device):
                    await asyncio.sleep(_POLL_S)
        return self._cluster.has(device)

    async def _sent(self, assignment: Assignment) -> RemoteOrder:
        """The order of an attempt, once its host has all that it reads.

        Raises:
            EdgepruneError: A file cannot be read, or not be sent.
            WorkerGone: The host went away.
        """
        parcels = await asyncio.to_thread(self._packer.parcels, assignment.job)
        host = _host_of(assignment.lease.device)
        async with self._sending.setdefault(host, asyncio.Lock()):
            await self._send(host, parcels)
        return RemoteOrder(assignment, parcels)

    async def _send(self, host: str, parcels: tuple[Parcel, ...]) -> None:
        sizes = {file.sha256: file.size for parcel in parcels for file in parcel.files}
        answer = await self._cluster.ask(
            host, calls.ask, "lacking", msgspec.json.encode(list(sizes)), timeout_s=_ANSWER_S
        )
        for sha256 in msgspec.json.decode(answer, type=list[str]):
            if sha256 not in sizes:
                raise DeviceError(f"the host {host} asks for a file that no job has")
            try:
                for offset, content in pieces(self._packer.sources[sha256]):
                    piece = msgspec.json.encode(Piece(sha256, sizes[sha256], offset))
                    said = await self._cluster.ask(
                        host, calls.ask, "take", piece, content, timeout_s=_ANSWER_S
                    )
                    if why := msgspec.json.decode(said, type=str):
                        raise DeviceError(f"the host {host}: {one_line(why)}")
            except OSError as error:
                raise ConfigError(f"{error.filename}: cannot be read: {error.strerror}") from error

    async def _stop(self, assignment: Assignment) -> None:
        """Ends an attempt where it runs, if anybody is there."""
        key = msgspec.json.encode(key_of(assignment))
        with contextlib.suppress(WorkerGone, asyncio.CancelledError):
            await self._cluster.ask(
                assignment.lease.device, calls.ask, "stop", key, timeout_s=3 * GRACE_S
            )


def _host_of(device: str) -> str:
    return device.rpartition("@")[2]


def _checked(answer: bytes) -> Ending:
    """An ending that came from a host.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    ending = msgspec.json.decode(answer, type=Ending)
    if ending.run is not None:
        msgspec.json.decode(ending.run.result)  # it is JSON
    return ending
