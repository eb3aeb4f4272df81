"""`compress` for a microcontroller compares outputs, bit for bit, on an emulated board."""

import json

import pytest
from nets import Net

from edgeprune import cli
from edgeprune.devices.boards import load_board
from edgeprune.pipeline import firmware_half
from edgeprune.pipeline.firmware_twin import firmware_twin


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("mps2-an386", "mps2-an386"),
        ("mps3-an547", "mps3-an547"),
        ("nucleo-l4r5zi", "mps2-an386"),
        ("nucleo-u575zi-q", "mps2-an386"),
        ("nrf52840-dk", "mps2-an386"),
    ],
)
def test_every_microcontroller_has_one_that_runs_its_kernels(name, twin):
    assert firmware_twin(load_board(name)).name == twin


@pytest.fixture
def compress(tmp_path, capsys):
    """Compresses a small network; gives the exit code, what was printed, and errors."""
    net = Net()
    file = tmp_path / "float.tflite"
    wide = net.conv(net.input(1, 8, 8, 3), 16, kernel=3)
    file.write_bytes(net.build(net.conv(wide, 16, kernel=3)))

    def run(*words):
        target = tmp_path / "out.tflite"
        target.unlink(missing_ok=True)
        with pytest.raises(SystemExit) as ended:
            cli.main([*map(str, ["compress", file, "-o", target, *words])])
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err, target

    return run


@pytest.mark.device
def test_outputs_are_compared_and_instructions_are_told(compress):
    code, out, said, _ = compress("--board", "mps2-an386", "--sparsity", "0.75", "--json")
    assert code == 0, said
    found = json.loads(out)
    assert found["parity"]["max_abs_diff"] == 0.0 and found["parity"]["samples"] > 0
    assert "mps2-an386" in found["parity"]["where"] and not found["parity_remark"]
    dense, compressed = found["effects"]
    assert 0 < compressed["instructions"] < dense["instructions"]


@pytest.mark.device
def test_a_core_that_is_not_emulated_is_compared_on_one_that_runs_the_same_kernels(compress):
    code, out, said, _ = compress("--board", "nucleo-u575zi-q")
    assert code == 0, said
    assert "outputs are right on " in out and "on mps2-an386" in out
    assert "its cortex-m4 runs the same kernels as a cortex-m33" in " ".join(out.split())


def test_without_qemu_nothing_is_compared_and_that_is_said(compress, monkeypatch):
    monkeypatch.setattr("edgeprune.devices.transports.qemu_system.shutil.which", lambda name: None)
    code, out, said, target = compress("--board", "mps2-an386")
    assert code == 0, said
    text = " ".join(out.split())
    assert "outputs were not compared on the board's kernels: " in text
    assert "edgeprune run FILE --board mps2-an386" in text and target.exists()


@pytest.mark.device
def test_a_wrong_bit_is_exit_code_1_and_nothing_is_written(compress, monkeypatch):
    right = firmware_half.exact_outputs

    def off_by_one(tflite, samples):
        outputs = right(tflite, samples)
        outputs[-1][0] = outputs[-1][0].copy()
        outputs[-1][0].flat[0] ^= 1
        return outputs

    monkeypatch.setattr(firmware_half, "exact_outputs", off_by_one)
    code, _, said, target = compress("--board", "mps2-an386")
    assert code == 1 and "must be equal" in said and not target.exists()
