"""What the stage does, in order."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.artifacts.clustered import Clustered, ClusteredTensor
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Loaded
from edgeprune.clustering.fold import fold_batch_norm
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import biases, clone, prunable_weights, walk
from edgeprune.models.select import matching
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.filters import filters
from edgeprune.models.tflite.tensor_error import sqnr_db
from edgeprune.recipe.cluster_table import ClusterTable
from edgeprune.recipe.training import Training
from edgeprune.training.codebooks import Codebooks
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import asked_once
from edgeprune.training.kept_zeros import held_zeros
from edgeprune.training.kmeans import codebook, nearest
from edgeprune.training.loop import TrainingJob, fine_tune, trained
from edgeprune.training.store import identity_after, place_of
from edgeprune.training.training_data import training_data


def cluster(model: Loaded, spec: ClusterTable, context: StageContext) -> Clustered:
    """Clusters a copy of the model's weights, and trains the centroids where there is data.

    A zero has no cluster: it stays zero, in the layers that are not clustered too.

    Source: Han et al. 2015, "Deep Compression", section 3.

    Args:
        model: Is not changed. A TFLite file is clustered, but not trained, and its biases stay.
        spec: How many clusters, where they start and how they are trained; 0 clusters nothing.
        context: Data to train the centroids with, who is told a line per epoch, and so on.

    Returns:
        The clustered model, and what each tensor's codebook is like.

    Raises:
        ModelError: A layer's name matches nothing, weights are quantized already or not finite, or
            the model cannot be copied or trained.
    """
    if spec.is_noop:
        return Clustered(model)
    seed = context.seed
    if model.tflite is not None:
        return _cluster_tflite(model, model.tflite, spec, seed)
    import_keras(model.flavour or "keras").utils.set_random_seed(seed)
    copied = dataclasses.replace(model, keras=clone(model))
    notes = []
    if spec.fold_batch_norm:
        copied, folded = fold_batch_norm(copied)
        notes += [f"folded {folded} batch normalizations before clustering"] if folded else []
    notes += _norms_left(copied.keras)
    prunable = prunable_weights(copied.keras, spec.layers)
    counts = _counts([weight.name for weight in prunable], spec)
    weights = [weight for weight in prunable if counts[weight.name]]
    before = {weight.name: weight.value() for weight in weights}
    bias_weights = biases(copied.keras) if spec.biases else []
    counts |= {weight.name: spec.biases for weight in bias_weights}
    codebooks = Codebooks(copied.keras, [*weights, *bias_weights], counts, spec.init, seed)
    ratios = {weight.name: sqnr_db(before[weight.name], weight.value()) for weight in weights}
    dense = context.teacher or model
    training = training_data(context.data, dense.keras) if spec.epochs else None
    done = {"cluster": dataclasses.asdict(spec), "seed": seed}
    copied = dataclasses.replace(copied, made=identity_after(model, done, training, beside=[dense]))
    if training is not None:
        settings = spec.training(seed)
        _train(copied, codebooks, settings, training, context.say, dense)
        notes.append(f"centroids {trained(settings, training)}")
    if spec.bfloat16:
        codebooks.round()
        notes.append("centroids rounded to bfloat16")
    if bias_weights:
        notes.append(
            f"the biases of {len(bias_weights)} layers have at most {spec.biases} values each"
        )
    tensors = [_counted(weight.name, weight.value(), ratios[weight.name]) for weight in weights]
    return Clustered(copied, tuple(tensors), training is not None, tuple(notes))


def _train(
    model: Loaded,
    codebooks: Codebooks,
    settings: Training,
    training: TrainingData,
    progress: Callable[[str], None],
    dense: Loaded,
) -> None:
    flavour = model.flavour or "keras"
    clustered = {id(weight.variable) for weight in codebooks.weights}
    with contextlib.ExitStack() as stack:
        stack.enter_context(held_zeros(model.keras, besides=clustered))
        stack.enter_context(codebooks)
        weight, temperature = settings.distillation, settings.temperature
        teacher = asked_once(dense.keras, training.x, weight, temperature, training.task)
        task = TrainingJob(
            model.keras, flavour, None, settings, training, progress, place_of(model.made)
        )
        fine_tune(dataclasses.replace(task, hooks=[codebooks], teacher=teacher))


def _norms_left(model: Any) -> list[str]:
    left = sum("BatchNorm" in type(layer).__name__ for _, layer in walk(model))
    if not left:
        return []
    return [
        f"{left} batch normalizations stay: where the converter folds one into a layer, each "
        "output channel of that layer gets a codebook of its own"
    ]


def _counts(names: Sequence[str], spec: ClusterTable) -> dict[str, int]:
    """Clusters of each weight."""
    counts = dict.fromkeys(names, spec.clusters)
    for one in spec.counts:
        counts |= dict.fromkeys(matching(one.layer, names), one.clusters)
    return counts


def _cluster_tflite(loaded: Loaded, tflite: bytes, spec: ClusterTable, seed: int) -> Clustered:
    model = graph.read(tflite)
    prunable = filters(model, spec.layers)
    counts = _counts([kernel.name for kernel in prunable], spec)
    tensors = []
    for kernel in prunable:
        used = kernel.weights != 0
        if counts[kernel.name] and used.any():
            values = kernel.weights.copy()
            centroids = codebook(values[used], counts[kernel.name], spec.init, seed)
            values[used] = centroids[nearest(values[used], centroids)]
            model.buffers[kernel.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
            tensors.append(_counted(kernel.name, values, sqnr_db(kernel.weights, values)))
    clustered = dataclasses.replace(loaded, tflite=graph.write(model))
    return Clustered(clustered, tuple(tensors), notes=("centroids were not trained",))


def _counted(name: str, values: FloatArray, ratio_db: float) -> ClusteredTensor:
    used = values[values != 0]
    return ClusteredTensor(
        name, values.size, values.size - used.size, np.unique(used).size, ratio_db
    )
