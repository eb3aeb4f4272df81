"""What an emulated core does for one inference."""

import contextlib
import dataclasses

import emulated
import nets
import pytest

from edgeprune.agents import build
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.core_work import Cache, CoreWork, Misses
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, command_transport
from edgeprune.errors import DeviceError
from edgeprune.measure.core_work import Interval, count_work, read_intervals
from edgeprune.prediction.cycles import estimate, load_core

CACHES = (Cache(32 << 10, 2), Cache(1 << 20, 16))
ADD, RETURN = bytes.fromhex("0000018b"), bytes.fromhex("c0035fd6")
WHOLE = (
    "interval 7 3 1 2 1 0 1\nblock 4 2\nblock 5 1\nblock 6 1\ninterval 1 0 0 0 0 0 0\nblock 5 1\n"
    "code 4 0000018bc0035fd6\ncode 5 c0035fd6\ncode 6 0000018bc0035fd6\nend\n"
)


def work_of(tflite, folder, caches, core="cortex-a72"):
    file = folder / "net.tflite"
    file.write_bytes(tflite)
    board = load_board(emulated.BOARD)
    board = dataclasses.replace(board, cpu=dataclasses.replace(board.cpu, core=core))
    program = str(build.agent(board.agent.target))
    with command_transport(board, Device(board.name, board.name)) as transport:
        return count_work(
            lambda wanted: start_agent(transport, program, work=wanted),
            lambda agent, path: agent.load(emulated.library(), path),
            file,
            caches,
            120.0,
        )


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return work_of(nets.eligible(), tmp_path_factory.mktemp("work"), CACHES)


@pytest.mark.device
def test_cycles_repeat_exactly_whatever_the_environment(work, tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_USER", "x" * 1000)
    again = work_of(nets.eligible(), tmp_path, CACHES)
    assert again == work
    core = load_core("cortex-a72")
    assert estimate(again, core) == estimate(work, core)


@pytest.mark.device
def test_work_is_that_of_one_inference(work, tmp_path):
    """The counted instructions hold two readings of the clock beside it."""
    totals = []
    for runs in (1, 12):
        with emulated.loaded(nets.eligible(), tmp_path, count_instructions=True) as agent:
            agent.time(warmup=1, runs=runs, max_s=0.0, timeout_s=120)
            totals.append(agent.close())
    counted = (totals[1] - totals[0]) / 11
    assert 0 <= counted - work.instructions < 500 < 0.01 * counted
    assert work.instructions / 4 < work.accesses < work.instructions
    first, second = (one.streamed + one.other for one in work.misses)
    assert 0 <= second <= first < work.accesses


@pytest.mark.device
def test_a_smaller_cache_misses_more_and_no_cache_changes_what_runs(work, tmp_path):
    smaller = work_of(nets.eligible(), tmp_path, (Cache(4 << 10, 2), Cache(64 << 10, 4)))
    none = work_of(nets.eligible(), tmp_path, ())
    assert smaller.blocks == none.blocks == work.blocks and none.misses == ()
    for ours, theirs in zip(work.misses, smaller.misses, strict=True):
        assert ours.streamed + ours.other < theirs.streamed + theirs.other


def test_intervals_are_read_and_blocks_of_one_code_are_one(tmp_path):
    (tmp_path / "counts").write_text(WHOLE)
    first, second = read_intervals(tmp_path / "counts", 2)
    both = CoreWork(7, 3, {ADD + RETURN: 3, RETURN: 1}, (Misses(2, 1), Misses(0, 1)))
    assert first == Interval(both, 1)
    assert second == Interval(CoreWork(1, 0, {RETURN: 1}, (Misses(0, 0), Misses(0, 0))), 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("end\n", ""),
        ("block 5 1\n", ""),
        ("code 4", "code 9"),
        ("interval 7", "interval 8"),
        ("interval 7 3", "interval 7 -3"),
        ("c0035fd6\nend", "c0035f\nend"),
        (" 2 1 0 1", " 2 1"),
        ("block 4 2", "block 4 2 2"),
        ("block 4 2", "block 4 9999999999999999999"),
        (WHOLE, ""),
        (WHOLE, "\xff"),
    ],
)
def test_counts_that_are_not_whole_are_refused(tmp_path, old, new):
    assert old in WHOLE
    (tmp_path / "counts").write_text(WHOLE.replace(old, new), encoding="latin-1")
    with pytest.raises(DeviceError, match="no counts of what the core did: `edgeprune doctor`"):
        read_intervals(tmp_path / "counts", 2)


def test_missing_counts_are_refused(tmp_path):
    with pytest.raises(DeviceError, match="no counts of what the core did"):
        read_intervals(tmp_path / "counts", 2)


def test_no_other_device_counts_what_its_core_does(tmp_path):
    board = load_board("local")
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        with pytest.raises(DeviceError, match="on emulated boards only"), contextlib.ExitStack():
            count_work(
                lambda wanted: start_agent(transport, "agent", work=wanted),
                print,
                tmp_path,
                CACHES,
                1.0,
            )
