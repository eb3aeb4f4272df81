"""Devices that are places of a labgrid, with a stand-in for its client that says what that says."""

import asyncio
import json
import os
from types import SimpleNamespace

import labgrid_client
import pytest

from edgeprune.devices.bench import load_bench
from edgeprune.devices.links import labgrid
from edgeprune.devices.links.labgrid import Client
from edgeprune.errors import ConfigError
from edgeprune.farm.executor import Assignment, Ending, Lease, Sign
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.farm.labgrid import (
    PlaceExecutor,
    PlaceProber,
    Places,
    asked_with_places,
    with_places,
)
from edgeprune.farm.presence import MISSES_TO_CYCLE, Presence

JOB = Job(0, Kind.MEASURE, "/m.tflite", "a" * 64, "auto", "rpi4", None)


class Inner:
    """Runs jobs and asks devices, and writes down who has the place meanwhile."""

    def __init__(self, held):
        self.held, self.seen = held, []

    async def run(self, assignment):
        self.seen.append(self.held())
        if assignment.timeout_s < 1:
            await asyncio.sleep(60)
        return Ending(message="ran")

    async def probe(self, device, timeout_s):
        self.seen.append(self.held())
        await asyncio.sleep(0.2)
        self.seen.append(self.held())
        return Sign(False, "no answer")

    async def power_cycle(self, device, timeout_s):
        self.seen.append(self.held())
        return "cycled"


