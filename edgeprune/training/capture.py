"""What calibration samples tell about a layer: moments of its inputs, and gradients of a loss.

Layers are calibrated one at a time and in batches, so memory is bounded by one layer's moments.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import call, flat_outputs, import_tensorflow
from edgeprune.models.keras.intercept import Spot, run_until
from edgeprune.models.keras.weights import Weight, check_one_input, tensorflow_variable
from edgeprune.tasks import Task
from edgeprune.training.layer_rows import Unrolled
from edgeprune.training.loss import Objective
from edgeprune.training.training_data import known_data

DoubleArray = NDArray[np.float64]

BATCH = 64
"""Samples in a run of the model, unless it insists on a number. Source: ours."""


@dataclass(frozen=True)
class Calibration:
    """Samples to prune with.

    Attributes:
        x: Inputs ``(n, ...)``; a few hundred will do.
        y: Targets ``(n, ...)``, which only the criterion ``taylor`` needs, or None.
        task: What they are for; None where there are no targets, or where the model's answers are
            to tell.
    """

    x: Array
    y: Array | None = None
    task: Task | None = None


@dataclass(frozen=True)
class Moments:
    """Second moments of one layer's inputs, an entry per group of a grouped convolution.

    Attributes:
        hessian: ``H = 2 X X^T / n`` of shape ``(groups, in_features, in_features)``.
        cross: ``2 X_dense X^T / n`` of the same shape: the dense model's inputs against this one's.
    """

    hessian: DoubleArray
    cross: DoubleArray


class Snapshot:
    """A model's weights at one time, to be put back for a while."""

    def __init__(self, model: Any) -> None:
        """Copies all weights."""
        self._kept = [(variable, np.array(variable.numpy())) for variable in model.weights]

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Within the block the model has its old weights, also where an exception leaves it."""
        changed = []
        for variable, old in self._kept:
            new = np.array(variable.numpy())
            if not np.array_equal(new, old):
                changed.append((variable, new))
                variable.assign(old)
        try:
            yield
        finally:
            for variable, new in changed:
                variable.assign(new)


def batches(model: Any, x: Array, size: int = BATCH) -> Iterator[Array]:
    """Splits samples as the model wants them; what fills no fixed batch is left out.

    Raises:
        ModelError: The model insists on batches of more samples than there are, or has several
            inputs.
    """
    check_one_input(model)
    fixed = model.inputs[0].shape[0] if getattr(model, "inputs", None) else None
    if fixed is not None and fixed > len(x):
        raise ModelError(f"the model wants batches of {fixed}, and there are {len(x)} samples")
    size = fixed or size
    end = len(x) // size * size if fixed else len(x)
    for first in range(0, end, size):
        yield x[first : first + size]


def moments(model: Any, spot: Spot, x: Array, dense: Snapshot | None = None) -> Moments:
    """Second moments of a layer's inputs while the model runs on samples.

    Products are float32 within a block of rows and summed in float64.

    Source: H is the Hessian of the layer's squared output error with respect to one row of its
    weights; Frantar and Alistarh 2022, "Optimal Brain Compression", section 3.

    Args:
        model: One input; unchanged.
        spot: The layer, from :func:`edgeprune.models.keras.intercept.spots`.
        x: Samples ``(n, ...)``.
        dense: The weights of the dense model, for ``cross``; None takes the model as it is.

    Raises:
        ModelError: The layer's inputs are not finite, or it is of an unsuitable kind.
    """
    if dense is None:
        (hessian,) = hessians(model, [spot], x)
        return Moments(hessian, hessian)
    unrolled = Unrolled(spot.layer)
    shape = (unrolled.groups, unrolled.in_features, unrolled.in_features)
    hessian, cross, count = np.zeros(shape), np.zeros(shape), 0
    for batch in batches(model, x):
        inputs = _inputs(model, spot, batch)
        with dense.restored():
            references = _inputs(model, spot, batch)
        for one, reference in zip(inputs, references, strict=True):
            pairs = zip(unrolled.rows(one, len(x)), unrolled.rows(reference, len(x)), strict=True)
            for rows, reference_rows in pairs:
                for group, inputs_of in enumerate(rows):
                    hessian[group] += inputs_of.T @ inputs_of  # one array: half of it is saved
                    cross[group] += reference_rows[group].T @ inputs_of
                count += rows.shape[1]
    hessian *= 2 / max(count, 1)
    cross *= 2 / max(count, 1)
    if not (np.isfinite(hessian).all() and np.isfinite(cross).all()):
        raise ModelError(
            f"layer {spot.layer.name!r}: calibration samples give inputs of inf or nan"
        )
    return Moments(hessian, cross)


def hessians(model: Any, wanted: Sequence[Spot], x: Array) -> list[DoubleArray]:
    """``hessian`` of :func:`moments` for many layers, in one run of the model.

    Args:
        model: One input; unchanged.
        wanted: The layers.
        x: Samples ``(n, ...)``.

    Raises:
        ModelError: As :func:`moments`.
    """
    sums = {id(spot.layer): _SecondMoment(spot.layer, len(x)) for spot in wanted}
    for batch in batches(model, x):
        run_until(model, wanted, batch, lambda layer, inputs: sums[id(layer)].add(inputs))
    return [sums[id(spot.layer)].hessian() for spot in wanted]


class _SecondMoment:
    """Of one layer's inputs, summed batch by batch in float64."""

    def __init__(self, layer: Any, samples: int) -> None:
        self._layer, self._samples = layer, samples
        self._unrolled = Unrolled(layer)
        size = self._unrolled.in_features
        self._sum = np.zeros((self._unrolled.groups, size, size))
        self._count = 0

    def add(self, inputs: FloatArray) -> None:
        for rows in self._unrolled.rows(inputs, self._samples):
            for group, inputs_of in enumerate(rows):
                self._sum[group] += inputs_of.T @ inputs_of  # one array: half of it is saved
            self._count += rows.shape[1]

    def hessian(self) -> DoubleArray:
        hessians = self._sum * (2 / max(self._count, 1))
        if not np.isfinite(hessians).all():
            name = self._layer.name
            raise ModelError(f"layer {name!r}: calibration samples give inputs of inf or nan")
        return np.asarray(hessians)


