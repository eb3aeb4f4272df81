"""One step of training, the same for both Kerases and for models of any kind."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, BoolArray, FloatArray
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Flavour
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import call, flat_outputs, import_keras, import_tensorflow
from edgeprune.models.keras.weights import fixed_batch, tensorflow_variable, walk
from edgeprune.tasks import Task
from edgeprune.training.distillation import Teacher
from edgeprune.training.hook import Hook
from edgeprune.training.loss import Objective


class Trainer:
    """Adam with a learning rate that falls as a cosine.

    Source: Kingma and Ba 2015, "Adam"; Loshchilov and Hutter 2017, "SGDR", equation 5.

    Args:
        model: One input; trained in place.
        flavour: Which Keras the model belongs to.
        learning_rate: At the start.
        data: What it is trained with; the first inputs are tried.
        hooks: Change the step, in this order.
        teacher: The model whose answers count in the loss, or None; heads without labels need one.

    Attributes:
        loss_name: The loss that fits the task.
        task: What the model is trained for.

    Raises:
        ModelError: Data and model do not fit together, or nothing can be trained.
    """

    def __init__(
        self,
        model: Any,
        flavour: Flavour,
        learning_rate: float,
        data: TrainingData,
        hooks: Sequence[Hook] = (),
        teacher: Teacher | None = None,
    ) -> None:
        tf = import_tensorflow()
        self.task = data.task
        self._objective = Objective(data.task)
        self.loss_name = self._objective.name
        _check_model(model, data)
        if teacher is None and data.task.has_unlabelled:
            raise ModelError("a model with outputs without labels needs the dense model's answers")
        self._teacher = teacher
        if teacher is not None:
            _check_teacher(teacher, data.task)
        self._tf = tf
        self._model = model
        self._hooks = hooks
        self._variables = list(model.trainable_variables)
        if not self._variables:
            raise ModelError("every layer of the model is frozen: nothing can be fine-tuned")
        self._drawing = [layer for _, layer in walk(model) if _draw_from_a_variable(layer)]
        self._learning_rate = learning_rate
        self._optimizer = import_keras(flavour).optimizers.Adam(learning_rate)
        self._optimizer.build(self._variables)
        taught = [] if teacher is None else [teacher.answers]
        arrays = [data.x, data.y, *taught]
        inputs, *targets = (
            tf.TensorSpec([fixed_batch(model), *array.shape[1:]], array.dtype) for array in arrays
        )
        rate = tf.TensorSpec([], tf.float32)
        self._step = _traced(tf, self._traced_step, inputs, targets, rate)
        self._gradients = _traced(tf, self._traced_gradients, inputs, targets)
        self._answers = _traced(tf, self._traced_answers, inputs)

    def close(self) -> None:
        """Leaves random layers as they came, so that a copy of the model draws as one of it did."""
        for layer in self._drawing:
            _set_drawing(layer._random_generator, "legacy_stateful")
        self._drawing = []

    def step(self, x: Array, y: Array, position: float, taught: FloatArray | None = None) -> float:
        """One step, with the learning rate ``position`` of its way down; the loss before it.

        Args:
            x: Inputs ``(batch, ...)``.
            y: Their targets.
            position: In [0, 1].
            taught: What the teacher answers to them; only where there is one.
        """
        rate = self._learning_rate * 0.5 * (1 + math.cos(math.pi * position))
        tf = self._tf
        targets = self._targets(y, taught)
        return float(self._step(tf.constant(x), targets, tf.constant(rate, tf.float32)))

    def answers(self, x: Array) -> list[FloatArray]:
        """The model's outputs at inference, one array each."""
        return [np.asarray(one.numpy()) for one in self._answers(self._tf.constant(x))]

    def gradients(
        self, variables: list[Any], x: Array, y: Array, taught: FloatArray | None = None
    ) -> list[FloatArray]:
        """Of the loss by these variables, where they are masked as well; no weight is changed.

        Args:
            variables: Variables of the model.
            x: As in :meth:`step`.
            y: As there.
            taught: As there.

        Raises:
            ModelError: The loss does not depend on one of them, or it is frozen.
        """
        step_gradients = self._gradients(self._tf.constant(x), self._targets(y, taught))
        return [np.asarray(step_gradients[self._index(variable)].numpy()) for variable in variables]

    def is_lost(self) -> bool:
        """Whether a trained weight is no finite number any more."""
        return not all(np.isfinite(np.asarray(v.numpy())).all() for v in self._variables)

    def weights(self) -> list[Array]:
        """All weights of the model, and what else it learned."""
        return [np.asarray(value) for value in self._model.get_weights()]

    def restart(self, weights: list[Array]) -> None:
        """Sets weights back, and begins with a new optimizer."""
        self._model.set_weights(weights)
        for variable in self._optimizer.variables:
            variable.assign(self._tf.zeros(variable.shape, variable.dtype))

    def forget(self, variable: Any, where: BoolArray) -> None:
        """Zeroes the optimizer's memory of some of a variable's weights."""
        index = self._index(variable)
        for slot in (self._optimizer._momentums[index], self._optimizer._velocities[index]):
            slot.assign(np.where(where, np.float32(0), np.asarray(slot.numpy())))

    def state(self) -> list[Array]:
        """All that the next step depends on."""
        return [np.asarray(variable.numpy()) for variable in self._everything()]

    def restore(self, state: list[Array]) -> None:
        """The reverse of :meth:`state`, of a trainer of the same model.

        Raises:
            ModelError: It is of another model.
        """
        everything = self._everything()
        if [tuple(v.shape) for v in everything] != [array.shape for array in state]:
            raise ModelError(
                "the saved training does not fit this model: remove the folder `training`"
            )
        for variable, array in zip(everything, state, strict=True):
            variable.assign(array)

    def _everything(self) -> list[Any]:
        generators = [
            getattr(getattr(layer, "_random_generator", None), "_generator", None)
            for _, layer in walk(self._model)  # of Keras 2; Keras 3 has them among its variables
        ]
        states = [one.state for one in generators if one is not None]
        variables = [*self._model.variables, *states, *self._optimizer.variables]
        return list({id(variable): variable for variable in variables}.values())

    def _index(self, variable: Any) -> int:
        for index, one in enumerate(self._variables):
            if one is variable:
                return index
        raise ModelError("a weight to prune is frozen: its layer must be trainable")

    def _targets(self, y: Array, taught: FloatArray | None) -> list[Any]:
        return [self._tf.constant(part) for part in (y, taught) if part is not None]

    def _loss_of(self, x: Any, targets: list[Any]) -> Any:
        outputs = flat_outputs(call(self._model, [x], training=True))
        loss = self._objective.loss(targets[0], outputs)
        if (teacher := self._teacher) is not None:
            soft = self._objective.soft(targets[1], outputs, teacher.temperature)
            pairs = list(zip(self.task.heads, soft, strict=True))
            alone = [part for head, part in pairs if head.task == "none"]
            beside = [part for head, part in pairs if head.task != "none"]
            loss = (1 - teacher.weight) * loss + teacher.weight * self._tf.add_n(beside)
            loss = self._tf.add_n([loss, *alone])
        return loss + self._tf.add_n(self._model.losses) if self._model.losses else loss

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """The model computes in the block as it does in a step."""
        undo = [hook.before() for hook in self._hooks]
        try:
            yield
        finally:
            for after in reversed(undo):
                after()

    def _traced_step(self, x: Any, targets: list[Any], rate: Any) -> Any:
        with self.hooked():
            with self._tf.GradientTape() as tape:
                loss = self._loss_of(x, targets)
            gradients = tape.gradient(loss, [tensorflow_variable(v) for v in self._variables])
        pairs = [(g, v) for g, v in zip(gradients, self._variables, strict=True) if g is not None]
        for hook in self._hooks:
            pairs = [(hook.gradient(g, v), v) for g, v in pairs]
        self._optimizer.learning_rate.assign(rate)
        self._optimizer.apply_gradients(pairs)
        return loss

    def _traced_gradients(self, x: Any, targets: list[Any]) -> Any:
        watched = [tensorflow_variable(v) for v in self._variables]
        with self._tf.GradientTape() as tape:
            loss = self._loss_of(x, targets)
        return tape.gradient(loss, watched, unconnected_gradients="zero")

    def _traced_answers(self, x: Any) -> Any:
        return flat_outputs(call(self._model, [x], training=False))


