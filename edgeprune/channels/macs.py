"""Multiply-accumulates of the layers with weights, whole or with channels removed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.channels.identities import Ids
from edgeprune.channels.trace import Trace, trace
from edgeprune.errors import ModelError


def count_macs(model: Any) -> int:
    """Multiply-accumulates of one inference, of one sample.

    Counted are convolutions, dense, attention's projections and recurrent layers, each element of
    a kernel once for every position at which it is used. Biases, normalization, pooling and the
    products of attention are not.

    Args:
        model: Sequential or functional, of either Keras.

    Raises:
        ModelError: The model has no graph that can be followed, or an input of open size.
    """
    count = macs_counter(trace(model))(None)
    if count is None:
        raise ModelError(
            f"multiply-accumulates of model {model.name!r} cannot be counted: an input has an open "
            "size; build the model with a fixed one"
        )
    return count


def macs_counter(traced: Trace) -> Callable[[BoolArray | None], int | None]:
    """A function from which identities stay, or None for all, to multiply-accumulates.

    The function returns None where a layer's output has an open size.
    """
    along: dict[int, dict[int, Ids]] = defaultdict(dict)
    for binding in traced.bindings:
        along[id(binding.variable)][binding.axis] = binding.ids

    def count(stays: BoolArray | None) -> int | None:
        total = 0
        for work in traced.work:
            if work.positions is None:
                return None
            shape = [int(size) for size in work.variable.shape]
            if stays is not None:
                for axis, ids in along[id(work.variable)].items():
                    shape[axis] = int(stays[ids].sum())
            total += work.positions * math.prod(shape)
        return total

    return count
