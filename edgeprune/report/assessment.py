"""What a run came to, in one sentence: what was won, and what it costs in accuracy.

The terminal, ``report.txt``, the page and ``compress`` all say it with the words that are made
here, so that none of them praises what another warns of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from edgeprune.history.result import Comparison, Result, known
from edgeprune.report.figures import cost_text, percent_text
from edgeprune.tasks import AGREEMENT, METRICS, score_text

Mood = Literal["good", "mixed", "bad", "plain", "warning"]
"""``mixed``: cheaper, at the price of accuracy; ``warning``: figures that cannot be relied on."""

NOTICEABLE_DROP = 0.01
"""From which loss on a gain in cost is no longer simply good: a point of a share such as top-1
accuracy, or one percent of the dense network's own score. Source: ours; it is what
``--max-accuracy-drop 1%`` allows."""

_DOUBTS = {
    "throttled": "the device was throttled",
    "contaminated": "other programs used the cores",
    "noisy": "the times scatter too much",
}
"""Why times cannot be relied on, by the verdict of a result's validity; others give a reason."""

_SAME_FACTOR = 0.005
"""Factors that are closer to 1 are shown as no change. Source: ours, two decimals are printed."""


@dataclass(frozen=True)
class Assessment:
    """The sentence to read first.

    Attributes:
        mood: Its colour; the sentence says the same.
        sentence: Without a full stop, beginning with a small letter where it can.
    """

    mood: Mood
    sentence: str


@dataclass(frozen=True)
class AccuracyChange:
    """How good a network is beside the dense one.

    Attributes:
        phrase: As ``3.06 points less accurate``.
        drop: Points as a share of 1, or a share of the dense network's score; negative where the
            network is better.
    """

    phrase: str
    drop: float


def assess(result: Result) -> Assessment:
    """What a result's figures come to; figures that are not valid are not praised.

    Args:
        result: A valid result.
    """
    validity = result.validity
    if validity.verdict == "invalid":
        return Assessment("bad", "do not use this model: its outputs are wrong on the board")
    deployed, dense = result.variant("deployed"), result.variant("dense")
    if deployed is None or dense is None:
        sentence = _single(result)
        if validity.verdict != "valid":
            return Assessment("warning", f"{doubt(result)}: {sentence}")
        return Assessment("plain", sentence)
    change = accuracy_change(dense.accuracy, deployed.accuracy)
    cost = cost_phrase(result.comparison)
    if result.is_emulated and dense.instructions is None and deployed.instructions is not None:
        cost = cost_text(deployed, result.comparison.metric)  # the board cannot run the dense one
    phrases = [cost, accuracy_phrase(change)]
    phrases.append(size_phrase(dense.bytes, deployed.bytes))
    sentence = ", ".join(phrases)
    if validity.verdict != "valid":
        return Assessment("warning", f"{doubt(result)}: {sentence}")
    return Assessment(_mood(result.comparison.verdict, change), sentence)


def doubt(result: Result) -> str:
    """Why a result's figures cannot be relied on, as the beginning of a sentence."""
    validity = result.validity
    reason = validity.reasons[0]
    said = _DOUBTS.get(validity.verdict) or reason.partition(": ")[2] or reason
    return f"not to be relied on, since {said}"


def cost_phrase(comparison: Comparison) -> str:
    """What became of the cost of an inference.

    Args:
        comparison: A result's.
    """
    factor, verdict = comparison.speedup, comparison.verdict
    is_counted = comparison.metric == "instructions"
    if factor is None or verdict == "not measurable":
        return "instructions not counted" if is_counted else "speed not measured"
    if is_counted:
        words = factor_phrase(
            factor, "fewer instructions", "more instructions", "as many instructions"
        )
        return f"{words} (emulated)"
    if verdict == "no difference shown":
        return "no faster (no difference in time was shown)"
    return factor_phrase(factor, "faster", "slower")


