"""`edgeprune run` and `deploy` on an emulated microcontroller, from the file to result.json."""

import json

import forced
import pytest
from beside import shared_models
from converted_ends import with_ends
from int8_layers import random_layer
from nets import Net, eligible
from small_boards import small_board

from edgeprune import cli
from edgeprune.agents.firmware.session import FirmwareSession
from edgeprune.errors import DeviceError
from edgeprune.history.result_file import parse_result
from edgeprune.measure import microcontroller
from edgeprune.pipeline import firmware_half
from edgeprune.prediction.cycles.microcontrollers import estimate_of
from edgeprune.quantize import quantize

BOARD = "mps2-an386"
pytestmark = [pytest.mark.device, pytest.mark.usefixtures("few_inputs")]


def run(capsys, folder, *words):
    """Exit code, the JSON on standard output, and standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*map(str, words), "--output", str(folder), "--json"])
    shown, code = capsys.readouterr(), ended.value.code or 0
    return code, json.loads(shown.out) if shown.out.strip() else None, shown.err


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "layer.tflite"
    file.write_bytes(random_layer(11, "CONV_2D").tflite)
    return file


def test_a_network_is_planned_pushed_run_and_equals_the_reference_bit_for_bit(
    model, tmp_path, capsys
):
    code, found, words = run(capsys, tmp_path / "out", "run", model, "--board", BOARD)
    assert code == 0, words
    result = parse_result(json.loads((tmp_path / "out" / "result.json").read_text()))
    assert result.board == BOARD == found["board"]
    (variant,) = result.variants
    assert variant.parity.max_abs_diff == 0.0
    assert "reference kernels" in variant.parity.reference
    assert variant.latency_us is None and variant.energy_uj is None
    assert "ep_run" in variant.instructions.source
    (layer,) = variant.layers
    assert (layer.op, layer.sparse) == ("CONV_2D", False)
    assert layer.kernel.startswith("ep_s8_conv_2d_dense__")
    assert 0 < layer.instructions < variant.instructions.per_inference
    assert variant.peak_memory_bytes > 0 and variant.flash_bytes > variant.bytes / 10
    assert result.validity.verdict == "valid"


def test_a_file_that_begins_and_ends_in_floats_runs_and_the_user_is_told(tmp_path, capsys):
    file = tmp_path / "float_ends.tflite"
    file.write_bytes(with_ends(random_layer(11, "CONV_2D").tflite, "float32"))
    code, found, words = run(capsys, tmp_path / "out", "run", file, "--board", BOARD)
    assert code == 0, words
    assert words.count("the board takes and gives int8; this machine converts float32 input") == 1
    (variant,) = found["variants"]
    assert variant["parity"]["max_abs_diff"] == 0.0
    assert [layer["op"] for layer in variant["layers"]] == ["CONV_2D"]


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (DeviceError("the meter is gone"), 3, "the meter is gone"),
    ],
)
def test_what_ends_a_run_after_the_outputs_leaves_them(
    model, tmp_path, capsys, monkeypatch, fault, code, told
):
    def energies(*_):
        raise fault

    monkeypatch.setattr(microcontroller, "_energies", energies)
    ended, _, words = run(capsys, tmp_path / "out", "run", model, "--board", BOARD)
    assert (ended, told in words) == (code, True), words
    assert "outputs and counts are kept; what was measured before is in" in words
    result = parse_result(json.loads((tmp_path / "out" / "result.json").read_text()))
    (variant,) = result.variants
    assert variant.parity.max_abs_diff == 0.0 and variant.instructions.per_inference > 0
    assert result.validity.verdict != "valid"
    assert any(told in reason for reason in result.validity.reasons)


@pytest.mark.parametrize("board", [BOARD, "mps3-an547"])
def test_the_keyword_model_runs_as_it_comes(tmp_path, capsys, board):
    models = shared_models("kws_ref_model.tflite")
    if not models:
        pytest.skip("the model is not beside the repository")
    code, found, words = run(capsys, tmp_path / "out", "deploy", models[0], "--board", board)
    assert code == 0, words
    (variant,) = found["variants"]
    assert variant["parity"]["max_abs_diff"] == 0.0
    counted = [layer["instructions"] for layer in variant["layers"]]
    total = variant["instructions"]["per_inference"]
    if board == BOARD:
        assert variant["estimated"]["cycles"] == estimate_of(total, "cortex-m4").cycles > total
    else:
        assert variant["estimated"] is None and "cortex-m55" in variant["estimated_reason"]
    assert len(counted) == 12 and 0.99 * total < sum(counted) <= total


def test_an_operator_that_firmware_lacks_is_named_before_anything_is_pushed(
    tmp_path, capsys, monkeypatch
):
    def pushed(*arguments):
        raise AssertionError("something was pushed")

    monkeypatch.setattr(FirmwareSession, "store", pushed)
    net = Net()
    file = tmp_path / "odd.tflite"
    conv = net.conv(net.input(1, 8, 8, 3), 4)
    file.write_bytes(net.build(net.op("FLOOR", [conv], (1, 8, 8, 4))))
    code, _, words = run(capsys, tmp_path / "out", "run", file, "--board", BOARD)
    assert code == 2 and f"{BOARD} cannot run the model: the firmware has no kernel for" in words
    assert "FLOOR" in words and not (tmp_path / "out").exists()


def test_a_float_network_is_not_run_as_it_comes(tmp_path, capsys):
    net = Net()
    file = tmp_path / "float.tflite"
    file.write_bytes(net.build(net.conv(net.input(1, 8, 8, 3), 4)))
    code, _, words = run(capsys, tmp_path / "out", "run", file, "--board", BOARD)
    assert code == 2 and "computes on int8" in words and "edgeprune deploy" in words


def test_one_wrong_bit_is_a_failed_check(model, tmp_path, capsys, monkeypatch):
    right = firmware_half.exact_outputs

    def off_by_one(tflite, samples):
        outputs = right(tflite, samples)
        outputs[-1][0] = outputs[-1][0].copy()
        outputs[-1][0].flat[0] ^= 1
        return outputs

    monkeypatch.setattr(firmware_half, "exact_outputs", off_by_one)
    code, _, words = run(capsys, tmp_path / "out", "run", model, "--board", BOARD)
    assert code == 1 and "and must be equal" in words
    assert not (tmp_path / "out").exists()


@pytest.fixture
def float_model(tmp_path):
    net = Net()
    wide = net.conv(net.input(1, 8, 8, 3), 16, kernel=3)
    file = tmp_path / "float.tflite"
    file.write_bytes(net.build(net.conv(wide, 16, kernel=3)))
    return file


def test_a_float_network_is_pruned_and_quantized_and_beside_it_stands_the_dense_one_in_int8(
    float_model, tmp_path, capsys
):
    words = ["deploy", float_model, "--board", BOARD, "--sparsity", "0.75"]
    code, found, said = run(capsys, tmp_path / "out", *words)
    assert code == 0, said
    dense, deployed, original = found["variants"]
    assert [dense["name"], deployed["name"], original["name"]] == ["dense", "deployed", "float32"]
    assert [layer["sparse"] for layer in dense["layers"]] == [False, False]
    assert [layer["kernel"] for layer in deployed["layers"]][1] == "ep_s8_conv_2d_blocks_1x4__dsp"
    assert deployed["sparse_layers_run"] == deployed["sparse_layers_expected"] > 0
    assert found["comparison"]["metric"] == "instructions" and found["comparison"]["speedup"] > 1
    assert deployed["flash_bytes"] < dense["flash_bytes"] and original["instructions"] is None
    assert all(variant["parity"]["max_abs_diff"] == 0.0 for variant in (dense, deployed))


def test_a_dense_network_that_does_not_fit_is_not_measured_and_that_is_said(
    float_model, tmp_path, capsys, monkeypatch
):
    small_board(tmp_path, monkeypatch, plan_bytes=2600)
    words = ["deploy", float_model, "--board", "small", "--sparsity", "0.75"]
    code, found, said = run(capsys, tmp_path / "out", *words)
    assert code == 0, said
    dense, deployed, _ = found["variants"]
    assert dense["instructions"] is None and deployed["instructions"]["per_inference"] > 0
    assert deployed["flash_bytes"] <= 2600
    assert any("dense: not measured, because its plan takes" in note for note in found["notes"])
    words = ["deploy", float_model, "--board", "small", "--sparsity", "0.1"]
    code, _, said = run(capsys, tmp_path / "less", *words)
    assert code == 2 and "at 10% sparsity its plan takes" in said
    assert not (tmp_path / "less").exists()


def test_a_float_network_that_is_only_quantized_stands_beside_itself_unmeasured(
    float_model, tmp_path, capsys
):
    words = ["deploy", float_model, "--board", BOARD]
    code, found, said = run(capsys, tmp_path / "out", *words)
    assert code == 0, said
    dense, deployed = found["variants"]
    assert dense["instructions"] is None and deployed["instructions"]["per_inference"] > 0
    assert found["comparison"]["verdict"] == "not measurable"


@pytest.mark.parametrize("mode", ["none", "fp16", "int8-weights", "int16x8"])
def test_another_storage_than_int8_is_refused_before_anything_is_done(
    float_model, tmp_path, capsys, mode
):
    words = ["deploy", float_model, "--board", BOARD, "--quantize", mode]
    code, _, said = run(capsys, tmp_path / "out", *words)
    assert code == 2 and "firmware computes on int8" in said and "--quantize int8" in said


def test_layers_in_other_modes_are_refused_before_anything_is_done(float_model, tmp_path, capsys):
    recipe = tmp_path / "mixed.toml"
    entry = '[[quantize.layers]]\nlayer = "stem*"\nmode = "none"\n'
    recipe.write_text(f'[prune]\nsparsity = 0\n[quantize]\nmode = "int8"\n{entry}')
    words = ["deploy", float_model, "--board", BOARD, "--recipe", recipe]
    code, _, said = run(capsys, tmp_path / "out", *words)
    assert code == 2 and 'layers with layer = "stem*", mode = "none": leave them out' in said


def half():
    return quantize(eligible(), "fp16", None).tflite


def sparse():
    return forced.encoded(eligible())


@pytest.mark.parametrize(("made", "how"), [(half, "as float16"), (sparse, "sparse")])
@pytest.mark.parametrize("options", [[], ["--quantize", "int8"], ["--quantize", "none"]])
def test_a_file_that_cannot_become_int8_is_sent_back_to_its_float32_model(
    tmp_path, capsys, options, made, how
):
    file = tmp_path / "net.tflite"
    file.write_bytes(made())
    code, _, said = run(capsys, tmp_path / "out", "deploy", file, "--board", BOARD, *options)
    assert code == 2 and f"stores its weights {how}, which" in said and "float32 model" in said


def test_a_meter_of_an_emulated_board_is_refused(model, tmp_path, capsys):
    bench = tmp_path / "bench.toml"
    bench.write_text(
        f"[devices.desk]\nboard = '{BOARD}'\nmeter = {{ use = 'csv', at = 'x.csv' }}\n"
    )
    words = ["run", model, "--board", BOARD, "--bench", bench]
    code, _, said = run(capsys, tmp_path / "out", *words)
    assert code == 2
    assert f"{BOARD} is emulated and draws no power: leave out meter of desk" in said
