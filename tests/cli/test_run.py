"""``edgeprune run`` compares a file's outputs as ``deploy`` does."""

import json

import forced
import nets
import pytest

from edgeprune import cli


@pytest.fixture
def folder(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *argv):
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "rpi4-emulated", "--output", "out", *argv])
    return done.value.code, *capsys.readouterr()


@pytest.mark.device
def test_a_right_file_is_measured_with_its_parity_on_16_inputs(folder, capsys):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.eligible()))
    code, out, err = run(capsys, "--json")
    assert code == 0, err
    dense, deployed = json.loads(out)["variants"]
    assert dense["parity"]["samples"] == deployed["parity"]["samples"] == 16
    assert deployed["sparse_layers_run"] == 2
    assert deployed["parity"]["max_abs_diff"] > 0, "sparse kernels sum in another order"


@pytest.mark.device
def test_a_file_whose_outputs_are_wrong_is_exit_code_1_with_the_layer(folder, capsys):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.wrong_on_arm()))
    code, _, err = run(capsys)
    assert code == 1 and not (folder / "out").exists()
    last = err.splitlines()[-1]
    assert last.startswith("edgeprune: deployed: outputs on rpi4-emulated")
    assert "first differ at t8 (CONV_2D); reading out t5 (CONV_2D)" in last
