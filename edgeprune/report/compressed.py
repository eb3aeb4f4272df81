"""What ``compress`` made, in at most twelve lines: the answer first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from edgeprune.report.assessment import (
    NOTICEABLE_DROP,
    AccuracyChange,
    Mood,
    accuracy_change,
    accuracy_phrase,
    factor_phrase,
    size_phrase,
)
from edgeprune.report.effect import NetworkEffect
from edgeprune.report.figures import NOT_MEASURED, bytes_text, count_text
from edgeprune.report.summary import STYLES, Row, line, score_cell, score_words, table_lines
from edgeprune.report.terminal import stdout

NOT_KNOWN = "not known"


def print_compressed(
    head: str,
    made: str,
    effects: Sequence[NetworkEffect],
    checked: str,
    warnings: Sequence[str],
    saved: str,
    console: Console | None = None,
) -> None:
    """Prints the sentence to read first, one table, true warnings, what to do next, and where.

    Args:
        head: The model and what it was made for, as ``digits.h5 for rpi4``.
        made: What was done, see :func:`edgeprune.report.treatment.treatment`.
        effects: :class:`edgeprune.auto.effect.Effect`: dense first, compressed last.
        checked: What is known of the outputs.
        warnings: What keeps a reader from using the file, a line each.
        saved: Where the file is.
        console: Where to print; standard output if None.
    """
    console = console or stdout()
    dense, compressed = effects[0], effects[-1]
    change = accuracy_change(dense.accuracy, compressed.accuracy)
    cost = _cost(dense.instructions, compressed.instructions)
    phrases = (cost, accuracy_phrase(change), size_phrase(dense.bytes, compressed.bytes))
    mood = _mood(dense.instructions, compressed.instructions, change)
    line(console, f"{head}: {', '.join(phrases)}", STYLES[mood])
    line(console, f"made: {made}")
    for row in table_lines(["dense", "compressed"], _rows(effects, change)):
        line(console, row)
    line(console, f"checked: {checked}")
    for warning in warnings:
        line(console, f"warning: {warning}", "yellow")
    line(console, f"saved: {saved}")


def _cost(before: float | None, after: float | None) -> str:
    if not before or not after:
        return "cost not known for this core"
    same = "as many instructions"
    words = factor_phrase(before / after, "fewer instructions", "more instructions", same)
    return f"{words} (estimated)"


def _mood(before: float | None, after: float | None, change: AccuracyChange | None) -> Mood:
    """An estimate is not praised as a measurement is, and a loss of accuracy is said anyway."""
    if before and after and after > before:
        return "bad"
    return "mixed" if change is not None and change.drop >= NOTICEABLE_DROP else "plain"


def _rows(effects: Sequence[NetworkEffect], change: AccuracyChange | None) -> list[Row]:
    pair = (effects[0], effects[-1])
    scores = [effect.accuracy for effect in pair]
    phrases = [accuracy_phrase(change)] if change is not None else ["needs --data with labels"]
    for rival in effects[1:-1]:
        if rival.accuracy is not None:
            phrases.append(f"dense trained as long: {score_cell(rival.accuracy)}")
    known = next((score for score in scores if score is not None), None)
    phrases += [] if known is None else [f"{known.samples:,} samples"]
    return [
        _row("instructions (estimated)", [effect.instructions for effect in pair], "fewer"),
        _row("multiplications left", [effect.size.nonzero_macs for effect in pair], "fewer"),
        ("file", [bytes_text(effect.bytes) for effect in pair], _size(pair)),
        (
            "accuracy" if known is None else score_words(known.metric),
            [NOT_MEASURED if score is None else score_cell(score) for score in scores],
            ", ".join(phrases),
        ),
    ]


def _size(pair: Sequence[NetworkEffect]) -> str:
    return size_phrase(pair[0].bytes, pair[1].bytes)


def _row(heading: str, counts: Sequence[float | None], gain: str) -> Row:
    cells = [NOT_KNOWN if count is None else count_text(count) for count in counts]
    before, after = counts
    change = factor_phrase(before / after, gain, "more") if before and after else ""
    return heading, cells, change
