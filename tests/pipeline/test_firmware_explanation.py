"""`edgeprune explain` on a microcontroller: kernels, flash and RAM, before anything is pushed."""

import json

import pytest
from int8_layers import random_layer
from nets import Net
from small_boards import small_board

from edgeprune import cli
from edgeprune.devices.boards import load_board
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


@pytest.mark.parametrize(
    ("board", "cycles", "clock"), [(BOARD, 1.52, "120 MHz"), ("nucleo-u575zi-q", 1.37, "128 MHz")]
)
def test_times_are_predicted_of_cores_whose_cycles_are_known(model, capsys, board, cycles, clock):
    _, out, _ = explain(capsys, model, "--board", board, "--json")
    found = json.loads(out)["as_it_is"]
    latency_us = cycles * found["instructions"] / float(clock.split()[0])
    assert found["predicted_latency_us"] == pytest.approx(latency_us, rel=0.01)
    _, out, _ = explain(capsys, model, "--board", board)
    assert "time (predicted)" in out and f"{clock}; estimates of such cores are within 15%" in out


def test_no_time_is_predicted_of_a_core_whose_cycles_nobody_knows(model, capsys):
    _, out, _ = explain(capsys, model, "--board", "mps3-an547", "--json")
    assert json.loads(out)["as_it_is"]["predicted_latency_us"] is None
    _, out, _ = explain(capsys, model, "--board", "mps3-an547")
    assert "predicted)" not in out and "instructions (estimated)" in out


def test_the_answer_comes_first_and_every_layer_with_v(model, capsys):
    code, out, _ = explain(capsys, model, "--board", BOARD)
    first, *rest = out.splitlines()
    assert code == 0 and first.startswith(f"{model.name} on {BOARD}: it fits, with ")
    assert len(rest) <= 9 and rest[-1].startswith("next: edgeprune deploy")
    _, out, _ = explain(capsys, model, "--board", BOARD, "-v")
    assert "ep_s8_conv_2d" in out and "arena" in out and "at least" in out


TOO_SMALL = [
    ({"arena_bytes": 16}, "bytes of RAM, and the firmware of small leaves 16"),
    ({"plan_bytes": 16}, "bytes of flash, and a slot of small holds 16"),
]


@pytest.mark.parametrize(("sizes", "message"), TOO_SMALL)
def test_what_does_not_fit_is_said(model, tmp_path, monkeypatch, capsys, sizes, message):
    small_board(tmp_path, monkeypatch, **sizes)
    code, out, _ = explain(capsys, model, "--board", "small")
    head = out.replace("\n", " ").partition("   ")[0]
    assert code == 1 and f"{model.name} on small: it does not fit: its" in head
    assert message in head and "B too many" in out and "looks for a sparsity that fits" in out
    code, out, _ = explain(capsys, model, "--board", "small", "--json")
    assert code == 1 and message in json.loads(out)["excess"]


@pytest.mark.parametrize(("sizes", "message"), TOO_SMALL)
def test_what_does_not_fit_is_refused_before_anything_is_flashed(
    model, tmp_path, monkeypatch, capsys, sizes, message
):
    small_board(tmp_path, monkeypatch, **sizes)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", str(model), "--board", "small", "-o", str(tmp_path / "out")])
    words = capsys.readouterr().err
    assert ended.value.code == 2 and "small cannot run the model: its" in words
    assert message in words and "--sparsity" in words and not (tmp_path / "out").exists()


def test_what_counts_is_shown_a_slot_and_what_the_firmware_leaves(model, capsys):
    code, out, _ = explain(capsys, model, "--board", "nucleo-l4r5zi")
    assert code == 0
    assert "a slot of nucleo-l4r5zi holds 520,192 B, 100% stay free" in out
    assert "the firmware of nucleo-l4r5zi leaves 524,288 B, " in out


@pytest.mark.parametrize(
    ("option", "message"),
    [("--max-size", "--max-size allows 100"), ("--max-memory", "--max-memory allows 100")],
)
def test_the_user_may_allow_less_than_the_board_has(model, tmp_path, capsys, option, message):
    code, out, _ = explain(capsys, model, "--board", BOARD, option, "100")
    assert code == 1 and message in out and "it does not fit" in out
    assert explain(capsys, model, "--board", BOARD, option, "1MB")[0] == 0
    words = ["compress", model, "--board", BOARD, option, "100", "-o", tmp_path / "small.tflite"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*map(str, words)])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and message in said and not (tmp_path / "small.tflite").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--board", BOARD, "--max-size", "much"], "expected a size such as 100kB"),
        (["--board", BOARD, "--max-size", "0"], "must be at least one byte"),
        (["--board", "rpi4", "--max-memory", "1MB"], "rpi4 is none"),
        (["--board", "rpi4", "--max-size", "1MB"], "explain makes no file for rpi4"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(model, capsys, words, message):
    code, _, said = explain(capsys, model, *words)
    assert code == 2 and message in said


def test_what_if_tells_other_sparsities_and_which_fit(tmp_path, capsys):
    net = Net()
    file = tmp_path / "float.tflite"
    wide = net.conv(net.input(1, 8, 8, 3), 16, kernel=3)
    file.write_bytes(net.build(net.conv(wide, 16, kernel=3)))
    plan = json.loads(explain(capsys, file, "--board", BOARD, "--json")[1])["as_it_is"]
    words = ["--what-if", "--max-size", str(plan["flash_bytes"] - 200), "--json"]
    code, out, said = explain(capsys, file, "--board", BOARD, *words)
    assert code == 1, said
    cells = json.loads(out)["what_if"]
    assert [cell["sparsity"] for cell in cells] == [0.5, 0.6, 0.7, 0.8, 0.9]
    counted = [cell["instructions"] for cell in cells]
    assert counted == sorted(counted, reverse=True) and counted[-1] < plan["instructions"]
    assert [bool(cell["excess"]) for cell in cells] == [
        cell["flash_bytes"] > plan["flash_bytes"] - 200 for cell in cells
    ]
    assert cells[-1]["excess"] is None
    _, out, _ = explain(capsys, file, "--board", BOARD, *words[:-1])
    assert "what if: " in out and "90%" in out and "fits" in out


def test_what_if_says_that_integers_are_not_pruned(model, capsys):
    code, _, said = explain(capsys, model, "--board", BOARD, "--what-if")
    assert code == 0 and "no what-if: the weights are integers" in said


def test_firmware_has_no_releases(model, capsys):
    code, _, words = explain(capsys, model, "--board", BOARD, "--release", "2.3")
    assert code == 2 and "runs firmware of this edgeprune" in words
