"""What a result's figures come to, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.history.result import Comparison, Result, Variant, known
from edgeprune.report.energy import energy_remarks
from edgeprune.report.estimated import estimate_remarks
from edgeprune.report.pinning import pinning_remarks
from edgeprune.report.sessions import session_remarks
from edgeprune.significance.shift import MIN_SESSIONS

_NO_ACCURACY = "accuracy was not measured"


def verdict_line(result: Result) -> str:
    """One line on whether the deployed variant is faster than the dense one.

    Args:
        result: A valid result.

    """
    comparison = result.comparison
    if comparison.speedup is None and len(result.variants) == 1:
        return f"nothing to compare with: {result.deployed.name} is the only variant"
    return comparison_line(comparison)


def comparison_line(comparison: Comparison) -> str:
    """One line on what a comparison shows.

    >>> comparison_line(
    ...     Comparison(metric="instructions", speedup=3.456, ci95=None, verdict="faster")
    ... )
    'deployed executes 3.46x fewer instructions than dense'
    """
    speedup, verdict = comparison.speedup, comparison.verdict
    is_counted = comparison.metric == "instructions"
    if speedup is None:
        return "not measurable: there is no figure for both dense and deployed"
    if verdict == "not measurable":
        return (
            f"not measurable: dense took {speedup:.2f}x the time of deployed, but fewer than "
            f"{MIN_SESSIONS} valid sessions of each give no confidence interval"
        )
    if verdict == "no difference shown":
        what = "dense executes" if is_counted else "dense takes"
        of = "the instructions" if is_counted else "the time"
        return (
            f"no difference shown: {what} {speedup:.3f}x {of} of deployed{_interval(comparison)}"
            f"{_least(comparison)}"
        )
    factor = speedup if verdict == "faster" else 1 / speedup
    if is_counted:
        amount = "fewer" if verdict == "faster" else "more"
        return f"deployed executes {factor:.2f}x {amount} instructions than dense"
    return f"deployed is {factor:.2f}x {verdict} than dense{_interval(comparison)}"


def remarks(result: Result, notes: Sequence[str] = ()) -> list[str]:
    """What a reader must know before believing the figures, and then ``notes``; each line once.

    Args:
        result: A valid result.
        notes: Lines from the stages.
    """
    lines = []
    validity = result.validity
    if validity.verdict != "valid":
        lines.append(f"these figures are {validity.verdict}: " + "; ".join(validity.reasons))
    if result.is_emulated:
        sources = {
            variant.instructions.source
            for variant in result.variants
            if variant.instructions is not None
        }
        lines += [f"emulated: instructions are no times; counted by {source}" for source in sources]
    lines += estimate_remarks(result)
    lines += pinning_remarks(result)
    lines += session_remarks(result)
    for variant in result.variants:
        lines += _variant_remarks(variant)
    is_scored = any(variant.accuracy is not None for variant in result.variants)
    if not is_scored and not any(note.startswith(_NO_ACCURACY) for note in notes):
        lines.append(f"{_NO_ACCURACY}: it needs --data with labels")
    return list(dict.fromkeys([*lines, *notes]))


def warnings(result: Result) -> list[str]:
    """What keeps a reader from using the model or believing its figures; each line once.

    Args:
        result: A valid result.
    """
    reasons = list(result.validity.reasons)
    lines = reasons[:1]
    if len(reasons) > 1:
        lines = [f"{reasons[0]} ({len(reasons) - 1} more of this kind)"]
    for variant in result.variants:
        if variant.profiling_only:
            made = made_how(is_scored=variant.accuracy is not None)
            lines.append(f"{variant.name} was {made}: measure it, but do not use it")
        run, expected = variant.sparse_layers_run, variant.sparse_layers_expected
        if run is not None and run < expected:
            lines.append(f"{variant.name}: {expected - run} of {expected} sparse layers ran dense")
        energy = variant.energy_uj
        how = None if energy is None else known(energy.measurement)
        if how is not None and not how.stable:
            lines.append(f"{variant.name}: idle power changed, so its energy is not certain")
    pinning = known(result.pinning)
    if pinning is not None and pinning.restored is False:
        lines.append("the device's clock governor was not restored: restart the device")
    return list(dict.fromkeys(lines))


def made_how(*, is_scored: bool) -> str:
    """Why a file is fit to be measured only, in words.

    Args:
        is_scored: Whether there were data, which calibrate at least.
    """
    return "pruned without training" if is_scored else "made without data"


def _variant_remarks(variant: Variant) -> list[str]:
    lines = []
    if variant.profiling_only:
        made = made_how(is_scored=variant.accuracy is not None)
        lines.append(
            f"{variant.name} is profiling_only: {made}, fit to be measured and not to be used"
        )
    run, expected = variant.sparse_layers_run, variant.sparse_layers_expected
    if run is not None and run < expected:
        lines.append(
            f"{variant.name}: only {run} of {expected} layers that were expected to run sparse "
            "did; `edgeprune report --layers` names the kernels"
        )
    lines += energy_remarks(variant)
    latency = variant.latency_us
    if latency is not None and latency.p99 is None:
        least = "a p99 needs 662 runs" + ("" if latency.p90 else " and a p90 64")
        lines.append(f"{variant.name}: {latency.runs} runs in all; {least}")
    return lines


def _interval(comparison: Comparison) -> str:
    if comparison.ci95 is None:
        return ""
    low, high = comparison.ci95
    if comparison.verdict == "slower":  # the interval of a slowdown is the speedup's, inverted
        low, high = 1 / high, 1 / low
    return f" (95% confidence: {low:.2f}x to {high:.2f}x)"


def _least(comparison: Comparison) -> str:
    least_effect = known(comparison.least_effect)
    return "" if least_effect is None else f"; the smallest that counts here is {least_effect:.1%}"
