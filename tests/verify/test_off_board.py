"""What stands in for a board that is not on this desk."""

import dataclasses
import functools
from pathlib import Path

import emulated
import forced
import nets
import numpy as np
import odd_nets
import pytest

from edgeprune import verify
from edgeprune.devices.boards import Cpu, board_names, load_board, resolved_cpu
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError, VerifyError
from edgeprune.verify import off_board
from edgeprune.verify.off_board import has_sparse_constants, stand_ins, twin


def like(board, **cpu):
    return dataclasses.replace(board, cpu=dataclasses.replace(board.cpu, **cpu))


def test_the_twin_is_emulated_and_has_the_same_core(monkeypatch):
    known = functools.cache(load_board)
    monkeypatch.setattr(off_board, "load_board", known)
    assert twin(load_board("rpi4")).name == "rpi4-emulated"
    assert twin(load_board("rpi5")).name == "rpi5-emulated"
    for board in map(known, board_names()):
        found = twin(board)
        if found is not None:
            way = "qemu_system" if board.kind == "microcontroller" else "qemu"
            assert (found.transport.use, found.cpu.core) == (way, board.cpu.core)
    assert twin(like(load_board("rpi4"), core="cortex-a1")) is None
    assert twin(like(load_board("rpi4"), isa="armv7l")) is None


def test_a_board_that_is_this_machine_stands_for_itself():
    for name in ("local", "rpi4-emulated"):
        assert [board.name for board in stand_ins(load_board(name))] == [name]


@pytest.mark.parametrize(
    "ours, theirs, stands_in",
    [
        (("aarch64", ()), ("aarch64", ()), True),
        (("x86_64", ("avx",)), ("x86_64", ("avx", "avx2")), True),
        (("x86_64", ("avx",)), ("x86_64", ("sse4_2",)), False),
        (("x86_64", ("avx",)), ("aarch64", ()), False),
    ],
)
def test_this_machine_stands_in_where_it_has_the_same_kernels(ours, theirs, stands_in, monkeypatch):
    monkeypatch.setattr(off_board, "resolved_cpu", lambda cpu: Cpu("host", *ours))
    board = like(load_board("rpi4"), core="none-such", isa=theirs[0], features=theirs[1])
    assert [found.name for found in stand_ins(board)] == (["local"] if stands_in else [])


def never(*_):
    raise AssertionError("nothing should be computed")


def test_a_dense_file_is_not_compared_and_that_is_said():
    assert not has_sparse_constants(nets.eligible())
    found = verify.verify_off_board(never, nets.eligible(), load_board("rpi4"), print, never)
    assert found[0] is None and "no weight is stored sparse" in found[1]


def sparse():
    return forced.encoded(nets.eligible())


@pytest.fixture
def other_host(monkeypatch):
    """A machine of another kind than the boards."""
    monkeypatch.setattr(off_board, "resolved_cpu", lambda cpu: Cpu("host", "x86_64", ("avx",)))


def test_a_board_without_a_stand_in_is_not_compared_and_how_to_is_said(other_host):
    assert has_sparse_constants(sparse())
    board = like(load_board("rpi5"), core="cortex-a1")
    parity, remark = verify.verify_off_board(never, sparse(), board, print, never)
    assert parity is None
    assert "no emulated board has a cortex-a1 core" in remark
    assert "edgeprune run FILE --board rpi5" in remark and "\n" not in remark


def test_without_qemu_it_is_said_how_to_install_it(other_host, monkeypatch):
    monkeypatch.setattr("edgeprune.devices.transports.qemu.shutil.which", lambda name: None)
    parity, remark = verify.verify_off_board(never, sparse(), load_board("rpi4"), print, never)
    assert parity is None
    assert "not compared" in remark and "apt-get install qemu-user" in remark


def comparison_of(tflite, count):
    samples = verify.sample_inputs(tflite, None, count)
    expected = verify.reference_outputs(tflite, samples)
    return verify.Comparison("net", tflite, tflite, samples, expected)


@pytest.mark.device
@pytest.mark.parametrize("board", ["rpi4", "rpi5"])
def test_a_sparse_file_is_compared_on_the_twin(board):
    lines = []
    parity, remark = verify.verify_off_board(
        lambda: comparison_of(sparse(), 5), sparse(), load_board(board), lines.append, never
    )
    assert parity.passed and parity.samples == 5
    assert parity.where.startswith(f"{board}-emulated, LiteRT 2.3.0 (sha256 ")
    assert lines == [f"5 inputs on {board}-emulated"] and remark == ""


@pytest.mark.device
def test_a_file_that_the_twin_cannot_load_is_an_error_and_not_a_remark(tmp_path):
    net = nets.Net()
    x = net.op("FULLY_CONNECTED", [net.input(1, 4)] * 2 + [-1], (1, 4), version=99)
    broken = dataclasses.replace(comparison_of(sparse(), 1), file=net.build(x))
    with pytest.raises(DeviceError, match="load"):
        verify.verify_off_board(lambda: broken, sparse(), load_board("rpi4"), print, never)


@pytest.mark.device
@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_samples_come_back_in_order_however_many_processes_share_them(processes, tmp_path):
    from edgeprune.agents import build, runtime
    from edgeprune.devices.device import Device

    board = load_board(emulated.BOARD)
    comparison = comparison_of(nets.eligible(), 5)
    file = tmp_path / "model.tflite"
    file.write_bytes(comparison.file)
    agent = str(build.agent(board.agent.target))
    library = str(runtime.library(board.cpu.isa, board.runtime.version).path)
    with TRANSPORTS.get("qemu")(board, Device(board.name, board.name)) as transport:
        found = verify.board_outputs(
            transport, agent, library, str(file), comparison.samples, processes
        )
    assert verify.parity(comparison.file, comparison.expected, found, "here").passed
    swapped = [found[1], found[0], *found[2:]]
    assert not verify.parity(comparison.file, comparison.expected, swapped, "here").passed


