import pytest
from results import counted, processes, result_of, top1, variant

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
    old = timed(120)
    for one in old["variants"]:
        del one["sessions"]
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
    assert change.verdict == "not measurable" and "+20.0 %" in change.why
    other_runtime = timed(120, dense_us=240)
    other_runtime["device"]["runtime_version"] = "LiteRT 2.4.0"
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
    other = timed(100)
    other["device"]["id"] = "other-pi"
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
