"""Watches a Keras build a model: what a description hides, its weights and loops show.

Each is counted before its values or its steps are made.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

from edgeprune.artifacts.model import Flavour
from edgeprune.errors import ModelError
from edgeprune.load.keras_size import check_weight_count
from edgeprune.models.keras.flavours import flat_outputs, import_keras, import_tensorflow

MAX_UNROLLED = 2_000
"""Most steps of all unrolled recurrent layers together: each is a network of its own to build."""

MAX_PARTS = 100_000
"""Most parts that Keras 2 cuts tensors into to repeat each of them, as UpSampling1D does."""


@contextlib.contextmanager
def bounded_building(flavour: Flavour, stored: int, where: str) -> Iterator[None]:
    """A context in which a Keras creates no more weights, and unrolls no more, than is allowed.

    Args:
        flavour: The Keras that loads the model.
        stored: Number of weights in the file.
        where: The file, for messages.

    Raises:
        ModelError: More than ``allowed_weights(stored)`` weights, ``MAX_UNROLLED`` steps or
            ``MAX_PARTS`` parts were asked for.
    """
    keras, watch = import_keras(flavour), _Watch(stored, where)
    with contextlib.ExitStack() as watched:
        if flavour == "keras":
            watched.enter_context(_watched_layers(keras.layers.Layer, watch.add))
            watched.enter_context(_watched_recurrent(keras.layers.RNN, watch.unroll))
        else:
            watched.enter_context(_watched_variables(watch.add))
            watched.enter_context(_watched_loops(keras.src.backend, watch))
        try:
            yield
        except Exception as error:
            if watch.refusal is not None:  # Keras raises errors anew, with words of its own
                raise watch.refusal from error
            raise


class _Watch:
    """What was asked for so far, and what was refused of it."""

    def __init__(self, stored: int, where: str) -> None:
        self.refusal: ModelError | None = None
        self._stored, self._where = stored, where
        self._weights = self._steps = self._parts = 0

    def add(self, shape: Any) -> None:
        """A weight of that shape."""
        self._weights += math.prod(int(size) for size in shape) if _is_known(shape) else 0
        try:
            check_weight_count(self._weights, self._stored, self._where)
        except ModelError as error:
            self.refusal = error
            raise

    def unroll(self, length: int | None) -> None:
        """A recurrent layer that is unrolled over that many steps; None where nobody knows."""
        self._steps += length or 0
        if self._steps > MAX_UNROLLED:
            self._refuse(
                f"unrolls its recurrent layers into {self._steps:,} steps, at most "
                f"{MAX_UNROLLED:,}: save it with unroll=False"
            )

    def repeat(self, length: int | None, times: int) -> None:
        """A tensor of which each part is repeated."""
        self._parts += (length or 0) * times
        if self._parts > MAX_PARTS:
            self._refuse(
                f"repeats {self._parts:,} parts of tensors one by one, at most {MAX_PARTS:,}"
            )

    def _refuse(self, what: str) -> None:
        self.refusal = ModelError(f"{self._where}: {what}")
        raise self.refusal


@contextlib.contextmanager
def _replaced(owner: Any, name: str, new: Callable[..., Any]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _watched_layers(layer_class: Any, add: Callable[[Any], None]) -> Any:
    """Tells each shape that a layer of Keras 3 asks for.

    Keras 3 makes the values itself, so that TensorFlow's scope does not see the shape.
    """
    original = layer_class.add_weight

    def add_weight(self: Any, shape: Any = None, *args: Any, **rest: Any) -> Any:
        add([shape] if isinstance(shape, int) else shape)
        return original(self, shape, *args, **rest)

    return _replaced(layer_class, "add_weight", add_weight)


def _watched_variables(add: Callable[[Any], None]) -> Any:
    """Tells the shape of each variable of TensorFlow."""

    def create(next_creator: Any, **options: Any) -> Any:
        add(options.get("shape"))
        return next_creator(**options)

    return import_tensorflow().variable_creator_scope(create)


def _watched_recurrent(layer_class: Any, unroll: Callable[[int | None], None]) -> Any:
    """Tells the length of each unrolled layer of Keras 3, which unrolls it when it is converted."""
    original = layer_class.build

    def build(self: Any, sequences_shape: Any, *rest: Any, **named: Any) -> Any:
        if self.unroll:
            unroll(sequences_shape[1])
        return original(self, sequences_shape, *rest, **named)

    return _replaced(layer_class, "build", build)


@contextlib.contextmanager
def _watched_loops(backend: Any, watch: _Watch) -> Iterator[None]:
    """Tells the length of each loop that Keras 2 unrolls, which it does while it builds."""
    original, original_repeat = backend.rnn, backend.repeat_elements

    def rnn(step: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        if options.get("unroll"):
            time_axis = 0 if options.get("time_major") else 1
            watch.unroll(flat_outputs(inputs)[0].shape[time_axis])
        return original(step, inputs, *rest, **options)

    def repeat_elements(x: Any, rep: int, axis: int) -> Any:
        watch.repeat(x.shape[axis], rep)
        return original_repeat(x, rep, axis)

    with (
        _replaced(backend, "rnn", rnn),
        _replaced(backend, "repeat_elements", repeat_elements),
    ):
        yield


def _is_known(shape: Any) -> bool:
    try:
        return shape is not None and all(size is not None for size in shape)
    except (TypeError, ValueError):  # a TensorShape of unknown rank
        return False
