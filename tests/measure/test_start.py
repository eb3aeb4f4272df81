"""The pass for start and memory, with the real agent on this machine."""

import contextlib

import nets
import pytest

from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError
from edgeprune.measure import start


class Machine:
    """This machine, with the files of a folder as variants."""

    timeout_s = 60.0

    def __init__(self, transport, folder):
        self.transport, self.folder, self.loaded, self.took_ns = transport, folder, [], []

    def agent(self):
        return start_agent(self.transport, str(build.agent("host")))

    def load(self, agent, name):
        board = self.transport.board
        library = runtime.library(board.cpu.isa, board.runtime.version).path
        self.loaded.append(name)
        took_ns = agent.load(str(library), str(self.folder / f"{name}.tflite")).load_ns
        self.took_ns.append(took_ns)
        return took_ns


@pytest.fixture
def machine(tmp_path):
    with TRANSPORTS.get("local")(load_board("local"), Device("local", "local")) as transport:
        yield Machine(transport, tmp_path)


def net_with_weights(count):
    """A dense layer with so many float weights."""
    net = nets.Net()
    return net.build(net.dense(net.input(1, count // 1000), 1000))


def test_every_variant_starts_in_fresh_processes_in_turns(machine, tmp_path):
    for name in ("dense", "deployed"):
        (tmp_path / f"{name}.tflite").write_bytes(nets.eligible())
    said = []
    found = start.measure_start(machine, ["dense", "deployed"], said.append)
    assert machine.loaded == (["dense", "deployed", "deployed", "dense"] * 3)[: 2 * start.PROCESSES]
    assert said == ["start and memory"]
    for samples in found.values():
        assert len(samples) == start.PROCESSES
        for one in samples:
            assert one.load_ns in machine.took_ns and 0 < one.first_ns != one.load_ns
            assert 0 < one.agent_memory_bytes < one.peak_memory_bytes


def test_peak_memory_grows_with_the_model_and_not_with_the_agent(machine, tmp_path):
    (tmp_path / "small.tflite").write_bytes(net_with_weights(1000))
    (tmp_path / "large.tflite").write_bytes(net_with_weights(8_000_000))
    found = start.measure_start(machine, ["small", "large"], lambda line: None)
    small, large = ([one.model_memory_bytes for one in found[name]] for name in ("small", "large"))
    assert min(large) - max(small) > 30_000_000  # the weights alone are 32 MB
    agent_alone = {one.agent_memory_bytes for samples in found.values() for one in samples}
    assert max(agent_alone) < 5_000_000


def test_a_file_that_cannot_be_loaded_is_a_device_error(machine, tmp_path):
    (tmp_path / "dense.tflite").write_bytes(b"junk" * 100)
    with pytest.raises(DeviceError, match="load"):
        start.measure_start(machine, ["dense"], lambda line: None)


def test_a_model_loaded_to_be_profiled_is_never_timed(machine, tmp_path):
    (tmp_path / "dense.tflite").write_bytes(nets.eligible())
    with contextlib.closing(machine.agent()) as agent:
        library = runtime.library("host", machine.transport.board.runtime.version).path
        agent.load(str(library), str(tmp_path / "dense.tflite"), profile=True)
        with pytest.raises(DeviceError, match="loaded to be profiled, which costs time"):
            agent.time(0, 1, 1.0)
