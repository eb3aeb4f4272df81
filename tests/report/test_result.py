import dataclasses
from pathlib import Path

import pytest
from measured_runs import DEVICE, STARTS, build, built, emulated, measured, on_a_board

from edgeprune.artifacts.measurement import Parity, RunResult, Session, StartSample, Variant
from edgeprune.artifacts.model import ModelFile
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import parse_result, write_result
from edgeprune.report.result import build_result


@pytest.fixture
def result(tmp_path):
    return build(tmp_path / "out", on_a_board())


def test_a_result_has_the_promised_shape(result):
    assert list(result) == [
        "schema", "made", "model", "board", "device", "pinning", "recipe", "variants", "comparison",
        "validity", "timed",
    ]  # fmt: skip
    assert result["schema"] == 1
    assert result["model"] == {
        "path": "models/net.h5", "sha256": "a" * 64, "format": "keras2-h5",
    }  # fmt: skip
    assert result["recipe"] == {"prune": {"sparsity": 0.9, "pattern": "1x2"}, "shape": [1, 2]}
    dense, deployed = result["variants"]
    assert (dense["name"], deployed["name"]) == ("dense", "deployed")
    assert dense["file"] == "dense.tflite"
    assert dense["bytes"] == 8
    assert dense["accuracy"] == {"metric": "top1", "value": 0.91, "samples": 500}
    assert deployed["accuracy"] is None
    assert deployed["latency_us"]["runs"] == 720
    assert deployed["latency_us"]["median"] == pytest.approx(100, rel=1e-3)
    assert deployed["latency_us"]["p99"] is not None
    assert (deployed["sparse_layers_expected"], deployed["sparse_layers_run"]) == (2, 1)
    assert "limit" not in deployed["parity"]
    assert result["comparison"]["verdict"] == "faster"
    assert result["comparison"]["speedup"] == pytest.approx(3, rel=1e-3)
    assert result["validity"] == {"verdict": "valid", "reasons": []}


def test_an_emulated_board_has_instructions_and_no_time(tmp_path):
    result = build(tmp_path, emulated())
    assert result["variants"][1]["latency_us"] is None
    assert result["variants"][1]["peak_memory_bytes"] is None
    assert result["variants"][1]["instructions"] == {"per_inference": 100, "source": "QEMU plugin"}
    assert result["comparison"] == {
        "metric": "instructions", "speedup": 3.0, "ci95": None, "verdict": "faster",
        "p_value": None, "least_effect": None, "noise": None,
    }  # fmt: skip
    assert result["validity"]["verdict"] == "valid"


def test_times_of_an_emulated_board_never_get_out(tmp_path):
    runs = (measured("dense", instructions=3), measured("deployed", instructions=1))
    result = build(tmp_path, RunResult(DEVICE, True, runs))
    assert [variant["latency_us"] for variant in result["variants"]] == [None, None]
    assert [variant["sessions"] for variant in result["variants"]] == [[], []]


def test_every_raw_sample_is_kept_on_few_lines(result, tmp_path):
    sessions = result["variants"][1]["sessions"]
    assert len(sessions) == 6
    assert sessions[5]["latency_ns"] == [100_005] * 120
    assert sessions[5]["peak_memory_bytes"] == 5_000_000
    lines = write_result(parse_result(result), tmp_path).read_text().splitlines()
    assert sum("100005" in line for line in lines) == 1


def test_start_and_memory_are_medians_beside_all_raw_values(result):
    start = result["variants"][0]["start"]
    assert (start["load_us"], start["first_us"]) == (2000.0, 100.0)
    assert start["model_memory_bytes"] == 4_000_002
    assert [one["load_ns"] for one in start["processes"]] == [3_000_000, 1_000_000, 2_000_000]


