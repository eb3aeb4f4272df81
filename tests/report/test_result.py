import copy
import dataclasses
import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from results import document

from edgeprune.artifacts.compression import ModelFile
from edgeprune.artifacts.measurement import (
    Accuracy,
    DeviceFacts,
    LayerTiming,
    Measured,
    Parity,
    Pinning,
    RunResult,
    Session,
    SessionState,
    StartSample,
    Timed,
    Variant,
)
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import parse_result, read_result, write_result
from edgeprune.report.result import build_result

OPTIONAL = {
    ("", "made"), ("", "timed"), ("variants", "sessions"), ("latency_us", "rejected"),
    ("comparison", "p_value"), ("comparison", "least_effect"), ("comparison", "noise"),
    ("sessions", "runs"), ("sessions", "begin_s"), ("sessions", "end_s"), ("sessions", "trend"),
    ("sessions", "over_time"), ("sessions", "state"), ("sessions", "verdict"),
    ("sessions", "reason"), ("", "pinning"), ("variants", "start"),
}  # fmt: skip
"""What results of older versions do not have: the object's name, and the key."""


def named(path):
    """Name of the object or list that holds the path's last key, and that key."""
    return ([""] + [key for key in path[:-1] if isinstance(key, str)])[-1], path[-1]


DEVICE = DeviceFacts("desk-pi", "Cortex-A72 aarch64", "Linux 6.6 aarch64", "1.0", "2.3.0 (ab12)")
PARITY = Parity("host reference kernels", 3e-7, 0.99, 16, "desk-pi", limit=1e-4, passed=True)
STATE = SessionState(
    50.0, 55.0, 54.0, 1.8e9, 1.7e9, 1.8e9, "performance", 0, 0, 0, 0, 0.01, 0.02, 0.0, 0.5, 80.0,
    True, 4, ("clock: no cpufreq",),
)  # fmt: skip
TIMED = Timed("quick", 6, 13, 0.2, ("dense", "deployed", "deployed", "dense"), notes=("cooled",))
PINNING = Pinning((4, 5), "performance", ("performance",), ("schedutil",), False, True, "told")
STARTS = tuple(StartSample(10**6 * k, 10**5, 5_000_000 + k, 1_000_000) for k in (3, 1, 2))
LAYER = LayerTiming("conv1", "CONV_2D", "Convolution (NCHW, F32) SPMM", True, 12.5)


def measured(name, sessions=6, runs=120, median_us=100, parity=PARITY, instructions=None):
    timings = tuple(
        Session(
            (median_us * 1000 + number,) * runs,
            10**6,
            10**6,
            5_000_000,
            begin_s=1.0,
            end_s=2.0,
            over_time=((0.5, 100.0),),
            trend=(0.5, -0.1, 1.0),
            state=STATE,
            every_ns=np.full(10 * runs, median_us * 1000, np.int64),
        )
        for number in range(sessions)
    )
    source = "QEMU plugin" if instructions else None
    memory = 5_000_000 if sessions else None
    starts = STARTS if sessions else ()
    return Measured(
        name, timings, instructions, source, (LAYER,), parity, memory, starts=starts, packed_bytes=7
    )


def built(folder: Path, run: RunResult, names=("dense", "deployed")):
    folder.mkdir(exist_ok=True)
    variants = []
    for name in names:
        file = folder / f"{name}.tflite"
        file.write_bytes(b"12345678")
        variants.append(Variant(name, file, b"", 0.9, False, expected=("conv1", "conv2")))
    model = ModelFile(Path("models/net.h5"), "a" * 64, "keras2-h5")
    accuracy = {"dense": Accuracy("top1", 0.91, 500)}
    recipe = {"prune": {"sparsity": 0.9, "pattern": "1x2"}, "shape": (1, 2)}
    return build_result(model, "rpi4", recipe, run, variants, accuracy, folder)


def build(folder: Path, run: RunResult, names=("dense", "deployed")):
    return document(built(folder, run, names))


def on_a_board(**deployed):
    runs = (measured("dense", median_us=300), measured("deployed", **deployed))
    return RunResult(DEVICE, False, runs, timed=TIMED, pinning=PINNING)


