"""What is said of data that do not fit the model, and how the user goes on."""

import json

import numpy as np
import pytest
from nets import Net

from edgeprune import cli


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A model that tells numbers above one half from those below, and data in 0 to 255."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    net = Net()
    weights = net.const(np.array([[0, 0], [1, 0]], np.float32))
    bias = net.const(np.array([0.5, 0], np.float32))
    logits = net.op(
        "FULLY_CONNECTED", [net.input(1, 2), weights, bias], (1, 2), "FullyConnectedOptions"
    )
    (tmp_path / "model.tflite").write_bytes(net.build(logits))
    rng = np.random.default_rng(0)
    x = np.append(rng.integers(0, 256, (199, 2)), [[255, 0]], axis=0).astype(np.float32)
    y = (x[:, 0] > 127.5).astype(np.int64)
    np.savez("wide.npz", x_test=x, y_test=y)
    np.savez("guessed.npz", x_test=x / 255, y_test=rng.permutation(y))
    np.savez("swapped.npz", x_test=x / 255, y_test=1 - y)


def compress(capsys, *argv):
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", "model.tflite", "-o", "out.tflite", "--no-verify", *argv])
    out, err = capsys.readouterr()
    return done.value.code, out, err


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            "wide.npz",
            r"as they are (0 to 255), but is right on 100.0% of 200 test samples in 0 to 1",
        ),
        ("guessed.npz", "no better than chance"),
        ("swapped.npz", "classes seem to be in another order: class 0 is answered with 1"),
    ],
)
def test_data_that_do_not_fit_are_an_error_that_says_how_to_go_on(capsys, tmp_path, data, line):
    code, out, err = compress(capsys, "--data", data)
    [said] = [text for text in err.splitlines() if text.startswith("edgeprune:")]
    assert code == 2 and line in said and said.endswith("--allow-weak uses the data all the same")
    assert out == "" and not (tmp_path / "out.tflite").exists()
    if data == "wide.npz":
        assert "give --scale 0..1" in said


def test_what_the_error_says_to_type_goes_on(capsys):
    code, out, err = compress(capsys, "--data", "wide.npz", "--scale", "0..1", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert any(
        "inputs are scaled from 0 to 255 onto 0 to 1 (--scale 0..1)" in n for n in found["notes"]
    )
    assert found["effects"][0]["accuracy"]["value"] == 1.0


def test_weak_data_are_gone_on_with_and_that_is_kept(capsys):
    code, out, err = compress(capsys, "--data", "guessed.npz", "--allow-weak", "--json")
    assert code == 0, err
    assert any("doubtful, but used because of --allow-weak" in n for n in json.loads(out)["notes"])


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--data", "wide.npz", "--scale", "0-1"], "--scale must be LOW..HIGH as -1..1"),
        (["--scale", "0..1"], "--scale needs --data"),
        (["--allow-weak"], "--allow-weak needs --data"),
        (["--data", "wide.npz", "--scale", "caffe"], "needs images of three channels"),
        (["--data", "wide.npz", "--augment", "mirror"], "'mirror' is not one of auto, none"),
    ],
)
def test_options_that_make_no_sense_are_refused(capsys, argv, line):
    code, _, err = compress(capsys, *argv)
    assert code == 2 and line in err
