"""Whether a result's figures may be relied on, and why not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

from edgeprune.artifacts.measurement import Measured, RunResult, Session, SessionVerdict
from edgeprune.history.result import Validity
from edgeprune.report.statistics import medians_us
from edgeprune.significance.shift import MIN_SESSIONS

WIDEST_SCATTER = 0.1
"""Of the medians of a variant's sessions: 1.4826 times their median absolute deviation, which is
the standard deviation of normal ones, as a share of their median. Source: ours; twice what a shared
virtual machine showed (docs/measuring.md)."""

Verdict = Literal["valid", "insufficient", "noisy", "contaminated", "throttled", "invalid"]

_ADVICE: dict[SessionVerdict, str] = {
    "throttled": "cool the device or its supply, and run again",
    "contaminated": "close other programs, and run again",
    "noisy": "close other programs, and run again",
}
"""What to do, by verdict; the gravest first."""

_LONGER = {"quick": " with --effort standard"}
"""What to add after an effort that another one outdoes."""


def validity_of(run: RunResult) -> Validity:
    """The graver outweighs the lighter; all reasons are kept.

    Args:
        run: What was measured.

    Returns:
        The gravest verdict, and a sentence for each reason; none for ``valid``.
    """
    graded: dict[Verdict, list[str]] = {"invalid": _wrong(run)}
    graded |= {grade: [] for grade in _ADVICE}
    graded["insufficient"] = list(run.reasons)
    for item in () if run.emulated else run.measured:
        for grade, reason in _doubts(item, run):
            graded[grade].append(f"{item.variant}: {reason}")
    graded["insufficient"] += [
        f"{item.variant}: instructions were not counted"
        for item in run.measured
        if run.emulated and item.instructions is None
    ]
    if not run.measured:
        graded["insufficient"].append("nothing was measured")
    verdict: Verdict = next((grade for grade, reasons in graded.items() if reasons), "valid")
    return Validity(
        verdict=verdict, reasons=tuple(line for lines in graded.values() for line in lines)
    )


def _wrong(run: RunResult) -> list[str]:
    return [
        f"{item.variant}: outputs on the board differ from {item.parity.reference} by "
        f"{item.parity.max_abs_diff:.3g}, limit {item.parity.limit:.3g}"
        for item in run.measured
        if item.parity is not None and not item.parity.passed
    ]


def _doubts(item: Measured, run: RunResult) -> list[tuple[Verdict, str]]:
    """What speaks against one variant's times, each with its grade."""
    valid = [session for session in item.sessions if session.verdict == "valid"]
    if len(valid) < MIN_SESSIONS:
        return [_too_few(item.sessions, len(valid), _longer(run))]
    doubts: list[tuple[Verdict, str]] = []
    scatter = scatter_of(valid)
    if scatter > WIDEST_SCATTER:
        doubts.append(
            (
                "noisy",
                f"the medians of {len(valid)} sessions scatter by {scatter:.0%}; at most "
                f"{WIDEST_SCATTER:.0%} is expected: {_ADVICE['noisy']}{_longer(run)}",
            )
        )
    runs = sum(session.timed_runs for session in valid)
    planned = run.timed.sessions * run.timed.runs if run.timed else 0
    if runs < planned:
        doubts.append(
            ("insufficient", f"{runs} runs, {planned} were planned: raise max_s in [run]")
        )
    return doubts


def _longer(run: RunResult) -> str:
    return _LONGER.get(run.timed.effort, "") if run.timed else ""


def _too_few(sessions: Sequence[Session], valid: int, longer: str) -> tuple[Verdict, str]:
    rejected = [session for session in sessions if session.verdict != "valid"]
    if len(sessions) < MIN_SESSIONS or not rejected:
        return "insufficient", f"{valid} sessions, a confidence interval needs {MIN_SESSIONS}"
    worst = min(rejected, key=lambda session: list(_ADVICE).index(session.verdict))
    return worst.verdict, (
        f"{valid} of {len(sessions)} sessions are valid, {MIN_SESSIONS} are needed; "
        f"{worst.reason}: {_ADVICE[worst.verdict]}{longer if worst.verdict == 'noisy' else ''}"
    )


def scatter_of(sessions: Sequence[Session]) -> float:
    """How far the medians of sessions lie apart, robustly, as a share of their median.

    Args:
        sessions: At least one.

    Source: F. R. Hampel, The Influence Curve and its Role in Robust Estimation (1974), the median
    absolute deviation.
    """
    medians = medians_us(sessions)
    middle = statistics.median(medians)
    return float(1.4826 * statistics.median(abs(median - middle) for median in medians) / middle)
