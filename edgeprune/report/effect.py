"""Before and after compressing, as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console

from edgeprune.artifacts.measurement import Accuracy
from edgeprune.models.tflite.macs import Size
from edgeprune.report.figures import NOT_MEASURED, bytes_text, metric_and_score
from edgeprune.report.predicted import PREDICTED_TIME, Costed, predicted_time
from edgeprune.report.terminal import side_by_side, stdout
from edgeprune.tasks import score_text


class NetworkEffect(Costed, Protocol):
    """One network's figures, as :class:`edgeprune.auto.effect.Effect` has them."""

    @property
    def name(self) -> str:
        """Name of the network."""

    @property
    def size(self) -> Size:
        """Parameters and multiplications."""

    @property
    def bytes(self) -> int:
        """Size of its file."""

    @property
    def accuracy(self) -> Accuracy | None:
        """Score on the test samples; None where there is nothing to score."""


def print_effects(effects: Sequence[NetworkEffect], console: Console | None = None) -> None:
    """Prints a column a network.

    Args:
        effects: The dense one first.
        console: Where to print; standard output if None.
    """
    rows: dict[str, Callable[[NetworkEffect], str]] = {
        "parameters": lambda effect: f"{effect.size.parameters:,}",
        "not zero": lambda effect: _count(effect.size.nonzero_parameters),
        "multiplications": lambda effect: _count(effect.size.macs),
        "by what is not zero": lambda effect: _count(effect.size.nonzero_macs),
        "file": lambda effect: bytes_text(effect.bytes),
        "accuracy": lambda effect: _score(effect.accuracy),
        "instructions (estimated)": lambda effect: _millions(effect.instructions),
    }
    if any(effect.clock for effect in effects):
        rows[PREDICTED_TIME] = predicted_time
    shown = [(name, [row(effect) for effect in effects]) for name, row in rows.items()]
    (console or stdout()).print(side_by_side([effect.name for effect in effects], shown))


def _score(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return NOT_MEASURED
    if accuracy.heads:
        return "; ".join(f"{head.name} {metric_and_score(head)}" for head in accuracy.heads)
    if accuracy.metric == "top1":
        return f"{score_text('top1', accuracy.value)} of {accuracy.samples:,}"
    return f"{metric_and_score(accuracy)} of {accuracy.samples:,}"


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _millions(instructions: float | None) -> str:
    return "not known" if instructions is None else f"{instructions / 1e6:.2f} M"
