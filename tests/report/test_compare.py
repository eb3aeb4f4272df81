import pytest
from results import GONE, changed, counted, processes, result_of, top1, variant
from results import compared as compare

from edgeprune.errors import ConfigError
from edgeprune.report.compare import are_different_models, subject
from edgeprune.report.regressions import Limits, regressions, unchecked
from edgeprune.significance.rank_test import mann_whitney

ANY = Limits(0)


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
        (100_000, "no difference shown"),
        (100_050, "no difference shown"),
        (100_051, "worse"),
        (99_950, "no difference shown"),
        (99_900, "better"),
    ],
)
def test_a_thousandth_more_instructions_is_found_and_what_a_repetition_shows_is_none(
    count, verdict
):
    change = of(compare(emulated(100_000), emulated(count)), "instructions")
    assert change.verdict == verdict
    assert (change.base, change.new) == (100_000, count)
    assert change.percent == pytest.approx((count - 100_000) / 1000)


def test_a_size_changes_by_a_byte():
    change = of(compare(emulated(10), emulated(10, bytes=16_900_001)), "bytes")
    assert change.verdict == "worse"


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
    assert {c.metric for c in unchecked(found, ANY)} == {"latency_us", "instructions"}


def test_results_without_a_common_variant_are_refused():
    with pytest.raises(ConfigError, match="no variant: dense and deployed"):
        compare(result_of(counted("dense", 1)), result_of(counted("deployed", 1)))


def test_a_regression_is_beyond_the_limit_and_beyond_chance_and_of_the_deployed_variant():
    slow = compare(timed(100), timed(112))
    assert [c.metric for c in regressions(slow, Limits(5))] == ["latency_us"]
    assert regressions(slow, Limits(15)) == [] and unchecked(slow, ANY) == []
    scatter = result_of(
        variant("dense", processes(200)), variant("deployed", processes(112, spread=1.0))
    )
    assert regressions(compare(timed(100), scatter), Limits(5)) == []
    dense_only = result_of(counted("dense", 9999), counted("deployed", 1000))
    assert regressions(compare(emulated(1000), dense_only), Limits(5)) == []
    faster = compare(timed(112), timed(100))
    assert regressions(faster, Limits(0)) == []


def lines(changes, name="deployed"):
    """Metric, figures, percent, verdict and reason of every change of a variant."""
    return [
        (c.metric, c.base, c.new, None if c.percent is None else round(c.percent, 6), c.verdict,
         c.why)
        for c in changes if c.variant == name
    ]  # fmt: skip


ENERGY = {"per_inference": 8.0, "idle_subtracted": True, "source": "INA226"}
CHANCE = "one figure a result, so chance cannot be told"
REPEATED = "within 0.05%, by which counts may differ when repeated"


def test_every_figure_of_an_emulated_pair_is_compared_with_its_reason():
    before = emulated(100_000, bytes=2000, accuracy=top1(0.9, 100), peak_memory_bytes=500)
    after = emulated(
        100_040, bytes=1000, accuracy=top1(0.8, 200), peak_memory_bytes=600, energy_uj=ENERGY
    )
    assert lines(compare(before, after)) == [
        ("instructions", 100_000, 100_040, 0.04, "no difference shown", REPEATED),
        ("bytes", 2000, 1000, -50, "better", ""),
        ("top1", 0.9, 0.8, -10, "worse", "on 100 and 200 samples"),
        ("energy_uj", None, 8.0, None, "not measurable", "only one of them was measured"),
        ("peak_memory_bytes", 500, 600, 20, "not tested", CHANCE),
    ]
    assert lines(compare(before, before), "dense") == [
        ("instructions", 9000, 9000, 0, "no difference shown", ""),
        ("bytes", 16_900_000, 16_900_000, 0, "no difference shown", ""),
    ]


def test_every_figure_that_one_result_alone_has_says_so():
    plain = result_of(variant("deployed", bytes=1))
    full = result_of(
        variant("deployed", processes(100, spread=0), bytes=1, accuracy=top1(0.9),
                peak_memory_bytes=5, energy_uj=ENERGY)
    )  # fmt: skip
    missing = [
        ("latency_us", 100.2, "only one of them was timed"),
        ("top1", 0.9, "only one of them was scored"),
        ("energy_uj", 8.0, "only one of them was measured"),
        ("peak_memory_bytes", 5, "only one of them was measured"),
    ]
    for back, found in ((0, compare(plain, full)), (1, compare(full, plain))):
        told = [line for line in lines(found) if line[0] != "bytes"]
        assert told == [
            (metric, *((value, None) if back else (None, value)), None, "not measurable", why)
            for metric, value, why in missing
        ]
    count = compare(plain, result_of(counted("deployed", 7)))
    assert lines(count)[0][1:3] == (None, 7)
    count = compare(result_of(counted("deployed", 7)), plain)
    assert lines(count)[0] == (
        "instructions", 7, None, None, "not measurable", "only one of them was counted",
    )  # fmt: skip


def test_flash_and_arena_of_a_microcontroller_are_exact():
    before = emulated(1000, flash_bytes=3000, peak_memory_bytes=500)
    after = emulated(1000, flash_bytes=1500, peak_memory_bytes=600)
    found = {change.metric: change for change in compare(before, after)}
    assert (found["flash_bytes"].percent, found["flash_bytes"].verdict) == (-50, "better")
    assert found["peak_memory_bytes"].verdict == "worse"


