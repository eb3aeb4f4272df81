"""What the engines cost: the same jobs, which end at once, on the built-in engine and on Dask's.

    python benchmarks/farm_engines.py [--jobs 1000] [--devices 4]

Scheduler, database, hosts and processes of devices are the real ones, with TLS; only what a job
does is nothing, so that what is left is the engine. The built-in engine runs the jobs in its own
process; its child a job, which Dask's devices start as well, is measured by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.farm.clock import clock_ms
from edgeprune.farm.dask import device as device_process
from edgeprune.farm.dask.address import address_of
from edgeprune.farm.dask.certificates import make_certificates
from edgeprune.farm.dask.device_processes import DeviceProcesses
from edgeprune.farm.dask.engine import Hosts
from edgeprune.farm.dask.host import Host, HostSettings, serve
from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.executor import Assignment, Ending, Executor, Prober, Run, Sign
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import Job, Kind
from edgeprune.farm.presence import Presence
from edgeprune.farm.scheduler import Scheduler, Settings
from edgeprune.farm.store.nights import Night
from edgeprune.history.place import SqliteFile
from edgeprune.history.writer import Writer
from edgeprune.load.digest import digest_of

HOST = "lab1"


class Nothing:
    """Runs jobs that end at once."""

    async def run(self, assignment: Assignment) -> Ending:
        """Ends at once."""
        return Ending(Run(assignment.lease.device, "{}"))


class There:
    """Devices that are always there."""

    async def probe(self, device: str, timeout_s: float) -> Sign:
        """It is."""
        return Sign(True)

    async def power_cycle(self, device: str, timeout_s: float) -> str:
        """None has a command."""
        return ""


class Silent:
    """Takes what happens, and says what is wrong."""

    def ended(self, assignment: Assignment, ending: Ending) -> None:
        """An attempt ended."""
        if ending.run is None:
            print(f"{assignment.lease.device}: {ending.message}", flush=True)

    def trouble(self, line: str) -> None:
        """Something is wrong."""
        print(line, flush=True)


class ManyDevices(Host):
    """A host with devices that need no hardware."""

    def read_bench(self) -> None:
        """Has as many as were asked for."""
        self._devices = devices(int(os.environ["DEVICES"]))
        self._prober = There()  # type: ignore[assignment]
        argv = (sys.executable, __file__, "--device-process")
        self.processes = DeviceProcesses(self._say, argv)


def devices(count: int) -> dict[str, FarmDevice]:
    """Devices of one host, by name."""
    board = load_board("local")
    plain = [f"d{number}" for number in range(count)]
    return {
        f"{one}@{HOST}": FarmDevice(f"{one}@{HOST}", one, one, board, Device("local", name=one))
        for one in plain
    }


def jobs_of(model: Path, count: int) -> list[Job]:
    """Jobs that differ in their options alone."""
    sha256 = digest_of(model)
    return [
        Job(number, Kind.MEASURE, str(model), sha256, "as-is", "local", None, (), 0, 600,
            {"runs": number + 1})
        for number in range(count)
    ]  # fmt: skip


async def night(
    folder: Path, name: str, jobs: list[Job], executor: Executor, prober: Prober, count: int
) -> float:
    """Runs a night; how long it took, seconds."""
    writer = Writer(SqliteFile(folder / f"{name}.sqlite"))
    boards = dict.fromkeys(devices(count), "local")
    work = Work(Night(f"{name} 1", name, "0" * 64, None), jobs, boards)
    settings = Settings(count, None, time.monotonic)
    scheduler = Scheduler(
        Dispatcher(writer, work, "benchmark", HOST, clock_ms),
        executor,
        lambda wake: Presence(prober, boards, time.monotonic, wake),
        dataclasses.replace(settings, call=_called),
        Silent(),
    )
    begun_s = time.monotonic()
    await scheduler.run()
    took_s = time.monotonic() - begun_s
    writer.close()
    return took_s


async def _called(function, *given, **named):  # type: ignore[no-untyped-def]
    return function(*given, **named)


def cpu_s(whose: int) -> float:
    """CPU seconds of this process, or of its children that have ended."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def tell(what: str, jobs: int, took_s: float, here_s: float, there_s: float | None) -> None:
    """Prints one line."""
    there = "" if there_s is None else f", {1000 * there_s / jobs:.2f} ms in its hosts' processes"
    print(
        f"{what}: {jobs:,} jobs in {took_s:.1f} s, {jobs / took_s:.0f} a second, "
        f"{1000 * here_s / jobs:.2f} ms of CPU a job in the farm's process{there}",
        flush=True,
    )


async def on_hosts(folder: Path, jobs: list[Job], count: int) -> None:
    """The jobs on Dask's engine, with TLS."""
    make_certificates(folder / "certificates", ["lab0", HOST])
    address = address_of("127.0.0.1:8795", folder / "certificates" / "lab0")
    environment = os.environ | {"DEVICES": str(count), "EDGEPRUNE_HOME": str(folder / HOST)}
    argv = [sys.executable, __file__, "--host-process", str(folder / "certificates" / HOST)]
    host = subprocess.Popen(argv, env=environment)
    before_s = cpu_s(resource.RUSAGE_CHILDREN)
    async with Hosts(address, Silent().trouble) as hosts:
        while len(hosts.devices) < count:
            await hosts.changed.wait()
            hosts.changed.clear()
        for name in hosts.devices:
            print(f"{name}: {'there' if (await hosts.probe(name, 60)).is_online else 'not there'}")
        here_s = cpu_s(resource.RUSAGE_SELF)
        took_s = await night(folder, "dask", jobs, hosts, hosts, count)
        here_s = cpu_s(resource.RUSAGE_SELF) - here_s
        host.send_signal(signal.SIGTERM)
        await asyncio.to_thread(host.wait, 120)
    there_s = cpu_s(resource.RUSAGE_CHILDREN) - before_s
    tell("Dask's engine, TLS", len(jobs), took_s, here_s, there_s)


def child_s() -> float:
    """CPU seconds of a job's child that refuses its job at once."""
    before_s = cpu_s(resource.RUSAGE_CHILDREN)
    for _ in range(3):
        subprocess.run(
            [sys.executable, "-m", "edgeprune.farm.child"], input=b"{}\n", capture_output=True,
            timeout=120, check=False,
        )  # fmt: skip
    return (cpu_s(resource.RUSAGE_CHILDREN) - before_s) / 3


def main() -> None:
    """Runs both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--device-process", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--host-process", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.device_process:
        device_process.main(lambda _: Nothing())
        return
    if given.host_process:
        address = address_of("127.0.0.1:8795", given.host_process)
        settings = HostSettings("127.0.0.1:8795", address, given.host_process, HOST, None)
        asyncio.run(serve(settings, lambda line: print(line, flush=True), ManyDevices))
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        folder = Path(place)
        (folder / "net.tflite").write_bytes(b"no network")
        jobs = jobs_of(folder / "net.tflite", given.jobs)
        begun_s = cpu_s(resource.RUSAGE_SELF)
        took_s = asyncio.run(night(folder, "alone", jobs, Nothing(), There(), given.devices))
        here_s = cpu_s(resource.RUSAGE_SELF) - begun_s
        tell("built-in engine, without children", given.jobs, took_s, here_s, None)
        asyncio.run(on_hosts(folder, jobs, given.devices))
        print(f"a job's child, on both: {1000 * child_s():.0f} ms of CPU before it does anything")


if __name__ == "__main__":
    main()
