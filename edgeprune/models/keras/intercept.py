"""Watches layers while a Keras model runs; nothing stays on the model afterwards.

An instance attribute ``call`` hides the class's method for as long as the block lasts. Both Kerases
look ``call`` up on the instance, so this works for functional, nested and subclassed models.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeprune.artifacts.arrays import Array
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import call, import_tensorflow
from edgeprune.models.keras.weights import walk

Watcher = Callable[[Any, Any, Any], None]
"""Told the layer, its first input and its output, each time the layer has run."""

Taken = Callable[[Any, Array], None]
"""Told a layer and one of its inputs."""


class _Enough(BaseException):
    """Ends a run of the model early; Keras rewrites exceptions, but no BaseException."""


@dataclass(frozen=True)
class Spot:
    """A layer as it occurs in a model's run.

    Attributes:
        layer: The layer; a shared one has one spot.
        calls: How often one run of the model calls it.
        batch_norm: The batch normalization that takes its output directly, or None.
    """

    layer: Any
    calls: int
    batch_norm: Any


@contextlib.contextmanager
def watched(layers: Sequence[Any], watcher: Watcher) -> Iterator[None]:
    """Calls ``watcher`` whenever one of ``layers`` has run, within the block.

    Functions that TensorFlow would compile run eagerly meanwhile, so tensors have values.
    """
    tf = import_tensorflow()
    were_eager = tf.config.functions_run_eagerly()
    kept = [(layer, layer.__dict__.get("call")) for layer in layers]
    try:
        tf.config.run_functions_eagerly(True)
        for layer in layers:
            layer.__dict__["call"] = _watching(layer, layer.call, watcher)
        yield
    finally:
        tf.config.run_functions_eagerly(were_eager)
        for layer, own in kept:
            layer.__dict__.pop("call", None)
            if own is not None:
                layer.__dict__["call"] = own


def _watching(layer: Any, original: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    def watching(*args: Any, **rest: Any) -> Any:
        outputs = original(*args, **rest)
        watcher(layer, args[0] if args else next(iter(rest.values())), outputs)
        return outputs

    return watching


def spots(model: Any, layers: Sequence[Any], x: Array) -> list[Spot]:
    """Where layers occur in a run of the model, in the order of their first calls.

    Args:
        model: One input.
        layers: Each at most once.
        x: Samples ``(n, ...)`` to run it on, few.

    Raises:
        ModelError: The run does not call one of the layers by itself.
    """
    tf = import_tensorflow()
    counts: dict[int, int] = {}
    outputs_of: dict[int, Any] = {}  # holds the tensors, so that no identity is given twice
    norms: dict[int, Any] = {}
    producers: dict[int, int] = {}

    def watcher(layer: Any, inputs: Any, outputs: Any) -> None:
        outputs_of[id(outputs)] = (inputs, outputs)
        if id(layer) in wanted:
            counts[id(layer)] = counts.get(id(layer), 0) + 1
            producers[id(outputs)] = id(layer)
        elif id(inputs) in producers:
            norms[producers[id(inputs)]] = layer

    wanted = {id(layer): layer for layer in layers}
    normalizations = [layer for _, layer in walk(model) if _is_batch_norm(layer)]
    with quiet(), watched([*layers, *normalizations], watcher):
        call(model, [tf.constant(x)], training=False)
    if missing := [layer.name for key, layer in wanted.items() if key not in counts]:
        raise ModelError(
            f"layer {missing[0]!r} was not called when the model ran: its inputs cannot be "
            "collected; leave it out, or use a criterion without calibration data"
        )
    return [Spot(wanted[key], counts[key], norms.get(key)) for key in counts]


def run_until(model: Any, wanted: Sequence[Spot], x: Array, taken: Taken) -> None:
    """Runs the model until the layers have all their inputs, and hands each to ``taken``.

    Args:
        model: One input.
        wanted: From :func:`spots`.
        x: One batch.
        taken: Told the layer and its input, as float32, at each call of it.
    """
    tf = import_tensorflow()
    left = sum(spot.calls for spot in wanted)

    def watcher(layer: Any, inputs: Any, outputs: Any) -> None:
        nonlocal left
        taken(layer, tf.cast(inputs, tf.float32).numpy())
        left -= 1
        if not left:
            raise _Enough

    with contextlib.suppress(_Enough), watched([spot.layer for spot in wanted], watcher):
        call(model, [tf.constant(x)], training=False)


def _is_batch_norm(layer: Any) -> bool:
    return any("BatchNorm" in kind.__name__ for kind in type(layer).__mro__)
