"""The words for what a network is for, is trained with and is scored by; no library is needed."""

from __future__ import annotations

TASKS = ("classification", "multilabel", "segmentation", "regression")
"""Words of ``--task``."""

LOSSES = {
    "classification": ("categorical_crossentropy", "binary_crossentropy", "mse"),
    "segmentation": ("categorical_crossentropy", "binary_crossentropy", "mse"),
    "multilabel": ("binary_crossentropy", "mse"),
    "regression": ("mse", "mae", "huber"),
}
"""Words of ``--loss`` for each task."""

AGREEMENT = "agreement"
"""The metric of a head without labels: how far it answers as the dense network does."""

TAUGHT = "the dense network's own answers"
"""Labels of a head that tells classes apart, where the user gives none."""

TASK_METRICS = {
    "classification": ("top1",),
    "segmentation": ("mean_iou", "pixel_accuracy"),
    "multilabel": ("f1_macro", "f1_micro", "label_accuracy"),
    "regression": ("mse", "mae", "rmse", "r2"),
    "none": (AGREEMENT,),
}
"""Words of ``--metric`` for each task; the first one is taken where nobody says another.

Multi-label networks are scored by the mean F1 of their labels, because most entries of a table of
rare labels are 0: a network that finds none of them any more is still right on most entries.
"""

_OTHER_LOSSES = {
    "crossentropy": "categorical_crossentropy",
    "sparse_categorical_crossentropy": "categorical_crossentropy",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "huber_loss": "huber",
}
_OTHER_METRICS = {
    "accuracy": "top1",
    "acc": "top1",
    "binary_accuracy": "top1",
    "categorical_accuracy": "top1",
    "sparse_categorical_accuracy": "top1",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
    "f1": "f1_macro",
    "iou": "mean_iou",
    "mean_io_u": "mean_iou",
    "one_hot_mean_io_u": "mean_iou",
}
_ACCURACIES = {"segmentation": "pixel_accuracy", "multilabel": "label_accuracy"}


def plain_loss(name: str) -> str:
    """The word of :data:`LOSSES` for a name that Keras uses as well.

    >>> plain_loss("sparse_categorical_crossentropy")
    'categorical_crossentropy'
    """
    return _OTHER_LOSSES.get(name.lower(), name.lower())


def plain_metric(name: str, task: str = "") -> str:
    """The word of :data:`TASK_METRICS` for a name that Keras uses as well.

    >>> plain_metric("accuracy", "segmentation")
    'pixel_accuracy'
    """
    word = _OTHER_METRICS.get(name.lower(), name.lower())
    return _ACCURACIES.get(task, word) if word == "top1" else word
