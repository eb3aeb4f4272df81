"""Step ``tune``: trains a model further as it is; what is zero stays zero."""

from __future__ import annotations

import dataclasses

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.tuned import Tuned
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import clone
from edgeprune.recipe.tune_table import TuneTable
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import asked_once
from edgeprune.training.kept_zeros import held_zeros
from edgeprune.training.loop import TrainingJob, fine_tune, trained
from edgeprune.training.store import identity_after, place_of
from edgeprune.training.training_data import training_data, why_untrained

__all__ = ["tune"]


def tune(model: Loaded, table: TuneTable, context: StageContext) -> Tuned:
    """Trains a copy of a Keras model, with the user's augmentation.

    A model that comes from a file leaves a checkpoint after every epoch in the user's data folder,
    and its result in the end; see :mod:`edgeprune.training.store`.

    Args:
        model: Is not changed.
        table: How to train; 0 epochs train nothing.
        context: Data to train on, who is told a line per epoch, and so on. A limit of the drop in
            accuracy is not watched.

    Returns:
        The trained model; the one that came in, with a note, where it cannot be trained.

    Raises:
        ModelError: The model cannot be copied or trained.
    """
    if table.is_noop:
        return Tuned(model)
    dense = context.teacher or model
    training = None if model.keras is None else training_data(context.data, dense.keras)
    if training is None:
        return Tuned(model, notes=(f"not tuned: {why_untrained(model, context.data)}",))
    done = {"tune": dataclasses.asdict(table), "seed": context.seed}
    identity = identity_after(model, done, training, beside=[dense])
    flavour = model.flavour or "keras"
    import_keras(flavour).utils.set_random_seed(context.seed)
    copied = clone(model)
    options, say = table.training(context.seed), context.say
    weight, temperature = table.distillation, table.temperature
    task = TrainingJob(copied, flavour, None, options, training, say, place_of(identity))
    teacher = asked_once(dense.keras, training.x, weight, temperature, training.task)
    with held_zeros(copied):
        fine_tune(dataclasses.replace(task, teacher=teacher))
    made = dataclasses.replace(model, keras=copied, made=identity)
    return Tuned(made, fine_tuned=True, notes=(f"the model was {trained(options, training)}",))
