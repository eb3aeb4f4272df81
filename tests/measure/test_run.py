"""The run stage with the real agents on this machine."""

import dataclasses
import re
import sys

import agent_rig
import nets
import numpy as np
import pytest

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.toolchain.zig import host_isa
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError
from edgeprune.measure import DeviceFiles, RunPlan, interleave, run
from edgeprune.recipe.efforts import EFFORTS
from edgeprune.recipe.run_table import RunTable
from edgeprune.sparsify import sparsify

A72 = Cpu("cortex-a72", "aarch64", ())


def measure(board_name, folder, files, table=None, cpus=(), broken=False):
    board = load_board(board_name)
    for name, tflite in files.items():
        (folder / f"{name}.tflite").write_bytes(b"junk" * 100 if broken else tflite)
    samples = {name: verify.sample_inputs(tflite, None, 3) for name, tflite in files.items()}
    pushed = DeviceFiles(
        str(build.agent(board.agent.target)),
        str(runtime.library(board.cpu.isa, board.runtime.version).path),
        board.runtime.version,
        {name: str(folder / f"{name}.tflite") for name in files},
        cpus,
    )
    device = Device(board.name, board.name)
    said = []
    with TRANSPORTS.get(board.transport.use)(board, device) as transport:
        table = table or RunTable(sessions=3, runs=5, warmup=1)
        result, outputs = run(transport, pushed, RunPlan(table, samples, files, said.append))
    return result, outputs, samples, said


@pytest.fixture
def files():
    dense = nets.eligible()
    return {"dense": dense, "deployed": sparsify(dense, A72).tflite}


def test_variants_are_timed_in_fresh_interleaved_processes(tmp_path, files):
    result, _, _, said = measure("local", tmp_path, files)
    order = [line.partition(":")[0] for line in said if "process" in line]
    assert order == ["dense", "deployed", "deployed", "dense", "dense", "deployed"]
    assert not result.emulated
    for item in result.measured:
        assert [len(s.latency_ns) for s in item.sessions] == [5, 5, 5]
        assert all(ns > 0 for s in item.sessions for ns in (*s.latency_ns, s.first_ns, s.load_ns))
        assert item.instructions is None
        assert item.peak_memory_bytes > 1_000_000


@pytest.mark.parametrize(
    "answers, sessions, note",
    [
        ([True], 5, None),
        ([False, True, True], 15, "10 sessions a variant were added to tell a difference of 5%"),
        ([False] * 3, 17, "12 sessions .* do not suffice: the sessions' medians scatter too much"),
    ],
)
def test_sessions_are_added_until_the_variants_compare_clearly(
    tmp_path, files, monkeypatch, answers, sessions, note
):
    left = iter(answers)
    monkeypatch.setattr(interleave, "is_enough", lambda base, new: next(left))
    effort = dataclasses.replace(EFFORTS["quick"], most_sessions=17, timed_s=0.0, repeats=0)
    monkeypatch.setitem(EFFORTS, "quick", effort)
    monkeypatch.setattr(interleave, "judged", lambda found, used: found)  # all are valid
    result, _, _, _ = measure("local", tmp_path, files, RunTable(warmup=1))
    assert [len(item.sessions) for item in result.measured] == [sessions] * 2
    assert result.timed.sessions == 5
    if note is None:
        assert result.timed.notes == ()
    else:
        assert re.match(note, result.timed.notes[-1])


def test_a_number_of_sessions_that_is_given_is_kept(tmp_path, files, monkeypatch):
    monkeypatch.setattr(interleave, "is_enough", lambda base, new: False)
    table = RunTable(effort="standard", sessions=6, runs=5, warmup=1, repeats=0)
    result, _, _, _ = measure("local", tmp_path, files, table)
    assert [len(item.sessions) for item in result.measured] == [6, 6]


def test_outputs_come_back_for_the_inputs_that_were_given(tmp_path, files):
    _, outputs, samples, _ = measure("local", tmp_path, files)
    for name, tflite in files.items():
        expected = verify.reference_outputs(tflite, samples[name])
        for found, right in zip(outputs[name], expected, strict=True):
            np.testing.assert_allclose(found[0], right[0], rtol=1e-4, atol=1e-5)


