"""The plug pulled at every stage: one line with the stage, and what was whole is kept."""

import os
import signal
from pathlib import Path

import nets
import pytest
from adb_rig import Adbd
from adb_server import adb_server

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.agents.conversation import Conversation
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.ssh import login
from edgeprune.devices.transports.local import Local
from edgeprune.devices.transports.qemu import Qemu
from edgeprune.errors import DeviceError
from edgeprune.measure import DeviceFiles, RunPlan, emulated, run
from edgeprune.push import push
from edgeprune.recipe.run_table import RunTable
from edgeprune.report import statistics
from edgeprune.report.validity import validity_of

FILES = {"dense": nets.eligible(), "deployed": nets.eligible()}


class Plugged(Local):
    """This machine as a device whose plug can be pulled: every agent dies, and none starts."""

    def __init__(self):
        super().__init__(load_board("local"), Device("local", "pi-01"))
        self.is_pulled = False
        self.children = []

    def start(self, argv, env, *, count_instructions=False):
        self.refuse()
        channel = super().start(argv, env)
        self.children.append(channel._child._process)
        return channel

    def run(self, argv, timeout_s):
        self.refuse()
        return super().run(argv, timeout_s)

    def refuse(self):
        if self.is_pulled:
            raise DeviceError("pi-01: the connection broke")

    def pull(self):
        self.is_pulled = True
        for child in self.children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)


def pushed(folder):
    for name, tflite in FILES.items():
        (folder / f"{name}.tflite").write_bytes(tflite)
    board = load_board("local")
    library = runtime.library(board.cpu.isa, board.runtime.version)
    models = {name: str(folder / f"{name}.tflite") for name in FILES}
    return DeviceFiles(str(build.agent("host")), str(library.path), library.label, models)


def measured(transport, there):
    samples = {name: verify.sample_inputs(tflite, None, 2) for name, tflite in FILES.items()}
    # None is made again where the machine was busy: what is pulled at counts the questions.
    table = RunTable(sessions=3, runs=5, timed_s=0.01, warmup=1, repeats=0)
    return run(transport, there, RunPlan(table, samples, FILES, lambda line: None))


@pytest.fixture
def pulled_at(monkeypatch):
    """Has something happen right before the ``nth`` question of a kind."""

    def at(command, nth, pull):
        asked = []
        ask = Conversation.ask

        def counting(self, name, *rest):
            asked.append(name)
            if name == command and asked.count(command) == nth:
                pull()
            return ask(self, name, *rest)

        monkeypatch.setattr(Conversation, "ask", counting)

    return at


@pytest.mark.parametrize(
    ("command", "nth", "stage"),
    [
        ("hello", 1, "asking the agent what it runs on"),
        ("load", 1, "timing `dense`, session 1 of 3"),
        ("time", 1, "timing `dense`, session 1 of 3"),
    ],
)
def test_before_anything_is_whole_the_run_fails_and_says_at_what(
    tmp_path, pulled_at, command, nth, stage
):
    device = Plugged()
    pulled_at(command, nth, device.pull)
    with device, pytest.raises(DeviceError) as caught:
        measured(device, pushed(tmp_path))
    line = str(caught.value)
    assert line.isprintable() and "was ended by SIGKILL; the device says" in line
    assert line.endswith(f"(while {stage})")


@pytest.mark.parametrize(
    ("command", "nth", "stage", "sessions"),
    [
        ("load", 2, "timing `deployed`, session 1 of 3", (1, 0)),
        ("load", 5, "timing `dense`, session 3 of 3", (2, 2)),
        ("load", 7, "starting `dense`, process 1 of 5", (3, 3)),
        ("profile", 2, "profiling `deployed`", (3, 3)),
        ("infer", 2, "comparing outputs of `deployed`", (3, 3)),
    ],
)
def test_sessions_that_were_whole_are_kept(tmp_path, pulled_at, command, nth, stage, sessions):
    device = Plugged()
    pulled_at(command, nth, device.pull)
    with device:
        result, outputs = measured(device, pushed(tmp_path))
    count = sum(sessions)
    kept = f"{count} whole session{' is' if count == 1 else 's are'} kept"
    assert result.broken.endswith(f"(while {stage}); {kept}") and result.broken.isprintable()
    assert tuple(len(item.sessions) for item in result.measured) == sessions
    assert all(len(one.latency_ns) >= 5 for item in result.measured for one in item.sessions)
    assert set(outputs) == ({"dense"} if command == "infer" else set()) or command == "profile"
    validity = validity_of(result)
    assert validity.verdict != "valid"
    assert any(line == f"incomplete: {result.broken}" for line in validity.reasons)
    if 0 in sessions:
        dense, deployed = (item.sessions for item in result.measured)
        assert statistics.compare_latency(dense, deployed).verdict == "not measurable"


