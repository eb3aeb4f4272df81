"""Reading a result: what is refused, with the path of the fault, and how it is written."""

import copy
import json
import math

import msgspec
import pytest
from measured_runs import build, emulated, on_a_board

from edgeprune.errors import ConfigError
from edgeprune.history.result_file import parse_result, read_result, write_result

OPTIONAL = {
    ("", "made"), ("", "timed"), ("variants", "sessions"), ("latency_us", "rejected"),
    ("comparison", "p_value"), ("comparison", "least_effect"), ("comparison", "noise"),
    ("sessions", "runs"), ("sessions", "begin_s"), ("sessions", "end_s"), ("sessions", "trend"),
    ("sessions", "over_time"), ("sessions", "state"), ("sessions", "verdict"),
    ("sessions", "reason"), ("", "pinning"), ("variants", "start"), ("variants", "sha256"),
    ("variants", "estimated"), ("variants", "estimated_reason"), ("layers", "cycles"),
}  # fmt: skip
"""What results of older versions do not have: the object's name, and the key."""


def named(path):
    """Name of the object or list that holds the path's last key, and that key."""
    return ([""] + [key for key in path[:-1] if isinstance(key, str)])[-1], path[-1]


@pytest.fixture
def result(tmp_path):
    return build(tmp_path / "out", on_a_board())


@pytest.mark.parametrize("optional", sorted(OPTIONAL))
def test_a_result_without_what_older_versions_did_not_keep_is_valid(result, optional, tmp_path):
    is_found = False
    for whole in (result, build(tmp_path / "emulated", emulated())):
        for path in [path for path in places(whole) if path and named(path) == optional]:
            del at(whole, path[:-1])[path[-1]]
            is_found = True
        parse_result(whole)
    assert is_found


def test_no_text_of_a_result_is_changed_by_its_layout(result, tmp_path):
    result["notes"] = ["[\n1,\n2\n]", "[1, 2]"]
    written = write_result(parse_result(result), tmp_path)
    assert list(read_result(written).notes) == result["notes"]


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
    "estimated", "error",
}  # fmt: skip


def nullable(path):
    is_elsewhere = path[-1] == "runs" and named(path) != ("sessions", "runs")
    is_elsewhere = is_elsewhere or named(path) == ("estimated", "latency_us")
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "result.json"]


@pytest.mark.parametrize("text", ["{", "[1]", "\xff", '{"schema": 1}'])
def test_a_file_that_is_no_result_is_one_line_that_names_it(tmp_path, text):
    file = tmp_path / "result.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"result\.json") as caught:
        read_result(file)
    assert "\n" not in str(caught.value)


FAULTS = [
    (("variants", 0, "bytes"), 0, "$.variants[0].bytes: expected a whole number >= 1, got 0"),
    (("board",), 7, "$.board: expected text, got a whole number"),
    (("board",), "", "$.board: expected text of length >= 1, got ''"),
    (("made",), None, "$.made: expected a table, got null"),
    (("validity", "verdict"), "nosiy", "$.validity.verdict: expected contaminated, insufficient, "),
    (("comparison", "metric"), "x", "expected instructions or latency_us, got 'x'"),
    (("variants", 0, "sessions", 0, "verdict"), "x", "noisy, throttled or valid, got 'x'"),
    (("comparison", "metric"), "a\nb", "expected instructions or latency_us, got 'a"),
    (("a\nb",), 1, "$: has the key 'a"),
    (("recipe",), {"a": float("nan")}, "$.recipe.a: nan is not a finite number"),
    (("schema",), 2, "$.schema: expected 1, got 2"),
    (("further",), 1, "$: has the key 'further', which is not known"),
    (
        ("variants", 0, "latency_us", "p90"),
        None,
        "latency_us.p90: must be a value, since there are",
    ),
    (("model", "sha256"), "x", "expected text matching regex '^[0-9a-f]{64}$', got 'x'"),
    (("variants", 0, "peak_memory_bytes"), "x", "expected a whole number or null, got text"),
]


@pytest.mark.parametrize(("path", "value", "said"), FAULTS)
def test_a_fault_is_one_line_with_its_place_what_was_expected_and_what_was_found(
    result, path, value, said
):
    at(result, path[:-1])[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        parse_result(result)
    assert said in str(caught.value) and str(caught.value).startswith("result.json: $")
    assert "\n" not in str(caught.value) and "`" not in str(caught.value)


def test_a_missing_key_is_named_with_its_place(result):
    del result["variants"][1]["sparsity"]
    with pytest.raises(ConfigError, match=r": \$\.variants\[1\]: lacks the key 'sparsity'$"):
        parse_result(result)
