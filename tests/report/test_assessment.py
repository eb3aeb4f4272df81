import math

import pytest
from results import counted, processes, result_of, top1, variant

from edgeprune.history.result import Accuracy, Comparison, HeadScore
from edgeprune.report.assessment import (
    NOTICEABLE_DROP,
    accuracy_change,
    assess,
    cost_phrase,
    factor_phrase,
)


def scored(metric, value):
    return Accuracy(metric=metric, value=value, samples=9)


def compared(metric, speedup, verdict="not measurable"):
    is_tested = metric == "latency_us" and verdict != "not measurable"
    ends = (speedup * 0.9, speedup * 1.1) if is_tested else None
    return Comparison(metric=metric, speedup=speedup, ci95=ends, verdict=verdict)


def pair(before=None, after=None, verdict="faster", speedup=2.0, **rest):
    return result_of(
        counted("dense", 200, accuracy=before),
        counted("deployed", 100, accuracy=after, bytes=8_450_000),
        verdict=verdict,
        speedup=speedup,
        **rest,
    )


def test_the_sentence_holds_cost_accuracy_and_size():
    found = assess(pair(top1(0.9916), top1(0.961), speedup=2.236))
    assert found.sentence == (
        "2.24x fewer instructions (emulated), 3.06 points less accurate, 2.00x smaller"
    )


@pytest.mark.parametrize(
    ("before", "after", "mood"),
    [
        (0.9916, 0.9916, "good"),
        (0.9, 0.95, "good"),
        (0.95, 0.945, "good"),
        (0.95, 0.95 - NOTICEABLE_DROP - 0.001, "mixed"),
        (0.9916, 0.9721, "mixed"),
        (0.6595, 0.5845, "mixed"),
    ],
)
def test_a_gain_that_costs_accuracy_is_not_green(before, after, mood):
    assert assess(pair(top1(before), top1(after))).mood == mood


def test_a_gain_whose_accuracy_nobody_measured_is_not_green():
    found = assess(pair())
    assert found.mood == "plain" and "accuracy not measured" in found.sentence


@pytest.mark.parametrize(("verdict", "mood"), [("slower", "bad"), ("no difference shown", "plain")])
def test_what_is_no_faster_is_not_green(verdict, mood):
    assert assess(pair(top1(0.9), top1(0.9), verdict=verdict, speedup=0.5)).mood == mood


@pytest.mark.parametrize(
    ("validity", "said"),
    [
        ("throttled", "the device was throttled"),
        ("contaminated", "other programs used the cores"),
        ("noisy", "the times scatter too much"),
        ("insufficient", "outputs hardly depend on the inputs"),
    ],
)
def test_doubtful_figures_say_why_first(validity, said):
    reason = "dense: outputs hardly depend on the inputs"
    found = assess(pair(top1(0.9), top1(0.9), validity=(validity, reason)))
    assert found.mood == "warning"
    assert found.sentence.startswith(f"not to be relied on, since {said}: ")


def test_wrong_outputs_are_all_that_is_said():
    found = assess(pair(top1(0.9), top1(0.9), validity=("invalid", "0.5 off")))
    assert found.mood == "bad" and found.sentence.startswith("do not use this model")
    assert "fewer" not in found.sentence


def test_errors_get_worse_when_they_rise():
    found = accuracy_change(scored("mse", 2.0), scored("mse", 3.0))
    assert found.drop == pytest.approx(0.5) and "50.0% worse (2 to 3)" in found.phrase
    better = accuracy_change(scored("mae", 2.0), scored("mae", 1.0))
    assert better.drop == pytest.approx(-0.5) and "better" in better.phrase


def test_scores_that_should_rise_get_worse_when_they_fall():
    found = accuracy_change(scored("r2", 1.0), scored("r2", 0.1))
    assert found.drop == pytest.approx(0.9) and "worse" in found.phrase


def test_an_error_that_was_none_is_lost_without_bound():
    found = accuracy_change(scored("mse", 0.0), scored("mse", 3.0))
    assert found.drop == math.inf and "worse" in found.phrase


def test_of_several_outputs_the_worst_counts():
    def both(first, second):
        heads = (
            HeadScore(name="kind", metric="top1", value=first),
            HeadScore(name="age", metric="top1", value=second),
        )
        return Accuracy(metric="top1", value=first, samples=9, heads=heads)

    found = accuracy_change(both(0.9, 0.8), both(0.95, 0.7))
    assert found.drop == pytest.approx(0.1)
    assert found.phrase == "10.00 points less accurate at age"


def test_times_say_faster_and_counts_say_fewer():
    assert cost_phrase(compared("latency_us", 1.5, "faster")) == "1.50x faster"
    assert cost_phrase(compared("latency_us", 0.5, "slower")) == "2.00x slower"
    counts = compared("instructions", 0.5, "slower")
    assert cost_phrase(counts) == "2.00x more instructions (emulated)"
    assert cost_phrase(compared("latency_us", None)) == "speed not measured"
    assert cost_phrase(compared("instructions", None)) == "instructions not counted"
    same = compared("latency_us", 1.01, "no difference shown")
    assert cost_phrase(same) == "no faster (no difference in time was shown)"


def test_no_change_is_no_factor_of_one():
    assert factor_phrase(1.001, "smaller", "larger", "the same size") == "the same size"


def test_a_network_alone_has_its_own_cost():
    found = assess(result_of(variant("deployed", processes(200), accuracy=top1(0.9))))
    assert found.sentence.startswith("200.3 us (median), ") and "90.00%" in found.sentence
    assert found.mood == "plain"
