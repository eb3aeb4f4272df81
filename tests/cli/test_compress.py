"""``edgeprune compress`` compares before it writes."""

import json
import subprocess
import sys
from pathlib import Path

import forced
import keras_nets
import nets
import numpy as np
import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.api.pruning import loaded
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert
from edgeprune.data.npz import KEYS
from edgeprune.files.whole_file import Reserved
from edgeprune.models import tflm
from edgeprune.models.epz import pack, unpack
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.tflite import graph
from edgeprune.report.figures import bytes_text
from edgeprune.report.summary import LINES


@pytest.fixture
def folder(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(forced.encoded(nets.eligible()))
    return tmp_path


def compress(capsys, *argv):
    """Exit code and what stood on stdout and stderr."""
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", "net.tflite", "-o", "out.tflite", "--recipe", "as-is", *argv])
    return done.value.code, *capsys.readouterr()


@pytest.mark.device
def test_a_file_for_a_board_that_is_away_is_compared_on_its_emulated_twin(folder, capsys):
    code, out, err = compress(capsys, "--board", "rpi4", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["parity"]["passed"] and found["parity"]["samples"] == 16
    assert found["parity"]["where"].startswith("rpi4-emulated, LiteRT")
    assert found["parity_remark"] == ""
    assert (folder / "out.tflite").stat().st_size == found["bytes"]


@pytest.mark.device
def test_a_person_reads_what_was_compared(folder, capsys):
    code, out, err = compress(capsys, "--board", "rpi4")
    assert code == 0, err
    assert "outputs are right on 16 inputs, on rpi4-emulated" in " ".join(out.split())
    assert len(out.splitlines()) <= LINES


@pytest.mark.device
def test_wrong_outputs_on_the_twin_are_exit_code_1_with_the_layer_and_nothing_written(
    folder, capsys
):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.wrong_on_arm()))
    before = {p for p in folder.rglob("*") if "edgeprune" not in p.parts}
    code, out, err = compress(capsys, "--board", "rpi4", "--json")
    assert code == 1 and json.loads(out)["error"]["kind"] == "VerifyError"
    last = err.splitlines()[-1]
    assert last.startswith("edgeprune: out.tflite: outputs on rpi4-emulated, LiteRT")
    assert "first differ at t8 (CONV_2D)" in last and last.endswith("nothing was written")
    assert {p for p in folder.rglob("*") if "edgeprune" not in p.parts} == before


