"""Prunes a copy of a Keras model: decides, then trains, calibrates, or zeroes at once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import (
    ChannelPruned,
    LayerShare,
    Pruned,
    PrunedTensor,
)
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, library_errors
from edgeprune.models.keras.weights import Weight, clone, prunable_weights
from edgeprune.pruning.budget.kernel_pattern import pattern_choice
from edgeprune.pruning.budget.layer_sizes import layers_of
from edgeprune.pruning.calibration.samples import calibration
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.masks.pruner import pruner
from edgeprune.pruning.plan import (
    LayerGoal,
    left_whole,
    nothing_to_prune,
    prospects,
    that_fit,
    wanted,
)
from edgeprune.pruning.schedules import schedule
from edgeprune.pruning.shares import layer_shares
from edgeprune.recipe.prune_parts import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.text.untrusted import reason_of
from edgeprune.training.capture import Calibration
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import asked_once
from edgeprune.training.kept_zeros import held_zeros
from edgeprune.training.loop import TrainingJob, fine_tune, trained
from edgeprune.training.store import identity_after, place_of
from edgeprune.training.training_data import training_data


@dataclass(eq=False)
class Job:
    """What is to be done with a Keras model; see :func:`edgeprune.pruning.prune` for each."""

    before: ChannelPruned
    spec: PruneTable
    context: StageContext
    dense: bytes | None

    @cached_property
    def training(self) -> TrainingData | None:
        """Inputs and targets, or None."""
        return training_data(self.context.data, self.before.dense.keras)


def prune_keras(job: Job) -> Pruned:
    """Prunes a copy of the job's model.

    Raises:
        ModelError: As :func:`edgeprune.pruning.prune`.
    """
    spec, model = job.spec, job.before.model
    import_keras(model.flavour or "keras").utils.set_random_seed(spec.seed)
    copied = clone(model)
    weights = prunable_weights(copied, spec.layers)
    if not weights:
        return nothing_to_prune(model, spec)
    whole = left_whole(_sizes(weights), _sizes(prunable_weights(copied, "all")))
    weights, too_narrow = that_fit(wanted(weights, spec), spec)
    layers = layers_of(weights, job.dense if spec.needs_sizes else None)
    cpu = job.context.cpu
    choice = pattern_choice(layers, spec, cpu)
    weights = [dataclasses.replace(w, pattern=choice.patterns[w.name]) for w in weights]
    samples = calibration(job.context.data, spec, job.training)
    with _calibrating():
        shares = layer_shares(copied, weights, layers, spec, job.training, samples, cpu)
        to_sparsities = pruner(copied, weights, spec, samples)
    sparsities = {share.name: share.sparsity for share in shares}
    messages = [*_messages(weights, shares), *too_narrow, *whole]
    for line in messages:
        job.context.say(line)
    held = Masks(
        copied, weights, sparsities, flavour=model.flavour or "keras", pruner=to_sparsities
    )
    if job.training is None or not spec.epochs:
        with _calibrating():
            held.update()
        control, notes = None, _at_once(spec, samples, job.context.max_accuracy_drop)
    else:
        control, notes = _fine_tuned(job, copied, held, job.training)
    return Pruned(
        dataclasses.replace(model, keras=copied, made=_identity(job, held)),
        held.masks,
        _counted(weights, held.masks),
        fine_tuned=job.training is not None and spec.epochs > 0,
        profiling_only=job.training is None and not _is_calibrated(spec, samples),
        control=control,
        notes=(*notes, *messages, *choice.notes),
        shares=() if spec.allocation == "uniform" else shares,
    )


def _sizes(weights: Sequence[Weight]) -> list[int]:
    return [math.prod(weight.variable.shape) for weight in weights]


def _messages(weights: Sequence[Weight], shares: Sequence[LayerShare]) -> list[str]:
    return prospects(
        [
            LayerGoal(w.name, w.pattern, w.matrix(), w.in_channels, share.sparsity)
            for w, share in zip(weights, shares, strict=True)
        ]
    )


@contextlib.contextmanager
def _calibrating() -> Iterator[None]:
    """Turns what libraries raise in the block into one line."""
    try:
        yield
    except library_errors() as error:
        raise ModelError(f"the model cannot be calibrated: {reason_of(error)}") from error


def _at_once(
    spec: PruneTable, samples: Calibration | None, max_accuracy_drop: float | None
) -> tuple[str, ...]:
    if not _is_calibrated(spec, samples) or samples is None:
        return ("weights were zeroed at once, without training data",)
    recovered = " and ".join(name.replace("_", " ") for name in spec.recovery) or "nothing"
    note = (
        f"pruned at once by {spec.criterion}, {recovered} corrected, with {len(samples.x)} "
        "calibration samples; nothing was trained"
    )
    watched = "the accepted drop was not watched: nothing was trained"
    return (note,) if max_accuracy_drop is None else (note, watched)


def _is_calibrated(spec: PruneTable, samples: Calibration | None) -> bool:
    return SCHEDULES[spec.schedule].at_once and samples is not None


def _fine_tuned(
    job: Job, copied: Any, held: Masks, training: TrainingData
) -> tuple[Loaded | None, tuple[str, ...]]:
    """Trains the copied model under its masks, and the dense one; gives that and notes."""
    spec, before = job.spec, job.before
    task = TrainingJob(
        model=copied,
        flavour=before.model.flavour or "keras",
        masks=held,
        training=spec.training(),
        data=training,
        progress=job.context.say,
        place=place_of(_identity(job, held)),
        max_accuracy_drop=job.context.max_accuracy_drop,
        reference=None if before.model is before.dense else before.dense.keras,
        teacher=asked_once(
            before.dense.keras, training.x, spec.distillation, spec.temperature, training.task
        ),
        schedule=functools.partial(schedule, spec),
    )
    with held_zeros(copied, besides={id(weight.variable) for weight in held.weights}):
        notes = (_trained(spec, training), *fine_tune(task))
    return _control(before.control or before.dense, job, task) if spec.control else None, notes


def _identity(job: Job, held: Masks) -> str:
    """What tells the pruned model from all others: see :func:`identity_after`."""
    before = job.before
    done = {
        "prune": dataclasses.asdict(dataclasses.replace(job.spec, control=False)),
        "patterns": {weight.name: weight.pattern for weight in held.weights},
        "sparsities": held.final,  # chosen for the board, by some allocations
    }
    drop = job.context.max_accuracy_drop
    return identity_after(
        before.model, done, job.training, max_accuracy_drop=drop, beside=[before.dense]
    )


def _trained(spec: PruneTable, training: TrainingData) -> str:
    times = spec.rounds + 1 if spec.schedule == "iterative" else 1
    return trained(spec.training(), training, times)


_STEPS = ("schedule", "rounds", "rewind", "rewind_step")
"""Keys that say how many steps a training has, and at which rate each is."""


def _control(model: Loaded, job: Job, task: TrainingJob) -> Loaded:
    """The dense model after the same training, which does not depend on what is pruned."""
    done = dataclasses.asdict(task.training) | {key: getattr(job.spec, key) for key in _STEPS}
    identity = identity_after(model, {"control": done}, task.data, beside=[job.before.dense])
    import_keras(task.flavour).utils.set_random_seed(task.training.seed)
    dense = clone(model)
    fine_tune(
        dataclasses.replace(
            task,
            model=dense,
            masks=None,
            reference=None,
            name="dense",
            place=place_of(identity),
        )
    )
    return dataclasses.replace(model, keras=dense, made=identity)


def _counted(weights: Sequence[Weight], masks: Mapping[str, BoolArray]) -> tuple[PrunedTensor, ...]:
    """Zeros of each tensor as it is now."""
    counted = []
    for weight in weights:
        values = weight.value()
        if values[~masks[weight.name]].any():
            raise ModelError(f"{weight.name}: pruned weights came back during training")
        zeros = values.size - int(np.count_nonzero(values))
        counted.append(PrunedTensor(weight.name, values.size, zeros))
    return tuple(counted)
