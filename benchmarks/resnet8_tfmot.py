"""ResNet-8 pruned and quantized by tensorflow-model-optimization (tfmot), for resnet8.py's table.

What its guides do: ``prune_low_magnitude`` with ``PolynomialDecay``, then
``Default8BitPrunePreserveQuantizeScheme`` (PQAT) and TensorFlow's own converter. Loss, samples and
learning rate are those of the other rows.
"""

import contextlib
import sys
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.artifacts.dataset import Dataset
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.loss import Objective
from edgeprune.training.training_data import known_data
from edgeprune.training.validation_split import split


def tuned_by_tfmot(dense: Any, data: Dataset, spec: PruneTable, taught: Array) -> Any:
    """A copy of the dense model, pruned while it is trained."""
    from tensorflow_model_optimization.sparsity import keras as tfmot

    keras = import_keras("tf_keras")
    keras.utils.set_random_seed(spec.seed)
    copied = keras.models.clone_model(dense)
    copied.set_weights(dense.get_weights())
    steps = spec.epochs * -(-len(split(len(data.x_train), spec.seed)[0]) // spec.batch_size)
    # As edgeprune's: the sparsity grows over the first half.
    decay = tfmot.PolynomialDecay(0.0, spec.sparsity, 0, steps // 2)
    with quiet():
        model = tfmot.prune_low_magnitude(copied, pruning_schedule=decay)
    _fit(model, data, spec, taught, [tfmot.UpdatePruningStep()])
    with quiet():
        return tfmot.strip_pruning(model)


def quantized_by_tfmot(
    pruned: Any, data: Dataset, spec: PruneTable, taught: Array, calibration: Samples
) -> bytes:
    """PQAT, and the file in int8."""
    from tensorflow_model_optimization.experimental import combine
    from tensorflow_model_optimization.quantization import keras as tfmot

    with quiet():
        annotated = tfmot.quantize_annotate_model(pruned)
        model = tfmot.quantize_apply(annotated, combine.Default8BitPrunePreserveQuantizeScheme())
    _fit(model, data, spec, taught, [])
    converter = import_tensorflow().lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [import_tensorflow().lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(calibration)
    with quiet():
        return bytes(converter.convert())


def _fit(model: Any, data: Dataset, spec: PruneTable, taught: Array, callbacks: list[Any]) -> None:
    """Trains by the same loss as edgeprune; the teacher's answers travel beside the labels."""
    tf, keras = import_tensorflow(), import_keras("tf_keras")
    objective = Objective(known_data(model, data.x_train, data.y_train).task)

    def loss(targets: Any, outputs: Any) -> Any:
        share = spec.distillation
        hard = objective.loss(targets[:, 0], [outputs])
        (soft,) = objective.soft(targets[:, 1:], [outputs], spec.temperature)
        return (1 - share) * hard + share * soft

    chosen, _ = split(len(data.x_train), spec.seed)
    steps = spec.epochs * -(-len(chosen) // spec.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(spec.learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate), loss)
    targets = np.concatenate([data.y_train[:, None], taught], axis=1).astype(np.float32)
    with contextlib.redirect_stdout(sys.stderr):  # the table alone goes to stdout
        model.fit(
            tf.constant(data.x_train[chosen]),
            tf.constant(targets[chosen]),
            batch_size=spec.batch_size,
            epochs=spec.epochs,
            callbacks=callbacks,
            verbose=2,
        )