def _draw_from_a_variable(layer: Any) -> bool:
    """Lets a random layer of Keras 2 draw from a variable, which a checkpoint holds.

    As it comes, its operator counts its draws where nobody can read or set them, so that a training
    that is resumed would see other noise. Source: ``RandomGenerator`` in tf_keras's ``backend.py``.

    Returns:
        Whether it drew otherwise before.
    """
    draws: Any = getattr(layer, "_random_generator", None)
    if getattr(draws, "_rng_type", None) != "legacy_stateful":
        return False
    _set_drawing(draws, "stateful")
    return True


def _set_drawing(draws: Any, kind: str) -> None:
    draws._rng_type, draws._built = kind, False
    draws._maybe_init()


def _check_model(model: Any, data: TrainingData) -> None:
    """Checks that a model has the task's heads."""
    tf = import_tensorflow()
    probe = tf.constant(data.x[: fixed_batch(model) or 1])
    outputs = flat_outputs(call(model, [probe], training=False))
    sizes = [math.prod(output.shape[1:]) for output in outputs]
    if sizes != [math.prod(head.shape) for head in data.task.heads]:
        shapes = [tuple(output.shape[1:]) for output in outputs]
        raise ModelError(
            f"the model gives outputs of the shapes {shapes}, and the data is for "
            f"{[head.shape for head in data.task.heads]}"
        )


def _check_teacher(teacher: Teacher, task: Task) -> None:
    answers = math.prod(teacher.answers.shape[1:])
    wanted = sum(math.prod(head.shape) for head in task.heads)
    if answers != wanted:
        raise ModelError(
            f"the teacher answers with {answers} values, and the model in training with {wanted}: "
            "expected as many"
        )


def _traced(tf: Any, function: Any, *specs: Any) -> Any:
    return tf.function(function, input_signature=specs, autograph=False)
