"""Trains a Keras model while its weights are pruned bit by bit.

The loop is our own, so that it is the same for both Kerases, for subclassed models and for models
whose own ``fit`` does something else.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts import Array, Flavour
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import (
    call,
    flat_outputs,
    import_keras,
    import_tensorflow,
    library_errors,
    one_line,
    quiet,
)
from edgeprune.prune.batch_norm import measure_again
from edgeprune.prune.hook import Hook
from edgeprune.prune.loss import loss_for
from edgeprune.prune.masks import Masks
from edgeprune.prune.schedule import cubic_sparsity, ramp_steps, update_steps
from edgeprune.prune.spec import PruneSpec

_PROBE_SAMPLES = 64


def fine_tune(
    model: Any,
    flavour: Flavour,
    masks: Masks | None,
    spec: PruneSpec,
    data: tuple[Array, Array],
    progress: Callable[[str], None],
    hooks: Sequence[Hook] = (),
) -> None:
    """Trains ``model`` in place; masked weights are zero after every step.

    Batches depend on the seed, the sample count and ``spec`` alone, so that a dense model can be
    trained on the very same ones.

    Args:
        model: One input, one output.
        flavour: Which Keras it belongs to.
        masks: Grow to their final sparsity meanwhile; None trains the model as it is.
        spec: Epochs, batch size, learning rate and seed.
        data: Inputs ``(n, ...)`` and targets ``(n, ...)``.
        progress: Told a line per epoch.
        hooks: Change the training step, in this order.

    Raises:
        ModelError: Data and model do not fit together, or the loss is no longer finite.
    """
    x, y = data
    batch = _batch_size(model, spec.batch_size, len(x))
    per_epoch = len(x) // batch if _fixed_batch(model) else math.ceil(len(x) / batch)
    total = per_epoch * spec.epochs
    updates = set(update_steps(total))
    checks = updates | set(range(per_epoch, total + 1, per_epoch))
    rng = np.random.default_rng(spec.seed)
    try:
        with masks or contextlib.nullcontext():
            with quiet():
                trainer = _Trainer(model, flavour, spec.learning_rate, total, (x, y), hooks)
            for epoch in range(spec.epochs):
                order = rng.permutation(len(x))
                loss = 0.0
                for k in range(per_epoch):
                    step = epoch * per_epoch + k
                    if masks is not None and step in updates:
                        masks.update(cubic_sparsity(step, ramp_steps(total), 1.0))
                    chosen = np.sort(order[k * batch : (k + 1) * batch])
                    loss += trainer.step(x[chosen], y[chosen]) / per_epoch
                    is_due = step + 1 in checks
                    if not math.isfinite(loss) or (is_due and trainer.is_lost()):
                        raise ModelError(_diverged(epoch, trainer.loss_name, loss))
                zeros = f", sparsity {masks.sparsity():.1%}" if masks is not None else ""
                progress(f"epoch {epoch + 1}/{spec.epochs}: {trainer.loss_name} {loss:.4f}{zeros}")
            done = [hook.before() for hook in hooks]
            measure_again(model, x, order, batch)
            for after in reversed(done):
                after()
    except library_errors() as error:
        raise ModelError(f"the model cannot be trained: {one_line(error)}") from error


def _diverged(epoch: int, name: str, loss: float) -> str:
    return (
        f"training diverged in epoch {epoch + 1}: the {name} is {loss}; lower learning_rate, or "
        "scale the data as the model expects it"
    )


def _fixed_batch(model: Any) -> int | None:
    """The batch size that the model insists on, or None."""
    inputs = getattr(model, "inputs", None)
    size = inputs[0].shape[0] if inputs else None
    return None if size is None else int(size)


def _batch_size(model: Any, wanted: int, samples: int) -> int:
    fixed = _fixed_batch(model)
    if fixed is not None and fixed > samples:
        raise ModelError(f"the model wants batches of {fixed}, and there are {samples} samples")
    return fixed or wanted


class _Trainer:
    """Adam with a cosine learning rate."""

    def __init__(
        self,
        model: Any,
        flavour: Flavour,
        learning_rate: float,
        total_steps: int,
        data: tuple[Array, Array],
        hooks: Sequence[Hook],
    ) -> None:
        tf = import_tensorflow()
        x, y = data
        keras = import_keras(flavour)
        batch = _fixed_batch(model) or _PROBE_SAMPLES
        outputs = flat_outputs(call(model, [tf.constant(x[:batch])], training=False))
        if len(outputs) != 1:
            raise ModelError(
                f"cannot fine-tune a model with {len(outputs)} outputs: leave out data"
            )
        self.loss_name, self._loss = loss_for(outputs[0].numpy(), y)
        self._model = model
        self._hooks = hooks
        self._variables = list(model.trainable_variables)
        if not self._variables:
            raise ModelError("every layer of the model is frozen: nothing can be fine-tuned")
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, total_steps)
        self._optimizer = keras.optimizers.Adam(schedule)
        self._optimizer.build(self._variables)
        specs = [
            tf.TensorSpec([_fixed_batch(model), *array.shape[1:]], array.dtype) for array in (x, y)
        ]
        self._step = tf.function(self._traced_step, input_signature=specs, autograph=False)
        self._tf = tf

    def is_lost(self) -> bool:
        """Whether a trained weight is no finite number any more."""
        return not all(np.isfinite(np.asarray(v.numpy())).all() for v in self._variables)

    def step(self, x: Array, y: Array) -> float:
        """One step; returns the loss before it."""
        return float(self._step(self._tf.constant(x), self._tf.constant(y)))

    def _traced_step(self, x: Any, y: Any) -> Any:
        tf = self._tf
        done = [hook.before() for hook in self._hooks]
        with tf.GradientTape() as tape:
            output = flat_outputs(call(self._model, [x], training=True))[0]
            loss = self._loss(y, output)
            if self._model.losses:
                loss += tf.add_n(self._model.losses)
        gradients = tape.gradient(loss, [_watched(v) for v in self._variables])
        for after in reversed(done):
            after()
        pairs = [(g, v) for g, v in zip(gradients, self._variables, strict=True) if g is not None]
        for hook in self._hooks:
            pairs = [(hook.gradient(g, v), v) for g, v in pairs]
        self._optimizer.apply_gradients(pairs)
        return loss


def _watched(variable: Any) -> Any:
    """The TensorFlow variable, which the tape watches; Keras 3 wraps it, Keras 2 does not."""
    value = getattr(variable, "value", None)
    return variable if value is None or callable(value) else value
