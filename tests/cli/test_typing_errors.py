"""A typing error is found before TensorFlow starts and before a device is asked for."""

from pathlib import Path

import command_lines
import numpy as np
import pytest
from nets import Net

from edgeprune import cli
from edgeprune.text.near_names import did_you_mean, file_beside

RECIPES = {
    "a": "[prune]\nSparsty = 0.5\n",
    "b": '[prune]\nschedule = "gradualy"\n',
    "c": "[purne]\nsparsity = 0.5\n",
    "d": 'pattern = "2x1"\n',
    "e": '[prune]\nrecovery = ["batchnorm"]\n',
    "f": '[quantize]\nmode = "int16-8"\n',
    "g": '[devices.one]\nboard = "rpi4"\nhsot = "192.0.2.1"\n',
}
HEAVY = ("tensorflow", "keras", "tf_keras", "paramiko")


def fill(folder):
    net = Net()
    (folder / "model.tflite").write_bytes(net.build(net.dense(net.input(1, 4), 3)))
    (folder / "own_sets.py").write_text("def load(): raise SystemExit\n")
    (folder / "bench.toml").write_text('[devices.one]\nboard = "rpi4"\nhost = "192.0.2.1"\n')
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text)
    np.savez(folder / "digits.npz", x_test=np.zeros((3, 4)), y_test=np.zeros(3, int))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)


MODEL = ["model.tflite"]
RPI4 = ["--board", "rpi4", "--bench", "bench.toml"]
OUT = ["-o", "out.tflite"]