def emulated(dense=300, deployed=100):
    return RunResult(
        DEVICE,
        True,
        (
            measured("dense", sessions=0, instructions=dense),
            measured("deployed", sessions=0, instructions=deployed),
        ),
    )


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


@pytest.mark.parametrize("optional", sorted(OPTIONAL))
def test_a_result_without_what_older_versions_did_not_keep_is_valid(result, optional):
    dropped = [path for path in places(result) if path and named(path) == optional]
    assert dropped
    for path in dropped:
        del at(result, path[:-1])[path[-1]]
    parse_result(result)


def test_no_text_of_a_result_is_changed_by_its_layout(result, tmp_path):
    result["notes"] = ["[\n1,\n2\n]", "[1, 2]"]
    written = write_result(parse_result(result), tmp_path)
    assert list(read_result(written).notes) == result["notes"]


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


def places(value, path=()):
    """The path of every value below ``value``, itself included."""
    yield path
    keys = value if isinstance(value, dict) else range(len(value) if type(value) is list else 0)
    for key in keys:
        yield from places(value[key], (*path, key))


def at(result, path):
    for key in path:
        result = result[key]
    return result


def spelt(path) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def fixed_places(result):
    """Everything but what lies in the recipe, which is free."""
    return [path for path in places(result) if path[:1] != ("recipe",) or len(path) == 1]


@pytest.fixture(params=["board", "emulated"])
def good(request, tmp_path):
    result = build(tmp_path, on_a_board() if request.param == "board" else emulated())
    for variant in result["variants"]:  # one mutant a value takes long with all samples
        variant["sessions"] = [
            session | {"latency_ns": session["latency_ns"][:1]}
            for session in variant["sessions"][:1]
        ]
    if request.param == "board":
        result["variants"][0]["energy_uj"] = {
            "per_inference": 12.5, "idle_subtracted": True, "source": "INA226",
        }  # fmt: skip
        result["variants"][0]["layers"][0]["instructions"] = 40
    parse_result(result)
    return result


def test_every_single_key_is_required(good):
    checked = 0
    for path in fixed_places(good):
        if path and isinstance(path[-1], str) and named(path) not in OPTIONAL:
            mutant = copy.deepcopy(good)
            del at(mutant, path[:-1])[path[-1]]
            with pytest.raises(ConfigError) as caught:
                parse_result(mutant)
            assert repr(path[-1]) in str(caught.value), path
            checked += 1
    assert checked > 60


def test_every_object_refuses_a_further_key(good):
    checked = 0
    for path in fixed_places(good):
        if isinstance(at(good, path), dict) and path != ("recipe",):
            mutant = copy.deepcopy(good)
            at(mutant, path)["extra"] = 1
            with pytest.raises(ConfigError, match="extra"):
                parse_result(mutant)
            checked += 1
    assert checked >= 10


def test_every_value_refuses_other_types(good):
    """Each value in turn becomes a value of each other JSON type; null is kept for its own test."""
    samples = {dict: {"a": 1}, list: ["a", {}, None], str: "", bool: True, float: -1.5}
    for path in fixed_places(good):
        if not path:
            continue
        old = at(good, path)
        for kind, sample in samples.items():
            if isinstance(old, kind) and kind in (dict, list, bool):
                continue
            if kind is float and "trend" in path and isinstance(old, float):
                continue  # the one figure that may be negative
            mutant = copy.deepcopy(good)
            at(mutant, path[:-1])[path[-1]] = sample
            with pytest.raises(ConfigError) as caught:
                parse_result(mutant)
            assert "result.json: $" in str(caught.value)


NULLABLE = {
    "accuracy", "parity", "latency_us", "instructions", "energy_uj", "peak_memory_bytes",
    "sparse_layers_run", "argmax_agreement", "runs", "begin_s", "end_s", "trend", "state",
    "temperature_before_c", "temperature_highest_c", "temperature_after_c", "frequency_hz",
    "frequency_lowest_hz", "pinned_hz", "governor", "throttle_bits_before", "throttle_bits_seen",
    "thermal_status_before", "thermal_status_highest", "wait_share", "other_share", "stolen_share",
    "load_1min", "battery_percent", "on_mains", "p_value", "least_effect", "noise", "timed",
    "restored", "model_memory_bytes", "packed_bytes", "agent_memory_bytes",
}  # fmt: skip


