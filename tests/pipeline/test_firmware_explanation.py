"""`edgeprune explain` on a microcontroller: kernels, flash and RAM, before anything is pushed."""

import json

import pytest
from int8_layers import random_layer
from nets import Net

from edgeprune import cli
from edgeprune.devices.boards import load_board
from edgeprune.files import paths
from edgeprune.firmware.board import plan_for

BOARD = "mps2-an386"


def explain(capsys, *words):
    """Exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", *map(str, words)])
    shown = capsys.readouterr()
    return ended.value.code or 0, shown.out, shown.err


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "layer.tflite"
    file.write_bytes(random_layer(11, "CONV_2D").tflite)
    return file


def small_board(folder, monkeypatch, **sizes):
    """A board of which a part is too small."""
    text = (paths.shipped("boards") / f"{BOARD}.toml").read_text()
    text = text.replace(f'name   = "{BOARD}"', 'name   = "small"')
    for key, size in sizes.items():
        lines = [line for line in text.splitlines() if not line.startswith(key)]
        at = lines.index("[memory]")
        text = "\n".join([*lines[: at + 1], f"{key} = {size}", *lines[at + 1 :]]) + "\n"
    (folder / "small.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(folder))


def test_an_int8_network_is_told_as_it_would_be_pushed(model, capsys):
    code, out, words = explain(capsys, model, "--board", BOARD, "--json")
    assert code == 0, words
    found = json.loads(out)
    plan = plan_for(model.read_bytes(), load_board(BOARD))
    (layer,) = found["as_it_is"]["layers"]
    assert layer["op"] == "CONV_2D" and layer["kernel"].startswith("ep_s8_conv_2d_dense__")
    assert layer["instructions"] == found["as_it_is"]["instructions"] > 0
    assert found["as_it_is"]["flash_bytes"] == len(plan.data)
    assert found["as_it_is"]["arena_bytes"] == plan.arena.bytes
    assert found["compressed"] is None


def test_a_float_network_is_told_in_int8_and_as_it_would_be_pruned(tmp_path, capsys):
    net = Net()
    file = tmp_path / "float.tflite"
    wide = net.conv(net.input(1, 8, 8, 3), 16, kernel=3)
    file.write_bytes(net.build(net.conv(wide, 16, kernel=3)))
    code, out, words = explain(capsys, file, "--board", BOARD, "--sparsity", "0.75", "--json")
    assert code == 0, words
    dense, sparse = (json.loads(out)[key] for key in ("as_it_is", "compressed"))
    assert sparse["instructions"] < dense["instructions"]
    assert sparse["flash_bytes"] < dense["flash_bytes"]
    assert [layer["sparse"] for layer in dense["layers"]] == [False, False]
    assert sparse["sparse_layers"] == sum(layer["sparse"] for layer in sparse["layers"]) > 0


def test_the_answer_comes_first_and_every_layer_with_v(model, capsys):
    code, out, _ = explain(capsys, model, "--board", BOARD)
    first, *rest = out.splitlines()
    assert code == 0 and first.startswith(f"{model.name} on {BOARD}: it fits, with ")
    assert len(rest) <= 8 and rest[-1].startswith("next: edgeprune deploy")
    _, out, _ = explain(capsys, model, "--board", BOARD, "-v")
    assert "ep_s8_conv_2d" in out and "arena" in out and "at least" in out


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"ram_bytes": 16}, "bytes of RAM, the board has 16"),
     ({"flash_bytes": 16}, "bytes of flash, the board has 16")],
)  # fmt: skip
def test_what_does_not_fit_is_said(model, tmp_path, monkeypatch, capsys, sizes, message):
    small_board(tmp_path, monkeypatch, **sizes)
    code, _, words = explain(capsys, model, "--board", "small")
    assert code == 2 and "small cannot run the model: its" in words and message in words


def test_firmware_has_no_releases(model, capsys):
    code, _, words = explain(capsys, model, "--board", BOARD, "--release", "2.3")
    assert code == 2 and "runs firmware of this edgeprune" in words