def factor_phrase(factor: float, gain: str, loss: str, same: str = "the same") -> str:
    """A factor in words.

    >>> factor_phrase(2.236, "faster", "slower"), factor_phrase(0.5, "faster", "slower")
    ('2.24x faster', '2.00x slower')
    """
    if abs(factor - 1) < _SAME_FACTOR:
        return same
    return f"{factor:.2f}x {gain}" if factor > 1 else f"{1 / factor:.2f}x {loss}"


def size_phrase(before_bytes: int, after_bytes: int) -> str:
    """What became of the file.

    >>> size_phrase(218_800, 36_784)
    '5.95x smaller'
    """
    if not before_bytes or not after_bytes:
        return "size not known"
    return factor_phrase(before_bytes / after_bytes, "smaller", "larger", "the same size")


def accuracy_phrase(change: AccuracyChange | None) -> str:
    """How accurate a network is beside the dense one, for a sentence."""
    return "accuracy not measured" if change is None else change.phrase


class Score(Protocol):
    """How good one output is, in a result or of a stage."""

    @property
    def metric(self) -> str:
        """What it counts."""

    @property
    def value(self) -> float:
        """The score."""


class Scored(Score, Protocol):
    """The scores of a network, in a result or of a stage: the first output's, and of all."""

    @property
    def samples(self) -> int:
        """Test samples used."""

    @property
    def heads(self) -> Any:
        """Scores with names; none or ``UNSET`` where there is only one."""


def scores_of(accuracy: Scored) -> dict[str, Score]:
    """Scores by the names of outputs; a single one has no name."""
    heads = known(accuracy.heads) or ()
    return {head.name: head for head in heads} or {"": accuracy}


def accuracy_change(before: Scored | None, after: Scored | None) -> AccuracyChange | None:
    """How much worse or better the worst output of a network became.

    Args:
        before: The dense network's scores.
        after: The other network's, on the same samples.

    Returns:
        None where one of them was not scored.
    """
    if before is None or after is None:
        return None
    dense = scores_of(before)
    changes = [
        score_change(name, dense[name], score)
        for name, score in scores_of(after).items()
        if name in dense
    ]
    return max(changes, key=lambda change: change.drop) if changes else None


def score_change(name: str, before: Score, after: Score) -> AccuracyChange:
    """How much worse or better one output became.

    Args:
        name: Of the output; empty where there is only one.
        before: The dense network's score.
        after: The other network's.
    """
    metric = METRICS[after.metric]
    sign = 1 if metric.higher_is_better else -1
    lost = sign * (before.value - after.value)
    where = f" at {name}" if name and lost > 0 else ""
    if metric.in_points:
        if not lost:
            return AccuracyChange(f"the same accuracy{where}", 0.0)
        way = "less" if lost > 0 else "more"
        return AccuracyChange(f"{abs(100 * lost):.2f} points {way} accurate{where}", lost)
    if after.metric == AGREEMENT:
        share = score_text(after.metric, after.value)
        return AccuracyChange(f"agrees with the dense network to {share}{where}", lost)
    if not lost:
        return AccuracyChange(f"the same {metric.words}{where}", 0.0)
    both = " to ".join(score_text(after.metric, head.value) for head in (before, after))
    way = "worse" if lost > 0 else "better"
    if not before.value:
        return AccuracyChange(
            f"{metric.words} {way} ({both}){where}", math.copysign(math.inf, lost)
        )
    drop = lost / abs(before.value)
    return AccuracyChange(f"{metric.words} {percent_text(abs(drop))} {way} ({both}){where}", drop)


def _mood(verdict: str, change: AccuracyChange | None) -> Mood:
    """Green is for what is cheaper and as accurate as the dense network, by measurement."""
    if verdict == "slower":
        return "bad"
    if verdict != "faster" or change is None:
        return "plain"
    return "good" if change.drop < NOTICEABLE_DROP else "mixed"


def _single(result: Result) -> str:
    """The one variant's own cost: there is nothing to compare it with."""
    variant = result.variants[-1]
    accuracy = variant.accuracy
    cost = cost_text(variant, result.comparison.metric)
    score = (
        "accuracy not measured"
        if accuracy is None
        else f"{METRICS[accuracy.metric].words} {score_text(accuracy.metric, accuracy.value)}"
    )
    return f"{cost}, {score}"
