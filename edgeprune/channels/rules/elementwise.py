"""Operations on equal positions of several tensors: their channels go together."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, last_size, rule

_OPERATIONS = (
    "Add Subtract Multiply Divide TrueDivide Maximum Minimum Power Negative Absolute Square Sqrt "
    "Exp Relu Relu6 Sigmoid Silu Gelu Tanh Softplus Elu Selu HardSigmoid HardSilu LeakyRelu"
)


@rule("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "CustomScaleLayer")
@rule(*(f"ops.{name}" for name in _OPERATIONS.split()))
def elementwise(call: LayerCall) -> list[Ids]:
    """Layers that merge, and Keras 3's operations."""
    if any(_is_array(value) for value in _constants(call)):
        return call.fixed_outputs("takes a constant of several values")
    size = last_size(call.output_shape)
    whole = [ids for ids in call.inputs if len(ids) == size]
    if not whole:
        return call.fixed_outputs("meets tensors of different channel counts")
    for ids in whole[1:]:
        call.unify(whole[0], ids)
    spread = [ids for ids in call.inputs if len(ids) != size]
    call.fix(spread, "spreads this channel over all channels of another tensor")
    return [whole[0]]


def _constants(call: LayerCall) -> list[Any]:
    """Arguments that hold no tensor of the graph."""
    return [
        value for value in (*call.node.args, *call.node.kwargs.values()) if not _symbolic(value)
    ]


def _symbolic(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_symbolic(one) for one in value)
    return "KerasTensor" in type(value).__name__


def _is_array(value: Any) -> bool:
    """Whether it holds more than one number."""
    if isinstance(value, (list, tuple)):
        return len(value) > 1
    shape = getattr(value, "shape", ())
    return any(size != 1 for size in shape)


@rule("Concatenate", "ops.Concatenate")
def concatenate(call: LayerCall) -> list[Ids]:
    """Along channels they follow one another; along another axis they are the same."""
    return joined(call, call.layer.axis)


def joined(call: LayerCall, axis: int) -> list[Ids]:
    """The channels of several tensors in a row, or those that they share."""
    rank = len(call.output_shape)
    if axis % rank == rank - 1:
        outputs = np.concatenate(call.inputs)
        if len(outputs) != last_size(call.output_shape):
            return call.fixed_outputs("has an output of unknown size")
        return [outputs]
    for ids in call.inputs[1:]:
        call.unify(call.inputs[0], ids)
    return [call.inputs[0]]
