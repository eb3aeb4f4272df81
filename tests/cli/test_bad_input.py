"""Whatever a user hands in: one clear line, the right exit code, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import keras_nets
import nets
import numpy as np
import pytest
from full_range import also

from edgeprune import cli
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras

FAST = "[run]\nsessions = 1\nruns = 2\nwarmup = 0\n[verify]\nsamples = 1\n[prune]\nepochs = 1\n"


@pytest.fixture(scope="module")
def keras():
    return import_keras("keras")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "fast.toml").write_text(FAST)
    return tmp_path


def deploy(capsys, *argv):
    """Exit code and what stood on stdout and stderr."""
    with pytest.raises(SystemExit) as done:
        cli.main(["deploy", "--board", "local", "--recipe", "fast.toml", *map(str, argv)])
    out, err = capsys.readouterr()
    return done.value.code, out, err


def left_in(folder):
    """Everything in a folder, but for empty folders of edgeprune's own."""
    own = folder / "home"
    found = sorted(folder.rglob("*"))
    found = [one for one in found if not one.name.endswith(("-shm", "-wal"))]  # SQLite's, for now
    return [one for one in found if one.is_file() or not one.is_relative_to(own)]


def refused(capsys, folder, *argv, says):
    before = left_in(folder)
    code, out, err = deploy(capsys, *argv)
    lines = [line for line in err.splitlines() if line.startswith("edgeprune:")]
    assert code == 2, err
    assert len(lines) == 1 and out == "" and "Traceback" not in err
    assert says in lines[0]
    assert left_in(folder) == before
    return lines[0]


def save(model, path):
    with quiet():  # Keras 3.15 warns about NumPy 2.4 on saving
        model.save(path)
    return path


def small(keras):
    return keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(3)])


@pytest.fixture(scope="module")
def saved(keras, tmp_path_factory):
    """The file of a small network, written once for all who only read it."""
    return save(small(keras), tmp_path_factory.mktemp("small") / "m.keras")


def test_a_missing_file(capsys, folder):
    refused(capsys, folder, "nowhere.h5", says="nowhere.h5")


NAMES = ["m.h5", "m.keras", "m.tflite"]
JUNK = [b"", b"hello, I am a text\n", bytes(1000), b"PK\x03\x04junk"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (name, content) if k % len(NAMES) == at else also(name, content)
        for at, name in enumerate(NAMES)
        for k, content in enumerate(JUNK)
    ],
)
def test_an_empty_file_a_text_and_junk(capsys, folder, name, content):
    (folder / name).write_bytes(content)
    refused(capsys, folder, name, says=name)


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("share", [also(0.1), 0.5, also(0.9)])
def test_a_truncated_keras_file(capsys, folder, keras, ending, share):
    path = save(small(keras), folder / f"m.{ending}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(capsys, folder, path, says=path.name)


@pytest.mark.parametrize("share", [also(0.1), 0.5, also(0.9)])
def test_a_truncated_tflite_file(capsys, folder, share):
    path = folder / "m.tflite"
    whole = nets.eligible()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(capsys, folder, path, says="m.tflite")


def test_a_zip_bomb(capsys, folder):
    with zipfile.ZipFile(folder / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.writestr("config.json", b"[" * (200 << 20))
        archive.writestr("model.weights.h5", bytes(1000))
    refused(capsys, folder, "m.keras", says="m.keras")


@pytest.mark.parametrize("ending", ["h5", also("keras")])
def test_a_wrong_extension_is_fine_because_the_content_decides(capsys, folder, keras, ending):
    path = save(small(keras), folder / f"m.{ending}")
    path.rename(folder / "m.dat")
    code, _, err = deploy(capsys, "m.dat", "--output", "out")
    assert code == 0, err


def test_a_lambda_layer_unless_code_is_allowed(capsys, folder, keras):
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((8,)), layers.Dense(4), layers.Lambda(lambda x: x * 2.0, output_shape=(4,))]
    )
    path = save(model, folder / "m.keras")
    refused(capsys, folder, path, says="--allow-code")
    code, _, err = deploy(capsys, path, "--allow-code", "--output", "out")
    assert code == 0, err


def test_a_custom_layer_is_named(capsys, folder, keras):
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return x * 2.0

    model = keras.Sequential([keras.layers.Input((8,)), Doubled(), keras.layers.Dense(2)])
    refused(capsys, folder, save(model, folder / "m.keras"), says="Doubled")


def test_two_inputs_deploy(capsys, folder, keras):
    layers = keras.layers
    one, two = layers.Input((3,), name="one"), layers.Input((5,), name="two")
    outputs = layers.Dense(2)(layers.Concatenate()([layers.Dense(4)(one), two]))
    path = save(keras.Model([two, one], outputs), folder / "m.keras")
    code, _, err = deploy(capsys, path, "--output", "out")
    assert code == 0, err
    np.savez(folder / "d.npz", x_test=np.zeros((4, 3)), y_test=np.zeros(4, int))
    refused(capsys, folder, path, "--data", "d.npz", says="input")


