"""Counts, kernels and outputs of an emulated core, several processes at once."""

import dataclasses
import os
import signal
import threading

import emulated
import nets
import numpy as np
import odd_nets
import pytest
from agent_processes import agents, kill_agents, questions
from full_range import also

from edgeprune import verify
from edgeprune.agents import build
from edgeprune.agents.conversation import Conversation
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.core_work import Cache
from edgeprune.console import interrupts
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError
from edgeprune.measure import emulated as stage
from edgeprune.measure import estimating, shared_outputs
from edgeprune.measure.emulated import Into, Network, measure_emulated
from edgeprune.measure.kept_runs import KeptRun
from edgeprune.prediction.cycles import load_core
from edgeprune.sparsify import sparsify

pytestmark = pytest.mark.device

A72 = Cpu("cortex-a72", "aarch64", ())

NOISE = 200
"""Instructions by which two counts of one network differ at most, on a busy machine too: up to some
1,000 of a process, which of its two threads comes first, over 11 inferences."""


class Starter:
    """Starts agents on the emulated board, and notes what is loaded."""

    timeout_s = 120.0

    def __init__(self, transport, folder):
        self.transport, self.folder = transport, folder
        self.program = str(build.agent(load_board(emulated.BOARD).agent.target))
        self.loaded = []

    def agent(self, *, count_instructions=False, work=None):
        return start_agent(
            self.transport, self.program, count_instructions=count_instructions, work=work
        )

    def model(self, name):
        return str(self.folder / f"{name}.tflite")

    def load(self, agent, name, *, profile=False, path=None):
        self.loaded.append(name)
        return agent.load(emulated.library(), path or self.model(name), profile=profile).load_ns


@pytest.fixture
def starter(tmp_path):
    board = load_board(emulated.BOARD)
    with TRANSPORTS.get("qemu")(board, Device(board.name, board.name)) as transport:
        yield Starter(transport, tmp_path)


@pytest.fixture
def networks(tmp_path):
    dense = nets.eligible()
    return named(tmp_path, {"dense": dense, "deployed": sparsify(dense, A72).tflite})


def named(folder, files, count=6):
    for name, tflite in files.items():
        (folder / f"{name}.tflite").write_bytes(tflite)
    return [
        Network(name, tflite, verify.sample_inputs(tflite, None, count))
        for name, tflite in files.items()
    ]


def measured(starter, networks, workers):
    into = Into({one.name: None for one in networks}, {}, {})
    measure_emulated(starter, networks, into, lambda line: None, workers)
    return into


@pytest.fixture
def asked(monkeypatch):
    """Every question to an agent, counted."""
    return questions(monkeypatch)


def test_what_is_measured_side_by_side_is_what_is_measured_alone(starter, networks, monkeypatch):
    monkeypatch.setattr(shared_outputs, "WORTH", -1.0)
    alone, beside = measured(starter, networks, 1), measured(starter, networks, 4)
    for name, count in alone.instructions.items():
        assert abs(beside.instructions[name] - count) <= NOISE < 0.01 * count
    assert beside.layers == alone.layers and set(alone.layers) == {"dense", "deployed"}
    for name, rows in alone.outputs.items():
        np.testing.assert_array_equal(beside.outputs[name], rows)
        assert len({row[0].tobytes() for row in rows}) == len(rows) == 6


@pytest.mark.parametrize("workers", [1, also(3)])
def test_each_input_is_inferred_once_and_kernels_come_from_the_same_process(
    starter, networks, asked, workers
):
    measured(starter, networks, workers)
    assert asked["infer"] == sum(len(one.samples) for one in networks)
    assert asked["profile"] == 2 * len(networks) and asked["time"] == 3 * len(networks)
    if workers == 1:
        assert starter.loaded.count("dense") == 5


def test_inputs_of_a_network_with_state_stay_in_order_in_one_process(
    starter, tmp_path, monkeypatch
):
    monkeypatch.setattr(shared_outputs, "WORTH", -1.0)
    tflite = odd_nets.accumulator()
    (network,) = named(tmp_path, {"sums": tflite})
    found = measured(starter, [network], 4)
    assert starter.loaded == ["sums"] * 5
    expected = verify.reference_outputs(tflite, network.samples)
    np.testing.assert_allclose(found.outputs["sums"], expected, rtol=1e-4, atol=1e-5)