def test_an_agent_that_dies_alone_is_told_in_the_same_way(tmp_path, pulled_at):
    device = Plugged()

    def kill_last():
        os.killpg(device.children[-1].pid, signal.SIGKILL)

    pulled_at("time", 9, kill_last)
    with device:
        result, _ = measured(device, pushed(tmp_path))
    assert "SIGKILL" in result.broken and "while timing" in result.broken


@pytest.mark.device
@pytest.mark.parametrize("fault", ["cut", "kill_sessions"])
def test_over_ssh_a_pulled_cable_is_noticed_by_silence(
    lab, tmp_path, pulled_at, monkeypatch, fault
):
    monkeypatch.setattr(login, "SILENCE_S", 3)
    here = pushed(tmp_path)
    with lab.ssh() as ssh:
        files = [Path(path) for path in (here.agent, here.runtime, *here.models.values())]
        agent, library, *models = (item.path for item in push(ssh, files))
        there = DeviceFiles(agent, library, "2.3.0", dict(zip(FILES, models, strict=True)))
        pulled_at("time", 9, lab.cut if fault == "cut" else lab.device.kill_sessions)
        try:
            result, _ = measured(ssh, there)
        finally:
            lab.mend()
    assert "while timing" in result.broken and "sessions are kept" in result.broken
    why = "no sign of life for 3 s" if fault == "cut" else "the ssh connection broke: "
    assert why in result.broken, result.broken
    assert result.pinning.restored is not True


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adb")
    with adb_server(folder):
        adbd = Adbd(folder)
        yield adbd
        adbd.close()


@pytest.mark.device
@pytest.mark.parametrize("fault", ["drop", "offline"])
def test_over_adb_a_pulled_cable_is_told_in_the_same_way(phone, tmp_path, pulled_at, fault):
    here = pushed(tmp_path)
    with phone.adb() as adb:
        files = [Path(path) for path in (here.agent, here.runtime, *here.models.values())]
        agent, library, *models = (item.path for item in push(adb, files))
        there = DeviceFiles(agent, library, "2.3.0", dict(zip(FILES, models, strict=True)))
        pulled_at("time", 9, lambda: phone.strike(fault))
        try:
            result, _ = measured(adb, there)
        finally:
            phone.heal()
    assert (
        "the connection broke: " in result.broken and "; try again (while timing" in result.broken
    )
    assert result.broken.endswith("sessions are kept") and result.broken.isprintable()


@pytest.mark.device
def test_an_emulator_that_crashes_is_told_and_counts_that_were_whole_are_kept(
    tmp_path, pulled_at, monkeypatch
):
    monkeypatch.setattr(emulated, "usable_cores", lambda: 1)  # one process after the other
    board = load_board("rpi4-emulated")
    here = pushed(tmp_path)
    there = DeviceFiles(
        str(build.agent(board.agent.target)),
        str(runtime.library(board.cpu.isa, board.runtime.version).path),
        "2.3.0",
        here.models,
    )
    started = []

    class Crashing(Qemu):
        def start(self, argv, env, *, count_instructions=False):
            channel = super().start(argv, env, count_instructions=count_instructions)
            started.append(channel._child._process.pid)
            return channel

    pulled_at("time", 3, lambda: os.kill(started[-1], signal.SIGSEGV))
    with Crashing(board, Device(board.name, board.name)) as transport:
        result, _ = measured(transport, there)
    assert (
        "SIGSEGV" in result.broken and "while counting instructions of `deployed`" in result.broken
    )
    assert result.broken.endswith("the instructions of 1 of 2 variants are kept")
    assert [item.instructions is None for item in result.measured] == [False, True]
    assert any("instructions were not counted" in line for line in validity_of(result).reasons)
