"""What ``explain`` finds, in at most twelve lines: the answer first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from edgeprune.artifacts.plan import Forecast, Obstacle, Plan
from edgeprune.models.tflite.layer_names import common_folder
from edgeprune.recipe import Recipe
from edgeprune.report.figures import count_text
from edgeprune.report.predicted import (
    NOT_KNOWN,
    PREDICTED_TIME,
    change_phrase,
    predicted_time,
    prediction_remarks,
)
from edgeprune.report.summary import Row, line, table_lines

_MOST_OBSTACLES = 3
"""Reasons why layers run dense that are shown; -v shows all. Source: ours."""


def print_explained(
    head: str,
    plan: Plan,
    stored: Plan,
    recipe: Recipe,
    after: Forecast | None,
    next_step: str,
    console: Console,
) -> None:
    """Prints the sentence to read first, one table, why layers run dense, and what to do next.

    Args:
        head: The model and the board, as ``digits.h5 on rpi4``.
        plan: What will run, or would if weights were stored sparse.
        stored: What will run as the file is.
        recipe: The recipe in force.
        after: What ``compress`` would make of it; None if that was not predicted.
        next_step: What to do next.
        console: Where to print.
    """
    line(console, f"{head}: {_sentence(stored, after)}", "bold")
    names = ["as it is"] if after is None else ["as it is", "compressed"]
    for row in table_lines(names, _rows(stored, after)):
        line(console, row)
    for remark in prediction_remarks([stored]):
        line(console, remark)
    if recipe.why:
        line(console, f"recipe {recipe.name}: {recipe.why}")
    folder = common_folder([operator.name for operator in plan.operators])
    obstacles = sorted(plan.obstacles(), key=lambda obstacle: -len(obstacle.layers))
    for obstacle in obstacles[:_MOST_OBSTACLES]:
        line(console, _obstacle(obstacle, folder))
    if len(obstacles) > _MOST_OBSTACLES:
        line(console, f"dense: {len(obstacles) - _MOST_OBSTACLES} further reasons, with -v")
    if plan.wrong:
        layers = f"{len(plan.wrong)} layer{'s' if len(plan.wrong) > 1 else ''}"
        text = f"WRONG OUTPUTS: stored sparse, the runtime would compute {layers} wrong (-v: which)"
        line(console, text, "bold red")
    line(console, f"next: {next_step}; -v shows every layer")


def is_worth_compressing(stored: Plan, after: Forecast | None) -> bool:
    """Whether a forecast is cheaper than the file as it is; no where nothing was predicted."""
    if after is None or stored.cost is None or after.plan.cost is None:
        return False
    return after.plan.cost < stored.cost


def _sentence(stored: Plan, after: Forecast | None) -> str:
    if not stored.layers:
        return "no layer is of a kind that has sparse kernels"
    now = f"{len(stored.sparse)} of {len(stored.layers)} layers run sparse as it is"
    if after is None:
        return now
    then = f"{len(after.plan.sparse)} of {len(after.plan.layers)} would when compressed"
    phrase = change_phrase(stored, after.plan)
    return f"{now}, {then}" + (f" ({phrase}, predicted)" if phrase else "")


def _rows(stored: Plan, after: Forecast | None) -> list[Row]:
    plans = [stored] if after is None else [stored, after.plan]
    change = "" if after is None else change_phrase(stored, after.plan)
    how = ""
    if after is not None and after.sparsity:
        how = f"at {after.sparsity:.0%} zeros, pattern {after.pattern}"
    layers = [f"{len(plan.sparse)} of {len(plan.layers)}" for plan in plans]
    rows: list[Row] = []
    if stored.clock is not None:
        rows.append((PREDICTED_TIME, list(map(predicted_time, plans)), change))
        change = ""
    return [
        *rows,
        ("instructions (estimated)", _counts(plans), change or _why_unknown(stored)),
        ("sparse layers", layers, how),
    ]


def _counts(plans: Sequence[Plan]) -> list[str]:
    return [
        NOT_KNOWN if plan.instructions is None else count_text(plan.instructions) for plan in plans
    ]


def _why_unknown(stored: Plan) -> str:
    if stored.unpredicted:
        return f"what {', '.join(stored.unpredicted)} takes depends on the data"
    if stored.instructions is None:
        return "only float32 on aarch64 was measured"
    return ""


def _obstacle(obstacle: Obstacle, folder: str) -> str:
    count = len(obstacle.layers)
    text = obstacle.text.replace(folder, "") if folder else obstacle.text
    remedy = f" -> {obstacle.remedy}" if obstacle.remedy else ""
    return f"dense: {count} layer{'s' if count > 1 else ''}: {text}{remedy}"
