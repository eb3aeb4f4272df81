"""Two runs never have one device at the same time, and the one that waits is told for whom."""

import io
import threading
import time

import pytest
from rich.console import Console

from edgeprune.agents import build
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.local import Local
from edgeprune.errors import DeviceError
from edgeprune.measure import device_lock, standing_agent
from edgeprune.measure.device_lock import Claim, DeviceLock
from edgeprune.progress import Progress


@pytest.fixture(autouse=True)
def own_lock(monkeypatch, tmp_path):
    monkeypatch.setenv(device_lock.FOLDER_VARIABLE, str(tmp_path))


def locked(wait_s, said=None, transport=None):
    log = Console(file=said or io.StringIO(), width=200)
    transport = transport or Local(load_board("local"), Device("local", "local"))
    agent = str(build.agent("host"))
    return DeviceLock(transport, agent, Claim("edgeprune run", wait_s), Progress(log))


def test_who_does_not_wait_is_told_who_has_it():
    with locked(0), pytest.raises(DeviceError) as caught, locked(0):
        pass
    said = str(caught.value)
    assert said.startswith("this machine is in use by ") and "(edgeprune run, process " in said
    assert said.endswith("; wait with --wait 10m, or come back")
    with locked(0):  # it is free again
        pass


def test_who_waits_gets_it_when_the_other_one_ends_and_never_before():
    said, events = io.StringIO(), []

    def wait():
        with locked(60, said):
            events.append("second begins")

    with locked(0):
        waiting = threading.Thread(target=wait)
        waiting.start()
        while "waiting for this machine, for 60 s at most: in use by " not in said.getvalue():
            time.sleep(0.01)
        events.append("first ends")
    waiting.join(30)
    assert events == ["first ends", "second begins"]


def test_waiting_has_an_end():
    with locked(0), pytest.raises(DeviceError, match="in use by"), locked(0.3):
        pass


def test_an_error_inside_gives_the_device_back():
    with pytest.raises(ZeroDivisionError), locked(0):
        raise ZeroDivisionError
    with locked(0):
        pass


def test_an_emulated_device_is_not_locked():
    class Emulated(Local):
        emulated = True

        def start(self, *_, **__):
            raise AssertionError("an agent was started")

    emulated = Emulated(load_board("local"), Device("local", "local"))
    with locked(0), locked(0, transport=emulated):
        pass


def test_a_device_without_a_place_for_a_lock_is_measured_and_that_is_said(monkeypatch):
    monkeypatch.setenv(device_lock.FOLDER_VARIABLE, "/proc")
    said = io.StringIO()
    with locked(0, said):
        assert "warning: the device is not locked" in said.getvalue()


def test_a_lock_that_was_lost_meanwhile_is_told(monkeypatch):
    monkeypatch.setattr(standing_agent, "PING_S", 0.05)
    said = io.StringIO()
    with locked(0, said) as lock:
        lock._agent.session._channel._child.kill()
        lock._agent._pinging.join(20)
    assert "the lock of the device was lost" in said.getvalue()
