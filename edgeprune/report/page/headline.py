"""The result in a few sentences; the first of them is the page's headline."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.history.result import Accuracy, Result, Variant
from edgeprune.report.assessment import Mood, assess
from edgeprune.report.figures import bytes_text
from edgeprune.report.verdict import made_how, verdict_line
from edgeprune.tasks import METRICS, score_text


@dataclass(frozen=True)
class Headline:
    """What to read first.

    Attributes:
        mood: Colour of the banner; the sentence says the same.
        sentence: The result, or that there is none.
        facts: Further sentences.
    """

    mood: Mood
    sentence: str
    facts: tuple[str, ...]


def headline(result: Result) -> Headline:
    """The honest summary: figures that are not valid are not praised.

    Args:
        result: A valid result.
    """
    deployed = result.deployed
    facts = [_size(result.variant("dense"), deployed), *_accuracy(result), _sparse(deployed)]
    if len(result.variants) > 1:
        line = verdict_line(result)
        facts.insert(0, f"{line[0].upper()}{line[1:]}.")
    if deployed.profiling_only:
        made = made_how(is_scored=deployed.accuracy is not None)
        facts.append(f"{deployed.name} was {made}: it is fit to be measured, not to be used.")
    validity = result.validity
    reasons = "; ".join(validity.reasons)
    if validity.verdict == "invalid":
        facts = [f"{reasons}.", "What follows describes the wrong model, to find the fault."]
    elif validity.verdict != "valid":
        facts.insert(0, f"These figures are {validity.verdict}: {reasons}.")
    assessment = assess(result)
    sentence = f"{assessment.sentence[0].upper()}{assessment.sentence[1:]}."
    return Headline(assessment.mood, sentence, tuple(facts))


def _size(dense: Variant | None, deployed: Variant) -> str:
    if dense is None or dense is deployed:
        return f"The file has {bytes_text(deployed.bytes)}."
    before, after = bytes_text(dense.bytes), bytes_text(deployed.bytes)
    if deployed.bytes >= dense.bytes:
        return f"The file does not get smaller: {before} dense, {after} deployed."
    factor = dense.bytes / deployed.bytes
    return f"The file shrinks from {before} to {after}, {factor:.2f}x smaller."


def _accuracy(result: Result) -> list[str]:
    score = result.deployed.accuracy
    if score is None:
        return ["Accuracy was not measured."]
    base, samples = _score_of(result, "dense"), f"{score.samples:,} test samples"
    if score.metric != "top1":
        metric = METRICS[score.metric]
        before = "" if base is None else f", dense {score_text(base.metric, base.value)}"
        words = metric.words[0].upper() + metric.words[1:]
        way = "higher" if metric.higher_is_better else "lower"
        value = score_text(score.metric, score.value)
        return [f"{words} {value}{before}, on {samples}; {way} is better."]
    if base is None or result.deployed.name == "dense":
        return [f"Accuracy (top1) is {score.value:.2%} on {samples}."]
    points = 100 * (score.value - base.value)
    way = "higher" if points > 0 else "lower"
    how = f"{abs(points):.2f} points {way}" if points else "the same"
    change = f"from {base.value:.2%} to {score.value:.2%}"
    lines = [f"Accuracy (top1) goes {change} on {samples}: {how}."]
    rival = _score_of(result, "dense-fine-tuned")
    if rival is not None:
        lines.append(f"The dense network trained exactly as long scores {rival.value:.2%}.")
    return lines


def _score_of(result: Result, name: str) -> Accuracy | None:
    variant = result.variant(name)
    return None if variant is None else variant.accuracy


def _sparse(deployed: Variant) -> str:
    run, expected = deployed.sparse_layers_run, deployed.sparse_layers_expected
    name = deployed.name
    if run is None:
        return f"Which kernels ran {name} was not measured."
    if expected == 0 and run == 0:
        return f"No layer of {name} ran sparse, and none was expected to."
    return f"By the board's own profile {run} layers of {name} ran sparse; {expected} should have."