def test_memory_that_one_process_could_not_tell_is_null(tmp_path):
    starts = (*STARTS, StartSample(1, 1, None, 1_000_000))
    run = on_a_board()
    run = dataclasses.replace(
        run, measured=tuple(dataclasses.replace(one, starts=starts) for one in run.measured)
    )
    assert build(tmp_path, run)["variants"][0]["start"]["model_memory_bytes"] is None


def test_few_runs_leave_percentiles_and_interval_null(tmp_path):
    result = build(tmp_path, on_a_board(sessions=4, runs=15))
    latency = result["variants"][1]["latency_us"]
    assert (latency["p90"], latency["p99"], latency["ci95"]) == (None, None, None)
    assert result["comparison"]["verdict"] == "not measurable"
    assert result["validity"]["verdict"] == "insufficient"
    assert "4 sessions" in result["validity"]["reasons"][0]


def test_an_uncounted_emulated_run_is_insufficient(tmp_path):
    result = build(tmp_path, emulated(deployed=None))
    assert result["variants"][1]["instructions"] is None
    assert result["comparison"]["verdict"] == "not measurable"
    assert result["validity"]["verdict"] == "insufficient"


def test_what_a_run_lacks_and_few_sessions_are_both_told(tmp_path):
    runs = (measured("dense"), measured("deployed", sessions=2))
    result = build(tmp_path, RunResult(DEVICE, False, runs, reasons=("outputs are flat",)))
    assert result["validity"]["verdict"] == "insufficient"
    assert len(result["validity"]["reasons"]) == 2


def test_wrong_outputs_make_a_result_invalid(tmp_path):
    wrong = Parity("host reference kernels", 0.5, 0.1, 16, "desk-pi", limit=1e-4, passed=False)
    result = build(tmp_path, on_a_board(parity=wrong))
    assert result["validity"]["verdict"] == "invalid"
    assert "differ from host reference kernels by 0.5" in result["validity"]["reasons"][0]


def test_a_variant_that_was_only_scored_has_no_figures(tmp_path):
    result = build(tmp_path, on_a_board(), names=("dense", "deployed", "control"))
    control = result["variants"][2]
    assert (control["latency_us"], control["instructions"], control["parity"]) == (None,) * 3
    assert control["layers"] == []


def test_a_single_variant_is_a_result_without_a_comparison(tmp_path):
    run = RunResult(DEVICE, False, (measured("deployed"),))
    result = build(tmp_path, run, names=("deployed",))
    assert result["comparison"]["verdict"] == "not measurable"
    assert result["comparison"]["speedup"] is None


def test_variants_in_the_wrong_order_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"variants\[\d\]\.name"):
        build(tmp_path, on_a_board(), names=("deployed", "dense"))


def test_a_missing_file_is_named(tmp_path):
    variant = Variant("dense", tmp_path / "gone.tflite", b"", 0, False)
    model = ModelFile(Path("net.h5"), "a" * 64, "keras2-h5")
    with pytest.raises(ConfigError, match=r"gone\.tflite"):
        build_result(model, "rpi4", {}, on_a_board(), [variant], {}, tmp_path)


def test_the_comparison_has_each_figure_of_the_test_under_its_own_name(tmp_path):
    """The device's noise lies above the floor of 3 % on one board and below it on the other."""
    for ratio, is_quiet in ((1.01, True), (1.2, False)):
        medians_us = [300, 300 * ratio] * 3
        sessions = tuple(Session((round(us * 1000),) * 20, 1, 1, None) for us in medians_us)
        dense = dataclasses.replace(measured("dense"), sessions=sessions)
        run = RunResult(DEVICE, False, (dense, measured("deployed")))
        found = built(tmp_path, run).comparison
        assert found.noise == pytest.approx(ratio ** (0.5**0.5) - 1)
        assert found.least_effect == pytest.approx(0.03 if is_quiet else found.noise)
        assert found.p_value == pytest.approx(0.002165, rel=0.01)  # 2 of 924 orders of 6 and 6
        assert found.ci95[0] < found.speedup < found.ci95[1]
