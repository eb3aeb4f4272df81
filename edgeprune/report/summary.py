"""A run in at most twelve lines: the answer first, and where the rest stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from edgeprune.artifacts.measurement import TAKEN
from edgeprune.history.result import Comparison, Result, Variant, known
from edgeprune.report.assessment import (
    Mood,
    Score,
    Scored,
    assess,
    factor_phrase,
    score_change,
    scores_of,
    size_phrase,
)
from edgeprune.report.estimated import TIME, band_text, clock_text, estimated_us
from edgeprune.report.figures import (
    NOT_MEASURED,
    bytes_text,
    count_text,
    energy_text,
    time_text,
)
from edgeprune.report.next_step import next_step
from edgeprune.report.terminal import stdout
from edgeprune.report.treatment import treatment_of
from edgeprune.report.verdict import warnings
from edgeprune.tasks import METRICS, score_text
from edgeprune.text.untrusted import printable

LINES = 12
"""Most lines of a summary, so that it fits a terminal beside the prompt. Source: ours."""

STYLES: dict[Mood, str] = {
    "good": "bold green",
    "mixed": "bold yellow",
    "warning": "bold yellow",
    "bad": "bold red",
    "plain": "bold",
}

_HEADS = 2
"""Outputs whose scores are shown; more would not fit. Source: ours."""

Row = tuple[str, Sequence[str], str]
"""A heading, a cell for each network, and what changed."""


def print_summary(result: Result, saved: str, folder: str, console: Console | None = None) -> None:
    """Prints the sentence to read first, one table, true warnings, what to do next, and where.

    Args:
        result: A valid result.
        saved: Where everything is, as a line.
        folder: The result's folder or number, as `edgeprune report` takes it.
        console: Where to print; standard output if None.
    """
    console = console or stdout()
    assessment = assess(result)
    head = f"{Path(result.model.path).name} on {result.board}: {assessment.sentence}"
    rows = _rows(result)
    proof = proof_of(result)
    cautions = warnings(result)
    names = [variant.name for variant in _compared(result)]
    room = LINES - len(rows) - 6  # head, treatment, names, proof, next, saved
    if len(cautions) > room:
        cautions = [
            *cautions[: room - 1],
            f"{len(cautions) - room + 1} further warnings are in report.txt",
        ]
    line(console, head, STYLES[assessment.mood])
    line(console, f"made: {treatment_of(result)}")
    for row in table_lines(names, rows):
        line(console, row)
    line(console, f"checked: {proof}")
    for caution in cautions:
        line(console, f"warning: {caution}", "yellow")
    line(console, f"next: {next_step(result, folder)}")
    line(console, f"saved: {saved}")


def table_lines(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """A column a network and what changed behind them, a line a row and no rules.

    Args:
        names: Of the networks.
        rows: The figures.

    >>> table_lines(["dense", "deployed"], [("file", ["218.8 kB", "36.78 kB"], "5.95x smaller")])
    ['          dense   deployed', 'file   218.8 kB   36.78 kB   5.95x smaller']
    """
    cells = [["", *names, ""], *([heading, *cells, change] for heading, cells, change in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names) + 1)]
    return [
        "   ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:], strict=True)),
                row[-1],
            ]
        ).rstrip()
        for row in cells
    ]


def table(result: Result) -> tuple[list[str], list[Row]]:
    """Names of the networks beside each other, and the rows about them."""
    return [variant.name for variant in _compared(result)], _rows(result)


def _compared(result: Result) -> list[Variant]:
    """Dense and deployed; the one that there is where there is no other."""
    wanted = [one for one in result.variants if one.name in ("dense", "deployed")]
    return wanted or list(result.variants[:1])


def _rows(result: Result) -> list[Row]:
    variants = _compared(result)
    is_counted = result.is_emulated
    rows = [_cost_row(result, variants, is_counted=is_counted), *_estimated_rows(variants)]
    rows.append(
        (
            "file",
            [bytes_text(variant.bytes) for variant in variants],
            size_phrase(*(variant.bytes for variant in variants)) if len(variants) == 2 else "",
        )
    )
    rows += _memory_rows(variants)
    rows += _accuracy_rows(result, variants)
    energies = [one.energy_uj.per_inference if one.energy_uj else None for one in variants]
    if any(energy is not None for energy in energies):
        rows.append(_row("energy per inference", energies, energy_text, ("less", "more")))
    return rows


def _memory_rows(variants: Sequence[Variant]) -> list[Row]:
    """Flash and RAM of a microcontroller."""
    flash = [known(variant.flash_bytes) for variant in variants]
    if all(size is None for size in flash):
        return []
    ram = [variant.peak_memory_bytes for variant in variants]
    ways = ("smaller", "larger")
    return [_row("flash", flash, _bytes, ways), _row("RAM (arena)", ram, _bytes, ways)]


def _bytes(value: float) -> str:
    return bytes_text(int(value))


def _cost_row(result: Result, variants: Sequence[Variant], *, is_counted: bool) -> Row:
    if is_counted:
        counts = [one.instruction_count for one in variants]
        return _row("instructions (emulated)", counts, count_text, ("fewer", "more"))
    medians = [one.median_us for one in variants]
    heading, cells, _ = _row("time (median)", medians, time_text, ("faster", "slower"))
    return heading, cells, _time_change(result.comparison)


def _estimated_rows(variants: Sequence[Variant]) -> list[Row]:
    """The estimated time on an emulated core, with its clock and its error."""
    estimate = next((one for v in variants if (one := known(v.estimated)) is not None), None)
    if estimate is None:
        return []
    times = [estimated_us(variant) for variant in variants]
    heading, cells, change = _row(TIME, times, time_text, ("less", "more"))
    where = f"{clock_text(estimate.clock_hz)}, {band_text(estimate.error)}"
    return [(heading, cells, f"{change}, {where}" if change else where)]


def _time_change(comparison: Comparison) -> str:
    factor, ends = comparison.speedup, comparison.ci95
    if factor is None or comparison.verdict == "not measurable":
        return ""
    if comparison.verdict == "no difference shown":
        return "no difference shown"
    if comparison.verdict == "slower" and ends is not None:
        ends = (1 / ends[1], 1 / ends[0])
    interval = "" if ends is None else f" (95% confidence: {ends[0]:.2f}x to {ends[1]:.2f}x)"
    return factor_phrase(factor, "faster", "slower") + interval


def _row(
    heading: str,
    values: Sequence[float | None],
    text: Callable[[float], str],
    ways: tuple[str, str],
) -> Row:
    cells = [NOT_MEASURED if value is None else text(value) for value in values]
    if len(values) != 2 or not values[0] or not values[1]:
        return heading, cells, ""
    return heading, cells, factor_phrase(values[0] / values[1], *ways)


def _accuracy_rows(result: Result, variants: Sequence[Variant]) -> list[Row]:
    """A row an output that is scored; of many outputs the first few."""
    scores = [variant.accuracy for variant in variants]
    known_scores = [score for score in scores if score is not None]
    if not known_scores:
        return [("accuracy", [NOT_MEASURED] * len(scores), "needs --data with labels")]
    names = list(scores_of(known_scores[0]))
    rows = [_accuracy_row(result, variants, name) for name in names[:_HEADS]]
    if len(names) > _HEADS:
        heading, cells, change = rows[-1]
        rows[-1] = (heading, cells, f"{change}; {len(names) - _HEADS} more in report.txt")
    return rows


def _accuracy_row(result: Result, variants: Sequence[Variant], name: str) -> Row:
    scores = [_score(variant, name) for variant in variants]
    phrases = []
    if len(scores) == 2 and scores[0] is not None and scores[1] is not None:
        phrases.append(score_change("", scores[0], scores[1]).phrase)
    rival = result.variant("dense-fine-tuned")
    rival_score = None if rival is None else _score(rival, name)
    if rival_score is not None:
        phrases.append(f"dense trained as long: {_score_cell(rival_score)}")
    samples = next(one.accuracy.samples for one in variants if one.accuracy is not None)
    phrases.append(f"{samples:,} samples")
    metric = next(score.metric for score in scores if score is not None)
    words = score_words(metric)
    heading = f"{words} of {name}" if name else words
    return heading, [_score_cell(score) for score in scores], ", ".join(phrases)


def score_words(metric: str) -> str:
    """What a metric is called above scores that do not name it."""
    return "accuracy" if metric == "top1" else METRICS[metric].words


def _score(variant: Variant, name: str) -> Score | None:
    return None if variant.accuracy is None else scores_of(variant.accuracy).get(name)


def score_cell(accuracy: Scored) -> str:
    """A score without its metric's name; of several outputs the first one's."""
    return _score_cell(next(iter(scores_of(accuracy).values())))


def _score_cell(score: Score | None) -> str:
    return NOT_MEASURED if score is None else score_text(score.metric, score.value)


def proof_of(result: Result) -> str:
    """Whether outputs were compared on the board, and which layers its profile shows as sparse."""
    deployed = _compared(result)[-1]
    parity = deployed.parity
    if parity is None:
        phrases = ["outputs were not compared"]
    elif result.validity.verdict == "invalid":
        phrases = [f"outputs are wrong: they differ by up to {parity.max_abs_diff:.2g}"]
    else:
        phrases = [f"outputs are right on {parity.samples} inputs"]
    run, expected = deployed.sparse_layers_run, deployed.sparse_layers_expected
    if run is None:
        phrases.append("the kernels were not named")
    elif run or expected:
        phrases.append(f"{run} of {expected} layers ran sparse kernels")
    else:
        phrases.append("no layer runs sparse, and none was meant to")
    if any(map(_is_taken, _compared(result))):
        phrases.append("in part as an earlier run of the same file found (--again makes it anew)")
    return "; ".join(phrases)


def _is_taken(variant: Variant) -> bool:
    """Whether a count or outputs come from an earlier run."""
    count, parity = variant.instructions, variant.parity
    return any(TAKEN in text for text in (count and count.source, parity and parity.where) if text)


def line(console: Console, text: str, style: str = "") -> None:
    """Prints one line of a summary; a terminal may fold it."""
    console.print(Text(printable(text), style=style), soft_wrap=True)
