"""What a network is for: its task, how it is trained for it, and how well it does it.

One meaning for everybody: whoever trains, scores or keeps to a limit asks here. NumPy alone, no
framework.
"""

from edgeprune.tasks.head import (
    AGREEMENT,
    LOSSES,
    TASK_METRICS,
    TASKS,
    Head,
    Task,
    plain_loss,
    plain_metric,
)
from edgeprune.tasks.limit import (
    ROUNDING,
    check_limit,
    check_share,
    limit_text,
    parse_limit,
    worst_drop,
)
from edgeprune.tasks.metrics import METRICS, Scorer, amount_text, score_text
from edgeprune.tasks.output import Dense, Output
from edgeprune.tasks.recognise import recognise
from edgeprune.tasks.said import Said, said_faults

__all__ = [
    "AGREEMENT",
    "LOSSES",
    "METRICS",
    "ROUNDING",
    "TASKS",
    "TASK_METRICS",
    "Dense",
    "Head",
    "Output",
    "Said",
    "Scorer",
    "Task",
    "amount_text",
    "check_limit",
    "check_share",
    "limit_text",
    "parse_limit",
    "plain_loss",
    "plain_metric",
    "recognise",
    "said_faults",
    "score_text",
    "worst_drop",
]