def test_a_process_that_fails_is_named_and_ends_the_others(starter, networks, monkeypatch):
    ask, lock, times = Conversation.ask, threading.Lock(), []

    def failing(self, name, *rest):
        with lock:
            times.extend([name] if name == "time" else [])
            if len(times) == 2 and name == "time":
                kill_agents()
        return ask(self, name, *rest)

    monkeypatch.setattr(Conversation, "ask", failing)
    with pytest.raises(DeviceError, match=r"SIGKILL.*\(while (counting|comparing) .* of `d"):
        measured(starter, networks, 3)
    assert agents() == []


def test_an_interrupt_ends_every_process_and_says_what_they_were_at(
    starter, networks, monkeypatch, handlers
):
    interrupts.install()
    ask = Conversation.ask

    def interrupting(self, name, *rest):
        if name == "infer":
            os.kill(os.getpid(), signal.SIGINT)
        return ask(self, name, *rest)

    monkeypatch.setattr(Conversation, "ask", interrupting)
    with pytest.raises(KeyboardInterrupt, match=r"while .*comparing outputs of `de"):
        measured(starter, networks, 2)
    assert agents() == []


def test_memory_bounds_the_processes_beside_the_cores(networks, monkeypatch):
    monkeypatch.setattr(stage, "usable_cores", lambda: 8)
    monkeypatch.setattr(stage, "limit_bytes", lambda: 1 << 40)
    assert stage._workers(networks) == 8
    monkeypatch.setattr(stage, "limit_bytes", lambda: 3 * (300 << 20))
    assert stage._workers(networks) == 3
    large = Network("large", bytes(1 << 20) * 200, [])
    assert stage._workers([*networks, large]) == 1


def test_cycles_are_estimated_as_a_whole_and_by_kernel_and_repeat(starter, networks):
    first, second = measured(starter, networks, 2), measured(starter, networks, 3)
    assert first.estimates == second.estimates and first.layers == second.layers
    for name, estimate in first.estimates.items():
        assert estimate.core == "cortex-a72" and estimate.unknown_share < 0.01
        of_kernels = sum(layer.cycles for layer in first.layers[name])
        assert 0.7 * estimate.cycles < of_kernels < estimate.cycles
        counted = sum(layer.instructions for layer in first.layers[name])
        assert 0.8 * first.instructions[name] < counted < first.instructions[name]


def test_a_run_whose_work_cannot_be_counted_keeps_all_else_and_says_why(
    starter, networks, monkeypatch
):
    def failing(counting):
        raise DeviceError("the counter is broken")

    monkeypatch.setattr(estimating, "count_work", failing)
    found = measured(starter, networks, 2)
    for name, estimate in found.estimates.items():
        assert estimate.reason == (
            f"the counter is broken (while counting what the core does for `{name}`)"
        )
        assert found.instructions[name] and found.layers[name] and found.outputs[name]
        assert all(layer.cycles is None for layer in found.layers[name])


def test_a_core_of_which_nothing_is_known_has_no_estimate(starter, networks, monkeypatch):
    monkeypatch.setattr(estimating, "load_core", lambda name: None)
    found = measured(starter, networks[:1], 2)
    assert found.estimates["dense"].reason.startswith(
        "nothing is known of the pipelines and caches of cortex-a72, as it is of cortex-a53, "
    )
    assert starter.loaded.count("dense") == 3


def test_kept_work_serves_another_clock_but_no_other_caches(starter, networks, home, monkeypatch):
    def estimate():
        network = dataclasses.replace(networks[0], before=KeptRun("a" * 64))
        return measured(starter, [network], 2).estimates["dense"], network.before.taken

    first, taken = estimate()
    assert taken == set()
    core = load_core("cortex-a72")
    slower = dataclasses.replace(core, clock_hz=core.clock_hz // 2)
    monkeypatch.setattr(estimating, "load_core", lambda name: slower)
    second, taken = estimate()
    assert {"count", "work"} <= taken and second.latency_us > first.latency_us
    smaller = dataclasses.replace(core, l1=Cache(4 << 10, 2))
    monkeypatch.setattr(estimating, "load_core", lambda name: smaller)
    third, taken = estimate()
    assert "count" in taken and "work" not in taken
    assert third.pipeline_cycles == first.pipeline_cycles
    assert third.streamed_cycles + third.other_cycles > first.streamed_cycles + first.other_cycles