def test_a_model_without_weights(capsys, folder, keras):
    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.ReLU()])
    refused(capsys, folder, save(model, folder / "m.keras"), says="weights")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_numbers(capsys, folder, keras, bad):
    model = small(keras)
    kernel, bias = model.get_weights()
    kernel[1, 1] = bad
    model.set_weights([kernel, bias])
    refused(capsys, folder, save(model, folder / "m.keras"), says="kernel")


@pytest.mark.parametrize(
    ("sparsity", "says"),
    [
        ("1.0", "--sparsity '1.0': a number without a percent sign is a share, and below 1"),
        ("1.5", "write 1.5% or 0.015 for 1.5 percent"),
        ("100%", "sparsity must be in [0, 1), got 1"),
        ("-0.1", "sparsity must be in [0, 1), got -0.1"),
        ("nan", "--sparsity 'nan': expected a percentage such as 1%"),
    ],
)
def test_a_sparsity_outside_its_range(capsys, folder, saved, sparsity, says):
    refused(capsys, folder, saved, "--sparsity", sparsity, says=says)


def test_a_sparsity_of_0_prunes_nothing(capsys, folder, saved):
    code, out, err = deploy(capsys, saved, "--sparsity", "0", "--output", "out", "--json")
    assert code == 0, err
    assert [v["sparsity"] for v in json.loads(out)["variants"]] == [0]


def test_a_misspelt_board_key(capsys, folder, saved, monkeypatch):
    from edgeprune.files import paths

    text = (paths.shipped("boards") / "local.toml").read_text()
    (folder / "mine.toml").write_text(
        text.replace('name   = "local"', 'name = "mine"').replace("vendor", "vender")
    )
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(folder))
    line = refused(capsys, folder, saved, "--board", "mine", says="unknown key 'vender'")
    assert "mine.toml" in line


def data(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return "--data", "d.npz"


X, Y = np.zeros((6, 8), np.float32), np.arange(6) % 3


@pytest.mark.parametrize(
    "arrays, says",
    [
        ({"x_test": np.zeros((6, 9)), "y_test": Y}, "(9,)"),
        ({"x_test": X, "y_test": Y + 1}, "label"),
        ({"x_test": X, "y_test": -Y}, "label"),
        ({"x_test": X}, "y_test"),
        ({"x_test": X, "y_test": Y[:5]}, "5"),
        ({"x_test": X * np.nan, "y_test": Y}, "d.npz"),
        ({"x_test": X[:0], "y_test": Y[:0]}, "d.npz"),
        ({"x_train": X, "y_train": Y}, "x_test"),
        ({"x_test": np.array([{}] * 6, object), "y_test": Y}, "d.npz"),
    ],
)
def test_data_that_does_not_fit(capsys, folder, saved, arrays, says):
    refused(capsys, folder, saved, *data(folder, **arrays), says=says)


def test_data_that_is_no_data(capsys, folder, saved):
    (folder / "d.npz").write_text("text")
    refused(capsys, folder, saved, "--data", "d.npz", says="d.npz")
    refused(capsys, folder, saved, "--data", "nowhere.npz", says="nowhere.npz")
    refused(capsys, folder, saved, "--data", "no_module:nothing", says="no_module")


@pytest.fixture(scope="module", params=[also("tf_keras"), "keras"])
def line_model(request, tmp_path_factory):
    """A file of either Keras: a stem of 3x3, a pointwise convolution on 6 channels, and a head."""
    folder = tmp_path_factory.mktemp(request.param)
    return save(keras_nets.build(request.param, "sequential"), folder / "m.keras")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("sparsty = 0.5", "unknown key 'prune.sparsty' (did you mean 'prune.sparsity'?)"),
        ('ignored = ["heat"]', "no layer to prune is called 'heat': did you mean head?"),
        (
            'limits = [{layer = "mixx", sparsity = 0.5}]',
            "no layer to prune is called 'mixx': did you mean mix?",
        ),
        ('pattern = "2:4"\nsparsity = 0.5', "2:4 does not fit 6 input channels: 4 must divide"),
        ('pattern = "1x64"', "blocks of 1x64 do not fit weights of 10 output channels by 6 input"),
        ("epochs = 0", "[prune] epochs must be >= 1 with the schedule gradual, got 0"),
        ('criterion = "wandaa"', "[prune] criterion must be one of magnitude, l2, random"),
        ('criterion = "wanda"', "the criterion wanda prunes at once: set schedule to one_shot"),
        (
            'criterion = "second_order"\nschedule = "one_shot"\nepochs = 0',
            "the criterion second_order looks at training samples, and got no data",
        ),
    ],
)
def test_a_recipe_that_cannot_be(capsys, folder, line_model, table, says):
    (folder / "mine.toml").write_text(f"[prune]\n{table}\n")
    refused(capsys, folder, line_model, "--recipe", "mine.toml", says=says)


