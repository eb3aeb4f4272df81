"""What the runtime does with sparse files, on the kernels that a board runs: emulated Arm ones."""

import subprocess
import sys
import zipfile

import emulated
import nets
import numpy as np
import pytest
from sparse_hint_nets import tiny, two_partitions

from edgeprune import verify
from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain
from edgeprune.sparsify import sparse_hint, sparsify
from edgeprune.sparsify import weights as stage

A72 = Cpu("cortex-a72", "aarch64", ())


@pytest.mark.device
@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_eligible_layers_run_the_sparse_kernel_and_are_right(storage, tmp_path):
    found = sparsify(nets.eligible(storage=storage), A72)
    layers = emulated.kernels(found.tflite, tmp_path)
    assert [layer.name for layer in layers if layer.sparse] == list(found.expected)
    assert len(found.expected) == 2
    assert emulated.relative_error(found.tflite, tmp_path) < 1e-5


@pytest.mark.device
@pytest.mark.parametrize("build", [tiny, two_partitions])
def test_each_partition_has_its_hint_even_where_dense_is_smaller(build, tmp_path):
    found = sparsify(build(), A72)
    layers = emulated.kernels(found.tflite, tmp_path)
    assert sorted(layer.name for layer in layers if layer.sparse) == sorted(found.expected)
    assert len(found.expected) == (2 if build is tiny else 4)
    assert emulated.relative_error(found.tflite, tmp_path) < 1e-5


@pytest.mark.device
def test_a_cluster_without_an_end_is_wrong_on_arm_and_ours_is_right(tmp_path, monkeypatch):
    dense = nets.wrong_on_arm()
    assert emulated.relative_error(sparsify(dense, A72).tflite, tmp_path) < 1e-5
    monkeypatch.setattr(
        sparse_hint, "explain", lambda model, cpu, **_: explain(nets.eligible(), cpu)
    )
    monkeypatch.setattr(sparse_hint, "wrong_layers", lambda *_, **__: [])
    unguarded = sparsify(dense, A72)
    assert any(t.encoded for t in unguarded.tensors)
    assert emulated.relative_error(unguarded.tflite, tmp_path) > 0.01


RELEASE_WITH_THE_FP16_BUG = "2.1.0"


def outputs_of_release(version, files, folder):
    """Outputs of another release's interpreter on this machine, for inputs of ones."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]
    subprocess.run([*pip, f"ai-edge-litert=={version}", "-d", folder], check=True, timeout=300)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "release")
    program = (
        "import sys, numpy as np\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        "for file in sys.argv[1:]:\n"
        "    run = Interpreter(model_path=file)\n"
        "    run.allocate_tensors()\n"
        "    tensor = run.get_input_details()[0]\n"
        "    run.set_tensor(tensor['index'], np.ones(tensor['shape'], np.float32))\n"
        "    run.invoke()\n"
        "    np.save(file, run.get_tensor(run.get_output_details()[0]['index']))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, *files],
        env={"PYTHONPATH": str(folder / "release")},
        check=True,
        capture_output=True,
        timeout=300,
    )
    return [np.load(f"{file}.npy") for file in files]


def test_fp16_weights_with_an_fp32_bias_are_wrong_in_an_older_release_and_ours_are_right(
    tmp_path, monkeypatch
):
    ours = sparsify(nets.eligible(storage="float16"), A72)
    assert any(t.encoded for t in ours.tensors)
    refused = sparsify(nets.eligible(storage="float16", bias="float32"), A72)
    monkeypatch.setattr(stage, "obstacle", lambda *_: "")
    monkeypatch.setattr(sparse_hint, "_wrong", lambda *_: "")  # which knows that release too
    unguarded = sparsify(nets.eligible(storage="float16", bias="float32"), A72)
    files = []
    for name, found in (("ours", ours), ("refused", refused), ("unguarded", unguarded)):
        files.append(tmp_path / f"{name}.tflite")
        files[-1].write_bytes(found.tflite)
    found = outputs_of_release(RELEASE_WITH_THE_FP16_BUG, files, tmp_path)
    ones = [[np.ones((1, 16, 16, 3), np.float32)]]
    right = [verify.reference_outputs(file.read_bytes(), ones)[0][0] for file in files]
    for k in (0, 1):
        np.testing.assert_allclose(found[k], right[k], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found[2], right[2], rtol=0.05, atol=1e-3)
