"""Stage ``prune``: zeroes the weights that matter least, and trains the rest to make up for it."""

from __future__ import annotations

import dataclasses

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import ChannelPruned, Pruned
from edgeprune.errors import ModelError
from edgeprune.pruning.keras_stage import Job, prune_keras
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.plan import unpruned
from edgeprune.pruning.shares import check_needs
from edgeprune.pruning.spec import check
from edgeprune.pruning.tflite_stage import prune_tflite
from edgeprune.recipe.prune_parts import CHANNEL
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

__all__ = ["Masks", "PruneSpec", "prune"]


def prune(
    model: Loaded | ChannelPruned,
    spec: PruneTable,
    context: StageContext,
    dense: bytes | None = None,
) -> Pruned:
    """Prunes a copy of the model.

    With training data a Keras model is fine-tuned while its sparsity grows, or with the schedule
    ``one_shot`` and 0 epochs calibrated only; without data, or for a TFLite file, weights are
    zeroed at once and the result is fit to be measured only.

    Args:
        model: Is not changed. What the stage ``channels`` made of one is compared with the dense
            model that it was, and any other with the context's teacher, where it has one.
        spec: What to prune and how to train; a sparsity of 0 prunes nothing.
        context: Data to fine-tune with, who is told a line per epoch, and so on. The pattern
            ``kernel`` and the allocation ``cost_aware`` choose for its board's cores, and need
            them. Where it limits the drop in accuracy, the sparsest state that keeps the limit is
            handed out, and training stops where it is lost.
        dense: A Keras model as float TFLite, from which those read its layers' sizes; without it
            they count as unknown.

    A model that comes from a file leaves a checkpoint after every epoch in the user's data folder,
    and its result in the end; the same call goes on from there, see
    :mod:`edgeprune.training.store`. Zeros of weights that are not pruned here stay zeros.

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
    before = (
        model
        if isinstance(model, ChannelPruned)
        else ChannelPruned(model, context.teacher or model)
    )
    pruned = _pruned(Job(before, spec, context, dense))
    return _joined(before, pruned) if before.groups else pruned


def _pruned(job: Job) -> Pruned:
    model, spec = job.before.model, job.spec
    if spec.sparsity == 0:
        return unpruned(model, "sparsity 0: nothing was pruned")
    has_training = model.keras is not None and job.training is not None
    check_needs(spec, has_training=has_training, has_board=job.context.cpu is not None)
    if model.tflite is not None:
        return prune_tflite(model, model.tflite, spec, job.context)
    return prune_keras(job)


def _joined(before: ChannelPruned, pruned: Pruned) -> Pruned:
    """Both stages as one: channels were removed, and what is left may have been pruned."""
    is_pruned = bool(pruned.tensors)
    return dataclasses.replace(
        pruned,
        fine_tuned=before.fine_tuned or pruned.fine_tuned,
        profiling_only=before.profiling_only or pruned.profiling_only,
        control=pruned.control if is_pruned else before.control,
        notes=(*before.notes, *pruned.notes) if is_pruned else before.notes,
        groups=before.groups,
    )
