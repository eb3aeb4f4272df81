"""The published JSON Schema and the types that read a result refuse the same."""

import json

import msgspec
from json_schemas import jsonschema
from results import ESTIMATE, counted, document, layer, processes, result_of, top1, variant

from edgeprune.history.result import Entry, Result
from edgeprune.history.result_file import parse_result
from edgeprune.history.schema import FILE, json_schema, schema_text
from edgeprune.tasks import METRICS

SCHEMA = json_schema()


def test_the_file_in_the_package_is_what_the_types_make():
    assert FILE.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m edgeprune.history.schema"
    )


def test_every_key_is_described():
    schema = json_schema()
    for name, kind in [("Result", schema), *schema["$defs"].items()]:
        assert kind["description"], name
        for key, value in kind["properties"].items():
            assert value.get("description"), f"{name}.{key}"


def measured():
    state = dict.fromkeys(
        (
            "temperature_before_c temperature_highest_c temperature_after_c frequency_hz "
            "frequency_lowest_hz pinned_hz governor throttle_bits_before throttle_bits_seen "
            "thermal_status_before thermal_status_highest wait_share other_share stolen_share "
            "load_1min battery_percent on_mains"
        ).split()
    ) | {"readings": 3, "not_read": ["clock: none"]}
    dense = variant("dense", processes(100, count=6), layers=[layer("a")], accuracy=top1(0.9))
    dense["sessions"] = [
        dense["sessions"][0]
        | {"runs": None, "begin_s": 1.0, "end_s": 2.0, "over_time": [[0.5, 100.0]]}
        | {"trend": [0.5, -0.1, 1.0], "state": state, "verdict": "valid", "reason": None}
    ]
    deployed = variant("deployed", processes(50, count=6))
    for each in (dense, deployed):  # one mutant a value takes long with all samples
        each["sessions"] = [each["sessions"][0] | {"latency_ns": [100_000]}]
    dense["accuracy"]["heads"] = [{"name": "y", "metric": "top1", "value": 0.9}]
    dense["start"] = {
        "load_us": 8500.0, "first_us": 951.0, "model_memory_bytes": None, "packed_bytes": None,
        "processes": [
            {"load_ns": 8, "first_ns": 9, "peak_memory_bytes": None, "agent_memory_bytes": 2}
        ],
    }  # fmt: skip
    dense["energy_uj"] = {
        "per_inference": 12.5, "idle_subtracted": True, "source": "INA226",
        "measurement": {
            "gross": 20.0, "idle": 7.5, "idle_before_w": 2.0, "idle_after_w": 2.0, "stable": True,
            "inferences": 10, "window_s": 10.0, "samples": 200, "updates": 200,
            "largest_gap_s": 0.1, "tier": "measured-external", "notes": ["the board alone"],
        },
        "co2e": {
            "g_per_million_inferences": 0.1, "grid_g_per_kwh": 445.0, "grid_source": "IEA",
        },
    }  # fmt: skip
    dense["parity"] = {
        "reference": "host", "max_abs_diff": 0.0, "argmax_agreement": 1.0, "samples": 16,
        "where": "desk-pi",
    }  # fmt: skip
    head = {
        "name": "y", "task": "classification", "labels": "", "gives": "softmax", "classes": 10,
        "loss": "", "metric": "top1",
    }  # fmt: skip
    return result_of(
        dense, deployed, verdict="faster", speedup=2.0,
        control={"path": "golden.tflite", "sha256": "ef" * 32, "sessions_us": [1.5, 2]},
        pinning={
            "cpus": [4], "asked": "keep", "governors": ["schedutil"],
            "governors_before": ["schedutil"], "fixed_performance_mode": False, "restored": None,
            "reason": None,
        },
        task={"line": "digits", "train": 0, "test": 500, "heads": [head]},
        timed={
            "effort": "quick", "sessions": 6, "runs": 13, "timed_s": 0.2, "order": ["dense"],
            "repeats": 0, "notes": [],
        },
        notes=["a note"], reasons=["too few zeros"],
    )  # fmt: skip


def entries(entry):
    """An entry and all below it, one of each kind and set of keys."""
    found = {}
    for each in [entry, *(getattr(entry, name) for name in entry.__struct_fields__)]:
        if isinstance(each, tuple):
            below = [one for one in each if isinstance(one, Entry)]
        else:
            below = [each] if isinstance(each, Entry) and each is not entry else []
        for child in below:
            found |= entries(child)
    values = json.loads(json.dumps(msgspec.to_builtins(entry)))
    return found | {(type(entry), tuple(values)): values}


SAMPLES = {
    str: ("", "/x", "noisy", "faster", "not measurable", "instructions", "mse", "deployed"),
    float: (-0.5, 0, 1.5, 63),
    list: ([], [1.5], [1.5, 2.5], [""], [None]),
    dict: ({}, {"a": 1}),
    bool: (1,),
}
"""Of each kind; null stands for all figures, and a value of each other kind is tried as well."""


def samples(value):
    others = (None, True, "x", -1, [{}], {"a": 1})
    kind = float if isinstance(value, int | float) and type(value) is not bool else type(value)
    return (*others, *SAMPLES.get(kind, SAMPLES[float]))


def mutants(good):
    """Each value in turn replaced by others, each key in turn left out, and one added."""
    yield "further", good | {"further": 1}
    for key, value in good.items():
        yield f"{key} left out", {name: value for name, value in good.items() if name != key}
        for sample in samples(value) if key != "recipe" else (None, [], "x"):
            yield f"{key}: {sample!r}", good | {key: sample}


def test_the_schema_and_the_types_refuse_the_same():
    emulated = result_of(
        counted("dense", 300, estimated=ESTIMATE), counted("deployed", 100),
        verdict="faster", speedup=3.0,
    )  # fmt: skip
    refused, kinds = 0, set()
    for (kind, _), good in (entries(measured()) | entries(emulated)).items():
        is_result = kind is Result
        schema = SCHEMA if is_result else {"$ref": f"#/$defs/{kind.__name__}"}
        validator = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"]} | schema)
        kinds.add(kind)
        for change, mutant in mutants(good):
            try:
                msgspec.convert(mutant, kind)
                is_read = True
            except msgspec.ValidationError:
                is_read = False
                refused += 1
            assert validator.is_valid(mutant) == is_read, f"{kind.__name__}: {change}"
    own = {kind for kind in all_kinds() if kind.__module__.startswith("edgeprune.history")}
    assert refused > 1500 and kinds == own - {Entry}


def test_the_metrics_of_the_schema_are_those_that_there_are():
    assert json_schema()["$defs"]["Accuracy"]["properties"]["metric"]["enum"] == list(METRICS)


def all_kinds():
    kinds = [Entry]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds


def test_no_entry_takes_a_key_that_it_does_not_know():
    for kind in all_kinds():
        assert kind.__struct_config__.forbid_unknown_fields and kind.__struct_config__.frozen


def test_a_result_is_written_as_it_was_read():
    for result in (measured(), result_of(counted("dense", 10))):
        values = document(result)
        assert json.dumps(document(parse_result(values))) == json.dumps(values)
