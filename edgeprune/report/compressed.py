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
from edgeprune.report.predicted import (
    NOT_KNOWN,
    PREDICTED_TIME,
    change_phrase,
    cost_ratio,
    predicted_time,
    prediction_remarks,
)
from edgeprune.report.summary import STYLES, Row, line, score_cell, score_words, table_lines
from edgeprune.report.terminal import stdout


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
    cost = _cost(dense, compressed)
    phrases = (cost, accuracy_phrase(change), size_phrase(dense.bytes, compressed.bytes))
    mood = _mood(dense, compressed, change)
    line(console, f"{head}: {', '.join(phrases)}", STYLES[mood])
    line(console, f"made: {made}")
    for row in table_lines(["dense", "compressed"], _rows(effects, change)):
        line(console, row)
    for remark in prediction_remarks([dense]):
        line(console, remark)
    line(console, f"checked: {checked}")
    for warning in warnings:
        line(console, f"warning: {warning}", "yellow")
    line(console, f"saved: {saved}")


def _cost(before: NetworkEffect, after: NetworkEffect) -> str:
    words = change_phrase(before, after)
    return f"{words} (predicted)" if words else "cost not known for this core"


def _mood(before: NetworkEffect, after: NetworkEffect, change: AccuracyChange | None) -> Mood:
    """A prediction is not praised as a measurement is, and a loss of accuracy is said anyway."""
    if (ratio := cost_ratio(before, after)) is not None and ratio < 1:
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
    times: list[Row] = []
    if pair[0].clock is not None:
        times.append((PREDICTED_TIME, list(map(predicted_time, pair)), change_phrase(*pair)))
    return [
        *times,
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
