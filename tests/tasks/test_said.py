import pytest

from edgeprune.tasks import LOSSES, TASK_METRICS, TASKS, Said, said_faults


@pytest.mark.parametrize("task", TASKS)
def test_every_word_that_help_lists_goes_with_its_task(task):
    for loss in LOSSES[task]:
        for metric in TASK_METRICS[task]:
            assert said_faults(task, loss, metric) == []
            assert said_faults(f"a={task}", f"a={loss}", f"a={metric}") == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("regression", "categorical_crossentropy", ""), "task regression and loss categorical_cr"),
        (("classification", "", "mae"), "task classification and metric mae do not go together"),
        (("", "mae", "top1"), "loss mae and metric top1 do not go together"),
        (
            ("a=regression,b=classification", "", "a=mae,b=mae"),
            "task classification and metric mae",
        ),
        (("detection", "", ""), "task must be one of classification, multilabel, segmentation"),
        (("", "focal", ""), "loss must be one of"),
        (("", "", "auc"), "metric must be one of"),
    ],
)
def test_words_that_do_not_go_together_are_refused_by_both_names(said, words):
    (fault,) = said_faults(*said)
    assert words in fault and "\n" not in fault


def test_names_of_keras_are_understood():
    assert said_faults("", "sparse_categorical_crossentropy", "accuracy") == []
    assert said_faults("regression", "mean_absolute_error", "r2_score") == []
    assert said_faults("segmentation", "", "accuracy") == []


def test_letter_case_does_not_matter():
    assert said_faults("Regression", "MSE", "a=R2") == []
    assert Said("a=Multilabel").task_of("a") == "multilabel"
