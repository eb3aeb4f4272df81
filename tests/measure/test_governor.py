"""The governor held by real agents over every transport, whatever goes wrong meanwhile."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
from adb_rig import Adbd
from adb_server import adb_server
from cpufreq_rig import Cpufreq, processes

from edgeprune.agents import build
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.local import Local
from edgeprune.measure import governor, standing_agent
from edgeprune.measure.governor import HeldGovernor
from edgeprune.push import push

pytestmark = [pytest.mark.device]


class Elsewhere(Local):
    """This machine as a device with cpufreq files and folders of programs of its own."""

    shares_files = False

    def __init__(self, cpufreq, kind="linux"):
        board = dataclasses.replace(load_board("local"), kind=kind)
        super().__init__(board, Device("local", "elsewhere"))
        self.cpufreq = cpufreq

    def run(self, argv, timeout_s):
        return super().run(self.cpufreq.within(*argv), timeout_s)

    def start(self, argv, env, *, count_instructions=False):
        path = f"{self.cpufreq.commands}:{os.environ['PATH']}"
        return super().start(self.cpufreq.within(*argv), {**env, "PATH": path})


@pytest.fixture
def cpufreq(tmp_path):
    return Cpufreq(tmp_path)


@pytest.fixture
def agent(tmp_path):
    """An agent under a path of this test's own."""
    path = tmp_path / "agent"
    path.symlink_to(build.agent("host"))
    return path


def held(transport, agent, wanted="auto", cpus=(), said=None):
    return HeldGovernor(transport, str(agent), wanted, cpus, ([] if said is None else said).append)


def test_a_device_is_pinned_and_as_before_behind_the_block(cpufreq, agent):
    with held(Elsewhere(cpufreq), agent, cpus=(1,)) as hold:
        assert cpufreq.are("performance", "performance")
        assert hold.pinning.governors == ("performance",)
    assert cpufreq.is_restored(agent)
    found = hold.pinning
    assert found.governors_before == ("schedutil", "ondemand")
    assert (found.asked, found.cpus, found.restored) == ("performance", (1,), True)
    assert found.reason is None


def test_this_machine_and_a_device_to_be_kept_are_left_alone(cpufreq, agent):
    class Here(Elsewhere):
        shares_files = True

    for transport, wanted in ((Here(cpufreq), "auto"), (Elsewhere(cpufreq), "keep")):
        with held(transport, agent, wanted) as hold:
            assert cpufreq.are(*cpufreq.before)
            assert processes(agent) == []
        assert hold.pinning.asked == "keep"
        assert hold.pinning.governors == cpufreq.before
        assert (hold.pinning.restored, hold.pinning.reason) == (None, None)
    with held(Here(cpufreq), agent, "performance"):
        assert cpufreq.are("performance", "performance")
    assert cpufreq.is_restored(agent)


def test_a_device_that_does_not_let_us_runs_on_and_says_so(cpufreq, agent, monkeypatch):
    said = []
    with held(Elsewhere(cpufreq), agent, said=said) as hold:
        # Two hosts at once.
        with monkeypatch.context() as quick:
            quick.setattr(governor, "_RESTORE_TIMEOUT_S", 0.1)
            with held(Elsewhere(cpufreq), agent) as second:
                assert "another agent on this device holds settings" in second.pinning.reason
        assert cpufreq.are("performance", "performance")
        assert second.pinning.restored is None
    assert hold.pinning.restored is True
    cpufreq.file(0).unlink()
    cpufreq.file(1).unlink()
    with held(Elsewhere(cpufreq), agent, said=said) as hold:
        pass
    assert said == ["governor not set: the device has no cpufreq governor that can be read"]
    assert hold.pinning.reason == said[0]


@pytest.mark.parametrize("status", [0, 255])
def test_a_phone_without_rights_takes_its_fixed_performance_mode(cpufreq, agent, status):
    cpufreq.make_cmd(status)
    cpufreq.lock()
    with held(Elsewhere(cpufreq, "android"), agent) as hold:
        assert hold.pinning.fixed_performance_mode is (status == 0)
        assert cpufreq.are(*cpufreq.before)
    assert hold.pinning.restored is (True if status == 0 else None)
    begins = "governor not set: permission denied (governor is schedutil, ondemand)"
    assert hold.pinning.reason.startswith(begins)
    why = "set instead" if status == 0 else 'not set: the device says: "fixed_perf'
    assert f"; fixed_performance_mode {why}" in hold.pinning.reason
    words = "power set-fixed-performance-mode-enabled "
    assert cpufreq.called() == [words + "true", words + "false"][: 2 if status == 0 else 1]


def test_what_is_not_restored_is_said(cpufreq, agent, monkeypatch):
    monkeypatch.setattr(governor, "_RESTORE_TIMEOUT_S", 0.1)
    said = []
    with held(Elsewhere(cpufreq), agent, said=said) as hold:
        cpufreq.file(0).write_text("powersave\n")
    assert hold.pinning.restored is False
    assert said == [hold.pinning.reason]
    assert "cpu0/cpufreq/scaling_governor: somebody set it to powersave" in said[0]
    assert said[0].endswith("; governor is powersave, ondemand")