ERRORS = [
    (["deploy", "modle.tflite", *RPI4], "modle.tflite: no such file; did you mean model.tfl"),
    (["compress", "modle.tflite", *OUT], "did you mean model.tflite"),
    (["explain", "modle.tflite", "--board", "rpi4"], "did you mean model.tflite"),
    (["deploy", *MODEL, *RPI4, "--data", "digit.npz"], "did you mean digits.npz"),
    (["deploy", *MODEL, *RPI4, "--data", "own_sets:laod"], "did you mean own_sets:load"),
    (["compress", *MODEL, *OUT, "--data", "own_set:load"], "did you mean own_sets"),
    (["run", *MODEL, *RPI4, "--data", "/dev/zero"], "is a device; expected an .npz"),
    (["deploy", *MODEL, "--board", "rpi4-emulatd"], "did you mean rpi4-emulated"),
    (["explain", *MODEL, "--board", "RPI5"], "did you mean rpi5"),
    (["compress", *MODEL, *OUT, "--recipe", "int-8"], "did you mean int8"),
    (["compress", *MODEL, *OUT, "--recipe", "own.toml"], "--recipe own.toml: no such file"),
    (["deploy", *MODEL, "--board", "rpi4", "--bench", "bensh.toml"], "did you mean bench.toml"),
    (
        ["deploy", *MODEL, "--board", "rpi4", "--meter", "ppk3"],
        "no meter is called 'ppk3'; there are: ",
    ),
    (["compress", *MODEL, *OUT, "--data", "no", "--task", "segmentaton"], "must be one of cla"),
    (["compress", *MODEL, *OUT, "--data", "no", "--loss", "msee"], "did you mean mse?"),
    (["compress", *MODEL, *OUT, "--pattern", "unstuctured"], "did you mean unstructured?"),
    (["compress", *MODEL, *OUT, "--pattern", "2;4"], "did you mean 2:4?"),
    (["compress", *MODEL, *OUT, "--recipe", "a.toml"], "(did you mean 'prune.sparsity'?)"),
    (["compress", *MODEL, *OUT, "--recipe", "b.toml"], "did you mean gradual?"),
    (["compress", *MODEL, *OUT, "--recipe", "c.toml"], "(did you mean 'prune'?)"),
    (["compress", *MODEL, *OUT, "--recipe", "d.toml"], "(did you mean 'prune.pattern'?)"),
    (["compress", *MODEL, *OUT, "--recipe", "e.toml"], "did you mean batch_norm?"),
    (["compress", *MODEL, *OUT, "--recipe", "f.toml"], "did you mean int16x8?"),
    (["deploy", *MODEL, "--board", "rpi4", "--bench", "g.toml"], "mean 'devices.one.host'?"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What edgeprune answers to each of them, by the words."""
    folder = tmp_path_factory.mktemp("typed")
    fill(folder)
    argvs = [argv for argv, _ in ERRORS]
    return dict(zip(map(tuple, argvs), command_lines.answers(argvs, folder), strict=True))


@pytest.mark.parametrize(("argv", "line"), ERRORS)
def test_the_right_word_is_named_at_once(said, argv, line):
    found = said[tuple(argv)]
    assert found.code == 2 and found.stdout == ""
    assert not set(HEAVY) & set(found.modules)
    (error,) = [text for text in found.stderr.splitlines() if text]
    assert error.startswith("edgeprune: ") and line in error


@pytest.mark.parametrize(
    ("argv", "question"),
    [
        (["deplyo"], "did you mean deploy?"),
        (["DEPLOY"], "did you mean deploy?"),
        (["compres"], "did you mean compress?"),
        (["device"], "did you mean devices?"),
        (["devices", "lsit"], "Did you mean 'list'?"),
        (["deploy", "--bord", "x"], "Did you mean '--board'?"),
        (["deploy", *MODEL, *RPI4, "--quantize", "INT8"], "did you mean int8?"),
        (["deploy", *MODEL, *RPI4, "--criterion", "magnitud"], "did you mean magnitude?"),
        (["deploy", *MODEL, *RPI4, "--effort", "ful"], "did you mean full?"),
        (["deploy", *MODEL, *RPI4, "--governor", "performence"], "did you mean performance?"),
        (["deploy", *MODEL, *RPI4, "--augment", "flip"], "did you mean flips?"),
        (["example", "digit"], "did you mean digits?"),
    ],
)
def test_commands_and_words_of_options_are_asked_about(argv, question, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(argv)
    assert done.value.code == 2
    assert question in capsys.readouterr().err


def test_names_that_are_alike_are_asked_about(tmp_path):
    assert did_you_mean("CATS", ["cats", "dogs"], "x/") == "; did you mean x/cats?"
    assert did_you_mean("horses", ["cats", "dogs"]) == ""
    assert file_beside(tmp_path / "digts.npz") == f"; did you mean {tmp_path}/digits.npz?"
    assert file_beside(tmp_path / "no" / "d.npz") == f"; there is no folder {tmp_path}/no either"


MODLE, DIGIT, RPI44 = ["modle.tflite"], ["--data", "digit.npz"], ["--board", "rpi44"]
NO_DEVICE = ["--bench", "empty.toml"]


@pytest.mark.parametrize(
    ("argv", "first"),
    [
        (["deploy", *MODLE, *RPI44, *DIGIT, "--task", "clasification"], "modle.tflite: "),
        (["compress", *MODLE, *OUT, *DIGIT, "--sparsity", "2%%"], "modle.tflite: "),
        (["deploy", *MODLE], "modle.tflite: "),
        (["deploy", *MODLE, *RPI44, *DIGIT, *NO_DEVICE], "modle.tflite: "),
        (["compress", *MODLE, *OUT, *RPI44, *DIGIT], "modle.tflite: "),
        (["compress", *MODLE, *OUT, *RPI44, *DIGIT, "--recipe", "int-8"], "modle.tflite: "),
        (["explain", *MODLE, *RPI44, "--recipe", "int8"], "modle.tflite: "),
        (["run", *MODLE, *RPI44, *DIGIT], "modle.tflite: "),
        (["deploy", *MODEL, *RPI44, *DIGIT, "--task", "clasification"], "no board is called 'rpi4"),
        (["deploy", *MODEL, *RPI44, *DIGIT, "--recipe", "int-8"], "no board is called 'rpi44'"),
        (["deploy", *MODEL, *RPI44, *DIGIT, *NO_DEVICE], "no board is called 'rpi44'"),
        (["compress", *MODEL, *OUT, *RPI44, *DIGIT], "no board is called 'rpi44'"),
        (["explain", *MODEL, *RPI44], "no board is called 'rpi44'"),
        (["run", *MODEL, *RPI44, *NO_DEVICE], "no board is called 'rpi44'"),
        (["deploy", *MODEL, *RPI4, *DIGIT, "--task", "clasification"], "--task"),
        (["deploy", *MODEL, *RPI4, *DIGIT, "--max-accuracy-drop", "1"], "--max-accuracy-drop"),
        (["compress", *MODEL, *OUT, *DIGIT, "--recipe", "int-8"], "no recipe is called 'int-8'"),
        (["compress", *MODEL, *OUT, *DIGIT, "--sparsity", "200%"], "recipe auto: [prune] sparsity"),
        (["run", *MODEL, *RPI4, *DIGIT], "digit.npz: "),
        (["deploy", *MODEL, "--board", "rpi4", *NO_DEVICE, "--meter", "x"], "no meter is called"),
        (["deploy", *MODEL, "--board", "rpi4", *NO_DEVICE], "no device on this desk is a rpi4"),
    ],
)
def test_of_several_errors_the_model_is_named_first_and_then_the_board(argv, first, capsys):
    """In this order: MODEL, --board, other options with the recipe, --data, then devices."""
    Path("empty.toml").write_text("")
    with pytest.raises(SystemExit) as done:
        cli.main(argv)
    assert done.value.code == 2
    assert capsys.readouterr().err.startswith(f"edgeprune: {first}")
