"""Two results beside each other: what changed, by how much, and whether that is more than chance.

Latency is compared by the medians of fresh processes, never by single runs; instructions and sizes
are exact, and so are scores other than top-1 accuracy, whose direction is known. What is measured
once per result, as energy, is shown and not judged.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from edgeprune.errors import ConfigError
from edgeprune.history.result import Accuracy, Result, Variant, known
from edgeprune.report.control import MAX_CHANGE, Control, common_control
from edgeprune.report.estimated import estimated_us
from edgeprune.report.run_noise import are_side_by_side, shift_of, unknown_noise
from edgeprune.significance.rank_test import CONFIDENCE, fisher
from edgeprune.significance.run_noise import RunNoise
from edgeprune.significance.shift import MIN_SESSIONS
from edgeprune.tasks import METRICS

Judgement = Literal["better", "worse", "no difference shown", "not measurable", "not tested"]

COSTS = ("latency_us", "instructions")

SAME_COUNT = 0.0005
"""Difference of two counts that is none, as a share. Source: ours; a count comes from two processes
that differ by some 130 instructions when repeated, so by a dozen an inference, and no network worth
counting has less than 30,000."""


_TIMES_HOLD = ("valid", "insufficient")
"""Validity with which times may be compared; too few sessions are found by their number."""


@dataclass(frozen=True)
class Change:
    """One figure of one variant in both results.

    Attributes:
        variant: Name of the variant.
        metric: Key of the figure in ``result.json``.
        base: The figure before, in the key's unit; None if it was not measured.
        new: The figure after.
        percent: By how much ``new`` is higher than ``base``, in percent of it; for ``top1`` in
            points. None if either was not measured, or ``base`` is 0.
        ci95: 95% confidence interval of ``percent``, or None where there is none.
        p_value: Of the test, or None where there is none.
        verdict: What the figures show.
        why: Why they show no more; may be empty.
        head: The output that is scored, where the model has several; else empty.
    """

    variant: str
    metric: str
    base: float | None
    new: float | None
    percent: float | None
    ci95: tuple[float, float] | None = None
    p_value: float | None = None
    verdict: Judgement = "not measurable"
    why: str = ""
    head: str = ""

    @property
    def is_in_points(self) -> bool:
        """Whether ``percent`` is a difference in points."""
        return self.metric in METRICS and METRICS[self.metric].in_points


def compare(
    base: Result, new: Result, noise: RunNoise | None, *, across_devices: bool = False
) -> list[Change]:
    """Every figure that at least one of two results has, variant by variant; deployed first.

    Args:
        base: The older result.
        new: The newer one.
        noise: By how much runs of one file differ on the device; None where both were measured in
            turns, see :func:`edgeprune.report.run_noise.noise_between`.
        across_devices: Compare results of different devices.

    Raises:
        ConfigError: They are of different devices, or share no variant.
    """
    here, there = ((each.board, each.device.id, each.device.cpu) for each in (base, new))
    if here != there and not across_devices:
        raise ConfigError(
            f"the results are of different devices, {_device(base)} and {_device(new)}: what "
            "differs may be the devices; --across-devices compares them all the same"
        )
    older = {variant.name: variant for variant in base.variants}
    pairs = [(older[variant.name], variant) for variant in new.variants if variant.name in older]
    if not pairs:
        raise ConfigError(
            f"the results share no variant: {', '.join(older)} and "
            + ", ".join(variant.name for variant in new.variants)
        )
    pairs.sort(key=lambda pair: pair[1].name != "deployed")
    controls = common_control(base, new) if noise is not None and noise.control else None
    doubts = _doubts(base, new) or (_moved(controls) if controls else _drift(base, new))
    times = _Times(doubts, noise, controls)
    changes = [change for pair in pairs for change in _changes(*pair, times)]
    if are_different_models(base, new):
        return [_unjudged(change) for change in changes]
    return changes


@dataclass(frozen=True)
class _Times:
    """How the times of two results are compared.

    Attributes:
        doubts: Why they cannot be; empty if they can.
        noise: By how much runs of one file differ; None for results measured in turns.
        controls: In whose times they are counted, or None.
    """

    doubts: str = ""
    noise: RunNoise | None = None
    controls: tuple[Control, Control] | None = None

    @property
    def units_us(self) -> tuple[float, float]:
        """What a time of each result is divided by."""
        return (1.0, 1.0) if self.controls is None else _medians_us(self.controls)


def are_different_models(base: Result, new: Result) -> bool:
    """Whether two results are of models that have nothing to do with each other.

    A file of the same name may be a later training of the same model; one of another name and
    another content is not, unless the user had both measured side by side.
    """
    if are_side_by_side(base, new):
        return False
    names = [PurePath(each.model.path).stem for each in (base, new)]
    return names[0] != names[1] and base.model.sha256 != new.model.sha256


def _unjudged(change: Change) -> Change:
    """A difference between two models, which is neither a gain nor a loss."""
    if change.verdict not in ("better", "worse"):
        return change
    return dataclasses.replace(change, verdict="not tested", why="different models")


def subject(changes: list[Change]) -> str:
    """The variant that a limit applies to: the deployed one, or the only one."""
    return changes[0].variant


def _device(result: Result) -> str:
    return f"{result.board} {result.device.id} ({result.device.cpu})"


def _doubts(base: Result, new: Result) -> str:
    """Why times cannot be compared; empty if they can."""
    doubts = [
        f"{name} is {result.validity.verdict}"
        for name, result in (("A", base), ("B", new))
        if result.validity.verdict not in _TIMES_HOLD
    ]
    return " and ".join(doubts)


def _drift(base: Result, new: Result) -> str:
    """Why times cannot be compared although both results are valid; empty if they can.

    The dense variant of one model on one runtime is the same file both times, and is measured in
    turns with the deployed one: where it seems to have changed, the device has.
    """
    same_file = [
        (each.model.sha256, each.device.runtime_version, each.device.id) for each in (base, new)
    ]
    if same_file[0] != same_file[1]:
        return ""
    controls = [each.variants[0] for each in (base, new)]
    if any(each.name != "dense" for each in controls) or controls[0].bytes != controls[1].bytes:
        return ""
    control = _latency("dense", controls[0], controls[1], _Times())
    if control.verdict not in ("better", "worse") or control.percent is None:
        return ""
    return (
        f"the dense variant, the same file in both, changed by {control.percent:+.1f}%: the "
        "device was not in the same state"
    )


def _moved(controls: tuple[Control, Control]) -> str:
    """Why times beside a control cannot be compared all the same; empty if they can."""
    before, after = _medians_us(controls)
    if max(before / after, after / before) <= 1 + MAX_CHANGE:
        return ""
    return f"{_own_change(controls)}: the device was not in the same state"


def _own_change(controls: tuple[Control, Control]) -> str:
    before, after = _medians_us(controls)
    name = controls[1].name
    return f"{name}, the same file in both, changed by {100 * (after / before - 1):+.1f}%"


def _medians_us(controls: tuple[Control, Control]) -> tuple[float, float]:
    return controls[0].median_us, controls[1].median_us


def _changes(base: Variant, new: Variant, times: _Times) -> list[Change]:
    name = new.name
    changes = [
        _latency(name, base, new, times),
        _instructions(name, base, new),
        _estimated(name, base, new),
        _exact(name, "bytes", base.bytes, new.bytes),
        *_scores(name, base.accuracy, new.accuracy),
        _untested(name, "energy_uj", _energy(base), _energy(new)),
        *_memory(name, base, new),
    ]
    return [change for change in changes if change.base is not None or change.new is not None]


def _memory(name: str, base: Variant, new: Variant) -> list[Change]:
    """Flash and arena of a microcontroller, which are exact; elsewhere the processes' peak."""
    ram = base.peak_memory_bytes, new.peak_memory_bytes
    flash = known(base.flash_bytes), known(new.flash_bytes)
    if None in flash or None in ram:
        return [_untested(name, "peak_memory_bytes", *ram)]
    sizes = {"flash_bytes": flash, "peak_memory_bytes": ram}
    return [
        _exact(name, metric, before or 0, after or 0) for metric, (before, after) in sizes.items()
    ]