def test_an_agent_that_is_lost_meanwhile_is_said_and_the_device_is_as_before(cpufreq, agent):
    with held(Elsewhere(cpufreq), agent) as hold:
        for pid in sorted(processes(agent))[:1]:
            os.kill(pid, signal.SIGKILL)
    assert cpufreq.is_restored(agent)
    assert hold.pinning.restored is True
    assert hold.pinning.reason.startswith("the clock was not pinned to the end: ")


def test_an_error_within_the_block_restores_too(cpufreq, agent):
    with pytest.raises(ValueError, match="mine"), held(Elsewhere(cpufreq), agent):
        raise ValueError("mine")
    assert cpufreq.is_restored(agent)


def test_an_agent_whose_host_falls_silent_restores_and_one_that_is_pinged_does_not(
    cpufreq, agent, monkeypatch
):
    monkeypatch.setattr(standing_agent, "PING_S", 0.1)
    monkeypatch.setattr(standing_agent, "IDLE_S", 2)
    with held(Elsewhere(cpufreq), agent):
        time.sleep(3.0)
        assert cpufreq.are("performance", "performance")
    monkeypatch.setattr(standing_agent, "PING_S", 100.0)
    with held(Elsewhere(cpufreq), agent):
        assert cpufreq.is_restored(agent)


HOST = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}, {run!r}]
from adb_rig import Adbd
from adb_server import adb_server
from cpufreq_rig import Cpufreq
from test_governor import Elsewhere, held
cpufreq = object.__new__(Cpufreq)
cpufreq.folder, cpufreq.commands = Path({folder!r}), Path({folder!r})
cpufreq.is_writable = True
with held(Elsewhere(cpufreq), {agent!r}):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("agent_too", [False, True])
def test_a_killed_host_leaves_the_device_as_before(cpufreq, agent, agent_too):
    folder = os.path.dirname(__file__)
    code = HOST.format(
        tests=os.path.dirname(folder), run=folder, folder=str(cpufreq.folder), agent=str(agent)
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as host:
        assert host.stdout.readline() == b"held\n"
        assert cpufreq.are("performance", "performance")
        first = min(processes(agent))
        host.kill()
        if agent_too:
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)
    assert cpufreq.is_restored(agent)


@pytest.fixture(scope="module")
def pi(lab, tmp_path_factory):
    """The ssh rig's device with cpufreq files, and its agent's path."""
    cpufreq = Cpufreq(tmp_path_factory.mktemp("sys"))
    lab.device.nsenter("mount", "--bind", cpufreq.folder, "/sys/devices/system/cpu")
    with lab.ssh() as ssh:
        (pushed,) = push(ssh, [build.agent("host")])
    return cpufreq, pushed.path


def test_over_ssh_a_device_is_pinned_and_as_before(lab, pi):
    cpufreq, agent = pi
    with lab.ssh() as ssh, held(ssh, agent) as hold:
        assert cpufreq.are("performance", "performance")
    assert hold.pinning.restored is True
    assert cpufreq.is_restored(agent)


@pytest.mark.parametrize("fault", ["cut", "kill_sessions", "agent killed and cut"])
def test_over_ssh_a_broken_link_leaves_the_device_as_before(lab, pi, fault):
    cpufreq, agent = pi
    with lab.ssh() as ssh, held(ssh, agent) as hold:
        if "killed" in fault:
            os.kill(min(processes(agent)), signal.SIGKILL)
        lab.device.kill_sessions() if fault == "kill_sessions" else lab.cut()
        assert cpufreq.is_restored(agent)  # its sshd notices after 4 seconds
        lab.mend()
    assert hold.pinning.reason.startswith("the clock was not pinned to the end: ")
    with lab.ssh() as ssh, start_agent(ssh, agent) as session:
        assert list(session.hold(cpufreq.wanted()).values()) == list(cpufreq.before)
    assert cpufreq.is_restored(agent)


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """A phone's adbd with cpufreq files, and its agent's path."""
    folder = tmp_path_factory.mktemp("adb")
    cpufreq = Cpufreq(tmp_path_factory.mktemp("sys"))
    with adb_server(folder):
        adbd = Adbd(folder)
        adbd.within = cpufreq.within()
        with adbd.adb() as adb:
            (pushed,) = push(adb, [build.agent("host")])
        yield adbd, cpufreq, pushed.path
        adbd.close()


@pytest.mark.parametrize("fault", [None, "drop", "kill", "offline"])
def test_over_adb_a_device_is_as_before_whatever_breaks(phone, fault):
    adbd, cpufreq, agent = phone
    with adbd.adb() as adb, held(adb, agent) as hold:
        assert cpufreq.are("performance", "performance")
        if fault is not None:
            adbd.strike(fault)
            assert cpufreq.is_restored(agent)
    assert cpufreq.is_restored(agent)
    if fault is None:
        assert (hold.pinning.restored, hold.pinning.reason) == (True, None)
    else:
        assert hold.pinning.reason.startswith("the clock was not pinned to the end: ")
    adbd.heal()
    assert adbd.left() == []
