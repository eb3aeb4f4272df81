"""What a network is for: its task, how it is trained for it, and how well it does it.

One meaning for everybody: whoever trains, scores or keeps to a limit asks here. NumPy alone, no
framework; and not even NumPy for the words, which the command line completes.
"""

import importlib
from typing import TYPE_CHECKING, Any

from edgeprune.tasks.said import Said, said_faults
from edgeprune.tasks.vocabulary import (
    AGREEMENT,
    LOSSES,
    TASK_METRICS,
    TASKS,
    TAUGHT,
    plain_loss,
    plain_metric,
)

if TYPE_CHECKING:
    from edgeprune.tasks.head import Head as Head
    from edgeprune.tasks.head import Task as Task
    from edgeprune.tasks.limit import ROUNDING as ROUNDING
    from edgeprune.tasks.limit import check_limit as check_limit
    from edgeprune.tasks.limit import check_share as check_share
    from edgeprune.tasks.limit import limit_text as limit_text
    from edgeprune.tasks.limit import parse_limit as parse_limit
    from edgeprune.tasks.limit import worst_drop as worst_drop
    from edgeprune.tasks.metrics import METRICS as METRICS
    from edgeprune.tasks.metrics import Scorer as Scorer
    from edgeprune.tasks.metrics import amount_text as amount_text
    from edgeprune.tasks.metrics import classes_of as classes_of
    from edgeprune.tasks.metrics import score_text as score_text
    from edgeprune.tasks.output import Dense as Dense
    from edgeprune.tasks.output import Output as Output
    from edgeprune.tasks.output import gives_of as gives_of
    from edgeprune.tasks.recognition import recognise as recognise
else:
    _MODULES = {
        "head": ("Head", "Task"),
        "limit": (
            "ROUNDING",
            "check_limit",
            "check_share",
            "limit_text",
            "parse_limit",
            "worst_drop",
        ),
        "metrics": ("METRICS", "Scorer", "amount_text", "classes_of", "score_text"),
        "output": ("Dense", "Output", "gives_of"),
        "recognition": ("recognise",),
    }

    def __getattr__(name: str) -> Any:
        """What is in ``__all__``, imported when asked for: it brings NumPy."""
        for module, names in _MODULES.items():
            if name in names:
                return getattr(importlib.import_module(f"edgeprune.tasks.{module}"), name)
        raise AttributeError(f"module 'edgeprune.tasks' has no attribute {name!r}")


__all__ = [
    "AGREEMENT",
    "LOSSES",
    "METRICS",
    "ROUNDING",
    "TASKS",
    "TASK_METRICS",
    "TAUGHT",
    "Dense",
    "Head",
    "Output",
    "Said",
    "Scorer",
    "Task",
    "amount_text",
    "check_limit",
    "check_share",
    "classes_of",
    "gives_of",
    "limit_text",
    "parse_limit",
    "plain_loss",
    "plain_metric",
    "recognise",
    "said_faults",
    "score_text",
    "worst_drop",
]
