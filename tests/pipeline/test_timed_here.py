"""What files take on this machine beside the user's network."""

import dataclasses
import types

import nets
import pytest

from edgeprune.devices.boards import Cpu, load_board
from edgeprune.pipeline import timed_here
from edgeprune.pipeline.timed_here import TimedHere, can_time, time_ratio
from edgeprune.quantize import quantize

PC = Cpu("host", "x86_64", ("avx", "avx2"))
DENSE, SMALLER = nets.eligible(sparsity=0.0, size=32), nets.eligible(sparsity=0.0, size=24)
INT8 = quantize(DENSE, "int8", None).tflite


@pytest.fixture
def clock(monkeypatch):
    """What an inference of each file takes by a clock that nothing else moves; the order of them.

    Every fifth stretch is disturbed.
    """
    found = types.SimpleNamespace(now_s=0.0, inference_s={}, order=[])

    class Model(timed_here.HostModel):
        def __init__(self, tflite, **options):
            super().__init__(tflite, **options)
            self.tflite = tflite

        def again(self, times):
            super().again(1)
            found.order.append(self.tflite)
            slow = 2.0 if len(found.order) % 5 == 0 else 1.0
            found.now_s += times * slow * found.inference_s[self.tflite]

    clocks = types.SimpleNamespace(thread_time=lambda: found.now_s, monotonic=lambda: found.now_s)
    monkeypatch.setattr(timed_here, "HostModel", Model)
    monkeypatch.setattr(timed_here, "time", clocks)
    return found


@pytest.mark.parametrize("inference_s", [1e-5, 3e-3, 2.0])
def test_two_files_are_timed_in_turns_and_what_disturbs_them_does_not_count(clock, inference_s):
    clock.inference_s = {INT8: 0.4 * inference_s, DENSE: inference_s}
    assert time_ratio(INT8, DENSE) == pytest.approx(0.4)
    turns = clock.order[2:]
    assert turns == [DENSE, INT8] * (len(turns) // 2)
    assert len(turns) == 2 * (timed_here.MIN_PAIRS if inference_s > 1 else timed_here.PAIRS)


def test_a_network_is_timed_once_whatever_its_weights(monkeypatch):
    asked = []
    monkeypatch.setattr(timed_here, "time_ratio", lambda *files: asked.append(files) or 0.46)
    timed = TimedHere(DENSE)
    assert timed.share(DENSE) == timed.share(nets.eligible(sparsity=0.5, size=32)) == 1.0
    assert not asked
    assert timed.share(INT8) == timed.share(INT8) == pytest.approx(0.4581, abs=1e-4)
    assert timed.share(SMALLER) == timed.share(INT8)
    assert asked == [(INT8, DENSE), (SMALLER, DENSE)]


def test_what_differs_by_chance_becomes_one_share(monkeypatch):
    shares = set()
    for ratio in (0.451, 0.46, 0.468):
        monkeypatch.setattr(timed_here, "time_ratio", lambda *files, ratio=ratio: ratio)
        shares.add(TimedHere(DENSE).share(INT8))
    assert len(shares) == 1


def test_what_is_known_is_not_timed_again(monkeypatch):
    known = {}
    monkeypatch.setattr(timed_here, "time_ratio", lambda *files: 0.5)
    share = TimedHere(DENSE, known).share(INT8)
    monkeypatch.setattr(timed_here, "time_ratio", lambda *files: 0.9)
    assert TimedHere(DENSE, dict(known)).share(INT8) == share


@pytest.mark.parametrize(
    ("board", "cpu", "is_timed"),
    [
        ("local", PC, True),
        ("local", Cpu("host", "aarch64", ("asimddp",)), False),
        ("rpi4", PC, False),
        ("rpi4-emulated", None, False),
    ],
)
def test_only_this_machine_is_timed_and_only_where_nothing_predicts_it(board, cpu, is_timed):
    loaded = load_board(board)
    assert can_time(loaded, loaded.cpu if cpu is None else cpu) == is_timed


def test_a_runtime_without_xnnpack_is_not_timed_by_one_with_it():
    board = load_board("local")
    other = dataclasses.replace(board.runtime, use="tflite-runtime")
    assert not can_time(dataclasses.replace(board, runtime=other), PC)
