"""An emulated Cortex-A72 with the official runtime for aarch64."""

import dataclasses
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import agent_rig
import numpy as np
import pytest

from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import board_names, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.toolchain import glibc
from edgeprune.devices.transports import _qemu_root, qemu
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import ConfigError, DeviceError

pytestmark = pytest.mark.device

EMULATED = [name for name in board_names() if load_board(name).transport.use == "qemu"]


def transport(board):
    return TRANSPORTS.get("qemu")(board, Device(board=board.name))


@pytest.fixture(scope="module")
def board():
    return load_board("rpi4-emulated")


@pytest.fixture(scope="module")
def emulated(board):
    with transport(board) as opened:
        yield opened


@pytest.fixture(scope="module")
def agent(board):
    return str(build.agent(board.agent.target))


@pytest.fixture(scope="module")
def library(board):
    return str(runtime.library(board.cpu.isa, board.runtime.version).path)


def instructions(emulated, agent, library, model, runs):
    """Of a whole process that makes ``runs`` timed inferences."""
    with start_agent(emulated, agent, count_instructions=True) as talk:
        talk.load(library, model)
        talk.time(warmup=1, runs=runs, max_s=0.0, timeout_s=120)
        total = talk.close()
    assert total is not None
    return total


def test_the_program_sees_the_boards_core(emulated, agent, board):
    with start_agent(emulated, agent) as talk:
        hello = talk.hello()
    assert (hello.machine, hello.cpu) == ("aarch64", "cortex-a72")
    assert hello.features == board.cpu.features


@pytest.mark.parametrize("name", EMULATED)
def test_every_emulated_core_runs_the_runtime_and_is_seen_as_itself(name, tmp_path):
    """XNNPACK's detection of some cores needs files that this machine has otherwise."""
    board = load_board(name)
    (tmp_path / "m.tflite").write_bytes(agent_rig.small_net())
    library = str(runtime.library(board.cpu.isa, board.runtime.version).path)
    with (
        transport(board) as emulated,
        start_agent(emulated, str(build.agent(board.agent.target))) as talk,
    ):
        assert talk.hello().cpu == board.cpu.core
        talk.load(library, str(tmp_path / "m.tflite"))
        assert talk.time(warmup=0, runs=1, max_s=0.0, timeout_s=120).latency_ns


def test_outputs_are_those_of_this_machine(emulated, agent, library, tmp_path):
    (tmp_path / "m.tflite").write_bytes(agent_rig.small_net())
    path = str(tmp_path / "m.tflite")
    rng = np.random.default_rng(3)
    samples = [[rng.random((1, 16, 16, 3)).astype(np.float32)] for _ in range(4)]
    with start_agent(emulated, agent) as talk:
        talk.load(library, path)
        there = talk.infer(samples)
    with agent_rig.session(build.agent("host")) as talk:
        talk.load(agent_rig.library(), path)
        here = talk.infer(samples)
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
    assert len({row[0].tobytes() for row in there}) == len(samples)


def test_instructions_per_inference_repeat_to_a_thousandth(emulated, agent, library, tmp_path):
    (tmp_path / "m.tflite").write_bytes(agent_rig.small_net())
    path = str(tmp_path / "m.tflite")
    counts = []
    for _ in range(2):
        few = instructions(emulated, agent, library, path, 1)
        many = instructions(emulated, agent, library, path, 12)
        counts.append((many - few) / 11)
    assert abs(counts[0] - counts[1]) <= 0.001 * counts[0]
    multiplications = 16 * 16 * (8 * 27 + 8 * 9 + 16 * 8) + 160
    assert multiplications / 16 < counts[0] < multiplications * 4


def test_a_profile_names_the_kernels_of_the_emulated_core(emulated, agent, library, tmp_path):
    (tmp_path / "m.tflite").write_bytes(agent_rig.small_net())
    with start_agent(emulated, agent) as talk:
        talk.load(library, str(tmp_path / "m.tflite"), profile=True)
        kernels = [event.tag for event in talk.profile(1).events[0] if event.source == 2]
    assert kernels[:3] == [
        "Convolution (NHWC, F32) IGEMM",
        "Convolution (NHWC, F32) DWConv",
        "Fully Connected (NC, F32) GEMM",
    ]


def test_a_process_that_is_not_counted_has_no_count(emulated, agent):
    with start_agent(emulated, agent) as talk:
        talk.hello()
        assert talk.close() is None


def test_the_count_stays_when_a_channel_is_closed_twice(emulated, agent):
    channel = emulated.start([agent], {}, count_instructions=True)
    total = channel.close()
    assert total is not None and total > 10_000
    assert channel.close() == total


def test_a_process_that_was_killed_has_no_count(emulated, agent, library, tmp_path):
    (tmp_path / "m.tflite").write_bytes(agent_rig.small_net())
    talk = start_agent(emulated, agent, count_instructions=True)
    talk.load(library, str(tmp_path / "m.tflite"))
    os.kill(talk.hello().pid, signal.SIGKILL)
    assert talk.close() is None


def test_a_comma_in_a_path_does_not_split_an_option(emulated, agent, tmp_path, monkeypatch):
    (tmp_path / "a,b").mkdir()
    monkeypatch.setattr(qemu.tempfile, "tempdir", str(tmp_path / "a,b"))
    with start_agent(emulated, agent, count_instructions=True) as talk:
        talk.hello()
        total = talk.close()
    assert total is not None and total > 100_000
    assert list((tmp_path / "a,b").iterdir()) == []


def test_missing_parts_are_named_with_the_command_that_installs_them(board, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DeviceError, match="qemu-aarch64 is not installed: apt-get install"):
        transport(board).open()
    monkeypatch.undo()
    monkeypatch.setattr(glibc, "folder", lambda isa: tmp_path)
    with pytest.raises(DeviceError, match=r"has no ld-linux.*: apt-get install .*arm64-cross"):
        transport(board).open()


def test_a_core_that_cannot_be_emulated_is_refused(board):
    odd = dataclasses.replace(board, cpu=dataclasses.replace(board.cpu, core="cortex-z9"))
    with pytest.raises(ConfigError, match=r"'cortex-z9' cannot be emulated; known cores: .*a72"):
        transport(odd).open()


def test_a_root_that_another_process_puts_there_meanwhile_is_kept(board, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path))
    transport(board).open()
    (root,) = (tmp_path / "qemu").iterdir()
    (root / "of the other").touch()
    look = _qemu_root._is_root
    early = [False]  # what the first look saw: nothing was there yet
    monkeypatch.setattr(_qemu_root, "_is_root", lambda *a: early.pop() if early else look(*a))
    transport(board).open()
    assert (root / "of the other").exists()


@pytest.mark.parametrize("is_damaged", [False, True])
def test_openings_at_once_share_one_root(board, monkeypatch, tmp_path, is_damaged):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path))
    if is_damaged:
        transport(board).open()
        (whole,) = (tmp_path / "qemu").iterdir()
        (whole / "proc" / "cpuinfo").write_text("half of")
    start = threading.Barrier(8)

    def opened(_):
        start.wait(10)
        transport(board).open()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(opened, range(8)))
    (root,) = (tmp_path / "qemu").iterdir()
    assert (root / "lib" / "libc.so.6").exists()
    assert "0xd08" in (root / "proc" / "cpuinfo").read_text()
