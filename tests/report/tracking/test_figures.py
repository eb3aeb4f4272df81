import pytest
from results import GONE, changed, counted, processes, result_of, top1, variant

from edgeprune.report.tracking.figures import MAX_VALUE, tracked

TIMED = result_of(
    variant("dense", processes(200.0), accuracy=top1(0.9)),
    variant("deployed", processes(100.0), accuracy=top1(0.89), sparse_layers_run=3),
    verdict="faster",
    speedup=2.0,
)
COUNTED = result_of(counted("dense", 300), counted("deployed", 100), verdict="faster", speedup=3.0)


def test_a_timed_result_has_its_latency_with_the_interval():
    metrics = tracked(TIMED).metrics
    latency = TIMED.deployed.latency_us
    assert metrics["deployed/latency_median_us"] == latency.median
    assert metrics["deployed/latency_ci95_low_us"] == latency.ci95[0]
    assert metrics["deployed/latency_ci95_high_us"] == latency.ci95[1]
    assert (metrics["speedup"], metrics["speedup_ci95_low"]) == (2.0, 1.96)
    assert metrics["deployed/accuracy"] == 0.89 and metrics["deployed/sparse_layers"] == 3
    assert metrics["accuracy_drop"] == pytest.approx(0.01)
    assert tracked(TIMED).tags["edgeprune.measured_on"] == "device"


def test_emulated_counts_are_instructions_and_nothing_is_called_a_time_or_a_speed():
    run = tracked(COUNTED)
    assert run.metrics["deployed/instructions"] == 100
    assert run.metrics["instructions_dense_by_deployed"] == 3.0
    assert not [key for key in run.metrics if "latency" in key or "speed" in key or "_us" in key]
    assert run.tags["edgeprune.measured_on"] == "emulated board"


def test_what_was_not_measured_is_not_there():
    metrics = tracked(COUNTED).metrics
    assert set(metrics) == {
        "dense/size_bytes", "dense/sparsity", "dense/instructions",
        "deployed/size_bytes", "deployed/sparsity", "deployed/instructions",
        "instructions_dense_by_deployed", "size_dense_by_deployed",
    }  # fmt: skip
    assert "deployed/latency_p90_us" not in tracked(TIMED).metrics  # of 50 runs there is none


def test_a_speed_that_could_not_be_measured_is_none():
    noisy = changed(
        TIMED,
        {
            "comparison": {
                "metric": "latency_us", "speedup": 1.1, "ci95": None, "verdict": "not measurable",
            },
            "validity": {"verdict": "noisy", "reasons": ["a neighbour", "another"]},
        },
    )  # fmt: skip
    run = tracked(noisy)
    assert "speedup" not in run.metrics
    assert run.tags["edgeprune.verdict"] == "not measurable"
    assert run.tags["edgeprune.validity"] == "noisy"
    assert run.tags["edgeprune.validity_reasons"] == "a neighbour; another"


def test_the_parameters_are_board_runtime_and_each_value_of_the_recipe():
    params = tracked(TIMED).params
    assert params["board"] == "rpi4" and params["device"] == "desk-pi"
    assert params["runtime_version"] == "LiteRT 2.3.0" and params["model"] == "net.h5"
    assert (params["recipe"], params["sparsity"]) == ("auto", "0.8125")
    assert params["recipe.prune.sparsity"] == "0.8125"
    assert all("None" not in value for value in params.values())


def test_a_score_by_another_metric_has_its_name_and_each_output_its_own():
    heads = [
        {"name": "box[0]", "metric": "mae", "value": 0.5},
        {"name": "kind", "metric": "top1", "value": 0.75},
    ]
    score = {"metric": "mae", "value": 0.5, "samples": 9, "heads": heads}
    metrics = tracked(changed(TIMED, {"variants.1.accuracy": score})).metrics
    assert metrics["deployed/mae"] == 0.5 and metrics["deployed/mae/box_0_"] == 0.5
    assert metrics["deployed/accuracy/kind"] == 0.75


def test_the_same_result_is_the_same_run_and_another_is_not():
    again = changed(TIMED, {})
    assert tracked(again).sha256 == tracked(TIMED).sha256
    assert tracked(changed(TIMED, {"board": "rpi5"})).sha256 != tracked(TIMED).sha256


def test_a_result_of_an_older_edgeprune_has_no_time_of_its_own():
    assert tracked(TIMED).begun_ms == 1_795_280_400_000  # 2026-11-21T17:00:00Z
    assert tracked(changed(TIMED, {"made": GONE})).begun_ms is None
    for odd in ("yesterday", "9999-12-31T23:59:59", "0001-01-01T00:00:00+23:59"):
        tracked(changed(TIMED, {"made.time_utc": odd}))


def test_long_and_odd_values_fit_a_server():
    odd = changed(TIMED, {"board": "x" * 9000 + "\nÜ", "variants.1.name": "deployed"})
    params = tracked(odd).params
    assert len(params["board"]) <= MAX_VALUE and "\n" not in params["board"]
