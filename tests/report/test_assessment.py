import math

import pytest
from results import counted, processes, result_of, top1, variant

from edgeprune.history.result import Accuracy, Comparison, HeadScore
from edgeprune.report.assessment import (
    NOTICEABLE_DROP,
    Assessment,
    accuracy_change,
    assess,
    cost_phrase,
    doubt,
    factor_phrase,
    size_phrase,
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

    assert accuracy_change(both(0.9, 0.8), both(0.9, 0.8)).phrase == "the same accuracy"
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


@pytest.mark.parametrize(
    ("metric", "before", "after", "phrase", "drop"),
    [
        ("top1", 0.9, 0.9, "the same accuracy", 0.0),
        ("top1", 0.9, 0.8, "10.00 points less accurate", 0.1),
        ("top1", 0.8, 0.9, "10.00 points more accurate", -0.1),
        ("mse", 2.0, 2.0, "the same mean squared error", 0.0),
        ("mse", 2.0, 3.0, "mean squared error 50.0% worse (2 to 3)", 0.5),
        ("mae", 2.0, 1.0, "mean absolute error 50.0% better (2 to 1)", -0.5),
        ("r2", -0.5, -1.0, "R2 100.0% worse (-0.5 to -1)", 1.0),
        ("mean_iou", 0.5, 0.496, "mean IoU 0.80% worse (50.00% to 49.60%)", 0.008),
        ("mse", 0.0, 3.0, "mean squared error worse (0 to 3)", math.inf),
        ("r2", 0.0, 0.5, "R2 better (0 to 0.5)", -math.inf),
    ],
)
def test_a_change_of_a_score_is_told_in_its_own_words(metric, before, after, phrase, drop):
    found = accuracy_change(scored(metric, before), scored(metric, after))
    assert (found.phrase, found.drop) == (phrase, pytest.approx(drop))


def test_scores_of_one_network_alone_or_of_other_outputs_are_no_change():
    assert accuracy_change(None, scored("mse", 1.0)) is None
    assert accuracy_change(scored("mse", 1.0), None) is None
    named = HeadScore(name="age", metric="mse", value=1.0)
    other = Accuracy(metric="mse", value=1.0, samples=9, heads=(named,))
    assert accuracy_change(scored("mse", 1.0), other) is None


def test_an_output_that_one_network_alone_has_is_left_out():
    def of(**values):
        heads = tuple(HeadScore(name=n, metric="mae", value=v) for n, v in values.items())
        return Accuracy(metric="mae", value=heads[0].value, samples=9, heads=heads)

    found = accuracy_change(of(age=2.0, size=1.0), of(colour=9.0, age=3.0))
    assert found.phrase == "mean absolute error 50.0% worse (2 to 3) at age"


@pytest.mark.parametrize(
    ("factor", "phrase"),
    [
        (1.0, "the same"), (1.0049, "the same"), (0.9951, "the same"), (1.0051, "1.01x more"),
        (0.9949, "1.01x less"), (4.0, "4.00x more"), (0.25, "4.00x less"),
    ],
)  # fmt: skip
def test_a_factor_that_would_be_printed_as_1_is_none(factor, phrase):
    assert factor_phrase(factor, "more", "less") == phrase


@pytest.mark.parametrize(
    ("before", "after", "phrase"),
    [
        (200, 100, "2.00x smaller"), (100, 200, "2.00x larger"), (100, 100, "the same size"),
        (0, 100, "size not known"), (100, 0, "size not known"), (1, 2, "2.00x larger"),
    ],
)  # fmt: skip
def test_what_became_of_the_size(before, after, phrase):
    assert size_phrase(before, after) == phrase


def test_as_many_instructions_are_no_factor():
    same = compared("instructions", 1.001, "no difference shown")
    assert cost_phrase(same) == "as many instructions (emulated)"
    assert cost_phrase(compared("instructions", 2.0)) == "instructions not counted"
    assert cost_phrase(compared("latency_us", 2.0)) == "speed not measured"


def test_the_sentence_of_a_timed_pair():
    result = result_of(
        variant("dense", processes(200), accuracy=top1(0.9)),
        variant("deployed", processes(100), accuracy=top1(0.95), bytes=16_900_000 // 4),
        verdict="faster", speedup=2.0,
    )  # fmt: skip
    assert assess(result) == Assessment(
        "good", "2.00x faster, 5.00 points more accurate, 4.00x smaller"
    )


@pytest.mark.parametrize(
    ("reason", "said"),
    [("dense: 3 runs: too few", "3 runs: too few"), ("nothing was timed", "nothing was timed")],
)
def test_another_doubt_is_told_without_the_variants_name(reason, said):
    result = pair(validity=("insufficient", reason))
    assert doubt(result) == f"not to be relied on, since {said}"


def test_a_doubtful_network_alone_is_warned_of():
    alone = counted("dense", 7, accuracy={"metric": "mae", "value": 2.0, "samples": 3})
    found = assess(result_of(alone, validity=("insufficient", "dense: odd")))
    assert found.mood == "warning"
    assert found.sentence.startswith("not to be relied on, since odd: ")
    assert found.sentence.endswith(", mean absolute error 2")
    found = assess(result_of(counted("dense", 7)))
    assert found == Assessment(
        "plain", "7 instructions per inference (emulated), accuracy not measured"
    )
