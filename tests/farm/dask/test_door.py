"""Dask's own side: who is let in, and that it never runs a job a second time."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgeprune.farm.dask import calls
from edgeprune.farm.dask.address import address_of
from edgeprune.farm.dask.device import Start
from edgeprune.farm.dask.door.worker import Refused, WorkerSide
from edgeprune.farm.dask.engine import Hosts
from edgeprune.farm.dask.messages import Announced, hello_of
from edgeprune.farm.executor import Assignment, Lease
from edgeprune.farm.job import ErrorKind, Job, Kind

CHECKOUT = Path(__file__).resolve().parents[3]
PI = (Announced("pi", "rpi4"), Announced("odd", "no-such-board"))

DEADLY = """
import os, pathlib, signal
from edgeprune.farm.dask import device

class Dies:
    async def run(self, assignment):
        with pathlib.Path(os.environ["EDGEPRUNE_HOME"], "runs").open("a") as runs:
            runs.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

device.main(lambda _: Dies())
"""


@pytest.fixture
def farm():
    """Where a farm of this test's own can listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def refusal(farm, name, hello, tmp_path):
    try:
        async with WorkerSide(address_of(farm, None), name, hello, str(tmp_path / "dask")):
            return "let in"
    except Refused as error:
        return str(error)


def test_who_is_no_host_of_this_farm_is_told_why(farm, tmp_path):
    told = []
    older = msgspec.json.encode({"protocol": 0, "version": "0.0.1", "host": "lab1"}).decode()

    async def whole():
        async with Hosts(address_of(farm, None), told.append) as hosts:
            said = await refusal(farm, "lab1", older, tmp_path)
            assert said.startswith("it has edgeprune 0.0.1 (protocol 0), and the farm ")
            assert "no worker" in await refusal(farm, "lab1", "", tmp_path)
            assert hosts.devices == {}
            there = WorkerSide(address_of(farm, None), "lab1", hello_of("lab1", PI), str(tmp_path))
            async with there:
                assert list(hosts.devices) == ["pi@lab1"] and hosts.changed.is_set()
                said = await refusal(farm, "lab1", hello_of("lab1"), tmp_path)
                assert "there is one called lab1 already" in said
            sign = await hosts.probe("pi@lab1", 20.0)
            assert (sign.is_online, sign.message) == (False, "the host lab1 is not there")

    asyncio.run(whole())
    assert sum(line.startswith("refused a worker: 127.0.0.1 (lab1): ") for line in told) == 3
    assert any("no-such-board" in line for line in told)


@pytest.mark.device
def test_a_job_whose_process_died_is_not_run_by_a_new_one(farm, tmp_path):
    """Not even by a process of the same name, which comes while Dask still knows of the job."""
    environment = os.environ | {"EDGEPRUNE_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    start = msgspec.json.encode(Start(farm, None, "lab1", "pi@lab1", None)) + b"\n"
    job = Job(0, Kind.CONFIRM, "net.tflite", "0" * 64, "as-is", "rpi4", "pi@lab1")
    assignment = Assignment("a" * 32, "night", job, Lease("pi@lab1", 3, "me"), 60.0)

    async def started():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DEADLY, stdin=subprocess.PIPE, env=environment
        )
        process.stdin.write(start)
        return process

    async def whole():
        async with Hosts(address_of(farm, None), print) as hosts:
            host = WorkerSide(address_of(farm, None), "lab1", hello_of("lab1"), str(tmp_path))
            async with host:
                calls.serve(HasAll())
                first = await started()
                assert await hosts._comes("pi@lab1", 300)
                running = asyncio.create_task(hosts.run(assignment))
                await first.wait()
                second = await started()
                assert await hosts._comes("pi@lab1", 300)
                ending = await running
                assert ending.error_kind is ErrorKind.INFRASTRUCTURE and "went away" in str(ending)
                assert ending.is_hosts
                await asyncio.sleep(1)  # in which Dask would start it
                second.stdin.close()
                await second.wait()
                gone = await hosts.run(assignment)
                assert gone.error_kind is None and "not connected" in gone.message

    asyncio.run(whole())
    assert (tmp_path / "runs").read_text() == "x"


class HasAll:
    """A host that lacks no file."""

    async def answer(self, verb, request, content):
        return b"[]"