def images(folder, scale):
    """Images whose labels say nothing about them."""
    made = keras_nets.dataset(120)
    x = made.x_train * np.float32(scale)
    return data(folder, x_train=x, y_train=made.y_train, x_test=x[:8], y_test=made.y_test)


def test_a_loss_that_is_no_number_any_more(capsys, folder, line_model):
    (folder / "mine.toml").write_text("[prune]\nepochs = 2\nlearning_rate = 1e30\n")
    argv = (line_model, "--recipe", "mine.toml", *images(folder, 1))
    refused(capsys, folder, *argv, says="training diverged in epoch 1: the categorical")


def test_calibration_data_of_the_wrong_range(capsys, folder, line_model):
    table = 'criterion = "wanda"\nschedule = "one_shot"\nepochs = 0\n'
    (folder / "mine.toml").write_text(f"[prune]\n{table}")
    argv = (line_model, "--recipe", "mine.toml", *images(folder, 1e-9))
    says = "the model answers all 120 calibration samples alike: their values lie in"
    refused(capsys, folder, *argv, says=says)


def test_an_output_folder_that_exists(capsys, folder, saved):
    (folder / "out").mkdir()
    (folder / "out" / "precious").write_text("mine")
    refused(capsys, folder, saved, "--output", "out", says="out: exists already")
    (folder / "out" / "precious").unlink()
    code, _, err = deploy(capsys, saved, "--output", "out")
    assert code == 0, err


def test_an_output_folder_that_cannot_be_written(capsys, folder, saved):
    refused(capsys, folder, saved, "--output", "/proc/edgeprune", says="cannot be written")
    refused(capsys, folder, saved, "--output", f"{saved}/out", says="cannot be written")


@pytest.mark.device
def test_a_disk_that_fills_up(capsys, folder):
    (folder / "m.tflite").write_bytes(nets.eligible())
    (folder / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", folder / "disk"]
    subprocess.run(mount, check=True, timeout=10)
    try:
        says = "disk/out: cannot be written: No space left on device"
        refused(capsys, folder, "m.tflite", "--output", "disk/out", says=says)
    finally:
        subprocess.run(["umount", folder / "disk"], check=True, timeout=10)


STAGES = ["load", "convert", "prune", "quantize", "sparsify", "verify", "push"]
"""Those before ``run``, behind whose sessions something is kept: ``tests/test_broken_run.py``."""


SHOWN = {"load", "quantize", "push"}
"""While a child works, between two children, and while an agent does."""


@pytest.mark.parametrize("stage", [s if s in SHOWN else also(s) for s in STAGES])
def test_ctrl_c_in_every_stage_leaves_nothing(folder, stage):
    (folder / "m.tflite").write_bytes(nets.eligible())
    (folder / "long.toml").write_text("[run]\nsessions = 500\nruns = 1000\n")
    # A stage that says its name and then takes its time, as on a large model or a slow board.
    program = (
        "import sys, time\n"
        "from edgeprune import cli, progress\n"
        "stage = progress.Progress.stage\n"
        "def slow(self, name):\n"
        "    entered = stage(self, name)\n"
        f"    if name == {stage!r}:\n"
        "        print('NOW', file=sys.stderr, flush=True)\n"
        "        time.sleep(3000)\n"
        "    return entered\n"
        "progress.Progress.stage = slow\n"
        "cli.main(['deploy', 'm.tflite', '--board', 'local', '--recipe', 'long.toml'])\n"
    )
    before = {p for p in folder.rglob("*") if "home" not in p.parts}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell's background job, as CI may be one, hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    said = iter(process.stderr.readline, "")
    assert any("NOW" in line for line in said), process.wait(60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "edgeprune: interrupted; nothing was left behind"
    assert "Traceback" not in err
    assert {p for p in folder.rglob("*") if "home" not in p.parts} == before
    for _ in range(600):  # what was killed may need a moment on a busy machine
        if not strays(folder):
            break
        time.sleep(0.1)
    assert not strays(folder)


def strays(folder):
    """Processes that were given a path of a folder."""
    found = []
    for entry in set(filter(str.isdigit, os.listdir("/proc"))) - {str(os.getpid())}:
        try:
            with open(f"/proc/{entry}/environ", "rb") as environ:
                if f"{folder}/".encode() in environ.read():
                    found.append(entry)
        except OSError:
            continue
    return found
