"""What samples tell about channels: how the loss would change without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import Array
from edgeprune.channels.groups import Group, Member
from edgeprune.console.quiet import quiet
from edgeprune.errors import ConfigError, ModelError
from edgeprune.models.keras.flavours import call, flat_outputs, import_tensorflow
from edgeprune.models.keras.weights import tensorflow_variable
from edgeprune.tasks import Task
from edgeprune.training.capture import Calibration, batches
from edgeprune.training.loss import Objective
from edgeprune.training.training_data import known_data

Scores = NDArray[np.float64]

BATCH = 16
"""Samples whose gradients are summed before they are squared. Source: ours."""


class Evidence:
    """Evidence about the groups of one model; collected when first asked for.

    Args:
        model: Not changed; outputs without labels have no part in the loss.
        groups: All of its groups.
        samples: Inputs and targets; a few hundred will do. None if there are none.
    """

    def __init__(
        self, model: Any, groups: Sequence[Group], samples: Calibration | None = None
    ) -> None:
        self._model = model
        self._groups = groups
        self._samples = samples
        self._changes: dict[int, Scores] | None = None

    def squared_loss_changes(self, group: Group) -> Scores | None:
        """By unit, ``(units,)``: the squared sum of weight times gradient over what reads the unit.

        The mean over batches, with the model as at inference. None where nothing reads the group.

        Raises:
            ConfigError: There are no samples, or no targets.
            ModelError: They do not fit the model, or gradients are not finite.
        """
        if self._changes is None:
            self._changes = self._collected()
        return self._changes.get(id(group))

    def _collected(self) -> dict[int, Scores]:
        if self._samples is None or self._samples.y is None:
            raise ConfigError(
                "the criterion taylor needs samples with targets: give --data (or samples)"
            )
        model, x, y, task = self._model, self._samples.x, self._samples.y, self._samples.task
        if task is None:
            known = known_data(model, x, y)
            y, task = known.y, known.task
        readers = {id(group): members for group in self._groups if (members := _readers(group))}
        read = [member.variable for members in readers.values() for member in members]
        variables = {id(variable): variable for variable in read}
        values = {key: np.asarray(variable.numpy()) for key, variable in variables.items()}
        totals = {key: np.zeros(len(members[0].positions)) for key, members in readers.items()}
        count = 0
        with quiet():
            gradients = _gradients(model, list(variables.values()), task)
            pairs = zip(batches(model, x, BATCH), batches(model, y, BATCH), strict=True)
            for batch, targets in pairs:
                gradients_of = dict(zip(variables, gradients(batch, targets), strict=True))
                for key, members in readers.items():
                    totals[key] += np.square(_change(members, values, gradients_of))
                count += 1
        if not all(np.isfinite(total).all() for total in totals.values()):
            raise ModelError("the criterion taylor: the samples give gradients of inf or nan")
        return {key: total / max(count, 1) for key, total in totals.items()}


def _readers(group: Group) -> list[Member]:
    return [member for member in group.members if member.role == "input"]


def _change(
    members: Sequence[Member], values: dict[int, Array], gradients_of: dict[int, Array]
) -> Scores:
    """First-order change of the loss, by unit."""
    parts = []
    for member in members:
        key = id(member.variable)
        parts.append(member.per_unit(values[key] * gradients_of[key]).sum(axis=1, dtype=np.float64))
    return np.asarray(np.sum(parts, axis=0))


def _gradients(
    model: Any, variables: Sequence[Any], task: Task
) -> Callable[[Array, Array], list[Array]]:
    """A function from inputs and targets to the loss's gradient by each variable."""
    tf = import_tensorflow()
    loss = Objective(task).loss
    watched = [tensorflow_variable(variable) for variable in variables]

    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(watched)
            value = loss(targets, flat_outputs(call(model, [inputs], training=False)))
        return tape.gradient(value, watched, unconnected_gradients="zero")

    compiled = tf.function(step, autograph=False)

    def gradients(inputs: Array, targets: Array) -> list[Array]:
        results = compiled(tf.constant(inputs), tf.constant(targets))
        return [np.asarray(tf.convert_to_tensor(one).numpy()) for one in results]

    return gradients
