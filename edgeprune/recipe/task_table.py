"""The recipe's table ``[task]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.tasks import said_faults


@dataclass(frozen=True)
class TaskTable:
    """Table ``[task]``: what the model is for, where data and model do not tell it right.

    Each is a word, or ``head=word`` pairs joined by commas where the model has several outputs;
    empty is found out.

    Attributes:
        kind: One of :data:`edgeprune.tasks.TASKS`.
        loss: What is trained with, one of :data:`edgeprune.tasks.LOSSES`.
        metric: What is scored with, one of :data:`edgeprune.tasks.TASK_METRICS`.
    """

    kind: str = ""
    loss: str = ""
    metric: str = ""


def task_faults(table: TaskTable) -> list[str]:
    """What is wrong with the table's values."""
    return said_faults(table.kind, table.loss, table.metric)
