"""Stage ``channels``: removes whole channels, and trains the smaller model to make up for it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import ChannelGroup, ChannelPruned
from edgeprune.channels.choose import Scope
from edgeprune.channels.removal import ChannelRemoval, prune_channels
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import clone
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.training.capture import Calibration
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import asked_once
from edgeprune.training.loop import TrainingJob, fine_tune, trained
from edgeprune.training.store import feed, identity_after, place_of
from edgeprune.training.training_data import training_data

SAMPLES = 512
"""Training samples that a criterion sees. Source: ours."""

_CHOOSE = {
    "pruning_ratio",
    "macs",
    "criterion",
    "scope",
    "round_to",
    "finer_where_small",
    "ignored",
    "limits",
}
"""Keys that say which channels go, and nothing of how the rest is trained."""


def remove_channels(
    model: Loaded,
    table: ChannelsTable,
    context: StageContext,
    control: bool = True,
) -> ChannelPruned:
    """Makes a smaller model of a Keras model, and trains it where there is data.

    A model that comes from a file leaves a checkpoint after every epoch in the user's data folder,
    and its result in the end; the same call goes on from there, see
    :mod:`edgeprune.training.store`.

    Args:
        model: Is not changed.
        table: What to remove and how to train; a table that asks for nothing removes nothing.
        context: Data to train with and to score channels with, who is told what goes, and so on.
            Where it limits the drop in accuracy, the best epoch is handed out, and training stops
            where the limit is lost. Its teacher, or else the model, is the dense one.
        control: Train the dense model exactly as long.

    Raises:
        ModelError: The model's graph cannot be followed, nothing may be removed, or the model
            cannot be trained.
        ConfigError: An option is out of its range, or names no layer or criterion.
    """
    if table.is_noop:
        return ChannelPruned(model, context.teacher or model)
    if model.tflite is not None:
        raise ModelError(
            f"{model.source.path}: channels are removed from Keras models, and this is a TFLite "
            "file: give the .keras or .h5 file that it was converted from"
        )
    dense = context.teacher or model
    training = training_data(context.data, dense.keras)
    import_keras(model.flavour or "keras").utils.set_random_seed(context.seed)
    pruned = _pruned(model.keras, table, training, context.seed)
    notes = [_headline(pruned), *summed(pruned.notes)]
    for line in notes:
        context.say(line)
    limit = context.max_accuracy_drop
    identity = identity_after(
        model,
        {"channels": _what_is_left(table, pruned), "seed": context.seed},
        training,
        max_accuracy_drop=limit,
        beside=[dense],
    )
    smaller = dataclasses.replace(model, keras=pruned.model, made=identity)
    channel_pruned = ChannelPruned(smaller, dense, _groups(pruned), profiling_only=training is None)
    if training is None:
        note = "channels were removed at once, without training data"
        return dataclasses.replace(channel_pruned, notes=(note, *notes))
    options = table.training(context.seed)
    task = TrainingJob(
        smaller.keras,
        model.flavour or "keras",
        None,
        options,
        training,
        context.say,
        place_of(identity),
        limit,
        dense.keras,
        teacher=asked_once(
            dense.keras, training.x, table.distillation, table.temperature, training.task
        ),
    )
    notes = [
        f"the smaller model was {trained(options, training)}",
        *fine_tune(task),
        *notes,
    ]
    return dataclasses.replace(
        channel_pruned,
        fine_tuned=True,
        control=_control(dense, task) if control else None,
        notes=tuple(notes),
    )


def summed(notes: Sequence[str]) -> list[str]:
    """Lines on layers that keep channels, one for each reason.

    >>> summed([f"{name}: 8 of 8 channels stay: 'norm_{name}' (Norm) mixes them" for name in "ab"])
    ["2 layers keep channels, as a: 8 of 8 channels stay: 'norm_a' (Norm) mixes them"]
    """
    kinds: dict[str, list[str]] = {}
    for note in notes:
        # Counts and names of layers differ from line to line.
        reason = re.sub(r"'[^']*' \(|\d+ of \d+", "", note.partition(": ")[2])
        kinds.setdefault(reason, []).append(note)
    return [
        lines[0] if len(lines) == 1 else f"{len(lines)} layers keep channels, as {lines[0]}"
        for lines in kinds.values()
    ]


def _pruned(
    model: Any, table: ChannelsTable, training: TrainingData | None, seed: int
) -> ChannelRemoval:
    samples = None
    if training is not None:
        order = np.random.default_rng(seed).permutation(len(training.x))
        chosen = np.sort(order[:SAMPLES])
        samples = Calibration(training.x[chosen], training.y[chosen], training.task)
    is_by_macs = table.macs != 1
    return prune_channels(
        model,
        pruning_ratio=None if is_by_macs else table.pruning_ratio,
        macs=table.macs if is_by_macs else None,
        criterion=table.criterion,
        scope=cast("Scope | None", table.scope or None),
        round_to=table.round_to,
        finer_where_small=table.finer_where_small,
        ignored=table.ignored,
        limits={one.layer: one.pruning_ratio for one in table.limits},
        samples=samples,
    )


def _what_is_left(table: ChannelsTable, pruned: ChannelRemoval) -> dict[str, Any]:
    """What a training depends on: how it trains, and which weights are left to it.

    Shares that leave the same channels are the same training: of few or small groups many do.
    """
    left = hashlib.sha256()
    feed(left, pruned.model.get_weights())
    trains = {key: x for key, x in dataclasses.asdict(table).items() if key not in _CHOOSE}
    return trains | {"left": left.hexdigest()}


def _headline(pruned: ChannelRemoval) -> str:
    gone, before = pruned.channels_before - pruned.channels_after, pruned.channels_before
    line = f"{gone:,} of {before:,} channels are removed ({gone / before:.1%})"
    if pruned.macs_before is None or pruned.macs_after is None:
        return f"{line}; multiplications are not counted, because an input has an open size"
    return (
        f"{line}; of {pruned.macs_before / 1e6:,.2f} M multiplications "
        f"{pruned.macs_after / 1e6:,.2f} M are left ({pruned.macs_after / pruned.macs_before:.1%})"
    )


def _groups(pruned: ChannelRemoval) -> tuple[ChannelGroup, ...]:
    return tuple(
        ChannelGroup(group.name, group.channels, left * group.width, group.details())
        for group, left in zip(pruned.groups, pruned.units_left, strict=True)
    )


def _control(model: Loaded, task: TrainingJob) -> Loaded:
    """The dense model after the same training."""
    identity = identity_after(model, {"control": dataclasses.asdict(task.training)}, task.data)
    import_keras(task.flavour).utils.set_random_seed(task.training.seed)
    dense = clone(model)
    fine_tune(
        dataclasses.replace(
            task,
            model=dense,
            name="dense",
            place=place_of(identity),
            max_accuracy_drop=None,
            reference=None,
        )
    )
    return dataclasses.replace(model, keras=dense, made=identity)
