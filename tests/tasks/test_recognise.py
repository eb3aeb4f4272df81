import numpy as np
import pytest

from edgeprune.errors import ModelError
from edgeprune.tasks import Dense, Output, Said, Scorer, recognise

RNG = np.random.default_rng(0)


def logits(labels, classes, gain=8.0):
    return gain * np.eye(classes)[labels] - gain / 2


def softmax(z):
    raised = np.exp(z - z.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def found(output, y, answers=None, said=None, train=None):
    """The head and the targets to score with."""
    targets = {"test": {"": y}}
    if train is not None:
        targets["train"] = {"": train}
    x = np.zeros((len(y), 1), np.float32)
    dense = Dense(None if answers is None else lambda rows: [answers[: len(rows)]], x)
    task, kept = recognise([output], targets, said or Said(), dense)
    return task.main, kept["test"]


CLASSES = RNG.integers(0, 5, 40)
BITS = RNG.integers(0, 2, (40, 5))
BITS[0] = (1, 1, 0, 0, 0)
ONE_HOT = np.eye(5)[CLASSES]
BINARY = CLASSES % 2


@pytest.mark.parametrize("kind", ["i8", "u1", "f4", "f8", "i4"])
@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_class_numbers_of_any_type_and_shape_are_classes(kind, shape):
    head, y = found(Output("out", (5,), "softmax"), CLASSES.astype(kind).reshape(shape))
    assert (head.task, head.classes, head.loss) == ("classification", 5, "categorical_crossentropy")
    assert head.metric == "top1" and y.dtype == np.int64 and np.array_equal(y, CLASSES)


@pytest.mark.parametrize("kind", ["u1", "f4", "?", "i8"])
@pytest.mark.parametrize("activation", ["softmax", "linear", ""])
def test_one_hot_of_any_type_is_classes_whatever_the_head(kind, activation):
    answers = logits(CLASSES, 5)
    head, y = found(Output("out", (5,), activation), ONE_HOT.astype(kind), answers)
    assert (head.task, head.labels, head.loss) == (
        "classification",
        "one-hot",
        "categorical_crossentropy",
    )
    assert head.gives == ("softmax" if activation == "softmax" else "logits")
    assert np.array_equal(y, CLASSES)


def test_probabilities_are_told_by_their_values_where_the_operator_does_not():
    head, _ = found(Output("out", (5,)), ONE_HOT, softmax(logits(CLASSES, 5)))
    assert head.gives == "softmax"


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_smoothed_labels_stay_shares_and_are_scored_as_classes(activation):
    smoothed = 0.9 * ONE_HOT + 0.02
    head, y = found(Output("out", (5,), activation), smoothed, train=smoothed)
    assert head.task == "classification" and y.shape == (40, 5) and head.target_shape == (5,)


def test_smoothed_training_labels_may_stand_beside_class_numbers():
    head, y = found(Output("out", (5,), "softmax"), CLASSES, train=0.9 * ONE_HOT + 0.02)
    assert head.target_shape == (5,) and np.array_equal(y.argmax(1), CLASSES)


def test_several_ones_are_a_multi_label_table_and_so_are_rows_without_any():
    for bits in (BITS, BITS.astype(bool), np.where(BITS, 0.95, 0.05)):
        head, y = found(Output("out", (5,), "sigmoid"), bits)
        assert (head.task, head.loss, head.metric) == (
            "multilabel",
            "binary_crossentropy",
            "f1_macro",
        )
        assert y.dtype == np.float32
    assert found(Output("out", (5,), "sigmoid"), np.zeros((9, 5)))[0].task == "multilabel"


def test_a_sigmoid_for_each_class_is_trained_as_such_and_scored_by_the_highest():
    head, _ = found(Output("out", (5,), "sigmoid"), ONE_HOT)
    assert (head.task, head.gives, head.loss) == (
        "classification",
        "sigmoid",
        "binary_crossentropy",
    )


@pytest.mark.parametrize("kind", ["?", "u1", "f4"])
def test_one_output_tells_two_classes_apart(kind):
    head, y = found(Output("out", (1,), "sigmoid"), BINARY.astype(kind))
    assert (head.task, head.gives, head.threshold) == ("classification", "sigmoid", 0.5)
    assert np.array_equal(y, BINARY)


def test_one_linear_output_is_a_logit_or_a_value_whichever_scores_better():
    output = Output("out", (1,), "linear")
    as_logits = (8.0 * BINARY - 4 + RNG.normal(size=40))[:, None]
    as_values = (BINARY + 0.1 * RNG.normal(size=40))[:, None]
    assert found(output, BINARY, as_logits)[0].threshold == 0.0
    head, _ = found(output, BINARY, as_values)
    assert (head.gives, head.threshold, head.loss) == ("values", 0.5, "mse")


def test_labels_minus_one_and_one_are_two_classes():
    head, y = found(Output("out", (1,), "tanh"), 2 * BINARY - 1)
    assert (head.task, head.threshold) == ("classification", 0.0) and np.array_equal(y, BINARY)


@pytest.mark.parametrize("y", [RNG.integers(18, 90, 40), RNG.normal(size=40), 100.0 * BINARY])
def test_one_output_and_other_numbers_are_a_regression(y):
    head, kept = found(Output("out", (1,), "linear"), y)
    assert (head.task, head.loss, head.metric, head.gives) == ("regression", "mse", "mse", "values")
    assert head.scale == pytest.approx(np.abs(y).max()) and kept.dtype == np.float32


def test_boxes_are_a_regression_also_behind_a_sigmoid():
    head, _ = found(Output("out", (4,), "sigmoid"), RNG.random((40, 4)))
    assert head.task == "regression"


def test_targets_that_a_head_cannot_reach_are_refused():
    with pytest.raises(ModelError, match=r"y_test has values from .* sigmoid head gives 0 to 1"):
        found(Output("out", (1,), "sigmoid"), RNG.integers(18, 90, 40))


MASKS = RNG.integers(0, 3, (6, 4, 5))


@pytest.mark.parametrize(
    ("y", "shape"),
    [
        (MASKS, (4, 5, 3)),
        (MASKS[..., None].astype(np.uint8), (4, 5, 3)),
        (np.eye(3)[MASKS], (4, 5, 3)),
        (np.where(MASKS == 2, 255, MASKS).astype(np.uint8), (4, 5, 3)),
    ],
)
def test_a_class_for_each_pixel_is_a_segmentation(y, shape):
    head, kept = found(Output("out", shape, "softmax"), y)
    assert (head.task, head.classes, head.metric) == ("segmentation", 3, "mean_iou")
    assert kept.dtype == np.int16 and kept.shape == (6, 4, 5)
    assert head.ignored == bool((kept < 0).any()) == bool((np.asarray(y) == 255).any())


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("shape", [(6, 4, 5), (6, 4, 5, 1)])
def test_one_value_for_each_pixel_is_a_mask_of_two_classes(white, shape):
    y = (white * (MASKS > 0)).astype(np.uint8).reshape(shape)
    head, kept = found(Output("out", (4, 5, 1), "sigmoid"), y)
    assert (head.task, head.classes) == ("segmentation", 2) and kept.max() == 1


def test_white_masks_of_two_classes_are_no_pixels_without_a_class():
    y = np.where(MASKS > 0, 255, 0).astype(np.uint8)
    head, kept = found(Output("out", (4, 5, 2), "softmax"), y)
    assert not head.ignored and np.array_equal(kept, MASKS > 0)


def test_masks_of_outputs_without_a_channel_are_told():
    output, y = Output("out", (4, 5), "sigmoid"), (MASKS > 0).astype(np.uint8)
    assert found(output, y)[0].task == "multilabel"
    head, kept = found(output, y, said=Said("segmentation"))
    assert head.shape == (4, 5, 1) and head.classes == 2 and kept.shape == (6, 4, 5)


def test_values_for_each_pixel_are_a_regression():
    assert found(Output("out", (4, 5, 1)), RNG.random((6, 4, 5)))[0].task == "regression"


def test_axes_of_size_one_in_front_of_the_classes_say_nothing():
    head, _ = found(Output("out", (1, 1, 5), "softmax"), CLASSES)
    assert head.task == "classification" and head.shape == (5,)


@pytest.mark.parametrize(
    ("y", "shape", "line"),
    [
        (CLASSES + 1, (5,), "labels from 1 to 5, .* classes 0 to 4 apart: count classes from 0"),
        (CLASSES + 0.5, (5,), "no class number"),
        (RNG.random((40, 3)), (5,), "y_test has 3 values a sample, the model gives 5"),
        (CLASSES, (4, 5, 3), "one label a sample"),
        (RNG.integers(0, 9, (40, 7)), (20, 9), "CTC"),
        (MASKS.swapaxes(1, 2), (4, 5, 3), "y_test has targets of shape"),
    ],
)
def test_labels_that_fit_no_reading_are_refused_in_one_line(y, shape, line):
    with pytest.raises(ModelError, match=line) as caught:
        found(Output("out", shape), y)
    assert "\n" not in str(caught.value)


def test_train_and_test_must_be_of_one_form():
    with pytest.raises(ModelError, match=r"y_train looks like .* one form"):
        found(Output("out", (5,)), CLASSES, train=RNG.normal(size=(40, 5)))
    assert found(Output("out", (5,)), CLASSES, train=ONE_HOT)[0].task == "classification"


def test_what_is_said_wins_where_it_fits():
    output = Output("out", (1,), "linear")
    head, _ = found(output, BINARY, said=Said("regression", metric="mae", loss="huber"))
    assert (head.task, head.loss, head.metric) == ("regression", "huber", "mae")
    assert found(output, BINARY, said=Said(loss="mae"))[0].task == "regression"
    assert found(Output("out", (5,)), ONE_HOT, said=Said(metric="f1"))[0].task == "multilabel"
    with pytest.raises(ModelError, match="task segmentation does not fit: y_test looks like class"):
        found(output, BINARY, said=Said("segmentation"))
    with pytest.raises(ModelError, match=r"no output 'cls', of which something is said"):
        found(output, BINARY, said=Said("cls=regression"))


def test_a_compiled_loss_and_metric_count_for_values_and_not_against_the_labels():
    compiled = Said(compiled_losses={"": "mean_absolute_error"}, compiled_metrics={"": ("r2",)})
    head, _ = found(Output("out", (1,)), RNG.normal(size=40), said=compiled)
    assert (head.loss, head.metric) == ("mae", "r2")
    wrong = Said(compiled_losses={"": "mse"})
    head, _ = found(Output("out", (5,), "softmax"), ONE_HOT, said=wrong)
    assert (head.loss, head.metric) == ("categorical_crossentropy", "top1")


HEADS = [Output("cls", (3,), "softmax"), Output("box", (4,), "sigmoid")]
THREE = RNG.integers(0, 3, 40)
BOXES = RNG.random((40, 4)).astype(np.float32)


def several(targets, said=None, answers=None):
    x = np.zeros((40, 1), np.float32)
    dense = Dense(None if answers is None else lambda rows: answers, x)
    return recognise(HEADS, targets, said or Said(), dense)


@pytest.mark.parametrize("names", [("cls", "box"), ("0", "1")])
def test_targets_of_several_heads_go_by_name_or_number(names):
    given = dict(zip(names, (THREE, BOXES), strict=True))
    task, kept = several({"train": given, "test": given})
    assert [head.task for head in task.heads] == ["classification", "regression"]
    back = task.split(kept["test"])
    assert np.array_equal(back[0][:, ...].reshape(-1), THREE) and np.allclose(back[1], BOXES)


def test_unnamed_labels_are_those_of_the_head_that_knows_them():
    answers = [softmax(logits(THREE, 3)), RNG.random((40, 4))]
    task, kept = several({"test": {"": THREE}}, answers=answers)
    assert [head.task for head in task.heads] == ["classification", "none"]
    assert task.main.name == "cls" and np.array_equal(kept["test"], THREE)
    assert several({"test": {"": BOXES}})[0].main.name == "box"
    said, _ = several({"test": {"": THREE}}, Said("box=classification"))
    assert said.main.name == "box"


@pytest.mark.parametrize(
    ("targets", "line"),
    [
        ({"test": {"": THREE}}, "y fits the outputs cls and box alike: name the output"),
        ({"test": {"": RNG.random((40, 9))}}, "y fits none of the model's outputs"),
        ({"test": {"klass": THREE}}, "has targets 'klass', and the model has no such output"),
        ({"test": {"cls": THREE, "0": THREE}}, "targets of one output come under several names"),
        ({"train": {"cls": THREE, "box": BOXES}, "test": {"cls": THREE}}, "no y_test for .*'box'"),
        ({"train": {"cls": THREE}, "test": {"cls": THREE, "box": BOXES}}, "no y_train for .*'box'"),
    ],
)
def test_targets_that_belong_to_no_head_are_refused(targets, line):
    with pytest.raises(ModelError, match=line):
        several(targets)


def test_the_line_says_it_all():
    task, _ = recognise(
        [Output("out", (5,), "linear")], {"test": {"": ONE_HOT}}, Said(), Dense(None, np.zeros(40))
    )
    assert task.line(1400, 397) == (
        "task: classification, 5 classes, one-hot labels, head gives logits; 1,400 train, 397 test;"
        " metric top1"
    )


@pytest.mark.parametrize("low", [0.05, 0.1])
@pytest.mark.parametrize(("shape", "kind"), [((1,), "classification"), ((4, 6, 1), "segmentation")])
def test_smoothed_labels_of_one_value_are_classes(low, shape, kind):
    hard = RNG.integers(0, 2, (40, *shape))
    head, y = found(Output("out", shape, "sigmoid"), low + (1 - 2 * low) * hard)
    assert (head.task, head.labels, head.classes) == (kind, "smoothed", 2)
    assert np.array_equal(y.reshape(-1), hard.reshape(-1))


@pytest.mark.parametrize("none", [-1, 255])
@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_places_without_a_class_count_nowhere_in_masks_of_one_value_too(none, activation):
    mask = RNG.integers(0, 2, (40, 4, 6))
    mask[RNG.random(mask.shape) < 0.2] = none
    head, y = found(Output("out", (4, 6, 1), activation), mask)
    assert (head.task, head.ignored) == ("segmentation", True)
    assert np.array_equal(y, np.where(mask == none, -1, mask))


def test_places_without_a_one_have_no_class_where_classes_exclude_one_another():
    labels = RNG.integers(0, 3, (40, 4, 6))
    table = np.eye(3)[labels]
    lost = RNG.random(labels.shape) < 0.2
    table[lost] = 0
    head, y = found(Output("out", (4, 6, 3), "softmax"), table)
    assert (head.task, head.ignored) == ("segmentation", True)
    assert np.array_equal(y, np.where(lost, -1, labels))
    assert found(Output("out", (4, 6, 3), "sigmoid"), table)[0].task == "multilabel"
    compiled = Said(compiled_losses={"": "CategoricalCrossentropy".lower()})
    assert found(Output("out", (4, 6, 3), "linear"), table, said=compiled)[0].task == "multilabel"
    compiled = Said(compiled_losses={"": "categorical_crossentropy"})
    head, y = found(Output("out", (4, 6, 3), "linear"), table, said=compiled)
    assert head.task == "segmentation" and np.array_equal(y == -1, lost)


def test_labels_of_minus_one_and_one_are_read_whatever_the_head():
    head, y = found(Output("out", (2,), "softmax"), BINARY * 2 - 1)
    assert head.task == "classification" and np.array_equal(y, BINARY)
    head, y = found(Output("out", (5,), "linear"), ONE_HOT * 2 - 1)
    assert head.task == "classification" and np.array_equal(y, CLASSES)
    head, y = found(Output("out", (5,), "tanh"), BITS * 2 - 1)
    assert head.task == "multilabel" and np.array_equal(y, BITS)
    mask = RNG.integers(0, 2, (40, 4, 6))
    head, y = found(Output("out", (4, 6, 1), "tanh"), mask * 2 - 1)
    assert head.task == "segmentation" and np.array_equal(y, mask)


@pytest.mark.parametrize("labels", [BINARY, BINARY * 2 - 1])
@pytest.mark.parametrize(
    ("answers", "threshold"),
    [
        (BINARY + 0.1 * RNG.normal(size=40), 0.5),
        (BINARY * 2 - 1 + 0.1 * RNG.normal(size=40), 0.0),
        (BINARY * 12 - 6 + RNG.normal(size=40), 0.0),
    ],
    ids=["0 to 1", "-1 to 1", "logits"],
)
def test_a_linear_output_is_cut_where_it_was_trained_to_be_whatever_the_labels(
    labels, answers, threshold
):
    head, _ = found(Output("out", (1,), "linear"), labels, answers[:, None])
    assert head.threshold == threshold


@pytest.mark.parametrize("none", [-1, 255])
def test_samples_without_a_class_are_to_be_left_out(none):
    y = np.where(RNG.random(40) < 0.2, none, CLASSES)
    with pytest.raises(ModelError, match=rf"leave out the samples that have no class \({none}\)"):
        found(Output("out", (5,), "softmax"), y)


def test_two_classes_counted_from_one_are_told_so():
    with pytest.raises(ModelError, match="count classes from 0"):
        found(Output("out", (1,), "sigmoid"), BINARY + 1)


UNLIKE = np.stack([1000 * RNG.normal(size=40), 0.001 * RNG.normal(size=40)], 1)


def test_values_of_unlike_size_are_told_apart():
    head, _ = found(Output("out", (2,), "linear"), UNLIKE)
    assert [one.name for one in head.values()] == ["out[0]", "out[1]"]
    assert head.value_spreads == pytest.approx(UNLIKE.std(axis=0), rel=1e-5)
    assert "of unlike size" in head.line()


def test_values_of_like_size_many_values_and_single_ones_stay_together():
    for y in (UNLIKE[:, :1], UNLIKE / UNLIKE.std(axis=0), np.tile(UNLIKE, 20)):
        assert found(Output("out", y.shape[1:], "linear"), y)[0].values() == ()


def test_a_value_that_never_changes_does_not_make_the_others_unlike():
    y = np.stack([UNLIKE[:, 0], np.full(40, 3.0), 2 * UNLIKE[:, 0]], 1)
    assert found(Output("out", (3,), "linear"), y)[0].values() == ()


def test_values_of_unlike_size_are_told_apart_where_there_are_no_labels_too():
    outputs = [Output("cls", (5,), "softmax"), Output("box", (2,), "linear")]
    answers = [softmax(logits(CLASSES, 5)), UNLIKE]
    dense = Dense(lambda rows: answers, np.zeros((40, 1), np.float32))
    task, _ = recognise(outputs, {"test": {"cls": CLASSES}}, Said(), dense)
    assert [head.name for head in task.judged] == ["cls", "box", "box[0]", "box[1]"]
    lost = UNLIKE * (1, 0)
    scorer = Scorer(task)
    scorer.add([answers[0], lost], [CLASSES, UNLIKE])
    scores = scorer.scores()
    assert scores["box"] > 0.999999 and scores["box[0]"] == 1 and scores["box[1]"] < 0.1
