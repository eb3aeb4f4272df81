"""What an emulated core does for one inference."""

import emulated
import nets
import numpy as np
import odd_nets
import pytest
from agent_processes import questions
from emulated import counting

from edgeprune.agents import answers
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.core_work import Cache
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError
from edgeprune.measure.core_work import Counting, count_layers, count_work
from edgeprune.prediction.cycles import estimate, load_core

CACHES = (Cache(32 << 10, 2), Cache(1 << 20, 16))


def work_of(tflite, folder, caches=CACHES):
    with counting(tflite, folder, caches) as one:
        return count_work(one)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return work_of(nets.eligible(), tmp_path_factory.mktemp("work"))


@pytest.mark.device
def test_cycles_repeat_exactly_whatever_the_environment(work, tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_USER", "x" * 1000)
    again = work_of(nets.eligible(), tmp_path)
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


@pytest.mark.device
def test_a_process_is_asked_once_however_long_it_took(tmp_path, monkeypatch):
    def doubtful(*arguments):
        raise answers.WindowNotFilled("too slow")

    monkeypatch.setattr(answers, "check_times", doubtful)
    asked = questions(monkeypatch)
    work_of(nets.eligible(), tmp_path)
    assert asked["time"] == 1


@pytest.mark.device
def test_the_work_of_kernels_is_that_of_the_inference_without_the_runtime(work, tmp_path):
    with counting(nets.eligible(), tmp_path, CACHES) as one:
        kernels = count_layers(one)
    assert len(kernels) == 5
    total = sum(part.instructions for _, part in kernels)
    assert 0.8 * work.instructions < total < work.instructions
    largest = max(kernels, key=lambda kernel: kernel[1].instructions)
    assert "GEMM" in largest[0]


@pytest.mark.device
def test_kernels_of_the_interpreter_lie_between_those_of_the_delegate(tmp_path):
    """XNNPACK has no REVERSE_V2, which so lies between two parts that it runs."""
    net = nets.Net()
    x = net.conv(net.input(1, 16, 16, 3), 8)
    x = net.op("REVERSE_V2", [x, net.const(np.array([1], np.int32))], net.shape(x))
    with counting(net.build(net.conv(net.conv(x, 64), 4)), tmp_path, CACHES) as one:
        kernels = count_layers(one)
    assert [tag.split()[0] for tag, _ in kernels] == ["Fully", "REVERSE_V2", "Fully", "Fully"]
    first, reverse, second, third = (part for _, part in kernels)
    assert first.instructions < third.instructions < second.instructions
    assert 16 * 16 * 8 * 4 * 2 / 16 <= reverse.accesses < 16 * 16 * 8 * 4
    assert first.accesses > reverse.accesses


@pytest.mark.device
def test_a_kernel_of_the_interpreter_may_be_the_first(tmp_path):
    net = nets.Net()
    x = net.input(1, 16, 16, 3)
    x = net.op("REVERSE_V2", [x, net.const(np.array([1], np.int32))], net.shape(x))
    with counting(net.build(net.conv(net.conv(x, 64), 4)), tmp_path, CACHES) as one:
        kernels = count_layers(one)
    assert [tag.split()[0] for tag, _ in kernels] == ["REVERSE_V2", "Fully", "Fully"]
    reverse, first, second = (part for _, part in kernels)
    assert 16 * 16 * 3 * 4 * 2 / 16 <= reverse.accesses < first.accesses
    assert min(first.instructions, second.instructions) > 16 * 16 * 3


@pytest.mark.device
def test_kernels_of_a_loop_are_not_guessed(tmp_path):
    with counting(odd_nets.loop(), tmp_path, CACHES) as one:
        assert {part for _, part in count_layers(one)} == {None}


def test_no_other_device_counts_what_its_core_does(tmp_path):
    board = load_board("local")
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        one = Counting(
            lambda wanted: start_agent(transport, "agent", work=wanted),
            print,
            tmp_path,
            CACHES,
            1.0,
        )
        with pytest.raises(DeviceError, match="on emulated boards only"):
            count_work(one)