def test_no_verify_compares_nothing_and_says_so(folder, capsys, monkeypatch):
    monkeypatch.setattr("edgeprune.verify.verify_off_board", None)
    code, out, err = compress(capsys, "--board", "rpi4", "--no-verify", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["parity"] is None
    assert found["parity_remark"] == "outputs were not compared: --no-verify"


def test_a_dense_file_is_written_without_a_comparison_and_that_is_said(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    code, out, err = compress(capsys, "--board", "rpi4")
    assert code == 0, err
    assert "not compared on the board's kernels: no weight is stored sparse" in " ".join(
        out.split()
    )


def test_what_quantization_changed_in_each_tensor_is_told(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    argv = ("--board", "rpi4", "--no-verify", "--quantize", "int8-weights")
    code, out, err = compress(capsys, *argv, "--json")
    assert code == 0, err
    errors = json.loads(out)["tensor_errors"]
    assert [one["stored_as"] for one in errors] == ["int8"] * 4
    assert all(35 < one["sqnr_db"] < 60 for one in errors)
    (folder / "out.tflite").unlink()
    code, out, err = compress(capsys, *argv, "-v")
    assert code == 0, err
    assert "weights beside their float values" in out and "dB" in out


def test_this_machine_is_compared_on_itself(folder, capsys):
    code, out, err = compress(capsys, "--board", "local", "--json")
    assert code == 0, err
    assert json.loads(out)["parity"]["where"].startswith("local, LiteRT")


@keras_nets.shown_in_keras
@pytest.mark.parametrize("epochs", [0, 1])
def test_a_criterion_prunes_at_once_with_and_without_training_after_it(
    folder, capsys, flavour, epochs
):
    model, made = keras_nets.build(flavour, "sequential"), keras_nets.dataset(96)
    x = made.x_train * 3
    y = np.asarray(model(x)).argmax(axis=1)
    np.savez(folder / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    keras_nets.save(model, folder / "net.keras")
    table = f'[prune]\nschedule = "one_shot"\nepochs = {epochs}\nsparsity = 0.5\n'
    (folder / "mine.toml").write_text(table)
    argv = ["--recipe", "mine.toml", "--criterion", "second_order", "--data", "d.npz"]
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", "net.keras", "-o", "out.tflite", "--no-verify", "-v", *argv])
    out, err = capsys.readouterr()
    assert done.value.code == 0, err
    said = "nothing was trained" if epochs == 0 else "fine-tuned for 1 epoch on 87 samples"
    assert said in " ".join(out.split())
    assert ("epoch 1/1" in err) == (epochs == 1)


def test_help_says_what_is_compared():
    found = CliRunner().invoke(cli.edgeprune, ["compress", "--help"])
    assert "emulated board of the same core" in " ".join(found.output.split())


def test_a_file_called_epz_is_the_container_of_the_same_file(folder, capsys):
    argv = ["--recipe", "as-is", "--no-verify", "--board", "rpi4"]
    for out in ("out.tflite", "out.epz"):
        with pytest.raises(SystemExit) as done:
            cli.main(["compress", "net.tflite", "-o", out, *argv])
        assert done.value.code == 0
    words = capsys.readouterr().out
    plain, packed = ((folder / name).read_bytes() for name in ("out.tflite", "out.epz"))
    assert unpack(packed) == plain and len(packed) < len(plain)
    sizes = f"{bytes_text(len(packed))} packed, {bytes_text(len(plain))} unpacked"
    assert sizes in words


def test_a_file_for_tflm_has_its_pruned_weights_behind_decode(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    options = ("--for", "tflm", "--recipe", "auto", "--sparsity", "0.8")
    code, out, err = compress(capsys, *options, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["tflm"] and all(t["bytes_after"] < t["bytes_before"] for t in found["tflm"])
    made = (folder / "out.tflite").read_bytes()
    assert found["bytes"] == len(made) < found["unpacked_bytes"]
    codes = graph.view(made).operatorCodes
    assert sum(code.customCode == tflm.OPERATOR for code in codes) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--board", "rpi4"), "runs on microcontrollers, and rpi4 is none"),
        (("-o", "out.epz"), "--output names a container"),
    ],
)
def test_what_tflm_cannot_take_is_refused_before_any_work(folder, capsys, options, said):
    code, _, err = compress(capsys, "--for", "tflm", *options)
    assert code == 2
    assert said in err
    assert not (folder / "out.tflite").exists()


def test_a_container_is_compressed_and_explained_like_the_file_that_it_holds(folder, capsys):
    (folder / "net.epz").write_bytes(pack((folder / "net.tflite").read_bytes()))
    found = []
    for name in ("net.tflite", "net.epz"):
        with pytest.raises(SystemExit) as done:
            cli.main(["explain", name, "--board", "rpi4", "--recipe", "as-is", "--json"])
        assert done.value.code == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]


@keras_nets.shown_in_keras
def test_the_recipe_deep_compression_makes_a_small_container_of_few_values(folder, capsys, flavour):
    model = keras_nets.build(flavour, "sequential")
    keras_nets.save(model, folder / "net.keras")
    data = keras_nets.dataset()
    np.savez("data.npz", **{key: getattr(data, key) for key in KEYS})
    argv = ["net.keras", "-o", "net.epz", "--recipe", "deep-compression", "--data", "data.npz"]
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", *argv, "--sparsity", "0.8", "--no-verify"])
    assert done.value.code == 0, capsys.readouterr().err
    packed = (folder / "net.epz").read_bytes()
    tflite = graph.read(unpack(packed))
    operators = [
        op
        for op in tflite.subgraphs[0].operators
        if graph.op_name(tflite, op) in ("CONV_2D", "FULLY_CONNECTED")
    ]
    kernels, biases = (
        [graph.constant(tflite, tflite.subgraphs[0].tensors[op.inputs[k]]) for op in operators]
        for k in (1, 2)
    )
    assert 0.79 < np.mean(np.concatenate([one.ravel() for one in kernels]) == 0) < 0.81
    for one in (*kernels, *biases):
        assert np.unique(one[one != 0]).size <= 8
        assert not (one.view(np.uint32) & 0xFFFF).any()  # bfloat16
    assert len(packed) < 0.6 * len(pack(convert(loaded(model))))


def test_cost_aware_allocation_tells_what_each_layer_got(folder, capsys):
    """From the recipe to the table, and to the file beside the result."""
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = inputs = layers.Input((16, 16, 3))
    for name, channels, stride in (("stem", 8, 2), ("first", 16, 1), ("second", 64, 1)):
        x = layers.Conv2D(channels, 3 if stride == 2 else 1, stride, "same", name=name)(x)
    x = layers.GlobalAveragePooling2D()(x)
    with quiet():
        keras.Model(inputs, layers.Dense(4, name="head")(x)).save("net.keras")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(48, 16, 16, 3)).astype(np.float32), rng.integers(0, 4, 48)
    np.savez("data.npz", x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])
    (folder / "own.toml").write_text(
        '[prune]\nsparsity = 0.8\nallocation = "cost_aware"\nepochs = 1\ncontrol = false\n'
    )
    argv = ["compress", "net.keras", "-o", "out.tflite", "--board", "rpi4", "--no-verify", "-v"]
    with pytest.raises(SystemExit) as done:
        cli.main([*argv, "--recipe", "own.toml", "--data", "data.npz"])
    out, err = capsys.readouterr()
    assert done.value.code in (0, None), err
    assert "sparsity of each layer" in out
    assert {"first", "second", "head"} <= set(out.split())
    layers = json.loads((folder / "out.tflite.sensitivity.json").read_text())["layers"]
    assert [one["name"] for one in layers] == ["first/kernel", "second/kernel", "head/kernel"]
    assert layers[2]["sparsity"] == 0.8 and layers[2]["cost"] is None
    assert layers[0]["cost"] > 0 and {one["unit"] for one in layers} == {"cycles"}


def test_a_file_into_a_device_leaves_the_device_and_nothing_beside_it(folder, capsys):
    assert compress(capsys, "-o", "/dev/null", "--no-verify")[0] == 0
    assert Path("/dev/null").is_char_device()
    assert not list(Path("/dev").glob("null.*"))


def test_a_file_on_standard_output_is_alone_there(folder):
    argv = ["compress", "net.tflite", "-o", "/dev/stdout", "--recipe", "as-is", "--no-verify"]
    done = subprocess.run(
        [sys.executable, "-m", "edgeprune", *argv], capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / "net.tflite").read_bytes()


def test_a_table_of_an_earlier_file_is_not_replaced(folder, capsys):
    (folder / "out.tflite.sensitivity.json").write_text("mine")
    code, _, err = compress(capsys, "--no-verify")
    assert code == 2 and "out.tflite.sensitivity.json: exists already" in err
    assert (folder / "out.tflite.sensitivity.json").read_text() == "mine"


def test_a_name_that_another_one_is_about_to_write_is_refused_before_any_work(folder, capsys):
    with Reserved(folder / "out.tflite"):
        code, _, err = compress(capsys, "--no-verify", "-v")
    assert code == 2 and "another edgeprune is about to write it" in err
    assert "load ..." not in err and not (folder / "out.tflite").exists()


@pytest.mark.parametrize("name", ["", ".", "/", "./"])
def test_an_output_that_names_no_file_is_refused_before_any_work(folder, capsys, name):
    before = sorted(folder.iterdir())
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", "net.tflite", "-o", name])
    assert done.value.code == 2
    assert "is a folder; --output must name the file to write" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_an_output_folder_that_is_a_link_to_itself_is_refused(folder, capsys):
    (folder / "loop").symlink_to("loop")
    for argv in (["compress", "net.tflite", "-o", "loop/x.tflite"], RUN):
        with pytest.raises(SystemExit) as done:
            cli.main(argv)
        assert done.value.code == 2, argv
        assert "loop" in capsys.readouterr().err


RUN = ["run", "net.tflite", "--board", "local", "-o", "loop", "--sessions", "1", "--runs", "1"]
