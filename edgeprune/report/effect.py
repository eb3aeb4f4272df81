"""Before and after compressing, as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from edgeprune.report.figures import NOT_MEASURED, bytes_text, metric_and_score
from edgeprune.report.terminal import side_by_side, stdout
from edgeprune.tasks import score_text


def print_effects(effects: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints a column a network.

    Args:
        effects: :class:`edgeprune.auto.effect.Effect` as mappings, the dense one first.
        console: Where to print; standard output if None.
    """
    rows: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "parameters": lambda one: f"{one['size']['parameters']:,}",
        "not zero": lambda one: f"{one['size']['nonzero_parameters']:,}",
        "multiplications": lambda one: _count(one["size"]["macs"]),
        "by what is not zero": lambda one: _count(one["size"]["nonzero_macs"]),
        "file": lambda one: bytes_text(one["bytes"]),
        "accuracy": lambda one: _score(one["accuracy"]),
        "instructions (estimated)": lambda one: _millions(one["instructions"]),
    }
    shown = [(name, [row(one) for one in effects]) for name, row in rows.items()]
    (console or stdout()).print(side_by_side([one["name"] for one in effects], shown))


def _score(accuracy: Mapping[str, Any] | None) -> str:
    if accuracy is None:
        return NOT_MEASURED
    if heads := accuracy.get("heads"):
        return "; ".join(f"{one['name']} {metric_and_score(one)}" for one in heads)
    if accuracy["metric"] == "top1":
        return f"{score_text('top1', accuracy['value'])} of {accuracy['samples']:,}"
    return metric_and_score(accuracy)


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _millions(instructions: float | None) -> str:
    return "not known" if instructions is None else f"{instructions / 1e6:.2f} M"