@pytest.fixture
def lab_board():
    """A board elsewhere that has just this machine's core, and no emulated twin."""
    ours = load_board("local")
    far = dataclasses.replace(ours, name="lab", transport=load_board("rpi4").transport)
    return dataclasses.replace(far, cpu=resolved_cpu(ours.cpu))


def host(tflite, samples, xnnpack):
    return verify.reference_outputs(tflite, samples, xnnpack=xnnpack)


def test_a_file_is_compared_on_this_machine_where_that_is_like_the_board(lab_board):
    lines = []
    wanted = comparison_of(sparse(), 3)
    parity, remark = verify.verify_off_board(
        lambda: wanted, sparse(), lab_board, lines.append, never
    )
    assert parity.passed and parity.samples == 3 and remark == ""
    assert parity.where.startswith("local, LiteRT 2.3.0 (sha256 ")
    assert lines == ["3 inputs on local"]


@pytest.mark.parametrize(
    ("is_emulated", "goes_on", "processes"), [(False, False, 1), (True, False, 7), (True, True, 1)]
)
def test_emulated_processes_share_the_inputs_of_a_network_without_state(
    is_emulated, goes_on, processes, lab_board, monkeypatch
):
    asked = []

    def outputs(transport, agent, library, file, samples, processes=1):
        asked.append((Path(file).parent.name[:10], processes))
        return verify.board_outputs(transport, agent, library, file, samples, processes)

    monkeypatch.setattr(off_board, "board_outputs", outputs)
    monkeypatch.setattr(off_board, "twin", lambda board: None)
    monkeypatch.setattr(off_board, "usable_cores", lambda: 7)
    monkeypatch.setattr(TRANSPORTS.get("local"), "emulated", is_emulated)
    monkeypatch.setattr(off_board, "has_sparse_constants", lambda tflite: True)
    file = odd_nets.accumulator() if goes_on else sparse()
    verify.verify_off_board(lambda: comparison_of(file, 2), file, lab_board, print, never)
    assert asked == [("edgeprune-", processes)]


def test_a_weak_comparison_is_remarked_on(lab_board):
    wanted = comparison_of(sparse(), 2)
    wanted.samples[1], wanted.expected[1] = wanted.samples[0], wanted.expected[0]
    _, remark = verify.verify_off_board(lambda: wanted, sparse(), lab_board, print, never)
    assert remark == wanted.weakness() != ""


def test_a_wrong_file_is_refused_with_the_layer_that_the_board_gets_wrong(lab_board):
    wanted = comparison_of(sparse(), 2)
    for row in wanted.expected:
        row[0] += np.float32(0.5)
    with pytest.raises(VerifyError, match=r"outputs on local, LiteRT .* differ .* by 0\.5, more"):
        verify.verify_off_board(lambda: wanted, sparse(), lab_board, print, host)


def test_a_board_whose_kernels_are_wrong_is_asked_at_which_layer(lab_board, monkeypatch):
    asked = []

    def outputs(transport, agent, library, file, samples, processes=1):
        asked.append(Path(file).read_bytes())
        rows = verify.reference_outputs(asked[-1], samples)
        return [[row[0] + np.float32(0.5), *row[1:]] for row in rows]

    monkeypatch.setattr(off_board, "board_outputs", outputs)
    wanted = comparison_of(sparse(), 2)
    with pytest.raises(VerifyError, match=r"by 0\.5, more than .*; outputs first differ at t"):
        verify.verify_off_board(lambda: wanted, sparse(), lab_board, print, host)
    assert asked[0] == wanted.file and len(asked) > 1


def test_the_next_stand_in_is_tried_where_the_first_cannot_start(monkeypatch):
    monkeypatch.setattr(off_board, "resolved_cpu", lambda cpu: Cpu("host", "aarch64", ()))
    monkeypatch.setattr("edgeprune.devices.transports.qemu.shutil.which", lambda name: None)
    board = dataclasses.replace(load_board("rpi4"), runtime=load_board("local").runtime)
    assert [found.name for found in stand_ins(board)] == ["rpi4-emulated", "local"]
    wanted = comparison_of(sparse(), 1)
    parity, _ = verify.verify_off_board(lambda: wanted, sparse(), board, print, never)
    assert parity.where.startswith("local, ")


def test_the_stand_in_gets_the_runtime_of_the_board(lab_board, monkeypatch):
    asked = []

    def library(isa, version, sha256=None):
        asked.append((isa, version, sha256))
        raise DeviceError("no such runtime")

    monkeypatch.setattr(off_board.runtime, "library", library)
    runtime = dataclasses.replace(lab_board.runtime, version="2.1.1", sha256="ab" * 32)
    board = dataclasses.replace(lab_board, runtime=runtime)
    parity, remark = verify.verify_off_board(never, sparse(), board, print, never)
    assert parity is None and ": no such runtime; compare on the board" in remark
    assert asked == [("host", "2.1.1", "ab" * 32)]


def test_boards_that_cannot_be_read_have_no_twins_and_stop_nobody(monkeypatch):
    monkeypatch.setattr(off_board, "board_names", lambda: ["no-such-board", "rpi4-emulated"])
    assert twin(load_board("rpi4")).name == "rpi4-emulated"
    monkeypatch.setattr(off_board, "board_names", lambda: ["rpi4", "no-such-board"])
    assert twin(load_board("rpi4")) is None
