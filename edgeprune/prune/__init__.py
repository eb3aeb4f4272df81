"""Stage ``prune``: zeroes the weights that matter least, and trains the rest to make up for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from edgeprune.artifacts import Array, BoolArray, Dataset, Loaded, Pruned, PrunedTensor
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import import_keras
from edgeprune.prune.fine_tune import fine_tune
from edgeprune.prune.flatbuffer import prune_tflite
from edgeprune.prune.keras_model import Weight, clone, prunable_weights
from edgeprune.prune.magnitude import magnitude_mask
from edgeprune.prune.spec import PruneSpec, check

__all__ = ["PruneSpec", "prune"]


def prune(
    model: Loaded,
    spec: PruneSpec,
    data: Dataset | None,
    progress: Callable[[str], None] | None = None,
) -> Pruned:
    """Prunes a copy of the model.

    With training data a Keras model is fine-tuned while its sparsity grows; without, or for a
    TFLite file, weights are zeroed at once and the result is fit to be measured only.

    Args:
        model: Is not changed.
        spec: What to prune and how to train; a sparsity of 0 prunes nothing.
        data: To fine-tune with, or None.
        progress: Told a line per epoch, or None.

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
    if model.tflite is not None:
        return _prune_tflite(model, model.tflite, spec, has_data=data is not None)
    return _prune_keras(model, spec, data, progress or (lambda line: None))


def _unpruned(model: Loaded, note: str) -> Pruned:
    return Pruned(model, {}, (), fine_tuned=False, profiling_only=False, notes=(note,))


def _prune_tflite(model: Loaded, tflite: bytes, spec: PruneSpec, has_data: bool) -> Pruned:
    pruned, masks, tensors = prune_tflite(tflite, spec)
    if not tensors:
        return _unpruned(model, _nothing(spec))
    notes = ["weights were zeroed at once: a .tflite file cannot be fine-tuned"]
    if not has_data:
        notes = ["weights were zeroed at once, without data"]
    return Pruned(
        dataclasses.replace(model, tflite=pruned),
        masks,
        tuple(tensors),
        fine_tuned=False,
        profiling_only=True,
        notes=tuple(notes),
    )


def _prune_keras(
    model: Loaded, spec: PruneSpec, data: Dataset | None, progress: Callable[[str], None]
) -> Pruned:
    flavour = model.flavour or "keras"
    keras = import_keras(flavour)
    keras.utils.set_random_seed(spec.seed)
    copied = clone(model)
    weights = prunable_weights(copied, spec.layers)
    if not weights:
        return _unpruned(model, _nothing(spec))
    training = _training_data(data)
    control = None
    notes: tuple[str, ...] = ("weights were zeroed at once, without training data",)
    if training is None:
        masks = {weight.name: magnitude_mask(weight.value(), spec.sparsity) for weight in weights}
        for weight in weights:
            weight.variable.assign(weight.value() * masks[weight.name])
    else:
        masks = fine_tune(copied, flavour, weights, spec, training, progress)
        notes = (f"fine-tuned for {spec.epochs} epochs on {len(training[0])} samples",)
        if spec.control:
            keras.utils.set_random_seed(spec.seed)
            dense = clone(model)
            fine_tune(dense, flavour, [], spec, training, lambda line: progress(f"dense: {line}"))
            control = dataclasses.replace(model, keras=dense)
    return Pruned(
        dataclasses.replace(model, keras=copied),
        masks,
        _counted(weights, masks),
        fine_tuned=training is not None,
        profiling_only=training is None,
        control=control,
        notes=notes,
    )


def _nothing(spec: PruneSpec) -> str:
    which = "pointwise convolution or dense layer" if spec.layers == "paying" else "such layer"
    return f"nothing was pruned: the model has no {which} (layers = {spec.layers!r})"


def _training_data(data: Dataset | None) -> tuple[Array, Array] | None:
    """Inputs and targets; inputs are their own targets where there are no labels at all."""
    if data is None or data.x_train is None:
        return None
    if data.y_train is not None:
        return data.x_train, data.y_train
    return (data.x_train, data.x_train) if data.y_test is None else None


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
