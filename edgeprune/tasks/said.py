"""What the user says of the task: ``--task``, ``--loss``, ``--metric``, or the compiled model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeprune.tasks.vocabulary import LOSSES, TASK_METRICS, TASKS, plain_loss, plain_metric
from edgeprune.text.near_names import did_you_mean

_ALL_LOSSES = tuple(dict.fromkeys(word for words in LOSSES.values() for word in words))
_ALL_METRICS = tuple(dict.fromkeys(word for task in TASKS for word in TASK_METRICS[task]))


@dataclass(frozen=True)
class Said:
    """What was said, each a word for all heads or ``head=word`` pairs joined by commas.

    Attributes:
        task: One of :data:`TASKS`, or empty.
        loss: One of :data:`LOSSES`, or empty.
        metric: One of :data:`TASK_METRICS`, or empty.
        compiled_losses: Names of losses that the model was compiled with, by head; the key is empty
            for one that is for all heads. They count where they fit what the data is.
        compiled_metrics: Names of metrics likewise.
    """

    task: str = ""
    loss: str = ""
    metric: str = ""
    compiled_losses: Mapping[str, str] = field(default_factory=dict)
    compiled_metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def task_of(self, head: str) -> str:
        """What was said of one head's task, or nothing."""
        return _word(self.task, head).lower()

    def loss_of(self, head: str) -> str:
        """The same of its loss."""
        return plain_loss(_word(self.loss, head))

    def metric_of(self, head: str, task: str) -> str:
        """The same of its metric."""
        return plain_metric(_word(self.metric, head), task)

    def compiled_loss(self, head: str) -> str:
        """The loss that the model was compiled with for a head, or nothing."""
        losses = self.compiled_losses
        return plain_loss(losses.get(head, losses.get("", "")))

    def compiled_metrics_of(self, head: str, task: str) -> list[str]:
        """The metrics that it was compiled with."""
        metrics = self.compiled_metrics
        return [plain_metric(name, task) for name in metrics.get(head, metrics.get("", ()))]

    def heads(self) -> set[str]:
        """Names of heads of which something was said."""
        texts = (self.task, self.loss, self.metric)
        return {name for text in texts for name in pairs(text) if name}


def pairs(text: str) -> dict[str, str]:
    """Words by head; the key is empty for a word that is for all.

    >>> pairs("cls=classification, box=regression")
    {'cls': 'classification', 'box': 'regression'}
    """
    words_by_key = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, word = part.rpartition("=")
        words_by_key[name.strip()] = word.strip()
    return words_by_key


def _word(text: str, head: str) -> str:
    found = pairs(text)
    return found.get(head, found.get("", ""))


def said_faults(task: str, loss: str, metric: str) -> list[str]:
    """What is wrong with words, before any data is looked at."""
    wrong = []
    for key, text, known, plain in (
        ("task", task, TASKS, str.lower),
        ("loss", loss, _ALL_LOSSES, plain_loss),
        ("metric", metric, _ALL_METRICS, plain_metric),
    ):
        wrong += [
            f"{key} must be one of {', '.join(known)}, or head=word pairs of them, got {word!r}"
            f"{did_you_mean(word, known)}"
            for word in pairs(text).values()
            if plain(word) not in known
        ]
    if wrong:
        return wrong
    said = Said(task, loss, metric)
    heads = said.heads() or {""}
    return [fault for head in sorted(heads) for fault in _clashes(said, head)]


def _clashes(said: Said, head: str) -> list[str]:
    tasks = [said.task_of(head)] if said.task_of(head) else list(TASKS)
    loss = said.loss_of(head)
    fits = [task for task in tasks if not loss or loss in LOSSES[task]]
    fits = [
        task
        for task in fits
        if not (metric := said.metric_of(head, task)) or metric in TASK_METRICS[task]
    ]
    if fits:
        return []
    asked = {
        "task": said.task_of(head),
        "loss": loss,
        "metric": plain_metric(_word(said.metric, head)),
    }
    words = " and ".join(f"{key} {word}" for key, word in asked.items() if word)
    return [f"{words} do not go together{': ' + head_words(said.task_of(head))}"]


def head_words(task: str) -> str:
    """What may be said beside a task, in words."""
    tasks = [task] if task else list(TASKS)
    return "; ".join(
        f"{one} takes the losses {', '.join(LOSSES[one])} and the metrics "
        f"{', '.join(TASK_METRICS[one])}"
        for one in tasks
    )
