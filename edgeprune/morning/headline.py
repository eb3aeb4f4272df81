"""What to read first in the morning: it is good only where nothing at all is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from edgeprune.farm.job import Kind, State
from edgeprune.morning.data import Morning

Mood = Literal["good", "warning", "bad"]

WORDS: dict[Mood, str] = {"good": "all well", "warning": "look at it", "bad": "needs you"}
"""What each mood says, so that nobody needs to see its colour."""

WHO_ACTS = {
    "infrastructure": "the lab: device, cable or host",
    "job": "the model's author: the model, its data or its time budget",
    "test": "the model's author: outputs are wrong, or a limit is missed",
    "configuration": "the plan's author: plan, recipe or bench file",
    "bug": "edgeprune's developers: report it with the log",
    "missed": "the plan's author: the night was too short",
}
"""Who must act on a job without a result, by the kind of its error."""


@dataclass(frozen=True)
class Headline:
    """The sentence to read first.

    Attributes:
        mood: Its colour; ``word`` says the same.
        word: One of :data:`WORDS`.
        sentence: What is wrong, or that nothing is.
    """

    mood: Mood
    word: str
    sentence: str


def headline(morning: Morning) -> Headline:
    """What a night came to, in one sentence."""
    urgent, others = _urgent(morning), _others(morning)
    mood: Mood = "bad" if urgent else "warning" if others else "good"
    sentence = ", ".join(urgent + others) or "nothing got worse, and every job is done"
    return Headline(mood, WORDS[mood], sentence)


def jobs_text(morning: Morning) -> str:
    """How the plan's jobs ended, and how many others ran beside them."""
    kinds = Counter(job.kind for job in morning.jobs)
    counts = Counter(job.state for job in morning.jobs if job.kind == Kind.MEASURE)
    told = [f"{counts[state]:,} {state}" for state in State if counts[state]]
    others = {"run of the golden model": kinds[Kind.GOLDEN], "re-run": kinds[Kind.CONFIRM]}
    beside = [_counted(number, what) for what, number in others.items() if number]
    return "; beside them ".join(filter(None, [", ".join(told) or "none", ", ".join(beside)]))


def _urgent(morning: Morning) -> list[str]:
    parts = []
    if morning.regressions:
        parts.append(f"{len(morning.regressions):,} confirmed to be worse")
    if morning.lost:
        parts.append(f"{_counted(len(morning.lost), 'job')} without a result")
    return parts


def _others(morning: Morning) -> list[str]:
    suspected = sum(change.verdict == "suspected" for change in morning.changes)
    held = sum(device.quarantine_reason is not None for device in morning.devices)
    gone = sum(device.state == "offline" for device in morning.devices)
    waiting = len(morning.unfinished) - len(morning.lost)
    parts = []
    if morning.ended_utc is None:
        parts.append(f"not over yet: {_counted(waiting, 'job')} to do")
    if suspected:
        parts.append(f"{suspected:,} suspected to have changed")
    if morning.unsteady:
        parts.append(f"{_counted(len(morning.unsteady), 'job')} without a figure to rely on")
    if held:
        parts.append(f"{_counted(held, 'device')} in quarantine")
    if gone:
        parts.append(f"{_counted(gone, 'device')} not there")
    if not morning.jobs:
        parts.append("there were no jobs")
    return parts


def _counted(number: int, what: str) -> str:
    word, *rest = what.split(" ", 1)
    return " ".join([f"{number:,} {word}{'s' * (number != 1)}", *rest])
