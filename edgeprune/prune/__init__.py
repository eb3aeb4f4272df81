"""Stage ``prune``: zeroes the weights that matter least, and trains the rest to make up for it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Unpack

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Array, BoolArray, Dataset, Loaded, Pruned, PrunedTensor
from edgeprune.board import Cpu
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import import_keras
from edgeprune.prune.allocation import Candidate
from edgeprune.prune.api import Wishes, dataset_of, loaded, masks, spec_of
from edgeprune.prune.checkpoint import Checkpoint, folder_for, remove
from edgeprune.prune.fine_tune import Task, fine_tune
from edgeprune.prune.flatbuffer import filters, prune_filters
from edgeprune.prune.keras_model import Weight, clone, layers_of, prunable_weights
from edgeprune.prune.kernel_pattern import Choice, Layer, choose_patterns
from edgeprune.prune.masking import Masks
from edgeprune.prune.plan import Wish, prospects, sparsities, wanted
from edgeprune.prune.shares import check_needs, layer_shares
from edgeprune.prune.spec import PruneSpec, check
from edgeprune.prune.training_data import training_data

__all__ = ["Masks", "PruneSpec", "Wishes", "masks", "prune", "prune_model"]


def prune(
    model: Loaded,
    spec: PruneSpec,
    data: Dataset | None,
    progress: Callable[[str], None] | None = None,
    cpu: Cpu | None = None,
    dense: bytes | None = None,
    max_accuracy_drop: float | None = None,
) -> Pruned:
    """Prunes a copy of the model.

    With training data a Keras model is fine-tuned while its sparsity grows; without, or for a
    TFLite file, weights are zeroed at once and the result is fit to be measured only.

    Args:
        model: Is not changed.
        spec: What to prune and how to train; a sparsity of 0 prunes nothing.
        data: To fine-tune with, or None.
        progress: Told a line per epoch, or None.
        cpu: The board's cores; only the pattern ``kernel``, which chooses for them, needs it.
        dense: A Keras model as float TFLite, from which ``kernel`` reads its layers' sizes;
            without it they count as unknown.
        max_accuracy_drop: Accuracy (or mean squared error) that pruning may cost on held-out
            training samples, beside the model as it comes; None lets it cost what it will. The
            sparsest state that keeps it is handed out, and training stops where it is lost.

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
    if spec.sparsity == 0:
        return _unpruned(model, "sparsity 0: nothing was pruned")
    training = training_data(data)
    has_training = model.tflite is None and training is not None
    check_needs(spec, has_training=has_training, has_board=cpu is not None)
    if model.tflite is not None:
        return _prune_tflite(model, model.tflite, spec, cpu, has_data=data is not None)
    keras = import_keras(model.flavour or "keras")
    keras.utils.set_random_seed(spec.seed)
    copied = clone(model)
    weights = prunable_weights(copied, spec.layers)
    if not weights:
        return _unpruned(model, _nothing(spec))
    weights = wanted(weights, spec)
    needs_sizes = spec.pattern == "kernel" or spec.allocation != "uniform"
    layers = layers_of(weights, dense if needs_sizes else None)
    choice = _choice(layers, spec, cpu)
    weights = [dataclasses.replace(w, pattern=choice.patterns[w.name]) for w in weights]
    shares = layer_shares(copied, weights, layers, spec, training, cpu)
    got = {share.name: share.sparsity for share in shares}
    told = prospects(
        [Wish(w.name, w.pattern, w.matrix(), w.in_channels, got[w.name]) for w in weights]
    )
    held = Masks(copied, weights, got, flavour=model.flavour or "keras")
    say = progress or (lambda line: None)
    for line in told:
        say(line)
    done = _prune_keras(model, copied, held, spec, training, say, max_accuracy_drop)
    notes = (*done.notes, *told, *choice.notes)
    return dataclasses.replace(
        done, notes=notes, shares=() if spec.allocation == "uniform" else shares
    )


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
        data: Inputs ``(n, ...)`` and targets to fine-tune with while it is pruned; None zeroes the
            weights at once.
        progress: Told a line per epoch, or None.
        max_accuracy_drop: As in :func:`prune`.
        wishes: See :class:`Wishes`.

    Returns:
        The pruned model is its ``keras``; masks and counts are beside it.

    Raises:
        ModelError: As :func:`prune`.
    """
    return prune(
        loaded(model),
        spec_of(wishes),
        dataset_of(data),
        progress,
        max_accuracy_drop=max_accuracy_drop,
    )


def _unpruned(model: Loaded, note: str) -> Pruned:
    return Pruned(model, {}, (), fine_tuned=False, profiling_only=False, notes=(note,))


def _choice(layers: Sequence[Layer], spec: PruneSpec, cpu: Cpu | None) -> Choice:
    if spec.pattern != "kernel":
        return Choice({layer.name: spec.pattern for layer in layers}, ())
    if cpu is None:
        raise ModelError("the pattern kernel chooses for a board's cores, and none were named")
    return choose_patterns(layers, spec.sparsity, cpu)


def _prune_tflite(
    loaded: Loaded, tflite: bytes, spec: PruneSpec, cpu: Cpu | None, has_data: bool
) -> Pruned:
    model = graph.read(tflite)
    found = filters(model, spec.layers)
    if not found:
        return _unpruned(loaded, _nothing(spec))
    found = wanted(found, spec)
    choice = _choice([one.layer for one in found], spec, cpu)
    layers = [Candidate(one.name, one.matrix.T.shape, np.abs(one.matrix)) for one in found]
    shares = sparsities(layers, spec)
    wishes = [
        Wish(one.name, choice.patterns[one.name], one.matrix, one.in_channels, shares[one.name])
        for one in found
    ]
    told = tuple(prospects(wishes))
    masks, tensors = prune_filters(model, found, choice.patterns, shares)
    note = "weights were zeroed at once" + (
        ": a .tflite file cannot be fine-tuned" if has_data else ", without data"
    )
    return Pruned(
        dataclasses.replace(loaded, tflite=graph.write(model)),
        masks,
        tuple(tensors),
        fine_tuned=False,
        profiling_only=True,
        notes=(note, *told, *choice.notes),
    )


def _prune_keras(
    model: Loaded,
    copied: Any,
    held: Masks,
    spec: PruneSpec,
    training: tuple[Array, Array] | None,
    progress: Callable[[str], None],
    max_accuracy_drop: float | None,
) -> Pruned:
    """Prunes ``copied``, a copy of the Keras model, in place."""
    flavour = model.flavour or "keras"
    control = None
    notes: tuple[str, ...] = ("weights were zeroed at once, without training data",)
    if training is None:
        held.update()
    else:
        patterns = {weight.name: weight.pattern for weight in held.weights}
        folder = folder_for(model, spec, patterns, max_accuracy_drop, training)
        kept = None if folder is None else Checkpoint(folder / "pruned.npz")
        task = Task(copied, flavour, held, spec, training, progress, kept, max_accuracy_drop)
        notes = (_trained(spec, len(training[0])), *fine_tune(task))
        if spec.control:
            control = _control(model, task)
        remove(folder)
    return Pruned(
        dataclasses.replace(model, keras=copied),
        held.masks,
        _counted(held.weights, held.masks),
        fine_tuned=training is not None,
        profiling_only=training is None,
        control=control,
        notes=notes,
    )


def _control(model: Loaded, task: Task) -> Loaded:
    """The dense model after the same training."""
    import_keras(task.flavour).utils.set_random_seed(task.spec.seed)
    dense = clone(model)
    kept = task.checkpoint
    fine_tune(
        dataclasses.replace(
            task,
            model=dense,
            masks=None,
            progress=lambda line: task.progress(f"dense: {line}"),
            checkpoint=None if kept is None else Checkpoint(kept.path.with_name("dense.npz")),
        )
    )
    return dataclasses.replace(model, keras=dense)


def _trained(spec: PruneSpec, samples: int) -> str:
    rounds = f"{spec.rounds + 1} times " if spec.schedule == "iterative" else ""
    return f"fine-tuned for {rounds}{spec.epochs} epochs on {samples} samples"


def _nothing(spec: PruneSpec) -> str:
    which = "pointwise convolution or dense layer" if spec.layers == "paying" else "such layer"
    return f"nothing was pruned: the model has no {which} (layers = {spec.layers!r})"


def _counted(weights: list[Weight], masks: Mapping[str, BoolArray]) -> tuple[PrunedTensor, ...]:
    """Zeros of each tensor as it is now."""
    counted = []
    for weight in weights:
        values = weight.value()
        if values[~masks[weight.name]].any():
            raise ModelError(f"{weight.name}: pruned weights came back during training")
        zeros = values.size - int(np.count_nonzero(values))
        counted.append(PrunedTensor(weight.name, values.size, zeros))
    return tuple(counted)


class _Stage(ModuleType):
    """This package, which is a function as well: ``edgeprune.prune(model, sparsity=0.9)``."""

    __call__ = staticmethod(prune_model)


sys.modules[__name__].__class__ = _Stage
