"""Where integers cost too much accuracy: which layers lose it, and what to add to the recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import tomli_w

from edgeprune import verify
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.fragile_layer import FragileLayer
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.data.fit import some_of
from edgeprune.devices.boards import MICROCONTROLLER, load_board
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.users_data import calibration_samples
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.quantize_table import LayerMode
from edgeprune.tasks import ROUNDING, amount_text, worst_drop

LOST = 0.01
"""Loss, as a share, from which layers are named where the user set no limit. Source: ours."""

_SCORED_SAMPLES = 1000
"""Test samples that a choice of layers is scored on, at most. Source: ours."""

_SCORINGS = 10
"""Files that are scored at most. Source: ours: a few seconds for a network of a board's size."""

_NAMED = 3
"""Layers that are named at most. Source: ours."""

_LEAST_NAMED = 0.01
"""Share of its own signal that a layer behind the first loses to be named. Source: ours."""


@dataclass(frozen=True)
class Advice:
    """What the report says of layers that lose much.

    Attributes:
        layers: The layers, the worst first.
        lines: What was found, and what to add to the recipe.
        remedy: Line of the table ``[quantize]`` with which the loss keeps to the limit; empty where
            none was found.
    """

    layers: tuple[FragileLayer, ...] = ()
    lines: tuple[str, ...] = ()
    remedy: str = ""


def advice(
    request: Request,
    recipe: Recipe,
    tflite: bytes,
    data: Dataset | None,
    score: Accuracy | None,
    progress: Progress,
) -> Advice:
    """Names the layers that lose most, where a file on integers loses more than it may.

    Args:
        request: With the user's limit; without one :data:`LOST` is taken.
        recipe: In force.
        tflite: The float model that was quantized.
        data: To calibrate on and to score with.
        score: That of the quantized file; None where there is none.
        progress: Is told what is looked for and what was found.

    Returns:
        Nothing where the loss is small or is not integers', or where ``auto`` may store the weights
        in another way.

    Raises:
        ModelError: The host cannot run the model.
    """
    from edgeprune.quantize import INTEGER_MODES

    is_open = recipe.name == "auto" and "quantize" not in recipe.fixed
    if is_open or recipe.quantize.mode not in INTEGER_MODES or data is None or score is None:
        return Advice()
    whole, task = verify.accuracy(tflite, data, tflite), data.task
    if whole is None or task is None:
        return Advice()
    allowed = LOST if request.max_accuracy_drop is None else request.max_accuracy_drop
    head, lost = worst_drop(task, whole.by_head(task), score.by_head(task))
    if lost <= allowed + ROUNDING:
        return Advice()
    what = f"{recipe.quantize.mode} loses {amount_text(head.metric, lost)} to rounding"
    with progress.stage("fragile layers"):
        progress.say(what)
        is_firmware = load_board(request.board).kind == MICROCONTROLLER
        said = _searched(what, head.metric, recipe, tflite, data, allowed, is_firmware)
    for line in said.lines:
        progress.note(line)
    return said


def _searched(
    what: str,
    metric: str,
    recipe: Recipe,
    tflite: bytes,
    data: Dataset,
    allowed: float,
    is_firmware: bool,
) -> Advice:
    from edgeprune.quantize.fragile import keep_fragile

    part, task, mode = _some(data), data.task, recipe.quantize.mode
    first = verify.accuracy(tflite, part, tflite)

    def scored(file: bytes) -> float:
        now = verify.accuracy(file, part, tflite)
        if task is None or first is None or now is None:
            return -1.0
        return -worst_drop(task, first.by_head(task), now.by_head(task))[1]

    samples = calibration_samples(data, recipe.quantize.calibration_samples) or []
    kept = keep_fragile(tflite, samples, scored, allowed, mode=mode, scorings=_SCORINGS)
    layers = tuple(
        FragileLayer(
            one.layer,
            one.op,
            one.lost,
            None if one.score is None else one.score - kept.plain_score,
            tuple(entry.layer for entry in one.entries),
        )
        for one in kept.fragile[:_NAMED]
    )
    lines = [f"{what}: {_named(layers)}"]
    if is_firmware:
        lines.append("firmware computes on int8 alone: epochs in [qat] may win some of it back")
        return Advice(layers, tuple(lines))
    if not kept.entries:
        lines.append(f"{kept.why}: use epochs in [qat], or --quantize int8-weights")
        return Advice(layers, tuple(lines))
    remedy, left = toml_line(kept.entries), amount_text(metric, max(-kept.score, 0.0))
    lines.append(f"{left} would be lost with this line in [quantize] of the recipe: {remedy}")
    return Advice(layers, tuple(lines), remedy)


def toml_line(entries: Sequence[LayerMode]) -> str:
    """Entries of ``[quantize] layers`` as one line of TOML.

    >>> toml_line([LayerMode("stem", "none")])
    'layers = [{layer = "stem", mode = "none"}]'
    """
    cells = [
        ", ".join(tomli_w.dumps({key: value}).strip() for key, value in one.items())
        for one in map(dataclasses.asdict, entries)
    ]
    return f"layers = [{', '.join(f'{{{cell}}}' for cell in cells)}]"


def _named(layers: Sequence[FragileLayer]) -> str:
    """The layers that lose most, in words."""
    if not layers:
        return "no single layer loses much by itself"
    first, *others = layers
    others = [one for one in others if one.lost >= _LEAST_NAMED]
    text = f"layer {first.layer} ({first.op}) loses most, {first.lost:.0%} of its own signal"
    if others:
        more = " and ".join(f"{one.layer} ({one.lost:.0%})" for one in others)
        text += f"; then {more}"
    return text


def _some(data: Dataset) -> Dataset:
    """The data with fewer test samples, spread over all."""
    rows = list(some_of(len(data.x_test), _SCORED_SAMPLES))
    labels = None if data.y_test is None else data.y_test[rows]
    return dataclasses.replace(data, x_test=data.x_test[rows], y_test=labels)
