"""Stage ``qat``: trains with the rounding that ``quantize`` will do; masks and codebooks stay.

QAT is quantization-aware training. What it makes is a float model still; ``quantize`` stores it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from edgeprune.artifacts.clustered import QuantizationTrained
from edgeprune.artifacts.model import Loaded
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import clone, prunable_weights
from edgeprune.qat.activations import QuantizedActivations
from edgeprune.qat.weights import QuantizedWeights
from edgeprune.recipe.qat_table import QatTable
from edgeprune.training.codebooks import Codebooks
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import asked_once
from edgeprune.training.hook import Hook
from edgeprune.training.kept_zeros import held_zeros
from edgeprune.training.loop import TrainingJob, fine_tune, trained
from edgeprune.training.store import identity_after, place_of
from edgeprune.training.training_data import training_data, why_untrained

__all__ = ["QuantizedActivations", "QuantizedWeights", "qat"]


def qat(
    model: Loaded,
    table: QatTable,
    mode: str,
    context: StageContext,
    codebooks: Mapping[str, int],
) -> QuantizationTrained:
    """Trains a copy of a Keras model with rounded weights, and activations for ``int8``.

    Args:
        model: Is not changed.
        table: How to train; 0 epochs train nothing.
        mode: What the weights will be stored as, of the table ``[quantize]``.
        context: Data to train on, who is told a line per epoch, and so on.
        codebooks: Clustered weights by name, and how many values each has beside zero.

    Returns:
        The trained model; the one that came in, with a note, where it cannot be trained.

    Raises:
        ModelError: The model cannot be copied or trained.
    """
    if table.is_noop:
        return QuantizationTrained(model)
    data, dense = context.data, context.teacher or model
    training = None if model.keras is None else training_data(data, dense.keras)
    if training is None:
        why = why_untrained(model, data)
        return QuantizationTrained(model, (f"no quantization-aware training: {why}",))
    flavour = model.flavour or "keras"
    import_keras(flavour).utils.set_random_seed(context.seed)
    copied = clone(model)
    options = table.training(context.seed)
    done = {
        "qat": dataclasses.asdict(table),
        "mode": mode,
        "codebooks": dict(codebooks),
        "seed": context.seed,
    }
    identity = identity_after(model, done, training, beside=[dense])
    hooks: list[Hook] = [QuantizedWeights(copied)]
    ranges: list[Any] = []
    notes = [f"with rounding {trained(options, training)}"]
    with contextlib.ExitStack() as stack:
        weights = [
            weight_tensor
            for weight_tensor in prunable_weights(copied, "all")
            if weight_tensor.name in codebooks
        ]
        if weights:
            hooks.append(stack.enter_context(Codebooks(copied, weights, codebooks)))
        shared = {id(weight_tensor.variable) for weight_tensor in weights}
        stack.enter_context(held_zeros(copied, besides=shared))
        if mode == "int8":
            rounding = stack.enter_context(QuantizedActivations(copied))
            ranges = rounding.ranges
            if not rounding.layers:
                notes.append("only weights were rounded in training: the model is subclassed")
        weight, temperature = table.distillation, table.temperature
        teacher = asked_once(dense.keras, training.x, weight, temperature, training.task)
        place = place_of(identity)
        task = TrainingJob(copied, flavour, None, options, training, context.say, place)
        fine_tune(dataclasses.replace(task, hooks=hooks, teacher=teacher, beside=ranges))
    trained_model = dataclasses.replace(model, keras=copied, made=identity)
    return QuantizationTrained(trained_model, tuple(notes))