def _latency(name: str, base: Variant, new: Variant, times: _Times) -> Change:
    noise, controls = times.noise, times.controls
    medians = [
        [median_us / unit_us for median_us in _session_medians_us(each)]
        for each, unit_us in zip((base, new), times.units_us, strict=True)
    ]
    before, after = base.median_us, new.median_us
    if before is None or after is None:
        return Change(name, "latency_us", before, after, None, why="only one of them was timed")
    why = times.doubts
    if not all(medians):
        why = why or "a result has no raw samples: measure it again with this edgeprune"
    elif min(len(each) for each in medians) < MIN_SESSIONS:
        why = why or f"fewer than {MIN_SESSIONS} valid fresh processes"
    elif noise is not None and not noise.is_known:
        why = why or unknown_noise(noise)
    if why:
        return Change(name, "latency_us", before, after, _percent(before, after), why=why)
    if controls is not None and known(new.sha256) == controls[1].sha256:
        percent, why = _percent(before, after), "what the others are counted in"
        return Change(name, "latency_us", before, after, percent, verdict="not tested", why=why)
    shift = shift_of(medians[0], medians[1], noise)
    words: dict[str, Judgement] = {"slower": "worse", "faster": "better"}
    verdict = words.get(shift.verdict, "no difference shown")
    interval = (100 * (shift.ci95[0] - 1), 100 * (shift.ci95[1] - 1))
    percent = 100 * (shift.factor - 1)
    why = "" if controls is None else f"{_own_change(controls)}, which is taken out"
    return Change(name, "latency_us", before, after, percent, interval, shift.p_value, verdict, why)