@pytest.fixture
def lab(home, tmp_path, monkeypatch):
    """A coordinator with one place, and a device that is that place."""
    state = labgrid_client.install(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LG_ENV", "what names other places")
    monkeypatch.delenv("LG_COORDINATOR", raising=False)

    def holder(new=()):
        if new != ():
            state.write_text(json.dumps({"rpi4-01": new}))
        return json.loads(state.read_text())["rpi4-01"]

    holder(None)
    named = {"pi": "rpi4-01", "phone": None, "gone": "rpi4-99"}
    devices = {
        name: SimpleNamespace(device=SimpleNamespace(labgrid_place=place))
        for name, place in named.items()
    }
    client, inner, troubles = Client(), Inner(holder), []
    places = Places(client, {key: place for key, place in named.items() if place}, troubles.append)
    return SimpleNamespace(
        holder=holder, state=state, client=client, inner=inner, troubles=troubles, places=places,
        run=lambda device, timeout_s=60.0: asyncio.run(PlaceExecutor(inner, places).run(
            Assignment("a" * 32, "night", JOB, Lease(device, 1, "me"), timeout_s))),
        prober=PlaceProber(inner, places), devices=devices,
    )  # fmt: skip


def test_a_place_is_ours_while_a_job_runs_and_no_longer(lab):
    assert lab.run("pi").message == "ran"
    assert lab.inner.seen == [lab.client.me] and lab.holder() is None
    assert lab.run("phone").message == "ran"  # which is no place


def test_a_place_of_somebody_else_makes_the_device_busy_and_stays_theirs(lab):
    lab.holder("desk/anna")
    ending = lab.run("pi")
    assert ending.error_kind is None and ending.run is None and ending.leaves_doubt
    assert ending.message == "desk/anna has its place in labgrid, rpi4-01"
    assert lab.holder() == "desk/anna" and lab.inner.seen == []
    sign = asyncio.run(lab.prober.probe("pi", 1.0))
    assert sign == Sign(False, ending.message, is_miss=False) and lab.inner.seen == []
    assert "desk/anna" in asyncio.run(lab.prober.power_cycle("pi", 1.0)) and lab.inner.seen == []


def test_what_a_killed_farm_left_is_ours_again_and_is_released(lab, monkeypatch):
    lab.holder(lab.client.me)
    assert lab.run("pi").message == "ran" and lab.holder() is None
    lab.holder(lab.client.me)
    assert asyncio.run(lab.prober.probe("pi", 1.0)).message == "no answer"
    assert lab.holder() is None and lab.troubles == []
    assert Client().me == lab.client.me
    monkeypatch.setenv("EDGEPRUNE_HOME", "/elsewhere")
    assert Client().me != lab.client.me


def test_what_asks_a_device_does_not_release_the_place_of_a_job(lab):
    async def at_once():
        job = Assignment("a" * 32, "night", JOB, Lease("pi", 1, "me"), 60.0)
        asked = asyncio.create_task(lab.prober.probe("pi", 1.0))
        ran = asyncio.create_task(PlaceExecutor(lab.inner, lab.places).run(job))
        await asyncio.gather(asked, ran)

    asyncio.run(at_once())
    assert lab.inner.seen == [lab.client.me] * 3 and lab.holder() is None


def test_a_job_that_is_called_off_leaves_no_lock(lab):
    async def called_off():
        job = Assignment("a" * 32, "night", JOB, Lease("pi", 1, "me"), 0.1)
        task = asyncio.create_task(PlaceExecutor(lab.inner, lab.places).run(job))
        while not lab.inner.seen:
            assert not task.done(), task.result()
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(called_off())
    assert lab.inner.seen == [lab.client.me] and lab.holder() is None


def test_a_dead_coordinator_is_told_in_a_line_and_no_reason_to_cycle_power(lab, monkeypatch):
    lab.state.unlink()
    ending = lab.run("pi")
    assert ending.error_kind is ErrorKind.INFRASTRUCTURE and ending.is_hosts
    assert "Could not connect to coordinator" in ending.message and "\n" not in ending.message
    sign = asyncio.run(lab.prober.probe("pi", 1.0))
    assert not sign.is_online and not sign.is_miss and "Could not connect" in sign.message
    monkeypatch.setattr(labgrid, "TIMEOUT_S", 0.2)
    (lab.state.parent / "labgrid-client").write_text("#!/bin/sh\nexec sleep 60\n")
    assert "did not end within 0.2 s" in lab.run("pi").message


def test_a_place_that_does_not_exist_is_somebodys_mistake(lab):
    ending = lab.run("gone")
    assert ending.error_kind is ErrorKind.CONFIGURATION
    assert ending.message == "labgrid has no place rpi4-99: see `labgrid-client places`"


def test_devices_that_are_busy_are_not_switched_off(lab):
    async def asked():
        presence = Presence(lab.prober, ["pi"], lambda: now_s, lambda: None)
        for _ in range(MISSES_TO_CYCLE + 1):
            presence.ask_soon("pi")
            presence.ask([])
            while presence._asking:
                await asyncio.sleep(0.01)
        return presence

    now_s = 1e6
    lab.holder("desk/anna")
    assert asyncio.run(asked()).cycled == []
    lab.holder(None)
    assert asyncio.run(asked()).cycled == [("pi", "cycled")]
    assert lab.client.me in lab.inner.seen and lab.holder() is None


def test_a_coordinator_in_plain_text_and_a_missing_client_are_refused(lab, monkeypatch):
    for address in ("127.0.0.1:20408", "localhost", "[::1]:20408"):
        monkeypatch.setenv("LG_COORDINATOR", address)
        assert Client()
    for address in ("lab.example:20408", "10.0.0.5", "localhost.example"):
        monkeypatch.setenv("LG_COORDINATOR", address)
        with pytest.raises(ConfigError, match=r"plain text.*LG_PROXY"):
            Client()
    monkeypatch.setenv("LG_PROXY", "lab.example")
    assert Client()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="pipx install labgrid"):
        with_places(lab.inner, lab.devices, print)
    phone = {"phone": lab.devices["phone"]}
    assert with_places(lab.inner, phone, print) is lab.inner
    assert asked_with_places(lab.inner, phone, print) is lab.inner


@pytest.mark.parametrize("name", ["rpi4-*", "-x", "", "a b", "a/b"])
def test_a_place_is_named_whole(tmp_path, name):
    file = tmp_path / "bench.toml"
    text = '[devices.pi]\nboard = "rpi4"\nhost = "pi"\nlabgrid_place = '
    file.write_text(f'{text}"rpi4-01"\n')
    assert load_bench(file).devices["pi"].labgrid_place == "rpi4-01"
    file.write_text(f'{text}"{name}"\n')
    with pytest.raises(ConfigError, match="labgrid_place must be a place's name"):
        load_bench(file)
