"""Running and collecting over adb through a glibc of our own, with a fault at a random point."""

import random
from pathlib import Path

import agent_rig
import numpy as np
import pytest
from adb_rig import FAULTS, Adbd, Fault
from adb_server import adb_server
from cpufreq_rig import Cpufreq
from full_range import also
from nets import Net

from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.toolchain.zig import host_isa
from edgeprune.errors import DeviceError
from edgeprune.push import push
from edgeprune.push.programs import push_programs

pytestmark = [pytest.mark.device]
SIZE, RUNS, TIMEOUT_S = 50_000, 20, 10.0


@pytest.fixture(scope="module")
def phone_board(tmp_path_factory):
    """A board file of a phone with this machine's instruction set."""
    from emulated import SHIPPED

    folder = tmp_path_factory.mktemp("boards")
    text = (SHIPPED / "pixel-8.toml").read_text()
    text = text.replace("pixel-8", "phone").replace("aarch64", host_isa())
    (folder / "phone.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRUNE_BOARDS", str(folder))
        yield "phone"


@pytest.fixture(scope="module")
def cpufreq(tmp_path_factory):
    return Cpufreq(tmp_path_factory.mktemp("sys"))


@pytest.fixture(scope="module")
def phone(tmp_path_factory, cpufreq):
    folder = tmp_path_factory.mktemp("adb")
    with adb_server(folder):
        (folder / "phone").mkdir()
        adbd = Adbd(folder / "phone")
        adbd.within = cpufreq.within()
        yield adbd
        adbd.close()


@pytest.fixture(scope="module")
def pushed(phone, phone_board, tmp_path_factory):
    """Agent, runtime and model on the phone."""
    net = Net()
    model = tmp_path_factory.mktemp("model") / "relu.tflite"
    model.write_bytes(net.build(net.relu(agent_rig.add_input(net, (1, SIZE)))))
    library = runtime.library("host", agent_rig.VERSION).path
    with phone.adb(phone_board) as adb:
        agent, there = push_programs(adb, build.agent("host"), library)
        return agent, there, push(adb, [model])[0].path


def test_a_folder_may_have_any_name(phone, phone_board):
    library = runtime.library("host", agent_rig.VERSION).path
    folder = str(phone.home / "it's $HOME")
    with phone.adb(phone_board, folder=folder) as adb:
        agent, _ = push_programs(adb, build.agent("host"), library)
        with start_agent(adb, agent) as session:
            assert session.hello().agent_version
    assert agent.startswith(folder)


def converse(adb, pushed, settings):
    """Everything that a run asks of agents; returns input, outputs and times."""
    agent, library, model = pushed
    sample = np.random.default_rng(0).normal(size=(1, SIZE)).astype(np.float32)
    with start_agent(adb, agent) as session:
        assert session.hello(TIMEOUT_S).agent_version
        session.hold(settings, TIMEOUT_S)
        session.load(library, model, timeout_s=TIMEOUT_S)
        found = session.infer([[sample]], timeout_s=TIMEOUT_S)[0][0]
        timing = session.time(warmup=1, runs=RUNS, max_s=0.0, timeout_s=TIMEOUT_S)
        assert session.release(TIMEOUT_S) == ()
    return sample, found, timing


@pytest.fixture(scope="module")
def whole_bytes(phone, phone_board, pushed, cpufreq):
    """Payload of a conversation in which nothing goes wrong."""
    before = phone.moved_bytes
    with phone.adb(phone_board) as adb:
        converse(adb, pushed, cpufreq.wanted())
    return phone.moved_bytes - before


def test_the_agent_runs_on_the_libraries_that_were_pushed_and_on_no_others(
    phone, phone_board, pushed
):
    with phone.adb(phone_board) as adb, start_agent(adb, pushed[0]) as session:
        pid = session.hello().pid
        session.load(pushed[1], pushed[2])
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    mapped = {line.split()[-1] for line in maps if ".so" in line}
    assert mapped and all(path.startswith(str(phone.home)) for path in mapped)


@pytest.mark.parametrize("seed", [*range(12), *map(also, range(12, 60))])
def test_a_fault_at_any_point_of_a_run_neither_falsifies_nor_hangs_nor_leaves_anything(
    phone, phone_board, pushed, whole_bytes, cpufreq, seed
):
    at_bytes = random.Random(seed).randrange(1, whole_bytes)
    if seed // len(FAULTS) % 2 == 0:  # most bytes are tensors: hit the rest too
        at_bytes = random.Random(seed).choice([at_bytes % 1500, whole_bytes - at_bytes % 1500])
    phone.moved_bytes = 0
    phone.fault = fault = Fault(FAULTS[seed % len(FAULTS)], max(1, at_bytes))
    try:
        with phone.adb(phone_board) as adb:
            sample, found, timing = converse(adb, pushed, cpufreq.wanted())
    except DeviceError as error:
        assert fault.struck, error
    else:
        np.testing.assert_array_equal(found, np.maximum(sample, 0))
        assert len(timing.latency_ns) == RUNS
    phone.heal()
    assert phone.left() == []
    assert cpufreq.is_restored(phone.home)
    with phone.adb(phone_board) as adb:
        assert adb.run(["echo", "again"], 5).stdout == "again\n"