def test_every_layer_with_weights_is_named_after_the_model(tmp_path, files):
    result, _, _, _ = measure("local", tmp_path, files)
    for item in result.measured:
        assert [x.op for x in item.layers if x.op in ("CONV_2D", "DEPTHWISE_CONV_2D")] == [
            "CONV_2D",
            "CONV_2D",
            "DEPTHWISE_CONV_2D",
            "CONV_2D",
        ]
        assert all(layer.latency_us is None or layer.latency_us > 0 for layer in item.layers)


def test_a_core_that_does_not_exist_is_a_device_error(tmp_path, files):
    with pytest.raises(DeviceError, match="core that does not exist"):
        measure("local", tmp_path, files, cpus=(999,))


def test_a_file_that_the_runtime_cannot_load_is_a_device_error(tmp_path, files):
    with pytest.raises(DeviceError, match="load"):
        measure("local", tmp_path, files, broken=True)


def test_layers_of_a_device_that_calls_itself_emulated_have_no_times(tmp_path, files, monkeypatch):
    hello = AgentSession.hello

    def emulated(self, *rest):
        return dataclasses.replace(hello(self, *rest), emulated=True)

    monkeypatch.setattr(AgentSession, "hello", emulated)
    result, _, _, _ = measure("local", tmp_path, files)
    layers = [layer for item in result.measured for layer in item.layers]
    assert layers and all(layer.latency_us is None for layer in layers)


def measure_in_python(agent, folder, tflite):
    """One variant by an agent in Python on this machine, as if it were a board with that agent."""
    local = load_board("local")
    board = dataclasses.replace(local, agent=load_board("rpi3-32").agent)
    (folder / "deployed.tflite").write_bytes(tflite)
    library = agent_rig.library(build.python_agent())
    models = {"deployed": str(folder / "deployed.tflite")}
    pushed = DeviceFiles(str(agent), library, "this machine's", models)
    samples = verify.sample_inputs(tflite, None, 3)
    with TRANSPORTS.get("local")(board, Device(board.name, board.name)) as transport:
        table = RunTable(sessions=2, runs=5, warmup=1)
        args = ({"deployed": samples}, {"deployed": tflite}, print)
        result, outputs = run(transport, pushed, RunPlan(table, *args))
    expected = verify.reference_outputs(tflite, samples)
    for found, right in zip(outputs["deployed"], expected, strict=True):
        np.testing.assert_allclose(found[0], right[0], rtol=1e-4, atol=1e-5)
    return result


def test_the_agent_in_python_times_and_names_no_kernels(tmp_path):
    result = measure_in_python(build.python_agent(), tmp_path, nets.eligible())
    [item] = result.measured
    assert [len(session.latency_ns) for session in item.sessions] == [5, 5]
    assert item.layers == () and not result.emulated and result.reasons == ()
    assert f"on Python {sys.version_info[0]}." in result.device.agent_version


def test_a_device_that_its_agent_knows_to_be_emulated_gives_no_times(tmp_path):
    """The agent takes another machine's program for its own Python: so this one emulates that."""
    other = "aarch64" if host_isa() == "x86_64" else "x86_64"
    foreign = build.agent(f"{other}-linux-gnu")
    agent = tmp_path / "agent"
    agent.write_text(
        f"#!{sys.executable}\nimport sys\nsys.executable = {str(foreign)!r}\n"
        f"sys.path.insert(0, {str(build.python_agent())!r})\n"
        "from edgeprune_agent.__main__ import main\nmain()\n"
    )
    agent.chmod(0o755)
    result = measure_in_python(agent, tmp_path, nets.eligible())
    [item] = result.measured
    assert result.emulated and item.sessions == () and item.instructions is None
    assert " emulating " in result.device.cpu
    assert len(result.reasons) == 1 and "says that the device is emulated" in result.reasons[0]


@pytest.mark.device
def test_the_emulated_board_counts_instructions_and_names_sparse_kernels(tmp_path, files):
    result, _, _, _ = measure("rpi4-emulated", tmp_path, files)
    again, _, _, _ = measure("rpi4-emulated", tmp_path, files)
    dense, deployed = result.measured
    assert result.emulated and not dense.sessions
    assert deployed.instructions < dense.instructions
    for one, two in zip(result.measured, again.measured, strict=True):
        assert abs(one.instructions - two.instructions) < 0.01 * one.instructions
    assert [x.kernel for x in deployed.layers if x.sparse] == ["Convolution (NCHW, F32) SPMM"] * 2
    assert not any(x.sparse for x in dense.layers)
    assert all(x.latency_us is None for x in deployed.layers)
