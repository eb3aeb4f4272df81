import pytest
from results import GONE, changed, counted, processes, result_of, top1, variant

from edgeprune.errors import ConfigError
from edgeprune.report.compare import compare, regressions, unchecked


def timed(deployed_us, dense_us=200, **rest):
    return result_of(
        variant("dense", processes(dense_us)), variant("deployed", processes(deployed_us)), **rest
    )


def of(changes, metric, name="deployed"):
    (found,) = [c for c in changes if (c.variant, c.metric) == (name, metric)]
    return found


def emulated(count, **rest):
    return result_of(counted("dense", 9000), counted("deployed", count, **rest))


def test_a_clear_slowdown_is_found_with_its_size():
    change = of(compare(timed(100), timed(112)), "latency_us")
    assert change.verdict == "worse" and change.p_value < 0.001
    assert change.percent == pytest.approx(12, abs=0.2)
    assert change.ci95[0] < 12 < change.ci95[1]
    back = of(compare(timed(112), timed(100)), "latency_us")
    assert back.verdict == "better" and back.percent == pytest.approx(-10.7, abs=0.2)


def test_what_lies_below_the_smallest_effect_is_no_difference_however_steady():
    change = of(compare(timed(100), timed(102)), "latency_us")
    assert change.p_value < 0.05 and change.verdict == "no difference shown"


def test_few_processes_and_results_without_samples_are_not_measurable():
    few = result_of(variant("dense", processes(200)), variant("deployed", processes(120, count=4)))
    change = of(compare(timed(100), few), "latency_us")
    assert change.verdict == "not measurable" and "fewer than 5" in change.why
    old = changed(timed(120), {f"variants.{index}.sessions": GONE for index in range(2)})
    change = of(compare(timed(100), old), "latency_us")
    assert change.verdict == "not measurable" and "raw samples" in change.why
    assert change.percent == pytest.approx(20, abs=1)


@pytest.mark.parametrize("verdict", ["noisy", "invalid"])
def test_times_of_a_result_that_is_not_valid_are_not_judged(verdict):
    change = of(compare(timed(100), timed(150, validity=(verdict, "why"))), "latency_us")
    assert change.verdict == "not measurable" and change.why == f"B is {verdict}"


def test_a_dense_variant_that_changed_too_shows_that_the_device_did():
    changes = compare(timed(100), timed(120, dense_us=240))
    change = of(changes, "latency_us")
    assert change.verdict == "not measurable" and "+20.0%" in change.why
    other_runtime = changed(timed(120, dense_us=240), {"device.runtime_version": "LiteRT 2.4.0"})
    assert of(compare(timed(100), other_runtime), "latency_us").verdict == "worse"


@pytest.mark.parametrize(
    ("count", "verdict"),
    [
        (1000, "no difference shown"),
        (1005, "no difference shown"),
        (1006, "worse"),
        (990, "better"),
    ],
)
def test_instructions_are_compared_exactly_above_what_says_something(count, verdict):
    change = of(compare(emulated(1000), emulated(count)), "instructions")
    assert change.verdict == verdict
    assert (change.base, change.new) == (1000, count)
    assert change.percent == pytest.approx((count - 1000) / 10)


def test_a_size_changes_by_a_byte():
    change = of(compare(emulated(10), emulated(10, bytes=16_900_001)), "bytes")
    assert change.verdict == "worse"


def test_accuracy_is_judged_by_its_samples():
    def verdict(before, after, samples):
        results = (emulated(10, accuracy=top1(value, samples)) for value in (before, after))
        return of(compare(*results), "top1").verdict

    assert verdict(0.93, 0.91, 100) == "no difference shown"
    assert verdict(0.93, 0.91, 10_000) == "worse"
    assert verdict(0.91, 0.93, 10_000) == "better"


def test_energy_is_shown_and_not_judged():
    energy = {"per_inference": 10.0, "idle_subtracted": True, "source": "INA226"}
    change = of(
        compare(emulated(10, energy_uj=energy), emulated(10, energy_uj=energy)), "energy_uj"
    )
    assert change.verdict == "not tested" and change.percent == 0
    missing = of(compare(emulated(10), emulated(10, energy_uj=energy)), "energy_uj")
    assert (missing.base, missing.new, missing.percent) == (None, 10.0, None)


def test_other_devices_are_refused_unless_asked_for():
    other = changed(timed(100), {"device.id": "other-pi"})
    with pytest.raises(ConfigError, match=r"different devices.*--across-devices"):
        compare(timed(100), other)
    assert compare(timed(100), other, across_devices=True)


def test_an_emulated_and_a_real_result_have_no_common_cost():
    found = compare(emulated(10), timed(100))
    assert {c.metric for c in unchecked(found)} == {"latency_us", "instructions"}


def test_results_without_a_common_variant_are_refused():
    with pytest.raises(ConfigError, match="no variant: dense and deployed"):
        compare(result_of(counted("dense", 1)), result_of(counted("deployed", 1)))


