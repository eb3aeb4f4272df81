"""What stands in for a board that is not on this desk."""

import dataclasses

import emulated
import forced
import nets
import pytest

from edgeprune import verify
from edgeprune.devices.boards import Cpu, board_names, load_board
from edgeprune.errors import DeviceError
from edgeprune.verify import off_board
from edgeprune.verify.off_board import has_sparse_constants, stand_ins, twin


def like(board, **cpu):
    return dataclasses.replace(board, cpu=dataclasses.replace(board.cpu, **cpu))


def test_the_twin_is_emulated_and_has_the_same_core():
    assert twin(load_board("rpi4")).name == "rpi4-emulated"
    assert twin(load_board("rpi5")).name == "rpi5-emulated"
    boards = {(board.cpu.core, board.cpu.isa): board for board in map(load_board, board_names())}
    for board in boards.values():
        found = twin(board)
        if found is not None:
            assert (found.transport.use, found.cpu.core) == ("qemu", board.cpu.core)
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
    from edgeprune.devices.transports.base import TRANSPORTS

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
