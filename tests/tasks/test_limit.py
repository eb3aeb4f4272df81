import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ConfigError, ModelError
from edgeprune.tasks import METRICS, TASK_METRICS, Head, Task, check_limit, limit_text, parse_limit
from edgeprune.tasks.limit import ROUNDING, drop, worst_drop


def head(metric, name="out", scale=1.0):
    return Head(name, (1,), "regression", "", "values", 0, "mse", metric, (1,), scale)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("1%", 0.01),
        ("1 %", 0.01),
        ("0.5%", 0.005),
        ("0.02", 0.02),
        ("0", 0.0),
        ("0%", 0.0),
        (".5", 0.5),
        ("1e-2", 0.01),
        ("100%", 1.0),
        ("0.999", 0.999),
    ],
)
def test_a_limit_is_a_percentage_or_a_share(text, share):
    assert parse_limit(text) == pytest.approx(share)


@pytest.mark.parametrize(
    "text",
    "1|1.0|2|100|-1%|-0.1|nan|inf|nan%||%|1%%|one|1,5%|101%|1e400|1_0%|٣%|0x1|+|1 0%".split("|"),
)
def test_what_is_no_limit_is_refused_in_one_line(text):
    with pytest.raises(ConfigError, match="--max-accuracy-drop") as caught:
        parse_limit(text)
    assert "\n" not in str(caught.value) and "%" in str(caught.value)


def test_one_without_a_percent_sign_says_what_to_write():
    with pytest.raises(ConfigError, match=r"write 1% or 0\.01 for 1 percent"):
        parse_limit("1")


@pytest.mark.parametrize("metric", sorted(METRICS))
@given(score=st.floats(0.1, 1), share=st.floats(0.01, 0.5))
def test_worse_is_a_loss_and_better_is_none_whatever_the_metric(metric, score, share):
    sign = -1 if METRICS[metric].higher_is_better else 1
    worse, better = score * (1 + sign * share), score * (1 - sign * share)
    assert drop(head(metric), score, worse) > 0 > drop(head(metric), score, better)
    assert drop(head(metric), score, score) == 0


def test_points_for_top1_and_shares_of_the_dense_score_for_all_else():
    assert drop(head("top1"), 0.5, 0.49) == pytest.approx(0.01)
    assert drop(head("r2"), 0.5, 0.49) == pytest.approx(0.02)
    assert drop(head("mae"), 2.0, 2.02) == pytest.approx(0.01)
    assert drop(head("mean_iou"), 0.8, 0.4) == pytest.approx(0.5)
    in_points = [name for name, metric in METRICS.items() if metric.in_points]
    assert in_points == list(TASK_METRICS["classification"])


def test_of_an_error_of_none_nothing_but_rounding_may_be_lost():
    assert drop(head("mae"), 0.0, 0.9e-6) <= 0
    assert drop(head("mae"), 0.0, 1e-3) > 100
    assert drop(head("mse", scale=1000.0), 0.0, 1e-7) <= 0 < drop(head("mse"), 0.0, 1e-7)
    assert drop(head("mae", scale=0.0), 0.0, 1.0) > 1


def test_a_score_that_is_no_number_has_lost_all():
    assert drop(head("top1"), 0.9, math.nan) == math.inf
    task = Task((head("top1", "a"), head("mae", "b")))
    worst, lost = worst_drop(task, {"a": 0.9, "b": 1.0}, {"a": 0.9})
    assert worst.name == "b" and lost == math.inf


def test_the_head_that_lost_most_decides():
    task = Task((head("top1", "a"), head("mae", "b")))
    worst, lost = worst_drop(task, {"a": 0.9, "b": 1.0}, {"a": 0.85, "b": 1.2})
    assert worst.name == "b" and lost == pytest.approx(0.2)
    assert worst_drop(task, {"a": 0.9, "b": 1.0}, {"a": 0.9, "b": 0.5})[1] <= ROUNDING


@pytest.mark.parametrize(
    ("metric", "score"), [("r2", 0.0), ("r2", -3.0), ("mean_iou", 0.0), ("f1_macro", math.nan)]
)
def test_no_share_of_a_score_that_is_none_can_be_kept(metric, score):
    with pytest.raises(ModelError, match="--max-accuracy-drop: the dense model's"):
        check_limit(Task((head(metric),)), {"out": score})


def test_what_a_limit_means_is_said():
    said = {
        "top1": "at most 1 point of top1 below dense's 99.2%",
        "mae": "mean absolute error at most 1% above dense's 2.31",
        "mean_iou": "mean IoU at most 1% below dense's 80.00%",
        "agreement": "at least 99% agreement with the dense network",
    }
    scores = {"top1": 0.992, "mae": 2.31, "mean_iou": 0.8, "agreement": 1.0}
    for metric, line in said.items():
        assert limit_text(head(metric), scores[metric], 0.01) == line
    assert "at most 0.5 points of" in limit_text(head("top1"), 0.9, 0.005)
