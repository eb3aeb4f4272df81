"""The run stage with the real agent on this machine."""

import nets
import numpy as np
import pytest

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.bench import Device
from edgeprune.board import Cpu, load_board
from edgeprune.errors import DeviceError
from edgeprune.recipe.run_table import RunTable
from edgeprune.run import Pushed, run
from edgeprune.sparsify import sparsify
from edgeprune.transports.base import TRANSPORTS

A72 = Cpu("cortex-a72", "aarch64", ())


def measure(board_name, folder, files, table=None, cpus=(), broken=False):
    board = load_board(board_name)
    for name, tflite in files.items():
        (folder / f"{name}.tflite").write_bytes(b"junk" * 100 if broken else tflite)
    samples = {name: verify.sample_inputs(tflite, None, 3) for name, tflite in files.items()}
    pushed = Pushed(
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
        result, outputs = run(transport, pushed, table, samples, files, said.append)
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
