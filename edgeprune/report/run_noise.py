"""What a device's own history says about differences between two runs of one file."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from edgeprune import history
from edgeprune.history.figures import Repeat
from edgeprune.history.result import Result, known
from edgeprune.report.control import common_control
from edgeprune.significance.run_noise import ACROSS_RUNS_P, MIN_DEGREES, RunNoise, run_noise
from edgeprune.significance.shift import Shift, latency_shift, least_effect_of

METRIC = "latency_us"
"""The one figure that has noise from run to run and is judged."""


def are_side_by_side(base: Result, new: Result) -> bool:
    """Whether two results were measured in turns, in one sitting."""
    sitting = known(base.sitting)
    return sitting is not None and sitting == known(new.sitting)


def noise_between(base: Result, new: Result) -> RunNoise | None:
    """By how much runs of one file differ on the device of two results, without these two.

    Returns:
        None where both were measured in turns, so that it is not needed. Beside the control that
        both results share where the history knows that noise, which is the smaller one. Of two
        devices that of the one that is known less or less quiet.

    Raises:
        ConfigError: The history cannot be read.
    """
    if are_side_by_side(base, new):
        return None
    if (beside := _noise_beside_control(base, new)) is not None:
        return beside
    compared = {
        (known(variant.sha256), variant.median_us)
        for result in (base, new)
        for variant in result.variants
    }
    devices = {(result.board, result.device.id) for result in (base, new)}
    noises = [_noise_of(board, device, compared) for board, device in devices]
    return max(noises, key=lambda one: (not one.is_known, one.scale))


def _noise_beside_control(base: Result, new: Result) -> RunNoise | None:
    controls = common_control(base, new)
    if controls is None:
        return None
    own = {
        (f"{known(variant.sha256)} {control.sha256}", variant.median_us / control.median_us)
        for result, control in zip((base, new), controls, strict=True)
        for variant in result.variants
        if variant.median_us is not None
    }
    noise = _noise(history.ratios(base.board, base.device.id), own)
    return dataclasses.replace(noise, control=controls[0].name) if noise.is_known else None


def _noise_of(board: str, device: str, without: set[tuple[str | None, float | None]]) -> RunNoise:
    return _noise(history.repeats(board, device, METRIC), without)


def _noise(repeats: Iterable[Repeat], without: Set[tuple[str | None, float | None]]) -> RunNoise:
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for repeat in repeats:
        if (repeat.file_sha256, repeat.value) not in without:
            groups[repeat.file_sha256, repeat.conditions].append(repeat.value)
    return run_noise(groups.values())


def unknown_noise(noise: RunNoise) -> str:
    """Why two runs cannot be compared yet, and what to do instead."""
    seen = f"{noise.runs} runs of {noise.files} files" if noise.runs else "none"
    return (
        "the noise from run to run of this device is not known: that takes "
        f"{MIN_DEGREES + 1} runs of one file in its history beside these two, there are {seen}; "
        "`edgeprune run OLD.tflite NEW.tflite` measures both in turns and needs none"
    )


def noise_text(noise: RunNoise | None) -> list[str]:
    """How far runs lie apart on the device, in a sentence; none where that is not known."""
    if noise is None or not noise.is_known:
        return []
    beside = f" beside {noise.control}" if noise.control else ""
    return [
        f"runs of one file{beside} differ by {noise.scale:.1%} on this device (standard "
        f"deviation, from {noise.runs} runs of {noise.files} files in its history), so that "
        f"differences count from {noise.least_effect:.1%} on"
    ]


def shift_of(base: Sequence[float], new: Sequence[float], noise: RunNoise | None) -> Shift:
    """Compares two runs by their sessions, and by how far runs lie apart on the device.

    Args:
        base: One median per session, above 0; at least 5.
        new: The same of the other run.
        noise: A known one; None for sessions that were measured in turns.

    Returns:
        A difference counts where the sessions show it and the device's noise does not explain it;
        interval and p-value are the wider and the larger of both.
    """
    least_effect = max(least_effect_of(each)[0] for each in (base, new))
    shift = latency_shift(base, new, least_effect)
    if noise is None:
        return shift
    low, high = noise.interval(shift.factor)
    p_value = noise.p_value(shift.factor)
    return dataclasses.replace(
        shift,
        ci95=(min(low, shift.ci95[0]), max(high, shift.ci95[1])),
        p_value=max(p_value, shift.p_value),
        verdict=shift.verdict if p_value <= ACROSS_RUNS_P else "no difference shown",
    )
