"""The process of a device follows right orders, each once, and ends what it is told to end."""

import asyncio
import dataclasses

import msgspec
import pytest

from edgeprune.farm.dask.device import Device, key_of
from edgeprune.farm.dask.file_cache import FileCache
from edgeprune.farm.dask.messages import Piece, RemoteOrder, faults_of, hello_of
from edgeprune.farm.dask.parcels import Packer, pieces
from edgeprune.farm.executor import Assignment, Ending, Lease, Run
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.load.digest import digest_of

NAME = "desk-pi@lab1"


class Slow:
    """An executor whose jobs last until they are called off."""

    def __init__(self):
        self.begun, self.ended = asyncio.Event(), []

    async def run(self, assignment):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(assignment.id)


class Quick:
    async def run(self, assignment):
        return Ending(Run("pi", "{}"))


@pytest.fixture
def order(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    model = tmp_path / "net.tflite"
    model.write_bytes(b"net")
    job = Job(0, Kind.MEASURE, str(model), digest_of(model), "auto", "rpi4", None)
    packer = Packer()
    parcels = packer.parcels(job)
    for offset, content in pieces(model):
        FileCache(tmp_path / "cache").take(Piece(job.model_sha256, 3, offset), content)
    return RemoteOrder(Assignment("a" * 32, "night", job, Lease(NAME, 7, "me"), 60.0), parcels)


def device(tmp_path, executor):
    return Device(NAME, lambda _: executor, FileCache(tmp_path / "cache"))


async def ran(device, order):
    answer = await device.run(msgspec.json.encode(order))
    return msgspec.json.decode(answer, type=Ending)


def test_an_attempt_runs_once_whatever_the_engine_does(order, tmp_path):
    first = asyncio.run(ran(device(tmp_path, Quick()), order))
    assert first.run == Run("pi", "{}")
    again = asyncio.run(ran(device(tmp_path, Quick()), order))
    assert again.error_kind is ErrorKind.INFRASTRUCTURE and "begun here before" in again.message
    assert not list((tmp_path / "home").rglob("net.tflite")), "its files stayed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lease": Lease("other@lab1", 7, "me")}, "other@lab1"),
        ({"lease": Lease(NAME, 0, "me")}, "epoch"),
        ({"timeout_s": 1e12}, "time"),
        ({"timeout_s": -1.0}, "time"),
    ],
)
def test_wrong_orders_are_refused(change, words, order, tmp_path):
    wrong = msgspec.structs.replace(
        order, assignment=dataclasses.replace(order.assignment, **change)
    )
    ending = asyncio.run(ran(device(tmp_path, Quick()), wrong))
    assert ending.error_kind is ErrorKind.BUG and words in ending.message


@pytest.mark.parametrize("noise", [b"", b"\xff", b"{}", b"[1]", b'{"assignment": {}, "x": 1}'])
def test_noise_is_no_order(noise, tmp_path):
    ending = msgspec.json.decode(asyncio.run(device(tmp_path, Quick()).run(noise)), type=Ending)
    assert ending.error_kind is ErrorKind.BUG and "wrong order" in ending.message


@pytest.mark.parametrize("way", ["stop", "end", "cancel"])
def test_a_job_is_ended_before_that_is_answered(way, order, tmp_path):
    async def whole():
        slow = Slow()
        served = device(tmp_path, slow)
        running = asyncio.create_task(ran(served, order))
        await slow.begun.wait()
        assert (await ran(served, order)).message.endswith("another job runs here")
        if way == "stop":
            await served.answer("stop", msgspec.json.encode(key_of(order.assignment)), b"")
        elif way == "end":
            await served.end("the host was stopped")
        else:
            running.cancel()
        ending = await running
        assert slow.ended == ["a" * 32]
        assert ending.run is None and ending.error_kind is None
        assert ending.message == ("the host was stopped" if way == "end" else "called off")
        if way == "end":
            assert (await ran(served, order)).message == "the host was stopped"

    asyncio.run(whole())


def test_who_speaks_otherwise_is_not_let_in():
    hello, why = faults_of(hello_of("lab1"), "desk-pi@lab1")
    assert hello is not None and why == ""
    assert "digits" in faults_of(hello_of("lab1"), "desk-pi@lab2")[1]
    assert "digits" in faults_of(hello_of("../x"), "../x")[1]
    older = msgspec.json.encode({"protocol": 1, "version": "0.0.1", "host": "lab1"}).decode()
    assert "edgeprune 0.0.1" in faults_of(older, "lab1")[1]
    newer = msgspec.json.encode({"protocol": 99, "version": "9", "host": 3, "x": 1}).decode()
    assert faults_of(newer, "lab1")[1]
