import dataclasses

import numpy as np
import pytest
from sklearn import metrics as reference

from edgeprune.tasks import TAUGHT, Head, Scorer, Task, worst_drop

RNG = np.random.default_rng(1)


def scored(head, outputs, targets):
    """Summed over uneven pieces."""
    scorer = Scorer(Task((head,)))
    for start, end in ((0, 7), (7, 20), (20, len(outputs))):
        scorer.add([outputs[start:end]], [targets[start:end]])
    return scorer.scores()["out"]


def made(task, metric, channels, gives="values", shape=(), **rest):
    return Head("out", (*shape, channels), task, "", gives, channels, "", metric, **rest)


@pytest.mark.parametrize("metric", ["mse", "mae", "rmse", "r2"])
@pytest.mark.parametrize("values", [1, 3])
def test_errors_are_scikit_learns(metric, values):
    y = 50 + 10 * RNG.normal(size=(40, values))
    out = y + RNG.normal(size=y.shape)
    theirs = {
        "mse": reference.mean_squared_error,
        "mae": reference.mean_absolute_error,
        "rmse": lambda a, b: np.sqrt(reference.mean_squared_error(a, b)),
        "r2": lambda a, b: reference.r2_score(a, b, multioutput="variance_weighted"),
    }
    assert scored(made("regression", metric, values), out, y) == pytest.approx(
        theirs[metric](y, out), rel=1e-9
    )


@pytest.mark.parametrize("metric", ["f1_macro", "f1_micro", "label_accuracy"])
@pytest.mark.parametrize(("gives", "shift"), [("sigmoid", 0.5), ("logits", 0.0)])
def test_multi_label_scores_are_scikit_learns(metric, gives, shift):
    y = RNG.integers(0, 2, (40, 4))
    out = (y - 0.5) + 0.5 * RNG.normal(size=y.shape) + shift
    answers = out > shift
    theirs = {
        "f1_macro": lambda: reference.f1_score(y, answers, average="macro"),
        "f1_micro": lambda: reference.f1_score(y, answers, average="micro"),
        "label_accuracy": lambda: (answers == y).mean(),
    }
    assert scored(made("multilabel", metric, 4, gives), out, y) == pytest.approx(theirs[metric]())


def test_a_rare_label_that_is_lost_costs_its_whole_share_of_f1():
    y = np.zeros((100, 4), int)
    y[:, 0] = y[:50, 1] = y[:30, 2] = y[:2, 3] = 1
    lost = y.copy()
    lost[:, 3] = 0
    assert scored(made("multilabel", "f1_macro", 4, "sigmoid"), lost, y) == 0.75
    assert scored(made("multilabel", "label_accuracy", 4, "sigmoid"), lost, y) == 0.995


def test_overlap_is_the_mean_of_intersection_over_union_where_pixels_count():
    y = RNG.integers(-1, 3, (40, 5, 6))
    out = RNG.normal(size=(40, 5, 6, 3)) + 2 * np.eye(4)[y][..., :3]
    known, answers = y.reshape(-1) >= 0, out.reshape(-1, 3).argmax(1)
    theirs = reference.jaccard_score(y.reshape(-1)[known], answers[known], average="macro")
    head = made("segmentation", "mean_iou", 3, shape=(5, 6), ignored=True)
    assert scored(head, out, y) == pytest.approx(theirs)
    head = made("segmentation", "pixel_accuracy", 3, shape=(5, 6), ignored=True)
    assert scored(head, out, y) == pytest.approx((answers == y.reshape(-1))[known].mean())


def test_a_mask_of_one_output_has_two_classes():
    y = RNG.integers(0, 2, (40, 5, 6))
    head = Head("out", (5, 6, 1), "segmentation", "", "logits", 2, "", "mean_iou")
    out = (2.0 * y - 1)[..., None] * RNG.choice([1, 1, 1, -1], y.shape)[..., None]
    theirs = reference.jaccard_score(y.reshape(-1), out.reshape(-1) > 0, average="macro")
    assert scored(head, out, y) == pytest.approx(theirs)


@pytest.mark.parametrize(("gives", "threshold"), [("sigmoid", 0.5), ("logits", 0.0), ("tanh", 0.0)])
def test_a_single_output_counts_from_its_threshold(gives, threshold):
    y = RNG.integers(0, 2, 40)
    out = (y - 0.5)[:, None] * 0.2 + threshold
    head = Head("out", (1,), "classification", "", gives, 2, "", "top1")
    assert scored(head, out, y) == 1.0


def test_an_answer_that_is_no_number_is_no_right_one():
    out = np.full((40, 3), np.nan)
    head = made("classification", "top1", 3, "logits")
    assert scored(head, out, np.zeros(40, int)) == 0.0


def test_the_dense_network_agrees_with_itself_and_a_constant_with_nobody():
    answers = RNG.random((40, 3))
    for gives in ("softmax", "values", "sigmoid"):
        head = made("none", "agreement", 3, gives)
        assert scored(head, answers, answers) == 1.0
        assert scored(head, 0 * answers, answers) < 0.5


def test_own_answers_for_labels_count_the_same_classes():
    head = made("classification", "agreement", 3, "logits")
    head = dataclasses.replace(head, labels=TAUGHT)
    answers = RNG.normal(size=(40, 3))
    assert scored(head, answers, answers.argmax(1)) == 1.0
    assert scored(head, -answers, answers.argmax(1)) == 0.0


def test_values_of_unlike_size_are_scored_one_by_one_and_held_to_limits_each():
    rng = np.random.default_rng(0)
    y = (rng.normal(size=(60, 2)) * (1000, 0.001)).astype(np.float32)
    head = Head(
        "out", (2,), "regression", "", "values", 0, "mse", "mse", (2,), 3000.0, 700.0,
        (3000.0, 0.003), (1000.0, 0.001),
    )  # fmt: skip
    task = Task((head,))

    def scores(answers):
        scorer = Scorer(task)
        for part in (slice(0, 25), slice(25, 60)):
            scorer.add([answers[part]], [y[part]])
        return scorer.scores()

    dense = scores(y * np.float32(0.9))
    wanted = np.square(0.1 * y.astype(np.float64)).mean(axis=0)
    assert [dense[f"out[{k}]"] for k in (0, 1)] == pytest.approx(list(wanted), rel=1e-3)
    assert dense["out"] == pytest.approx(wanted.mean(), rel=1e-3)
    lost = y * np.float32(0.9)
    lost[:, 1] = 0  # the small one knows nothing any more
    now = scores(lost)
    assert now["out"] == pytest.approx(dense["out"], rel=1e-9)
    worst, drop = worst_drop(task, dense, now)
    assert worst.name == "out[1]" and drop == pytest.approx(99, rel=1e-3)
