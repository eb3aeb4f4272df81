"""A comparison of two results as Markdown, for a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from edgeprune.history.result import Result
from edgeprune.report.compare import Change, are_different_models, subject
from edgeprune.report.estimated import TIME
from edgeprune.report.figures import (
    NOT_MEASURED,
    bytes_text,
    count_text,
    energy_text,
    time_text,
)
from edgeprune.report.flattened import flattened
from edgeprune.report.run_noise import are_side_by_side
from edgeprune.tasks import METRICS, score_text
from edgeprune.text.untrusted import printable

_NAMES = {
    "latency_us": "latency, median",
    "instructions": "instructions per inference (emulated)",
    "estimated_us": TIME,
    "bytes": "file size",
    "top1": "accuracy (top1)",
    "energy_uj": "energy per inference",
    "peak_memory_bytes": "peak memory",
    "flash_bytes": "flash",
}
_MOST_RECIPE_LINES = 12
_FEW_KEYS = 4


def markdown(
    names: tuple[str, str],
    base: Result,
    new: Result,
    changes: Sequence[Change],
    outcome: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> str:
    """The whole text.

    Args:
        names: Of both results, as the user gave them.
        base: The older result, ``A``.
        new: The newer one, ``B``.
        changes: From :func:`edgeprune.report.compare.compare`.
        outcome: What became of a limit, in sentences.
        verbose: Show every variant and every key of the recipes, and not the deployed one alone.
    """
    own = [change for change in changes if change.variant == subject(list(changes))]
    lines = [
        f"### {_title(base, new)}",
        f"**{headline(own)}**",
        "",
        "| | A | B | B against A | |",
        "| --- | ---: | ---: | ---: | --- |",
        *(_row(change) for change in (changes if verbose else own)),
        "",
        f"A is {plain(names[0])}, B is {plain(names[1])}.",
    ]
    notes = [*outcome, *context(base, new, verbose=verbose)]
    lines += [f"- {plain(note)}" for note in notes]
    return "\n".join(lines) + "\n"


def _title(base: Result, new: Result) -> str:
    older, newer = (plain(PurePath(each.model.path).name) for each in (base, new))
    on = plain(new.board)
    if are_different_models(base, new):
        return f"{older} and {newer} on {on}: different models"
    return f"{newer} on {on}"


def context(base: Result, new: Result, *, verbose: bool = True) -> list[str]:
    """What else differs between two results, and what speaks against either, in sentences.

    Args:
        base: The older result.
        new: The newer one.
        verbose: Give each key of the recipes with its values, and not the names alone.
    """
    notes = []
    for name, result in (("A", base), ("B", new)):
        validity = result.validity
        if validity.verdict != "valid":
            notes.append(f"{name} is {validity.verdict}: {'; '.join(validity.reasons)}")
    if any(variant.latency_us is not None for variant in new.variants):
        notes.append(
            "A and B were timed in turns, in one sitting"
            if are_side_by_side(base, new)
            else "A and B were timed one after the other, not in turns: how far runs lie apart on "
            "this device is in the interval"
        )
    old, now = base.device, new.device
    for what, before, after in (
        ("devices", f"{base.board} {old.id}", f"{new.board} {now.id}"),
        ("runtime", old.runtime_version, now.runtime_version),
        ("operating system", old.os, now.os),
    ):
        if before != after:
            notes.append(f"different {what}: {before} and {after}")
    if base.model.sha256 != new.model.sha256:
        notes.append("different model files")
    return notes + _recipe_changes(base.recipe, new.recipe, verbose=verbose)


def change_text(change: Change) -> str:
    """By how much a figure changed.

    >>> change_text(Change("deployed", "latency_us", 100.0, 112.0, 12.0, (8.0, 16.5), 0.004))
    '+12.0% (95%: +8.0 to +16.5), p = 0.004'
    """
    if change.percent is None:
        return "from 0" if change.verdict == "worse" else ""
    unit = " points" if change.is_in_points else "%"
    text = f"{_signed(change)}{unit}"
    if change.ci95 is not None:
        text += f" (95%: {change.ci95[0]:+.1f} to {change.ci95[1]:+.1f})"
    if change.p_value is not None:
        text += f", p {'< 0.001' if change.p_value < 0.001 else f'= {change.p_value:.3f}'}"
    return text


def metric_name(change: Change) -> str:
    """The figure in words."""
    name = _NAMES.get(change.metric, change.metric)
    if change.metric in METRICS and change.metric not in _NAMES:
        name = METRICS[change.metric].words
    return f"{change.head}: {name}" if change.head else name


def plain(text: object) -> str:
    r"""``text`` as Markdown that shows it and does nothing else: names come from files.

    >>> print(plain("a|b <script> @team #1"))
    a\|b &lt;script&gt; &#64;team \#1
    """
    escaped = html.escape(printable(text), quote=False)
    escaped = re.sub(r"([\\`*\[\]|#]|(?<=\W)_|_(?=\W)|!(?=\[))", r"\\\1", escaped)
    return escaped.replace("@", "&#64;")  # else a name could call people in


def headline(own: Sequence[Change]) -> str:
    """What the change did to a variant's cost and accuracy, in a sentence as Markdown.

    Args:
        own: The changes of that variant, its cost first.
    """
    scores = [change for change in own if change.metric in METRICS]
    worst = min(scores, key=_standing) if scores else None
    return "; ".join([_cost(own[0]), *([] if worst is None else [_score(worst)])])


def _standing(change: Change) -> int:
    """The gravest first."""
    gravest = ("worse", "not measurable")
    return gravest.index(change.verdict) if change.verdict in gravest else len(gravest)


def _score(change: Change) -> str:
    name = plain(metric_name(change))
    if change.percent is None or change.verdict == "not measurable":
        return f"{name} cannot be compared"
    unit = " points" if change.is_in_points else "%"
    return f"{name} {_signed(change)}{unit}: {change.verdict}"


def _cost(cost: Change) -> str:
    name, amount = plain(cost.variant), metric_name(cost)
    if cost.percent is not None and cost.verdict in ("better", "worse", "not tested"):
        less = "fewer" if cost.metric == "instructions" else "less"
        way = less if cost.percent < 0 else "more"
        verb, what = "takes", "time"
        if cost.metric == "instructions":
            verb, what = "executes", amount
        judged = "" if cost.verdict == "not tested" else f": {cost.verdict}"
        return f"{name} {verb} {abs(cost.percent):.1f}% {way} {what}{judged}"
    if cost.verdict == "no difference shown":
        return f"{name}: no difference shown in {amount}"
    return f"{name}: {amount} not measurable"


def _row(change: Change) -> str:
    label = f"{change.variant}: {metric_name(change)}"
    verdict = change.verdict + (f": {change.why}" if change.why else "")
    cells = (
        label,
        value_text(change, change.base),
        value_text(change, change.new),
        change_text(change),
    )
    return "| " + " | ".join(plain(cell) for cell in (*cells, verdict)) + " |"


def value_text(change: Change, value: float | None) -> str:
    """One of a change's two figures with its unit."""
    if value is None:
        return NOT_MEASURED
    if change.metric in ("latency_us", "estimated_us"):
        return time_text(value)
    if change.metric == "instructions":
        return count_text(value)
    if change.metric.endswith("bytes"):
        return bytes_text(round(value))
    if change.metric == "energy_uj":
        return energy_text(value)
    return score_text(change.metric, value) if change.metric in METRICS else f"{value:.4g}"


def _signed(change: Change) -> str:
    """With a sign; what would show as no change is said to be small."""
    percent = change.percent or 0.0
    if percent and abs(percent) < 0.005:
        return "less than 0.01"
    digits = 2 if change.is_in_points or abs(percent) < 0.1 else 1
    return f"{percent:+.{digits}f}" if percent else "0"


def _recipe_changes(
    base: Mapping[str, object], new: Mapping[str, object], *, verbose: bool
) -> list[str]:
    before, after = dict(flattened(base)), dict(flattened(new))
    keys = [key for key in (before | after) if before.get(key) != after.get(key)]
    if not verbose:
        named = [key for key in keys if key not in ("name", "why")]
        more = f" and {len(named) - _FEW_KEYS} more" if len(named) > _FEW_KEYS else ""
        shown = f"the recipes differ in {', '.join(named[:_FEW_KEYS])}{more}; -v shows the values"
        return [shown] if named else []
    lines = [
        f"recipe {key}: {before.get(key, 'absent')} in A, {after.get(key, 'absent')} in B"
        for key in keys[:_MOST_RECIPE_LINES]
    ]
    hidden = len(keys) - len(lines)
    return lines + ([f"and {hidden} more keys of the recipe"] if hidden else [])