def mean_inputs(model: Any, spot: Spot, x: Array) -> DoubleArray:
    """Mean of a layer's inputs, ``(groups, in_features)``, as :func:`moments` unrolls them."""
    return _mean(model, spot, x, 1)


def mean_squared_inputs(model: Any, spot: Spot, x: Array) -> DoubleArray:
    """Mean of a layer's squared inputs, ``(groups, in_features)``, half of H's diagonal."""
    return _mean(model, spot, x, 2)


def _mean(model: Any, spot: Spot, x: Array, power: int) -> DoubleArray:
    unrolled = Unrolled(spot.layer)
    total, count = np.zeros((unrolled.groups, unrolled.in_features)), 0
    for batch in batches(model, x):
        for inputs in _inputs(model, spot, batch):
            for rows in unrolled.rows(inputs, len(x)):
                total += (rows**power).sum(axis=1, dtype=np.float64)
                count += rows.shape[1]
    return total / max(count, 1)


def _inputs(model: Any, spot: Spot, batch: Array) -> list[FloatArray]:
    arrays: list[FloatArray] = []
    run_until(model, [spot], batch, lambda _, inputs: arrays.append(inputs))
    return arrays


class SquaredGradients:
    """Mean over batches of the squared gradient of the loss, where the model is when called.

    The model runs as at inference. One sample is a batch by default, because squares of sums are
    not sums of squares; larger ones are faster, and see mostly what samples agree on.

    Args:
        model: Outputs without labels have no part in the loss.
        weights: By which the gradients are taken.
        calibration: With targets.
        batch: Samples in a batch, unless the model insists on a number.

    Raises:
        ModelError: There are no targets, or they do not fit the model's output.
    """

    def __init__(
        self, model: Any, weights: Sequence[Weight], calibration: Calibration, batch: int = 1
    ) -> None:
        tf = import_tensorflow()
        if calibration.y is None:
            raise ModelError("the criterion taylor needs targets: give labels with the samples")
        x, y, task = calibration.x, calibration.y, calibration.task
        if task is None:
            known = known_data(model, x, y)
            y, task = known.y, known.task
        loss = Objective(task).loss
        self._model = model
        self._data = (x, y)
        self._batch = batch
        variables = [tensorflow_variable(weight.variable) for weight in weights]
        self._squares = {
            weight.name: tf.Variable(tf.zeros(variable.shape), trainable=False)
            for weight, variable in zip(weights, variables, strict=True)
        }
        self._step = _gradient_step(model, loss, variables, list(self._squares.values()))

    def __call__(self) -> dict[str, FloatArray]:
        """By name, in each kernel's own shape."""
        tf = import_tensorflow()
        for total in self._squares.values():
            total.assign(tf.zeros_like(total))
        count = 0
        with quiet():
            parts = [batches(self._model, array, self._batch) for array in self._data]
            for x, y in zip(*parts, strict=True):
                self._step(tf.constant(x), tf.constant(y))
                count += 1
        return {name: total.numpy() / count for name, total in self._squares.items()}


def _gradient_step(
    model: Any, loss: Callable[[Any, Any], Any], variables: list[Any], squares: list[Any]
) -> Callable[[Any, Any], None]:
    tf = import_tensorflow()

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            tape.watch(variables)
            value = loss(y, flat_outputs(call(model, [x], training=False)))
        for total, gradient in zip(squares, tape.gradient(value, variables), strict=True):
            if gradient is not None:
                total.assign_add(tf.square(tf.cast(gradient, tf.float32)))

    compiled: Callable[[Any, Any], None] = tf.function(step, autograph=False)
    return compiled


def answers(model: Any, x: Array) -> DoubleArray:
    """All outputs at inference for all samples that fill a batch, side by side, ``(n, -1)``."""
    tf = import_tensorflow()
    found = [
        np.concatenate(
            [
                np.asarray(one.numpy(), np.float64).reshape(len(batch), -1)
                for one in flat_outputs(call(model, [tf.constant(batch)], training=False))
            ],
            axis=1,
        )
        for batch in batches(model, x)
    ]
    return np.concatenate(found)