def nullable(path):
    is_elsewhere = path[-1] == "runs" and named(path) != ("sessions", "runs")
    return named(path) == ("pinning", "reason") or (path[-1] in NULLABLE and not is_elsewhere)


def test_null_is_allowed_exactly_where_a_figure_may_be_missing(good):
    for path in fixed_places(good):
        if not path:
            continue
        mutant = copy.deepcopy(good)
        at(mutant, path[:-1])[path[-1]] = None
        was_null = at(good, path) is None
        if nullable(path) or was_null:
            parse_result(mutant)
        else:
            with pytest.raises(ConfigError) as caught:
                parse_result(mutant)
            assert spelt(path) in str(caught.value), path


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_no_number_anywhere_may_be_nan_or_infinite(good, poison):
    for path in places(good):  # the recipe's numbers too
        old = at(good, path)
        if isinstance(old, int | float) and not isinstance(old, bool):
            mutant = copy.deepcopy(good)
            at(mutant, path[:-1])[path[-1]] = poison
            with pytest.raises(ConfigError) as caught:
                parse_result(mutant)
            assert spelt(path) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("variants",), []),
        (("variants", 0, "file"), "/etc/passwd"),
        (("variants", 0, "bytes"), 0),
        (("variants", 0, "bytes"), 1.5),
        (("variants", 0, "sparsity"), 1.01),
        (("variants", 0, "accuracy", "value"), 1.01),
        (("variants", 0, "accuracy", "metric"), "f1"),
        (("variants", 0, "peak_memory_bytes"), 0),
        (("variants", 0, "latency_us", "runs"), 63),  # p90 is given
        (("variants", 0, "latency_us", "runs"), 661),  # p99 is given
        (("variants", 0, "latency_us", "sessions"), 4),  # ci95 is given
        (("variants", 0, "latency_us", "ci95"), [1.0]),
        (("variants", 0, "latency_us", "ci95"), [1.0, 2.0, 3.0]),
        (("variants", 0, "latency_us", "median"), 0),
        (("comparison", "verdict"), "not measurable"),  # ci95 is given
        (("comparison", "metric"), "instructions"),  # ci95 is given
        (("comparison", "verdict"), "better"),
        (("validity", "verdict"), "noisy"),  # without a reason
        (("validity", "reasons"), ["valid with a reason"]),
        (("model", "sha256"), "A" * 64),
        (("model", "format"), "onnx"),
    ],
)
def test_an_impossible_value_is_refused_and_its_path_named(result, path, value):
    at(result, path[:-1])[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        parse_result(result)
    assert spelt(path[:-1]) in str(caught.value)


def test_a_result_is_written_whole_and_read_back(result, tmp_path):
    typed = parse_result(result)
    target = write_result(typed, tmp_path / "deep" / "folder")
    assert target.name == "result.json"
    assert read_result(target) == read_result(target.parent) == typed
    assert [path.name for path in target.parent.iterdir()] == ["result.json"]
    assert json.loads(target.read_text())["schema"] == 1


def test_a_refused_result_leaves_the_old_file_alone(result, tmp_path):
    typed = parse_result(result)
    write_result(typed, tmp_path)
    before = (tmp_path / "result.json").read_bytes()
    with pytest.raises(ConfigError):
        write_result(msgspec.structs.replace(typed, board=None), tmp_path)
    assert (tmp_path / "result.json").read_bytes() == before


def test_a_failed_write_leaves_nothing_half_written(result, tmp_path):
    (tmp_path / "result.json").mkdir()  # nothing can be put in its place
    with pytest.raises(ConfigError, match="cannot be written"):
        write_result(parse_result(result), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out", "result.json"]


@pytest.mark.parametrize("text", ["{", "[1]", "\xff", '{"schema": 1}'])
def test_a_file_that_is_no_result_is_one_line_that_names_it(tmp_path, text):
    file = tmp_path / "result.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"result\.json") as caught:
        read_result(file)
    assert "\n" not in str(caught.value)