def test_a_regression_is_beyond_the_limit_and_beyond_chance_and_of_the_deployed_variant():
    slow = compare(timed(100), timed(112))
    assert [c.metric for c in regressions(slow, 5)] == ["latency_us"]
    assert regressions(slow, 15) == [] and unchecked(slow) == []
    scatter = result_of(
        variant("dense", processes(200)), variant("deployed", processes(112, spread=1.0))
    )
    assert regressions(compare(timed(100), scatter), 5) == []
    dense_only = result_of(counted("dense", 9999), counted("deployed", 1000))
    assert regressions(compare(emulated(1000), dense_only), 5) == []
    faster = compare(timed(112), timed(100))
    assert regressions(faster, 0) == []


def test_a_limit_for_accuracy_is_in_points():
    results = [emulated(10, accuracy=top1(value, 10_000)) for value in (0.93, 0.90)]
    found = compare(*results)
    assert [c.metric for c in regressions(found, 2.9)] == ["top1"]
    assert regressions(found, 3.1) == []


def scored(*heads, samples=500, variants=("dense", "deployed")):
    """A result whose outputs have a name, a metric and a score each."""
    listed = [dict(zip(("name", "metric", "value"), head, strict=True)) for head in heads]
    accuracy = {key: listed[0][key] for key in ("metric", "value")} | {"samples": samples}
    if len(listed) > 1:
        accuracy["heads"] = listed
    return result_of(*(counted(name, 1000, accuracy=accuracy) for name in variants))


@pytest.mark.parametrize(
    ("metric", "old", "now", "verdict", "percent"),
    [
        ("mse", 1.0, 1.2, "worse", 20),
        ("mae", 2.0, 1.0, "better", -50),
        ("rmse", 1.0, 1.0, "no difference shown", 0),
        ("r2", 0.9, 0.45, "worse", -50),
        ("r2", -0.5, -1.0, "worse", -100),
        ("r2", -0.5, 0.5, "better", 200),
        ("f1_macro", 0.8, 0.9, "better", 12.5),
        ("f1_micro", 0.8, 0.2, "worse", -75),
        ("label_accuracy", 0.8, 0.7, "worse", -12.5),
        ("mean_iou", 0.5, 0.4, "worse", -20),
        ("pixel_accuracy", 0.9, 0.99, "better", 10),
        ("mse", 0.0, 0.0, "no difference shown", 0),
    ],
)
def test_every_metric_is_judged_by_its_own_direction(metric, old, now, verdict, percent):
    changes = compare(scored(("y", metric, old)), scored(("y", metric, now)))
    change = of(changes, metric)
    assert change.verdict == verdict and change.percent == pytest.approx(percent)
    assert ("higher is better" in change.why) == (metric not in ("mse", "mae", "rmse"))
    is_worse = verdict == "worse"
    assert [c.metric for c in regressions(changes, abs(percent) - 1)] == [metric] * is_worse
    assert regressions(changes, abs(percent) + 1) == []


def test_every_output_is_judged_and_not_the_first_alone():
    base = scored(("cls", "top1", 0.9), ("box", "mse", 1.0), ("mask", "mean_iou", 0.8))
    box = scored(("cls", "top1", 0.9), ("box", "mse", 2.0), ("mask", "mean_iou", 0.8))
    mask = scored(("cls", "top1", 0.9), ("box", "mse", 1.0), ("mask", "mean_iou", 0.4))
    found = compare(base, box)
    assert [(c.head, c.metric) for c in regressions(found, 5)] == [("box", "mse")]
    assert [(c.head, c.metric) for c in regressions(compare(base, mask), 5)] == [
        ("mask", "mean_iou")
    ]
    assert regressions(compare(box, base), 0) == [] and unchecked(found) == []


def test_the_second_output_of_classes_is_judged_in_points_and_by_chance():
    results = [
        scored(("a", "top1", 0.9), ("b", "top1", second), samples=10_000) for second in (0.9, 0.8)
    ]
    (worse,) = regressions(compare(*results), 5)
    assert worse.head == "b" and worse.percent == pytest.approx(-10) and worse.p_value < 0.01
    assert regressions(compare(*results), 11) == []


def test_an_error_that_rose_from_none_is_beyond_any_limit():
    found = compare(scored(("y", "mse", 0.0)), scored(("y", "mse", 0.5)))
    assert [c.metric for c in regressions(found, 1000)] == ["mse"]
    assert of(found, "mse").percent is None


def test_a_score_that_was_lost_or_is_by_another_metric_leaves_a_limit_unchecked():
    base = scored(("y", "mse", 1.0))
    other = scored(("y", "mae", 1.0))
    none = result_of(counted("dense", 1000), counted("deployed", 1000))
    assert [c.metric for c in unchecked(compare(base, other))] == ["mae"]
    assert [c.metric for c in unchecked(compare(base, none))] == ["mse"]
    assert unchecked(compare(none, base)) == []
    two = scored(("y", "mse", 1.0), ("z", "mse", 1.0))
    three = scored(("y", "mse", 1.0), ("w", "mse", 1.0))
    assert [c.head for c in unchecked(compare(two, three))] == ["z"]
