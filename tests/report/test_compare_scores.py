"""Scores of two results beside each other: by their direction, in their unit, output by output."""

import pytest
from results import compared as compare
from results import counted, processes, result_of, top1, variant
from scipy.stats import fisher_exact

from edgeprune.report.regressions import Limits, regressions, unchecked

ANY = Limits(0)


def of(changes, metric, name="deployed"):
    (found,) = [c for c in changes if (c.variant, c.metric) == (name, metric)]
    return found


def emulated(count, **rest):
    return result_of(counted("dense", 9000), counted("deployed", count, **rest))


def test_accuracy_is_judged_by_its_samples():
    def verdict(before, after, samples):
        results = (emulated(10, accuracy=top1(value, samples)) for value in (before, after))
        return of(compare(*results), "top1").verdict

    assert verdict(0.93, 0.91, 100) == "no difference shown"
    assert verdict(0.93, 0.91, 10_000) == "worse"
    assert verdict(0.91, 0.93, 10_000) == "better"


def test_a_limit_for_accuracy_is_in_points():
    results = [emulated(10, accuracy=top1(value, 10_000)) for value in (0.93, 0.90)]
    found = compare(*results)
    assert [c.metric for c in regressions(found, Limits(2.9))] == ["top1"]
    assert regressions(found, Limits(3.1)) == []


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
    assert [c.metric for c in regressions(changes, Limits(abs(percent) - 1))] == [metric] * is_worse
    assert regressions(changes, Limits(abs(percent) + 1)) == []


def test_every_output_is_judged_and_not_the_first_alone():
    base = scored(("cls", "top1", 0.9), ("box", "mse", 1.0), ("mask", "mean_iou", 0.8))
    box = scored(("cls", "top1", 0.9), ("box", "mse", 2.0), ("mask", "mean_iou", 0.8))
    mask = scored(("cls", "top1", 0.9), ("box", "mse", 1.0), ("mask", "mean_iou", 0.4))
    found = compare(base, box)
    assert [(c.head, c.metric) for c in regressions(found, Limits(5))] == [("box", "mse")]
    assert [(c.head, c.metric) for c in regressions(compare(base, mask), Limits(5))] == [
        ("mask", "mean_iou")
    ]
    assert regressions(compare(box, base), Limits(0)) == [] and unchecked(found, ANY) == []


def test_the_second_output_of_classes_is_judged_in_points_and_by_chance():
    results = [
        scored(("a", "top1", 0.9), ("b", "top1", second), samples=10_000) for second in (0.9, 0.8)
    ]
    (worse,) = regressions(compare(*results), Limits(5))
    assert worse.head == "b" and worse.percent == pytest.approx(-10) and worse.p_value < 0.01
    assert regressions(compare(*results), Limits(11)) == []


def test_an_error_that_rose_from_none_is_beyond_any_limit():
    found = compare(scored(("y", "mse", 0.0)), scored(("y", "mse", 0.5)))
    assert [c.metric for c in regressions(found, Limits(1000))] == ["mse"]
    assert of(found, "mse").percent is None


def test_a_score_that_was_lost_or_is_by_another_metric_leaves_a_limit_unchecked():
    base = scored(("y", "mse", 1.0))
    other = scored(("y", "mae", 1.0))
    none = result_of(counted("dense", 1000), counted("deployed", 1000))
    assert [c.metric for c in unchecked(compare(base, other), ANY)] == ["mae"]
    assert [c.metric for c in unchecked(compare(base, none), ANY)] == ["mse"]
    assert unchecked(compare(none, base), ANY) == []
    alone = result_of(counted("deployed", 7))
    timed_alone = result_of(variant("deployed", processes(9), bytes=1))
    assert [c.metric for c in unchecked(compare(alone, timed_alone), ANY)] == [
        "latency_us", "instructions",
    ]  # fmt: skip
    two = scored(("y", "mse", 1.0), ("z", "mse", 1.0))
    three = scored(("y", "mse", 1.0), ("w", "mse", 1.0))
    assert [c.head for c in unchecked(compare(two, three), ANY)] == ["z"]


def test_top1_goes_with_the_p_value_of_fishers_test():
    pair = [emulated(10, accuracy=top1(value, 10)) for value in (0.9, 0.2)]
    change = of(compare(*pair), "top1")
    assert change.p_value == pytest.approx(fisher_exact([[9, 1], [2, 8]]).pvalue)
    assert (change.head, change.why) == ("", "")
    assert (change.verdict, change.percent, change.is_in_points) == ("worse", -70.0, True)
    assert not of(compare(*pair), "bytes").is_in_points


def test_an_error_on_other_samples_says_both():
    pair = [scored(("y", "mse", value), samples=n) for value, n in ((1.0, 1000), (0.5, 2000))]
    change = of(compare(*pair), "mse")
    assert (change.why, change.verdict) == ("lower is better, on 1,000 and 2,000 samples", "better")
    assert (change.base, change.new) == (1.0, 0.5)
    alike = of(compare(pair[0], scored(("y", "mse", 0.5), samples=1000)), "mse")
    assert alike.why == "lower is better"
    other = of(compare(scored(("y", "mae", 2.0)), pair[0]), "mse")
    assert (other.base, other.new, other.percent) == (2.0, 1.0, None)
    assert other.why == "A was scored by mae"
