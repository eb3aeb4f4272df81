"""Stage ``prune``: zeroes the weights that matter least, and trains the rest to make up for it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Unpack

from edgeprune.artifacts import Array, Dataset, Loaded, Narrowed, Pruned
from edgeprune.board import Cpu
from edgeprune.errors import ModelError
from edgeprune.prune.api import Wishes, dataset_of, loaded, masks, tables_of
from edgeprune.prune.channels.stage import remove_channels
from edgeprune.prune.keras_stage import Job, prune_keras
from edgeprune.prune.masking import Masks
from edgeprune.prune.plan import unpruned
from edgeprune.prune.shares import check_needs
from edgeprune.prune.spec import PruneSpec, check
from edgeprune.prune.tflite_stage import prune_tflite
from edgeprune.recipe.prune_table import CHANNEL

__all__ = ["Masks", "PruneSpec", "Wishes", "masks", "prune", "prune_model"]


def prune(
    model: Loaded | Narrowed,
    spec: PruneSpec,
    data: Dataset | None,
    progress: Callable[[str], None] | None = None,
    cpu: Cpu | None = None,
    dense: bytes | None = None,
    max_accuracy_drop: float | None = None,
) -> Pruned:
    """Prunes a copy of the model.

    With training data a Keras model is fine-tuned while its sparsity grows, or with the schedule
    ``one_shot`` and 0 epochs calibrated only; without data, or for a TFLite file, weights are
    zeroed at once and the result is fit to be measured only.

    Args:
        model: Is not changed. What the stage ``channels`` made of one is compared with the dense
            model that it was.
        spec: What to prune and how to train; a sparsity of 0 prunes nothing.
        data: To fine-tune with, or None.
        progress: Told a line per epoch, or None.
        cpu: The board's cores; the pattern ``kernel`` and the allocation ``cost_aware``, which
            choose for them, need it.
        dense: A Keras model as float TFLite, from which those read its layers' sizes; without it
            they count as unknown.
        max_accuracy_drop: What pruning may cost on held-out training samples, beside the model as
            it comes: 0.01 is one point of top-1 accuracy, or one percent of the model's own score
            by any other metric. None lets it cost what it will. The sparsest state that keeps it
            is handed out, and training stops where it is lost.

    A model that comes from a file leaves a checkpoint after every epoch in the user's data folder
    until its training is done; the same call goes on from there.

    Returns:
        The pruned model, with masks and counts per tensor. ``control`` is the dense model trained
        on the same batches, where the spec asks for it.

    Raises:
        ModelError: The spec is out of range, the weights are quantized already, or the model
            cannot be copied or trained.
    """
    check(spec)
    if spec.pattern == CHANNEL:
        raise ModelError("the stage prune removes no channels: use the stage channels before it")
    before = model if isinstance(model, Narrowed) else Narrowed(model, model)
    say = progress or (lambda line: None)
    job = Job(before, spec, data, say, cpu, dense, max_accuracy_drop)
    done = _pruned(job)
    return _joined(before, done) if before.groups else done


def _pruned(job: Job) -> Pruned:
    model, spec = job.before.model, job.spec
    if spec.sparsity == 0:
        return unpruned(model, "sparsity 0: nothing was pruned")
    has_training = model.keras is not None and job.training is not None
    check_needs(spec, has_training=has_training, has_board=job.cpu is not None)
    if model.tflite is not None:
        return prune_tflite(model, model.tflite, spec, job.cpu, has_data=job.data is not None)
    return prune_keras(job)


def prune_model(
    model: Any,
    data: tuple[Array, Array] | Dataset | None = None,
    progress: Callable[[str], None] | None = None,
    max_accuracy_drop: float | None = None,
    **wishes: Unpack[Wishes],
) -> Pruned:
    """Prunes a copy of a Keras model in memory: ``edgeprune.prune(model, sparsity=0.9)``.

    Args:
        model: A built model of either Keras, of any kind; it is not changed.
        data: Inputs ``(n, ...)`` and targets to calibrate on, and to fine-tune with while it is
            pruned; None zeroes the weights at once.
        progress: Told a line per epoch, or None.
        max_accuracy_drop: As in :func:`prune`.
        wishes: See :class:`Wishes`.

    Returns:
        The pruned model is its ``keras``; masks and counts are beside it.

    Raises:
        ModelError: As :func:`prune`.
        ConfigError: A wish about channels names no layer or criterion.
    """
    spec, channels = tables_of(wishes)
    samples = dataset_of(data)
    smaller = remove_channels(
        loaded(model), channels, samples, progress, spec.seed, spec.control, max_accuracy_drop
    )
    return prune(smaller, spec, samples, progress, max_accuracy_drop=max_accuracy_drop)


def _joined(before: Narrowed, done: Pruned) -> Pruned:
    """Both stages as one: channels were removed, and what is left may have been pruned."""
    is_pruned = bool(done.tensors)
    return dataclasses.replace(
        done,
        fine_tuned=before.fine_tuned or done.fine_tuned,
        profiling_only=before.profiling_only or done.profiling_only,
        control=done.control if is_pruned else before.control,
        notes=(*before.notes, *done.notes) if is_pruned else before.notes,
        groups=before.groups,
    )


class _Stage(ModuleType):
    """This package, which is a function as well: ``edgeprune.prune(model, sparsity=0.9)``."""

    __call__ = staticmethod(prune_model)


sys.modules[__name__].__class__ = _Stage