def _instructions(name: str, base: Variant, new: Variant) -> Change:
    before, after = base.instruction_count, new.instruction_count
    if before is None or after is None:
        return Change(name, "instructions", before, after, None, why="only one of them was counted")
    change = _exact(name, "instructions", before, after)
    if before == after or abs(after - before) > SAME_COUNT * before:
        return change
    why = f"within {SAME_COUNT:.2%}, by which counts may differ when repeated"
    return dataclasses.replace(change, verdict="no difference shown", why=why)


def _estimated(name: str, base: Variant, new: Variant) -> Change:
    """The estimated time, which proves nothing."""
    before, after = estimated_us(base), estimated_us(new)
    if before is None or after is None:
        why = "only one of them was estimated"
        return Change(name, "estimated_us", before, after, None, why=why)
    percent, why = _percent(before, after), "estimated, not measured"
    return Change(name, "estimated_us", before, after, percent, verdict="not tested", why=why)


def _exact(name: str, metric: str, before: int, after: int) -> Change:
    verdict: Judgement = "no difference shown"
    if before != after:
        verdict = "worse" if after > before else "better"
    return Change(name, metric, before, after, _percent(before, after), verdict=verdict)


def _scores(name: str, before: Accuracy | None, after: Accuracy | None) -> list[Change]:
    """The score of each output."""
    old, now = _by_head(before), _by_head(after)
    samples = _samples(before), _samples(after)
    return [
        dataclasses.replace(_score(name, old.get(head), now.get(head), samples), head=head)
        for head in old | now
    ]


def _samples(accuracy: Accuracy | None) -> int:
    return 0 if accuracy is None else accuracy.samples


def _by_head(accuracy: Accuracy | None) -> dict[str, tuple[str, float]]:
    """Metric and score by the output's name, which is empty where there is only one."""
    if accuracy is None:
        return {}
    if not accuracy.heads:
        return {"": (accuracy.metric, accuracy.value)}
    return {head.name: (head.metric, head.value) for head in accuracy.heads}


def _score(
    name: str,
    before: tuple[str, float] | None,
    after: tuple[str, float] | None,
    samples: tuple[int, int],
) -> Change:
    """Top-1 by Fisher's test, which is careful here: it takes the samples for different ones."""
    old, now = (None if score is None else score[1] for score in (before, after))
    metric = (after or before or ("",))[0]
    if before is None or after is None or old is None or now is None:
        return Change(name, metric, old, now, None, why="only one of them was scored")
    if before[0] != metric:
        return Change(name, metric, old, now, None, why=f"A was scored by {before[0]}")
    verdict: Judgement = "no difference shown"
    why = "" if samples[0] == samples[1] else f"on {samples[0]:,} and {samples[1]:,} samples"
    if metric == "top1":
        p_value = fisher((round(old * samples[0]), round(now * samples[1])), samples)
        if p_value <= 1 - CONFIDENCE:
            verdict = "worse" if now < old else "better"
        points = 100 * (now - old)
        return Change(name, metric, old, now, points, p_value=p_value, verdict=verdict, why=why)
    is_higher_better = METRICS[metric].higher_is_better
    if old != now:
        verdict = "better" if (now > old) == is_higher_better else "worse"
    way = f"{'higher' if is_higher_better else 'lower'} is better"
    percent = 0.0 if old == now else _percent(old, now)
    why = f"{way}, {why}" if why else way
    return Change(name, metric, old, now, percent, verdict=verdict, why=why)


def _untested(name: str, metric: str, before: float | None, after: float | None) -> Change:
    if before is None or after is None:
        return Change(name, metric, before, after, None, why="only one of them was measured")
    percent = _percent(before, after)
    why = "one figure a result, so chance cannot be told"
    return Change(name, metric, before, after, percent, verdict="not tested", why=why)


def _energy(variant: Variant) -> float | None:
    return None if variant.energy_uj is None else variant.energy_uj.per_inference


def _session_medians_us(variant: Variant) -> list[float]:
    return [session.median_us for session in variant.processes if session.is_valid]


def _percent(before: float, after: float) -> float | None:
    """How much higher ``after`` is, in percent of ``before``; None where that is 0."""
    return 100 * (after - before) / abs(before) if before else None