def test_a_latency_is_judged_as_the_test_of_significance_does():
    levels = [11.0 + number for number in range(13)]
    base = result_of(variant("deployed", [(10.0,)] * 13))
    new = result_of(variant("deployed", [(level,) for level in levels]))
    change = of(compare(base, new), "latency_us")
    # 13 sessions end at the 3rd and the 11th: see tests/significance/test_shift.py.
    assert (change.base, change.new) == (10.0, 17.0)
    assert change.ci95 == pytest.approx((30, 110)) and change.percent == pytest.approx(70)
    assert change.p_value == pytest.approx(mann_whitney([10.0] * 13, levels))
    assert (change.verdict, change.why) == ("worse", "")


@pytest.mark.parametrize("is_turned", [False, True])
def test_the_restless_one_of_two_devices_sets_the_smallest_effect(is_turned):
    quiet = result_of(variant("deployed", [(100.0,)] * 10))
    restless = result_of(variant("deployed", [(103.0,), (140.0,)] * 5))
    pair = (restless, quiet) if is_turned else (quiet, restless)
    change = of(compare(*pair), "latency_us")
    assert change.p_value < 0.05 and not change.ci95[0] <= 0 <= change.ci95[1]
    assert change.verdict == "no difference shown"


def test_rejected_sessions_are_not_compared():
    hot = {"variants.0.sessions.0.verdict": "throttled", "variants.0.sessions.0.reason": "hot"}
    six = changed(result_of(variant("deployed", [(500.0,)] + [(100.0,)] * 5)), hot)
    five = changed(result_of(variant("deployed", [(500.0,)] + [(100.0,)] * 4)), hot | {
        "variants.0.latency_us.rejected": 1, "variants.0.latency_us.ci95": None,
    })  # fmt: skip
    base = result_of(variant("deployed", [(100.0,)] * 5))
    found = of(compare(base, six), "latency_us")
    assert (found.percent, found.verdict, found.why) == (0, "no difference shown", "")
    assert of(compare(base, five), "latency_us").why == "fewer than 5 valid fresh processes"


def test_both_results_that_are_not_valid_are_named():
    pair = [timed(100, validity=(verdict, "why")) for verdict in ("noisy", "throttled")]
    change = of(compare(*pair), "latency_us")
    assert change.why == "A is noisy and B is throttled"
    assert (change.base, change.new, change.percent) == (100.15, 100.15, 0.0)
    few = timed(120, validity=("insufficient", "why"))
    assert of(compare(timed(100), few), "latency_us").verdict == "worse"


@pytest.mark.parametrize(
    "other",
    [
        {"device.runtime_version": "LiteRT 2.4.0"},
        {"device.id": "other-pi"},
        {"model.sha256": "cd" * 32},
        {"variants.0.bytes": 16_900_001},
    ],
)
def test_a_dense_variant_that_is_another_file_or_elsewhere_is_no_control(other):
    after = changed(timed(120, dense_us=240), other)
    change = of(compare(timed(100), after, across_devices=True), "latency_us")
    assert (change.verdict, change.why) == ("worse", "")


def test_a_dense_variant_in_another_state_of_the_device_is_told():
    change = of(compare(timed(100), timed(80, dense_us=160)), "latency_us")
    assert change.why == (
        "the dense variant, the same file in both, changed by -20.0%: the device was not in the "
        "same state"
    )
    assert of(compare(timed(100), timed(120, dense_us=202)), "latency_us").verdict == "worse"


@pytest.mark.parametrize(
    ("changes", "is_judged"),
    [
        ({"model.path": "other.h5", "model.sha256": "cd" * 32}, False),
        ({"model.path": "other.h5"}, True),
        ({"model.sha256": "cd" * 32}, True),
        ({"model.path": "elsewhere/net.keras", "model.sha256": "cd" * 32}, True),
    ],
)
def test_a_difference_between_two_models_is_neither_gain_nor_loss(changes, is_judged):
    other = changed(emulated(500, bytes=1), changes)
    found = compare(emulated(1000, bytes=2), other)
    assert are_different_models(emulated(1000), other) is not is_judged
    judged = ("better", "") if is_judged else ("not tested", "different models")
    assert [(c.verdict, c.why) for c in found if c.variant == "deployed"] == [judged] * 2
    worse = compare(other, changed(emulated(1000, bytes=2), {"model.path": "third.h5"}))
    verdict = "worse" if other.model.sha256 == "ab" * 32 else "not tested"
    assert {c.verdict for c in worse if c.variant == "deployed"} == {verdict}
    same = of(found, "instructions", "dense")
    assert (same.verdict, same.why) == ("no difference shown", "")


def test_the_deployed_variant_comes_first_and_then_the_others_in_their_order():
    rest = [counted(name, 9000) for name in ("deployed", "dense-fine-tuned")]
    three = result_of(counted("dense", 9000), *rest)
    names = [change.variant for change in compare(three, three) if change.metric == "bytes"]
    assert names == ["deployed", "dense", "dense-fine-tuned"]
    assert subject(compare(three, three)) == "deployed"
    sizes = compare(*[result_of(variant("dense"), variant("deployed"))] * 2)
    assert [change.variant for change in sizes] == ["deployed", "dense"]
    assert subject(sizes) == "deployed"
    alone = compare(three, result_of(counted("dense", 9000)))
    assert {change.variant for change in alone} == {"dense"} == {subject(alone)}


def test_results_of_different_devices_are_named():
    for key, value in (("board", "rpi5"), ("device.id", "other-pi"), ("device.cpu", "A76")):
        with pytest.raises(ConfigError, match=r"^the results are of different devices, rpi4 desk-"):
            compare(timed(100), changed(timed(100), {key: value}))


def test_a_regression_of_exactly_the_limit_is_none():
    found = compare(emulated(1000), emulated(1250))
    assert regressions(found, Limits(25)) == []
    assert [c.metric for c in regressions(found, Limits(24.9))] == ["instructions"]
