"""TensorFlow's functions in the graph of a Keras 2 model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, last_size, rule
from edgeprune.channels.rules.elementwise import elementwise, joined
from edgeprune.channels.rules.shapes import reduced, sliced

_BINARY = "add subtract multiply divide truediv maximum minimum pow"
_UNARY = "abs negative square sqrt rsqrt exp sigmoid tanh softplus"
_NN = "relu relu6 leaky_relu elu selu silu swish gelu sigmoid tanh softplus"
_OPERATORS = "add sub mul truediv pow neg abs radd rsub rmul rtruediv"

ELEMENTWISE = {
    *(f"math.{name}" for name in f"{_BINARY} {_UNARY}".split()),
    *(f"nn.{name}" for name in _NN.split()),
    *(f"__operators__.{name}" for name in _OPERATORS.split()),
    "identity",
    "clip_by_value",
}


@rule("TFOpLambda", "SlicingOpLambda")
def tensorflow_function(call: LayerCall) -> list[Ids]:
    """By the function's name in the layer's configuration."""
    name = str(call.layer.get_config()["function"])
    if name in ELEMENTWISE:
        return elementwise(call)
    special = _SPECIAL.get(name)
    if special is None:
        return call.fixed_outputs(f"calls tf.{name}, for which there is no rule")
    return special(call)


def _argument(call: LayerCall, name: str, position: int) -> Any:
    if name in call.node.kwargs:
        return call.node.kwargs[name]
    return call.node.args[position] if len(call.node.args) > position else None


def _reduce(call: LayerCall) -> list[Ids]:
    return reduced(call, _argument(call, "axis", 1))


def _concat(call: LayerCall) -> list[Ids]:
    axis = _argument(call, "axis", 1)
    return joined(call, axis) if isinstance(axis, int) else call.fixed_outputs("has no known axis")


def _get_item(call: LayerCall) -> list[Ids]:
    keys = _argument(call, "slice_spec", 1)
    return sliced(call, tuple(map(_plain_slice, keys)) if isinstance(keys, (list, tuple)) else keys)


def _plain_slice(key: Any) -> Any:
    """A slice as Keras 2 stores it: with start, stop and step by name."""
    if isinstance(key, dict):
        return slice(key.get("start"), key.get("stop"), key.get("step"))
    return key


def _expand_dims(call: LayerCall) -> list[Ids]:
    if last_size(call.output_shape) != len(call.inputs[0]):
        return call.fixed_outputs("moves the channels to another axis")
    return [call.inputs[0]]


_SPECIAL: dict[str, Callable[[LayerCall], list[Ids]]] = {
    **{f"math.reduce_{kind}": _reduce for kind in ("mean", "sum", "max", "min")},
    "concat": _concat,
    "__operators__.getitem": _get_item,
    "expand_dims": _expand_dims,
}
